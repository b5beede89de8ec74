"""Consumer: hands each entry of a stream or a group to a handler, in asyncio code or a thread."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal, Self

import pandas as pd

from redisnb import background, cards, frames
from redisnb.background import Background, this_run
from redisnb.consumers import record
from redisnb.consumers.groups import GroupSource
from redisnb.consumers.job import (
    Job,
    handler_of,
    shortest_idle,
    sources_of,
)
from redisnb.consumers.loop import Worker
from redisnb.consumers.record import ConsumerState, Tally, consumer_card
from redisnb.consumers.sources import UngroupedSource
from redisnb.consumers.starting import begin
from redisnb.durations import Duration, milliseconds
from redisnb.entries import Entry, Position
from redisnb.frames import Schema, Where
from redisnb.hints import hinted
from redisnb.stream import ConsumerGroup, Stream

__all__ = ["Consumer", "tap"]

#: The longest that `Consumer.stop` waits, in seconds.
STOP_WITHIN = 2.0
#: How often `Consumer.run` looks whether it has ended, in seconds.
LOOK_EVERY = 0.02


class Consumer(Background):
    """A loop that reads entries and hands each to a handler; `after` says what happens then.

    In a group, an entry is acknowledged when its handler has returned, and never otherwise. Entries
    that were delivered to this consumer before and not acknowledged come first. A heartbeat keeps
    the entries in hand; those that have been pending for `min_idle`, because a consumer died or its
    handler raised, are taken over and handled again. Without a group, an entry whose handler raises
    is passed over, and not deleted.

    Parameters
    ----------
    source : Stream, ConsumerGroup, or a sequence of either
        Where entries come from. Several streams have one connection, one format, one schema,
        and, in groups, one group name and one consumer name.
    on_entry : callable, optional
        Gets one `Entry`; a function or a coroutine function.
    on_frame : callable, optional
        Gets a frame in schema ENTRIES (with `stream` where there are several), as one of
        `Stream.frames`; when it returns, all of it is handled. Give this or `on_entry`. A batch
        that it raises for is cut in halves again and again, so that only what fails alone counts as
        failed; it may see an entry several times. If it raises for both halves, and both halves of
        these, the handler itself fails: all of it is tried again later, and none of it counts.
    where : mapping, str or callable, optional
        As for `Stream.range`: what is not chosen is not handed over, and not deleted; in a group it
        is acknowledged, also with ``after="pending"``.
    schema : mapping of str to dtype, optional
        As for `Stream`, whose own it replaces here.
    start : {"new", "all"} or position, default "new"
        Where to begin in a stream, as for `Stream.follow`: "new" waits for what is added from then
        on, "all" begins at the first entry. A group has its own position.
    count : int, optional
        The most entries read at a time from each stream, at least 1. By default 100; the batch of
        an `on_frame` grows from there to 10,000 while the replies stay under 8 MB.
    concurrency : int, default 1
        How many entries a coroutine handler has at the same time.
    retries : int, default 0
        How often a handler that raises is called again, after 50 ms and more, up to 1 s, before the
        entry counts as failed.
    timeout : duration, optional
        End when no entry has arrived for this long; None runs until it is stopped.
    after : {"keep", "delete", "pending"}
        What happens to an entry once it is handled. A group's "delete" leaves what other groups
        have to handle, since Redis 8.2; elsewhere a warning names them. "pending" is for a group,
        and acknowledges nothing: what was handled, or failed, stays pending with this consumer
        until `ConsumerGroup.ack`, or until another consumer takes it over. Each entry is handled
        once, and again as the backlog of the next run; nothing is taken over from others.
    min_idle : duration, default 1 min
        In a group: how long an entry is pending before it is handled again, at least 1 s.
    max_deliveries : int, optional
        In a group: an entry that fails, and was delivered this often, goes to the dead letters (see
        `ConsumerGroup.dead_letters`). None retries without limit.
    on_missing_group : {"fail", "recreate"}
        What to do when the group, or its stream, is missing: end, or make it again, from the start.

    Attributes
    ----------
    state : str
        "stopped", "starting", "running", "stalled" (the server is away, or refuses for a while, or
        an `on_frame` fails at everything; it tries again) or "failed".
    error : BaseException or None
        Why it is stalled or has failed.
    begins : position or None
        Its `start`; None for a group.

    Examples
    --------
    >>> handled = []
    >>> def handle(entry):
    ...     handled.append(entry.event["item"])
    ...
    >>> rnb.Consumer(billing, handle, timeout=0).run()
    >>> handled, len(billing.pending())
    (['tea', 'coffee', 'tea', 'milk'], 0)
    """

    _to_have_both = (
        "the one that read under the same name; to have both, give one another name: "
        "ConsumerGroup(..., consumer=...)"
    )

    @hinted
    def __init__(
        self,
        source: Stream | ConsumerGroup | Sequence[Stream] | Sequence[ConsumerGroup],
        on_entry: Callable[[Entry], Any] | None = None,
        *,
        on_frame: Callable[[pd.DataFrame], Any] | None = None,
        where: Where | None = None,
        schema: Schema | None = None,
        start: Position | None = None,
        count: int | None = None,
        concurrency: int = 1,
        retries: int = 0,
        timeout: Duration | None = None,
        after: Literal["keep", "delete", "pending"] = "keep",
        min_idle: Duration = "1min",
        max_deliveries: int | None = None,
        on_missing_group: Literal["fail", "recreate"] = "fail",
    ) -> None:
        streams, groups = sources_of(source)
        layout = streams[0].layout
        schema = streams[0].schema if schema is None else frames.check_schema(schema)
        self._job = Job(
            streams={stream.key: stream for stream in streams},
            groups={group.stream.key: group for group in groups},
            handler=handler_of(on_entry, on_frame, retries=retries, concurrency=concurrency),
            takes_frames=on_frame is not None,
            schema=schema,
            filter=None if where is None else frames.Filter(where, layout, schema),
            start=start,
            count=100 if count is None else count,
            grows=count is None and on_frame is not None,
            concurrency=concurrency,
            timeout=None if timeout is None else milliseconds(timeout, "timeout") / 1000,
            after=after,
            min_idle=shortest_idle(min_idle),
            max_deliveries=max_deliveries,
            on_missing_group=on_missing_group,
        )
        self.source, self.begins = source, self._job.begins
        self._name = cards.line("Consumer", self._job.title)
        self._tally = Tally(self._name, layout, schema, many=len(streams) > 1)
        self._worker: Worker | None = None
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()

    def __repr__(self) -> str:
        """Show its state, its counts and its last error."""
        return cards.line("Consumer", self._job.title, *self._tally.words())

    def _repr_html_(self) -> str:
        return consumer_card(self._job.title, self._job.place, self._tally)

    def run(self) -> None:
        """Consume until `stop` is called or `timeout` is over; a Ctrl-C stops it, too.

        The handler runs in a thread of its own, as after `start`. When the server goes away, it
        tries again until the server is back.

        Raises
        ------
        KeyboardInterrupt
            At a Ctrl-C, once it has stopped.
        GroupMissingError, RedisnbError, redis.exceptions.ResponseError, RuntimeError
            As for `arun`.

        Examples
        --------
        >>> def show(entry):
        ...     print(entry.event)
        ...
        >>> rnb.Consumer(orders, show, start="all", where={"item": "tea"}, timeout=0).run()
        {'item': 'tea', 'amount': 2}
        {'item': 'tea', 'amount': 5}
        """
        if self._is_alive():
            raise self._running()
        try:
            self._start(patient=True)
            while not self._ended.is_set():
                # Not `Event.wait`: a Ctrl-C inside it may leave its lock taken for ever.
                time.sleep(LOOK_EVERY)
        except BaseException:
            self.stop()
            raise
        if self.state == "failed" and self.error is not None:
            raise self.error

    async def arun(self) -> None:
        """Consume as `run` does, for ``await``; a cancelled task stops it.

        A plain handler runs on the event loop's own thread, a coroutine is awaited.

        Raises
        ------
        GroupMissingError
            If the group, or its stream, does not exist or is removed.
        RedisnbError
            If another process already reads the group as a consumer of that name.
        redis.exceptions.ResponseError
            If the server refuses a command for good, for example at a key of another type.
        RuntimeError
            If this consumer is running.

        Examples
        --------
        >>> import asyncio
        >>> async def show(entry):
        ...     print(entry.event)
        ...
        >>> asyncio.run(rnb.Consumer(billing, show, where={"item": "tea"}, timeout=0).arun())
        {'item': 'tea', 'amount': 2}
        {'item': 'tea', 'amount': 5}
        """
        if self._is_alive():
            raise self._running()
        worker, ended = self._new_worker()
        try:
            if await asyncio.to_thread(self._begin, worker, patient=True):
                await worker.run()
        finally:
            ended.set()

    def _running(self) -> RuntimeError:
        return RuntimeError(f"{self._name} is running; make another Consumer for a second loop")

    def start(self) -> Self:
        """Consume in a thread of its own; return at once. If it is running, nothing changes.

        Started again, it begins at `start` once more (a group goes on), and the counts go on.

        A consumer of this process with the same group and consumer name is stopped first, and so is
        one that an earlier run of the same notebook cell has started on the same streams.

        Raises
        ------
        GroupMissingError, RedisnbError, redis.exceptions.ResponseError
            As for `arun`, if it cannot begin. What goes wrong later is in `state` and `error`.
        redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, ConnectError
            If it cannot begin because the server is away for longer than the connection's timeout.

        Warns
        -----
        RedisnbWarning
            When the handler raises for the first time; `errors` has the details.

        Examples
        --------
        >>> import threading
        >>> done = threading.Event()
        >>> def handle(entry):
        ...     if entry.event["item"] == "milk":
        ...         done.set()
        ...
        >>> with rnb.Consumer(billing, handle):  # starts it, and stops it at the end
        ...     done.wait(10)
        True
        """
        self._start(patient=False)
        return self

    def _start(self, *, patient: bool) -> None:
        if self._is_alive():
            # Its state is "failed" or "stopped" a moment before it has ended.
            goes_on = self._worker is not None and not self._worker.is_stopping
            if goes_on and self.state not in ("failed", "stopped"):
                return
            self.stop()
        worker, ended = self._new_worker()
        thread: threading.Thread | None = None
        try:
            # Before the thread: what is added after start() returns is "new".
            if not self._begin(worker, patient=patient):
                ended.set()
                return
            name = f"redisnb:{','.join(self._job.streams)}"
            thread = self._thread = threading.Thread(
                target=self._in_thread, args=(worker, ended), name=name, daemon=True
            )
            thread.start()
        except BaseException:
            if thread is None:
                ended.set()
            else:
                # A Ctrl-C: whether it runs is unknown.
                self.stop()
            raise

    def stop(self) -> bool:
        """Stop within 2 s, after the entry in hand; return whether it has ended.

        A coroutine handler is cancelled after 1 s. A plain one that does not return is left to
        itself: the consumer is then "failed", and what the handler does is not acknowledged. What
        was read and not handled stays pending, and any consumer may take it over.
        """
        worker, thread = self._worker, self._thread
        if worker is None or not self._is_alive():
            return True
        worker.stop()
        if worker.runs_here():
            return False
        if self._ended.wait(STOP_WITHIN):
            if thread is not None:
                thread.join(STOP_WITHIN)
            return True
        worker.abandon()
        self._ended.set()
        return False

    def __enter__(self) -> Self:
        """Start it."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self.stop()

    def _is_alive(self) -> bool:
        return self._worker is not None and not self._ended.is_set()

    def _hurry(self) -> None:
        if self._worker is not None:
            self._worker.stop()

    def _new_worker(self) -> tuple[Worker, threading.Event]:
        self._made_in = this_run()
        source = GroupSource if self._job.groups else UngroupedSource
        worker, ended = Worker(self._job, self._tally, source), threading.Event()
        # Without a call in between, where a Ctrl-C might leave one that seems to run.
        self._worker, self._ended = worker, ended
        return worker, ended

    def _begin(self, worker: Worker, *, patient: bool) -> bool:
        """Begin, in place of the consumers that it replaces; return whether it has begun."""
        self._take_over()
        has_begun = begin(worker, patient=patient)
        if has_begun:
            background.active.add(self)
        return has_begun

    def _replaces(self, other: Consumer) -> bool:
        """Return whether this is the same consumer as another, made again."""
        if self._job.groups:
            return bool(self._job.readers() & other._job.readers())
        is_same = self._job.readers() == other._job.readers()
        return is_same and self._made_in.replaces(other._made_in)

    def _in_thread(self, worker: Worker, ended: threading.Event) -> None:
        try:
            asyncio.run(worker.run())
        except BaseException as error:  # noqa: BLE001 - a thread has no caller to raise to
            worker.become("failed", error)
        finally:
            ended.set()

    # -- what it shows

    @property
    def state(self) -> ConsumerState:
        """The state; `Consumer` lists them."""
        return self._tally.state

    @property
    def error(self) -> BaseException | None:
        """Why it is stalled or has failed."""
        return self._tally.error

    @property
    def stats(self) -> dict[str, int]:
        """Counts of entries.

        ======== ==============================================================================
        received they were read, and chosen by `where`
        handled  the handler returned
        failed   the handler raised; an entry counts each time
        dead     they were moved to the dead letters
        trimmed  pending, but their body is gone; they are acknowledged
        skipped  they were read, and not chosen by `where`
        missed   dropped by the server before they were read, as far as it tells (since Redis 7)
        ======== ==============================================================================
        """
        return self._tally.counts

    def frame(self, n: int = record.KEPT_ENTRIES, *, before: int | None = None) -> pd.DataFrame:
        """Return the last `n` entries received, of the 10,000 that are kept.

        Parameters
        ----------
        n : int, default 10,000
            The most rows.
        before : int, optional
            Leave out what was received after this many, as ``stats["received"]`` counts, so that
            pages of the past stand still.

        Returns
        -------
        DataFrame in schema ENTRIES
            Oldest first.

        Examples
        --------
        >>> consumer = rnb.Consumer(billing, lambda entry: None, timeout=0)
        >>> consumer.run()
        >>> consumer.frame(2)
                                          entry_id  item  amount
        entry_time
        2024-05-01 10:32:00+00:00  1714559520000-0   tea       5
        2024-05-01 10:33:00+00:00  1714559580000-0  milk       3
        """
        return self._tally.entries(n, before)

    def errors(self) -> pd.DataFrame:
        """Return the last 1,000 errors as a frame in schema ERRORS, oldest first.

        There is one for each time that the handler raised (`entry_id` is that of the entry, or of
        the first in the frame), and one where entries were missed: `error` is then "gap" or
        "reset", and `entry_id` the last one before.

        Examples
        --------
        >>> import warnings
        >>> warnings.simplefilter("ignore", rnb.RedisnbWarning)  # the first failure is a warning
        >>> def handle(entry):
        ...     entry.event["price"]
        ...
        >>> consumer = rnb.Consumer(orders, handle, start="all", timeout=0)
        >>> consumer.run()
        >>> consumer.errors()[["entry_id", "error", "message"]]
                  entry_id     error  message
        0  1714559400000-0  KeyError  'price'
        1  1714559460000-0  KeyError  'price'
        2  1714559520000-0  KeyError  'price'
        3  1714559580000-0  KeyError  'price'
        """
        return self._tally.errors()


def tap(consumer: Consumer, tap: record.Tap, *, on: bool = True) -> None:
    """Tell a tap of what a consumer keeps, and of each entry that it reads; or no more."""
    (consumer._tally.add_tap if on else consumer._tally.remove_tap)(tap)
