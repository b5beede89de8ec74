"""Some members of many JSON objects, read several times as fast as whole objects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any

import msgspec

from redisnb.entries.json_text import load_objects
from redisnb.entries.text import is_text

__all__: list[str] = []

#: The value of a member that an object does not have.
ABSENT = msgspec.UNSET
# Beyond about a thousand levels of nesting, `load_objects` decides whether a text is JSON.
_DEEP = 900


class MemberReader:
    """A reader of the members of some names, which it reads as `load_objects` does.

    Parameters
    ----------
    names : iterable of str
        Names of members at the top of an object.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._attributes = {name: f"m{i}" for i, name in enumerate(names)}
        renamed = {attribute: name for name, attribute in self._attributes.items()}
        fields = [(attribute, Any, ABSENT) for attribute in renamed]
        self._decode: Callable[[bytes], Any] | None = None
        try:
            type: Any = msgspec.defstruct("Members", fields, rename=renamed, gc=False)
            self._decode = msgspec.json.Decoder(type).decode
        except (ValueError, UnicodeEncodeError):
            # A name with a quote, or with half a surrogate pair.
            type = msgspec.defstruct("Members", fields, gc=False)
        self._type = type

    def read(self, texts: Sequence[bytes]) -> tuple[dict[str, list[Any]], list[int]]:
        """Return the values of each name, and which texts hold no object.

        Returns
        -------
        dict of str to list
            A value for each text that holds an object; `ABSENT` where it has no such member.
        list of int
            The places of the texts that hold none.
        """
        objects = self._read(texts)
        wrong = [i for i, each in enumerate(objects) if each is None] if None in objects else []
        if wrong:
            objects = [each for each in objects if each is not None]
        columns = {
            name: list(map(attrgetter(attribute), objects))
            for name, attribute in self._attributes.items()
        }
        return columns, wrong

    def _read(self, texts: Sequence[bytes]) -> list[Any]:
        if self._decode is not None and is_text(b" ".join(texts)) and not _are_deep(texts):
            try:
                return list(map(self._decode, texts))
            except (ValueError, RecursionError):
                pass
        return list(map(self._one, texts))

    def _one(self, text: bytes) -> Any:
        if self._decode is not None and is_text(text) and not _are_deep([text]):
            try:
                return self._decode(text)
            except (ValueError, RecursionError):
                pass
        members = load_objects([text])[0]
        if members is None:
            return None
        items = self._attributes.items()
        return self._type(**{attribute: members.get(name, ABSENT) for name, attribute in items})


# msgspec skips members without a check for these two.


def _are_deep(texts: Sequence[bytes]) -> bool:
    if max(map(len, texts), default=0) < 2 * _DEEP:
        return False
    return any(text.count(b"[") + text.count(b"{") > _DEEP for text in texts)
