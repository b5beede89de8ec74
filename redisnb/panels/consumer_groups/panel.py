"""GroupsPanel: find the group that is stuck, see why, and free it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial

import pandas as pd

from redisnb import frames
from redisnb.durations import Duration
from redisnb.entries import Position
from redisnb.errors import EntryIdError, is_transient
from redisnb.panels.consumer_groups.acting import GroupActs, asked_for, check_name
from redisnb.panels.consumer_groups.outcomes import (
    GroupResult,
    acked,
    buried,
    entries_claimed,
    position_moved,
    redriven,
    released,
    without_consumers,
)
from redisnb.panels.consumer_groups.seeing import GroupName, GroupsSeen, GroupsSource
from redisnb.panels.consumer_groups.showing import frame_shown, show_buttons, show_seen
from redisnb.panels.consumer_groups.view import NEVER, GroupsLayout, key_of
from redisnb.panels.consumer_groups.wording import groups_python
from redisnb.panels.parts import READ_ONLY, USER_ERRORS, PartsPanel, Task, error_text
from redisnb.stream import ConsumerGroup, Stream
from redisnb.wire import Connection

__all__ = ["GroupsPanel", "groups"]

#: How often it is looked whether something is to be read, in seconds.
_TURN = 0.2
#: How many times as long as it worked it leaves the processor to others.
_LEFT_TO_OTHERS = 300
_ACTING = "it is waiting for the server"

Chosen = Iterable[str] | str | pd.DataFrame


class GroupsPanel(PartsPanel):
    """Consumer groups: which is stuck, why, and what is pending; with the buttons that free it.

    It opens on the worst group. Pending entries are claimed, acknowledged, released or moved to the
    dead letters, dead letters are redriven, a group's position is set. Methods do the same, for the
    open group, and return when the outcome is shown.

    Parameters
    ----------
    source : Stream, sequence of Stream, or Connection
        Whose groups are shown; a connection shows those of all its streams.
    snapshot : bool, default True
        Whether a saved notebook shows the first rows where no widget runs.

    Notes
    -----
    While a page shows it, it reads every 2 s, or as often as chosen: the groups of the open one's
    stream, its consumers, and its oldest 1,000 pending entries. Every 20 s it asks what holds the
    group up, and every 10 s, with many streams less often, for all groups. `stop_all` ends that.

    Examples
    --------
    >>> frame = billing.read(2)
    >>> panel = rnb.panels.GroupsPanel(orders)
    >>> panel.select("billing")
    >>> panel.wait()
    True
    >>> panel.frame()["consumer"].tolist()
    ['ann', 'ann']
    """

    def __init__(
        self, source: Stream | Iterable[Stream] | Connection, *, snapshot: bool = True
    ) -> None:
        self._source = GroupsSource.of(source)
        self._seen = GroupsSeen(self._source)
        own = ConsumerGroup(Stream(self._source.conn, "any"), "any").consumer
        acts: dict[str, Callable[[], object]] = {
            "preview": lambda: self._acts.preview(),
            "create": self._create,
            "every": self._soon,
            "refresh": self._soon_all,
            "select": self._show_buttons,
        }
        self._view = GroupsLayout(
            self._source.title,
            own,
            acts,
            streams=[each.key for each in self._source.streams],
            frame=self.frame,
            python=self.python,
        )
        self._acts = GroupActs(
            self._view, self._seen, self._act, self._tell, self._soon, self._show_buttons
        )
        # One reads at a time; callbacks never wait for it. And one draws: what is drawn last is
        # then what is so.
        self._reading, self._drawing = threading.RLock(), threading.RLock()
        self._due = 0.0
        # What was asked for and is not done yet.
        self._jobs: deque[Callable[[], object]] = deque()
        self._last_call = ""
        self._read_error: BaseException | None = None
        super().__init__(self._view, self._view.trouble, snapshot=snapshot)
        self._connect()
        self._show()
        self.repeat(self._tick)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._source.arguments})"

    def _connect(self) -> None:
        view = self._view
        view.groups.list.on, view.groups.find.on = self._chosen, self._show
        view.tabs.on = self._turned
        view.filter.consumer.on = view.filter.idle.on = view.filter.events.on = self._soon
        view.consumers.on = self._show_buttons

    # -- for the user

    def frame(self) -> pd.DataFrame:
        """Return what the open tab shows: pending entries, consumers, dead letters, or groups."""
        return frame_shown(self._view, self._seen)

    def python(self) -> str:
        """Return the calls that make the same frame, and the last one that changed something."""
        name, view = self._seen.opened, self._view
        group = None if name is None else self._seen.group(name, self._acts.consumer)
        grids = {"pending": view.pending, "letters": view.letters}
        tab = view.tabs["value"]
        is_part = tab in grids and bool(grids[tab]["filter"])
        request = asked_for(view)
        return groups_python(
            self._source, group, request, self.frame(), is_part=is_part, last_call=self._last_call
        )

    def groups_frame(self) -> pd.DataFrame:
        """Return all groups, in schema GROUPS, as they were read last."""
        return self._seen.groups

    def findings(self) -> pd.DataFrame:
        """Return what holds the open group up, in schema FINDINGS, as it was asked last."""
        found = self._seen.findings
        return frames.table(frames.FINDINGS, []) if found is None else found

    @property
    def opened(self) -> ConsumerGroup | None:
        """The group that is open."""
        name = self._seen.opened
        return None if name is None else self._seen.group(name, self._acts.consumer)

    @property
    def doing(self) -> str:
        """Whether something is being changed, in a word."""
        return "acting" if self._jobs else ""

    def show(self, tab: str) -> None:
        """Show the "pending" entries, the "consumers", the dead "letters" or the "position"."""
        self._view.tabs.show(tab)
        self._turned()

    def select(self, group: str, stream: str | None = None) -> None:
        """Open a group; `stream` is needed where several have one of that name.

        Raises
        ------
        ValueError
            If there is no such group, or there are several.
        """
        self.refresh()
        names = [each.name for each in self._seen.ranks]
        found = [n for n in names if n.group == group and stream in (None, n.stream)]
        if len(found) != 1:
            known = ", ".join(f"{n.group!r} of {n.stream!r}" for n in names) or "none"
            raise ValueError(f"{len(found)} groups are {group!r}; there are: {known}")
        self._open_group(found[0])
        self.refresh()

    def refresh(self) -> None:
        """Read everything again, and show it."""
        self._seen.hurry()
        self._read()

    def claim(self, entries: Chosen, min_idle: Duration) -> int:
        """Take pending entries over for the consumer named in the panel; return how many.

        Entries delivered less than `min_idle` ago are left alone.
        """
        return self._tell(entries_claimed(self._acts.group(), frames.entry_ids(entries), min_idle))

    def ack(self, entries: Chosen) -> int:
        """Acknowledge pending entries; return how many were pending."""
        return self._tell(acked(self._acts.group(), frames.entry_ids(entries)))

    def release(self, entries: Chosen) -> int:
        """Release entries that the consumer named in the panel holds; return how many.

        They count as idle for a day: the next consumer that claims takes them.
        """
        return self._tell(released(self._acts.group(), frames.entry_ids(entries)))

    def bury(self, entries: Chosen, min_idle: Duration) -> int:
        """Move pending entries of any consumer to the dead letters; return how many.

        Entries delivered less than `min_idle` ago are left alone.
        """
        return self._tell(buried(self._acts.group(), frames.entry_ids(entries), min_idle))

    def redrive(self, entries: Chosen) -> int:
        """Send dead letters back to their group, where they are pending; return how many."""
        return self._tell(redriven(self._acts.group(), frames.entry_ids(entries)))

    def remove_consumer(self, name: str) -> bool:
        """Remove a consumer that holds no entries; return whether it existed."""
        return bool(self._tell(without_consumers(self._acts.group(), [name])))

    def set_position(self, start: Position, *, dry_run: bool = False) -> pd.DataFrame:
        """Set the group's position, or only show what that would skip or repeat.

        Returns
        -------
        DataFrame in schema POSITION
            As `ConsumerGroup.set_position`.
        """
        position, outcome = position_moved(self._acts.group(), start, dry_run=dry_run)
        self._tell(outcome)
        return position

    def create(self, name: str, start: Position = "new", stream: str | None = None) -> bool:
        """Create a group, and the stream if it is missing; return whether it was created."""
        key = stream or self._view.new.stream["value"]
        made = self._seen.group(GroupName(key, name))
        is_new = made.create(start)
        self._open_group(GroupName(key, name))
        what = "created" if is_new else "already exists and is unchanged:"
        call = f"group.create({start!r})"
        self._tell(GroupResult(int(is_new), f"{what} group {name!r}", call))
        return is_new

    def stop(self) -> None:
        """End what runs in the background; the panel stays, and its buttons start it again."""
        self._view.details.stop()
        super().stop()
        self._jobs.clear()

    def stopped(self) -> None:
        """Show that it does not read any more."""
        self._view.groups.state.set(text="stopped", tone="")

    # -- reading

    @property
    def _refused(self) -> str:
        if self._source.conn.read_only:
            return READ_ONLY
        return _ACTING if self._jobs else ""

    def _tick(self, _: Task) -> float:
        if self.root.is_shown and time.monotonic() >= self._due:
            try:
                self._read()
            except USER_ERRORS as error:
                self._read_failed(error)
        return _TURN

    def _read(self) -> None:
        with self._reading:
            began, clock, request = time.monotonic(), time.thread_time(), asked_for(self._view)
            # What is asked for from here on may come too late for this read.
            self._due = began + 3600
            try:
                is_of_now = self._seen.read(request)
            except BaseException:
                self._due = began + 1
                raise
            if not is_of_now or request != asked_for(self._view):
                self._due = 0.0
                return
            took, used = time.monotonic() - began, time.thread_time() - clock
            every = self._view.head.every["value"]
            if self._due:
                # However long it took, this leaves nine tenths of the time to others.
                least = max(10 * took, _LEFT_TO_OTHERS * used)
                self._due = began + (3600 if every == NEVER else max(float(every), least))
            with self.together():
                if self._read_error is not None and self.trouble.error is self._read_error:
                    self.trouble.clear()
                self._read_error = None
                word = "paused" if every == NEVER else "reading"
                self._view.groups.state.set(text=word, tone="good")
                self._show()

    def _read_failed(self, error: BaseException) -> None:
        passes = is_transient(error)
        with self.together():
            self._view.groups.state.set(
                text="reconnecting" if passes else "failed", tone="warn" if passes else "bad"
            )
            if self._read_error is None or error_text(self._read_error) != error_text(error):
                self.trouble.report(error, self._soon_all)
            else:
                self.trouble.error = error
        self._read_error, self._due = error, time.monotonic() + 1

    def _soon(self) -> None:
        """Read as soon as can be, in the background."""
        self._due = 0.0
        if not self._repeating.is_busy:
            self.repeat(self._tick)

    def _soon_all(self) -> None:
        self._seen.hurry()
        self._soon()

    def _show(self) -> None:
        with self._drawing, self.together():
            show_seen(self._view, self._seen, asked_for(self._view), self._acts.mend, self._refused)
            self._show_buttons()

    def _show_buttons(self) -> None:
        with self._drawing:
            show_buttons(self._view, self._seen, self._refused)

    # -- what the user does, on any thread: it never waits

    def _act(self, job: Callable[[], object]) -> None:
        """Do something in the background, after what was asked for before: nothing is dropped."""
        self._jobs.append(job)
        self._show_buttons()
        self.work(self._do_jobs)

    def _do_jobs(self, _: Task) -> None:
        while self._jobs:
            job = self._jobs[0]
            with self.together():
                try:
                    job()
                except Exception as error:  # noqa: BLE001 - no front end shows what a thread raises
                    self.trouble.report(error, partial(self._act, job))
                finally:
                    self._jobs.popleft()
                    self._show()

    def _tell(self, outcome: GroupResult) -> int:
        """Show an outcome, and what is there now."""
        self._last_call = outcome.call or self._last_call
        self._view.answer.set(text=outcome.text)
        self._view.details.refresh()
        # It is done, whether or not what is there now can be read.
        self._seen.hurry()
        try:
            self._read()
        except USER_ERRORS as error:
            self._read_failed(error)
        return outcome.n

    def _chosen(self) -> None:
        for rank in self._seen.ranks:
            if key_of(rank.name) == self._view.groups.list["chosen"]:
                self._open_group(rank.name)
        self._soon()

    def _open_group(self, name: GroupName) -> None:
        if self._seen.choose(name):
            view = self._view
            with self.together():
                for grid in (view.pending, view.letters, view.consumers):
                    # The same IDs may be pending in both groups.
                    grid.set(selected=[], chosen=None)
                view.details.close()
                view.filter.clear()
                view.answer.set(text="")
                view.findings.forget()
                for each in (view.settle, view.letters_bar, view.position):
                    each.confirm.cancel()
                self._show()

    def _turned(self) -> None:
        self._view.details.close()
        self._soon()

    def _create(self) -> None:
        form = self._view.new
        name = check_name(form.name)

        def job() -> None:
            try:
                self.create(name, form.fields.position, form.stream["value"])
            except EntryIdError as error:
                form.fields.time.set(error=error_text(error))
                return
            form.name.set(value="")
            self._acts.open_form(False)

        if name:
            form.fields.time.set(error="")
            self._act(job)


def groups(source: Stream | Iterable[Stream] | Connection) -> GroupsPanel:
    """Return a panel of consumer groups; `GroupsPanel` says how.

    Examples
    --------
    >>> panel = rnb.panels.groups(orders)
    >>> panel  # the last line of a cell shows it
    GroupsPanel('orders')
    """
    return GroupsPanel(source)
