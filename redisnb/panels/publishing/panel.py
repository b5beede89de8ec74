"""PublishPanel: type an event, or take one that is there, and publish it once or many times."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pandas as pd

from redisnb import cards, frames
from redisnb.entries import Entry
from redisnb.errors import EncodeError, is_transient
from redisnb.panels.parts import READ_ONLY, SERVER_ERRORS, PartsPanel, Task
from redisnb.panels.publishing.form import EventForm
from redisnb.panels.publishing.published import PublishedHere
from redisnb.panels.publishing.sending import (
    SentCount,
    SentPart,
    check_added,
    sent_copies,
    sent_events,
    sent_rows,
)
from redisnb.panels.publishing.usual import look_at_last
from redisnb.panels.publishing.view import PublishingView
from redisnb.stream import Stream

__all__ = ["PublishPanel", "publish"]

#: How often the panel looks at the server while it is shown.
_LOOK_EVERY_SECONDS = 1.5

#: What sends, part by part.
SendParts = Callable[[Task], Iterator[SentPart]]


class PublishPanel(PartsPanel):
    """A form that publishes an event: once, or many copies of it by a template.

    It begins with the last entry of the stream, and writes as that one is written. In the event
    ``{{n}}`` is the number of the copy, ``{{now}}`` the time, ``{{uuid}}`` a new UUID, and
    ``{{choice('a', 'b')}}`` one of these at random; nothing that is typed is evaluated. Nothing is
    sent twice without a second request.

    Parameters
    ----------
    stream : Stream
        It need not exist. Its format must not be "raw": raw bytes cannot be typed.
    rows : DataFrame, optional
        A frame to publish row by row, as by `Stream.add_many`.
    snapshot : bool, default True
        Whether a saved notebook shows what was published where no widget runs.

    Examples
    --------
    >>> panel = rnb.panels.PublishPanel(orders)
    >>> panel.publish({"item": "cocoa", "amount": 1})
    >>> panel.wait()
    True
    >>> orders.tail(1)["item"].tolist()
    ['cocoa']
    """

    def __init__(
        self, stream: Stream, *, rows: pd.DataFrame | None = None, snapshot: bool = True
    ) -> None:
        if not isinstance(stream, Stream):
            raise TypeError(f"publish(stream): it is a Stream, not {type(stream).__name__}")
        if stream.format == "raw":
            raise ValueError(
                "the events of a raw stream are bytes, which cannot be typed: give a Stream(conn, "
                "key) of another format, or use stream.add({'fields': [...]})"
            )
        self._stream, self._rows = stream, rows
        #: None before the first answer.
        self._length: int | None = None
        self._published = PublishedHere()
        # What became of the rows of the frame, by their position, the newest last.
        self._outcomes: list[pd.DataFrame] = []
        self._sends = False
        # Why the server did not answer when it was asked last.
        self._away: BaseException | None = None
        # The limit at which the user agreed that entries are dropped.
        self._agreed: int | None = None
        acts: dict[str, Callable[[], object]] = {
            "publish": self.publish,
            "rows": self.publish_rows,
            "stop": self.stop_sending,
            "again": lambda: self.publish_again(self._chosen_events()),
            "way": lambda: self._form.switch(),
            "last": self.take_last,
            "back": lambda: self.write(self._view.replaced),
            "typed": lambda: self._form.check(),
            "times": self._show_send,
            "member": self._add_member,
            "choose": self._choose,
        }
        self._view = PublishingView(stream.key, acts, frame=self.frame, python=self.python)
        self._form = EventForm(self._view, stream)
        self._view.details.offer_edit(lambda _, entry: self.edit(entry))
        super().__init__(self._view, self._view.trouble, snapshot=snapshot)
        self._show_published()
        self._show_send()
        self.read()
        self.repeat(self._look)

    def __repr__(self) -> str:
        return f"PublishPanel({cards.quoted(self._stream.key)})"

    # -- for the user

    def frame(self) -> pd.DataFrame:
        """Return the last 1,000 events that were published here, the newest first.

        The index is `entry_time`, the columns are `entry_id` and `event`, as JSON text.
        """
        return self._published.frame()

    def added(self) -> pd.DataFrame:
        """Return what became of the rows of the frame so far, in their order, in schema ADDED."""
        told = pd.concat([frames.added_frame([], {}), *self._outcomes])
        return told[~told.index.duplicated(keep="last")].sort_index().reset_index(drop=True)

    def python(self) -> str:
        """Return the calls that publish the event of the form."""
        return self._form.python()

    def read(self) -> None:
        """Look at the last entries again: what they have, and how they are written."""
        self._say_state("connecting", "warn")
        self.work(self._read)

    def write(self, event: Mapping[Any, Any] | str) -> None:
        """Put an event into the form, or a text as one would type it."""
        self._form.write(event)

    def edit(self, entry: Entry) -> None:
        """Put the event of an entry into the form, to change and publish it."""
        editor = self._view.writing.editor
        typed = editor["value"] if editor.is_typed else ""
        try:
            self.write(entry.event)
        except ValueError as error:
            self.trouble.report(ValueError(f"{entry.id} cannot be typed: {error}"))
            return
        self._view.show_origin(entry, typed)

    def take_last(self) -> None:
        """Put the event of the stream's last entry into the form."""

        def job(task: Task) -> None:
            self._read(task)
            last = self._form.usual.last
            with task.show():
                if last is None:
                    self._view.writing.remarks.set(text="The stream has no entries yet.")
                else:
                    self.edit(last)

        self._work_unless_sending(job)

    def publish(self, event: Mapping[Any, Any] | str | None = None) -> None:
        """Publish the event of the form, as often as it says; `wait` waits until it is.

        Parameters
        ----------
        event : mapping or str, optional
            What to put into the form first.
        """
        if event is not None:
            self.write(event)
        try:
            template, options = self._form.template(), self._form.options()
        except ValueError as error:
            # What is wrong is shown at its place.
            self.trouble.error = error
            return

        def parts(task: Task) -> Iterator[SentPart]:
            stream = self._form.usual.stream
            yield from sent_copies(stream, template, options, task)
            # The server accepts an ID only once.
            self._view.send.entry_id.set(value="")

        self._publish_parts(options.times, options.maxlen, parts)

    def publish_again(self, entries: pd.DataFrame) -> None:
        """Publish events of `frame` once more, the oldest first."""
        events = self._published.events(entries)
        if events:
            self._publish_parts(
                len(events), None, lambda task: sent_events(self._form.usual.stream, events, task)
            )
        else:
            self._view.send.answer.set(text="Select events in the table first.")

    def publish_rows(self) -> None:
        """Publish the rows of the frame that were not sent yet, or refused; else all of them.

        Those without a reply may have been added, so they are not sent again with the others.
        """
        if self._rows is None:
            raise ValueError("there is no frame: publish(stream, rows=frame) has one")
        status = self.added()["status"]
        left = status.index[status == "failed"].append(pd.RangeIndex(len(status), len(self._rows)))
        if not len(left):
            self._outcomes, left = [], pd.RangeIndex(len(self._rows))
        rest = self._rows.iloc[left]

        def parts(task: Task) -> Iterator[SentPart]:
            sent = 0
            for part in sent_rows(self._form.usual.stream, rest, task):
                places = left[sent : sent + len(part.added)]
                self._outcomes.append(part.added.set_axis(places))
                sent += len(part.added)
                yield part

        self._publish_parts(len(rest), None, parts)

    def stop_sending(self) -> None:
        """Send no more; what was sent stays."""
        if self._sends:
            self._say_state("stopping", "warn")
            self._lane.cancel()

    def stop(self) -> None:
        """End what runs in the background; the panel stays."""
        self._view.details.stop()
        super().stop()

    @property
    def doing(self) -> str:
        """Whether it publishes, in a word."""
        return "publishing" if self._sends else ""

    @property
    def is_used(self) -> bool:
        """Whether it has what the user typed, or has published."""
        return super().is_used or bool(self._published.newest())

    # -- sending

    def _publish_parts(self, total: int, maxlen: int | None, parts: SendParts) -> None:
        if self._stream.conn.read_only:
            self.trouble.report(ValueError(READ_ONLY))
            return

        def agreed() -> None:
            self._agreed = maxlen
            self._publish_parts(total, maxlen, parts)

        def job(task: Task) -> None:
            if self._length is None:
                # Not before it is known how the last entries are written.
                self._read(task)
            drops = 0 if maxlen is None else len(self._stream) + total - maxlen
            if maxlen is not None and drops > 0 and maxlen != self._agreed:
                with task.show():
                    self._view.ask_to_drop(drops, maxlen, agreed)
                return
            count = SentCount(total)
            self._begin_sending()
            try:
                for part in parts(task):
                    count.take(part.added)
                    self._published.take(part)
                    self._view.send.answer.set(text=count.text(is_over=False))
                    check_added(self._stream, part.added)
            finally:
                self._end_sending(count)

        self._work_unless_sending(job)

    def _work_unless_sending(self, job: Callable[[Task], object]) -> None:
        if self._sends:
            self._view.send.answer.set(text="It is publishing: stop that first.")
        else:
            self.work(job)

    def _begin_sending(self) -> None:
        self._sends = True
        with self.together():
            self._view.send.answer.set(text="")
            self._show_send()
            self._say_state("publishing", "warn")

    def _end_sending(self, count: SentCount) -> None:
        self._sends = False
        added = count.counts["added"]
        with self.together():
            is_one = added == count.total == 1
            text = f"published {self._published.newest()}" if is_one else ""
            self._view.send.answer.set(text=text or count.text(is_over=True))
            if added == count.total:
                self._view.writing.editor.use()
            self._length = (self._length or 0) + added
            self._show_published()
            self._show_about()
            self._show_send()
            self._say_state("ready", "good")
        self._save(now=True)

    def _failed(self, error: Exception, job: Callable[[Task], object]) -> None:
        """Show an error; nothing offers to send once more what may have arrived."""
        self._say_state("failed", "bad")
        if isinstance(error, EncodeError) and error.row in (None, 0):
            self._view.writing.editor.blame(str(error))
            self.trouble.error = error
        elif self._length is None:
            self.trouble.report(error, self.read)
        else:
            self.trouble.report(error)

    # -- what the user does

    def _choose(self) -> None:
        row = self._view.grid.chosen_row()
        if len(row):
            known = row.iloc[0].to_dict()
            self._view.details.show(self._stream, known["entry_id"], known)

    def _chosen_events(self) -> pd.DataFrame:
        grid = self._view.grid
        return grid.selected_rows() if grid["selected"] else grid.chosen_row()

    def _add_member(self) -> None:
        name = self._view.members["chosen"]
        self._view.members.choose(None)
        self._form.add_member(name)

    def _look(self, _: Task) -> float:
        """Look, while a page shows the panel, whether the server is there and what it has."""
        is_watched = self.root.is_shown and not self.channel.audience.absent_for()
        if is_watched and not self._lane.is_busy:
            try:
                length = len(self._stream)
            except SERVER_ERRORS as error:
                if is_transient(error):
                    self._show_away(error)
            else:
                self._show_there(length)
        return _LOOK_EVERY_SECONDS

    def _show_away(self, error: BaseException) -> None:
        if self.trouble.error is self._away:
            self.trouble.report(error)
            self._away = error
        self._say_state("reconnecting", "warn")

    def _show_there(self, length: int) -> None:
        if self._length is None:
            self.read()
        elif self._view.state["text"] in ("reconnecting", "failed"):
            self._say_state("ready", "good")
        if self._away is not None and self.trouble.error is self._away:
            self.trouble.clear()
        self._away = None
        if self._length is not None and length != self._length:
            self._length = length
            self._show_about()

    # -- showing

    def _read(self, task: Task) -> None:
        usual, length = look_at_last(self._stream), len(self._stream)
        with task.show(), self.together():
            is_first, self._length, self._form.usual = self._length is None, length, usual
            self._view.show_members(usual.members, usual.looked_at)
            self._show_about()
            self._form.check()
            if is_first and self._form.is_blank and usual.last is not None:
                self._form.begin_with(usual.last)
            self._say_state("ready", "good")

    @property
    def _rows_sent(self) -> int:
        return sum(int((each["status"] != "failed").sum()) for each in self._outcomes)

    def _show_send(self) -> None:
        refused = READ_ONLY if self._stream.conn.read_only else ""
        total = None if self._rows is None else len(self._rows)
        self._view.send.show(total, self._rows_sent, refused, sends=self._sends)

    def _show_published(self) -> None:
        frame = self.frame()
        self._view.grid.show(frame)
        kept = f"the last {len(frame):,}" if len(frame) > 1 else ""
        self._view.caption.set(text=kept and f"Published here: {kept}, the newest first.")
        self._view.again.set(hidden=not len(frame))

    def _show_about(self) -> None:
        self._view.about.set(text=self._form.about(self._length or 0))

    def _say_state(self, text: str, tone: str = "") -> None:
        self._view.state.set(text=text, tone=tone)


def publish(stream: Stream, *, rows: pd.DataFrame | None = None) -> PublishPanel:
    """Publish events to a stream: typed ones, copies by a template, or the rows of a frame.

    `PublishPanel` says how.

    Examples
    --------
    >>> panel = rnb.panels.publish(orders)
    >>> panel  # the last line of a cell shows it
    PublishPanel('orders')
    """
    return PublishPanel(stream, rows=rows)
