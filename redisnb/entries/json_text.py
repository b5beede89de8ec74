"""JSON text: written strictly, so that it is read back as the same value; read leniently.

orjson does the work; this module adds what orjson lacks: integers of any size, an error that names
the member, and no silent ``null`` for NaN.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from enum import Enum
from typing import Any, NoReturn
from uuid import UUID

import numpy as np
import orjson
import pandas as pd

from redisnb.errors import EncodeError
from redisnb.hints import conversion

__all__ = ["dump_each", "dump_json", "dump_members", "json_size", "load_json"]

# Without these, orjson drops the nanoseconds of numpy's times and the seconds of an offset.
_OPTIONS = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME
_WITHOUT_NAN = {str, int, bool, type(None)}
# Nineteen digits in a row, once every digit is 0: this search is as fast as orjson.
_DIGITS_AS_ZERO = bytes(48 if 48 <= code <= 57 else 32 for code in range(256))
_MANY_DIGITS = b"0" * 19
_HALF_PAIR = re.compile(rb"\\u[dD][89a-fA-F]")


def dump_json(value: object) -> bytes:
    """Write a value as JSON text in UTF-8.

    Parameters
    ----------
    value : object
        Mappings with text keys, lists, tuples, text, numbers, booleans and None; also numpy's
        scalars and arrays, pandas' missing values (as null), dates and times (as ISO 8601 text),
        UUIDs and the values of enumerations.

    Raises
    ------
    EncodeError
        If JSON cannot carry `value`: NaN, infinity, integers beyond the range of a double, bytes,
        sets, keys that are not text, ... `column` names the member at fault.
    """
    try:
        text = orjson.dumps(value, default=_default, option=_OPTIONS)
    except TypeError:
        plain = _plain(value, ())
        return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode()
    # A null may be a NaN that orjson let through.
    if b"null" in text and not _is_finite(value):
        _plain(value, ())
    return text


def dump_each(values: list[Any]) -> list[bytes]:
    """Write each value as `dump_json` does; all at once where their texts can be told apart.

    Raises
    ------
    EncodeError
        If JSON cannot carry one of them.
    """
    text = _dump_list(values)
    if not values or text is None or text.count(b",") != len(values) - 1:
        return list(map(dump_json, values))
    return text[1:-1].split(b",")


def json_size(values: list[Any]) -> int | None:
    """Return the length of the JSON of a list; None where one of its values may be refused."""
    text = _dump_list(values)
    return None if text is None else len(text)


def dump_members(objects: list[dict[str, Any]]) -> list[bytes] | None:
    """Return the JSON of each dict without its braces; None where `dump_json` may refuse one."""
    text = _dump_list(objects)
    if not objects or text is None:
        return None
    texts = text[2:-2].split(b"},{")
    # An object in a list, or a text with these letters, looks like the end of one of ours.
    if len(texts) == len(objects):
        return texts
    return [dump_json(each)[1:-1] for each in objects]


def _dump_list(values: list[Any]) -> bytes | None:
    """Return the JSON of a list; None where orjson may not write it as `dump_json` does."""
    try:
        text = orjson.dumps(values, default=_default, option=_OPTIONS)
    except TypeError:
        return None
    # As in `dump_json`.
    return None if b"null" in text and not _is_finite(values) else text


def load_json(text: bytes, *, strict: bool = False) -> Any:
    """Read JSON text in UTF-8; integers keep all their digits.

    Unless `strict`, what Python's own json writes beyond the standard is read too: NaN and
    Infinity, a number that is too large for a double (as infinity), and half of a surrogate pair,
    which is read as the six characters of its escape.

    Raises
    ------
    ValueError
        If `text` is not JSON.
    """
    try:
        value = orjson.loads(text)
    except ValueError:
        if strict:
            raise
        return _load_leniently(text)
    return _load_leniently(text) if _has_many_digits(text) else value


def load_objects(texts: Sequence[bytes]) -> list[dict[str, Any] | None]:
    """Read many JSON texts as `load_json` does: objects, and None for a text that holds none."""
    if not _has_many_digits(b" ".join(texts)):
        try:
            values = list(map(orjson.loads, texts))
        except ValueError:
            pass
        else:
            if set(map(type, values)) <= {dict}:
                return values
    return list(map(_load_object, texts))


def _load_object(text: bytes) -> dict[str, Any] | None:
    try:
        value = load_json(text)
    except ValueError:
        return None
    return value if type(value) is dict else None


def _has_many_digits(text: bytes) -> bool:
    """Return whether there may be an integer beyond 64 bits, which orjson reads as a float."""
    # Not `in`, which first checks whether it gets a number, and takes twice as long.
    return text.translate(_DIGITS_AS_ZERO).find(_MANY_DIGITS) >= 0


def _load_leniently(text: bytes) -> Any:
    try:
        value = json.loads(text.decode())
        return _with_escapes(value) if _HALF_PAIR.search(text) else value
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _with_escapes(value: Any) -> Any:
    """Return a value with halves of surrogate pairs as their escapes: UTF-8 cannot hold them."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_with_escapes(name): _with_escapes(item) for name, item in value.items()}
    return [_with_escapes(item) for item in value] if isinstance(value, list) else value


def _is_finite(value: object) -> bool:
    """Return quickly whether a value certainly contains no NaN and no infinity."""
    kind = type(value)
    if kind is dict:
        return all(map(_is_finite, value.values()))  # type: ignore[attr-defined]
    if kind is list or kind is tuple:
        return all(map(_is_finite, value))  # type: ignore[call-overload]
    return math.isfinite(value) if kind is float else kind in _WITHOUT_NAN  # type: ignore[arg-type]


def _default(value: object) -> Any:
    # orjson turns the EncodeError into its own; `dump_json` then looks for the member.
    value = to_python(value)
    return value if type(value) is list else _plain(value, ())


def to_python(value: object) -> object:
    """Return a value of numpy's in the matching type of Python or pandas, any other as it is."""
    # item() and tolist() turn numpy's times into bare numbers.
    if isinstance(value, np.datetime64):
        return pd.Timestamp(value)
    if isinstance(value, np.timedelta64):
        return pd.Timedelta(value)
    if isinstance(value, np.ndarray) and value.ndim:
        return list(value) if value.dtype.kind in "mM" else value.tolist()
    return value.item() if isinstance(value, np.generic) else value


def _plain(value: object, path: tuple[str, ...]) -> Any:
    """Return `value` in Python's own JSON types, or raise an error that names it."""
    value = to_python(value)
    if isinstance(value, Enum):
        value = value.value
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if _is_double(value) else _refuse(path, "the integer is too large for JSON")
    if isinstance(value, float):
        return (
            value
            if math.isfinite(value)
            else _refuse(path, f"{value} is not a JSON number; None is a value that is missing")
        )
    if isinstance(value, str):
        if not value.isascii() and re.search("[\ud800-\udfff]", value):
            _refuse(path, "a lone surrogate is not valid text")
        # A subclass may print as something other than its text.
        return str.__str__(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    try:
        return _plain_container(value, path)
    except RecursionError:
        raise EncodeError("nested too deeply, or inside itself", column=path[0]) from None


def _is_double(number: int) -> bool:
    """Return whether an integer is within the range of a double, as most readers of JSON need."""
    try:
        return math.isfinite(number)
    except OverflowError:
        return False


def _plain_container(value: object, path: tuple[str, ...]) -> dict[str, Any] | list[Any]:
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                _refuse(
                    path,
                    f"JSON's member names are text, not {type(key).__name__} ({key!r}); "
                    "{str(name): value for name, value in event.items()} makes them so",
                )
        return {_plain(key, path): _plain(item, (*path, key)) for key, item in value.items()}
    if not isinstance(value, list | tuple):
        _refuse(path, f"JSON cannot carry a {type(value).__name__}{conversion(value)}")
    return [_plain(item, (*path, str(i))) for i, item in enumerate(value)]


def _refuse(path: tuple[str, ...], reason: str) -> NoReturn:
    name = ".".join(path) or None
    raise EncodeError(f"{name!r}: {reason}" if name else reason, column=name)
