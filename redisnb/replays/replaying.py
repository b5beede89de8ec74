"""Replay: publish the entries of a stream, a capture or a frame again, at their own pace."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self, Unpack

import pandas as pd

from redisnb import background, cards, wire
from redisnb.background import Background, this_run
from redisnb.durations import Duration
from redisnb.errors import ReplayError, warn
from redisnb.progress import progress_bar
from redisnb.replays import report
from redisnb.replays.gate import ENDED, ReplayState
from redisnb.replays.options import ReplayOptions, takes_options
from redisnb.replays.pace import Pace
from redisnb.replays.plan import Replayable, check_ids, plan_of
from redisnb.replays.player import Player
from redisnb.replays.report import Progress, Report
from redisnb.stream import Stream
from redisnb.wire import Connection

__all__ = ["Replay"]

#: How long `Replay.stop` waits, and the time between two moves of a progress bar, in seconds.
STOP_SECONDS, BAR_INTERVAL = 2.0, 0.02


class Replay(Background):
    """A replay that runs in place, in a thread, or in asyncio code; `replay` documents the options.

    A replay that was stopped, or has failed, continues where it was when it is run again.

    Parameters
    ----------
    source, target, **options
        As for `replay`.

    Attributes
    ----------
    state : str
        "stopped", "starting", "running", "paused", "stalled" (the server is away; the replay
        retries for the connection's timeout), "failed", "incomplete" (see `Report.missed`) or
        "finished".
    error : BaseException or None
        Why it is stalled or has failed.

    Examples
    --------
    >>> again = rnb.Replay(orders, rnb.Stream(conn, "test"), speed=10_000)
    >>> report = again.run()
    >>> report.state, report.added
    ('finished', 4)
    """

    _to_have_both = "the one of the same name; to have both, give one another name in resume="

    @takes_options
    def __init__(
        self,
        source: Replayable | Sequence[Replayable],
        target: Stream | Connection | Mapping[str, Stream],
        **options: Unpack[ReplayOptions],
    ) -> None:
        self._stop_event = threading.Event()
        self._plan = plan_of(source, target, options, self._stop_event)
        self._target = self._plan.target
        self._name = cards.line("Replay", self._plan.title)
        self._player = Player(self._plan, self._stop_event)
        self._thread: threading.Thread | None = None
        self._end_event = threading.Event()

    def __repr__(self) -> str:
        """Show its state, how far it has come, and its pace."""
        return cards.line("Replay", self._plan.title, *report.words_of(self._player))

    def _repr_html_(self) -> str:
        return report.card_of(self._player)

    def run(self, *, progress: bool = False) -> Report:
        """Replay until the source has ended; Ctrl-C stops it after the current batch.

        Raises
        ------
        KeyboardInterrupt
            At a Ctrl-C, with a note on how to continue.
        RedisnbError, ValueError, redis.exceptions.RedisError
            As for `replay`, with such a note.

        Examples
        --------
        >>> rnb.Replay(orders, rnb.Stream(conn, "test"), speed=float("inf")).run().added
        4
        """
        try:
            self.start()
        except KeyboardInterrupt as error:
            self._break_off(error)
            raise
        total, unit = report.bar_length(self._plan)
        with progress_bar(progress, total, unit) as advance:
            position = 0
            try:
                is_over = False
                while not is_over:
                    # Not `Event.wait`: a Ctrl-C in it may leave its lock held forever.
                    time.sleep(BAR_INTERVAL)
                    is_over = self._end_event.is_set()
                    now = report.bar_position(self._player, unit)
                    advance(now - position)
                    position = now
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
        """Do the same as `run`, for ``await``; cancelling the task stops it.

        Examples
        --------
        >>> import asyncio
        >>> again = rnb.Replay(orders, rnb.Stream(conn, "test"), speed=float("inf"))
        >>> asyncio.run(again.arun()).added
        4
        """
        starting = asyncio.create_task(asyncio.to_thread(self.start))
        try:
            await asyncio.shield(starting)
            while not await asyncio.to_thread(self._end_event.wait, 0.1):
                pass
        except asyncio.CancelledError:
            # Otherwise it would begin a moment later.
            await asyncio.wait([starting])
            self._player.gate.stop()
            await asyncio.to_thread(self.stop)
            raise
        return self._result()

    def start(self) -> Self:
        """Replay in a thread of its own, and return at once; if it is running, do nothing.

        A replay of the same source and target that an earlier run of the same notebook cell has
        started is stopped first, and so, with a warning, is another one with the same `resume`.

        Raises
        ------
        RedisnbError, ValueError, redis.exceptions.RedisError
            If it cannot begin: nothing was sent. Later failures are in `state` and `error`.

        Examples
        --------
        >>> again = rnb.Replay(orders, rnb.Stream(conn, "test"), speed=1).start()
        >>> again.state in ("starting", "running")
        True
        >>> again.stop()
        True
        """
        if self._is_alive():
            # The state of one that has failed or finished changes a moment before its thread ends.
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
        self._end_event = threading.Event()
        self._thread = threading.Thread(
            target=self._in_thread, name=f"redisnb:replay:{self._target.name}", daemon=True
        )
        background.active.add(self)
        self._thread.start()
        return self

    def pause(self) -> None:
        """Wait, after the current batch, until `resume`; the schedule waits too.

        Before `start`, it makes the replay wait before the first entry.

        Examples
        --------
        >>> again = rnb.Replay(orders, rnb.Stream(conn, "test"), speed=1).start()
        >>> again.pause()  # nothing more is sent until `resume` or `step`
        >>> again.stop()
        True
        """
        self._player.gate.pause()

    def step(self, n: int = 1) -> None:
        """Send the next `n` entries, due or not, and stay paused; return before they are sent.

        `progress.done` counts them. The first entry after `resume` keeps its gap from the last of
        them. Where fewer are left, the replay ends.

        Parameters
        ----------
        n : int, default 1
            How many, at least 1. Several calls add up.

        Raises
        ------
        RuntimeError
            If it was not started or not paused: nothing is sent.
        ValueError
            If `n` is not such a number.

        Notes
        -----
        One batch, see `replay`, for each entry.

        Examples
        --------
        >>> again = rnb.Replay(orders, rnb.Stream(conn, "test"), speed=1)
        >>> again.pause()
        >>> again.start().step(2)
        >>> again.stop()
        True
        """
        if not self._is_alive():
            raise RuntimeError(f"{self._name} is {self.state}; pause() and start() it, then step()")
        if not self._player.gate.pausing:
            raise RuntimeError(f"{self._name} is {self.state}; pause() it first")
        self._player.gate.step(n)

    def resume(self) -> None:
        """Continue after `pause`.

        Examples
        --------
        >>> again = rnb.Replay(orders, rnb.Stream(conn, "test"), speed=1).start()
        >>> again.pause()
        >>> again.resume()  # what was not sent is due as much later
        >>> again.stop()
        True
        """
        self._player.gate.resume()

    def set_pace(
        self,
        *,
        speed: float | None = None,
        rate: float | None = None,
        max_gap: Duration | None = None,
    ) -> None:
        """Set another pace for the next `start`; the next entry is then due at once.

        Parameters
        ----------
        speed, rate, max_gap
            As for `replay`; what is not given has its default.

        Raises
        ------
        RuntimeError
            If it is running.
        ValueError, ReplayError
            As for `replay`; the pace stays as it was.

        Examples
        --------
        >>> again = rnb.Replay(orders, rnb.Stream(conn, "test"), speed=1)
        >>> again.set_pace(speed=10_000)
        >>> again.run().added
        4
        """
        if self._is_alive():
            raise RuntimeError(f"{self._name} is running; stop() it first, then start() it again")
        pace = Pace.of(speed, rate, max_gap)
        check_ids(self._plan.sources, pace, "new", stamp=False, resume=None, ranged=False)
        self._plan = self._player.plan = replace(self._plan, pace=pace)

    def stop(self) -> bool:
        """Stop within 2 s, after the current batch; return whether it has ended.

        A batch that the server does not answer is abandoned: the replay is then "failed". A dry run
        in another thread ends too, with an error.
        """
        if not self._is_alive():
            return True
        self._player.gate.stop()
        if threading.current_thread() is self._thread:
            return False
        if self._end_event.wait(STOP_SECONDS):
            return True
        self._player.abandon()
        return False

    def forget(self) -> bool:
        """Remove the bookmark of `resume`, to begin again; return whether there was one.

        Raises
        ------
        RuntimeError
            If it is running.

        Notes
        -----
        UNLINK of ``redisnb:replay:<name>``. What was added stays, and a replay that is running
        elsewhere under that name ends with an error.

        Examples
        --------
        >>> again = rnb.Replay(orders, rnb.Stream(conn, "test"), speed=10_000, resume="friday")
        >>> again.run().added, again.run().added
        (4, 4)
        >>> again.forget()
        True
        """
        bookmark = self._plan.bookmark
        if bookmark is None:
            raise ValueError("forget() is for a replay with resume=")
        if self._is_alive():
            raise RuntimeError(f"{self._name} is running; stop() it first")
        self._player = Player(self._plan, self._stop_event)
        return bookmark.forget()

    def _is_alive(self) -> bool:
        return self._thread is not None and not self._end_event.is_set()

    def _hurry(self) -> None:
        self._player.gate.stop()

    def _replaces(self, other: Any) -> bool:
        is_same = self._plan.names_the_same_as(other._plan)
        return self._made_in.replaces(other._made_in) if is_same is None else is_same

    def _in_thread(self) -> None:
        try:
            self._player.play()
        except BaseException as error:  # noqa: BLE001 - no caller to raise to; `error` has it
            if note := report.note_of(self._player):
                error.add_note(note)
        finally:
            self._end_event.set()

    @property
    def state(self) -> ReplayState:
        """The state, see the class."""
        return self._player.state

    @property
    def error(self) -> BaseException | None:
        """Why it is stalled or has failed."""
        return self._player.error

    @property
    def progress(self) -> Progress:
        """How far it has come."""
        return report.progress_of(self._player)

    @property
    def report(self) -> Report:
        """What it has done so far."""
        return report.report_of(self._player)

    def dry_run(self) -> pd.DataFrame:
        """Return what would be sent; read all of it and send nothing.

        Returns
        -------
        DataFrame in schema REPLAY
            One row per stream and source; with `resume`, of what is left. `bytes` is the size of
            the fields; `duration` is when the last entry is due, after the beginning.

        Raises
        ------
        RuntimeError
            If it is running.
        ReplayError
            If `stop` or `stop_all` has ended it.
        RedisnbError, ValueError, redis.exceptions.RedisError
            As for `start`.

        Examples
        --------
        >>> planned = rnb.Replay(orders, rnb.Stream(conn, "test"), speed=60).dry_run()
        >>> planned[["entries", "duration"]]
           entries        duration
        0        4 0 days 00:00:03
        """
        if self._is_alive():
            raise RuntimeError(f"{self._name} is running")
        self._made_in = this_run()
        self._player.begin()
        # For `stop`.
        self._end_event, self._thread = threading.Event(), threading.current_thread()
        background.active.add(self)
        try:
            frame = report.dry_frame(self._player, self._name)
        finally:
            self._end_event.set()
        if self._player.gate.stopping:
            raise ReplayError(f"the dry run of {self._name} was stopped")
        return frame
