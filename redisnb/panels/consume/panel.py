"""ConsumePanel: watch entries arrive, start, pause and stop, and settle pending entries."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Literal

import pandas as pd

from redisnb.consumers import KEPT_ENTRIES, Consumer
from redisnb.entries import Entry
from redisnb.errors import GroupMissingError
from redisnb.frames import Where
from redisnb.panels.consume.view import RecentRows, introduce, read_by
from redisnb.panels.parts import error_text
from redisnb.panels.widgets import (
    CHECK_INTERVAL,
    REDRAW_INTERVAL,
    USER_ERRORS,
    VALUE,
    Button,
    Choice,
    Controls,
    Details,
    Field,
    Panel,
    Row,
    Sparkline,
    Table,
    Text,
    shorten,
)
from redisnb.stream import ConsumerGroup, Stream

__all__ = ["ConsumePanel"]

_CONSUMER_STATES = {
    "stopped": "stopped",
    "starting": "connecting",
    "running": "reading",
    "stalled": "reconnecting",
    "failed": "failed",
}
_READS = ("starting", "running", "stalled")
_ALWAYS_SHOWN = ("received", "handled", "failed")
_NOT_STARTED = "Nothing yet: press Start to read."
_NO_ENTRIES_YET = "Nothing has arrived yet: new entries show here."
_SELECT_ENTRIES = "select entries in the table first"


class ConsumePanel(Panel):
    """Entries as they arrive, with buttons to start, pause and stop.

    Nothing is read before Start. Pause freezes the table while reading continues; Stop ends
    reading. Enter on an entry shows it in full.

    Parameters
    ----------
    source : Stream, ConsumerGroup or Consumer
        A stream is watched, without a group: nothing is acknowledged or deleted. A group is
        consumed: each entry is acknowledged when it is shown, or by hand. A consumer keeps its own
        handler, and the panel shows what it does.
    where : mapping, str or callable, optional
        As for `Consumer`: only matching entries are shown.
    snapshot : bool, default True
        Whether a saved notebook shows the first 20 rows where no widget runs.

    Attributes
    ----------
    consumer : Consumer
        The displayed consumer: `source` itself, or the panel's own, which only the panel starts.
    last_error : BaseException or None
        Why it could not start, stalled or failed, or why another action failed.

    Examples
    --------
    >>> ConsumePanel(Consumer(group, handle))
    """

    def __init__(
        self,
        source: Stream | ConsumerGroup | Consumer,
        *,
        where: Where | None = None,
        snapshot: bool = True,
    ) -> None:
        if not isinstance(source, Stream | ConsumerGroup | Consumer):
            raise TypeError(
                "ConsumePanel(source): source is a Stream, a ConsumerGroup or a Consumer, not "
                f"{type(source).__name__}"
            )
        if where is not None and isinstance(source, Consumer):
            raise TypeError("where= is for a Stream or a group; give it to the Consumer itself")
        self._is_own = not isinstance(source, Consumer)
        self._source, self._where = source, where
        self.consumer = source if isinstance(source, Consumer) else self._watcher()
        self._consumer_options: tuple[str, str] = ("new", "shown")
        self._streams, self._groups = read_by(self.consumer.source)
        self._has_started = self._stop_asked = self._paused = False
        self._drawn_mark, self._draw_from = -1, 0.0
        self._last_check = (time.monotonic(), 0)
        self._controls = _start_row(self._act)
        self._rate, self._lag, self._pending = map(Sparkline, ("entries/s", "lag", "pending"))
        self._counts = Text("rnb-note")
        # Not alerts for screen readers: they may change with every entry.
        self._failure, self._gap = Text("rnb-error"), Text("rnb-error")
        many = len(self._streams) > 1
        self._table = Table(
            label="Entries",
            key=["stream", "entry_id"] if many else "entry_id",
            empty=_NOT_STARTED,
            on_select=self._on_select,
            on_open=self._on_open,
        )
        self._answer = Text("rnb-note", role="status")
        self._choice = _choice_row(self._act)
        self._details = Details()
        title, place, note = introduce(source)
        super().__init__(
            title,
            place,
            self._controls,
            Row(self._rate, self._lag, self._pending, self._counts),
            self._failure,
            self._gap,
            self._table,
            Row(self._choice, self._answer),
            self._details,
            note=note,
            snapshot=snapshot,
        )
        of_stream, of_group = self._is_own and not self._groups, bool(self._groups)
        self._controls.show(ack_when=self._is_own and of_group, create=False, time=False)
        self._controls.show(**{"from": of_stream})
        self._choice.show(ack=of_group, release=of_group, bury=of_group)
        for each in (self._lag, self._pending):
            each.layout.display = "" if of_group else "none"
        self._on_select()
        self._refresh()
        if not self._is_own:
            # Its owner may start it at any time, and the panel gets no notice of that.
            self._ticker.start()

    def __repr__(self) -> str:
        keys = ", ".join(repr(stream.key) for stream in self._streams)
        group = f", group={self._groups[0].name!r}" if self._groups else ""
        return f"ConsumePanel({keys}{group})"

    def frame(self) -> pd.DataFrame:
        """Return all received entries, as `Consumer.frame` does."""
        return self.consumer.frame()

    def python(self) -> str:
        """Return the call that does the same without the panel."""
        each = (f"rnb.Stream(conn, {s.key!r}{s.layout.arguments()})" for s in self._streams)
        streams = ", ".join(each)
        if self._groups:
            source = f"rnb.ConsumerGroup({streams}, {self._groups[0].name!r})"
            options = ', after="pending"' if self._controls["ack_when"] == "hand" else ""
        else:
            source, options = streams, f", start={self._start()!r}"
        if self._where is not None:
            options += f", where={getattr(self._where, '__name__', repr(self._where))}"
        return (
            f"import redisnb as rnb\n\nconn = rnb.connect({self._streams[0].conn.url!r})\n"
            f"consumer = rnb.Consumer({source}, print{options}).start()"
        )

    def _watcher(self, **options: Any) -> Consumer:
        source: Any = self._source
        # Large batches: at thousands of entries a second, the cost of each read counts.
        return Consumer(source, _handle, where=self._where, count=1_000, **options)

    # -- what the buttons do

    def start(self) -> bool:
        """Start reading; return whether it reads.

        If it does not, the panel says why, and `last_error` is the error.
        """
        self._attempt(self._begin)
        self._controls.show(create=isinstance(self.last_error, GroupMissingError))
        self._refresh()
        self._ticker.start()
        return self._reads()

    def pause(self) -> None:
        """Freeze the table, or, if it is frozen, let it move again; reading continues."""
        with self._lock:
            self._paused = not self._paused
            self._controls.label(pause="Continue" if self._paused else "Pause")
            self._controls.press(pause=self._paused)
            if self._paused:
                # Newer entries would push out the ones in view.
                self._table.show(self.consumer.frame().iloc[::-1], marks=self._marks())
            self._drawn_mark = -1
            self._refresh()

    def stop(self) -> bool:
        """Stop after the current entry, within 2 s; return whether it has ended."""
        self._stop_asked = True
        has_ended = self.consumer.stop()
        self._refresh()
        return has_ended

    def ack(self, entries: pd.DataFrame) -> int:
        """Acknowledge entries of the group; return how many were pending."""
        return self._settle("acknowledged", entries, lambda group, part: group.ack(part))

    def release(self, entries: pd.DataFrame) -> int:
        """Release entries that this consumer holds, to be handled again; return how many."""
        return self._settle("released", entries, lambda group, part: group.release(part))

    def bury(self, entries: pd.DataFrame) -> int:
        """Move pending entries of any consumer to the dead letters; return how many."""

        def bury(group: ConsumerGroup, part: pd.DataFrame) -> int:
            added = group.bury(part, min_idle=0)
            failed = added[added["status"] != "added"]
            if len(failed):
                self._say(str(failed["error"].iloc[0]))
            return len(added) - len(failed)

        return self._settle("moved to the dead letters", entries, bury)

    def _end(self) -> None:
        # A consumer that the caller started continues.
        if self._has_started:
            self.consumer.stop()

    def _act(self, name: str) -> None:
        selection = self._table.chosen
        if name == "create":
            self._attempt(lambda: [group.create("all") for group in self._groups])
            self.start()
        elif name in ("from", "ack_when"):
            self._controls.show(time=self._controls["from"] == "time")
            self._refresh()
        elif name in ("start", "pause", "stop"):
            getattr(self, name)()
        else:
            getattr(self, name)(selection())

    def _again(self) -> None:
        self.start()

    def _begin(self) -> None:
        self._controls.flag(time="")
        was_reading = self._reads() and not self._stop_asked
        if self._is_own and not was_reading:
            self._make_consumer()
        self.consumer.start()
        self._stop_asked = False
        self._has_started |= not was_reading

    def _make_consumer(self) -> None:
        """Replace the panel's own consumer if the options have changed."""
        options = (self._start(), self._controls["ack_when"])
        if options == self._consumer_options:
            return
        after: Literal["keep", "pending"] = "pending" if options[1] == "hand" else "keep"
        try:
            self.consumer = (
                self._watcher(after=after) if self._groups else self._watcher(start=options[0])
            )
        except ValueError as error:
            self._controls.flag(time=error_text(error))
            raise
        self._consumer_options, self._drawn_mark = options, -1
        self._last_check = (time.monotonic(), 0)

    def _start(self) -> str:
        selection = self._controls["from"]
        return str(self._controls["time"]).strip() if selection == "time" else str(selection)

    def _settle(
        self, what: str, entries: pd.DataFrame, how: Callable[[ConsumerGroup, pd.DataFrame], int]
    ) -> int:
        def settle() -> int:
            count = 0
            for group in self._groups:
                many = "stream" in entries.columns and len(self._groups) > 1
                part = entries[entries["stream"] == group.stream.key] if many else entries
                count += how(group, part) if len(part) else 0
            self._answer.value = f"{count:,} of {len(entries):,} {what}"
            return count

        return int(self._attempt(settle) or 0)

    def _reads(self) -> bool:
        return self.consumer.state in _READS

    # -- display

    def _tick(self) -> float | None:
        # Read before the refresh, which then includes the last entries.
        over = self._is_own and not self._reads()
        self._refresh()
        if over and self._drawn_mark == self.consumer.stats["received"]:
            return None
        return REDRAW_INTERVAL

    def _last_tick(self) -> bool:
        is_reading = not self._closed and self._reads()
        self._refresh()  # after that: an end in between is shown by the next call
        return is_reading

    def _refresh(self) -> None:
        """Set the traits that have changed: that is all that any thread may do."""
        with self._lock:
            if self._closed:
                return
            stats, reads = self.consumer.stats, self._reads()
            now = self._now(reads)
            self._buttons(reads)
            self._count(stats)
            error = self.consumer.error
            if error is not None and self.consumer.state in ("stalled", "failed"):
                self._fail(error)
            elif self.last_error is error or (reads and now == "reading"):
                self._clear()
            self._table.empty = _NO_ENTRIES_YET if reads else _NOT_STARTED
            self._draw(stats)
            if time.monotonic() - self._last_check[0] >= CHECK_INTERVAL:
                self._check_group(stats["received"])
            if not reads:
                self._has_started = self._stop_asked = False
            self._become(now)  # last, so that everything shown belongs to this state

    def _now(self, reads: bool) -> str:
        if reads and self._stop_asked:
            return "stopping"
        state = _CONSUMER_STATES[self.consumer.state]
        return "paused" if self._paused and state == "reading" else state

    def _buttons(self, reads: bool) -> None:
        running = "it is reading" if reads else ""
        writes = self._groups and self._streams[0].conn.read_only
        refused = "this connection is read-only, and reading in a group writes" if writes else ""
        self._controls.disable(
            start=running or refused,
            stop="" if reads else "it is not reading",
            time=running,
            ack_when=running,
            create=refused,
        )
        self._controls.disable(**{"from": running})

    def _count(self, stats: dict[str, int]) -> None:
        text = " · ".join(
            f"{what} {n:,}" for what, n in stats.items() if n or what in _ALWAYS_SHOWN
        )
        self._counts.value = text

    def _draw(self, stats: dict[str, int]) -> None:
        start_time = time.monotonic()
        mark = stats["received"] + stats["failed"] + stats["missed"]
        if mark == self._drawn_mark or self._paused or start_time < self._draw_from:
            return
        rows = RecentRows(self.consumer)
        self._table.follow(rows, marks=self._marks())
        self._table.caption = (
            f"Newest first. The last {KEPT_ENTRIES:,} are kept, values are cut at {VALUE} "
            "characters; Enter shows an entry in full, .frame() has them all."
            if rows.count
            else ""
        )
        self._drawn_mark = mark
        # However long it took, this leaves nine tenths of the kernel's time to others.
        self._draw_from = time.monotonic() + 9 * (time.monotonic() - start_time)

    def _marks(self) -> dict[str, str]:
        """Return which entries failed; show the last failure and what was missed."""
        stats = self.consumer.stats
        if not stats["failed"] and not stats["missed"]:
            return {}
        errors = self.consumer.errors()
        notices = errors["traceback"] == ""
        failed, missed = errors[~notices], errors[notices]
        if len(failed):
            last = failed.iloc[-1]
            what = shorten(f"{last['error']}: {last['message']}")
            self._failure.value = f"The handler failed, last at {last['entry_id']}: {what}"
        if len(missed):
            self._gap.value = shorten(str(missed.iloc[-1]["message"]), 1_000)
        return dict.fromkeys(failed["entry_id"], "failed")

    def _check_group(self, received: int) -> None:
        now, (then, before) = time.monotonic(), self._last_check
        self._last_check = (now, received)
        self._rate.add((received - before) / (now - then) if received >= before else 0)
        if not self._groups or not self._reads():
            return
        try:
            states = [group.info() for group in self._groups]
        except USER_ERRORS:
            # The consumer gets the same error and reports it.
            return
        rows = pd.concat(states)
        lag = rows["lag"].sum(skipna=False) if len(rows) else None
        self._lag.add(None if lag is None or pd.isna(lag) else int(lag))
        self._pending.add(int(rows["pending"].sum()))

    def _on_select(self) -> None:
        why = "" if self._table.selected[1] else _SELECT_ENTRIES
        self._choice.disable(ack=why, release=why, bury=why)

    def _on_open(self, key: str) -> None:
        stream_key, _, entry_id = key.rpartition(" ")
        stream = next(s for s in self._streams if not stream_key or s.key == stream_key)

        def look() -> None:
            entry = stream.entry(entry_id)
            if entry is not None:
                self._details.entry(entry)
                return
            frame = self.consumer.frame()
            rows = frame[frame["entry_id"] == entry_id]
            self._details.row(
                f"{entry_id} of {stream.key!r}",
                rows.iloc[-1].to_dict() if len(rows) else {},
                "It is no longer in the stream; this is what was received.",
            )

        self._attempt(look)


def _handle(entry: Entry) -> None:
    """Do nothing: the consumer's buffer is what the panel shows."""


def _start_row(act: Callable[[str], object]) -> Controls:
    """Return the controls that start and stop reading."""
    return Controls(
        Button("start", "Start", look="primary", tip="Start reading"),
        Button("pause", "Pause", tip="Freeze the table; reading continues"),
        Button("stop", "Stop", tip="Stop reading after the current entry"),
        Choice(
            "from",
            "From",
            [("new", "now on"), ("all", "the first entry"), ("time", "a time or an ID")],
        ),
        Field("time", "Start at", hint="-5min, 2024-05-01 10:30, an ID", width="18em"),
        Choice(
            "ack_when",
            "Acknowledge",
            [("shown", "when it is shown"), ("hand", "by hand")],
            tip="What is not acknowledged stays pending for this consumer",
        ),
        Button("create", "Create the group", tip="XGROUP CREATE, from the first entry on"),
        on_act=act,
    )


def _choice_row(act: Callable[[str], object]) -> Controls:
    """Return the controls for selected entries."""
    return Controls(
        Button("ack", "Acknowledge", tip="XACK the selected entries"),
        Button("release", "Handle again", tip="Release the selected entries to the group"),
        Button("bury", "To the dead letters", look="danger", tip="Move the selected entries"),
        on_act=act,
    )
