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

#: How many values are requested at once: at usual sizes these fit into a socket's buffer.
VALUES_AT_ONCE = 250
_READ_COMMANDS = {b"string": "GET", b"hash": "HGETALL", b"ReJSON-RL": "JSON.GET"}
_HASH_LAYOUT = Layout("fields")


@hinted
def values(
    conn: Connection,
    match: str = "*",
    *,
    limit: int | None = MOST_KEYS,
    sample: int | None = None,
    types: Types = "infer",
    schema: Schema | None = None,
) -> pd.DataFrame:
    """Read the strings, hashes and JSON documents under a pattern into one frame.

    Parameters
    ----------
    conn, match
        As for `keys`.
    limit : int or None, default 100,000
        The maximum number of rows, None for all; ``frame.attrs["truncated"]`` says whether there
        are more.
    sample : int, optional
        Return so many rows instead, without going through the whole database, as for `keys`.
    types : "infer", "text" or mapping
        "text" leaves fields and plain strings as text; ``{"price": "float64"}`` decides for some
        columns.
    schema : mapping of str to dtype, optional
        As for `Stream`: exactly these columns after `key`; ``frame.attrs["misfits"]`` counts the
        values that do not fit.

    Returns
    -------
    DataFrame in schema VALUES
        By key: `key`, then the columns in first-seen order. A string or a JSON document that holds
        a JSON object has its members as columns, nested ones dotted; any other is in the column
        `value`; a hash has a column for each field. Types are inferred as for entries; a name that
        is taken gets the suffix ``_field``. What `Cache` stored as a frame or as bytes stays bytes.
        Empty if nothing matches.

        ``frame.attrs["skipped"]`` counts the keys that were left out, by type ("list", "set", ...),
        with "changed" for keys that changed their type and "refused" for those that this
        user may not read. A key deleted during the call is in neither.

    Raises
    ------
    DecodeError
        If a column cannot be read as its dtype in `types`.

    Notes
    -----
    SCAN, then TYPE, and GET, HGETALL or JSON.GET, for each key, pipelined. Reads only. For a moment
    all values are in memory twice: raw, and as columns.

    Examples
    --------
    >>> conn.client.hset("user:1", mapping={"name": "Ann", "age": 35})
    2
    >>> conn.client.hset("user:2", mapping={"name": "Ben", "age": 41})
    2
    >>> rnb.values(conn, "user:*")
          key name  age
    0  user:1  Ann   35
    1  user:2  Ben   41
    """
    wire.check_connection(conn, "values(conn)")
    most = frames.most_rows(limit, sample, MOST_KEYS)
    fitted = frames.check_schema(schema, types)
    with frames.paused_collector():
        key_types, skipped = _find_readable(conn, match, most)
        if not key_types and not skipped and limit != 0:
            wire.warn_of_no_match(conn, match)
        keys = sorted([*key_types][:most])
        kinds = dict(zip(keys, map(key_types.__getitem__, keys), strict=True))
        frame = _frame(conn, kinds, skipped, types, fitted)
    frame.attrs["skipped"] = dict(skipped)
    if refused := skipped["refused"]:
        warn(f"keys that this user may not read are left out: {refused:,}")
    more = most is not None and len(key_types) > most
    if sample is not None:
        return frames.mark_sampled(frame, more)
    return frames.mark_truncated(frame, limit if more else None, MOST_KEYS, "limit=None reads all")


def _find_readable(
    conn: Connection, match: str, limit: int | None
) -> tuple[dict[bytes, bytes], Counter[str]]:
    """Return the types of readable keys, just beyond `limit` at most, and count the others."""
    key_types: dict[bytes, bytes] = {}
    others: Counter[str] = Counter()
    for page, types in wire.walk(conn, match, [("TYPE",)]):
        if {*types} <= _READ_COMMANDS.keys():
            key_types.update(zip(page, types, strict=True))
            page = []
        for key, type in zip(page, types, strict=False):
            if type in _READ_COMMANDS:
                key_types[key] = type
            elif isinstance(type, redis.ResponseError):
                if not is_of_key(type):
                    raise explain(type, match, ("TYPE", key))
                others["refused"] += 1
            elif type != b"none":
                others[plain_type(type.decode())] += 1
        if limit is not None and len(key_types) > limit:
            break
    return key_types, others


def _frame(
    conn: Connection,
    kinds: dict[bytes, bytes],
    skipped: Counter[str],
    types: Types,
    schema: Mapping[str, Any] | None,
) -> pd.DataFrame:
    """Return the frame of the values of keys of these types."""
    if not {b"string", b"ReJSON-RL"} & {*kinds.values()}:
        # Decoded page by page, while a page is still in the processor's cache.
        return frames.values_frame(
            lambda: _entry_pages(_reply_pages(conn, kinds, skipped), _HASH_LAYOUT),
            _HASH_LAYOUT,
            types=types,
            schema=schema,
            opaque={},
        )
    read = list(chain.from_iterable(_reply_pages(conn, kinds, skipped)))
    strings = {row: reply for row, (_, reply) in enumerate(read) if isinstance(reply, bytes)}
    objects = (json_object(reply) is not None for reply in strings.values())
    layout = Layout("json") if any(objects) else _HASH_LAYOUT
    return frames.values_frame(
        lambda: _entry_pages(wire.batches(read), layout),
        layout,
        types=types,
        schema=schema,
        opaque={row: reply for row, reply in strings.items() if encoding.is_envelope(reply)},
    )


def _reply_pages(
    conn: Connection, kinds: dict[bytes, bytes], skipped: Counter[str]
) -> Iterator[list[tuple[bytes, Any]]]:
    """Yield pages of existing keys with the replies to GET, HGETALL or JSON.GET."""
    templates = {kind: wire.template([(command,)]) for kind, command in _READ_COMMANDS.items()}
    keys = [*kinds]
    pages = [keys[i : i + VALUES_AT_ONCE] for i in range(0, len(keys), VALUES_AT_ONCE)]
    parts = ([templates[kinds[key]] % (len(key), key) for key in page] for page in pages)
    # Read to the end, or the link could not be used again.
    pairs = zip(keys, wire.replies_to(conn, parts), strict=True)
    while read := list(islice(pairs, VALUES_AT_ONCE)):
        if not all(type(reply) is list and reply for _, reply in read):
            read = [pair for pair in read if _is_value(*pair, kinds, skipped)]
        yield read


def _is_value(key: bytes, reply: Any, kinds: Mapping[bytes, bytes], skipped: Counter[str]) -> bool:
    """Return whether a reply is a value; count a key that has changed its type."""
    if isinstance(reply, redis.ResponseError):
        if code(reply) != "WRONGTYPE":
            raise explain(reply, as_text(key))
        skipped["changed"] += 1
        return False
    return reply is not None and (bool(reply) or kinds[key] != b"hash")


def _entry_pages(
    read: Iterable[Sequence[tuple[bytes, Any]]], layout: Layout
) -> Iterator[list[tuple[bytes, Fields]]]:
    """Yield keys and values as pages of entries."""
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
        # JSON is read once in an entry; a hash's own field of this name is text.
        return [PAYLOAD, b"{}", *fields]
    return fields
