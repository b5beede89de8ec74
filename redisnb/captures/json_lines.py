"""Entries as JSON Lines, byte for byte, and JSON Lines with the user's own events.

A capture begins with a header, ``{"redisnb":1,"streams":{"orders":"auto"},"sealed":true}``, which
says how each stream is read (``{"format":"json","field":"data"}`` if more than a format is needed).
It ends with a seal, ``{"redisnb":1,"crc32":"5d1f6c0e"}``, the checksum of all lines before it,
without line ends; if 3 entries were removed before they could be captured, it also has
``"missed":3``, which the checksum covers too. Each line in between is an entry in one of two forms:

    {"stream":"orders","id":"1700000000000-0","event":{"item":"tea"}}
    {"stream":"orders","id":"1700000000000-1","fields":[["item","tea"],["raw",{"base64":"/w=="}]]}

The first is for an entry whose only field is `payload` and holds a JSON object on one line: that
text is copied into the line, and out of it, byte for byte. Any other entry has its fields in the
order of the stream, with values that are not UTF-8 as base64. A line that another program has
rewritten may have any blanks and order; its event is then read as its most compact text.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, TypeAlias

import orjson

from redisnb.entries import LARGEST_PART, PAYLOAD, Fields, Layout, dump_json, is_text, load_json

__all__: list[str] = []

VERSION = 1
#: The ID of events without one; no entry of a stream has this ID.
NO_ID = b"0-0"

#: The key of a stream, an entry's ID, and its fields.
CapturedEntry: TypeAlias = tuple[str, bytes, Fields]

_ID_NUMBER = rb"(0|[1-9][0-9]{0,19})"
#: An entry ID as Redis writes it.
CANONICAL_ID = re.compile(_ID_NUMBER + b"-" + _ID_NUMBER)
# As `lines` writes it.
_ENTRY_LINE = re.compile(
    rb'\{"stream":("[^"\\]*(?:\\.[^"\\]*)*"),"id":"(%b)","event":(\{.*\})\}' % CANONICAL_ID.pattern
)
# Not one that another program has rewritten, as it may have done with the other lines.
_SEAL_LINE = re.compile(rb'\{"redisnb":%d,"crc32":"([0-9a-f]{8})"(?:,"missed":(\d+))?\}' % VERSION)
#: The ASCII bytes that JSON text escapes.
ESCAPED_BYTES = bytes(range(32)) + b'"\\'


class UnusableError(ValueError):
    """A whole capture cannot be used, not just one entry."""


def header(streams: Mapping[str, Layout]) -> bytes:
    """Return the first line, with the streams and their layouts."""
    saved = {key: layout.saved() for key, layout in streams.items()}
    return orjson.dumps({"redisnb": VERSION, "streams": saved, "sealed": True}) + b"\n"


def checksum(text: bytes, before: int) -> int:
    """Return the checksum of lines that follow others with the checksum `before`."""
    return zlib.crc32(text.replace(b"\n", b""), before)


def seal_line(crc32: int, missed: int) -> bytes:
    """Return the last line."""
    lacking = {"missed": missed} if missed else {}
    crc32 = _with_missed(missed, crc32)
    return orjson.dumps({"redisnb": VERSION, "crc32": f"{crc32:08x}", **lacking}) + b"\n"


def _with_missed(missed: int, crc32: int) -> int:
    return zlib.crc32(b"%d" % missed, crc32) if missed else crc32


def lines(page: Sequence[CapturedEntry]) -> bytes:
    """Return the lines of entries."""
    quoted = {key: orjson.dumps(key) for key in {entry[0] for entry in page}}
    text = _uniform_lines(page, quoted)
    return b"".join([_entry_line(entry, quoted) for entry in page]) if text is None else text


def _entry_line(entry: CapturedEntry, quoted: Mapping[str, bytes]) -> bytes:
    key, id, fields = entry
    return b'{"stream":%b,"id":"%b",%b}\n' % (quoted[key], id, _content_member(fields))


def _uniform_lines(page: Sequence[CapturedEntry], quoted: Mapping[str, bytes]) -> bytes | None:
    """Return the lines of simple entries that all have the same names; None for any others."""
    try:
        columns = list(zip(*[fields for _, _, fields in page], strict=True))
    except ValueError:
        return None
    names, values = [each[0] for each in columns[::2]], columns[1::2]
    if not names or any(each.count(each[0]) != len(page) for each in columns[::2]):
        return None
    if names == [PAYLOAD]:
        if not _are_lines(values[0]):
            return None
        marks, end = [b'","event":'], b"}\n"
    elif all(map(_is_plain, [names, *values])):
        marks = [b'"],["%b","' % name for name in names]
        marks[0], end = b'","fields":[["%b","' % names[0], b'"]]}\n'
    else:
        return None
    marks = [b'{"stream":', b',"id":"', *marks]
    heads = [quoted[key] for key, _, _ in page]
    between: list[Sequence[bytes]] = [heads, [id for _, id, _ in page], *values]
    pieces = [end] * (len(page) * (2 * len(marks) + 1))
    for i, (mark, each) in enumerate(zip(marks, between, strict=True)):
        pieces[2 * i :: 2 * len(marks) + 1] = [mark] * len(page)
        pieces[2 * i + 1 :: 2 * len(marks) + 1] = each
    return b"".join(pieces)


def _are_lines(texts: Sequence[bytes]) -> bool:
    """Return whether `_is_one_line` is true for each text."""
    whole = b"\n".join(texts)
    if whole.count(b"\n") >= len(texts) or b"\r" in whole:
        return False
    if {text[:1] + text[-1:] for text in texts} != {b"{}"}:
        return False
    try:
        # Only checked: no result is kept.
        deque(map(orjson.loads, texts), 0)
    except ValueError:
        return False
    return True


def _is_plain(texts: Sequence[bytes]) -> bool:
    """Return whether these texts can stand between JSON's quotes unchanged."""
    whole = b" ".join(texts)
    return len(whole.translate(None, ESCAPED_BYTES)) == len(whole) and is_text(whole)


def _content_member(fields: Fields) -> bytes:
    if len(fields) == 2 and fields[0] == PAYLOAD and _is_one_line(fields[1]):
        return b'"event":' + fields[1]
    parts = list(map(_encode_part, fields))
    pairs = list(zip(parts[::2], parts[1::2], strict=True))
    return b'"fields":' + orjson.dumps(pairs)


def _is_one_line(text: bytes) -> bool:
    """Return whether a text is a JSON object that fits into a line unchanged."""
    # Blanks around the object and line ends in it would be lost.
    if text[:1] + text[-1:] != b"{}" or b"\n" in text or b"\r" in text:
        return False
    try:
        orjson.loads(text)
    except ValueError:
        return False
    return True


def _encode_part(part: bytes) -> str | dict[str, str]:
    try:
        return part.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(part).decode()}


class LineParser:
    """The parser of one file's lines, in their order.

    Attributes
    ----------
    streams : dict of str to Layout
        The streams of the header.
    has_ids : bool or None
        Whether the lines are entries, not events without an ID; None before the first.
    is_open : bool
        Whether a seal must still follow.
    missed : int
        How many entries are missing according to the seals.
    """

    def __init__(self) -> None:
        self.streams: dict[str, Layout] = {}
        self.has_ids: bool | None = None
        self.order = Order()
        self.is_open, self.missed = False, 0
        self._keys: dict[bytes, str] = {}
        self._crc32, self._has_header, self._is_rewritten = 0, False, True

    def parse(self, line: bytes) -> CapturedEntry | None:
        """Return the entry of a line, or the event under `NO_ID`; None for a header, seal or blank.

        Raises
        ------
        ValueError
            If it holds none of these, with the reason.
        """
        line = line.strip(b" \t\r\n")
        if not line:
            return None
        before, self._crc32 = self._crc32, zlib.crc32(line, self._crc32)
        if self.has_ids is not False:
            sealed = _SEAL_LINE.fullmatch(line)
            if sealed is not None:
                self._check_seal(sealed, before)
                return None
            entry = self._event_entry(line)
            if entry is not None:
                self.has_ids = True
                return entry
        members = _parse_object(line)
        if "redisnb" in members and self.has_ids is not False:
            if "streams" in members or members["redisnb"] != VERSION:
                self._take_header(members)
                self._crc32 = zlib.crc32(line)
                self._is_rewritten = line != orjson.dumps(members)
            elif self._is_rewritten and _is_seal(members):
                # Not comparable: a program has rewritten all lines, with other blanks.
                self.missed += members.get("missed", 0)
                self.is_open = False
            else:
                raise ValueError(
                    "it was the first line of a capture, or the checksum of the lines before it: "
                    "it is damaged"
                )
            return None
        if self.has_ids is None:
            self.has_ids = {"stream", "id"} < members.keys() <= {"stream", "id", "event", "fields"}
        if not self.has_ids:
            return "", NO_ID, [PAYLOAD, line]
        entry = _parse_entry(members, line)
        self.order.check_id(*entry[:2])
        return entry

    def _event_entry(self, line: bytes) -> CapturedEntry | None:
        """Return the entry of a line in the first form as `lines` writes it, else None."""
        match = _ENTRY_LINE.fullmatch(line)
        if match is None:
            return None
        quoted, id, ms, seq, text = match.groups()
        key = self._keys.get(quoted)
        try:
            # It must be one JSON value: then it is the event and nothing else.
            orjson.loads(text)
            if key is None:
                key = self._keys[quoted] = orjson.loads(quoted)
        except ValueError:
            return None
        self.order.check(key, id, int(ms), int(seq))
        return key, id, [PAYLOAD, text]

    def _take_header(self, members: Mapping[str, Any]) -> None:
        if members["redisnb"] != VERSION:
            raise UnusableError(
                f"a capture of version {members['redisnb']!r}; this redisnb reads version {VERSION}"
            )
        self.has_ids = self._has_header = True
        self.is_open = members.get("sealed") is True
        streams = members.get("streams")
        if isinstance(streams, dict):
            self.streams |= {key: Layout.read(saved) for key, saved in streams.items()}

    def _check_seal(self, sealed: re.Match[bytes], crc32: int) -> None:
        """Compare a seal with the lines since the header; without a header, lines are missing."""
        missed = int(sealed[2] or 0)
        self.missed += missed
        has_header, self._has_header, self.is_open = self._has_header, False, False
        if has_header and int(sealed[1], 16) != _with_missed(missed, crc32):
            raise ValueError(
                "the lines before it are not those that were captured: they are damaged; if they "
                "were changed on purpose, leave out this line"
            )


class Order:
    """The order of entries: the IDs of each stream must ascend."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[int, int]] = {}

    def last(self, key: str) -> tuple[int, int]:
        """Return the last ID of a stream."""
        return self._last.get(key, (0, 0))

    def advance(self, last: Mapping[str, tuple[int, int]]) -> None:
        """Set the last ID of some streams."""
        self._last |= last

    def check(self, key: str, id: bytes, ms: int, seq: int) -> None:
        """Take the next ID of a stream; raise ValueError if it is invalid or does not ascend."""
        last = self._last.get(key, (0, 0))
        if (ms, seq) <= last or ms > LARGEST_PART or seq > LARGEST_PART:
            id_text = id.decode(errors="backslashreplace")
            if last == (0, 0) or max(ms, seq) > LARGEST_PART or not CANONICAL_ID.fullmatch(id):
                raise ValueError(f"{id_text!r} is not the ID of an entry")
            raise ValueError(
                f"entry {id_text} of {key!r} is out of order, after {last[0]}-{last[1]}"
            )
        self._last[key] = ms, seq

    def check_id(self, key: str, id: bytes) -> None:
        """Take the next ID of a stream like `check`, from any bytes."""
        match = CANONICAL_ID.fullmatch(id)
        self.check(key, id, *(map(int, match.groups()) if match else (0, 0)))


def _parse_object(line: bytes) -> dict[str, Any]:
    try:
        members = orjson.loads(line)
    except ValueError:
        raise ValueError("it is not JSON, or cut off") from None
    if not isinstance(members, dict):
        raise ValueError("it is not a JSON object")
    return members


def _is_seal(members: Mapping[str, Any]) -> bool:
    """Return whether a line is a seal, with any blanks and order of members."""
    return (
        {"redisnb", "crc32"} <= members.keys() <= {"redisnb", "crc32", "missed"}
        and members["redisnb"] == VERSION
        and re.fullmatch("[0-9a-f]{8}", str(members["crc32"])) is not None
        and type(members.get("missed", 0)) is int
    )


def _parse_entry(members: Mapping[str, Any], line: bytes) -> CapturedEntry:
    if members.keys() not in ({"stream", "id", "event"}, {"stream", "id", "fields"}):
        raise ValueError("it is no entry, which has the members stream, id, and event or fields")
    key, id = members["stream"], members["id"]
    if not isinstance(key, str) or not isinstance(id, str):
        raise ValueError("its stream and id are not text")
    if "event" in members:
        if not isinstance(members["event"], dict):
            raise ValueError("its event is not a JSON object")
        # orjson would round large integers.
        return key, id.encode(), [PAYLOAD, dump_json(load_json(line)["event"])]
    pairs = members["fields"]
    if type(pairs) is not list or set(map(type, pairs)) != {list} or set(map(len, pairs)) != {2}:
        raise ValueError("its fields are not pairs of a name and a value")
    parts = list(chain.from_iterable(pairs))
    # Usually all are text, which is read many times as fast.
    if set(map(type, parts)) == {str}:
        return key, id.encode(), list(map(str.encode, parts))
    return key, id.encode(), list(map(_decode_part, parts))


def _decode_part(part: object) -> bytes:
    if isinstance(part, str):
        return part.encode()
    if isinstance(part, dict) and part.keys() == {"base64"} and isinstance(part["base64"], str):
        try:
            return base64.b64decode(part["base64"], validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("its base64 is damaged") from None
    raise ValueError("a field is a text, or bytes as {'base64': ...}")
