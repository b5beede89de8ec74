"""Replay: entries again, at their own pace, out of a stream, a capture or a frame."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import pandas as pd

from redisnb import background, frames, wire
from redisnb.background import Background, describe, this_run
from redisnb.captures import OnError
from redisnb.durations import Duration
from redisnb.entries import AUTO, Position, range_bounds
from redisnb.errors import ReplayError, warn
from redisnb.frames import Schema, Transform, Where
from redisnb.progress import progress_bar
from redisnb.replays import report
from redisnb.replays.bookmark import Bookmark
from redisnb.replays.gate import ENDED, State
from redisnb.replays.pace import Pace
from redisnb.replays.plan import (
    Chosen,
    Ids,
    Plan,
    Replayable,
    Target,
    check_ids,
    check_options,
    check_streams,
    source_of,
)
from redisnb.replays.player import Player
from redisnb.replays.report import Progress, Report
from redisnb.replays.sources import ALL
from redisnb.stream import Stream
from redisnb.wire import Connection

__all__ = ["Replay"]

#: The longest that `Replay.stop` waits, and how often a progress bar moves, in seconds.
STOP_WITHIN, SHOWN_EVERY = 2.0, 0.02


class Replay(Background):
    """A replay that runs here, in a thread, or in asyncio code; `replay` says how.

    A replay that was stopped, or has failed, goes on where it was when it is run again.

    Parameters
    ----------
    source, target, **options
        As for `replay`.

    Attributes
    ----------
    state : str
        "stopped", "starting", "running", "paused", "stalled" (the server is away; it is tried again
        for the connection's timeout), "failed", "incomplete" (see `Report.missed`) or "finished".
    error : BaseException or None
        Why it is stalled or has failed.

    Examples
    --------
    >>> again = Replay(flights, Stream(conn, "test"), speed=60).start()
    >>> again.pause()
    >>> again.step(10)
    >>> again.resume()
    >>> again.stop()
    """

    _to_have_both = "the one of the same name; to have both, give one another name in resume="

    def __init__(
        self,
        source: Replayable | Sequence[Replayable],
        target: Stream | Connection | Mapping[str, Stream],
        *,
        start: Position | None = None,
        end: Position | None = None,
        where: Where | None = None,
        schema: Schema | None = None,
        transform: Transform | None = None,
        limit: int | None = None,
        speed: float | None = None,
        rate: float | None = None,
        max_gap: Duration | None = None,
        ids: Ids = "new",
        stamp: bool = False,
        resume: str | None = None,
        allow_self: bool = False,
        on_error: OnError = "raise",
    ) -> None:
        pace = Pace.of(speed, rate, max_gap)
        frames.check_limit(limit)
        check_options(ids, resume, transform)
        self._target, self._ended = Target(target), threading.Event()
        conn = self._target.conn
        listed = list(source) if isinstance(source, list | tuple) else [source]
        if not listed:
            raise ValueError("there is nothing to replay: the list of sources is empty")
        # A relative time is one of the source, if it has a clock.
        clock = next((each.conn for each in listed if isinstance(each, Stream)), conn)
        bounds = range_bounds(start, end, lambda: wire.now(clock))
        written = target.layout if isinstance(target, Stream) else AUTO
        chosen = Chosen(where, transform, written, frames.check_schema(schema))
        sources = [source_of(each, bounds, chosen, self._ended, on_error) for each in listed]
        check_streams(sources, self._target)
        check_ids(sources, pace, ids, stamp=stamp, resume=resume, ranged=bounds != ALL)
        self._plan = Plan(
            sources=sources,
            target=self._target,
            pace=pace,
            ids=ids,
            stamp=stamp,
            limit=limit,
            bookmark=None if resume is None else Bookmark(conn, resume),
            # What was said, and not what it means today.
            given={"start": start and str(start), "end": end and str(end)},
            allow_self=allow_self,
        )
        self._name = f"Replay({', '.join(each.name for each in sources)}, {self._target!r})"
        self._player = Player(self._plan, self._ended)
        self._thread: threading.Thread | None = None
        self._done = threading.Event()

    def __repr__(self) -> str:
        """Show how it is: its state, and why it is stalled or has failed."""
        return describe(self._name, self.state, "" if self.error is None else str(self.error))

    def run(self, *, progress: bool = False) -> Report:
        """Replay, and return when the source has ended; Ctrl-C stops it after the batch in hand.

        Raises
        ------
        KeyboardInterrupt
            At a Ctrl-C, with a note that says how to go on.
        RedisnbError, ValueError, redis.exceptions.RedisError
            As for `replay`, with such a note.
        """
        try:
            self.start()
        except KeyboardInterrupt as error:
            self._break_off(error)
            raise
        total, unit = report.bar_length(self._plan)
        with progress_bar(progress, total, unit) as moved:
            shown = 0
            try:
                ended = False
                while not ended:
                    # Not `Event.wait`: a Ctrl-C in it may leave its lock taken for ever.
                    time.sleep(SHOWN_EVERY)
                    ended = self._done.is_set()
                    now = report.bar_position(self._player, unit)
                    moved(now - shown)
                    shown = now
            except BaseException as error:
                self._break_off(error)
                raise
        return self._result()

    def _result(self) -> Report:
        if self.state == "failed" and self.error is not None:
            raise self.error
        if self.state == "incomplete":
            warn(f"{self._name}: {self.report.note}")
        return self.report

    def _break_off(self, error: BaseException) -> None:
        self.stop()
        error.add_note(self.report.note)

    async def arun(self) -> Report:
        """Do what `run` does, for ``await``; a cancelled task stops it."""
        starting = asyncio.create_task(asyncio.to_thread(self.start))
        try:
            await asyncio.shield(starting)
            while not await asyncio.to_thread(self._done.wait, 0.1):
                pass
        except asyncio.CancelledError:
            # Nobody else can keep it from beginning, a moment later.
            await asyncio.wait([starting])
            self._player.gate.stop()
            await asyncio.to_thread(self.stop)
            raise
        return self._result()

    def start(self) -> Self:
        """Replay in a thread of its own from now on; return at once. Running, it stays so.

        What an earlier run of the same notebook cell has started from the same source to the same
        target is stopped first, and so, with a warning, is another one with the same `resume`.

        Raises
        ------
        RedisnbError, ValueError, redis.exceptions.RedisError
            If it cannot begin: nothing was sent. What goes wrong later is in `state` and `error`.
        """
        if self._is_alive():
            # One that has failed, or is through, says so a moment before it has ended.
            if not self._player.gate.stopping and self.state not in ENDED:
                return self
            if not self.stop():
                raise RuntimeError(f"{self._name} still waits for the server's answer")
        self._made_in = this_run()
        self._take_over()
        self._player.become("starting")
        try:
            wire.check_sends(self._target.conn, "EVAL")
            self._player.begin()
        except BaseException as error:
            self._player.become("failed", error)
            raise
        self._done = threading.Event()
        self._thread = threading.Thread(
            target=self._in_thread, name=f"redisnb:replay:{self._target!r}", daemon=True
        )
        background.active.add(self)
        self._thread.start()
        return self

    def pause(self) -> None:
        """Wait, after the batch in hand, until `resume`; the schedule waits too.

        Before `start` it has that wait before the first entry.
        """
        self._player.gate.pause()

    def step(self, n: int = 1) -> None:
        """Send the next `n` entries, due or not, and stay paused; return before they are sent.

        `progress.done` moves as they are. What comes after `resume` keeps its gap from the last of
        them. Where fewer are left, the replay ends.

        Parameters
        ----------
        n : int, default 1
            How many, at least 1. Those of several calls add up.

        Raises
        ------
        RuntimeError
            If it is not started, or not told to pause: nothing is sent.
        ValueError
            If `n` is no such number.

        Notes
        -----
        One batch, see `replay`, for each entry.
        """
        if not self._is_alive():
            raise RuntimeError(f"{self._name} is {self.state}; pause() and start() it, then step()")
        if not self._player.gate.pausing:
            raise RuntimeError(f"{self._name} is {self.state}; pause() it first")
        self._player.gate.step(n)

    def resume(self) -> None:
        """Go on after `pause`."""
        self._player.gate.resume()

    def set_pace(
        self,
        *,
        speed: float | None = None,
        rate: float | None = None,
        max_gap: Duration | None = None,
    ) -> None:
        """Go on at another pace when it is started; what is next is then due at once.

        Parameters
        ----------
        speed, rate, max_gap
            As for `replay`; what is not given is as if it never was.

        Raises
        ------
        RuntimeError
            If it is running.
        ValueError, ReplayError
            As for `replay`; the pace stays as it was.
        """
        if self._is_alive():
            raise RuntimeError(f"{self._name} is running; stop() it first, then start() it again")
        pace = Pace.of(speed, rate, max_gap)
        check_ids(self._plan.sources, pace, "new", stamp=False, resume=None, ranged=False)
        self._plan = self._player.plan = replace(self._plan, pace=pace)

    def stop(self) -> bool:
        """Stop within 2 s, after the batch in hand; say whether it has ended.

        A batch that the server does not answer is left to itself: the replay is then "failed". A
        dry run in another thread ends too, with an error.
        """
        if not self._is_alive():
            return True
        self._player.gate.stop()
        if threading.current_thread() is self._thread:
            return False
        if self._done.wait(STOP_WITHIN):
            return True
        self._player.abandon()
        return False

    def forget(self) -> bool:
        """Forget how far a replay with `resume` came, so that it begins again; say if it was known.

        Raises
        ------
        RuntimeError
            If it is running.

        Notes
        -----
        UNLINK of ``redisnb:replay:<name>``. What was added stays, and a replay that runs elsewhere
        under that name ends with an error.
        """
        bookmark = self._plan.bookmark
        if bookmark is None:
            raise ValueError("forget() is for a replay with resume=")
        if self._is_alive():
            raise RuntimeError(f"{self._name} is running; stop() it first")
        self._player = Player(self._plan, self._ended)
        return bookmark.forget()

    def _is_alive(self) -> bool:
        return self._thread is not None and not self._done.is_set()

    def _hurry(self) -> None:
        self._player.gate.stop()

    def _replaces(self, other: Any) -> bool:
        is_same = self._plan.names_the_same_as(other._plan)
        return self._made_in.replaces(other._made_in) if is_same is None else is_same

    def _in_thread(self) -> None:
        try:
            self._player.play()
        except BaseException as error:  # noqa: BLE001 - a thread has nobody to raise to
            if note := report.note_of(self._player):
                error.add_note(note)
        finally:
            self._done.set()

    @property
    def state(self) -> State:
        """The state, see the class."""
        return self._player.state

    @property
    def error(self) -> BaseException | None:
        """Why it is stalled or has failed."""
        return self._player.error

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return report.progress_of(self._player)

    @property
    def report(self) -> Report:
        """What it has done so far."""
        return report.report_of(self._player)

    def dry_run(self) -> pd.DataFrame:
        """Read all of it and say what would be sent; nothing is.

        Returns
        -------
        DataFrame in schema REPLAY
            One row per stream and source; with `resume` what is left. `bytes` is the size of the
            fields; `duration` is how long after the beginning the last entry is due.

        Raises
        ------
        RuntimeError
            If it is running.
        ReplayError
            If `stop`, or `stop_all`, has ended it.
        RedisnbError, ValueError, redis.exceptions.RedisError
            As for `start`.
        """
        if self._is_alive():
            raise RuntimeError(f"{self._name} is running")
        self._made_in = this_run()
        self._player.begin()
        # So `stop` finds it.
        self._done, self._thread = threading.Event(), threading.current_thread()
        background.active.add(self)
        try:
            frame = report.dry_frame(self._player, self._name)
        finally:
            self._done.set()
        if self._player.gate.stopping:
            raise ReplayError(f"the dry run of {self._name} was stopped")
        return frame
