"""One run of a replay: take what is due, add it, note how far it came, until the source ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import redis

from redisnb import wire
from redisnb.background import log_state
from redisnb.errors import ConnectError, ReplayError, explain, words
from redisnb.frames import paused_collector
from redisnb.patience import Patience
from redisnb.replays import step
from redisnb.replays.batches import TIMED_PAGE, Batch, Feed, Packer, remaining_pages
from redisnb.replays.bookmark import TargetLedger, bookmark_removed_error, target_removed_error
from redisnb.replays.gate import Gate, ReplayState
from redisnb.replays.pace import Lateness, Schedule, check_wait
from redisnb.replays.plan import Plan
from redisnb.replays.step import Checkpoint, Item

__all__: list[str] = []

#: How long what is due waits for what is due next, and how early that is sent with it, in seconds.
#: With a batch for each entry, a few thousand a second would be late.
GROUP = 0.001
#: A wait that is long enough to read and filter the next page in it, in seconds.
IDLE = 0.02


class Player:
    """What carries a plan out.

    Attributes
    ----------
    state, error
        As for `Replay`.
    gate : Gate
        Makes it stop, pause, step and continue, from any thread.
    counts : step.Counts
        What became of the entries.
    checkpoint : Checkpoint
        How far it came.
    lateness : Lateness
    was_finished : bool
        Whether, by the bookmark, an earlier run had reached the end of the source.
    seconds : float
        How long it has been running.
    """

    def __init__(self, plan: Plan, stop_event: threading.Event) -> None:
        self.plan, self.gate = plan, Gate(stop_event)
        self.state: ReplayState = "stopped"
        self.error: BaseException | None = None
        self.counts = step.Counts()
        self.checkpoint = Checkpoint(({},) * len(plan.sources))
        self.lateness = Lateness()
        self.last: bytes | None = None
        self.was_finished = self._has_looked = self._abandoned = False
        self.seconds = 0.0
        # What a pipe has delivered must not wait for what is still to come.
        self._is_live = not all(source.repeatable for source in plan.sources)
        self.packer, self._ledger = Packer(plan), TargetLedger(plan.target.conn)
        self._feed: Feed | None = None
        # When the first entry was due, by the clock; None makes the next one due at once.
        self._first_due: float | None = None
        # The batch that may have been added without a reply; the bookmark will tell.
        self._unanswered: Batch | None = None
        # Whether no batch was added since the last error of the connection.
        self._is_recovering = False

    # -- from any thread

    def abandon(self) -> None:
        """Abandon the thread, since the server does not answer; the state stays "failed"."""
        self.become("failed", TimeoutError("after stop() the server did not answer"))
        self._abandoned = True

    def become(self, state: ReplayState, error: BaseException | None = None) -> None:
        """Change the state that is shown."""
        if not self._abandoned:
            log_state(f"the replay into {self.plan.target.name}", self.state, state, error)
            self.state, self.error = state, error

    # -- before it begins

    def begin(self) -> None:
        """Find out what there is and where to begin; mistakes show before anything is sent."""
        self.gate.begin()
        self._ledger.renew()
        self._abandoned = False
        self._first_due = None
        plan = self.plan
        mark = None if plan.bookmark is None else plan.bookmark.read(len(plan.sources))
        saved_plan = None if mark is None else mark.plan
        if not self._has_looked:
            for i, source in enumerate(plan.sources):
                if saved_plan is not None and i < len(saved_plan["bounds"]):
                    start, end = saved_plan["bounds"][i]
                    source.keep((start, end))
                source.look()
            self._ledger.look(plan.check_target())
        if mark is not None and plan.bookmark is not None:
            plan.bookmark.check(mark, plan.definition())
            if self._has_looked:
                # The last batch before it failed may have been added after all.
                self.counts.added += mark.checkpoint.count - self.checkpoint.count
                self._unanswered = None
            self.checkpoint, self.was_finished = mark.checkpoint, mark.is_finished
        if mark is not None and saved_plan is not None and not self._has_looked:
            self.packer.restore(saved_plan["shift"], mark.checkpoint.missed)
        self._has_looked = True

    # -- in its thread

    def play(self) -> None:
        """Replay until the source ends or the gate says stop.

        Raises
        ------
        ReplayError, redis.exceptions.RedisError, ConnectError, OSError
            As for `replay`.
        """
        began = time.monotonic()
        self._first_due = None
        try:
            if not self.was_finished:
                self._play()
            self.become("stopped" if self.gate.stopping else self.packer.outcome)
        except BaseException as error:
            self.become("failed", error)
            raise
        finally:
            self.seconds += time.monotonic() - began
            # A replay that waits to be started again needs no connections.
            self._feed = None

    def _play(self) -> None:
        patience = Patience(self.plan.target.conn.timeout, step.may_pass)
        count = self.checkpoint.count
        while not self.gate.stopping:
            try:
                if self._unanswered is not None:
                    self._find_checkpoint()
                if self._feed is None:
                    self._feed = self._new_feed()
                if self.state != "stalled":
                    self.become("running")
                self._pump(self._feed)
                return
            except (redis.RedisError, ConnectError, OSError) as error:
                if self._feed is not None and self._feed.broken is not None:
                    raise
                if self.checkpoint.count > count:
                    count = self.checkpoint.count
                    patience.reset()
                wait = patience.wait_after(error)
                self.become("stalled", error)
                self._is_recovering = True
                # The gaps count, not the hour: what was due during the outage is not sent at once.
                self._first_due = None
                self.gate.rest(wait)

    def _new_feed(self) -> Feed:
        pace = self.plan.pace
        return Feed(self.items(), Schedule(pace) if pace.is_timed else None)

    def items(self) -> Iterator[list[Item]]:
        """Yield what is still to be sent."""
        return remaining_pages(self.plan, self.checkpoint, lambda: self.gate.stopping)

    def _pump(self, feed: Feed) -> None:
        """Send batch after batch."""
        next_batch: Batch | None = None
        while next_batch := next_batch or self._next_batch(feed, self.checkpoint):
            next_batch = self._deliver(next_batch, feed)
            if next_batch is not None and self.gate.stopping:
                feed.put_back(next_batch.items, next_batch.dues)
                return
        if self.gate.stopping:
            return
        self._ledger.check(resumed=self.plan.bookmark is not None)
        if self.plan.bookmark is not None:
            state = self.packer.outcome
            self._deliver(self.packer.pack([], [], self.checkpoint, state=state), feed)

    def _next_batch(self, feed: Feed, checkpoint: Checkpoint) -> Batch | None:
        """Return what is due next, when it is; None at the end and after a stop."""
        timed = self.plan.pace.is_timed
        while True:
            steps = self._hold(checkpoint)
            if self.gate.stopping:
                return None
            most = 1 if steps else step.STEP_ENTRIES
            if not timed:
                # As in `frames`: the garbage collector would walk through the lists for nothing.
                with paused_collector():
                    while len(feed.items) < step.STEP_ENTRIES and not self.gate.stopping:
                        if (feed.items and self._is_live) or not feed.more():
                            break
                    return self._take_batch(feed, None, most, checkpoint) if feed.items else None
            if not feed.items:
                if feed.more():
                    continue
                return None
            now = time.monotonic()
            if self._first_due is None or steps:
                self._first_due = now - feed.dues[0]
            wait = self._first_due + feed.dues[0] + GROUP - now
            if wait <= 0 or steps:
                return self._take_batch(feed, now - self._first_due + GROUP, most, checkpoint)
            idle = wait > IDLE and len(feed.items) < TIMED_PAGE and not self._is_live
            if idle and feed.more():
                continue
            check_wait(feed.items[0][1], wait)
            self.gate.wait(wait)

    def _hold(self, checkpoint: Checkpoint) -> bool:
        """Wait while it is paused; return whether to send an entry anyway, for a step."""
        if not self.gate.pausing:
            if self.state == "paused":
                # resume() came while the entry of a step was being sent.
                self.become("running")
            return False
        self.become("paused")
        since = time.monotonic()
        if self.gate.hold(checkpoint.count):
            return True
        if self._first_due is not None:
            self._first_due += time.monotonic() - since
        self.become("running")
        return False

    def _take_batch(self, feed: Feed, until: float | None, most: int, before: Checkpoint) -> Batch:
        """Return a batch of what is due."""
        # Before anything is taken, since it may ask the server, which may be away.
        self.packer.settle_shift(feed.items[0][1])
        items, dues = feed.take(until, most)
        batch = self.packer.pack(items, dues, before)
        while len(batch.command) > step.STEP_BYTES and len(items) > 1:
            # Only now its size is known without extra cost.
            half = len(items) // 2
            feed.put_back(items[half:], dues[half:])
            items, dues = items[:half], dues[:half]
            batch = self.packer.pack(items, dues, before)
        return batch

    def _deliver(self, batch: Batch, feed: Feed) -> Batch | None:
        """Send a batch and settle it; return the next one, if it was made in the meantime."""
        next_batch: Batch | None = None
        wrong: BaseException | None = None

        def prepare() -> None:
            nonlocal next_batch, wrong
            try:
                # A pause must not delay the reply.
                next_batch = None if self.gate.pausing else self._next_batch(feed, batch.after)
            except Exception as error:  # noqa: BLE001 - raised below, once the reply was read
                wrong = error

        # Waiting for what is due next would delay the reply.
        fast = batch.items and not self.plan.pace.is_timed and not self._is_live
        error: BaseException | None = None
        try:
            reply = wire.ask_packed(
                self.plan.target.conn, batch.command, prepare if fast else lambda: None
            )
        except ConnectError as refusal:
            # Nothing was sent.
            done_count, error = 0, refusal
        except (redis.RedisError, OSError) as lost:
            done_count, error = self._lose(batch), lost
        else:
            done_count, error = self._settle(batch, reply)
        error = error or wrong
        if error is None:
            return next_batch
        if next_batch is not None:
            feed.put_back(next_batch.items, next_batch.dues)
        feed.put_back(batch.items[done_count:], batch.dues[done_count:])
        raise error

    def _lose(self, batch: Batch) -> int:
        """Note that no reply came; return how many entries must not be sent again."""
        if self.plan.bookmark is not None:
            self._unanswered = batch
            return 0
        if batch.new_ids is not None:
            self.counts.doubt(batch.items, batch.new_ids)
            return 0
        self.packer.doubted |= {item[0].target for item in batch.items}
        self.counts.lose(batch.items)
        self._advance(batch, len(batch.items), batch.after)
        return len(batch.items)

    def _find_checkpoint(self) -> None:
        """Read from the bookmark how far it came, after a lost reply.

        A server that was killed may have lost more than that, entries and bookmark together.
        """
        batch, before, feed = self._unanswered, self.checkpoint, self._feed
        assert batch is not None
        assert self.plan.bookmark is not None
        self.checkpoint = self.plan.bookmark.read(len(self.plan.sources)).checkpoint
        self._unanswered = None
        if self.checkpoint.stored == before.stored:
            return
        if self.checkpoint.count < before.count:
            if self._ledger.has_any_last():
                raise bookmark_removed_error(self.plan.bookmark.key)
            self._ledger.forget()
        if self.checkpoint.count > batch.after.count:
            raise step.overtaken_error(self.plan.bookmark.key)
        self.counts.added += self.checkpoint.count - before.count
        if self.checkpoint.stored == batch.after.stored:
            if feed is not None:
                feed.drop(len(batch.items))
            if batch.new_ids is not None:
                self.counts.copied(batch.items, (id.encode() for id in batch.new_ids))
            return
        self.counts.forget(before.count - self.checkpoint.count)
        for source in self.plan.sources:
            if not source.repeatable:
                raise ReplayError(
                    f"the server has lost some entries, and {source.name} cannot be read again; "
                    "replay it once more under the same name"
                )
        self._feed = None

    def _settle(self, batch: Batch, reply: Any) -> tuple[int, Exception | None]:
        """Note what became of a batch; return how many entries are done, and what stopped it."""
        keys = [item[0].target for item in batch.items]
        if isinstance(reply, redis.ResponseError):
            if step.comes_later(reply):
                return 0, redis.BusyLoadingError(words(reply))
            return 0, explain(reply, keys[0] if keys else "")
        outcome, ids, reason, *position = reply
        done_count = len(ids)
        self._ledger.record(keys, ids)
        self.counts.take(batch.items, batch.new_ids, ids)
        if outcome == b"done":
            self._is_recovering = False
            if self.state == "stalled":
                self.become("running")
            self._advance(batch, done_count, batch.after)
            return done_count, None
        if done_count:
            checkpoint = (
                Checkpoint.of(position[0].decode(), len(self.plan.sources))
                if self.plan.bookmark is not None
                else step.checkpoint_after(
                    self.checkpoint,
                    batch.items[:done_count],
                    batch.new_ids and batch.new_ids[:done_count],
                    missed=self.packer.missed,
                    bookmarked=False,
                )
            )
            self._advance(batch, done_count, checkpoint)
        return done_count, self._stop_error(
            outcome.decode(), step.plain_reason(reason), batch, done_count
        )

    def _advance(self, batch: Batch, done_count: int, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        if done_count:
            self.last = batch.items[done_count - 1][1]
        if batch.dues and self._first_due is not None:
            late = time.monotonic() - self._first_due
            for due in batch.dues[:done_count]:
                self.lateness.add(late - due)

    def _stop_error(self, outcome: str, text: str, batch: Batch, done_count: int) -> Exception:
        """Return the error for what the server did not carry out."""
        bookmark = self.plan.bookmark
        if bookmark is not None and outcome == "moved":
            # A bookmark that is ahead was moved by another replay, or by a command that counted as
            # lost and arrived after all. One that is behind is of a restarted server that has lost
            # data.
            if not self._is_recovering and step.is_ahead(text, self.checkpoint):
                return step.overtaken_error(bookmark.key)
            self._unanswered = batch
            return redis.ConnectionError(f"{bookmark.key!r} is not where it was; it is read again")
        if bookmark is not None and outcome == "bookmark":
            return explain(redis.ResponseError(text), bookmark.key)
        if outcome == "gone":
            return target_removed_error(
                batch.items[done_count][0].target, resumed=bookmark is not None
            )
        self.counts.failed += 1
        new = "*" if batch.new_ids is None else batch.new_ids[done_count]
        return step.refusal_error(outcome, text, batch.items[done_count], new)
