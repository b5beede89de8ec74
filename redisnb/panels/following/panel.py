"""LivePanel: watch entries arrive, and say what is to happen to those of a group."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import pandas as pd

from redisnb.consumers import Consumer, pass_over, tap
from redisnb.errors import EntryIdError
from redisnb.frames import Filter, Where
from redisnb.panels.following.groups import settled
from redisnb.panels.following.keeping import Kept, KeptRows
from redisnb.panels.following.showing import Showing
from redisnb.panels.following.sources import LiveSource
from redisnb.panels.following.states import GroupStates
from redisnb.panels.following.view import LiveView
from redisnb.panels.following.writing import live_python
from redisnb.panels.parts import USER_ERRORS, PartsPanel, Task, error_text
from redisnb.stream import ConsumerGroup, Stream

__all__ = ["LivePanel", "live"]

#: How often the panel looks for what is new, in seconds.
_LOOK_EVERY = 0.2
#: Reads this many at a time: at thousands of entries a second, the cost of each read counts.
_READ = 10_000


class LivePanel(PartsPanel):
    """Entries as they arrive, the newest first; nothing is read before Start.

    The filter looks at each entry as it is read, so that every match is kept, up to 10,000.
    Scrolling away, or choosing an entry, holds the view; reading goes on.

    Parameters
    ----------
    source : Stream, ConsumerGroup or Consumer
        A stream is watched, without a group: nothing is acknowledged or deleted. A group is
        consumed: each entry is acknowledged when it is read, or by hand, whether it matches or
        not. A consumer keeps its own handler, and the panel shows what it does.
    where : mapping, str or callable, optional
        As for `Stream.range`: only matching entries are shown. The field of the panel has an
        expression, which the user may change; any other filter is applied besides.
    snapshot : bool, default True
        Whether a saved notebook shows the first 20 rows where no widget runs.

    Attributes
    ----------
    consumer : Consumer
        What is shown: `source` itself, or the panel's own, which only the panel starts.
    last_error : BaseException or None
        Why it could not start, stalled or failed, or why another action failed.

    Examples
    --------
    >>> panel = rnb.panels.LivePanel(rnb.Consumer(billing, lambda entry: None, timeout=0))
    >>> panel.start()
    True
    >>> panel.stop()
    """

    def __init__(
        self,
        source: Stream | ConsumerGroup | Consumer,
        *,
        where: Where | None = None,
        snapshot: bool = True,
    ) -> None:
        self._source = LiveSource.of(source)
        states = GroupStates(self._source.groups)
        self._kept = Kept(self._source.streams, states)
        self._filters: list[Where] = [] if where is None or isinstance(where, str) else [where]
        #: The number of the last start, and of the one whose refreshing runs.
        self._run = self._ran = 0
        self._has_started = self._stop_asked = self._saves_now = False
        acts: dict[str, Callable[[], object]] = {
            "start": lambda: self.act(self.start),
            "stop": lambda: self.act(self.stop),
            "pause": self.pause,
            "create": lambda: self.act(self._create),
            "filter": lambda: self.act(self._apply_filter),
            "failed": lambda: self.act(
                lambda: self.filter(self._view.bar.where["value"], failed_only=True)
            ),
            "ack": self._ack_selected,
            "release": lambda: self._act_on_selected(self.release),
            "bury": lambda: self._act_on_selected(self.bury),
            "choose": self._choose,
            "change": lambda: self._showing.show_held(),
            "close": lambda: self._view.show_traceback(""),
        }
        self._view = LiveView(
            self._source.title,
            self._source.place,
            acts,
            has_start=self._source.consumer is None and not self._source.groups,
            has_settle=self._source.consumer is None and bool(self._source.groups),
            frame=self.frame,
            python=self.python,
        )
        self._showing = Showing(self._source, self._kept, states, self._view)
        self._options = ("", "")
        self.consumer = self._source.consumer or self._own_consumer("new", "shown")
        tap(self.consumer, self._kept)
        super().__init__(self._view.root, self._view.trouble, snapshot=snapshot)
        if where is not None:
            self._view.bar.where.set(value=where if isinstance(where, str) else "")
            self._kept.choose(*self._made_filters(), failed_only=False)
        if self._source.consumer is None:
            self._refresh()
        else:
            # Its owner may start it at any time, and the panel gets no notice of that.
            self._watch()

    def __repr__(self) -> str:
        keys = ", ".join(repr(stream.key) for stream in self._source.streams)
        groups = self._source.groups
        return f"LivePanel({keys}{f', group={groups[0].name!r}' if groups else ''})"

    # -- what the buttons do

    def start(self) -> bool:
        """Start reading; return whether it reads.

        If it does not, the panel says why, and `last_error` is the error.
        """
        if self._is_closed:
            raise RuntimeError(f"{self!r} is closed; make another one")
        self.trouble.clear()
        bar = self._view.bar
        bar.time.set(error="")
        try:
            self._start_reading()
        except EntryIdError as error:
            # The field says it; what was typed stays.
            bar.time.set(error=error_text(error))
            self.trouble.error = error
        except USER_ERRORS as error:
            self.trouble.report(error, self.start)
        self._refresh()
        self._watch()
        return self._reads

    def pause(self) -> None:
        """Hold the view; if it is held, release it. Reading goes on either way."""
        grid = self._view.grid
        if grid.is_held:
            grid.release()
        else:
            grid.hold()
            # In the background: what is held may have many rows.
            self._saves_now = True

    def stop(self) -> None:
        """Stop reading after the current entry, within 2 s; what was read stays."""
        # A consumer that the caller started goes on when the panel is closed.
        if self._has_started or not self._is_closed:
            self._stop_asked = True
            self.consumer.stop()
        super().stop()
        if not self._is_closed:
            self._refresh()

    def close(self) -> None:
        """Remove the panel from the page, and end what it started."""
        tap(self.consumer, self._kept, on=False)
        super().close()
        self._view.details.stop()

    def filter(self, where: str, *, failed_only: bool = False) -> None:
        """Show entries that match an expression, of what is here and of what comes."""
        self._view.bar.where.set(value=where)
        self._view.bar.failed.set(value=failed_only)
        self._apply_filter()

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
                raise ValueError(str(failed["error"].iloc[0]))
            return len(added)

        return self._settle("moved to the dead letters", entries, bury)

    def frame(self) -> pd.DataFrame:
        """Return the entries that are shown, the newest first, in schema ENTRIES."""
        frame = self._shown_rows().events()
        names = self._picked(frame)
        return frame if names is None else frame[names]

    def python(self) -> str:
        """Return the calls that make the same frame, and those that go on reading."""
        rows = self._shown_rows()
        names = self._picked(rows.events(0, 1))
        failed = self._view.bar.failed["value"]
        return live_python(self._source, rows, self._all_filters(), names, failed_only=failed)

    @property
    def doing(self) -> str:
        """Whether it reads, in a word."""
        return "reading" if self._reads else ""

    @property
    def is_used(self) -> bool:
        """Whether it has what the user typed, or entries."""
        return super().is_used or bool(self._kept.rows().length)

    # -- reading

    def _start_reading(self) -> None:
        was_reading = self._reads and not self._stop_asked
        if self._source.consumer is None and not was_reading:
            self._make_consumer()
        self.consumer.start()
        self._stop_asked = False
        self._has_started |= not was_reading

    def _make_consumer(self) -> None:
        """Replace the panel's own consumer if the options have changed."""
        bar = self._view.bar
        options = (bar.position, bar.settle["value"])
        if not self._source.groups:
            # What was read comes again, or there is a gap before what comes; a group goes on.
            self._kept.clear()
            self._showing.begin_again()
        if options == self._options:
            return
        made = self._own_consumer(*options)
        tap(self.consumer, self._kept, on=False)
        self.consumer = made
        tap(made, self._kept)

    def _own_consumer(self, position: str, settle: str) -> Consumer:
        self._options = (position, settle)
        groups = self._source.groups
        if groups:
            after: Literal["keep", "pending"] = "pending" if settle == "hand" else "keep"
            return Consumer(groups[0], pass_over, count=_READ, after=after)
        return Consumer(self._source.streams[0], pass_over, count=_READ, start=position)

    def _create(self) -> None:
        for group in self._source.groups:
            group.create("all")
        self.start()

    def _act_on_selected(self, how: Callable[[pd.DataFrame], int]) -> None:
        # Those of the click: others may be selected when it is their turn.
        entries = self._view.grid.selected_rows()
        self.act(lambda: how(entries))

    def _ack_selected(self) -> None:
        entries = self._view.grid.selected_rows()

        def ack() -> None:
            self.act(lambda: self.ack(entries))

        if len(entries) == 1:
            ack()
            return
        n, name = f"{len(entries):,}", self._source.groups[0].name
        text = f"{name!r} never delivers these {n} entries again; this cannot be taken back."
        self._view.confirm.ask(text, f"Acknowledge {n}", ack)

    def _settle(
        self, what: str, entries: pd.DataFrame, how: Callable[[ConsumerGroup, pd.DataFrame], int]
    ) -> int:
        count = settled(self._source.groups, entries, how)
        self._view.selection.answer.set(text=f"{count:,} of {len(entries):,} {what}")
        self._view.details.refresh()
        self._showing.ask_soon()
        self._refresh()
        return count

    @property
    def _reads(self) -> bool:
        return self.consumer.state in ("starting", "running", "stalled")

    # -- the filter

    def _all_filters(self) -> list[Where]:
        text = self._view.bar.where["value"].strip()
        return [*self._filters, *([text] if text else [])]

    def _made_filters(self) -> list[Filter]:
        layout, schema = self._kept.layout, self._kept.schema
        return [Filter(each, layout, schema) for each in self._all_filters()]

    def _apply_filter(self) -> None:
        try:
            filters = self._made_filters()
        except (ValueError, TypeError) as error:
            # What was typed stays, and so does what is shown.
            self._view.bar.where.set(error=error_text(error))
            return
        self._view.bar.where.set(error="")
        self._kept.choose(*filters, failed_only=self._view.bar.failed["value"])
        self._showing.begin_again()
        self._refresh()

    # -- what is shown

    def _shown_rows(self) -> KeptRows:
        rows = self._view.grid.rows
        return rows if isinstance(rows, KeptRows) else self._kept.rows()

    def _picked(self, frame: pd.DataFrame) -> list[str] | None:
        """Return the columns that the user picked, in order; None for all as they are."""
        names = self._view.grid["names"]
        if all(is_shown and not is_frozen for _, is_shown, is_frozen in names):
            return None
        left = {name for name, is_shown, _ in names if not is_shown}
        seen = self._view.grid.picked_columns()
        rest = [name for name in frame.columns if name not in left and name not in seen]
        return [name for name in seen if name in frame.columns] + rest

    def _watch(self) -> None:
        self._run += 1
        run = self._run

        def tick(_: Task) -> float | None:
            self._ran = run
            # Asked before the refresh, which then shows the last entries too.
            is_over = self._source.consumer is None and not self._reads
            self._refresh()
            if self._saves_now:
                self._saves_now = False
                self._save(now=True)
            return None if is_over and self._showing.is_done else _LOOK_EVERY

        self.repeat(tick)

    def stopped(self) -> None:
        """Stop what the panel has started: no page shows it any more, or all is to stop."""
        # Started again meanwhile, it goes on.
        if self._ran == self._run:
            if self._has_started:
                self.consumer.stop()
            self._refresh()

    def replaced(self) -> None:
        """End what the panel started; a consumer that the caller started goes on."""
        if self._has_started:
            self.stop()
        else:
            super().stop()

    def _refresh(self) -> None:
        with self.together():
            self._showing.refresh(self.consumer, is_stopping=self._stop_asked, start=self.start)
        if not self._reads:
            self._has_started = self._stop_asked = False

    def _choose(self) -> None:
        row = self._view.grid.chosen_row()
        if not len(row):
            return
        known: dict[Any, Any] = row.iloc[0].to_dict()
        stream = self._source.stream_of(known.get("stream") if self._kept.is_many else None)
        failure = self._kept.failure(stream.key, known["entry_id"])
        self._view.show_traceback("" if failure is None else failure.error.text)
        self._view.details.show(stream, known["entry_id"], known)


def live(source: Stream | ConsumerGroup | Consumer, *, where: Where | None = None) -> LivePanel:
    """Return a panel that shows entries as they arrive; `LivePanel` says how.

    Examples
    --------
    >>> panel = rnb.panels.live(orders, where="item = 'tea'")
    >>> panel  # the last line of a cell shows it
    LivePanel('orders')
    """
    return LivePanel(source, where=where)
