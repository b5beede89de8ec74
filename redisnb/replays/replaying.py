"""replay(): entries again, at their own pace, out of a stream, a capture or a frame."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal, Self, overload

import pandas as pd

from redisnb import background, frames, wire
from redisnb.background import Background, this_run
from redisnb.captures import OnError
from redisnb.durations import Duration
from redisnb.entries import EntryId, Position, range_bounds
from redisnb.errors import ReplayError
from redisnb.frames import Transform, Where
from redisnb.progress import progress_bar
from redisnb.replays.bookmark import Bookmark
from redisnb.replays.pace import Pace, Schedule
from redisnb.replays.plan import Ids, Plan, Replayable, Target, check_ids, check_streams, source_of
from redisnb.replays.player import Player, State
from redisnb.replays.report import Progress, Report
from redisnb.replays.sources import ALL
from redisnb.replays.step import Origin
from redisnb.stream import Stream
from redisnb.wire import Connection

__all__ = ["Replay", "replay"]

#: The longest that `Replay.stop` waits, and how often a progress bar moves, in seconds.
STOP_WITHIN, SHOWN_EVERY = 2.0, 0.02


class Replay(Background):
    """Hold a replay that runs here, in a thread, or in asyncio code; `replay` says how.

    A replay that was stopped, or has failed, goes on where it was when it is run again.

    Parameters
    ----------
    source, target, **options
        As for `replay`.

    Attributes
    ----------
    state : str
        "stopped", "starting", "running", "paused", "stalled" (the server is away; it is tried again
        for the connection's timeout), "failed" or "finished".
    error : BaseException or None
        Why it is stalled or has failed.

    Examples
    --------
    >>> again = Replay(flights, Stream(conn, "test"), speed=60).start()
    >>> again.pause()
    >>> again.step(10)
    >>> again.resume()
    >>> again.progress.left
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
        if ids not in ("new", "keep", "shift"):
            raise ValueError(f"ids={ids!r}; choose 'new', 'keep' or 'shift'")
        if resume is not None and (not isinstance(resume, str) or not resume):
            raise ValueError(f"resume={resume!r}; it is a name, such as 'nightly'")
        if transform is not None and not callable(transform):
            raise TypeError(f"transform= is a function, not {type(transform).__name__}")
        self._target, self._ended = Target(target), threading.Event()
        self._source = source
        conn = self._target.conn
        listed = list(source) if isinstance(source, list | tuple) else [source]
        # A relative time is one of the source, if it has a clock.
        clock = next((each.conn for each in listed if isinstance(each, Stream)), conn)
        bounds = range_bounds(start, end, lambda: wire.now(clock))
        written = target.format if isinstance(target, Stream) else "auto"
        sources = [
            source_of(each, bounds, where, transform, written, self._ended, on_error)
            for each in listed
        ]
        if not sources:
            raise ValueError("there is nothing to replay: the list of sources is empty")
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
        self._player = Player(self._plan, self._ended)
        self._thread: threading.Thread | None = None
        self._done = threading.Event()

    def __repr__(self) -> str:
        if isinstance(self._source, pd.DataFrame):
            return f"Replay(the frame, {self._target!r})"
        return f"Replay({', '.join(s.name for s in self._plan.sources)}, {self._target!r})"

    # -- run

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
            # Its thread may have begun.
            self._break_off(error)
            raise
        total, unit = self._scale()
        with progress_bar(progress, total, unit) as moved:
            shown = 0
            try:
                ended = False
                while not ended:
                    # Not `Event.wait`: a Ctrl-C in it may leave its lock taken for ever.
                    time.sleep(SHOWN_EVERY)
                    ended = self._done.is_set()
                    now = self._moved(unit)
                    moved(now - shown)
                    shown = now
            except BaseException as error:
                self._break_off(error)
                raise
        if self._player.state == "failed" and self._player.error is not None:
            raise self._player.error
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
            self._player.stop()
            await asyncio.to_thread(self.stop)
            raise
        if self._player.state == "failed" and self._player.error is not None:
            raise self._player.error
        return self.report

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
            if not self._player.stopping and self.state not in ("failed", "finished"):
                return self
            if not self.stop():
                raise RuntimeError(f"{self!r} still waits for the server's answer")
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
        background.started.add(self)
        self._thread.start()
        return self

    def pause(self) -> None:
        """Wait, after the batch in hand, until `resume`; the schedule waits too.

        Before `start` it has that wait before the first entry.
        """
        self._player.pause()

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
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            raise ValueError(f"n={n!r}; give a whole number, at least 1")
        if not self._is_alive():
            raise RuntimeError(f"{self!r} is {self.state}; pause() and start() it, then step()")
        if not self._player.pausing:
            raise RuntimeError(f"{self!r} is {self.state}; pause() it first")
        self._player.step(n)

    def resume(self) -> None:
        """Go on after `pause`."""
        self._player.resume()

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
            raise RuntimeError(f"{self!r} is running; stop() it first, then start() it again")
        pace = Pace.of(speed, rate, max_gap)
        # The rest was checked when it was made.
        check_ids(self._plan.sources, pace, "new", stamp=False, resume=None, ranged=False)
        self._plan = self._player.plan = replace(self._plan, pace=pace)

    def stop(self) -> bool:
        """Stop within 2 s, after the batch in hand; say whether it has ended.

        A batch that the server does not answer is left to itself: the replay is then "failed". A
        dry run in another thread ends too, with an error.
        """
        if not self._is_alive():
            return True
        self._player.stop()
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
        UNLINK of ``redisnb:replay:<name>``. What was added stays. A replay that runs elsewhere
        takes it for a server that has lost its data, and begins again.
        """
        bookmark = self._plan.bookmark
        if bookmark is None:
            raise ValueError("forget() is for a replay with resume=")
        if self._is_alive():
            raise RuntimeError(f"{self!r} is running; stop() it first")
        self._player = Player(self._plan, self._ended)
        return bookmark.forget()

    def _is_alive(self) -> bool:
        return self._thread is not None and not self._done.is_set()

    def _hurry(self) -> None:
        self._player.stop()

    def _replaces(self, other: Any) -> bool:
        mine, theirs = self._plan, other._plan
        if mine.target.conn.url != theirs.target.conn.url:
            return False
        if mine.bookmark is not None and theirs.bookmark is not None:
            return bool(mine.bookmark.key == theirs.bookmark.key)
        same = mine.definition() == theirs.definition()
        return bool(same and self._made_in.replaces(other._made_in))

    def _in_thread(self) -> None:
        try:
            self._player.play()
        except BaseException as error:  # noqa: BLE001 - a thread has nobody to raise to
            if note := self._note():
                error.add_note(note)
        finally:
            self._done.set()

    # -- look at it

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
        at = self._player
        last = None if at.last is None else EntryId(at.last)
        ends = self._ends()
        share: float | None = None
        left: timedelta | None = None
        total = self._total()
        if last is not None and ends is not None:
            span, behind = ends[1].ms - ends[0].ms, last.ms - ends[0].ms
            share = behind / span if span else 1.0
            if self._plan.pace.uses_times:
                left = timedelta(seconds=self._plan.pace.seconds(max(0, span - behind)))
        elif total:
            share = min(1.0, at.place.count / total)
        if self._plan.pace.rate is not None and total is not None:
            left = timedelta(seconds=max(0, total - at.place.count) / self._plan.pace.rate)
        return Progress(at.place.count, total, last, share, left)

    @property
    def report(self) -> Report:
        """What it has done so far."""
        at, sources = self._player, self._plan.sources
        return Report(
            state=at.state,
            read=sum(source.read for source in sources),
            added=at.added,
            skipped=at.skipped,
            unknown=at.unknown,
            failed=at.failed,
            unreadable=sum(source.skipped for source in sources),
            lateness={
                name: timedelta(seconds=seconds) for name, seconds in at.lateness.seconds().items()
            },
            duration=timedelta(seconds=at.seconds),
            position=None if at.last is None else at.last.decode(),
            note=self._note(),
            recent=list(at.recent),
        )

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
            raise RuntimeError(f"{self!r} is running")
        self._made_in = this_run()
        self._player.begin()
        read = [source.read for source in self._plan.sources]
        # `stop` finds it as it finds a replay: in a thread, and not done.
        self._done, self._thread = threading.Event(), threading.current_thread()
        background.started.add(self)
        try:
            rows = self._sums()
        finally:
            self._done.set()
            for source, before in zip(self._plan.sources, read, strict=True):
                source.read = before
        if self._player.stopping:
            raise ReplayError(f"the dry run of {self!r} was stopped")
        return frames.table(frames.REPLAY, rows)

    def _sums(self) -> list[list[Any]]:
        """Read what is to be sent, and sum it up for each stream and source."""
        schedule = Schedule(self._plan.pace)
        rows: dict[Origin, list[Any]] = {}
        if not self._player.found_finished:
            for page in self._player.items():
                for origin, id, fields in page:
                    text = id.decode()
                    row = rows.setdefault(
                        origin, [origin.key, origin.target, 0, 0, text, text, None, None]
                    )
                    row[2] += 1
                    row[3] += sum(map(len, fields))
                    row[5] = text
                    row[7] = round(schedule.due(int(text.partition("-")[0])) * 1000)
        for row in rows.values():
            row[6] = EntryId(row[5]).ms - EntryId(row[4]).ms
        return list(rows.values())

    def _note(self) -> str:
        """Say how to go on."""
        at = self._player
        if at.found_finished:
            return (
                "the replay of this name was finished before, so nothing was added; "
                "Replay(...).forget() lets it begin again"
            )
        if at.state == "finished":
            return ""
        if self._plan.bookmark is not None:
            return f"{at.place.count:,} entries are done; the same call again goes on from there"
        if at.last is None:
            return "nothing was added"
        return (
            f"{at.place.count:,} entries are done; start='({at.last.decode()}' goes on behind them"
        )

    def _ends(self) -> tuple[EntryId, EntryId] | None:
        found = [source.ends for source in self._plan.sources if source.ends is not None]
        if not found:
            return None
        return min(first for first, _ in found), max(last for _, last in found)

    def _total(self) -> int | None:
        counts = [source.count for source in self._plan.sources]
        known = None if None in counts else sum(count or 0 for count in counts)
        limit = self._plan.limit
        return known if limit is None else limit if known is None else min(known, limit)

    def _scale(self) -> tuple[int | None, str]:
        """Return how long a progress bar is, and in what unit.

        In seconds of the schedule where there is one: the bar then knows when it will end.
        """
        ends = self._ends()
        if self._plan.pace.uses_times and ends is not None:
            return round(self._plan.pace.seconds(ends[1].ms - ends[0].ms)), "s"
        return self._total(), "entries"

    def _moved(self, unit: str) -> int:
        if unit == "entries":
            return self._player.place.count
        ends, last = self._ends(), self._player.last
        if ends is None or last is None:
            return 0
        return round(self._plan.pace.seconds(EntryId(last).ms - ends[0].ms))


@overload
def replay(
    source: Replayable | Sequence[Replayable],
    target: Stream | Connection | Mapping[str, Stream],
    *,
    start: Position | None = ...,
    end: Position | None = ...,
    where: Where | None = ...,
    transform: Transform | None = ...,
    limit: int | None = ...,
    speed: float | None = ...,
    rate: float | None = ...,
    max_gap: Duration | None = ...,
    ids: Ids = ...,
    stamp: bool = ...,
    resume: str | None = ...,
    allow_self: bool = ...,
    on_error: OnError = ...,
    progress: bool = ...,
    dry_run: Literal[False] = ...,
) -> Report: ...
@overload
def replay(
    source: Replayable | Sequence[Replayable],
    target: Stream | Connection | Mapping[str, Stream],
    *,
    start: Position | None = ...,
    end: Position | None = ...,
    where: Where | None = ...,
    transform: Transform | None = ...,
    limit: int | None = ...,
    speed: float | None = ...,
    rate: float | None = ...,
    max_gap: Duration | None = ...,
    ids: Ids = ...,
    stamp: bool = ...,
    resume: str | None = ...,
    allow_self: bool = ...,
    on_error: OnError = ...,
    progress: bool = ...,
    dry_run: Literal[True],
) -> pd.DataFrame: ...
def replay(
    source: Replayable | Sequence[Replayable],
    target: Stream | Connection | Mapping[str, Stream],
    *,
    start: Position | None = None,
    end: Position | None = None,
    where: Where | None = None,
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
    progress: bool = False,
    dry_run: bool = False,
) -> Report | pd.DataFrame:
    """Add the entries of streams, captures or frames to a stream, at their own pace.

    Fields are carried byte for byte, unless `transform` is given or the source is a frame.

    Parameters
    ----------
    source : Stream, path or DataFrame, or a list of these
        Several are merged by entry ID. Of a stream it is what is there at the beginning. A path
        names a capture, a file or a directory; "-" is standard input. A frame's rows become events
        of the target's format; its `entry_id` or `entry_time`, a column or the index, say when.
    target : Stream, Connection or mapping of str to Stream
        A stream takes all entries; in a Connection each goes to the key it comes from, and a
        mapping says for each key where to. What has no streams (events without entry IDs, a frame
        without `entry_id`, `stream` and the index `entry_time`) can only go to a stream.
    start, end : position, optional
        As for `Stream.range`.
    where : mapping or callable, optional
        As for `Stream.range`; it sees a page at a time (of a frame, all of it).
    transform : callable, optional
        Gets such a page as a frame in schema ENTRIES (with `stream` where the source has several),
        and returns a frame whose rows become events of the target's format. It may drop rows, if
        it keeps the column `entry_id`, but not add any.
    limit : int, optional
        The most entries, counted behind `where`.
    speed : float, default 1
        1 keeps the original gaps, 60 makes a minute a second, ``float("inf")`` waits for nothing.
    rate : float, optional
        Entries per second, instead of `speed`.
    max_gap : duration, optional
        The longest silence between two entries, in the time of the replay.
    ids : {"new", "keep", "shift"}
        "new" leaves IDs to the target. "keep" gives each entry its own; one that is there already,
        the same, is skipped. "shift" moves them, so that the first one is that of the present.
    stamp : bool
        Add the fields ``replay:stream`` and ``replay:id``: where the entry comes from. JSON events
        are then read with ``format="json"``, for "auto" takes only those with a single field.
    resume : str, optional
        A name, under which the target's server keeps how far it came: killed at any point and run
        again, the target has every entry once, in order. The choice of `where` and `transform` is
        then to stay the same.
    allow_self : bool
        Let a stream be replayed onto itself.
    on_error : {"raise", "skip"}
        What to do with a line of a file that holds no entry: by default nothing of it is sent.
    progress : bool
        Show a progress bar.
    dry_run : bool
        Read all of it, and say what would be sent.

    Returns
    -------
    Report
        Or, of a dry run, a DataFrame in schema REPLAY, one row per stream, see `Replay.dry_run`.

    Raises
    ------
    ReplayError
        If a capture cannot be used, or a source does not say the times or the streams that are
        needed (nothing was sent); if an ID is taken in the target or lies behind its end, or the
        name in `resume` is that of another replay (nothing more was sent).
    ValueError, TypeError
        If the options contradict each other; nothing was sent.
    redis.exceptions.RedisError, ConnectError
        If the server refuses an entry, or stays away for longer than the connection's timeout. A
        note says how to go on.

    Notes
    -----
    A script of XADD for each batch of up to 500 entries, so that nothing follows an entry that is
    refused; with `resume` it moves the hash ``redisnb:replay:<name>`` in the same step. A batch
    whose reply is lost is asked for there; without `resume`, entries with IDs of their own are sent
    again, which the server takes once, and others are counted as unknown. What is due within a
    millisecond is one batch. An outage and a pause move the rest of the schedule.

    Examples
    --------
    >>> replay("incident.parquet", Stream(conn, "test"), speed=60, where={"carrier": "UA"})
    """
    made = Replay(
        source,
        target,
        start=start,
        end=end,
        where=where,
        transform=transform,
        limit=limit,
        speed=speed,
        rate=rate,
        max_gap=max_gap,
        ids=ids,
        stamp=stamp,
        resume=resume,
        allow_self=allow_self,
        on_error=on_error,
    )
    return made.dry_run() if dry_run else made.run(progress=progress)
