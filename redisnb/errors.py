"""All exceptions and warnings of redisnb, as one tree.

    RedisnbError
      ConnectError          cannot reach or start a server
      ReadOnlyError         a write on a read-only connection
      EntryIdError          (ValueError) an invalid entry ID or time
      DecodeError           (ValueError) a reply or cached value that cannot be read
      EncodeError           (ValueError) an event, frame or value that cannot be written
      UncertainWriteError   sent, but the outcome is unknown
      GroupMissingError     the consumer group or its stream is gone
      ReplayError           a capture or a bookmark that cannot be used
      MissingExtraError     (ImportError) an optional package is not installed
    RedisnbWarning          (UserWarning)

Errors reported by the server stay redis-py's own; `explain` adds the remedy as a note.
"""

from __future__ import annotations

import math
import re
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from types import FrameType
from typing import Any

import redis
from redis.exceptions import RedisError, ResponseError

__all__ = [
    "ConnectError",
    "DecodeError",
    "EncodeError",
    "EntryIdError",
    "GroupMissingError",
    "MissingExtraError",
    "ReadOnlyError",
    "RedisnbError",
    "RedisnbWarning",
    "ReplayError",
    "UncertainWriteError",
]


# Panels count as callers: they display the warnings of what they call. Between a magic and its cell
# is IPython.
_INSIDE = re.compile(r"redisnb(\.(?!panels\.)|$)|IPython\.")


class RedisnbError(Exception):
    """The base class of all errors that redisnb raises itself."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how to pickle it: processes that work together send their errors to each other."""
        # Without `__init__`, whose arguments `Exception` does not keep.
        return _error_of, (type(self), self.args), vars(self)


def _error_of(kind: type[RedisnbError], args: tuple[Any, ...]) -> RedisnbError:
    return kind.__new__(kind, *args)


class RedisnbWarning(UserWarning):
    """A warning that a correct result is not what it may seem to be."""


_in_shell = False


@contextmanager
def shell_spoken() -> Iterator[None]:
    """Write options in messages as the shell has them: a process runs one command at a time."""
    global _in_shell
    before, _in_shell = _in_shell, True
    try:
        yield
    finally:
        _in_shell = before


def option(name: str, *value: object) -> str:
    """Return an option as the user writes it: ``limit=5``, or ``--limit 5`` in the shell."""
    if not _in_shell:
        return f"{name}={_written(*value, infinite='float(' + repr('inf') + ')')}"
    written = "" if value == (True,) else _written(*value, infinite="max")
    return f"--{name.replace('_', '-')} {written}".rstrip()


def _written(*value: object, infinite: str) -> str:
    return "".join(infinite if each == math.inf else repr(each) for each in value)


def choose(value: object, values: Sequence[str], name: str) -> None:
    """Refuse an argument that is not one of these.

    Raises
    ------
    ValueError
        It lists them.
    """
    if value not in values:
        raise ValueError(f"{name}={value!r}; choose {' or '.join(map(repr, values))}")


def either(python: str, shell: str) -> str:
    """Return the wording for Python, or that for the shell."""
    return shell if _in_shell else python


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the name that was probably meant; names with other numbers are distinct."""
    plain = name.lower()
    known = {each.lower(): each for each in names if _numbers_in(each) == _numbers_in(name)}
    if plain in known:
        return known[plain]
    near = get_close_matches(plain, known, n=1, cutoff=0.7)
    return known[near[0]] if near else None


def _numbers_in(name: str) -> list[str]:
    return re.findall(r"[0-9]+", name)


def warn(message: str) -> None:
    """Warn, pointing at the caller's line outside redisnb, or in one of its panels."""
    frame: FrameType | None = sys._getframe(1)
    level = 2
    while frame is not None and _INSIDE.match(frame.f_globals.get("__name__", "")):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, RedisnbWarning, stacklevel=level)


class ConnectError(RedisnbError):
    """A server cannot be reached or started.

    Attributes
    ----------
    url : str or None
        The server's address without user name and password.
    """

    def __init__(self, message: str, *, url: str | None = None) -> None:
        super().__init__(message)
        self.url = url


class ReadOnlyError(RedisnbError):
    """A read-only connection was asked to send something that may write; nothing was sent.

    Attributes
    ----------
    command : str or None
        The command, such as ``XADD`` or ``CONFIG SET``, without its arguments; None if it was not
        a whole command.
    """

    def __init__(self, message: str, *, command: str | None) -> None:
        super().__init__(message)
        self.command = command


class EntryIdError(RedisnbError, ValueError):
    """A value is neither an entry ID nor a time that can stand for one.

    Attributes
    ----------
    value : object
        The value.
    """

    def __init__(self, message: str, *, value: object) -> None:
        super().__init__(message)
        self.value = value


class DecodeError(RedisnbError, ValueError):
    """A cached value cannot be read back."""


class EncodeError(RedisnbError, ValueError):
    """An event, frame or value cannot be written; nothing was sent.

    Attributes
    ----------
    column : str or None
        The member, field or column at fault; nested members are dotted.
    row : int or None
        The position of the event in the batch, from 0.
    """

    def __init__(self, message: str, *, column: str | None = None, row: int | None = None) -> None:
        super().__init__(message)
        self.column = column
        self.row = row

    def at_row(self, row: int) -> EncodeError:
        """Return the same error, naming the row too."""
        return EncodeError(f"row {row}: {self}", column=self.column, row=row)


class UncertainWriteError(RedisnbError):
    """A write was sent but its reply never came: it may or may not have happened.

    Check before sending it again (`Stream.tail`), or give events explicit IDs: the server
    accepts each ID once.

    Attributes
    ----------
    stream : str
        The stream that was written to; "" if it was `command` that sent.
    rows : int
        How many events, or commands, have an unknown outcome.
    """

    def __init__(self, message: str, *, stream: str, rows: int) -> None:
        super().__init__(message)
        self.stream = stream
        self.rows = rows


class GroupMissingError(RedisnbError):
    """A consumer group, or the stream that it belongs to, does not exist.

    Attributes
    ----------
    stream, group : str
        Their names.
    """

    def __init__(self, message: str, *, stream: str, group: str) -> None:
        super().__init__(message)
        self.stream = stream
        self.group = group


class ReplayError(RedisnbError):
    """A capture cannot be used, or a replay cannot resume.

    Attributes
    ----------
    path : str or None
        The file.
    line : int or None
        The line (in a Parquet file: the row), from 1.
    """

    def __init__(self, message: str, *, path: str | None = None, line: int | None = None) -> None:
        super().__init__(message)
        self.path = path
        self.line = line


class MissingExtraError(RedisnbError, ImportError):
    """An optional package is not installed; the message names the extra that installs it.

    Attributes
    ----------
    extra : str
        The extra's name, as in ``pip install "redisnb[extra]"``.
    """

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"{package} is not installed; get it with: python -m pip install 'redisnb[{extra}]'"
        )
        self.extra = extra


# By the code at the start of a server's error text, which is part of Redis' protocol:
# https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors
_REMEDIES = {
    "WRONGTYPE": "{key} holds another type of value; redisnb.keys(conn, {key}) shows which",
    "NOAUTH": "the server wants a password: redis://:PASSWORD@host:port/db",
    "OOM": "the server has reached its maxmemory; delete or trim something first",
    "MISCONF": "the server cannot save to disk and refuses writes until it can",
    "READONLY": "this server is a replica; connect to its primary to write",
    "LOADING": "the server is still reading its data from disk; try again in a moment",
}


# "no permissions to run the 'xinfo|stream' command or its subcommand", in all versions.
_COMMAND = re.compile(r"run the '([^']+)' command")
#: Why redisnb needs commands that some servers lack and some users may not run.
_NEEDED = {
    "eval": "with a script redisnb does in one step what must not be done by halves",
    "multi": "with it redisnb does in one step what must not be done by halves",
}


# Transient server errors.
_TRANSIENT = frozenset(
    {
        "BUSY",
        "CLUSTERDOWN",
        "LOADING",
        "MASTERDOWN",
        "MISCONF",
        "NOREPLICAS",
        "OOM",
        "READONLY",
        "TRYAGAIN",
        "UNBLOCKED",
    }
)


def is_transient(error: BaseException) -> bool:
    """Return whether an error may be transient: no link, no reply, a server in a passing state."""
    if isinstance(error, ConnectError):
        return error.__cause__ is not None and is_transient(error.__cause__)
    if isinstance(error, redis.ResponseError):
        return code(error) in _TRANSIENT
    return isinstance(
        error, redis.ConnectionError | redis.TimeoutError | redis.InvalidResponse | OSError
    ) and not isinstance(error, redis.AuthenticationError)


def code(error: RedisError) -> str:
    """Return the word that starts a server's error text, such as ``WRONGTYPE``."""
    # redis-py moves codes for which it has a class from the text into `status_code`.
    return getattr(error, "status_code", None) or str(error).partition(" ")[0]


def words(error: RedisError) -> str:
    """Return a server's error text with the code that redis-py moved out of it."""
    status = getattr(error, "status_code", None)
    return f"{status} {error}" if status else str(error)


def explain(error: ResponseError, key: str, command: Sequence[object] = ()) -> ResponseError:
    """Attach the known remedy to a server's error about `key` and return the error."""
    remedy = _REMEDIES.get(code(error))
    if code(error) == "NOPERM":
        error.add_note(_permission(error, key, command))
    elif is_unavailable(error):
        # Renamed or removed, as on managed servers.
        name = command[0] if command else "the command"
        error.add_note(f"this server has no {name}, or has it renamed{_needed(name)}")
    elif remedy is not None:
        error.add_note(remedy.format(key=repr(key)))
    return error


def is_unavailable(error: RedisError) -> bool:
    """Return whether this user may not run a command, or this server does not have it."""
    return code(error) == "NOPERM" or "unknown command" in str(error).lower()


def is_of_key(error: RedisError) -> bool:
    """Return whether an ACL denies a key, and not the command."""
    return code(error) == "NOPERM" and _COMMAND.search(str(error)) is None


def _permission(error: ResponseError, key: str, command: Sequence[object]) -> str:
    """Return the rule that is missing in this user's ACL.

    https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/
    """
    refused = _COMMAND.search(str(error))
    if refused is not None:
        name = refused[1].lower()
        return f"+{name} in this user's ACL allows it, or connect as another{_needed(name)}"
    keys = ", ".join(map(repr, keys_of(command))) or repr(key)
    return (
        f"redisnb asked for {keys}; a pattern for it in this user's ACL allows that, such as "
        f"~{key or '*'}, or connect as another"
    )


def _needed(command: object) -> str:
    why = _NEEDED.get(str(command).lower().partition("|")[0])
    return f"; {why}" if why else ""


def keys_of(command: Sequence[object]) -> list[str]:
    """Return the keys of a command that redisnb sends, including derived ones."""
    if not command:
        return []
    name, *rest = [
        part.decode(errors="replace") if isinstance(part, bytes) else str(part) for part in command
    ]
    if name == "EVAL":
        return rest[2 : 2 + int(rest[1])]
    if "STREAMS" in rest:
        named = rest[rest.index("STREAMS") + 1 :]
        return named[: len(named) // 2]
    if name in ("XINFO", "XGROUP", "MEMORY", "OBJECT"):
        return rest[1:2]
    return rest if name in ("MGET", "UNLINK") else rest[:1]
