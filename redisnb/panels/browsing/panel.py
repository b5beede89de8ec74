"""BrowsePanel: find a time, filter it down, look at entries, and take them along."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from redisnb import cards, frames, wire
from redisnb.entries import is_entry_id
from redisnb.errors import EntryIdError
from redisnb.panels.browsing.arrangement import Arrangement, page_python
from redisnb.panels.browsing.counting import TimeView
from redisnb.panels.browsing.facts import (
    StreamFacts,
    bound_of,
    bound_text,
    is_reversed,
    ms_of_bound,
    stream_facts,
)
from redisnb.panels.browsing.reading import EntryPage, PageRequest, read_page
from redisnb.panels.browsing.view import NEWEST, BrowseView
from redisnb.panels.browsing.wording import caption, empty_text, matches_text, notes, progress_text
from redisnb.panels.parts import Action, Input, PartsPanel, TakeOut, Task, Trouble, filter_terms
from redisnb.panels.timespans import TimeSpan, span_of, time_text
from redisnb.stream import Stream

__all__ = ["BrowsePanel", "browse"]

_MINUTE_MS = 60_000
#: How many entries are shown at once.
_FIRST_LOOK = 40
_ALL_ENTRIES = "all"


class BrowsePanel(PartsPanel):
    """The past of a stream: entries by time and filter, in a table, with one in full beside it.

    It begins with the newest entries, and reads in the background. A page has up to 10,000 entries
    that match; Older and Newer go on without a limit. `frame` returns what the table shows.

    Parameters
    ----------
    stream : Stream
    snapshot : bool, default True
        Whether a saved notebook shows the first rows where no widget runs.

    Examples
    --------
    >>> panel = rnb.panels.BrowsePanel(orders)
    >>> panel.show_range(where="item = 'tea'")
    >>> panel.wait()
    True
    >>> panel.frame()["amount"].tolist()
    [5, 2]
    """

    def __init__(self, stream: Stream, *, snapshot: bool = True) -> None:
        if not isinstance(stream, Stream):
            raise TypeError(f"browse(stream): it is a Stream, not {type(stream).__name__}")
        self._stream = stream
        self._view = BrowseView(stream.key, self._take_out)
        self._over_time = TimeView(stream, self._view.over_time, self._failed)
        self._page: EntryPage | None = None
        self._facts = StreamFacts()
        # The bounds of the range in force, and the texts of the fields that stand for it.
        self._bounds, self._written = ("-", "+"), ("", "")
        # The bounds and the page of the last read that came to its end, or was stopped.
        self._last_read: tuple[tuple[str, str], EntryPage | None] = self._bounds, None
        super().__init__(self._view, self._view.trouble, snapshot=snapshot)
        self._connect()
        self.read()

    def __repr__(self) -> str:
        return f"BrowsePanel({cards.quoted(self._stream.key)})"

    def _take_out(self, trouble: Trouble) -> TakeOut:
        return TakeOut("Entries", frame=self.frame, python=self.python, trouble=trouble)

    def _connect(self) -> None:
        view = self._view
        view.range.quick.on = self._choose_quick
        for field in (view.range.start, view.range.end, view.range.where, view.range.order):
            field.on = self.read
        view.range.read.on = self.read
        view.over_time.bars.on = self._brushed
        view.over_time.zoom_in.on, view.over_time.zoom_out.on = self.zoom_in, self.zoom_out
        view.grid.on, view.details.on = self._open, self._closed
        view.paging.stop.on, view.paging.jump.on = self.stop_reading, self._jump
        view.paging.newer.on, view.paging.older.on = self.newer, self.older

    # -- for the user

    def frame(self) -> pd.DataFrame:
        """Return the entries that the table shows, with its columns, in its order."""
        page = self._page
        if page is None:
            return frames.entries_frame([], self._stream.layout, schema=self._stream.schema)
        return self._arrangement().of(page.frame)

    def python(self) -> str:
        """Return the calls that read what the table shows."""
        return page_python(self._stream, self._page, self._arrangement())

    def read(self) -> None:
        """Read the range and filter of the fields, from its beginning."""
        self._read()

    def show_range(self, start: str = "", end: str = "", where: str | None = None) -> None:
        """Read another range: positions as `Stream.range` takes them, as texts."""
        # First: what is under way writes into the fields too.
        self._lane.cancel()
        fields = self._view.range
        fields.start.set(value=start)
        fields.end.set(value=end)
        if where is not None:
            fields.where.set(value=where)
        self._read()

    def stop_reading(self) -> None:
        """Read no further; what was found so far stays."""
        self._lane.cancel()
        paging = self._view.paging
        self._last_read = self._bounds, self._page
        with self.together():
            if self._page is not None and not paging.stop["hidden"]:
                paging.caption.set(text=f"stopped: {progress_text(self._page, 0)}")
            self._say_state("stopped", "warn")

    def stop(self) -> None:
        """End what runs in the background; the panel stays, and its buttons start it again."""
        self._over_time.stop()
        self._view.details.stop()
        super().stop()

    def older(self) -> None:
        """Show the page before this one."""
        if self._page is not None and _is_on(self._view.paging.older):
            self._turn(self._bounds[0], self._page.before, backwards=True)

    def newer(self) -> None:
        """Show the page after this one."""
        if self._page is not None and _is_on(self._view.paging.newer):
            self._turn(self._page.after, self._bounds[1], backwards=False)

    def jump(self, position: str) -> None:
        """Show the page that begins at an ID or a time, in the order shown."""
        self._view.paging.jump.set(value=position)
        self._jump()

    def zoom_in(self) -> None:
        """Show the range in force alone, in finer bars."""
        self._over_time.zoom_in()

    def zoom_out(self) -> None:
        """Show more of the stream around the range in force."""
        self._over_time.zoom_out()

    def offer_replay(self, on_replay: Callable[[str, str], object]) -> None:
        """Offer to replay the range in force, by a callable that gets its bounds as texts."""
        replay = self._view.paging.replay
        replay.set(hidden=False)
        replay.on = lambda: on_replay(*(bound_text(each) or "" for each in self._bounds))

    # -- what the user does

    def _choose_quick(self) -> None:
        self._lane.cancel()
        self._write_fields("", "")
        self._read()

    def _brushed(self) -> None:
        span = self._over_time.chosen
        if span is None:
            return
        self._lane.cancel()
        is_all = span == self._facts.whole
        self._view.range.quick.set(value=_ALL_ENTRIES if is_all else "")
        if is_all:
            self._write_fields("", "")
        else:
            self._write_fields(time_text(span.first), time_text(span.last))
        self._read(keeps_bars=True)

    def _jump(self) -> None:
        field = self._view.paging.jump
        text = field["value"].strip()
        if not text:
            return

        def job(task: Task) -> None:
            bound = self._bound_of(field, text, task, is_start=not self._is_newest_first())
            if bound is None:
                return
            span, ms = self._span(), ms_of_bound(bound)
            if span is not None and not span.first <= ms <= span.last:
                with task.show():
                    field.set(error="outside of the range: choose a wider one, such as All")
                return
            start, end = self._bounds
            is_back = self._is_newest_first()
            request = self._request(*((start, bound) if is_back else (bound, end)), is_back)
            self._read_page(task, request, opens=text if is_entry_id(text) else "")

        self._begin(job)

    def _open(self) -> None:
        rows = self._view.grid.chosen_row()
        if len(rows):
            known = {str(name): value for name, value in rows.iloc[0].items()}
            self._view.details.show(self._stream, str(known["entry_id"]), known)

    def _closed(self) -> None:
        self._view.grid.set(chosen=None)

    # -- reading

    def _read(self, *, keeps_bars: bool = False) -> None:
        fields = self._view.range
        typed = (fields.start["value"].strip(), fields.end["value"].strip())
        if typed != self._written:
            # The user wrote another range than the quick one.
            fields.quick.set(value="" if any(typed) else _ALL_ENTRIES)
        quick = fields.quick["value"]

        def job(task: Task) -> None:
            facts = stream_facts(self._stream)
            task.check()
            bounds = self._resolved(task, facts, quick, typed)
            if bounds is None:
                return
            request = self._request(*bounds, self._is_newest_first())
            # A first look takes a twentieth of the time.
            is_first = self._page is None and not request.where
            few = read_page(self._stream, request, task, most=_FIRST_LOOK) if is_first else None
            with task.show(), self.together():
                self._facts, self._bounds = facts, bounds
                self._view.about.set(text=facts.text)
                if few is not None:
                    self._view.grid.show(few.frame)
                self._over_time.show(self._span(), facts.whole, keeps_bars=keeps_bars)
            self._read_page(task, request)

        self._begin(job)

    def _turn(self, start: str, end: str, *, backwards: bool) -> None:
        self._begin(lambda task: self._read_page(task, self._request(start, end, backwards)))

    def _begin(self, job: Callable[[Task], object]) -> None:
        view = self._view
        self._lane.cancel()
        with self.together():
            for field in (view.range.start, view.range.end, view.range.where, view.paging.jump):
                field.set(error="")
            if not view.paging.stop["hidden"]:
                # Of a read that is called off now.
                view.paging.caption.set(text="")
            self._say_state("reading")
            self.work(job)

    def _resolved(
        self, task: Task, facts: StreamFacts, quick: str, typed: tuple[str, str]
    ) -> tuple[str, str] | None:
        """Return the bounds of the range; None if the user wrote none, which the field says."""
        # Not "+", so that what is added meanwhile is in no page, and Python reads the same.
        newest = facts.last_id or "+"
        if quick not in ("", _ALL_ENTRIES) and facts.whole is not None:
            first = max(0, facts.whole.last - int(quick) * _MINUTE_MS)
            with task.show():
                self._write_fields(time_text(first), "")
            return str(first), newest
        fields = self._view.range
        start = self._bound_of(fields.start, typed[0], task, is_start=True)
        end = self._bound_of(fields.end, typed[1], task, is_start=False)
        if start is None or end is None:
            return None
        if is_reversed(start, end):
            self._refuse(task, fields.start, "it is after the end of the range")
            return None
        return start, newest if end == "+" else end

    def _bound_of(self, field: Input, text: str, task: Task, *, is_start: bool) -> str | None:
        try:
            return bound_of(self._stream, text, is_start=is_start)
        except EntryIdError as error:
            self._refuse(task, field, str(error))
            return None

    def _refuse(self, task: Task, field: Input, why: str) -> None:
        """Tell what is wrong with a field, and show again what was shown before."""
        bounds, page = self._last_read
        with task.show(), self.together():
            if self._bounds != bounds:
                self._bounds = bounds
                self._over_time.show(self._span(), self._facts.whole, keeps_bars=False)
            if self._page is not page and page is not None:
                self._show(page, None)
            field.set(error=why)
            self._say_state("ready", "good")

    def _is_newest_first(self) -> bool:
        return bool(self._view.range.order["value"] == NEWEST)

    def _request(self, start: str, end: str, backwards: bool) -> PageRequest:
        where = self._view.range.where["value"].strip()
        return PageRequest(start, end, where, self._is_newest_first(), backwards)

    def _read_page(self, task: Task, request: PageRequest, opens: str = "") -> None:
        try:
            page = read_page(self._stream, request, task, lambda page: self._tell(task, page))
        except ValueError as error:
            self._refuse(task, self._view.range.where, str(error))
            return
        meant = None
        if not self._facts.is_there:
            meant = wire.near_key(self._stream.conn, self._stream.key)
        with task.show(), self.together():
            self._show(page, meant)
            self._last_read = self._bounds, page
            self._say_state("ready", "good")
            if opens and len(page.frame) and page.frame["entry_id"].iloc[0] == opens:
                self._view.grid.set(chosen=0)
                self._open()
        if len(page.frame):
            # It takes longer than reading did.
            terms = filter_terms(page.frame)
            with task.show():
                self._view.range.where.offer(terms)
        self._save(now=True)

    # -- showing

    def _tell(self, task: Task, page: EntryPage) -> None:
        """Show what a long read has found so far."""
        with task.show(), self.together():
            is_new = self._page is None or len(page.frame) != len(self._page.frame)
            self._page = page
            if is_new:
                self._view.grid.show(page.frame)
                self._mark(page)
            self._view.paging.caption.set(text=progress_text(page, self._over_time.total))
            self._offer_others(page)
            self._view.paging.stop.set(hidden=False)

    def _show(self, page: EntryPage, meant: str | None) -> None:
        view, self._page = self._view, page
        view.grid.set(empty=empty_text(page, self._facts, meant))
        view.grid.show(page.frame, describe=True)
        view.note.say(notes(page))
        view.paging.caption.set(text=caption(page))
        self._mark(page)
        self._offer_others(page)

    def _mark(self, page: EntryPage) -> None:
        if page.request.where:
            self._over_time.mark(pd.DatetimeIndex(page.frame.index), matches_text(page))
        else:
            self._over_time.mark(None)

    def _offer_others(self, page: EntryPage) -> None:
        """Offer the pages before and after one."""
        start, end = self._bounds
        request = page.request
        has_older = page.more if request.backwards else request.start != start
        has_newer = request.end != end if request.backwards else page.more
        self._view.paging.offer(has_older=has_older, has_newer=has_newer)

    def _say_state(self, text: str, tone: str = "") -> None:
        self._view.state.set(text=text, tone=tone)
        self._view.paging.stop.set(hidden=True)

    def _failed(self, error: Exception, job: Callable[[Task], object]) -> None:
        self._say_state("failed", "bad")
        if self._page is None:
            self._view.grid.set(empty="Nothing could be read.")
        super()._failed(error, job)

    def _write_fields(self, start: str, end: str) -> None:
        self._view.range.start.set(value=start)
        self._view.range.end.set(value=end)
        self._written = (start, end)

    def _span(self) -> TimeSpan | None:
        whole = self._facts.whole
        return None if whole is None else span_of(*self._bounds, whole)

    def _arrangement(self) -> Arrangement:
        grid, page = self._view.grid, self._page
        sort = None if grid["sort"] is None else (grid["sort"][0], grid["sort"][1])
        is_newest_first = page is not None and page.request.newest_first
        return Arrangement(grid.picked_columns(), sort, is_newest_first)


def browse(stream: Stream) -> BrowsePanel:
    """Look through the past of a stream: by time, by filter, entry by entry.

    Parameters
    ----------
    stream : Stream

    Returns
    -------
    BrowsePanel

    Examples
    --------
    >>> panel = rnb.panels.browse(orders)
    >>> panel  # the last line of a cell shows it
    BrowsePanel('orders')
    """
    return BrowsePanel(stream)


def _is_on(action: Action) -> bool:
    return not (action["hidden"] or action["disabled"])
