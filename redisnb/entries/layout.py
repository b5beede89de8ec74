"""The fields of an entry that carry its event.

======== ================================================ =====================================
format   on the wire                                      read as, entry by entry
======== ================================================ =====================================
json     one field, ``payload`` unless said, a JSON       its members, and other fields beside it
         object
fields   one field per member, text                       one member per field
auto     written as json                                  json; also if the only field, whatever
                                                          its name, holds an object
raw      whatever it is                                   ``fields``: all (name, value) pairs
======== ================================================ =====================================
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, get_args

from redisnb.entries.coding import Coding, Decode
from redisnb.entries.text import as_text, to_bytes

__all__ = ["Format", "Layout"]

Format: TypeAlias = Literal["auto", "json", "fields", "raw"]

PAYLOAD = b"payload"

#: name, value, name, value, ... as the server sends them.
Fields: TypeAlias = Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Layout:
    """The fields that carry the events of a stream.

    Attributes
    ----------
    format : {"auto", "json", "fields", "raw"}
    field : bytes
        The carrying field: the one that holds an event's JSON object.
    json : tuple of bytes
        Other fields that hold JSON: each is a member of its own name.
    coding : Coding or None
        How the fields hold their JSON, where they do not hold it as text.
    """

    format: Format = "auto"
    field: bytes = PAYLOAD
    json: tuple[bytes, ...] = ()
    coding: Coding | None = None

    @classmethod
    def of(
        cls,
        format: str,
        field: str = "payload",
        json: Iterable[str] = (),
        decode: Decode | None = None,
    ) -> Layout:
        """Make one from the arguments of `Stream`.

        Raises
        ------
        ValueError
            If there is no such format, or the fields do not fit it.
        TypeError
            If a name is not text.

        `Coding.of` raises what `decode` may raise.
        """
        known: tuple[Format, ...] = get_args(Format)
        known_format = next((each for each in known if each == format), None)
        if known_format is None:
            raise ValueError(f"format={format!r}; choose one of {', '.join(known)}")
        if isinstance(json, str | bytes):
            raise TypeError(f"json={json!r}; give a list of names: json=[{json!r}]")
        names = tuple(dict.fromkeys(json))
        for name in (field, *names):
            if not isinstance(name, str):
                raise TypeError(f"the name of a field is text, not {type(name).__name__}")
        if known_format in ("fields", "raw") and field != "payload":
            raise ValueError(
                f"format={format!r} has no field that carries an event; leave out field={field!r}, "
                "or choose 'json' or 'auto'"
            )
        if known_format == "raw" and names:
            raise ValueError("format='raw' reads no JSON; leave out json=, or choose 'fields'")
        if field in names and known_format in ("auto", "json"):
            raise ValueError(
                f"field={field!r} holds the event; leave it out of json=, which names other fields"
            )
        coding = Coding.of(decode)
        if coding is not None and not names and known_format in ("fields", "raw"):
            raise ValueError(
                f"format={format!r} has no field for decode= to read; leave out decode=, or choose "
                "'json' or 'auto'"
            )
        return cls(known_format, to_bytes(field), tuple(map(to_bytes, names)), coding)

    @property
    def carries(self) -> bool:
        """Whether a field holds a JSON object whose members are the event's."""
        return self.format in ("auto", "json")

    def carrier(self, names: Sequence[bytes]) -> bytes | None:
        """Return the field that may hold the object of an entry with these fields, or None."""
        if self.format == "auto" and len(names) == 1 and names[0] not in self.json:
            return names[0]
        return self.field if self.carries else None

    def decoding(self, decode: Decode | None) -> Layout:
        """Return the layout with another `decode`, if there is one; it raises what `of` raises."""
        if decode is None:
            return self
        names = list(map(as_text, self.json))
        return self.of(self.format, self.field.decode(), names, decode)

    @property
    def plain(self) -> Layout:
        """The same layout without a coding: its fields hold JSON itself."""
        return replace(self, coding=None)

    def decoded(self, fields: Fields) -> Fields | None:
        """Return fields with their payloads decoded to JSON, or None if one cannot be read."""
        if self.coding is None:
            return fields
        names = fields[::2]
        coded = {self.carrier(names), *self.json}
        if coded.isdisjoint(names):
            return fields
        plain = list(fields)
        for i, name in enumerate(names):
            if name in coded:
                text = self.coding.read(fields[2 * i + 1])
                if text is None:
                    return None
                plain[2 * i + 1] = text
        return plain

    def recoded(self, changed: Fields, fields: Fields) -> Fields:
        """Return decoded and changed fields as they are stored; `fields` are those before."""
        plain = self.decoded(fields)
        if plain is None or plain is fields:
            return changed
        coded = {self.carrier(fields[::2]), *self.json}
        pairs = zip(plain[::2], plain[1::2], fields[1::2], strict=True)
        stored = {(name, text): payload for name, text, payload in pairs}
        recoded: list[bytes] = []
        for name, text in zip(changed[::2], changed[1::2], strict=True):
            is_new = name in coded and (name, text) not in stored
            recoded += name, self.encoded(text) if is_new else stored.get((name, text), text)
        return recoded

    def encoded(self, text: bytes) -> bytes:
        """Return the payload for JSON text, or raise as `Coding.write` does."""
        return text if self.coding is None else self.coding.write(text)

    def is_flat(self, names: Sequence[bytes]) -> bool:
        """Return whether an entry with these fields is surely no more than their texts."""
        if self.json and not set(self.json).isdisjoint(names):
            return False
        # One by one, for this is asked of every entry of an unlike page.
        format = self.format
        if format == "fields" or format == "raw":
            return True
        return self.field not in names and (format == "json" or len(names) > 1)

    def is_text(self, name: str) -> bool:
        """Return whether a member of this name is written as text, and not as JSON."""
        return self.format == "fields" and to_bytes(name) not in self.json

    def options(self) -> dict[str, Any]:
        """Return the arguments of `Stream` that differ from their defaults."""
        options: dict[str, Any] = {}
        if self.format != "auto":
            options["format"] = self.format
        if self.field != PAYLOAD:
            options["field"] = as_text(self.field)
        if self.json:
            options["json"] = list(map(as_text, self.json))
        if self.coding is not None:
            options["decode"] = self.coding
        return options

    def arguments(self) -> str:
        """Return `options` as they stand in a call, after other arguments."""
        return "".join(f", {name}={value!r}" for name, value in self.options().items())

    def saved(self) -> str | dict[str, Any]:
        """Return what a file notes of a stream: its format, or its format and its fields."""
        options = self.options()
        if self.coding is not None and (decode := self.coding.saved()) is not None:
            options["decode"] = decode
        else:
            options.pop("decode", None)
        return self.format if options.keys() <= {"format"} else {"format": self.format, **options}

    @classmethod
    def read(cls, saved: object) -> Layout:
        """Return the layout that `saved` described; for anything else, the default."""
        options = saved if isinstance(saved, dict) else {"format": saved}
        try:
            return cls.of(**options)
        except (TypeError, ValueError):
            return AUTO


#: The layout of a stream about which nothing is known.
AUTO = Layout()


def common_layout(layouts: Iterable[Layout]) -> Layout:
    """Return the layout that all streams share, the default if they share none."""
    distinct = set(layouts)
    return distinct.pop() if len(distinct) == 1 else AUTO
