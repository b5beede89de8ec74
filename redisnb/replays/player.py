"""One replay at work: take what is due, add it, and note how far it came, until the source ends."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import redis

from redisnb import wire
from redisnb.backoff import Backoff
from redisnb.entries import merged, time_to_ms
from redisnb.errors import ConnectError, ReplayError, code, explain, is_passing, words
from redisnb.frames import paused_collector
from redisnb.replays import step as batch
from redisnb.replays.feed import Batch, Feed
from redisnb.replays.pace import Lateness, Schedule
from redisnb.replays.plan import Plan
from redisnb.replays.sources import Source, following, number
from redisnb.replays.step import Item, Origin, Place

__all__: list[str] = []

State: TypeAlias = Literal[
    "stopped", "starting", "running", "paused", "stalled", "failed", "finished"
]

#: How long what is due waits for what is due next, and how early that is sent with it, in seconds.
#: A batch for each entry would be late at a few thousand a second.
GROUP = 0.001
#: A wait that is long enough to read and choose the next page meanwhile, in seconds.
IDLE = 0.02
#: How many entries are chosen at a time where they have to be in time: a frame takes a while.
CHOSEN = 200
#: How many IDs are kept to show.
KEPT = 100_000

# What the server says of a moment at which it carries nothing out.
_LATER = frozenset({"BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "TRYAGAIN"})
# What Redis 6.2 puts before the error of a command that a script may not call just then.
_WRAPPED = re.compile(r"^@user_script: ?\d+: ?-?|^-")


class Player:
    """Carry a plan out.

    Attributes
    ----------
    state, error
        As `Replay` has them.
    added, skipped, unknown, failed : int
        How many entries.
    place : Place
        How far it came.
    lateness : Lateness
    recent : deque of bytes or None
        The last IDs in the target, in order; None where it is unknown whether there is one.
    found_finished : bool
        Whether the bookmark said so at the beginning.
    seconds : float
        How long it has been at work.
    """

    def __init__(self, plan: Plan, ended: threading.Event) -> None:
        self.plan, self._ended = plan, ended
        self.state: State = "stopped"
        self.error: BaseException | None = None
        self.added = self.skipped = self.unknown = self.failed = 0
        self.place = Place(({},) * len(plan.sources))
        self.lateness = Lateness()
        self.recent: deque[bytes | None] = deque(maxlen=KEPT)
        self.last: bytes | None = None
        self.found_finished = self._has_begun = self._abandoned = False
        self.seconds = 0.0
        self._going = threading.Event()
        self._going.set()
        # How many entries may be sent in a pause, and the number of the last one that was allowed.
        self._steps = threading.Semaphore(0)
        self._allowed: int | None = None
        # What there is of a pipe must not wait for what is still to come through it.
        self._is_live = not all(source.repeatable for source in plan.sources)
        # Set by whatever ends a wait, for what is due or in a pause.
        self._called = threading.Event()
        self._shift: int | None = None
        self._text: str | None = None
        self._feed: Feed | None = None
        # When the first entry was due, by the clock; None where the next one is due at once.
        self._zero: float | None = None
        # What may have been added without a reply: by the bookmark, or by the IDs it was given.
        self._uncertain: Batch | None = None
        self._is_shaky = False
        self._maybe: set[tuple[str, str]] = set()

    # -- from any thread

    @property
    def stopping(self) -> bool:
        """Whether it was told to stop."""
        return self._ended.is_set()

    def stop(self) -> None:
        """End after the batch in hand."""
        self._ended.set()
        self._going.set()
        self._called.set()

    def pause(self) -> None:
        """Wait after the batch in hand."""
        self._going.clear()
        self._called.set()

    @property
    def pausing(self) -> bool:
        """Whether it was told to pause."""
        return not self._going.is_set()

    def step(self, n: int) -> None:
        """Send so many entries of those that a pause holds up."""
        self._steps.release(n)
        self._called.set()

    def resume(self) -> None:
        """Go on after `pause`; the schedule waited too."""
        self._steps = threading.Semaphore(0)
        self._going.set()
        self._called.set()

    def abandon(self) -> None:
        """Go on without it: the server does not answer."""
        self.become("failed", TimeoutError("after stop() the server did not answer"))
        self._abandoned = True

    def become(self, state: State, error: BaseException | None = None) -> None:
        """Change the state that is shown."""
        if not self._abandoned:
            self.state, self.error = state, error

    # -- before it begins

    def begin(self) -> None:
        """Find out what there is and where to begin; a mistake shows before anything is sent."""
        self._ended.clear()
        self._called.clear()
        self._steps, self._allowed = threading.Semaphore(0), None
        self._abandoned = False
        self._zero = None
        plan = self.plan
        mark = None if plan.bookmark is None else plan.bookmark.read(len(plan.sources))
        kept = None if mark is None else mark.plan
        if not self._has_begun:
            for i, source in enumerate(plan.sources):
                if kept is not None and i < len(kept["bounds"]):
                    start, end = kept["bounds"][i]
                    source.bounds = start, end
                source.look()
            plan.check_target()
        if mark is not None and plan.bookmark is not None:
            plan.bookmark.check(mark, plan.definition())
            if self._has_begun:
                # The last batch before it failed may have been added after all.
                self.added += mark.place.count - self.place.count
                self._uncertain = None
            self.place, self.found_finished = mark.place, mark.finished
        if kept is not None:
            self._shift, self._text = kept["shift"], None
        self._has_begun = True

    # -- in its thread

    def play(self) -> None:
        """Replay until the source ends or it is told to stop.

        Raises
        ------
        ReplayError, redis.exceptions.RedisError, ConnectError, OSError
            As `replay` says.
        """
        begun = time.monotonic()
        self._zero = None
        try:
            if not self.found_finished:
                self._play()
            self.become("stopped" if self.stopping else "finished")
        except BaseException as error:
            self.become("failed", error)
            raise
        finally:
            self.seconds += time.monotonic() - begun
            # Its links are not for a replay that waits to be started again.
            self._feed = None

    def _play(self) -> None:
        backoff = Backoff()
        deadline, count = 0.0, -1
        while not self.stopping:
            try:
                if self._uncertain is not None:
                    self._find_place()
                if self._feed is None:
                    self._feed = self._new_feed()
                self.become("running")
                self._pump(self._feed)
                return
            except (redis.RedisError, ConnectError, OSError) as error:
                now = time.monotonic()
                if self.place.count > count:
                    deadline, count = now + self.plan.target.conn.timeout, self.place.count
                    backoff.reset()
                broken = self._feed is not None and self._feed.broken is not None
                if broken or not _may_pass(error) or now >= deadline:
                    raise
                self.become("stalled", error)
                self._is_shaky = True
                # The gaps hold, and not the hour: what was due meanwhile is not sent at once.
                self._zero = None
                self._ended.wait(backoff.next())

    def _new_feed(self) -> Feed:
        pace = self.plan.pace
        return Feed(self.items(), Schedule(pace) if pace.is_timed else None)

    def items(self) -> Iterator[list[Item]]:
        """Read what is still to be sent."""
        plan, place = self.plan, self.place
        left = None if plan.limit is None else plan.limit - place.count
        nothing = not place.count
        if left == 0:
            return
        series = [self._series(index, source, place) for index, source in enumerate(plan.sources)]
        for page in merged(series):
            nothing = False
            wanted = list(page if left is None else page[:left])
            _check_sizes(wanted)
            yield wanted
            left = None if left is None else left - len(wanted)
            if left == 0:
                return
        if nothing:
            for source in plan.sources:
                source.check()

    def _series(self, index: int, source: Source, place: Place) -> Iterator[list[Item]]:
        target, stamp = self.plan.target, self.plan.stamp
        origins: dict[str, Origin] = {}
        size = CHOSEN if self.plan.pace.is_timed else None
        for page in source.pages(place.read[index], size=size):
            if self.stopping:
                # It may take long until `where` wants one.
                return
            items: list[Item] = []
            for key, id, fields in page:
                origin = origins.get(key)
                if origin is None:
                    origin = origins[key] = Origin(index, key, target.key(key))
                if stamp:
                    fields = [*fields, b"replay:stream", key.encode(), b"replay:id", id]
                items.append((origin, id, fields))
            if items:
                yield items

    def _pump(self, feed: Feed) -> None:
        """Send batch after batch."""
        ready: Batch | None = None
        while ready := ready or self._next(feed, self.place):
            ready = self._deliver(ready, feed)
            if ready is not None and self.stopping:
                feed.put_back(ready.items, ready.dues)
                return
        if not self.stopping and self.plan.bookmark is not None:
            self._deliver(self._made([], [], self.place, finished=True), feed)

    def _next(self, feed: Feed, place: Place) -> Batch | None:
        """Wait for what is due next; None at the end, and when it is told to stop."""
        timed = self.plan.pace.is_timed
        while True:
            steps = self._hold(place)
            if self.stopping:
                return None
            most = 1 if steps else batch.ENTRIES
            if not timed:
                # As in `frames`: the collector would walk through the lists, and find nothing.
                with paused_collector():
                    while len(feed.items) < batch.ENTRIES and not self.stopping:
                        if (feed.items and self._is_live) or not feed.more():
                            break
                    return self._taken(feed, None, most, place) if feed.items else None
            if not feed.items:
                if feed.more():
                    continue
                return None
            now = time.monotonic()
            if self._zero is None or steps:
                self._zero = now - feed.dues[0]
            wait = self._zero + feed.dues[0] + GROUP - now
            if wait <= 0 or steps:
                return self._taken(feed, now - self._zero + GROUP, most, place)
            idle = wait > IDLE and len(feed.items) < CHOSEN and not self._is_live
            if idle and feed.more():
                continue
            if self._called.wait(wait):
                self._called.clear()

    def _hold(self, place: Place) -> bool:
        """Wait while it is paused; say whether an entry is to be sent all the same."""
        if self._going.is_set():
            return False
        self.become("paused")
        since = time.monotonic()
        while not self._going.is_set():
            # What was allowed before, and could not be sent, still is.
            if self._allowed == place.count or self._steps.acquire(blocking=False):
                self._allowed = place.count
                return True
            self._called.wait()
            self._called.clear()
        if self._zero is not None:
            self._zero += time.monotonic() - since
        self.become("running")
        return False

    def _taken(self, feed: Feed, until: float | None, most: int, before: Place) -> Batch:
        """Take a batch of what is due."""
        if self.plan.ids == "shift" and self._shift is None:
            # Before anything is taken: it asks the server, which may be away.
            now = time_to_ms(wire.now(self.plan.target.conn))
            self._shift, self._text = now - number(feed.items[0][1])[0], None
        items, dues = feed.take(until, most)
        made = self._made(items, dues, before)
        while len(made.command) > batch.BYTES and len(items) > 1:
            # Its size is known now, and not at no cost before.
            half = len(items) // 2
            feed.put_back(items[half:], dues[half:])
            items, dues = items[:half], dues[:half]
            made = self._made(items, dues, before)
        return made

    def _made(
        self, items: list[Item], dues: list[float], before: Place, *, finished: bool = False
    ) -> Batch:
        plan = self.plan
        given = self._given(items, before.last)
        after = batch.moved(before, items, given, kept=plan.bookmark is not None)
        command = batch.command(
            items,
            given,
            bookmark=None if plan.bookmark is None else plan.bookmark.key,
            plan=self._kept() if plan.bookmark is not None else "",
            before=before.stored,
            after=after.stored,
            finished=finished,
        )
        return Batch(items, dues, given, wire.pack(command), after)

    def _kept(self) -> str:
        """Return what the bookmark keeps of the plan; it is part of each batch."""
        if self._text is None:
            bounds = [source.bounds for source in self.plan.sources]
            kept = {"definition": self.plan.definition(), "bounds": bounds, "shift": self._shift}
            self._text = json.dumps(kept)
        return self._text

    def _given(self, items: Sequence[Item], last: Mapping[str, str]) -> list[str] | None:
        """Return the IDs that entries get, or None if the server gives them."""
        if self.plan.ids == "new":
            return None
        if self.plan.ids == "keep":
            return [id.decode() for _, id, _ in items]
        largest = {target: number(id) for target, id in last.items()}
        given: list[str] = []
        for origin, id, _ in items:
            ms, seq = number(id)
            place = ms + (self._shift or 0), seq
            # Two streams may have the same ID, and become one.
            before = largest.get(origin.target)
            if before is not None and place <= before:
                place = following(before)
            largest[origin.target] = place
            given.append(f"{place[0]}-{place[1]}")
        return given

    def _deliver(self, sent: Batch, feed: Feed) -> Batch | None:
        """Send a batch and settle it; give the next one, if it was made meanwhile."""
        ready: Batch | None = None
        wrong: BaseException | None = None

        def prepare() -> None:
            nonlocal ready, wrong
            try:
                # A pause is not to keep the reply waiting.
                ready = self._next(feed, sent.after) if self._going.is_set() else None
            except Exception as error:  # noqa: BLE001 - not before the reply was read: raised below
                wrong = error

        # What has to wait until it is due would keep the reply waiting.
        fast = sent.items and not self.plan.pace.is_timed and not self._is_live
        error: BaseException | None = None
        try:
            reply = wire.ask_packed(
                self.plan.target.conn, sent.command, prepare if fast else lambda: None
            )
        except ConnectError as refused:
            # Nothing was sent.
            settled, error = 0, refused
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
            self._uncertain = sent
            return 0
        if sent.given is not None:
            self._maybe |= {
                (item[0].target, id) for item, id in zip(sent.items, sent.given, strict=True)
            }
            return 0
        self.unknown += len(sent.items)
        self.recent.extend([None] * len(sent.items))
        self._move(sent, len(sent.items), sent.after)
        return len(sent.items)

    def _find_place(self) -> None:
        """Ask the bookmark how far it came, after a reply that was lost.

        A server that was killed may have lost more than that, entries and place together.
        """
        sent, before, feed = self._uncertain, self.place, self._feed
        assert sent is not None
        assert self.plan.bookmark is not None
        self.place = self.plan.bookmark.read(len(self.plan.sources)).place
        self._uncertain = None
        if self.place.stored == before.stored:
            return
        if self.place.count > sent.after.count:
            raise self._overtaken()
        self.added += self.place.count - before.count
        if self.place.stored == sent.after.stored:
            if feed is not None:
                feed.drop(len(sent.items))
            if sent.given is not None:
                self.recent.extend(id.encode() for id in sent.given)
            return
        for _ in range(before.count - self.place.count):
            if self.recent:
                self.recent.pop()
        for source in self.plan.sources:
            if not source.repeatable:
                raise ReplayError(
                    f"the server has lost some entries, and {source.name} cannot be read again; "
                    "replay it once more under the same name"
                )
        self._feed = None

    def _settle(self, sent: Batch, reply: Any) -> tuple[int, Exception | None]:
        """Note what became of a batch; return how many entries are done, and what stopped it."""
        keys = list(dict.fromkeys(item[0].target for item in sent.items))
        if isinstance(reply, redis.ResponseError):
            if code(reply) in _LATER:
                return 0, redis.BusyLoadingError(words(reply))
            return 0, explain(reply, keys[0] if keys else "")
        outcome, found, reason, *position = reply
        done = len(found)
        self._count(sent, found)
        if outcome == b"done":
            self._is_shaky = False
            self._move(sent, done, sent.after)
            return done, None
        if done:
            place = (
                Place.of(position[0].decode(), len(self.plan.sources))
                if self.plan.bookmark is not None
                else batch.moved(
                    self.place, sent.items[:done], sent.given and sent.given[:done], kept=False
                )
            )
            self._move(sent, done, place)
        return done, self._stopped_by(outcome.decode(), reason, sent, done)

    def _count(self, sent: Batch, found: list[bytes]) -> None:
        if sent.given is None or (all(found) and not self._maybe):
            self.added += len(found)
            self.recent.extend(found)
            return
        for (origin, _, _), given, id in zip(sent.items, sent.given, found, strict=False):
            sent_before = (origin.target, given) in self._maybe
            self._maybe.discard((origin.target, given))
            if id or sent_before:
                self.added += 1
                self.recent.append(given.encode())
            else:
                self.skipped += 1

    def _move(self, sent: Batch, done: int, place: Place) -> None:
        self.place = place
        if done:
            self.last = sent.items[done - 1][1]
        if sent.dues and self._zero is not None:
            late = time.monotonic() - self._zero
            for due in sent.dues[:done]:
                self.lateness.add(late - due)

    def _stopped_by(self, outcome: str, reason: bytes, sent: Batch, done: int) -> Exception:
        """Return the error for what the server did not carry out."""
        text = _WRAPPED.sub("", reason.decode(errors="replace"))
        bookmark = "" if self.plan.bookmark is None else self.plan.bookmark.key
        if outcome == "moved":
            # Ahead of this replay is another one, or a command that was given up for lost and has
            # come after all. Behind it is a server that was started again and has lost something.
            if not self._is_shaky and self._is_ahead(text):
                return self._overtaken()
            self._uncertain = sent
            return redis.ConnectionError(f"{bookmark!r} is not where it was; it is read again")
        if outcome == "bookmark":
            return explain(redis.ResponseError(text), bookmark)
        origin, id, _ = sent.items[done]
        self.failed += 1
        entry = f"entry {id.decode()} of {origin.key!r}"
        if outcome == "refused":
            error = explain(redis.ResponseError(text), origin.target)
            error.add_note(f"it was {entry}, for {origin.target!r}; nothing behind it was sent")
            return error
        new = sent.given[done] if sent.given is not None else "*"
        if outcome == "other":
            why = f"there is another entry with the ID {new}"
        else:
            why = f"it has no entry {new}, and larger IDs already"
        return ReplayError(
            f"{entry} cannot go to {origin.target!r}: {why}; nothing behind it was sent. "
            "ids='new' adds it at the end, where= or start= leaves it out, or take another target"
        )

    def _is_ahead(self, stored: str) -> bool:
        try:
            return Place.of(stored, 0).count > self.place.count
        except ValueError:
            # It is no bookmark any more, which reading it again will tell.
            return False

    def _overtaken(self) -> ReplayError:
        assert self.plan.bookmark is not None
        return ReplayError(
            f"{self.plan.bookmark.key!r} has moved on without this replay: another one of the same "
            "name is running; this one has ended, and nothing was added twice"
        )


def _check_sizes(items: Sequence[Item]) -> None:
    for origin, id, fields in items:
        if len(fields) > batch.MOST_PARTS:
            raise ReplayError(
                f"entry {id.decode()} of {origin.key!r} has more than {batch.MOST_PARTS // 2:,} "
                "fields, more than can be replayed; where= leaves it out"
            )


def _may_pass(error: Exception) -> bool:
    """Say whether to try again; what the server refuses for a while, it may refuse for long."""
    if isinstance(error, redis.ResponseError):
        return code(error) in _LATER
    return is_passing(error)
