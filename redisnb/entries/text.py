"""Bytes as text and text as bytes: names and values need not be UTF-8, but frames hold text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from redisnb import cards

__all__ = ["SPELLED", "as_text", "holds_spelled", "is_text", "shown_fields", "to_bytes"]

#: The beginning of a spelled byte: the replacement character, and x as in ``\xff``.
SPELLED = "\ufffdx"
#: How many fields of an entry a repr shows, and how much of each value, in bytes.
FIELDS_SHOWN, VALUE_SHOWN = 3, 100
# Bytes below 80 are always part of UTF-8.
_ESCAPE = re.compile(rb"\xef\xbf\xbdx([89a-f][0-9a-f])")
#: That beginning in valid UTF-8, where it would be taken for a spelled byte.
_ITSELF = re.compile(rb"\xef\xbf\xbd(?=x[89a-f][0-9a-f])")


def as_text(value: bytes) -> str:
    """Return bytes as text: UTF-8 as it is, any other byte as ``�x`` and its two digits.

    `to_bytes` returns the same bytes again, whatever they are.
    """
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return _spell(value)
    return _spell(value) if SPELLED in text else text


def to_bytes(text: str) -> bytes:
    r"""Return the bytes that a text of redisnb stands for.

    A byte that is not UTF-8 is spelled in frames, keys and events as ``�x`` (the character U+FFFD
    and an x) and its two hexadecimal digits: ``b"caf\xe9"`` as ``"caf�xe9"``. redisnb itself takes
    this spelling wherever it takes a name; redis-py takes bytes.

    Parameters
    ----------
    text : str
        A key, a name or a field's value, as redisnb shows it.

    Returns
    -------
    bytes
        What the server has.

    Examples
    --------
    >>> conn.client.set(b"caf\xe9", "not UTF-8")
    True
    >>> name = rnb.keys(conn, "caf*")["key"][0]
    >>> rnb.to_bytes(name)
    b'caf\xe9'
    """
    if not isinstance(text, str):
        raise TypeError(f"to_bytes() takes text that redisnb shows, not {type(text).__name__}")
    stored = text.encode("utf-8", "surrogatepass")
    return _ESCAPE.sub(lambda match: bytes.fromhex(match[1].decode()), stored)


def is_text(value: bytes) -> bool:
    """Return whether bytes are UTF-8."""
    try:
        return value.isascii() or bool(value.decode())
    except UnicodeDecodeError:
        return False


def shown_fields(pairs: Sequence[tuple[bytes, bytes]]) -> Iterator[str]:
    """Yield what a repr shows of the fields of an entry."""
    for name, value in pairs[:FIELDS_SHOWN]:
        beginning = value[:VALUE_SHOWN].decode(errors="replace") + "…"
        shown = as_text(value) if len(value) <= VALUE_SHOWN else beginning
        yield f"{cards.cut_name(as_text(name))}={shown!r}"
    if len(pairs) > FIELDS_SHOWN:
        yield f"… {len(pairs) - FIELDS_SHOWN:,} more"


def holds_spelled(stored: bytes | memoryview) -> bool:
    """Return whether valid UTF-8 in these bytes looks like a spelled byte."""
    return _ITSELF.search(stored) is not None


def _spell(value: bytes) -> str:
    """Return the text of bytes of which some have to be spelled."""
    return "\ufffdxef\ufffdxbf\ufffdxbd".join(map(_spell_bytes, _ITSELF.split(value)))


def _spell_bytes(value: bytes) -> str:
    # Loops in C, because an image has many such bytes. Each backslash is doubled first, so that a
    # single one comes from Python; the surrogate that stands for two occurs in no UTF-8.
    escaped = value.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
    text = escaped.replace("\\\\", "\ud800").replace("\\x", SPELLED)
    return text.replace("\ud800", "\\")
