"""What a live panel reads: its streams and groups, and the words for them."""

from __future__ import annotations

from typing import NamedTuple

from redisnb.consumers import Consumer
from redisnb.stream import ConsumerGroup, Stream

__all__ = ["LiveSource"]


class LiveSource(NamedTuple):
    """The streams that are read, and their groups; and whether the panel has a consumer of its own.

    Attributes
    ----------
    consumer : Consumer or None
        The caller's; None where the panel makes its own.
    """

    streams: list[Stream]
    groups: list[ConsumerGroup]
    consumer: Consumer | None

    @classmethod
    def of(cls, source: Stream | ConsumerGroup | Consumer) -> LiveSource:
        """Return what there is to read.

        Raises
        ------
        TypeError
            If it is no stream, group or consumer.
        """
        if not isinstance(source, Stream | ConsumerGroup | Consumer):
            raise TypeError(
                "live(source): source is a Stream, a ConsumerGroup or a Consumer, not "
                f"{type(source).__name__}"
            )
        consumer = source if isinstance(source, Consumer) else None
        inner = source.source if isinstance(source, Consumer) else source
        each = [inner] if isinstance(inner, Stream | ConsumerGroup) else [*inner]
        groups = [one for one in each if isinstance(one, ConsumerGroup)]
        streams = [one.stream if isinstance(one, ConsumerGroup) else one for one in each]
        return cls(streams, groups, consumer)

    @property
    def title(self) -> str:
        """The names of the streams."""
        return ", ".join(stream.key for stream in self.streams)

    @property
    def place(self) -> str:
        """Where they are, and how they are read."""
        how = ""
        if self.groups:
            how = f"as {self.groups[0].consumer!r} of group {self.groups[0].name!r}, "
        elif self.consumer is not None:
            how = "each entry goes to your handler, "
        return f"{how}{self.streams[0].conn.name}"

    @property
    def refusal(self) -> str:
        """Why reading cannot begin; "" if it can."""
        if self.groups and self.streams[0].conn.read_only:
            return "this connection is read-only, and reading in a group writes"
        return ""

    def stream_of(self, key: str | None) -> Stream:
        """Return the stream of a key; of the only one there is no need to tell."""
        return next(stream for stream in self.streams if key is None or stream.key == key)
