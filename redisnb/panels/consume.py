"""ConsumePanel: see entries arrive, start and stop."""

from __future__ import annotations

import atexit
import threading
import time
import weakref
from collections.abc import Sequence

import ipywidgets
import pandas as pd
import redis

from redisnb.cells import Run, this_run
from redisnb.consumer import Consumer
from redisnb.errors import RedisnbError
from redisnb.events import Entry
from redisnb.group import ConsumerGroup
from redisnb.panels.listing import LINE, LISTED, listing
from redisnb.panels.panel import VALUE, Panel, Row, Text, cut, words
from redisnb.stream import Stream
from redisnb.tally import KEPT_ENTRIES

__all__ = ["ConsumePanel"]

#: The shortest time between two refreshes, in seconds.
PAUSE = 0.2
#: How long `ConsumePanel.close` waits for a refresh under way, in seconds.
CLOSE_WITHIN = 2.0

_STATES = {
    "stopped": "stopped",
    "starting": "starting",
    "running": "reading",
    "stalled": "reconnecting",
    "failed": "failed",
}
_READS = ("starting", "running", "stalled")
_ALWAYS_SHOWN = ("received", "handled", "failed")
_NOT_STARTED = "Nothing yet: press Start to read."
_NOTHING_YET = "Nothing has come yet: what is added shows here."

# Each panel that is not closed, with the notebook's cell that made it, and in which run.
_open: weakref.WeakKeyDictionary[ConsumePanel, Run] = weakref.WeakKeyDictionary()


class ConsumePanel(Panel):
    """Show entries as they arrive, with buttons to start and stop.

    Nothing is read before Start. When a notebook's cell is run again, the panels that its last run
    made are closed.

    Parameters
    ----------
    source : Stream, ConsumerGroup or Consumer
        A stream is watched, from its end and without a group: nothing is acknowledged or deleted.
        A group is consumed: each entry is acknowledged as soon as the panel has it. A consumer goes
        on with its own handler, and the panel shows what it does.

    Attributes
    ----------
    consumer : Consumer
        The one that is shown: `source` itself, or the panel's own, which only the panel starts.

    Examples
    --------
    >>> ConsumePanel(Consumer(group, handle))
    """

    def __init__(self, source: Stream | ConsumerGroup | Consumer) -> None:
        self._closed = threading.Event()
        self._refresher: threading.Thread | None = None
        # Around what the panel shows, and the life of its thread.
        self._showing = threading.RLock()
        self._started_here = self._stop_asked = False
        self._error: Exception | None = None
        self._shown: object = None
        self._listed, self._list_from = 0, 0.0
        self._own = not isinstance(source, Consumer)
        if not isinstance(source, Stream | ConsumerGroup | Consumer):
            raise TypeError(
                "ConsumePanel(source): source is a Stream, a ConsumerGroup or a Consumer, not "
                f"{type(source).__name__}"
            )
        self.consumer = source if isinstance(source, Consumer) else Consumer(source, _handle)
        title, note = _introduce(source)
        self._start_button = ipywidgets.Button(
            description="Start", button_style="success", tooltip="Begin to read"
        )
        self._start_button.on_click(lambda _: self.start())
        self._stop_button = ipywidgets.Button(
            description="Stop",
            button_style="warning",
            tooltip="Stop after the entry in hand",
        )
        self._stop_button.on_click(lambda _: self.stop())
        self._state = Text("rnb-state", role="status")
        self._counts = Text("rnb-note")
        self._problem = Text("rnb-error", role="alert")
        # No alert: it may change with every entry.
        self._failure = Text("rnb-error")
        self._entries = Text("rnb-entries", role="region", label="Entries")
        self._caption = Text("rnb-note")
        super().__init__(
            Text("rnb-title", title),
            Text("rnb-note", note),
            Row(self._start_button, self._stop_button, self._state, self._counts),
            self._problem,
            self._failure,
            self._entries,
            self._caption,
        )
        run = this_run()
        _close_earlier_runs(run)
        _open[self] = run
        self._refresh()
        if not self._own:
            # Its owner may start it at any time, and nobody would tell us.
            self._keep_fresh()

    def __repr__(self) -> str:
        streams, group = _read_by(self.consumer.source)
        keys = ", ".join(repr(stream.key) for stream in streams)
        return f"ConsumePanel({keys}, group={group.name!r})" if group else f"ConsumePanel({keys})"

    @property
    def last_error(self) -> BaseException | None:
        """Why it could not start, stalled or failed; None if it did not."""
        return self._error or self.consumer.error

    def frame(self) -> pd.DataFrame:
        """Return what was received as `Consumer.frame` does, whole."""
        return self.consumer.frame()

    def start(self) -> bool:
        """Do what the button does: begin to read. Say whether it reads.

        If it does not, the panel says why, and `last_error` has the error.
        """
        if self._closed.is_set():
            raise RuntimeError(f"{self!r} is closed; make another")
        with self._showing:
            self._error = None
            already = self._reads() and not self._stop_asked
            try:
                self.consumer.start()
            except (RedisnbError, redis.RedisError, RuntimeError) as error:
                self._error = error
            else:
                self._stop_asked = False
                self._started_here |= not already
            self._refresh()
            self._keep_fresh()
            return self._reads()

    def stop(self) -> bool:
        """Do what the button does: stop after the entry in hand. Say whether it has ended.

        As for `Consumer.stop`, that takes 2 s at most.
        """
        self._stop_asked = True
        ended = self.consumer.stop()
        self._refresh()
        return ended

    def close(self) -> None:
        """Take the panel off the page and stop what it has started.

        A consumer that the caller has started goes on.
        """
        self._end_thread()
        if self._started_here:
            self.consumer.stop()
        _open.pop(self, None)
        super().close()

    def _reads(self) -> bool:
        return self.consumer.state in _READS

    # -- what is shown

    def _keep_fresh(self) -> None:
        if self._refresher is None:
            self._refresher = threading.Thread(
                target=self._refresh_until_closed, name=f"redisnb:{self!r}", daemon=True
            )
            self._refresher.start()

    def _end_thread(self) -> None:
        self._closed.set()
        refresher = self._refresher
        if refresher is not None:
            refresher.join(CLOSE_WITHIN)

    def _refresh_until_closed(self) -> None:
        while not self._closed.wait(PAUSE):
            with self._showing:
                # Asked before the refresh: what came last is then in it.
                over = self._own and not self._reads()
                self._refresh()
                if over and self._listed == self.consumer.stats["received"]:
                    self._refresher = None
                    return

    def _refresh(self) -> None:
        """Set the traits of what has changed: any thread may do that, and nothing more."""
        with self._showing:
            if self._closed.is_set():
                return
            state, stats = self.consumer.state, self.consumer.stats
            now = (state, stats, self._why(), self._stop_asked)
            if now != self._shown:
                self._shown = now
                self._show(*now)
            if stats["received"] != self._listed and time.monotonic() >= self._list_from:
                self._list(stats["received"])

    def _show(self, state: str, stats: dict[str, int], problem: str, stop_asked: bool) -> None:
        reads = state in _READS
        self._state.value = "stopping" if reads and stop_asked else _STATES[state]
        self._start_button.disabled, self._stop_button.disabled = reads, not reads
        self._counts.value = " · ".join(
            f"{what} {n:,}" for what, n in stats.items() if n or what in _ALWAYS_SHOWN
        )
        self._problem.value, self._failure.value = problem, self._last_failure(stats["failed"])
        if not stats["received"]:
            self._entries.value = _NOTHING_YET if reads else _NOT_STARTED
        if not reads:
            self._started_here = self._stop_asked = False

    def _list(self, received: int) -> None:
        began = time.monotonic()
        self._entries.value = listing(self.consumer.frame(LISTED))
        self._caption.value = (
            f"Newest first, {min(received, LISTED):,} of {received:,}. Values are cut at {VALUE} "
            f"characters and lines at {LINE:,}; .frame() has the last {KEPT_ENTRIES:,} whole."
        )
        self._listed = received
        # However long it took, the kernel has nine tenths of its time for others.
        ended = time.monotonic()
        self._list_from = ended + 9 * (ended - began)

    def _why(self) -> str:
        """Say what is wrong, if something is."""
        if self._error is not None:
            return words(self._error)
        error = self.consumer.error
        if error is None or self.consumer.state not in ("stalled", "failed"):
            return ""
        return words(error)

    def _last_failure(self, failed: int) -> str:
        if not failed:
            return ""
        last = self.consumer.errors().iloc[-1]
        what = cut(f"{last['error']}: {last['message']}")
        return f"The handler failed, last at {last['entry_id']}: {what}"


def _handle(entry: Entry) -> None:
    """Handle an entry by showing it, which its consumer's buffer is enough for."""


def _introduce(source: Stream | ConsumerGroup | Consumer) -> tuple[str, str]:
    """Say what is read from where, and what happens to an entry."""
    streams, group = _read_by(source.source if isinstance(source, Consumer) else source)
    keys = ", ".join(repr(stream.key) for stream in streams)
    place = f"{keys} on {streams[0].conn.name}"
    who = f" as {group.consumer!r} of group {group.name!r}" if group else ""
    if isinstance(source, Consumer):
        return f"Consumer of {place}", f"Reads{who}, and hands each entry to a handler of yours."
    if who:
        note = f"Reads{who}: each entry is acknowledged when it is shown here."
        return f"Consume {place}", note
    note = "Shows what is added from Start on; nothing is acknowledged or deleted."
    return f"Watch {place}", note


def _read_by(
    source: Stream | ConsumerGroup | Sequence[Stream] | Sequence[ConsumerGroup],
) -> tuple[list[Stream], ConsumerGroup | None]:
    """Return the streams that are read, and the group, or one of several alike."""
    sources = [source] if isinstance(source, Stream | ConsumerGroup) else [*source]
    groups = [each for each in sources if isinstance(each, ConsumerGroup)]
    streams = [each.stream if isinstance(each, ConsumerGroup) else each for each in sources]
    return streams, groups[0] if groups else None


def _close_earlier_runs(run: Run) -> None:
    """Close what an earlier run of the same cell made: it is on no page any more."""
    for panel, made_in in list(_open.items()):
        if run.replaces(made_in):
            panel.close()


@atexit.register
def _end_threads() -> None:
    # A daemon thread that sends while Python takes itself apart may crash it.
    for panel in list(_open):
        panel._end_thread()
