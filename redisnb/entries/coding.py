"""Payloads that are not JSON: compressed, binary, or readable only by a function of the user's.

Each becomes the JSON text of its object, so that every rule for JSON holds for it too.
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

#: The largest text of a payload; a value in Redis is not larger either.
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
        """Make one from the argument `decode`; None from None.

        Raises
        ------
        ValueError, TypeError
            If it names no built-in, or is neither a name nor a function.
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
            value = read(payload)
            if isinstance(value, str):
                return value.encode("utf-8", "surrogatepass")
            if isinstance(value, Mapping):
                return _mapping_text(value)
            return bytes(value) if isinstance(value, bytes | bytearray | memoryview) else None
        except Exception:  # noqa: BLE001 - whatever it is, only this entry is odd
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
            payload = self.writes(load_json(text))
        except Exception as error:
            # Its text may hold the event, and payloads stay out of errors.
            kind = type(error).__qualname__
            raise EncodeError(f"decode= cannot write this event: {kind}") from error
        if not isinstance(payload, bytes):
            raise EncodeError(f"decode= writes bytes, not {type(payload).__name__}")
        return payload

    def __repr__(self) -> str:
        """Return it as a user writes it, with functions by name."""
        both = [
            repr(each) if isinstance(each, str) else getattr(each, "__name__", repr(each))
            for each in (self.reads, self.writes)
            if each is not None
        ]
        return both[0] if len(both) == 1 else f"({', '.join(both)})"

    def saved(self) -> Any:
        """Return what a file notes of it: its built-ins; None if its reader is a function."""
        if not isinstance(self.reads, str):
            return None
        return [self.reads, self.writes] if isinstance(self.writes, str) else self.reads


# Built-ins: from a payload to what a reader returns, and from JSON text to a payload


def _gunzip(payload: bytes) -> bytes:
    text = b""
    while payload:
        # A payload may have several gzip members, one after another.
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


# Values that other formats carry and JSON does not


def _mapping_text(mapping: Mapping[Any, Any]) -> bytes:
    try:
        return dump_json(mapping)
    except EncodeError:
        return json.dumps(_readable(mapping)).encode()


def _readable(value: Any) -> Any:
    """Return a value in types that JSON has: bytes as text, base64 where they are not UTF-8."""
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
    readable = _readable(name)
    return readable if isinstance(readable, str) else json.dumps(readable)
