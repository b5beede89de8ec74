"""The strings, hashes and JSON documents of a database as one frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any

import pandas as pd
import redis

from redisnb import frames, wire
from redisnb.entries import PAYLOAD, Fields, Layout, as_text, json_object
from redisnb.errors import code, explain, is_of_key, warn
from redisnb.frames import Schema, Types
from redisnb.hints import hinted
from redisnb.keyspace import encoding
from redisnb.keyspace.listing import MOST_KEYS
from redisnb.keyspace.modules import plain_type
from redisnb.wire import Connection

__all__ = ["values"]

#: How many values are asked for at once: so many of usual size fit into a socket's buffer.
PAGE = 250
_READERS = {b"string": "GET", b"hash": "HGETALL", b"ReJSON-RL": "JSON.GET"}
_FIELDS = Layout("fields")


@hinted
def values(
    conn: Connection,
    match: str = "*",
    *,
    limit: int | None = MOST_KEYS,
    types: Types = "infer",
    schema: Schema | None = None,
) -> pd.DataFrame:
    """Read the strings, hashes and JSON documents under a pattern into one frame.

    Parameters
    ----------
    conn, match
        As for `keys`.
    limit : int or None, default 100,000
        The most rows, None for all; ``frame.attrs["truncated"]`` says whether there are more.
    types : "infer", "text" or mapping
        "text" leaves fields and plain strings as text; ``{"price": "float64"}`` decides for some
        columns.
    schema : mapping of str to dtype, optional
        As for `Stream`: exactly these columns behind `key`; ``frame.attrs["misfits"]`` counts what
        does not fit.

    Returns
    -------
    DataFrame in schema VALUES
        By key: `key`, then the columns in the order in which they are seen. A string or a JSON
        document that holds a JSON object has its members as columns, nested ones dotted; any other
        is in the column `value`; a hash has a column for each field. Types are found as for
        entries; a name that is taken gets the suffix ``_field``. What `Cache` stored as a frame or
        as bytes stays bytes. Empty where nothing matches.

        ``frame.attrs["skipped"]`` counts what the walk met and left out, by type ("list", "set",
        ...), with "changed" for keys that got another type while they were read and "refused" for
        those that are not this user's. A key that goes meanwhile is in neither.

    Raises
    ------
    DecodeError
        If a column cannot be read as the dtype that `types` wants.

    Notes
    -----
    SCAN, then TYPE, and GET, HGETALL or JSON.GET, for each key, pipelined. Reads only. All values
    are in memory twice for a moment: raw, and as columns.
    """
    wire.check_connection(conn, "values(conn)")
    frames.check_limit(limit)
    fitted = frames.check_schema(schema, types)
    with frames.paused_collector():
        found, skipped = _readable(conn, match, limit)
        if not found and not skipped and limit != 0:
            wire.warn_of_no_match(conn, match)
        keys = sorted([*found][:limit])
        kinds = dict(zip(keys, map(found.__getitem__, keys), strict=True))
        frame = _frame(conn, kinds, skipped, types, fitted)
    frame.attrs["skipped"] = dict(skipped)
    if refused := skipped["refused"]:
        warn(f"keys that this user may not read are left out: {refused:,}")
    more = limit is not None and len(found) > limit
    return frames.mark_truncated(frame, limit if more else None, MOST_KEYS, "limit=None reads all")


def _readable(
    conn: Connection, match: str, limit: int | None
) -> tuple[dict[bytes, bytes], Counter[str]]:
    """Return the type of each of these keys, up to just beyond `limit`, and count the others."""
    found: dict[bytes, bytes] = {}
    others: Counter[str] = Counter()
    for page, types in wire.walk(conn, match, [("TYPE",)]):
        if {*types} <= _READERS.keys():
            found.update(zip(page, types, strict=True))
            page = []
        for key, type in zip(page, types, strict=False):
            if type in _READERS:
                found[key] = type
            elif isinstance(type, redis.ResponseError):
                if not is_of_key(type):
                    raise explain(type, match, ("TYPE", key))
                others["refused"] += 1
            elif type != b"none":
                others[plain_type(type.decode())] += 1
        if limit is not None and len(found) > limit:
            break
    return found, others


def _frame(
    conn: Connection,
    kinds: dict[bytes, bytes],
    skipped: Counter[str],
    types: Types,
    schema: Mapping[str, Any] | None,
) -> pd.DataFrame:
    """Read the values of keys of these types, and make their frame."""
    if not {b"string", b"ReJSON-RL"} & {*kinds.values()}:
        # As they come: a page that is decoded at once has not left the processor's cache.
        return frames.values_frame(
            lambda: _pages(_read(conn, kinds, skipped), _FIELDS),
            _FIELDS,
            types=types,
            schema=schema,
            opaque={},
        )
    read = list(chain.from_iterable(_read(conn, kinds, skipped)))
    strings = {row: reply for row, (_, reply) in enumerate(read) if isinstance(reply, bytes)}
    objects = (json_object(reply) is not None for reply in strings.values())
    layout = Layout("json") if any(objects) else _FIELDS
    return frames.values_frame(
        lambda: _pages(wire.batches(read), layout),
        layout,
        types=types,
        schema=schema,
        opaque={row: reply for row, reply in strings.items() if encoding.is_envelope(reply)},
    )


def _read(
    conn: Connection, kinds: dict[bytes, bytes], skipped: Counter[str]
) -> Iterator[list[tuple[bytes, Any]]]:
    """Give pages of keys that are there, with the replies to GET, HGETALL or JSON.GET."""
    asking = {kind: wire.template([(command,)]) for kind, command in _READERS.items()}
    keys = [*kinds]
    pages = [keys[i : i + PAGE] for i in range(0, len(keys), PAGE)]
    parts = ([asking[kinds[key]] % (len(key), key) for key in page] for page in pages)
    # To its end, or the link could not be used again.
    pairs = zip(keys, wire.replies_to(conn, parts), strict=True)
    while read := list(islice(pairs, PAGE)):
        if not all(type(reply) is list and reply for _, reply in read):
            read = [pair for pair in read if _is_value(*pair, kinds, skipped)]
        yield read


def _is_value(key: bytes, reply: Any, kinds: Mapping[bytes, bytes], skipped: Counter[str]) -> bool:
    """Return whether a reply is a value; count a key that has got another type meanwhile."""
    if isinstance(reply, redis.ResponseError):
        if code(reply) != "WRONGTYPE":
            raise explain(reply, as_text(key))
        skipped["changed"] += 1
        return False
    return reply is not None and (bool(reply) or kinds[key] != b"hash")


def _pages(
    read: Iterable[Sequence[tuple[bytes, Any]]], layout: Layout
) -> Iterator[list[tuple[bytes, Fields]]]:
    """Give keys and values as pages of entries."""
    for page in read:
        is_flat = not layout.carries and all(type(reply) is list for _, reply in page)
        yield list(page) if is_flat else [(key, _body(reply, layout)) for key, reply in page]


def _body(reply: Any, layout: Layout) -> Fields:
    """Return a value as the fields of an entry."""
    if isinstance(reply, bytes):
        is_object = layout.carries and json_object(reply) is not None
        return (PAYLOAD if is_object else b"value", reply)
    # RESP3 sends a map.
    fields = list(chain.from_iterable(reply.items())) if isinstance(reply, dict) else reply
    if layout.carries and PAYLOAD in fields[::2]:
        # JSON is read once in an entry, and a hash's own field of this name is text.
        return [PAYLOAD, b"{}", *fields]
    return fields
