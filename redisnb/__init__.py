"""Redis as DataFrames, for notebooks.

>>> import redisnb as rnb
>>> conn = rnb.connect()  # $REDISNB_URL, $REDIS_URL, or a private server; or connect("redis://...")

connect         connect(url, read_only=True) is a Connection; Server(), stop_all()
look around     streams(conn), groups(conn), keys(conn, "user:*"), tree(conn),
                values(conn, "user:*"), preview(conn, key)
what is wrong?  doctor(conn), group.why(), watch(conn), info(conn), clients(conn), slowlog(conn)
a stream        orders = Stream(conn, "orders")
  publish         orders.add(event), orders.add_many(frame), with the outcome of each event
  read            orders.range("-1h", where="amount > 2"), orders.tail(), orders.follow()
  count           orders.histogram("1h"), orders.profile(), len(orders)
  remove          orders.trim(maxlen=1000), orders.delete(frame)
a group         group = ConsumerGroup(orders, "billing")
  share           group.create("all"), group.read(), group.ack(frame)
  stuck entries   group.pending(payload=True), group.claim(frame, min_idle="5min")
  dead letters    group.dead_letters(), group.redrive("all")
a handler       Consumer(group, handle).run(), or with Consumer(...): it runs beside the cell
a cache         cache = Cache(conn, prefix="report:", ttl="1h"), cache.set(name, frame),
                cache.get(name), cache.ttl(name), @cache.memoize()
a capture       capture(orders, "orders.parquet"), load("orders.parquet")
a replay        replay(orders, Stream(conn, "test"), speed=60, dry_run=True), then without dry_run;
                Replay(...) can be paused and stepped; what was done is a Report
any command     command(conn, "XLEN orders"), %load_ext redisnb and %redis, conn.client
pictures        plots.rate(orders.range()), plots.lag(watch(conn)), plots.ttl(keys(conn))
with buttons    panels.dashboard(conn), panels.browse(orders), panels.groups(conn)
to try it on    flights(2_000), real events

Entries are Entry objects with an EntryId, or rows of a frame; to_bytes() says how names that are
not UTF-8 are spelled. A RedisnbError is a ConnectError, DecodeError, EncodeError, EntryIdError,
GroupMissingError, MissingExtraError, ReadOnlyError, ReplayError or UncertainWriteError; what the
server refuses stays an error of redis-py. What is lost, cut off or guessed is a RedisnbWarning.

help(rnb.Stream) and help(rnb.Stream.range) go on from here. In the shell, `redisnb lab` opens the
notebooks, and `redisnb demo` shows most of it in a few seconds.
"""

from typing import TYPE_CHECKING, Any

from redisnb.startup import ctrl_c_ends_command

with ctrl_c_ends_command():
    from redisnb.background import stop_all
    from redisnb.captures import capture, load
    from redisnb.consumers import Consumer
    from redisnb.entries import Entry, EntryId, to_bytes
    from redisnb.errors import (
        ConnectError,
        DecodeError,
        EncodeError,
        EntryIdError,
        GroupMissingError,
        MissingExtraError,
        ReadOnlyError,
        RedisnbError,
        RedisnbWarning,
        ReplayError,
        UncertainWriteError,
    )
    from redisnb.explore import clients, command, doctor, info, slowlog, watch
    from redisnb.keyspace import Cache, groups, keys, preview, streams, tree, values
    from redisnb.replays import Replay, Report, replay
    from redisnb.samples import flights
    from redisnb.stream import ConsumerGroup, Stream
    from redisnb.wire import Connection, Server, connect

if TYPE_CHECKING:
    from redisnb import dask as dask
    from redisnb import panels as panels
    from redisnb.explore import plots as plots

    __version__: str

__all__ = [
    "Cache",
    "ConnectError",
    "Connection",
    "Consumer",
    "ConsumerGroup",
    "DecodeError",
    "EncodeError",
    "Entry",
    "EntryId",
    "EntryIdError",
    "GroupMissingError",
    "MissingExtraError",
    "ReadOnlyError",
    "RedisnbError",
    "RedisnbWarning",
    "Replay",
    "ReplayError",
    "Report",
    "Server",
    "Stream",
    "UncertainWriteError",
    "__version__",
    "capture",
    "clients",
    "command",
    "connect",
    "doctor",
    "flights",
    "groups",
    "info",
    "keys",
    "load",
    "panels",
    "plots",
    "preview",
    "replay",
    "slowlog",
    "stop_all",
    "streams",
    "to_bytes",
    "tree",
    "values",
    "watch",
]


if not TYPE_CHECKING:  # or type checkers would accept any name

    def __getattr__(name: str) -> Any:
        # ipywidgets takes longer to import than the rest of redisnb. `dask` is not among the public
        # names, because ``from redisnb import *`` would hide Dask itself.
        places = {name: f"redisnb.{name}" for name in ("dask", "panels")}
        places["plots"] = "redisnb.explore.plots"
        if name in places:
            import importlib

            return importlib.import_module(places[name])
        if name == "__version__":
            from importlib.metadata import version

            return version("redisnb")
        from redisnb.errors import nearest

        meant = None if name.startswith("_") else nearest(name, __all__)
        hint = "" if meant is None else f"; did you mean {meant}?"
        # Without the module, or Python would suggest similar names again.
        raise AttributeError(f"redisnb has no {name!r}{hint}", name=name, obj=None)


def load_ipython_extension(shell: Any) -> None:
    """Load ``%redis`` and ``%%redis``: ``%load_ext redisnb``."""
    from redisnb.explore import load_magics

    load_magics(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Take them away again, and close what they connected: ``%unload_ext redisnb``."""
    from redisnb.explore import unload_magics

    unload_magics(shell)


def __dir__() -> list[str]:
    # Completion shows the public names and not the subpackages.
    return __all__
