"""KeyChanges: delete keys or change when they expire, after a dry run that says what that means."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from redisnb import cards
from redisnb.durations import Duration
from redisnb.errors import ReadOnlyError
from redisnb.keyspace import (
    deletions,
    described_keys,
    expirations,
    key_pages,
    lifetime,
    matching_names,
    name_parts,
    persistences,
)
from redisnb.panels.parts import (
    READ_ONLY,
    Action,
    Box,
    Confirmation,
    Input,
    Label,
    Lane,
    Message,
    Strip,
    Task,
    TaskCancelled,
    Trouble,
)
from redisnb.wire import Connection

__all__ = ["ChangedKeys", "KeyChanges"]


class ChangedKeys(NamedTuple):
    """Which keys to change: some by their names, or all that match.

    Attributes
    ----------
    names : sequence of str or None
    match, type : str
        Without names.
    """

    names: Sequence[str] | None
    match: str = "*"
    type: str = ""

    @property
    def text(self) -> str:
        """Which keys these are, in words."""
        if self.names is not None:
            n = len(self.names)
            return cards.quoted(self.names[0]) if n == 1 else f"{n:,} selected keys"
        kind = f" of type {self.type}" if self.type else ""
        return f"all keys{kind} that match {cards.quoted(self.match)}"

    def parts(self, conn: Connection) -> Iterator[list[bytes]]:
        """Yield their names."""
        if self.names is None:
            return matching_names(conn, self.match, type=self.type or None)
        return name_parts(self.names)


class _Counted(NamedTuple):
    """What a dry run has found."""

    keys: int
    types: Counter[str]
    timed: int

    @property
    def text(self) -> str:
        kinds = ", ".join(f"{n:,} {type}" for type, n in self.types.most_common())
        return f"{_keys_text(self.keys)} ({kinds})" if kinds else _keys_text(self.keys)


class _Change(NamedTuple):
    """What is done, as its button, its result and its dry run say it."""

    verb: str
    past: str
    does: Callable[[Connection, Iterable[Sequence[bytes]]], Iterator[int]]
    means: Callable[[_Counted], str]
    is_lasting: bool


class KeyChanges(Box):
    """Buttons that delete keys, let them expire or keep them, and a question before they do.

    Parameters
    ----------
    conn : Connection
    target : callable
        Returns which keys are to be changed.
    on_done : callable
        Called with the keys that were changed, on any thread.
    trouble : Trouble
    """

    def __init__(
        self,
        conn: Connection,
        target: Callable[[], ChangedKeys],
        on_done: Callable[[ChangedKeys], object],
        trouble: Trouble,
    ) -> None:
        self._conn, self._target, self._on_done = conn, target, on_done
        self.about = Label(look="soft")
        self.delete_button = Action("Delete", self.delete, look="danger")
        self.ttl = Input("Time to live", hint="10min", size=7, on=self.expire)
        self.expire_button = Action("Let expire", self.expire)
        self.persist_button = Action("Keep for ever", self.persist)
        self.question = Confirmation()
        self._way = Action("Dismiss", self.cancel)
        self.outcome = Message(self._way, tone="warn")
        buttons = (self.delete_button, self.ttl, self.expire_button, self.persist_button)
        super().__init__(self.question, self.outcome, Strip(self.about, *buttons, look="foot"))
        self.offer("", "")
        self._lane = Lane("KeyChanges", lambda error, job: self._failed(trouble, error, job))

    def offer(self, what: str, why_not: str) -> None:
        """Name the keys that the buttons are about, or tell why they are not on."""
        why = READ_ONLY if self._conn.read_only else why_not
        self.about.set(text=why or what, hidden=not (why or what))
        for each in (self.delete_button, self.ttl, self.expire_button, self.persist_button):
            # Not a row of buttons that do nothing.
            each.set(disabled=why, hidden=bool(why))

    # -- what the buttons do

    def delete(self, target: ChangedKeys | None = None) -> None:
        """Count the keys that would be deleted, and ask."""
        self._propose(_Change("Delete", "Deleted", deletions, _deletion_text, True), target)

    def expire(self, ttl: Duration | None = None, target: ChangedKeys | None = None) -> None:
        """Count the keys that would expire after a time, and ask."""
        text = self.ttl["value"].strip()
        given: Duration = (float(text) if text.isdecimal() else text) if ttl is None else ttl
        try:
            span = cards.span(lifetime(given))
        except (ValueError, TypeError):
            self.ttl.set(error="write 500ms, 10min or a number of seconds")
            return
        self.ttl.set(error="")
        change = _Change(
            "Let expire",
            "Given a time to live:",
            lambda conn, parts: expirations(conn, parts, given),
            lambda counted: _expiry_text(counted, span),
            False,
        )
        self._propose(change, target)

    def persist(self, target: ChangedKeys | None = None) -> None:
        """Count the keys whose expiry would be lost, and ask."""
        change = _Change("Keep for ever", "Kept:", persistences, _persistence_text, False)
        self._propose(change, target)

    def confirm(self) -> None:
        """Do what was asked about."""
        self.question.confirm()

    def cancel(self) -> None:
        """Do nothing of what was asked about, or stop what is under way."""
        # First: what was stopped says how far it came.
        self.outcome.say("")
        self._lane.cancel()
        # Then: what was counting may have asked until now.
        self.question.cancel()

    def wait(self, seconds: float) -> bool:
        """Wait until nothing is counted or changed; return whether that is so."""
        return self._lane.wait(seconds)

    def stop(self) -> bool:
        """End what it does in the background; return whether that ended within 2 s."""
        return self._lane.stop()

    # -- the dry run, and the change

    def _propose(self, change: _Change, given: ChangedKeys | None) -> None:
        if self._conn.read_only:
            raise ReadOnlyError(READ_ONLY, command=change.verb)
        target = self._target() if given is None else given
        self._lane.cancel()
        self.question.cancel()
        self._say(f"Looking at {target.text}", "Stop")

        def job(task: Task) -> None:
            counted = self._count(task, target)
            if counted.keys and not change.is_lasting and target.names and len(target.names) == 1:
                # It can be taken back, and is about the key that is shown.
                self._do(task, change, target, 1)
                return
            with task.show():
                if not counted.keys:
                    self._say(f"There is no key to change: {target.text}.", "Dismiss")
                    return
                self.outcome.say("")
                self.question.ask(
                    change.means(counted),
                    f"{change.verb} {_keys_text(counted.keys)}",
                    lambda: self._run(change, target, counted.keys),
                )

        self._lane.do(job)

    def _count(self, task: Task, target: ChangedKeys) -> _Counted:
        keys = timed = 0
        types: Counter[str] = Counter()
        pages = (
            key_pages(self._conn, target.match, type=target.type or None)
            if target.names is None
            else (described_keys(self._conn, each) for each in name_parts(target.names))
        )
        for page in pages:
            keys += len(page)
            timed += int(page["ttl"].notna().sum())
            types.update(page["type"].dropna().tolist())
            with task.show():
                self._say(f"Found {_keys_text(keys)} so far", "Stop")
        return _Counted(keys, types, timed)

    def _run(self, change: _Change, target: ChangedKeys, expected: int) -> None:
        self._say(f"{change.past} 0 of {_keys_text(expected)}", "Stop")
        self._lane.do(lambda task: self._do(task, change, target, expected))

    def _do(self, task: Task, change: _Change, target: ChangedKeys, expected: int) -> None:
        done = 0
        try:
            for n in change.does(self._conn, target.parts(self._conn)):
                done += n
                with task.show():
                    self._say(f"{change.past} {done:,} of {_keys_text(expected)}", "Stop")
        except TaskCancelled:
            self._end(f"Stopped. {change.past} {_keys_text(done)}.", target)
        except Exception:
            if done:
                self._end(f"{change.past} {_keys_text(done)}, then it failed.", target)
            raise
        else:
            self._end(f"{change.past} {_keys_text(done)}.", target)

    def _end(self, text: str, target: ChangedKeys) -> None:
        self._say(text, "Dismiss", tone="good")
        self._on_done(target)

    def _say(self, text: str, way: str, *, tone: str = "warn") -> None:
        self._way.set(label=way)
        self.outcome.say(text, tone=tone)

    def _failed(self, trouble: Trouble, error: Exception, job: Callable[[Task], object]) -> None:
        if self._way["label"] != "Dismiss":
            self.outcome.say("")
        trouble.report(error)


def _keys_text(n: int) -> str:
    return f"{n:,} {'key' if n == 1 else 'keys'}"


def _deletion_text(counted: _Counted) -> str:
    forever = counted.keys - counted.timed
    never = f" {forever:,} of them never expire." if forever else " All of them would expire."
    if counted.keys == 1:
        never = ""
    return f"{counted.text} would be deleted.{never} It cannot be taken back."


def _expiry_text(counted: _Counted, span: str) -> str:
    lost = (
        f" {counted.timed:,} of them have another expiry, which is lost." if counted.timed else ""
    )
    return f"{counted.text} would be gone in {span}.{lost}"


def _persistence_text(counted: _Counted) -> str:
    if not counted.timed:
        return f"{counted.text}: none of them would expire anyway."
    return f"Of {counted.text}, {counted.timed:,} would expire: their expiry is lost."
