"""PublishPanel: type an event, press a button, see its entry ID."""

from __future__ import annotations

import json
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import pandas as pd

from redisnb import frames
from redisnb.durations import Duration, milliseconds
from redisnb.entries import EntryId, full_ids
from redisnb.errors import EncodeError, UncertainWriteError
from redisnb.panels.parts import error_text
from redisnb.panels.publish import forms
from redisnb.panels.publish.forms import FORMS
from redisnb.panels.widgets import (
    CHECK_INTERVAL,
    READ_ONLY,
    REDRAW_INTERVAL,
    USER_ERRORS,
    VALUE,
    Button,
    Controls,
    Details,
    Field,
    Pairs,
    Panel,
    ProgressBar,
    Table,
    Tabs,
    Text,
    Ticker,
    duration,
)
from redisnb.stream import Stream, add_in_parts

__all__ = ["PublishPanel"]

_T = TypeVar("_T")

#: How many of the published events are listed.
LISTED_EVENTS = 10
#: How many rows of a frame are sent between two checks whether to stop.
ROWS_PER_PART = 1_000

#: What `PublishPanel.frame` returns, by `entry_time`.
PUBLISHED = {"entry_time": "datetime64[ms, UTC]", "entry_id": "str", "event": "str"}

_IDLE, _BUSY = "nothing is being sent", "it is already sending: stop that first"
_SELECT_EVENTS = "select events in the table first"
_EMPTY_CONTENT: dict[str, Any] = {"fields": [["", ""]], "json": "", "line": ""}


class _WrongError(ValueError):
    """The content of a field is invalid."""

    def __init__(self, controls: Controls, name: str, text: str) -> None:
        super().__init__(text)
        self.controls, self.name = controls, name


@dataclass
class _Job:
    """A background job that sends events, and its outcomes so far."""

    total: int
    #: Each step sends one or more events, and yields how many had which outcome.
    steps: Iterator[Mapping[str, int]]
    #: Seconds from one step to the next.
    every: float = 0.0
    step_count: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    start_time: float = field(default_factory=time.monotonic)
    is_stopping: bool = False

    @property
    def sent_count(self) -> int:
        """How many were sent, whatever the outcome."""
        return sum(self.outcomes.values())

    @property
    def wait(self) -> float:
        """How long until the next step is due, in seconds."""
        if self.sent_count >= self.total:
            return 0.0
        return max(0.0, self.start_time + self.step_count * self.every - time.monotonic())

    def summary(self) -> str:
        """Return how many were added, and the outcomes of the others that were sent."""
        parts = [f"{self.outcomes['added']:,} of {self.total:,} added"]
        parts += [f"{n:,} {what}" for what, n in self.outcomes.items() if n and what != "added"]
        return ", ".join(parts)


class PublishPanel(Panel):
    """A form that publishes events to a stream: one, the same many times, or the rows of a frame.

    An event is written as fields, as JSON or on one line; the form starts with the stream's last
    one. A value that is valid JSON is parsed (``2``, ``true``, ``{"a": 1}``), and anything else is
    text; in a stream of fields everything is text. Ctrl+Enter publishes. Nothing is sent twice
    without a second request: if no reply came, the panel says so, and asks to look first.

    Parameters
    ----------
    stream : Stream
        The target; it need not exist. Its format must not be "raw": raw bytes cannot be typed.
    frame : DataFrame, optional
        A frame to publish row by row, as by `Stream.add_many`.
    snapshot : bool, default True
        Whether a saved notebook shows the published events where no widget runs.

    Attributes
    ----------
    stream : Stream
    last_error : BaseException or None
        Why the last action failed; None if it did not.

    Examples
    --------
    >>> PublishPanel(Stream(connect(), "orders"))
    """

    def __init__(
        self, stream: Stream, *, frame: pd.DataFrame | None = None, snapshot: bool = True
    ) -> None:
        if not isinstance(stream, Stream):
            raise TypeError(f"PublishPanel(stream): a redisnb.Stream, not {type(stream).__name__}")
        if frame is not None and not isinstance(frame, pd.DataFrame):
            raise TypeError(f"PublishPanel(frame=): a DataFrame, not {type(frame).__name__}")
        if stream.format == "raw":
            raise ValueError(
                "the events of a raw stream are bytes, which cannot be typed; make the panel of a "
                "Stream(conn, key) with another format, or use stream.add({'fields': [...]})"
            )
        self.stream = stream
        self._rows = frame
        # How many of the frame's rows were sent, and their outcomes.
        self._next = 0
        self._outcome_frames: list[pd.DataFrame] = []
        self._events: deque[tuple[EntryId, Mapping[Any, Any], str]] = deque(maxlen=LISTED_EVENTS)
        self._job: _Job | None = None
        self._sender: Ticker | None = None
        self._drawn_at = 0.0
        # Why the last event was not published: it stays shown when the next check succeeds.
        self._last_refusal: BaseException | None = None
        #: The stream's length; None before the first answer.
        self._length: int | None = None
        self._exists, self._hint = False, ""
        self._about = Text("rnb-note")
        self._form = Controls(
            Tabs("mode", "How to write the event", list(FORMS.items())),
            Pairs("fields", "Event"),
            Field("json", "Event as JSON", rows=8, hint='{"item": "tea", "amount": 2}'),
            Field(
                "line",
                "Event on one line",
                hint='item=tea amount=2 note="two words"',
                width="100%",
            ),
            Field(
                "id", "ID", hint="the server's clock", tip="Larger than the last one", width="15em"
            ),
            Field(
                "maxlen",
                "Keep at most",
                hint="all entries",
                tip="Trim the stream to this many of the newest entries",
                width="8em",
                acts=True,
            ),
            Button("publish", "Publish", look="primary", tip="Ctrl+Enter does it too", once=True),
            on_act=self._act,
            submit="publish",
            fields=_EMPTY_CONTENT["fields"],
        )
        self._answer = Text("rnb-status", role="status")
        self._refusal = Text("rnb-error", role="alert")
        self._table = Table(
            label="Published here",
            key="entry_id",
            empty="Nothing yet: what you publish shows here, the last ten.",
            on_select=self._on_select,
            on_open=self._on_open,
            filters=False,
        )
        self._choice = Controls(
            Button(
                "send_again", "Send again", tip="Publish the selected events once more", once=True
            ),
            on_act=self._act,
        )
        self._details = Details()
        self._batch = Controls(
            Field("n", "Send", width="6em", tip="How many times"),
            Field("every", "times, every", width="6em", tip="1s, 500ms, 2min"),
            Button("send_many", "Send many", tip="Publish the event repeatedly", once=True),
            Button("publish_frame", "Publish the frame's rows", once=True),
            Button("stop", "Stop", tip="Stop sending"),
            ProgressBar("progress", "Sent"),
            on_act=self._act,
            n="10",
            every="1s",
        )
        super().__init__(
            f"Publish to {stream.key!r}",
            stream.conn.name,
            self._about,
            self._form,
            self._batch,
            self._answer,
            self._refusal,
            self._table,
            self._choice,
            self._details,
            snapshot=snapshot,
        )
        self._batch.show(publish_frame=frame is not None)
        self._form.disable(publish=self._read_only())
        self._show_mode("fields")
        self._show_job()
        self._on_select()
        self._become("connecting")
        self._tick()
        self._ticker.start()

    def __repr__(self) -> str:
        return f"PublishPanel({self.stream.key!r})"

    def frame(self) -> pd.DataFrame:
        """Return the last ten events that were published here, newest first.

        The index is `entry_time`, the columns are `entry_id` and `event`, as JSON text. `added`
        returns the outcomes of a frame's rows.
        """
        with self._lock:
            rows = [
                (None if pd.isna(entry_id.time) else entry_id.ms, entry_id, text)
                for entry_id, _, text in self._events
            ]
        return frames.table(PUBLISHED, rows).set_index("entry_time")

    def added(self) -> pd.DataFrame:
        """Return the outcomes of the frame's rows so far, in their order, in schema ADDED."""
        with self._lock:
            parts = list(self._outcome_frames)
        return pd.concat(parts, ignore_index=True) if parts else frames.added_frame([], {})

    def python(self) -> str:
        """Return the call that publishes the event in the form."""
        stream = self.stream
        try:
            event = repr(self._event())
            id, maxlen = self._id(), self._maxlen()
        except ValueError as error:
            return "\n".join(f"# {line}" for line in str(error).splitlines())
        options = ("" if id == "*" else f", id={id!r}") + (f", maxlen={maxlen}" if maxlen else "")
        return (
            f"import redisnb as rnb\n\nconn = rnb.connect({stream.conn.url!r})\n"
            f"stream = rnb.Stream(conn, {stream.key!r}{stream.layout.arguments()})\n"
            f"stream.add({event}{options})"
        )

    # -- what the buttons do

    def publish(self, event: Mapping[Any, Any] | str | None = None) -> EntryId | None:
        """Publish the event in the form.

        Parameters
        ----------
        event : mapping or str, optional
            The event to put into the form first. A text is taken as typed: JSON if it begins with
            ``{``, else one line.

        Returns
        -------
        EntryId or None
            None if it failed. The panel then says why, `last_error` is the error, and the form
            keeps its content.

        Notes
        -----
        `Stream.add`, once: after an UncertainWriteError, look at the stream, then publish again.
        """

        def publish() -> EntryId:
            if event is not None:
                self._put(event)
            what, id, maxlen = self._event(), self._id(), self._maxlen()
            self._become("publishing")
            entry_id = self.stream.add(what, id=id, maxlen=maxlen)
            self._keep(entry_id, what)
            if id != "*":
                # The server accepts an ID only once.
                self._form["id"] = ""
            self._answer.value = f"published {entry_id}{_at_time(entry_id)}"
            return entry_id

        return self._try(publish)

    def send_again(self, entries: pd.DataFrame) -> int:
        """Publish events of the table once more, oldest first; return how many were added.

        Parameters
        ----------
        entries : DataFrame
            Rows of `frame`. After the first one that is not added, no more are sent.
        """
        ids = set(entries["entry_id"])
        added: list[EntryId] = []

        def publish() -> None:
            maxlen = self._maxlen()
            with self._lock:
                events = [each for each in reversed(self._events) if each[0] in ids]
            if not events:
                raise ValueError(f"{_SELECT_EVENTS}: none of the last {LISTED_EVENTS} is selected")
            for _, event, _ in events:
                added.append(self.stream.add(event, maxlen=maxlen))
                self._keep(added[-1], event)
                self._answer.value = (
                    f"{len(added):,} of {len(events):,} sent again, the last one as "
                    f"{added[-1]}{_at_time(added[-1])}"
                )

        self._try(publish)
        return len(added)

    def send_many(self, n: int | None = None, every: Duration | None = None) -> bool:
        """Publish the event in the form `n` times in the background; return whether it started.

        Parameters
        ----------
        n : int, optional
            At least 1; by default the value of the panel's field.
        every : duration, optional
            The time from one to the next, 0 for as fast as possible; by default as for `n`.

        Notes
        -----
        It ends at the first event that is not added, and on `stop`, `close` and `stop_all`.
        """

        def begin() -> bool:
            times = self._times() if n is None else n
            if times < 1:
                raise ValueError(f"n={n!r}; it is at least 1")
            seconds = self._every() if every is None else milliseconds(every, "every") / 1000
            if self._id() != "*":
                raise _WrongError(self._form, "id", "an ID is used once: clear it to send many")
            event, maxlen = self._event(), self._maxlen()

            def steps() -> Iterator[Mapping[str, int]]:
                for _ in range(times):
                    try:
                        entry_id = self.stream.add(event, maxlen=maxlen)
                    except UncertainWriteError:
                        yield {"unknown": 1}
                        raise
                    self._keep(entry_id, event, draw=False)
                    yield {"added": 1}

            return self._begin(_Job(times, steps(), seconds))

        return bool(self._try(begin))

    def publish_frame(self) -> bool:
        """Publish the frame's rows in the background; return whether it started.

        After a stop it continues with the rows that were not sent; once all were, it starts over.

        Notes
        -----
        If one row cannot be encoded, nothing is sent. `added` returns the outcome of each row.
        """

        def begin() -> bool:
            if self._rows is None:
                raise ValueError("there is no frame; PublishPanel(stream, frame=...) publishes one")
            maxlen = self._maxlen()
            with self._lock:
                self._check_idle()
                if self._next >= len(self._rows):
                    self._next = 0
                if not self._next:
                    self._outcome_frames = []
                rest = self._rows.iloc[self._next :]
                return self._begin(_Job(len(rest), self._send_rows(rest, maxlen)))

        return bool(self._try(begin))

    def stop(self) -> bool:
        """Stop sending, within 2 s; return whether it has ended."""
        with self._lock:
            if self._job is not None:
                self._job.is_stopping = True
                self._show_job()
        return self._sender is None or self._sender.stop()

    def _end(self) -> None:
        self.stop()

    def _act(self, name: str) -> None:
        if name == "mode":
            self._switch(str(self._form["mode"]))
        elif name == "maxlen":
            self._form.flag(maxlen="")
            self._show_about()
        elif name == "send_again":
            self.send_again(self._table.chosen())
        else:
            getattr(self, name)()

    def _try(self, function: Callable[[], _T]) -> _T | None:
        """Carry out a button's action; if it fails, show why next to its cause and return None."""
        if self._closed:
            raise RuntimeError(f"{self!r} is closed; make another")
        before = self.state
        self._refuse(None)
        try:
            return function()
        except USER_ERRORS as error:
            self._refuse(error)
            return None
        finally:
            if self.state == "publishing" and self._job is None:
                self._become(before)
            # The stream may be longer by now, or out of reach.
            self._ticker.start()

    def _refuse(self, error: BaseException | None) -> None:
        """Show why an action was refused; None clears that."""
        with self._lock:
            self.last_error = self._last_refusal = error
            self._form.flag(**dict.fromkeys((*FORMS, "id", "maxlen"), ""))
            self._batch.flag(n="", every="")
            self._refusal.value = ""
            if isinstance(error, _WrongError):
                error.controls.flag(**{error.name: str(error)})
            elif isinstance(error, EncodeError) and error.row is None:
                self._form.flag(**{self._mode: str(error)})
            elif error is not None:
                self._refusal.value = error_text(error)
            if error is None:
                self._answer.value = ""

    def _read_only(self) -> str:
        return READ_ONLY if self.stream.conn.read_only else ""

    # -- the form

    def _event(self) -> dict[str, Any]:
        try:
            return forms.parse_content(self._mode, self._form[self._mode], self.stream.layout)
        except ValueError as error:
            raise _WrongError(self._form, self._mode, str(error)) from error

    def _id(self) -> str:
        text = str(self._form["id"]).strip()
        if not text:
            return "*"
        try:
            return full_ids([text])[0]
        except ValueError as error:
            what = "an ID like 1700000000000-0, or a time like 2024-05-01 10:30 (UTC)"
            raise _WrongError(self._form, "id", what) from error

    def _maxlen(self) -> int | None:
        return _count(self._form, "maxlen") if str(self._form["maxlen"]).strip() else None

    def _times(self) -> int:
        return _count(self._batch, "n")

    def _every(self) -> float:
        try:
            return milliseconds(str(self._batch["every"]).strip(), "every") / 1000
        except ValueError as error:
            raise _WrongError(self._batch, "every", "a time with its unit: 1s, 500ms") from error

    def _put(self, event: Mapping[Any, Any] | str) -> None:
        """Put an event into the form, or a text as it would be typed."""
        mode = self._mode
        content: Any = event
        if isinstance(event, str):
            mode = "json" if event.lstrip().startswith("{") else "line"
        else:
            try:
                content = forms.format_content(mode, event, self.stream.layout)
            except EncodeError:
                raise
            except ValueError:
                mode = "json"
                content = forms.format_content(mode, event, self.stream.layout)
        self._form[mode] = content
        self._show_mode(mode)

    def _switch(self, to: str) -> None:
        """Convert the event to another way of writing; if that fails, say why and keep it."""
        with self._lock:
            here = self._mode
            if to == here:
                return
            self._refuse(None)
            content, layout = self._form[here], self.stream.layout
            if forms.is_blank(content):
                self._form[to] = _EMPTY_CONTENT[to]
            else:
                try:
                    event = forms.parse_content(here, content, layout)
                    self._form[to] = forms.format_content(to, event, layout)
                except ValueError as error:
                    why = f"{error}\nCorrect or clear it to switch to {FORMS[to]}."
                    self._refuse(_WrongError(self._form, here, why))
                    to = here
            self._show_mode(to)

    def _show_mode(self, mode: str) -> None:
        self._mode = mode
        self._form["mode"] = mode
        self._form.show(**{name: name == mode for name in FORMS})

    # -- sending in the background

    def _send_rows(self, rows: pd.DataFrame, maxlen: int | None) -> Iterator[Mapping[str, int]]:
        unknown = 0
        for part in add_in_parts(self.stream, rows, count=ROWS_PER_PART, maxlen=maxlen):
            sent = part[part["status"] != "unsent"]
            with self._lock:
                self._outcome_frames.append(sent)
                self._next += len(sent)
            outcomes = Counter(sent["status"])
            unknown += outcomes["unknown"]
            yield outcomes
        failures = self.added().query("status != 'added'")
        if not len(failures):
            return
        row, first = failures.index[0], failures.iloc[0]
        what = f"row {row}: {first['error']}; panel.added() has the outcome of each row"
        if unknown:
            raise UncertainWriteError(
                f"{what}\nno reply came for {unknown:,} rows, so they may or may not have been "
                "added; look with tail() before adding them again",
                stream=self.stream.key,
                rows=unknown,
            )
        raise ValueError(what)

    def _check_idle(self) -> None:
        if self._job is not None:
            raise RuntimeError(_BUSY)

    def _begin(self, job: _Job) -> bool:
        with self._lock:
            self._check_idle()
            self._job = job
            self._sender = Ticker(
                f"{self!r} sending", lambda: self._send_next(job), lambda: self._finish(job)
            )
            self._become("publishing")
            self._show_job()
            self._sender.start()
        return True

    def _send_next(self, job: _Job) -> float | None:
        try:
            job.outcomes.update(next(job.steps))
        except StopIteration:
            self._finish(job)
            return None
        except USER_ERRORS as error:
            self._finish(job, error)
            return None
        job.step_count += 1
        now = time.monotonic()
        if now - self._drawn_at >= REDRAW_INTERVAL:
            self._drawn_at = now
            self._show_job()
            self._draw()
        return job.wait

    def _finish(self, job: _Job, error: BaseException | None = None) -> bool:
        with self._lock:
            self._job = None
            if error is not None:
                self._refuse(error)
            left = job.total - job.sent_count
            span = duration(timedelta(seconds=time.monotonic() - job.start_time))
            text = job.summary()
            text = f"stopped: {text}, {left:,} not sent" if left else f"{text} in {span}"
            self._answer.value = text
            if self.state in ("publishing", "stopping"):
                self._become("ready")
            self._show_job()
            self._draw()
        return False

    # -- display

    def _tick(self) -> float | None:
        is_there = self._look(self._check_stream)
        with self._lock:
            if self._closed:
                return None
            if is_there:
                self._become(self._now())
                self._say("")
            if is_there or self._last_refusal is not None:
                self.last_error = self._last_refusal
            self._show_about()
        return CHECK_INTERVAL

    def _now(self) -> str:
        if self._job is None:
            return "ready"
        return "stopping" if self._job.is_stopping else "publishing"

    def _check_stream(self) -> None:
        length = len(self.stream)
        self._exists = length > 0 or len(self.stream.info()) > 0
        if self._length is None and length:
            self._begin_with_last()
        self._length = length

    def _begin_with_last(self) -> None:
        last = self.stream.tail(1)["entry_id"]
        entry = self.stream.entry(last.iloc[0]) if len(last) else None
        if entry is None:
            return
        event, self._hint = forms.example(entry, self.stream.layout)
        with self._lock:
            # The user may already have typed something.
            if event and forms.is_blank(self._form[self._mode]):
                self._put(event)

    def _show_about(self) -> None:
        with self._lock:
            self._about.value = " ".join(filter(None, (self._stream_words(), self._hint)))

    def _stream_words(self) -> str:
        if self._length is None:
            return ""
        text = f"{self._length:,} {'entry' if self._length == 1 else 'entries'}"
        if not self._exists:
            text = f"{self.stream.key!r} does not exist yet: the first event creates it"
        try:
            maxlen = self._maxlen()
        except _WrongError as error:
            self._form.flag(maxlen=str(error))
            maxlen = None
        dropped = self._length + 1 - maxlen if maxlen else 0
        if dropped > 0:
            text += f"; to keep {maxlen:,}, the next event drops the oldest {dropped:,}"
        if self._read_only():
            text += f"; {READ_ONLY}"
        return f"{text}."

    def _show_job(self) -> None:
        with self._lock:
            job = self._job
            running = "" if job is None else _BUSY
            rows = 0 if self._rows is None else len(self._rows)
            self._batch.disable(
                send_many=self._read_only() or running,
                publish_frame=self._read_only() or running or ("" if rows else "it has no rows"),
                stop=_IDLE if job is None else "it is stopping" if job.is_stopping else "",
            )
            self._batch.label(publish_frame=_frame_words(rows, self._next))
            if job is not None:
                self._batch["progress"] = [job.sent_count, job.total, job.summary()]
            self._batch.show(progress=job is not None, stop=job is not None)

    def _keep(self, entry_id: EntryId, event: Mapping[Any, Any], *, draw: bool = True) -> None:
        text = json.dumps(event, ensure_ascii=False)
        with self._lock:
            self._events.appendleft((entry_id, event, text))
            # The hint is about an entry that is no longer the last one.
            self._hint = ""
        if draw:
            self._draw()

    def _draw(self) -> None:
        with self._lock:
            self._table.show(self.frame())
            self._table.caption = (
                f"The last {LISTED_EVENTS}, newest first. Values are cut at {VALUE} characters; "
                "Enter shows an entry in full."
                if self._events
                else ""
            )
            self._on_select()

    def _on_select(self) -> None:
        why = "" if len(self._table.chosen()) else _SELECT_EVENTS
        self._choice.disable(send_again=self._read_only() or why)

    def _on_open(self, key: str) -> None:
        def look() -> None:
            entry = self.stream.entry(key)
            if entry is not None:
                self._details.entry(entry)
                return
            with self._lock:
                event = next((dict(event) for id, event, _ in self._events if id == key), {})
            title = f"{key} of {self.stream.key!r}"
            self._details.row(title, event, "It is no longer in the stream.")

        self._attempt(look)


def _count(controls: Controls, name: str) -> int:
    """Return the count that a field contains."""
    text = str(controls[name]).strip().replace(",", "")
    if not text.isascii() or not text.isdigit() or len(text) > 18 or not int(text):
        raise _WrongError(controls, name, "a whole number, at least 1")
    return int(text)


def _frame_words(rows: int, sent: int) -> str:
    if not sent:
        return f"Publish the frame's {rows:,} rows"
    if sent < rows:
        return f"Publish the other {rows - sent:,} rows"
    return f"Publish the {rows:,} rows again"


def _at_time(entry_id: EntryId) -> str:
    # An ID beyond the year 9999 has no time.
    when = entry_id.time
    return "" if pd.isna(when) else f" at {when:%Y-%m-%d %H:%M:%S} UTC"
