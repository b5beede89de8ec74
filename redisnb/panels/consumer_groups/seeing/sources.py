"""What a panel of groups looks at: one stream, some, or all of a database."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import pandas as pd

from redisnb import cards, frames, keyspace
from redisnb.stream import Stream
from redisnb.wire import Connection

__all__ = ["GroupsSource"]


class GroupsSource(NamedTuple):
    """The streams whose groups are shown.

    Attributes
    ----------
    conn : Connection
    streams : list of Stream
        Empty for all streams of the connection.
    """

    conn: Connection
    streams: list[Stream]

    @classmethod
    def of(cls, source: Stream | Iterable[Stream] | Connection) -> GroupsSource:
        """Return what there is to look at.

        Raises
        ------
        TypeError
            If it is no stream, no streams and no connection.
        ValueError
            If there is no stream, or they are of several connections.
        """
        if isinstance(source, Connection):
            return cls(source, [])
        streams = [source] if isinstance(source, Stream) else _checked_streams(source)
        if not streams:
            raise ValueError("there is no stream to look at; a connection shows all of a database")
        conn = streams[0].conn
        if any(each.conn is not conn for each in streams):
            raise ValueError("the streams are of several connections; make a panel for each")
        return cls(conn, streams)

    @property
    def is_one(self) -> bool:
        """Whether it is a single stream."""
        return len(self.streams) == 1

    @property
    def title(self) -> str:
        """The names of the streams."""
        if not self.streams:
            return self.conn.name
        names = [cards.cut_name(each.key) for each in self.streams[: cards.NAMES_SHOWN]]
        more = len(self.streams) - len(names)
        return ", ".join(names) + (f" and {more:,} more" if more else "")

    @property
    def arguments(self) -> str:
        """What it was made of, for a repr."""
        if not self.streams:
            return repr(self.conn.name)
        return cards.name_list(each.key for each in self.streams)

    def stream(self, key: str) -> Stream:
        """Return the stream of a key, with the format that the caller chose for it."""
        known = (each for each in self.streams if each.key == key)
        return next(known, None) or Stream(self.conn, key)

    def read(self) -> pd.DataFrame:
        """Return the groups of all its streams, in schema GROUPS."""
        if not self.streams:
            return keyspace.groups(self.conn)
        return joined([each.groups() for each in self.streams])

    def read_stream(self, groups: pd.DataFrame, key: str) -> pd.DataFrame:
        """Return the groups with those of one stream read again."""
        others = groups[groups["stream"] != key]
        return joined([others, self.stream(key).groups()])


def joined(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Return frames in schema GROUPS as one, by stream and name."""
    filled = [each for each in parts if len(each)]
    if not filled:
        return frames.table(frames.GROUPS, [])
    if len(filled) == 1:
        return filled[0].reset_index(drop=True)
    whole = pd.concat(filled, ignore_index=True)
    return whole.sort_values(["stream", "group"], ignore_index=True)


def _checked_streams(source: object) -> list[Stream]:
    found = list(source) if isinstance(source, Iterable) and not isinstance(source, str) else []
    if not found and not isinstance(source, list | tuple):
        found = [source]
    for each in found:
        if not isinstance(each, Stream):
            raise TypeError(
                "groups(source): source is a Stream, several of them, or a Connection, not "
                f"{type(each).__name__}"
            )
    return found
