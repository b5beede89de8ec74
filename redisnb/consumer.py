"""Consumer: hand each entry of a stream or a group to a handler, in asyncio code or in a thread."""

from __future__ import annotations

import asyncio
import atexit
import inspect
import threading
import time
import traceback
import weakref
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Any, Literal, Self

import pandas as pd
import redis
from redis.asyncio.connection import AbstractConnection as AsyncLink

from redisnb import events, frames, wire
from redisnb.cursor import GroupCursor, StreamCursor
from redisnb.durations import Duration, milliseconds
from redisnb.events import Entry, Fields
from redisnb.group import ConsumerGroup, is_missing
from redisnb.ids import Position
from redisnb.stream import BLOCK, Stream

__all__ = ["Consumer", "stop_all"]

#: How many entries and errors a consumer keeps to show.
KEPT_ENTRIES, KEPT_ERRORS = 10_000, 1_000
#: The longest that `Consumer.stop` waits for the handler in hand, in seconds.
STOP_WITHIN = 2.0
#: The waits between attempts to reach a server that went away, in seconds.
FIRST_RETRY, LAST_RETRY = 0.05, 1.0

_started: weakref.WeakSet[Consumer] = weakref.WeakSet()


class Consumer:
    """Read entries and hand each to a handler; what happens to it then is `after`.

    An entry of a group is acknowledged when its handler has returned, and never otherwise: one
    whose handler raises stays pending and shows in `errors`. Entries that this consumer was given
    before and did not acknowledge come first. Without a group, an entry whose handler raises is
    passed over, and not deleted.

    Parameters
    ----------
    source : Stream or ConsumerGroup
        Where entries come from; a group has to exist.
    on_entry : callable, optional
        Gets one `Entry`; a function or a coroutine function.
    on_frame : callable, optional
        Gets a frame in schema ENTRIES; when it returns, all of it is handled. Give this or
        `on_entry`.
    start : {"new", "all"} or position, default "new"
        Where to begin in a stream, as for `Stream.follow`; a group knows by itself.
    batch : int, default 100
        The most entries read at a time, at least 1.
    timeout : duration, optional
        End when no entry has come for so long; None goes on until it is stopped.
    after : {"keep", "delete"}
        What happens to the entry once it is handled.

    Attributes
    ----------
    state : str
        "stopped", "running", "stalled" (the server is away; it tries again) or "failed".
    error : BaseException or None
        Why it is stalled or has failed.

    Examples
    --------
    >>> await Consumer(stream, print).run()

    >>> with Consumer(group, on_frame=load, batch=1000) as consumer:
    ...     ...
    """

    def __init__(
        self,
        source: Stream | ConsumerGroup,
        on_entry: Callable[[Entry], Any] | None = None,
        *,
        on_frame: Callable[[pd.DataFrame], Any] | None = None,
        start: Position | None = None,
        batch: int = 100,
        timeout: Duration | None = None,
        after: Literal["keep", "delete"] = "keep",
    ) -> None:
        if not isinstance(source, Stream | ConsumerGroup):
            raise TypeError(
                f"Consumer(source, handler): source is a Stream or a ConsumerGroup, not "
                f"{type(source).__name__}"
            )
        if (on_entry is None) == (on_frame is None):
            raise TypeError("give one handler: on_entry= or on_frame=")
        if not callable(on_entry if on_frame is None else on_frame):
            raise TypeError(f"the handler is a function, not {on_entry or on_frame!r}")
        if after not in ("keep", "delete"):
            raise ValueError(f"after={after!r}; choose 'keep' or 'delete'")
        frames.check_limit(batch, "batch")
        if not batch:
            raise ValueError("batch=0; read at least one entry at a time")
        self._group = source if isinstance(source, ConsumerGroup) else None
        self._stream = source.stream if isinstance(source, ConsumerGroup) else source
        if self._group is not None and start is not None:
            raise ValueError("start= is for a stream; a group's position is set by its create()")
        self.source = source
        self.state = "stopped"
        self.error: BaseException | None = None
        self._on_entry, self._on_frame = on_entry, on_frame
        self._start: Position = "new" if start is None else start
        self._batch, self._after = batch, after
        self._patience = None if timeout is None else milliseconds(timeout, "timeout") / 1000
        self._counts = dict.fromkeys(("received", "handled", "failed", "trimmed"), 0)
        self._recent: deque[tuple[bytes, Fields | None]] = deque(maxlen=KEPT_ENTRIES)
        self._errors: deque[tuple[str, str, str, str]] = deque(maxlen=KEPT_ERRORS)
        self._lock = threading.Lock()  # around what other threads look at: counts and buffers
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"Consumer({self.source!r})"

    # -- run

    async def run(self) -> None:
        """Consume until `stop` is called, the task is cancelled, or `timeout` is over.

        A plain handler runs on the event loop's own thread, a coroutine is awaited, one entry
        after the other. When the server goes away it is tried again until it is back.

        Raises
        ------
        GroupMissingError
            If the group, or its stream, does not exist or is removed meanwhile.
        redis.exceptions.ResponseError
            If the server refuses a command for good, for example at a key of another type.
        RuntimeError
            If this consumer is running.
        """
        if self.state in ("running", "stalled"):
            raise RuntimeError(f"{self!r} is running; make another Consumer for a second loop")
        self._stop.clear()
        await self._run(await asyncio.to_thread(self._cursor))

    def start(self) -> Self:
        """Consume in a thread of its own from now on; return at once. Running, it stays so.

        Raises
        ------
        GroupMissingError, ConnectError, redis.exceptions.ResponseError
            As for `run`, if it cannot begin. What goes wrong later is in `state` and `error`.
        RuntimeError
            If it has been told to stop and the handler in hand does not return.
        """
        if self.state in ("running", "stalled"):
            if self._stop.is_set() and not self.stop():
                raise RuntimeError(f"{self!r} is still stopping: its handler has not returned")
            if not self._stop.is_set():
                return self
        self._stop.clear()
        # Before the thread: what is added after start() returns is "new".
        cursor = self._cursor()
        self.state, self.error = "running", None
        self._thread = threading.Thread(
            target=self._in_thread, args=(cursor,), name=f"redisnb:{self._stream.key}", daemon=True
        )
        self._thread.start()
        _started.add(self)
        return self

    def stop(self) -> bool:
        """Stop after the entry in hand; wait for that at most 2 s, and say whether it has ended.

        What was read and not handled stays pending in its group.
        """
        self._stop.set()
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return self.state not in ("running", "stalled")
        thread.join(STOP_WITHIN)
        return not thread.is_alive()

    def __enter__(self) -> Self:
        """Start it."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self.stop()

    def _in_thread(self, cursor: StreamCursor | GroupCursor) -> None:
        try:
            asyncio.run(self._run(cursor))
        except BaseException as error:  # noqa: BLE001 - a thread has nobody to raise to
            self.state, self.error = "failed", error

    def _cursor(self) -> StreamCursor | GroupCursor:
        """Find where to begin; it asks the server, so a mistake shows before anything runs."""
        if self._group is None:
            return StreamCursor(self._stream.key, self._stream.after(self._start))
        if self._group.info().empty:
            raise self._group.missing()
        return GroupCursor(self._stream.key, self._group.name, self._group.consumer)

    async def _run(self, cursor: StreamCursor | GroupCursor) -> None:
        self.state, self.error = "running", None
        link = self._stream.conn.async_link()
        wait, since = FIRST_RETRY, time.monotonic()
        try:
            while not self._stop.is_set() and not self._is_over(since):
                try:
                    if await self._step(link, cursor):
                        since = time.monotonic()
                    self.state, self.error, wait = "running", None, FIRST_RETRY
                except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
                    if isinstance(error, redis.AuthenticationError):
                        raise self._stream.conn.refusal(error) from error
                    self.state, self.error = "stalled", error
                    await link.disconnect()
                    cursor.restart()
                    await asyncio.sleep(wait)
                    wait = min(2 * wait, LAST_RETRY)
        except asyncio.CancelledError:
            self.state = "stopped"
            raise
        except BaseException as error:
            self.state, self.error = "failed", error
            raise
        else:
            self.state = "stopped"
        finally:
            await link.disconnect()

    def _is_over(self, since: float) -> bool:
        return self._patience is not None and time.monotonic() - since >= self._patience

    async def _step(self, link: AsyncLink, cursor: StreamCursor | GroupCursor) -> bool:
        """Read one batch, hand it over, and settle what was handled; say whether there was one."""
        block = BLOCK if self._patience is None else min(BLOCK, int(self._patience * 1000) or 1)
        found = cursor.feed(await self._ask(link, *cursor.command(self._batch, block)))
        if not found:
            return False
        with self._lock:
            self._counts["received"] += len(found)
            self._recent.extend(found)
        trimmed = [id for id, fields in found if not fields]
        settled: list[bytes] = list(trimmed)
        try:
            await self._hand_over([each for each in found if each[1]], settled)
        finally:
            # Also on a cancel: what was handled is settled, and nothing else.
            with self._lock:
                self._counts["trimmed"] += len(trimmed)
                self._counts["handled"] += len(settled) - len(trimmed)
            if settled:
                await self._settle(link, settled)
        return True

    async def _hand_over(
        self, found: list[tuple[bytes, Fields | None]], settled: list[bytes]
    ) -> None:
        """Call the handler and note in `settled` what it has done."""
        if self._on_frame is not None:
            if found and await self._call(
                self._on_frame, frames.entries(found, self._stream.format), found
            ):
                settled += [id for id, _ in found]
            return
        for each in found:
            if self._stop.is_set():
                return
            entry = events.entry(*each, self._stream.key, self._stream.format)
            if await self._call(self._on_entry, entry, [each]):
                settled.append(each[0])

    async def _call(
        self, handler: Any, what: Entry | pd.DataFrame, found: list[tuple[bytes, Fields | None]]
    ) -> bool:
        try:
            result = handler(what)
            if inspect.isawaitable(result):
                await result
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is kept to show
            row = (
                found[0][0].decode(),
                type(error).__qualname__,
                str(error),
                "".join(traceback.format_exception(error)),
            )
            with self._lock:
                self._counts["failed"] += len(found)
                self._errors.append(row)
            return False
        return True

    async def _settle(self, link: AsyncLink, ids: list[bytes]) -> None:
        if self._group is not None:
            await self._ask(link, "XACK", self._stream.key, self._group.name, *ids)
        if self._after == "delete":
            await self._ask(link, "XDEL", self._stream.key, *ids)

    async def _ask(self, link: AsyncLink, *command: Any) -> Any:
        try:
            timeout = self._stream.conn.timeout + BLOCK / 1000
            return await wire.ask_async(link, *command, key=self._stream.key, timeout=timeout)
        except redis.ResponseError as error:
            if self._group is not None and is_missing(error):
                raise self._group.missing() from error
            raise

    # -- look at it

    @property
    def stats(self) -> dict[str, int]:
        """How many entries were received, handled, failed (the handler raised) and trimmed.

        A trimmed entry is one of a group's backlog whose body is gone; it is acknowledged.
        """
        with self._lock:
            return dict(self._counts)

    def frame(self, n: int = KEPT_ENTRIES) -> pd.DataFrame:
        """Return the last `n` entries received, 10,000 at most.

        Returns
        -------
        DataFrame in schema ENTRIES
            Oldest first.
        """
        frames.check_limit(n, "n")
        with self._lock:
            recent = list(islice(reversed(self._recent), n))
        return frames.entries(recent[::-1], self._stream.format)

    def errors(self) -> pd.DataFrame:
        """Return the last 1,000 errors of the handler as a frame in schema ERRORS, oldest first.

        `entry_id` is the entry's, or the first of the frame that the handler was given.
        """
        with self._lock:
            return frames.table(frames.ERRORS, list(self._errors))


def stop_all() -> None:
    """Stop every consumer that runs in a thread of this process, within 2 s."""
    running = list(_started)
    for consumer in running:
        consumer._stop.set()
    for consumer in running:
        consumer.stop()


atexit.register(stop_all)
