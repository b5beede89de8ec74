"""Events to the fields that carry them, and back.

Each entry is read by itself, regardless of the others. One that has the carrying field without a
JSON object in it is odd: it is read as its fields.

An entry's fields are a flat list of bytes, ``[name, value, name, value, ...]``, as on the wire.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from redisnb import cards
from redisnb.entries import json_text
from redisnb.entries.ids import EntryId
from redisnb.entries.layout import Fields, Format, Layout
from redisnb.entries.text import as_text, shown_fields, to_bytes
from redisnb.errors import EncodeError
from redisnb.hints import conversion

__all__ = ["Entry"]

#: The first byte of a JSON object, blanks included.
BEGINS_OBJECT = frozenset({b"{", b" ", b"\n", b"\r", b"\t"})


class _Replied:
    """An entry's part of a reply: the bytes of its ID and its flat fields."""

    __slots__ = ("_reply",)
    _reply: tuple[bytes, Fields]


@dataclass(frozen=True, slots=True, repr=False)
class Entry(_Replied):
    """One entry of a stream.

    Attributes
    ----------
    id : EntryId
        Its ID, ``"ms-seq"``.
    stream : str
        The key of its stream.
    fields : tuple of (bytes, bytes)
        The raw pairs, exactly as stored; empty where the entry was trimmed while it was pending.
    layout : Layout
        Which fields `event` reads, and how.
    deliveries : int or None
        How often a group has delivered it, including this time; None without a group.

    Examples
    --------
    >>> entry = orders["2024-05-01 10:30"]
    >>> entry.id, entry.time
    ('1714559400000-0', Timestamp('2024-05-01 10:30:00+0000', tz='UTC'))
    >>> entry.event["item"], entry.fields
    ('tea', ((b'payload', b'{"item":"tea","amount":2}'),))
    """

    id: EntryId
    stream: str
    fields: tuple[tuple[bytes, bytes], ...]
    layout: Layout
    deliveries: int | None = None

    @property
    def format(self) -> Format:
        """The format of its stream."""
        return self.layout.format

    @property
    def time(self) -> pd.Timestamp | Any:
        """The time in the ID, UTC."""
        return self.id.time

    @property
    def field(self) -> str | None:
        """The name of the field that holds its JSON object, or None if none does."""
        if self.format == "raw":
            return None
        carrier = split_fields(self._flat(), self.layout).carrier
        return None if carrier is None else as_text(carrier)

    @property
    def event(self) -> dict[str, Any]:
        """The event: a new dict at each call."""
        return read_event(self._flat(), self.layout)

    def __repr__(self) -> str:
        """Show its fields, as far as they fit on a line."""
        name = f"{str(self.id)!r} of {cards.quoted(self.stream)}"
        count = None if self.deliveries is None else f"deliveries={self.deliveries:,}"
        return cards.line("Entry", name, *shown_fields(self.fields), count)

    def _flat(self) -> Fields:
        try:
            return self._reply[1]
        except AttributeError:
            return [part for pair in self.fields for part in pair]

    if not TYPE_CHECKING:  # a type checker has to see that an entry has no other names

        def __getattr__(self, name: str) -> Any:
            """Make the ID or the pairs at first use: most handlers use neither."""
            if name == "id":
                value = EntryId(self._reply[0])
            elif name == "fields":
                flat = self._reply[1]
                value = tuple(zip(flat[::2], flat[1::2], strict=True))
            else:
                raise AttributeError(
                    f"'Entry' object has no attribute {name!r}", name=name, obj=self
                )
            _put(self, name, value)
            return value


# Circumvents `frozen`, as the dataclass itself does.
_put = object.__setattr__


def make_entry(
    id: bytes,
    fields: Fields | None,
    stream: str,
    layout: Layout,
    deliveries: int | None = None,
) -> Entry:
    """Make an entry from its part of a reply."""
    entry = object.__new__(Entry)
    _put(entry, "_reply", (id, fields or ()))
    _put(entry, "stream", stream)
    _put(entry, "layout", layout)
    _put(entry, "deliveries", deliveries)
    return entry


def write_event(event: Mapping[Any, Any], layout: Layout) -> list[bytes]:
    """Return the fields that carry an event.

    Raises
    ------
    EncodeError
        If the format cannot carry the event; `column` names the member at fault.
    """
    if layout.carries and not layout.json:
        return [layout.field, layout.encoded(write_json(event))]
    _check_mapping(event)
    if layout.format == "raw":
        return _write_raw(event)
    if layout.carries:
        return _write_apart(event, layout)
    fields: list[bytes] = []
    for name, value in event.items():
        value = json_text.to_python(value)
        if value is None or value is pd.NA or value is pd.NaT:
            continue
        stored = _field_name(name)
        is_json = stored in layout.json
        text = layout.encoded(json_value(name, value)) if is_json else field_value(name, value)
        fields += (stored, text)
    if not fields:
        raise EncodeError("an entry has at least one field; this event has no value at all")
    return fields


def _write_apart(event: Mapping[Any, Any], layout: Layout) -> list[bytes]:
    """Return the fields of the members that have their own, and the carrying one for the others."""
    fields: list[bytes] = []
    others = {}
    for name, value in event.items():
        stored = to_bytes(name) if isinstance(name, str) else None
        if stored in layout.json:
            fields += (stored, layout.encoded(json_value(name, value)))
        else:
            others[name] = value
    if others or not fields:
        fields += (layout.field, layout.encoded(write_json(others)))
    return fields


def json_value(name: object, value: object) -> bytes:
    """Write one value as JSON, or raise as `write_event` does."""
    try:
        return json_text.dump_json(value)
    except EncodeError as error:
        raise EncodeError(f"{name!r}: {error}", column=str(name)) from None


def write_json(event: Mapping[Any, Any]) -> bytes:
    """Return the JSON object that carries an event, or raise as `write_event` does."""
    if type(event) is not dict:
        _check_mapping(event)
        event = dict(event)
    return json_text.dump_json(event)


def _check_mapping(event: object) -> None:
    if not isinstance(event, Mapping):
        raise EncodeError(
            f"an event is a mapping such as {{'id': 1}}, not {type(event).__name__}"
            f"{conversion(event, is_event=True)}"
        )


def _write_raw(event: Mapping[Any, Any]) -> list[bytes]:
    pairs = event.get("fields")
    if len(event) != 1 or not isinstance(pairs, list | tuple) or not all(map(_is_pair, pairs)):
        pairs = ()
    if not pairs:
        raise EncodeError(
            "a raw event is {'fields': [(name, value), ...]} with at least one pair of bytes",
            column="fields",
        )
    return [part for pair in pairs for part in pair]


def _is_pair(pair: object) -> bool:
    return (
        isinstance(pair, list | tuple)
        and len(pair) == 2
        and all(isinstance(part, bytes) for part in pair)
    )


def _field_name(name: object) -> bytes:
    if isinstance(name, bytes):
        return name
    if not isinstance(name, str):
        raise EncodeError(f"a field's name is text, not {type(name).__name__} ({name!r})")
    return _utf8_bytes(name, name)


def _utf8_bytes(name: object, text: str) -> bytes:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise EncodeError(
            f"{name!r}: a lone surrogate is not valid text", column=str(name)
        ) from None
    return to_bytes(text)


def field_value(name: object, value: object) -> bytes:
    """Write one value as a field's text; numbers so that they read back as the same number."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return _utf8_bytes(name, value)
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, int):
        return _digits(name, value)
    if isinstance(value, float) and math.isfinite(value):
        return repr(value).encode()
    if hasattr(value, "isoformat"):
        return str(value.isoformat()).encode()
    what = str(value) if isinstance(value, float) else f"a {type(value).__name__}"
    raise EncodeError(
        f"{name!r}: a field is text or a finite number, not {what}"
        + (conversion(value) or "; Stream(..., format='json') carries nested events"),
        column=str(name),
    )


def _digits(name: object, value: int) -> bytes:
    try:
        return b"%d" % value
    except ValueError:
        # Python writes and reads no more than 4300 digits.
        raise EncodeError(f"{name!r}: the integer is too large", column=str(name)) from None


def carries_json(event: object, layout: Layout) -> bool:
    """Return whether an event is only JSON text under the name of the carrying field."""
    if type(event) is not dict or len(event) != 1 or not layout.carries:
        return False
    text = event.get(layout.field.decode(), event.get(layout.field))
    if isinstance(text, str) and text[:1] == "{":
        text = text.encode("utf-8", "surrogatepass")
    return isinstance(text, bytes) and json_object(text) is not None


def json_object(value: bytes) -> dict[str, Any] | None:
    """Return the JSON object that `value` holds, or None if it holds none."""
    # The first byte rules out most texts that are no objects; JSON allows blanks before one.
    if value[:1] not in BEGINS_OBJECT:
        return None
    try:
        loaded = json_text.load_json(value)
    except ValueError:
        return None
    return loaded if isinstance(loaded, dict) else None


class EntryParts(NamedTuple):
    """The parts of an entry.

    Attributes
    ----------
    carrier : bytes or None
        The name of the field that holds a JSON object.
    members : dict
        That object, and the values of the other fields with JSON.
    rest : dict
        The other fields; one that occurs several times has the list of its values.
    odd : bool
        Whether the carrying field is there without a JSON object, or a field of `json=` without
        JSON; a field whose `decode=` raised has neither.
    apart : dict of str to bytes
        Members in fields of their own, and those fields.
    """

    carrier: bytes | None
    members: dict[str, Any]
    rest: dict[str, Any]
    odd: bool
    apart: dict[str, bytes]


def split_fields(fields: Fields, layout: Layout) -> EntryParts:
    """Split an entry into the members that its JSON holds and its other fields.

    Parameters
    ----------
    fields : sequence of bytes
        name, value, name, value, ...
    layout : Layout
        Not "raw".
    """
    carrying, carrier = layout.carrier(fields[::2]), None
    members: dict[str, Any] = {}
    texts: dict[bytes, list[bytes]] = {}
    unread: set[bytes] = set()
    for stored, payload in zip(fields[::2], fields[1::2], strict=True):
        if layout.coding is not None and (stored == carrying or stored in layout.json):
            text = layout.coding.read(payload)
            if text is None:
                unread.add(stored)
            else:
                payload = text
        is_carrying = stored == carrying and carrier is None and stored not in unread
        object_ = json_object(payload) if is_carrying else None
        if object_ is None:
            texts.setdefault(stored, []).append(payload)
        else:
            carrier, members = stored, object_
    odd = bool(unread) or (layout.carries and layout.field in texts and carrier is None)
    rest: dict[str, Any] = {}
    apart: dict[str, bytes] = {}
    for stored, payloads in texts.items():
        name = as_text(stored)
        if stored in layout.json and stored not in unread:
            try:
                values = [json_text.load_json(payload) for payload in payloads]
            except ValueError:
                odd = True
            else:
                member = free_name(name, members)
                members[member] = values if len(values) > 1 else values[0]
                apart[member] = stored
                continue
        values = list(map(as_text, payloads))
        rest[name] = values if len(values) > 1 else values[0]
    return EntryParts(carrier, members, rest, odd, apart)


def read_event(fields: Fields, layout: Layout) -> dict[str, Any]:
    """Return the event that an entry's fields carry; the inverse of `write_event`.

    A field that has the name of a JSON member gets the suffix ``_field``.
    """
    format = layout.format
    if format == "raw":
        return {"fields": list(zip(fields[::2], fields[1::2], strict=True))}
    if len(fields) == 2 and layout.coding is None and not layout.json:
        # The result of `split_fields` for most entries, at a third of its cost.
        only, text = fields
        carries = format == "auto" or (format == "json" and only == layout.field)
        event = json_object(text) if carries else None
        return {as_text(only): as_text(text)} if event is None else event
    _, members, rest, *_ = split_fields(fields, layout)
    event = dict(members)
    for name, value in rest.items():
        event[free_name(name, event)] = value
    return event


def free_name(name: str, taken: Mapping[Any, Any] | set[Any]) -> str:
    """Return `name`, with the suffix ``_field`` as often as needed to differ from those taken."""
    while name in taken:
        name = f"{name}_field"
    return name
