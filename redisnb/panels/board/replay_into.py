"""ReplayIntoPanel: asks for the stream that a replay goes to, and then replays."""

from __future__ import annotations

import pandas as pd

from redisnb import cards, frames
from redisnb.panels.parts import Action, Box, Input, Label, PartsPanel, Strip, Trouble
from redisnb.panels.replaying import ReplayPanel
from redisnb.stream import Stream

__all__ = ["ReplayIntoPanel"]

_ABOUT = "Entries are added to the stream that you name; what is there stays."


class ReplayIntoPanel(PartsPanel):
    """A replay of a stream, whose target the user names first: it must not be the source.

    Parameters
    ----------
    stream : Stream
        Its entries are replayed.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._range = ("", "")
        self._into = ""
        #: What replays; None before the target is named.
        self.replay: ReplayPanel | None = None
        self._target = Input("Replay into", f"{stream.key}:replay", size=30, on=self._use)
        self._button = Action("Use this stream", self._use, look="primary")
        trouble = Trouble()
        self._page = Box(look="grow")
        self._about = Label(_ABOUT, look="soft")
        root = Box(
            Strip(self._target, self._button, self._about, look="bar"),
            trouble,
            self._page,
            look="grow",
        )
        super().__init__(root, trouble, snapshot=False)

    def __repr__(self) -> str:
        return f"ReplayIntoPanel({cards.quoted(self._stream.key)})"

    @property
    def doing(self) -> str:
        """What the replay does, in a word."""
        return "" if self.replay is None else self.replay.doing

    @property
    def is_used(self) -> bool:
        """Whether it has what the user typed, or has replayed."""
        return super().is_used or (self.replay is not None and self.replay.is_used)

    @property
    def target(self) -> str:
        """The key that was named last, "" before."""
        return self._into

    def frame(self) -> pd.DataFrame:
        """Return what the replay shows."""
        return frames.table(frames.REPLAY, []) if self.replay is None else self.replay.frame()

    def python(self) -> str:
        """Return the call that replays."""
        return "# Name the target first." if self.replay is None else self.replay.python()

    def show_range(self, first: str, last: str) -> None:
        """Choose a range: at once, or as soon as the target is named."""
        self._range = (first, last)
        if self.replay is not None:
            self.replay.show_range(first, last)

    def into(self, key: str) -> None:
        """Replay into the stream of a key; a replay into another one is closed.

        Raises
        ------
        ValueError
            If it is the source, or another replay has not ended.
        """
        if not key:
            raise ValueError("name the stream that the entries are added to")
        if key == self._stream.key:
            raise ValueError("this is the stream that is replayed: name another one")
        if self.doing:
            raise ValueError("a replay is under way: stop it first")
        before = self.replay
        if key == self._into:
            return
        self.replay = ReplayPanel(self._stream, Stream(self._stream.conn, key), snapshot=False)
        self._page.fill(self.replay.root)
        if before is not None:
            before.close()
        self._into = key
        self._target.set(value=key)
        self._target.use()
        self._button.set(look="plain")
        self._about.set(hidden=True)
        if any(self._range):
            self.replay.show_range(*self._range)

    def stop(self) -> None:
        """End the replay; the panel stays."""
        if self.replay is not None:
            self.replay.stop()
        super().stop()

    def close(self) -> None:
        """Remove the panel, and end the replay."""
        if self.replay is not None:
            self.replay.close()
        super().close()

    def _use(self) -> None:
        try:
            self.into(self._target["value"].strip())
        except ValueError as error:
            self._target.set(error=str(error))
        else:
            self._target.set(error="")
