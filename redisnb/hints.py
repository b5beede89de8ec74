"""Hints for what does not exist or cannot work, by what was probably meant."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from decimal import Decimal
from functools import wraps
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

import redis

from redisnb.errors import nearest

__all__ = ["Hinting", "Unpicklable", "conversion", "hinted"]

_REDIS = frozenset(name for name in dir(redis.Redis) if not name.startswith("_"))
# By class: the name elsewhere, and what does it here.
_METHODS = {
    "Connection": dict.fromkeys(
        ("command", "execute", "execute_command"),
        "redisnb.command(conn, 'GET user:7') sends any command",
    ),
    "Stream": {
        "xadd": "add(event) adds one",
        "append": "add(event) adds one",
        "publish": "add(event) adds one, add_many(events) many",
        "write": "add(event) adds one, add_many(events) many",
        "xrange": "range(start, end) is a frame of entries",
        "xrevrange": "range(start, end, reverse=True) is a frame of entries",
        "read": "range() is a frame of entries",
        "df": "range() is a frame of entries",
        "to_df": "range() is a frame of entries",
        "to_frame": "range() is a frame of entries",
        "to_pandas": "range() is a frame of entries",
        "xread": "follow() gives each entry as it arrives",
        "listen": "follow() gives each entry as it arrives",
        "consume": "Consumer(stream, handler).run() hands each entry to a function",
        "xlen": "len(stream) counts the entries",
        "count": "len(stream) counts the entries",
        "length": "len(stream) counts the entries",
        "resample": "histogram(every) counts the entries by time",
        "split": "partitions(n) divides it into ranges of about equal size",
        "xdel": "delete(ids) deletes entries",
        "xtrim": "trim(maxlen=) trims it",
        "xinfo_stream": "info() is its state",
        "xinfo_groups": "groups() are its groups",
        "xgroup_create": "ConsumerGroup(stream, name).create() makes a group",
        "xreadgroup": "ConsumerGroup(stream, name).read() takes entries for a group",
        "xack": "ConsumerGroup(stream, name).ack(entries) acknowledges",
        "ack": "ConsumerGroup(stream, name).ack(entries) acknowledges",
        "pending": "ConsumerGroup(stream, name).pending() is what a group has not acknowledged",
        "why": "ConsumerGroup(stream, name).why() is what holds a group up",
        "describe": "profile() describes each column",
        "get": "stream[id] is one entry",
        "name": "key is its name",
    },
    "ConsumerGroup": {
        "xgroup_create": "create() makes it",
        "xreadgroup": "read() takes entries",
        "range": "read() takes entries, stream.range() shows all",
        "xack": "ack(entries) acknowledges",
        "acknowledge": "ack(entries) acknowledges",
        "xpending": "pending() is what was not acknowledged",
        "xgroup_createconsumer": "create_consumer() makes one",
        "xclaim": "claim(entries, min_idle=) takes entries over",
        "xautoclaim": "autoclaim(min_idle=) takes entries over",
        "consume": "Consumer(group, handler).run() hands each entry to a function",
        "delete": "destroy() removes the group, stream.delete(ids) entries",
    },
    "Cache": {
        "setex": "set(key, value, ttl=) stores with an expiry",
        "psetex": "set(key, value, ttl=) stores with an expiry",
        "put": "set(key, value) stores",
        "mset": "set_many({key: value}) stores several",
        "mget": "get_many(keys) reads several",
        "pexpire": "expire(key, ttl) sets an expiry",
        "expireat": "expire_at(key, time) sets when it expires",
        "pttl": "ttl(key) is how long it lives",
        "scan_iter": "keys(match) finds keys",
        "flushdb": "flush(confirm=) deletes everything in the cache",
        "flushall": "flush(confirm=) deletes everything in the cache",
        "clear": "flush(confirm=) deletes everything in the cache",
        "cached": "memoize(ttl=) decorates a function",
        "cache": "memoize(ttl=) decorates a function",
    },
}

# How to convert a value to one that can be written, and an object to an event.
_VALUES: dict[type, str] = {
    Decimal: "str(), which keeps all digits, or float() makes one that it can",
    bytes: ".decode() makes text of it, and format='fields' carries bytes",
    set: "list() makes one that it can",
    frozenset: "list() makes one that it can",
}
_EVENTS: dict[type, str] = {
    str: "json.loads() makes a mapping of JSON text",
    bytes: "json.loads() makes a mapping of JSON text",
    list: "dict() makes a mapping of pairs, and add_many() takes several events",
    tuple: "dict() makes a mapping of pairs, and add_many() takes several events",
}

# What another process does instead of being sent such an object.
_ELSEWHERE = {
    "Connection": "call redisnb.connect(), which takes the address from $REDISNB_URL there",
    "Stream": (
        "make Stream(redisnb.connect(), key, ...) of its key and options; "
        "redisnb.dask.read_stream(key) does that in Dask's workers"
    ),
    "ConsumerGroup": (
        "make ConsumerGroup(Stream(redisnb.connect(), key), name) of the key and the name"
    ),
    "Cache": "make Cache(redisnb.connect(), prefix=...)",
    "Consumer": "make Consumer(source, handler, ...) of a source that is made there",
    "Replay": "make Replay(source, target, ...) of streams that are made there",
    "Server": "connect to its url; the server belongs to the process that started it",
}

F = TypeVar("F", bound=Callable[..., Any])

# Arguments by their names in redis-py, pandas and others.
_ARGUMENTS = {
    "block": ("timeout", "block"),
    "callback": ("on_entry",),
    "cols": ("columns",),
    "count": ("count", "limit"),
    "dtype": ("types", "schema"),
    "dtypes": ("types", "schema"),
    "ex": ("ttl",),
    "expiry": ("ttl",),
    "filter": ("where",),
    "freq": ("every",),
    "from_id": ("start",),
    "func": ("on_entry",),
    "handler": ("on_entry",),
    "interval": ("every",),
    "last_id": ("start",),
    "max": ("end", "limit"),
    "min": ("start",),
    "n": ("limit", "count"),
    "justid": ("payload",),
    "mkstream": ("create",),
    "nomkstream": ("create",),
    "noack": ("after",),
    "retrycount": ("deliveries",),
    "npartitions": ("n", "partitions"),
    "nrows": ("limit",),
    "pattern": ("match",),
    "px": ("ttl",),
    "query": ("where",),
    "size": ("limit", "count"),
    "timeout_ms": ("timeout",),
    "to": ("end",),
    "usecols": ("columns",),
}


def conversion(value: object, *, is_event: bool = False) -> str:
    """Return how to convert a value, or an event, to one that can be written; "" if unknown."""
    kind = type(value)
    if is_dataclass(value):
        return "; dataclasses.asdict() makes a mapping of it"
    for method in ("to_dict", "_asdict", "model_dump"):
        if callable(getattr(kind, method, None)):
            return f"; .{method}() makes a mapping of it"
    known = _EVENTS if is_event else _VALUES
    return next((f"; {hint}" for each, hint in known.items() if issubclass(kind, each)), "")


def hinted(function: F) -> F:
    """Let the error of a call with an unknown argument name the one that was meant."""

    @wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        try:
            return function(*args, **options)
        except TypeError as error:
            if not _is_of_the_call(error, function):
                raise
            made = type(args[0]).__name__ if function.__name__ == "__init__" else function.__name__
            raise TypeError(_about(made, function, str(error), options)) from None

    return cast(F, call)


def _is_of_the_call(error: TypeError, function: Callable[..., Any]) -> bool:
    """Return whether an error is of the call itself, and of nothing that was called in it."""
    frame = error.__traceback__
    while frame is not None and hasattr(function, "__wrapped__"):
        # A decorator below is part of the call: it checks the arguments too.
        function, frame = function.__wrapped__, frame.tb_next
    return frame is not None and frame.tb_next is None


def _about(title: str, function: Callable[..., Any], said: str, options: Mapping[str, Any]) -> str:
    parameters = inspect.signature(function).parameters
    known = [name for name in parameters if name != "self"]
    for name in options:
        if name not in parameters:
            others = [each for each in _ARGUMENTS.get(name, ()) if each in known]
            meant = others[0] if others else nearest(name, known)
            hint = f"; did you mean {meant}=?" if meant else f"; it takes {', '.join(known)}"
            return f"{title}() has no argument {name}={hint}"
    said = said.replace(function.__qualname__, title)
    return f"{said}; {title}() takes {', '.join(known)}"


class Unpicklable:
    """An object of this process: with a connection, a thread or a server.

    Pickled or copied it would be without that, or share it unasked; and with a connection's options
    its password would go where the pickle goes.
    """

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuse `pickle`, `copy` and what builds on them.

        Raises
        ------
        TypeError
            It says how another process gets an object like this.
        """
        kinds = [each.__name__ for each in type(self).__mro__]
        way = next((_ELSEWHERE[kind] for kind in kinds if kind in _ELSEWHERE), None)
        hint = "" if way is None else f"; in another process, {way}"
        raise TypeError(f"a {kinds[0]} cannot be pickled or copied{hint}")


class Hinting(Unpicklable):
    """A class whose error for an unknown attribute names the one that was meant."""

    if not TYPE_CHECKING:  # or type checkers would accept any name

        def __getattr__(self, name: str) -> NoReturn:
            kind = type(self).__name__
            hint = None if name.startswith("_") else _METHODS.get(kind, {}).get(name)
            if hint is None and kind == "Connection" and name in _REDIS:
                hint = (
                    f"conn.client.{name}(...) is redis-py's; Stream(conn, key) and Cache(conn) are "
                    "what redisnb has"
                )
            if hint is None:
                public = [each for each in dir(type(self)) if not each.startswith("_")]
                near = nearest(name, public)
                hint = "" if near is None else f"did you mean {near}?"
            said = f"{kind} has no {name!r}{'; ' if hint else ''}{hint}"
            # Without the object, or Python would suggest similar names again.
            raise AttributeError(said, name=name, obj=None)
