"""JSON text, strictly: what cannot be written back as the same value is refused.

orjson does the work; this module adds what it leaves open: integers of any size, an error
that names the member, and no silent ``null`` for NaN.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any, NoReturn
from uuid import UUID

import numpy as np
import orjson
import pandas as pd

from redisnb.errors import EncodeError

__all__ = ["dumps", "loads"]

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_PASSTHROUGH_DATACLASS
# orjson reads an integer beyond 64 bits as a float.
_MANY_DIGITS = re.compile(rb"[0-9]{19}")


def dumps(value: object) -> bytes:
    """Write a value as JSON text in UTF-8.

    Parameters
    ----------
    value : object
        Mappings with text keys, lists, tuples, text, numbers, booleans and None; also numpy's
        scalars, pandas' missing values (as null), dates and times (as ISO 8601 text) and UUIDs.

    Raises
    ------
    EncodeError
        If JSON cannot carry `value`: NaN, infinity, bytes, sets, keys that are no text, ...
        `column` names the member at fault.
    """
    try:
        text = orjson.dumps(value, option=_OPTIONS)
    except TypeError:
        plain = _plain(value, ())
        return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode()
    # A null may be a NaN that orjson let through.
    if b"null" in text:
        _plain(value, ())
    return text


def loads(text: bytes) -> Any:
    """Read JSON text in UTF-8; integers keep all their digits.

    Raises
    ------
    ValueError
        If `text` is not JSON, or holds a number beyond the range of a double.
    """
    value = orjson.loads(text)
    if _MANY_DIGITS.search(text) is None:
        return value
    try:
        return json.loads(text.decode())
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _plain(value: object, path: tuple[str, ...]) -> Any:
    """Return `value` in Python's own JSON types, or refuse it by name."""
    if isinstance(value, np.generic):
        value = value.item() if not isinstance(value, np.datetime64) else pd.Timestamp(value)
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else _refuse(path, f"{value} is not a JSON number")
    if isinstance(value, str):
        if not value.isascii() and re.search("[\ud800-\udfff]", value):
            _refuse(path, "a lone surrogate is not valid text")
        return str(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    try:
        return _plain_container(value, path)
    except RecursionError:
        raise EncodeError("nested too deeply, or inside itself", column=path[0]) from None


def _plain_container(value: object, path: tuple[str, ...]) -> dict[str, Any] | list[Any]:
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                _refuse(path, f"JSON's member names are text, not {type(key).__name__} ({key!r})")
        return {_plain(key, path): _plain(item, (*path, key)) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, list | tuple):
        _refuse(path, f"JSON cannot carry a {type(value).__name__}")
    return [_plain(item, (*path, str(i))) for i, item in enumerate(value)]


def _refuse(path: tuple[str, ...], reason: str) -> NoReturn:
    name = ".".join(path) or None
    raise EncodeError(f"{name!r}: {reason}" if name else reason, column=name)
