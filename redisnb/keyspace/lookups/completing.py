"""Names of keys for completion, which is asked for in passing: bounded in time and in number."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from threading import Thread
from typing import TypeVar
from weakref import WeakKeyDictionary

import redis

from redisnb import wire
from redisnb.entries import as_text
from redisnb.errors import RedisnbError
from redisnb.keyspace.listing import glob
from redisnb.wire import Connection

__all__ = ["names_beginning", "typed_key", "unasked"]

T = TypeVar("T")

#: How long a completion may take in all, and one reply, in seconds.
MOST_SECONDS, REPLY_SECONDS = 0.9, 0.4
#: How long keys are looked for: enough for the SCANs through a million of them.
SCAN_SECONDS = 0.65
#: How many keys one SCAN looks at: it blocks the server for a millisecond or two.
KEYS_AT_ONCE = 5_000
#: How long a server that did not answer is left alone, in seconds.
REST_SECONDS = 10.0

# By address and type: what was looked for, how far, and what was found until then.
_stopped: dict[tuple[str, str | None], tuple[str, bytes, list[str]]] = {}
_rests_until: WeakKeyDictionary[Connection, float] = WeakKeyDictionary()
# conn["or
_BEGUN = re.compile(r"""\[\s*(["'])([^"'\\]*)$""")


def unasked(conn: Connection, look: Callable[[Connection], list[T]]) -> list[T]:
    """Return what `look` finds within a second, else nothing, and raise nothing.

    `look` gets a connection whose waits are short. A closed connection is not opened, and a server
    that did not answer is not asked again for a while.
    """
    if conn.closed or _rests_until.get(conn, 0) > time.monotonic():
        return []
    found: list[T] = []

    def work() -> None:
        try:
            with wire.brief(conn, REPLY_SECONDS) as quick:
                found.extend(look(quick))
        except redis.ResponseError:
            pass
        except (RedisnbError, redis.RedisError, OSError):
            _rests_until[conn] = time.monotonic() + REST_SECONDS
            return
        _rests_until.pop(conn, None)

    # Until it has answered: it may be longer than anyone waits.
    _rests_until[conn] = time.monotonic() + REST_SECONDS
    # In a thread, since looking up a host's name has no timeout.
    thread = Thread(target=work, name="redisnb-completion", daemon=True)
    thread.start()
    thread.join(MOST_SECONDS)
    return list(found)


def names_beginning(
    conn: Connection, begin: str, type: str | None = None, *, most: int
) -> list[str]:
    """Return names of keys that begin so, `most` at most, as far as they are found soon.

    Where the time was too short, the next call for such names goes on from there.

    Notes
    -----
    SCAN. Reads only.
    """
    end = time.monotonic() + SCAN_SECONDS
    before, cursor, found = _stopped.pop((conn.url, type), ("", b"0", []))
    if not begin.startswith(before):
        cursor, found = b"0", []
    found = [name for name in found if name.startswith(begin)]
    narrowed = () if type is None else ("TYPE", type)
    match = f"{glob(begin)}*"
    while len(found) < most:
        if time.monotonic() > end:
            _stopped[conn.url, type] = begin, cursor, found
            break
        scan = ("SCAN", cursor, "MATCH", match, "COUNT", KEYS_AT_ONCE, *narrowed)
        cursor, page = wire.ask(conn, *scan, key=match)
        found += map(as_text, page)
        if cursor == b"0":
            break
    # SCAN may return a key twice.
    return sorted(dict.fromkeys(found[:most]))


def typed_key() -> str:
    """Return what stands behind ``["`` where IPython completes a key; "" if that is unknown.

    IPython asks for all keys and chooses among them itself.
    """
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    text = getattr(getattr(shell, "Completer", None), "text_until_cursor", None)
    begun = _BEGUN.search(text) if isinstance(text, str) else None
    return begun[2] if begun else ""
