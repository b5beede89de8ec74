"""Payloads that are not JSON: compressed, binary, or what only a function of the user's reads.

Each becomes the JSON text of its object, so that all that is said of JSON holds for it too.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from importlib import import_module
from typing import Any, Literal, TypeAlias
from uuid import UUID

import msgspec
import pyarrow as pa

from redisnb.entries.json_text import dump_json, load_json
from redisnb.errors import EncodeError

__all__ = ["Builtin", "Decode"]

Builtin: TypeAlias = Literal["gzip", "zstd", "msgpack", "cbor"]
PayloadReader: TypeAlias = Callable[[bytes], Mapping[Any, Any] | str | bytes]
PayloadWriter: TypeAlias = Callable[[dict[str, Any]], bytes]
#: How a payload is read; or how it is read, and how it is written.
Decode: TypeAlias = (
    Builtin | PayloadReader | tuple[Builtin | PayloadReader, Builtin | PayloadWriter]
)

#: What a payload may become; a value in Redis is not larger either.
LARGEST = 512 * 1024 * 1024
_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True, repr=False)
class Coding:
    """How payloads are read, and written.

    Attributes
    ----------
    reads : str or callable
        A built-in, or a function from bytes to a mapping or to JSON text.
    writes : str, callable or None
        A built-in, or a function from an event to bytes; None if they are only read.
    """

    reads: str | PayloadReader
    writes: str | PayloadWriter | None = None

    @classmethod
    def of(cls, decode: Any) -> Coding | None:
        """Make one of what a user says, None of None.

        Raises
        ------
        ValueError, TypeError
            If there is no such built-in, or it is neither a name nor a function.
        ModuleNotFoundError
            If a built-in's library is not installed.
        """
        if decode is None:
            return None
        both = tuple(decode) if isinstance(decode, tuple | list) else (decode,)
        if len(both) not in (1, 2):
            raise ValueError(f"decode= is one reader, or a reader and a writer, not {len(both)}")
        for each in both:
            if isinstance(each, str) and each not in _BUILTIN:
                raise ValueError(f"decode={each!r}; choose one of {', '.join(_BUILTIN)}")
            if not isinstance(each, str) and not callable(each):
                raise TypeError(
                    "decode= takes a name, a function from bytes to a mapping or to JSON text, or "
                    f"a pair of those, not {type(each).__name__}"
                )
            if each == "cbor":
                _load_cbor()
        return cls(*both)

    def read(self, payload: bytes) -> bytes | None:
        """Return the JSON text that a payload stands for, or None if it cannot be read."""
        read = _BUILTIN[self.reads][0] if isinstance(self.reads, str) else self.reads
        try:
            found = read(payload)
            if isinstance(found, str):
                return found.encode("utf-8", "surrogatepass")
            if isinstance(found, Mapping):
                return _mapping_text(found)
            return bytes(found) if isinstance(found, bytes | bytearray | memoryview) else None
        except Exception:  # noqa: BLE001 - whatever it is, this entry is odd, and no other
            return None

    def write(self, text: bytes) -> bytes:
        """Return the payload that stands for a JSON object.

        Raises
        ------
        EncodeError
            If payloads are only read, or the writer raises.
        """
        if self.writes is None:
            raise EncodeError(
                f"decode={self!r} only reads; to write, give Stream a pair: decode=(read, write)"
            )
        if isinstance(self.writes, str):
            return _BUILTIN[self.writes][1](text)
        try:
            made = self.writes(load_json(text))
        except Exception as error:
            # Its text may hold the event, and payloads stay out of errors.
            what = type(error).__qualname__
            raise EncodeError(f"decode= cannot write this event: {what}") from error
        if not isinstance(made, bytes):
            raise EncodeError(f"decode= writes bytes, not {type(made).__name__}")
        return made

    def __repr__(self) -> str:
        """Show it as a user says it, with functions by name."""
        both = [
            repr(each) if isinstance(each, str) else getattr(each, "__name__", repr(each))
            for each in (self.reads, self.writes)
            if each is not None
        ]
        return both[0] if len(both) == 1 else f"({', '.join(both)})"

    def saved(self) -> Any:
        """Return what a file says of it: built-ins; None if its reader is a function."""
        if not isinstance(self.reads, str):
            return None
        return [self.reads, self.writes] if isinstance(self.writes, str) else self.reads


# Built-ins: from a payload to what a reader gives, and from JSON text to a payload


def _gunzip(payload: bytes) -> bytes:
    text = b""
    while payload:
        # There may be several members, one behind the other.
        member = zlib.decompressobj(wbits=31)
        text += member.decompress(payload, LARGEST + 1 - len(text))
        if not member.eof or len(text) > LARGEST:
            raise ValueError("cut off, or too large")
        payload = member.unused_data
    return text


def _unzstd(payload: bytes) -> bytes:
    text = io.BytesIO()
    with pa.CompressedInputStream(pa.BufferReader(payload), "zstd") as file:
        while part := file.read(_CHUNK):
            text.write(part)
            if text.tell() > LARGEST:
                raise ValueError("too large")
    return text.getvalue()


def _load_cbor() -> Any:
    try:
        return import_module("cbor2")
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "decode='cbor' needs cbor2: pip install 'redisnb[cbor]'", name="cbor2"
        ) from None


_BUILTIN: dict[str, tuple[PayloadReader, Callable[[bytes], bytes]]] = {
    "gzip": (_gunzip, lambda text: gzip.compress(text, mtime=0)),
    "zstd": (_unzstd, lambda text: bytes(pa.compress(text, "zstd", asbytes=True))),
    "msgpack": (
        msgspec.msgpack.decode,
        lambda text: msgspec.msgpack.encode(load_json(text)),
    ),
    "cbor": (
        lambda payload: _load_cbor().loads(payload),
        lambda text: bytes(_load_cbor().dumps(load_json(text))),
    ),
}


# What other formats carry and JSON does not


def _mapping_text(found: Mapping[Any, Any]) -> bytes:
    try:
        return dump_json(found)
    except EncodeError:
        return json.dumps(_readable(found)).encode()


def _readable(value: Any) -> Any:
    """Return a value as JSON can say it: bytes as text, base64 where they are no UTF-8."""
    if isinstance(value, Mapping):
        return {_member_name(name): _readable(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_readable(item) for item in value]
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return base64.b64encode(value).decode()
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal | UUID) else value


def _member_name(name: Any) -> str:
    found = _readable(name)
    return found if isinstance(found, str) else json.dumps(found)
