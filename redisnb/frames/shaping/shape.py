"""The shape of the reply to each command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from redisnb.entries import as_text
from redisnb.frames.schemas import INFO, REPLY, table
from redisnb.frames.shaping import documents, streams
from redisnb.frames.shaping.plain import Sent, paired, pairs_frame, plain, plain_id, scored_frame
from redisnb.frames.shaping.server import clients_frame, parse_info, slowlog_frame

__all__ = ["shape_reply"]


def shape_reply(words: Sent, reply: Any) -> Any:
    """Return the reply to a command as a frame where it is tabular, else as plain Python.

    Parameters
    ----------
    words : sequence of bytes
        The command.
    reply
        As the server sent it, in RESP2 or RESP3. In another form than the servers that are known
        send, it becomes plain Python.
    """
    name = words[0].upper()
    shape = _SHAPES.get(name) or _SHAPES.get(b" ".join((name, *words[1:2])).upper())
    if shape is None:
        option, found = _BY_OPTION.get(name, (b"", None))
        shape = found if option in map(bytes.upper, words[2:]) else None
    if shape is None:
        return plain(reply)
    try:
        return shape(words, reply)
    except (AttributeError, LookupError, TypeError, ValueError):
        return plain(reply)


def _names_and_values(words: Sent, reply: Any) -> pd.DataFrame:
    return pairs_frame(REPLY["CONFIG GET"], paired(reply))


def _fields_and_values(words: Sent, reply: Any) -> pd.DataFrame:
    return pairs_frame(REPLY["HGETALL"], paired(reply))


def _scores(words: Sent, reply: Any) -> pd.DataFrame:
    return scored_frame(REPLY["ZSCAN"], reply)


def _scanned(words: Sent, reply: Any) -> pd.DataFrame:
    """Return a page of a scan, with the cursor to continue from."""
    name = words[0].upper().decode()
    cursor, page = reply
    if name == "ZSCAN":
        frame = _scores(words, page)
    elif name == "HSCAN" and b"NOVALUES" not in map(bytes.upper, words):
        frame = _fields_and_values(words, page)
    else:
        # With NOVALUES, HSCAN returns fields only.
        schema = {"field": "str"} if name == "HSCAN" else REPLY[name]
        frame = table(schema, [(as_text(each),) for each in page])
    frame.attrs["cursor"] = plain_id(cursor)
    return frame


def _facts(words: Sent, reply: Any) -> pd.DataFrame:
    return table(INFO, parse_info(reply)[0])


_SHAPES: dict[bytes, Callable[[Sent, Any], Any]] = {
    b"XRANGE": streams.entries,
    b"XREVRANGE": streams.entries,
    b"XREAD": streams.keyed,
    b"XREADGROUP": streams.keyed,
    b"XCLAIM": streams.claimed,
    b"XAUTOCLAIM": streams.reclaimed,
    b"XPENDING": streams.pending_list,
    b"XINFO GROUPS": streams.state_rows,
    b"XINFO CONSUMERS": streams.state_rows,
    b"XINFO STREAM": _names_and_values,
    b"CONFIG GET": _names_and_values,
    b"MEMORY STATS": _names_and_values,
    b"SCAN": _scanned,
    b"SSCAN": _scanned,
    b"HSCAN": _scanned,
    b"ZSCAN": _scanned,
    b"HGETALL": _fields_and_values,
    b"ZPOPMIN": _scores,
    b"ZPOPMAX": _scores,
    b"INFO": _facts,
    # Which of them asked is another question, CLIENT ID.
    b"CLIENT LIST": lambda words, reply: clients_frame(reply, None),
    b"CLIENT INFO": lambda words, reply: clients_frame(reply, None),
    b"SLOWLOG GET": lambda words, reply: slowlog_frame(reply),
    b"JSON.GET": documents.document,
    b"FT.SEARCH": documents.found,
}
#: Those that are tabular with an option.
_BY_OPTION: dict[bytes, tuple[bytes, Callable[[Sent, Any], Any]]] = {
    **dict.fromkeys(
        b"ZRANGE ZREVRANGE ZRANGEBYSCORE ZREVRANGEBYSCORE ZRANDMEMBER ZDIFF ZINTER ZUNION".split(),
        (b"WITHSCORES", _scores),
    ),
    b"HRANDFIELD": (b"WITHVALUES", _fields_and_values),
}
