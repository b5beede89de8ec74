"""The lines of a dashboard's list: streams, dead letters, prefixes, and what is typed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from redisnb import cards
from redisnb.panels.board.watching import KeyPrefix, SeenStream, short_number
from redisnb.panels.parts import ListItem

__all__ = ["LETTERS", "NEW", "PREFIX", "STREAM", "LineName", "StreamLines"]

STREAM, LETTERS, PREFIX, NEW = "stream", "letters", "prefix", "new"
#: How many streams are listed; the field finds the others.
_STREAMS_LISTED = 300


class LineName(NamedTuple):
    """A line: of what kind it is, and the key or prefix that it is about."""

    kind: str
    name: str

    @property
    def key(self) -> str:
        """What tells it from all other lines."""
        return "\n".join(self)

    @classmethod
    def of(cls, key: str) -> LineName:
        """Return the line with a key."""
        return cls(*key.split("\n", 1))


class StreamLines(NamedTuple):
    """What a list has.

    Attributes
    ----------
    streams : sequence of SeenStream
        All streams, by key.
    prefixes : sequence of KeyPrefix
    text : str
        What the user looks for, "" for all.
    doing : mapping of str to str
        By the key of a stream, what its panels do, in a word.
    """

    streams: Sequence[SeenStream]
    prefixes: Sequence[KeyPrefix]
    text: str
    doing: Mapping[str, str]

    def groups(self, item: Callable[[str], ListItem]) -> dict[str, list[ListItem]]:
        """Return the lines under their headings; `item` returns the part with a key."""
        sought = self.text.casefold()
        found = [each for each in self.streams if sought in each.key.casefold()]
        shown = sorted(found, key=lambda each: each.order)[:_STREAMS_LISTED]
        letters = [each for each in found if each.dead_letters][:_STREAMS_LISTED]
        prefixes = [each for each in self.prefixes if sought in each.prefix.casefold()]
        is_new = bool(self.text) and all(each.key != self.text for each in self.streams)
        return {
            "Needs a look": [self._stream(item, each) for each in shown if each.worst],
            "Streams": [self._stream(item, each) for each in shown if not each.worst],
            "Dead letters": [_letters(item, each) for each in letters],
            "Keys by prefix": [_prefix(item, each) for each in prefixes],
            "Open by its key": [_new(item, self.text)] if is_new else [],
        }

    def caption(self) -> str:
        """Return how many streams there are, and whether all are listed."""
        n = len(self.streams)
        if not n:
            return "no streams yet"
        many = "1 stream" if n == 1 else f"{n:,} streams"
        return many if n <= _STREAMS_LISTED else f"{many}, {_STREAMS_LISTED} listed"

    def _stream(self, item: Callable[[str], ListItem], seen: SeenStream) -> ListItem:
        line = item(LineName(STREAM, seen.key).key)
        doing = self.doing.get(seen.key, "")
        points = list(seen.rates) if any(seen.rates) else []
        line.set(name=seen.key, value=seen.length_text, tone=seen.tone, why=seen.why)
        line.set(points=points, badge=doing)
        return line


def _letters(item: Callable[[str], ListItem], seen: SeenStream) -> ListItem:
    line = item(LineName(LETTERS, seen.key).key)
    n = seen.dead_letters
    why = f"{n:,} {'entry' if n == 1 else 'entries'} of {seen.key} could not be handled"
    line.set(name=seen.key, value=short_number(n), tone="bad", why=why)
    return line


def _prefix(item: Callable[[str], ListItem], found: KeyPrefix) -> ListItem:
    line = item(LineName(PREFIX, found.prefix).key)
    size = "" if found.size is None else cards.amount(found.size)
    line.set(name=found.prefix, value=short_number(found.keys), amount=size, why="By a sample")
    return line


def _new(item: Callable[[str], ListItem], text: str) -> ListItem:
    line = item(LineName(NEW, text).key)
    line.set(name=text, why="It need not exist: the first event creates it")
    return line
