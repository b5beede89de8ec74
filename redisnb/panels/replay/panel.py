"""ReplayPanel: replay entries: dry run first, then start, pause, step and seek."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from redisnb import frames
from redisnb.durations import milliseconds
from redisnb.entries import EntryId, Position, range_bounds
from redisnb.errors import ReplayError, is_transient
from redisnb.frames import Transform, Where
from redisnb.panels.parts import error_text
from redisnb.panels.widgets import (
    CHECK_INTERVAL,
    READ_ONLY,
    REDRAW_INTERVAL,
    USER_ERRORS,
    Button,
    Choice,
    Controls,
    Field,
    Panel,
    ProgressBar,
    Table,
    Text,
    duration,
    shorten,
)
from redisnb.replays import Ids, Replay, Replayable, Report, Target
from redisnb.stream import Stream
from redisnb.wire import Connection

__all__ = ["ReplayPanel"]

#: How many of the last entries the table lists.
LAST = 1_000

_SPEEDS = [(each, f"{each}x") for each in ("0.5", "1", "2", "5", "10", "60", "100")]
_SPEEDS += [("inf", "as fast as possible")]
_REPLAY_STATES = {"starting": "connecting", "stalled": "reconnecting"}
_ALIVE = ("starting", "running", "paused", "stalled")


class ReplayPanel(Panel):
    """A replay of streams, captures or frames, with buttons; see `redisnb.replay`.

    A dry run precedes the first entry, and shows how many entries there are and how long they will
    take. After Stop or a failure, Start continues where it was; when all are sent, it starts over.

    Parameters
    ----------
    source, target, where, transform, ids, resume
        As for `redisnb.replay`; standard input, which can be read only once, is no source.
    snapshot : bool, default True
        Whether a saved notebook shows the first 20 rows where no widget runs.

    Attributes
    ----------
    replay : Replay or None
        The current one; Seek and another range replace it. None if the source could not be opened.
    last_error : BaseException or None
        Why the last action failed; None if it did not.

    Examples
    --------
    >>> ReplayPanel("incident.parquet", Stream(conn, "test"))
    """

    def __init__(
        self,
        source: Replayable | Sequence[Replayable],
        target: Stream | Connection | Mapping[str, Stream],
        *,
        where: Where | None = None,
        transform: Transform | None = None,
        ids: Ids = "new",
        resume: str | None = None,
        snapshot: bool = True,
    ) -> None:
        self._conn = Target(target).conn
        self._source, self._target = source, target
        self._sources = list(source) if isinstance(source, list | tuple) else [source]
        if any(isinstance(each, str) and each == "-" for each in self._sources):
            raise ValueError("standard input can be read only once; give a panel a file's path")
        self._options: dict[str, Any] = {
            "where": where,
            "transform": transform,
            "ids": ids,
            "resume": resume,
        }
        self.replay: Replay | None = None
        problem: BaseException | None = None
        try:
            self.replay = Replay(source, target, **self._options)
        except (ReplayError, OSError) as error:
            # The file may appear later, and a speed can be chosen for rows without times.
            problem = error
        # The chosen range of the current replay, and where in it the replay begins.
        self._replay_range, self._start = ("", ""), ""
        # The thread's job, the one that Retry repeats, whether it failed, and a dry run under way.
        self._job: Callable[[], object] | None = None
        self._last_job: Callable[[], object] = self._look_ahead
        self._has_failed = problem is not None
        self._dry_run_replay: Replay | None = None
        self._stop_asked = self._paused = self._is_troubled = False
        self._server_error: BaseException | None = None
        self._last_check = self._draw_from = 0.0
        # The last dry run, its replay and settings, and how many entries that replay has in all.
        self._plan_frame = frames.table(frames.REPLAY, [])
        self._plan_replay: Replay | None = None
        self._plan_settings: tuple[tuple[str, str], dict[str, Any]] | None = None
        self._total = 0
        self._drawn_mark: tuple[Replay | None, int] = (None, 0)
        self._range = Controls(
            Field("first", "From", hint="the first entry", width="14em", acts=True, tip=_POSITION),
            Field("last", "Until", hint="the last entry", width="14em", acts=True, tip=_POSITION),
            Choice("speed", "Speed", _SPEEDS, tip="How many times as fast as the original"),
            Field(
                "gap",
                "Longest gap",
                hint="such as 5s",
                width="7em",
                acts=True,
                tip="The longest pause between two entries, in replay time",
            ),
            Button("dry", "Dry run", tip="Read it all and show what would be sent"),
            on_act=self._edited,
            submit="dry",
            speed="1",
        )
        self._run = Controls(
            Button("start", "Start", look="primary", tip="Send entries, after a dry run"),
            Button("pause", "Pause", tip="Wait after the current entry; the schedule waits too"),
            Button("stop", "Stop", tip="End after the current entry; Start continues there"),
            Button("step", "Step", tip="Send the next entries now, and stay paused"),
            Field("n", "Entries per step", width="4em"),
            Field("place", "Seek to", hint="the beginning", width="14em", tip=_POSITION),
            Button("seek", "Seek", tip="Continue from there"),
            on_act=self._act,
            n="1",
        )
        self._sentence = Text("rnb-note", role="status")
        self._bar = Controls(ProgressBar("progress", "Progress"), on_act=lambda _: None)
        self._counts = Text("rnb-note")
        self._plan = Table(
            self._plan_frame,
            label="Dry run",
            empty="A dry run shows here what would be sent.",
            filters=False,
        )
        self._added_table = Table(
            frames.added_frame([], {}), label="Added last", key="n", empty="Nothing was added yet."
        )
        super().__init__(
            f"Replay {self._from()} to {self._to()}",
            self._conn.name,
            self._range,
            self._sentence,
            self._plan,
            self._run,
            self._bar,
            self._counts,
            self._added_table,
            note="Adds the entries to the target at their own pace, or faster, after a dry run.",
            snapshot=snapshot,
        )
        if problem is not None:
            self._fail(problem)
        self._refresh()

    def __repr__(self) -> str:
        return f"ReplayPanel({self._from()}, {self._to()})"

    def frame(self) -> pd.DataFrame:
        """Return the last 100,000 added entries, as `Report.frame`; before, the dry run's frame."""
        added = None if self.replay is None else self.replay.report.frame()
        return self._plan_frame if added is None or added.empty else added

    def python(self) -> str:
        """Return the call that does the same without the panel."""
        streams = [each for each in self._sources if isinstance(each, Stream)]
        urls = dict.fromkeys([self._conn.url, *(each.conn.url for each in streams)])
        names = {url: f"conn{i}" if i > 1 else "conn" for i, url in enumerate(urls, 1)}
        sources = [_python_text(each, names) for each in self._sources]
        source = sources[0] if len(sources) == 1 else f"[{', '.join(sources)}]"
        first, last = self._bounds()
        begins = self._start if (first, last) == self._replay_range else first
        options = {"start": begins, "end": last, **self._pace(), **self._options}
        texts = [
            f"{name}={_python_text(value, names)}"
            for name, value in options.items()
            if value and value != _DEFAULTS.get(name)
        ]
        connections = "\n".join(f"{name} = rnb.connect({url!r})" for url, name in names.items())
        call = ", ".join([source, _python_text(self._target, names), *texts])
        return f"import redisnb as rnb\n\n{connections}\nrnb.replay({call})"

    # -- what the buttons do

    def dry_run(self) -> None:
        """Read the rest of the range, and show what would be sent, without sending.

        It runs in a thread; `frame` returns the result. `stop` ends it.
        """
        if self._is_alive():
            self._fail(RuntimeError("it is running: stop it before a dry run"))
        else:
            self._do(self._look_ahead)

    def start(self) -> None:
        """Start with a dry run and then the first entry, or continue where it was.

        It runs in a thread. If it fails, the panel says why, and `last_error` is the error.
        """
        if not self._is_alive():
            self._paused = False
            self._do(self._begin)

    def pause(self) -> None:
        """Pause after the current entry, or, if it is paused, continue."""
        with self._lock:
            if self.replay is not None and self._is_alive():
                self._paused = not self._paused
                (self.replay.pause if self._paused else self.replay.resume)()
        self._refresh()

    def step(self, n: int = 1) -> None:
        """Send the next `n` entries, due or not, and stay paused; before Start, the first ones."""
        if self.replay is not None and self._is_alive():
            self._attempt(self.replay.step, n)
        else:
            self._paused = True
            self._do(lambda: self._begin(n))

    def seek(self, position: Position | None = None) -> None:
        """Continue from another position once it is started, or, if it is paused, continued.

        Parameters
        ----------
        position : position, optional
            As `start` of `redisnb.replay`; by default the beginning of the range.
        """
        problem: ValueError | None = None
        try:
            range_bounds(position or None, None, _utc_now)
        except ValueError as error:
            problem = error
        if self._is_alive() and not self._paused:
            problem = ValueError("it is running: pause or stop it first")
        self._run.flag(place="" if problem is None else error_text(problem))
        if problem is not None:
            self.last_error = problem
            return
        self._do(lambda: self._go_to(str(position or "")))

    def stop(self) -> bool:
        """Stop after the current entry, or end a dry run, within 2 s; return whether it ended."""
        self._stop_asked = True
        self._refresh()
        # Without the lock: the reading thread must not wait for this one.
        reading = self._dry_run_replay
        has_ended = reading is None or reading.stop()
        with self._lock:
            has_ended &= self.replay is None or self.replay.stop()
        self._refresh()
        return has_ended

    def _end(self) -> None:
        self.stop()

    def _act(self, name: str) -> None:
        if name == "step":
            text = self._run["n"].strip()
            is_number = text.isdecimal() and int(text) > 0
            self._run.flag(n="" if is_number else "a whole number, at least 1")
            if is_number:
                self.step(int(text))
        elif name == "seek":
            self.seek(self._run["place"].strip() or None)
        else:
            getattr(self, name)()

    def _edited(self, name: str) -> None:
        if name == "dry":
            self.dry_run()
            return
        if name == "speed" and self._is_alive():
            self._do(self._change_pace)
        elif not self._has_begun() and self._plan_settings != (self._bounds(), self._pace()):
            # Its result would be different now.
            self._show_plan(None, frames.table(frames.REPLAY, []))
        self._check()
        self._refresh()

    def _again(self) -> None:
        if self.replay is not None and self.replay.state == "failed":
            self.start()
        elif not self._is_alive():
            self._do(self._last_job)

    # -- jobs of the ticker's thread, because they may take long

    def _do(self, job: Callable[[], object]) -> None:
        if self._closed:
            raise RuntimeError(f"{self!r} is closed; make another")
        with self._lock:
            if not self._check() or self._job is not None:
                return
            self._clear()
            self._stop_asked = self._has_failed = self._is_troubled = False
            self._job = self._last_job = job
        self._refresh()
        self._ticker.start()

    def _work(self, job: Callable[[], object]) -> None:
        try:
            job()
        except Exception as error:  # noqa: BLE001 - where= and transform= may raise anything
            if not self._stop_asked:
                self._has_failed = True
                self._fail(error)
        finally:
            self._dry_run_replay = self._job = None

    def _look_ahead(self) -> None:
        replay = self._present(is_new=not self._has_begun())
        self._show_plan(replay, self._read(replay))

    def _begin(self, steps: int = 0) -> None:
        replay = self._present(is_new=False)
        if self._plan_replay is not replay:
            self._show_plan(replay, self._read(replay))
        with self._lock:
            if self._stop_asked:
                return
            (replay.pause if self._paused else replay.resume)()
            replay.start()
            if steps:
                replay.step(steps)

    def _change_pace(self) -> None:
        assert self.replay is not None
        self._halt(self.replay)
        if self.replay.state not in _END_STATES:
            self._begin()

    def _go_to(self, position: str) -> None:
        begins = position or self._text("first")
        replay = self._new_replay(begins)
        try:
            frame = self._read(replay)
        except ReplayError as error:
            if not self._stop_asked:
                self._run.flag(place=error_text(error))
            raise
        was_alive = self._is_alive()
        if self.replay is not None:
            self._halt(self.replay)
        with self._lock:
            self.replay, self._start = replay, begins
            self._replay_range = self._bounds()
            self._paused = was_alive
            self._show_plan(replay, frame)
        if was_alive:
            self._begin()

    def _present(self, *, is_new: bool) -> Replay:
        """Return the replay to continue; another range makes another one."""
        bounds = self._bounds()
        if bounds != self._replay_range or (self.replay and self.replay.state in _END_STATES):
            self._start, is_new = bounds[0], True
        if self.replay is None or is_new:
            # Together, or a retry would continue in the previous range.
            replay = self._new_replay(self._start)
            self.replay, self._replay_range = replay, bounds
        else:
            self.replay.set_pace(**self._pace())
        return self.replay

    def _new_replay(self, begins: str) -> Replay:
        return Replay(
            self._source,
            self._target,
            start=begins or None,
            end=self._text("last") or None,
            **self._pace(),
            **self._options,
        )

    def _read(self, replay: Replay) -> pd.DataFrame:
        """Return the dry run of a replay that has entries to send."""
        self._dry_run_replay = replay
        self._refresh()
        if self._stop_asked:
            raise ReplayError("it was stopped before the dry run")
        frame = replay.dry_run()
        self._dry_run_replay = None
        if frame.empty and replay.progress.position is None:
            why = replay.report.note if self._options["resume"] else "choose another range"
            raise ReplayError(f"there is no entry to send from {self._from()}: {why}")
        return frame

    def _halt(self, replay: Replay) -> None:
        if not replay.stop():
            raise RuntimeError(f"{replay!r} still waits for the server's answer")

    # -- the chosen options

    def _text(self, name: str) -> str:
        return str(self._range[name]).strip()

    def _bounds(self) -> tuple[str, str]:
        return self._text("first"), self._text("last")

    def _pace(self) -> dict[str, Any]:
        speed, gap = float(self._range["speed"]), self._text("gap")
        return {"speed": speed, "max_gap": _seconds(gap) if gap and speed < math.inf else None}

    def _check(self) -> bool:
        """Show errors next to the fields; return whether there are none."""
        problems = {}
        for name, check in _CHECKS.items():
            try:
                problems[name] = ""
                if self._text(name):
                    check(self._text(name))
            except ValueError as error:
                self.last_error, problems[name] = error, error_text(error)
        self._range.flag(**problems)
        return not any(problems.values())

    # -- display

    def _tick(self) -> float | None:
        if self._job is not None:
            self._work(self._job)
        # Read before the refresh, which then includes the last entries.
        over = not self._is_alive()
        if not over and time.monotonic() - self._last_check >= CHECK_INTERVAL:
            self._check_server()
        self._refresh()
        if over and self._job is None and self._drawn_mark == self._newest():
            return None
        return REDRAW_INTERVAL

    def _last_tick(self) -> bool:
        alive = self._is_alive()
        self._refresh()  # after that: an end in between is shown by the next call
        return alive

    def _check_server(self) -> None:
        """Check the server; a replay that waits for the next due entry would not notice."""
        self._last_check = time.monotonic()
        try:
            self._conn.client.ping()
            self._server_error = None
        except USER_ERRORS as error:
            self._server_error = error if is_transient(error) else None

    def _is_alive(self) -> bool:
        return self.replay is not None and self.replay.state in _ALIVE

    def _has_begun(self) -> bool:
        return self.replay is not None and self.replay.progress.position is not None

    def _show_plan(self, replay: Replay | None, frame: pd.DataFrame) -> None:
        with self._lock:
            self._plan_replay, self._plan_frame = replay, frame
            self._plan_settings = self._bounds(), self._pace()
            self._plan.show(frame)
            self._sentence.value = ""
            if replay is not None:
                self._total = replay.progress.done + int(frame["entries"].sum())
                self._sentence.value = _sentence(frame, self._pace())

    def _refresh(self) -> None:
        """Set the traits that have changed: that is all that any thread may do."""
        with self._lock:
            if self._closed:
                return
            if not self._is_alive():
                self._server_error = None
            now = self._now()
            self._buttons()
            self._complain()
            if self.replay is not None:
                report = self.replay.report
                self._say_how_far(self.replay, report)
                self._draw(self.replay, report)
            self._become(now)  # last, so that everything shown belongs to this state

    def _now(self) -> str:
        state = "stopped" if self.replay is None else self.replay.state
        if self._stop_asked and (self._job is not None or self._is_alive()):
            return "stopping"
        if self._job is not None:
            return "connecting" if self._dry_run_replay is None else "reading"
        if self._server_error is not None:
            return "reconnecting"
        if self._has_failed and not self._is_alive():
            return "failed"
        if state == "stopped" and not self._has_begun():
            return "ready"
        return _REPLAY_STATES.get(state, state)

    def _buttons(self) -> None:
        alive, working = self._is_alive(), "it is busy" if self._job is not None else ""
        running = working or ("pause or stop it first" if alive and not self._paused else "")
        stopped = working or ("stop it first" if alive else "")
        self._range.disable(
            first=stopped,
            last=stopped,
            gap=stopped
            or ("as fast as possible, there are no gaps" if self._range["speed"] == "inf" else ""),
            dry=stopped,
            speed=working,
        )
        read_only = READ_ONLY if self._conn.read_only else ""
        self._run.disable(
            start=read_only or working or ("it is running" if alive else ""),
            pause=working or ("" if alive else "it is not running"),
            step=read_only or running,
            stop="" if alive or working else "it is not running",
            seek=running,
        )
        is_over = self.replay is not None and self.replay.state in _END_STATES
        begun = "Start again" if is_over else "Continue" if self._has_begun() else "Start"
        self._run.label(
            start="Start" if alive else begun,
            pause="Continue" if alive and self._paused else "Pause",
        )
        self._run.press(pause=alive and self._paused)

    def _complain(self) -> None:
        """Show the replay's error until it is resolved."""
        error = self._server_error
        if self.replay is not None and self.replay.state in ("stalled", "failed"):
            error = self.replay.error
        if error is not None:
            self._is_troubled = True
            self._fail(error)
        elif self._is_troubled:
            self._is_troubled = False
            self._clear()

    def _say_how_far(self, replay: Replay, report: Report) -> None:
        now, parts = replay.progress, []
        if now.position is None:
            self._bar["progress"] = [0, 1, "Nothing was sent yet."]
        else:
            at = EntryId(now.position)
            parts = [f"{now.done:,} of {self._total:,} entries"]
            if at.ms:
                parts.append(f"at {_time_text(at)}")
            if now.left is not None and report.state not in _END_STATES:
                parts.append(f"{duration(now.left)} left")
            share = now.done / max(1, self._total) if now.share is None else now.share
            if report.state in _END_STATES:
                share = 1.0
            self._bar["progress"] = [round(1000 * share), 1000, " · ".join(parts)]
        counts = {name: getattr(report, name) for name in _COUNTS}
        texts = [f"{what} {n:,}" for what, n in counts.items() if n or what == "added"]
        if report.lateness:
            late = ", ".join(f"{name} {duration(by)}" for name, by in report.lateness.items())
            texts.append(f"late by {late}")
        if report.state in ("stopped", "failed") and now.position is not None:
            texts.append(f"Continue resumes after {now.position}")
        self._counts.value = " · ".join(texts)

    def _newest(self) -> tuple[Replay | None, int]:
        report = None if self.replay is None else self.replay.report
        return self.replay, 0 if report is None else report.added + report.unknown

    def _draw(self, replay: Replay, report: Report) -> None:
        began, newest = time.monotonic(), (replay, report.added + report.unknown)
        if newest == self._drawn_mark or began < self._draw_from:
            return
        frame = report.frame().tail(LAST).iloc[::-1]
        frame.insert(0, "n", range(newest[1], newest[1] - len(frame), -1))
        unknown = frame["n"][frame["status"] == "unknown"]
        self._added_table.show(frame, marks={str(n): "failed" for n in unknown})
        self._added_table.caption = (
            f"Newest first, the last {LAST:,}; .frame() has 100,000." if len(frame) else ""
        )
        self._drawn_mark = newest
        # However long it took, this leaves nine tenths of the kernel's time to others.
        self._draw_from = time.monotonic() + 9 * (time.monotonic() - began)

    # -- names

    def _from(self) -> str:
        return shorten(", ".join(map(_display_name, self._sources)))

    def _to(self) -> str:
        return shorten(_display_name(self._target))


_POSITION = "An ID, 2024-05-01 10:30 (UTC), 10:30 (today, UTC) or -5min"
_DEFAULTS = {"speed": 1.0, "ids": "new"}
_END_STATES = ("incomplete", "finished")  # the end of the source was reached
_COUNTS = ("added", "missed", "skipped", "unknown", "failed", "unreadable")


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _time_text(id: EntryId) -> str:
    # An ID beyond the year 9999 has no time.
    return id if pd.isna(id.time) else f"{id.time:%Y-%m-%d %H:%M:%S}"


def _seconds(text: str) -> float | str:
    """Return a number as seconds, and other durations unchanged."""
    try:
        return float(text)
    except ValueError:
        return text


#: How the content of each field is checked, unless it is empty.
_CHECKS: dict[str, Callable[[str], object]] = {
    "first": lambda text: range_bounds(text, None, _utc_now),
    "last": lambda text: range_bounds(None, text, _utc_now),
    "gap": lambda text: milliseconds(_seconds(text), "gap"),
}


def _display_name(each: object) -> str:
    """Return the name of a source or a target."""
    if isinstance(each, Stream):
        return repr(each.key)
    if isinstance(each, Connection):
        return "streams of the same keys"
    if isinstance(each, pd.DataFrame):
        return "the frame"
    if isinstance(each, Mapping):
        return ", ".join(map(_display_name, each.values()))
    return repr(os.fspath(each)) if isinstance(each, os.PathLike) else repr(each)


def _python_text(value: Any, names: Mapping[str, str]) -> str:
    """Write a value as Python code; one without a literal is given a name."""
    if isinstance(value, Stream):
        return f"rnb.Stream({names[value.conn.url]}, {value.key!r}{value.layout.arguments()})"
    if isinstance(value, Connection):
        return names[value.url]
    if isinstance(value, pd.DataFrame):
        return "frame"
    if isinstance(value, Mapping) and any(isinstance(each, Stream) for each in value.values()):
        pairs = (f"{key!r}: {_python_text(to, names)}" for key, to in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, os.PathLike):
        return repr(os.fspath(value))
    if isinstance(value, float):
        return 'float("inf")' if value == math.inf else f"{value:g}"
    return getattr(value, "__name__", repr(value)) if callable(value) else repr(value)


def _sentence(frame: pd.DataFrame, pace: Mapping[str, Any]) -> str:
    """Return the result of a dry run as a sentence."""
    if frame.empty:
        return "Nothing is left to send."
    n, size = int(frame["entries"].sum()), int(frame["bytes"].sum())
    first, last = min(map(EntryId, frame["first_id"])), max(map(EntryId, frame["last_id"]))
    parts = [f"{n:,} {'entry' if n == 1 else 'entries'}", f"{size:,} bytes"]
    if first.ms:
        span = duration(timedelta(milliseconds=last.ms - first.ms))
        parts.append(f"{span} of events, {_time_text(first)} to {_time_text(last)}")
    if pace["speed"] == math.inf:
        return " · ".join([*parts, "as fast as possible"])
    gap = "" if pace["max_gap"] is None else f" with no gap above {pace['max_gap']}"
    total = duration(frame["duration"].max())
    return " · ".join([*parts, f"takes {total} at {pace['speed']:g}x{gap}"])
