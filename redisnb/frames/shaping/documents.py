"""Replies to the commands of modules: JSON documents and what a search finds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import pandas as pd

from redisnb.entries import PAYLOAD, Fields, Layout, load_json
from redisnb.frames.replies import members_frame, values_frame
from redisnb.frames.shaping.plain import Sent, paired, plain

__all__ = ["document", "found"]

# What stands before the fields of each document that a search has found.
_EXTRAS = (b"WITHSCORES", b"WITHPAYLOADS", b"WITHSORTKEYS")


def document(words: Sent, reply: Any) -> Any:
    """Return the reply to JSON.GET as its values: a frame if they are objects in an array."""
    if not isinstance(reply, bytes):
        return plain(reply)
    value = load_json(reply)
    if not isinstance(value, list) or not value or {*map(type, value)} != {dict}:
        return value
    page = [(b"", (PAYLOAD, json.dumps(each).encode())) for each in value]
    return members_frame(lambda: [page], Layout("json"))


def found(words: Sent, reply: Any) -> pd.DataFrame:
    """Return the reply to FT.SEARCH: a row for each document, by its key, and the fields of it."""
    if isinstance(reply, Mapping):
        total = reply[b"total_results"]
        page = [(each[b"id"], _result_fields(each)) for each in reply[b"results"]]
    else:
        total, page = reply[0], [*_rows(words, reply[1:])]
    # The document of an index on JSON is one field of this name.
    frame = values_frame(lambda: [page], Layout("auto", b"$"), opaque={})
    frame.attrs["total"] = total
    return frame


def _result_fields(result: Mapping[bytes, Any]) -> Fields:
    fields = [*chain.from_iterable(paired(result.get(b"extra_attributes") or ()))]
    score = result.get(b"score")
    return fields if score is None else [b"score", str(score).encode(), *fields]


def _rows(words: Sent, reply: Sequence[Any]) -> Iterator[tuple[bytes, Fields]]:
    """Yield the keys and fields of a flat reply."""
    options = {*map(bytes.upper, words[3:])}
    extras = [each for each in _EXTRAS if each in options]
    has_fields = b"NOCONTENT" not in options
    # RETURN 0 leaves them out too.
    upper = [word.upper() for word in words]
    if b"RETURN" in upper[3:] and words[upper.index(b"RETURN", 3) + 1 :][:1] == [b"0"]:
        has_fields = False
    size = 1 + len(extras) + has_fields
    for row in zip(*[iter(reply)] * size, strict=True):
        score = [b"score", row[1]] if extras[:1] == [b"WITHSCORES"] else []
        yield row[0], [*score, *((row[-1] or ()) if has_fields else ())]
