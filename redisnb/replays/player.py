"""One replay at work: take what is due, add it, and note how far it came, until the source ends."""

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
#: A batch for each entry would be late at a few thousand a second.
GROUP = 0.001
#: A wait that is long enough to read and choose the next page meanwhile, in seconds.
IDLE = 0.02


class Player:
    """Carry a plan out.

    Attributes
    ----------
    state, error
        As `Replay` has them.
    gate : Gate
        Lets it stop, pause, step and go on, from any thread.
    counts : step.Counts
        What became of the entries.
    place : Checkpoint
        How far it came.
    lateness : Lateness
    found_ended : bool
        Whether the bookmark said at the beginning that the source had come to its end.
    seconds : float
        How long it has been at work.
    """

    def __init__(self, plan: Plan, ended: threading.Event) -> None:
        self.plan, self.gate = plan, Gate(ended)
        self.state: ReplayState = "stopped"
        self.error: BaseException | None = None
        self.counts = step.Counts()
        self.checkpoint = Checkpoint(({},) * len(plan.sources))
        self.lateness = Lateness()
        self.last: bytes | None = None
        self.was_finished = self._has_looked = self._abandoned = False
        self.seconds = 0.0
        # What there is of a pipe must not wait for what is still to come through it.
        self._is_live = not all(source.repeatable for source in plan.sources)
        self.packer, self._ledger = Packer(plan), TargetLedger(plan.target.conn)
        self._feed: Feed | None = None
        # When the first entry was due, by the clock; None where the next one is due at once.
        self._first_due: float | None = None
        # What may have been added without a reply: by the bookmark, or by the IDs it was given.
        self._unanswered: Batch | None = None
        self._is_recovering = False

    # -- from any thread

    def abandon(self) -> None:
        """Go on without it: the server does not answer."""
        self.become("failed", TimeoutError("after stop() the server did not answer"))
        self._abandoned = True

    def become(self, state: ReplayState, error: BaseException | None = None) -> None:
        """Change the state that is shown."""
        if not self._abandoned:
            log_state(f"the replay into {self.plan.target!r}", self.state, state, error)
            self.state, self.error = state, error

    # -- before it begins

    def begin(self) -> None:
        """Find out what there is and where to begin; a mistake shows before anything is sent."""
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
            self.checkpoint, self.was_finished = mark.checkpoint, mark.ended
        if mark is not None and saved_plan is not None and not self._has_looked:
            self.packer.restore(saved_plan["shift"], mark.checkpoint.missed)
        self._has_looked = True

    # -- in its thread

    def play(self) -> None:
        """Replay until the source ends or it is told to stop.

        Raises
        ------
        ReplayError, redis.exceptions.RedisError, ConnectError, OSError
            As `replay` says.
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
            # Its links are not for a replay that waits to be started again.
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
                # The gaps hold, and not the hour: what was due meanwhile is not sent at once.
                self._first_due = None
                self.gate.rest(wait)

    def _new_feed(self) -> Feed:
        pace = self.plan.pace
        return Feed(self.items(), Schedule(pace) if pace.is_timed else None)

    def items(self) -> Iterator[list[Item]]:
        """Read what is still to be sent."""
        return remaining_pages(self.plan, self.checkpoint, lambda: self.gate.stopping)

    def _pump(self, feed: Feed) -> None:
        """Send batch after batch."""
        ready: Batch | None = None
        while ready := ready or self._next_batch(feed, self.checkpoint):
            ready = self._deliver(ready, feed)
            if ready is not None and self.gate.stopping:
                feed.put_back(ready.items, ready.dues)
                return
        if self.gate.stopping:
            return
        self._ledger.check(resumed=self.plan.bookmark is not None)
        if self.plan.bookmark is not None:
            state = self.packer.outcome
            self._deliver(self.packer.pack([], [], self.checkpoint, state=state), feed)

    def _next_batch(self, feed: Feed, checkpoint: Checkpoint) -> Batch | None:
        """Wait for what is due next; None at the end, and when it is told to stop."""
        timed = self.plan.pace.is_timed
        while True:
            steps = self._hold(checkpoint)
            if self.gate.stopping:
                return None
            most = 1 if steps else step.STEP_ENTRIES
            if not timed:
                # As in `frames`: the collector would walk through the lists, and find nothing.
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
        """Wait while it is paused; say whether an entry is to be sent all the same."""
        if not self.gate.pausing:
            if self.state == "paused":
                # It was told to go on while the entry of a step was on its way.
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
        """Take a batch of what is due."""
        # Before anything is taken: it may ask the server, which may be away.
        self.packer.settle_shift(feed.items[0][1])
        items, dues = feed.take(until, most)
        batch = self.packer.pack(items, dues, before)
        while len(batch.command) > step.STEP_BYTES and len(items) > 1:
            # Its size is known now, and not at no cost before.
            half = len(items) // 2
            feed.put_back(items[half:], dues[half:])
            items, dues = items[:half], dues[:half]
            batch = self.packer.pack(items, dues, before)
        return batch

    def _deliver(self, sent: Batch, feed: Feed) -> Batch | None:
        """Send a batch and settle it; give the next one, if it was made meanwhile."""
        ready: Batch | None = None
        wrong: BaseException | None = None

        def prepare() -> None:
            nonlocal ready, wrong
            try:
                # A pause is not to keep the reply waiting.
                ready = None if self.gate.pausing else self._next_batch(feed, sent.after)
            except Exception as error:  # noqa: BLE001 - not before the reply was read: raised below
                wrong = error

        # What has to wait until it is due would keep the reply waiting.
        fast = sent.items and not self.plan.pace.is_timed and not self._is_live
        error: BaseException | None = None
        try:
            reply = wire.ask_packed(
                self.plan.target.conn, sent.command, prepare if fast else lambda: None
            )
        except ConnectError as error_before:
            # Nothing was sent.
            settled, error = 0, error_before
        except (redis.RedisError, OSError) as lost:
            settled, error = self._lose(sent), lost
        else:
            settled, error = self._settle(sent, reply)
        error = error or wrong
        if error is None:
            return ready
        if ready is not None:
            feed.put_back(ready.items, ready.dues)
        feed.put_back(sent.items[settled:], sent.dues[settled:])
        raise error

    def _lose(self, sent: Batch) -> int:
        """Note that no reply came; return how many entries are not to be sent again."""
        if self.plan.bookmark is not None:
            self._unanswered = sent
            return 0
        if sent.new_ids is not None:
            self.counts.doubt(sent.items, sent.new_ids)
            return 0
        self.packer.doubted |= {item[0].target for item in sent.items}
        self.counts.lose(len(sent.items))
        self._advance(sent, len(sent.items), sent.after)
        return len(sent.items)

    def _find_checkpoint(self) -> None:
        """Ask the bookmark how far it came, after a reply that was lost.

        A server that was killed may have lost more than that, entries and place together.
        """
        sent, before, feed = self._unanswered, self.checkpoint, self._feed
        assert sent is not None
        assert self.plan.bookmark is not None
        self.checkpoint = self.plan.bookmark.read(len(self.plan.sources)).checkpoint
        self._unanswered = None
        if self.checkpoint.stored == before.stored:
            return
        if self.checkpoint.count < before.count:
            if self._ledger.has_any_last():
                raise bookmark_removed_error(self.plan.bookmark.key)
            self._ledger.forget()
        if self.checkpoint.count > sent.after.count:
            raise step.overtaken_error(self.plan.bookmark.key)
        self.counts.added += self.checkpoint.count - before.count
        if self.checkpoint.stored == sent.after.stored:
            if feed is not None:
                feed.drop(len(sent.items))
            if sent.new_ids is not None:
                self.counts.recent.extend(id.encode() for id in sent.new_ids)
            return
        self.counts.forget(before.count - self.checkpoint.count)
        for source in self.plan.sources:
            if not source.repeatable:
                raise ReplayError(
                    f"the server has lost some entries, and {source.name} cannot be read again; "
                    "replay it once more under the same name"
                )
        self._feed = None

    def _settle(self, sent: Batch, reply: Any) -> tuple[int, Exception | None]:
        """Note what became of a batch; return how many entries are done, and what stopped it."""
        keys = [item[0].target for item in sent.items]
        if isinstance(reply, redis.ResponseError):
            if step.comes_later(reply):
                return 0, redis.BusyLoadingError(words(reply))
            return 0, explain(reply, keys[0] if keys else "")
        outcome, found, reason, *position = reply
        done = len(found)
        self._ledger.record(keys, found)
        self.counts.take(sent.items, sent.new_ids, found)
        if outcome == b"done":
            self._is_recovering = False
            self._advance(sent, done, sent.after)
            return done, None
        if done:
            checkpoint = (
                Checkpoint.of(position[0].decode(), len(self.plan.sources))
                if self.plan.bookmark is not None
                else step.checkpoint_after(
                    self.checkpoint,
                    sent.items[:done],
                    sent.new_ids and sent.new_ids[:done],
                    missed=self.packer.missed,
                    bookmarked=False,
                )
            )
            self._advance(sent, done, checkpoint)
        return done, self._stop_error(outcome.decode(), step.plain_reason(reason), sent, done)

    def _advance(self, sent: Batch, done: int, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        if done:
            self.last = sent.items[done - 1][1]
        if sent.dues and self._first_due is not None:
            late = time.monotonic() - self._first_due
            for due in sent.dues[:done]:
                self.lateness.add(late - due)

    def _stop_error(self, outcome: str, text: str, sent: Batch, done: int) -> Exception:
        """Return the error for what the server did not carry out."""
        bookmark = self.plan.bookmark
        if bookmark is not None and outcome == "moved":
            # Ahead of this replay is another one, or a command that was given up for lost and has
            # come after all. Behind it is a server that was started again and has lost something.
            if not self._is_recovering and step.is_ahead(text, self.checkpoint):
                return step.overtaken_error(bookmark.key)
            self._unanswered = sent
            return redis.ConnectionError(f"{bookmark.key!r} is not where it was; it is read again")
        if bookmark is not None and outcome == "bookmark":
            return explain(redis.ResponseError(text), bookmark.key)
        if outcome == "gone":
            return target_removed_error(sent.items[done][0].target, resumed=bookmark is not None)
        self.counts.failed += 1
        new = "*" if sent.new_ids is None else sent.new_ids[done]
        return step.refusal_error(outcome, text, sent.items[done], new)
