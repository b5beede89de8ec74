"""GroupsPanel: see why a consumer group is stuck, and settle its pending entries."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial
from typing import Any

import pandas as pd

from redisnb import frames
from redisnb.durations import Duration, milliseconds
from redisnb.entries import Position
from redisnb.panels.groups.view import (
    MOST_LISTED,
    UNREAD,
    GroupsView,
    count_added,
    explain_group,
    first_error,
    frame_or_empty,
    list_caption,
    read_groups,
    row_of,
)
from redisnb.panels.parts import error_text
from redisnb.panels.widgets import (
    CHECK_INTERVAL,
    READ_ONLY,
    Button,
    Choice,
    Column,
    Controls,
    ControlSpec,
    Details,
    Field,
    Panel,
    Row,
    Sparkline,
    Table,
    Tabs,
    Text,
    duration,
    shorten,
)
from redisnb.stream import ConsumerGroup, Stream, dead_letters_key

__all__ = ["GroupsPanel"]

#: How long "off" is, in seconds.
OFF = 86_400.0

# The most telling columns come first; entry times are left out, because the IDs contain them.
_GROUPS = ["group", "pending", "lag", "oldest_pending", "consumers"]
_LETTERS = ["entry_id", "error", "deliveries", "consumer", "redrives", "origin_id"]
_WAITING = "it is waiting for the server"
_NO_GROUP = "select a group first"
_OTHER_GROUP = "another group has been selected since; nothing was done"

EntrySelection = Iterable[str] | str | pd.DataFrame


class GroupsPanel(Panel):
    """A stream's consumer groups: what each consumer holds, for how long, and how often delivered.

    Selected entries can be claimed, acknowledged, released or moved to the dead letters; dead
    letters can be redriven; a group's position can be set. Enter on an entry shows it in full.

    Parameters
    ----------
    stream : Stream
        The stream; it need not exist yet.
    snapshot : bool, default True
        Whether a saved notebook shows the groups where no widget runs.

    Attributes
    ----------
    stream : Stream
    last_error : BaseException or None
        Why the last action failed; None if it did not.

    Notes
    -----
    It reads every 2 s, or as often as chosen, in a thread of its own that is busy at most a tenth
    of the time: XINFO, XPENDING, and XRANGE for the oldest 1,000 pending entries of the selected
    group. `stop_all` ends that; "Refresh now" restarts it. Methods query at once, and return when
    the answer is shown.

    Examples
    --------
    >>> GroupsPanel(Stream(conn, "orders"))
    """

    def __init__(self, stream: Stream, *, snapshot: bool = True) -> None:
        if not isinstance(stream, Stream):
            raise TypeError(f"GroupsPanel(stream): a redisnb.Stream, not {type(stream).__name__}")
        self.stream = stream
        # `_lock` is held during requests. Callbacks take only this lock, so they never wait.
        self._view_lock = threading.RLock()
        self._view = UNREAD
        self._group: str | None = None
        self._idle: Duration = 0
        # When the next read is due, and whether one was requested.
        self._due, self._is_requested = 0.0, False
        # The actions that buttons requested, each with the group selected at the time.
        self._jobs: deque[tuple[str | None, Callable[[], object]]] = deque()
        self._preview_id: str | None = None
        self._last_call = ""
        self._is_form_open = False
        self._bar = Controls(
            Choice(
                "every",
                "Refresh",
                [(str(OFF), "off"), *((str(n), f"every {n} s") for n in (1, 2, 5, 10))],
            ),
            Button("refresh", "Refresh now"),
            Button("new", "New group", tip="Create a group of this stream"),
            on_act=self._act,
            every="2",
        )
        self._updated = Text("rnb-note")
        self._groups = Table(
            label="Groups",
            key="group",
            filters=False,
            missing={"lag": "unknown"},
            on_select=self._on_group_select,
            on_open=self._choose_key,
        )
        self._form = Controls(
            Field("name", "Name", width="14em"),
            *_start_parts("Deliver", "Deliver from"),
            Button("create", "Create group", look="primary", tip="XGROUP CREATE"),
            on_act=self._act_form,
            submit="create",
        )
        self._form_box = Column(self._form)
        self._heading = Text("rnb-title", role="heading")
        self._lag_line, self._pending_line = Sparkline("lag"), Sparkline("pending")
        self._why = Text("rnb-why-stuck")
        self._tabs = Controls(
            Tabs(
                "tab",
                "Of the group",
                [("pending", "Pending"), ("dead", "Dead letters"), ("position", "Position")],
            ),
            on_act=lambda _: self._tab(),
        )
        self._consumers = Table(
            label="Consumers",
            key="consumer",
            filters=False,
            empty="No consumer yet: a consumer appears once it has read.",
            on_select=self._buttons,
        )
        self._consumer_row = Controls(
            Button("remove", "Remove consumer", tip="Only one that holds no entries"),
            on_act=self._act_consumer,
        )
        self._filters = Controls(
            Field("idle", "Idle at least", hint="any, 30s, 5min", width="9em", acts=True),
            on_act=lambda _: self._filter(),
        )
        self._pending = Table(
            label="Pending entries",
            key="entry_id",
            on_select=self._buttons,
            on_open=lambda key: self._later(partial(self._open_pending, key)),
        )
        self._count = Text("rnb-note")
        self._actions = Controls(
            Field("consumer", "As consumer", width="14em", tip="Claims and releases for this one"),
            Field(
                "guard",
                "Leave entries fresher than",
                width="6em",
                tip="Their consumer may still be at work: they are not claimed and not buried",
            ),
            Button("claim", "Claim", look="primary", tip="Take them over for this consumer"),
            Button("ack", "Acknowledge", tip="They are done and not delivered again"),
            Button("release", "Release", tip="Let any consumer claim what this one holds"),
            Button(
                "bury", "To the dead letters", look="danger", tip="Give up on them; keep a copy"
            ),
            on_act=self._act_entries,
            consumer=ConsumerGroup(stream, "").consumer,
            guard="1min",
        )
        self._letters = Table(
            label="Dead letters",
            key="entry_id",
            empty=f"No dead letters of this group in {dead_letters_key(stream.key)!r}.",
            on_select=self._buttons,
            on_open=lambda key: self._later(partial(self._open_letter, key)),
        )
        self._letter_row = Controls(
            Button("redrive", "Redrive", look="primary", tip="Send them back to this group"),
            on_act=lambda _: self._later(partial(self.redrive, self._letters.chosen())),
        )
        self._position = Controls(
            *_start_parts("Continue with", "Continue at"),
            Button("preview", "Preview", tip="Show what that would skip or repeat"),
            Button("set", "Set position", look="danger", tip="Do what the preview says"),
            on_act=self._act_position,
            submit="preview",
        )
        self._answer = Text("rnb-note", role="status")
        self._details = Details()
        self._pages = {
            "pending": Column(
                self._consumers,
                self._consumer_row,
                self._filters,
                self._pending,
                self._count,
                self._actions,
            ),
            "dead": Column(self._letters, self._letter_row),
            "position": Column(self._position),
        }
        self._of_group = Column(
            Row(self._heading, self._lag_line, self._pending_line),
            self._why,
            self._tabs,
            *self._pages.values(),
            self._answer,
            self._details,
        )
        super().__init__(
            f"Groups of {stream.key!r}",
            stream.conn.name,
            Row(self._bar, self._updated),
            self._groups,
            self._form_box,
            self._of_group,
            note=f"{READ_ONLY.capitalize()}: it can look, but change nothing."
            if stream.conn.read_only
            else "",
            snapshot=snapshot,
        )
        for table in (self._groups, self._consumers):
            table.add_class("rnb-low")
        for controls in (self._form, self._position):
            controls.show(time=False)
        self._become("connecting")
        self._tab(is_new=False)
        self._draw()
        self.refresh()
        self._ticker.start()

    def __repr__(self) -> str:
        return f"GroupsPanel({self.stream.key!r})"

    def frame(self) -> pd.DataFrame:
        """Return the last result of `Stream.groups`, in schema GROUPS."""
        return self._view.groups

    def python(self) -> str:
        """Return the calls that do the same without the panel, and the last one that wrote."""
        lines = [
            f"import redisnb as rnb\n\nconn = rnb.connect({self.stream.conn.url!r})",
            f"stream = rnb.Stream(conn, {self.stream.key!r})",
            "stream.groups()",
        ]
        if self._group is not None:
            group = self._client()
            idle = f", min_idle={self._idle!r}" if self._idle else ""
            lines += [
                f"group = rnb.ConsumerGroup(stream, {group.name!r}, consumer={group.consumer!r})",
                *{
                    "pending": [
                        "group.consumers()",
                        f"group.pending(payload=True, limit={MOST_LISTED}{idle})",
                    ],
                    "dead": [f"group.dead_letters(limit={MOST_LISTED})"],
                    "position": [f"group.set_position({_start(self._position)!r}, dry_run=True)"],
                }[self._tabs["tab"]],
            ]
        return "\n".join([*lines, *([self._last_call] if self._last_call else [])])

    # -- what the buttons do

    def select(self, group: str) -> None:
        """Show a group's consumers, its pending entries and its dead letters."""

        def select() -> None:
            names = self._view.groups["group"].tolist()
            if group not in names:
                known = ", ".join(map(repr, names)) or "none"
                raise ValueError(f"{self.stream.key!r} has no group {group!r}; it has: {known}")
            self._choose(group)

        self.refresh()
        self._attempt(select)
        self.refresh()

    def claim(self, entries: EntrySelection, min_idle: Duration) -> int:
        """Take pending entries over for the displayed consumer; return how many.

        Entries delivered less than `min_idle` ago are left alone.
        """

        def outcome(group: ConsumerGroup, frame: pd.DataFrame) -> tuple[int, str, str]:
            span = duration(timedelta(milliseconds=milliseconds(min_idle, "min_idle")))
            why = f"delivered less than {span} ago, no longer pending, or trimmed"
            return len(frame), f"claimed for {group.consumer!r}", why

        return self._settle("claim", entries, outcome, min_idle=min_idle)

    def ack(self, entries: EntrySelection) -> int:
        """Acknowledge pending entries; return how many were pending."""

        def outcome(_: ConsumerGroup, count: int) -> tuple[int, str, str]:
            return count, "acknowledged", "no longer pending"

        return self._settle("ack", entries, outcome)

    def release(self, entries: EntrySelection) -> int:
        """Release entries that the displayed consumer holds; return how many.

        They count as idle for a day: the next consumer that claims takes them.
        """

        def outcome(group: ConsumerGroup, count: int) -> tuple[int, str, str]:
            what = "released, for any consumer to claim (they count as idle for a day)"
            return count, what, f"{group.consumer!r} does not hold them; claim them first"

        return self._settle("release", entries, outcome)

    def bury(self, entries: EntrySelection, min_idle: Duration) -> int:
        """Move pending entries of any consumer to the dead letters; return how many.

        Entries delivered less than `min_idle` ago are left alone.
        """

        def outcome(_: ConsumerGroup, rows: pd.DataFrame) -> tuple[int, str, str]:
            return count_added(rows), "moved to the dead letters", first_error(rows)

        return self._settle("bury", entries, outcome, min_idle=min_idle)

    def redrive(self, entries: EntrySelection) -> int:
        """Send dead letters back to their group, where they are pending; return how many."""

        def outcome(_: ConsumerGroup, rows: pd.DataFrame) -> tuple[int, str, str]:
            what = "sent back, for any consumer of the group to claim"
            return count_added(rows), what, first_error(rows)

        return self._settle("redrive", entries, outcome)

    def set_position(self, start: Position, *, dry_run: bool = False) -> pd.DataFrame | None:
        """Set the group's position, or only show what that would skip or repeat.

        Returns
        -------
        DataFrame in schema POSITION or None
            As `ConsumerGroup.set_position`; None if it failed.
        """

        def move() -> pd.DataFrame:
            try:
                position = self._client().set_position(start, dry_run=dry_run)
            except ValueError as error:
                self._position.flag(time=error_text(error))
                raise
            self._position.flag(time="")
            row = position.iloc[0]
            # "Set position" does what the preview says, even if entries are added in between.
            self._preview_id = f"({row['after']}" if dry_run else None
            skips, repeats = ("skip", "repeat") if dry_run else ("skips", "repeats")
            self._say_outcome(
                f"{row['group']!r} {'would go' if dry_run else 'went'} from {row['before']} to "
                f"{row['after']}: {'would ' if dry_run else ''}{skips} {row['skipped']:,} and "
                f"{repeats} {row['repeated']:,}. What is pending stays pending.",
                "" if dry_run else f"group.set_position({start!r})",
            )
            return position

        self._preview_id = None
        position: pd.DataFrame | None = self._then_refresh(move)
        return position

    def remove_consumer(self, name: str) -> bool:
        """Remove a consumer that holds no entries; return whether it existed.

        One that holds entries stays, and the panel says so: they would be lost with it.
        """

        def remove() -> bool:
            is_removed = self._client().remove_consumer(name)
            self._say_outcome(
                f"removed consumer {name!r}" if is_removed else f"there is no consumer {name!r}",
                f"group.remove_consumer({name!r})",
            )
            return is_removed

        return bool(self._then_refresh(remove))

    def create(self, name: str, start: Position = "new") -> bool:
        """Create a group, and the stream if it is missing; return whether it was created."""

        def create() -> bool:
            self._form.flag(name="", time="")
            if not name:
                self._form.flag(name="Write a name.")
                raise ValueError("a group needs a name")
            try:
                is_created = ConsumerGroup(self.stream, name).create(start)
            except ValueError as error:
                self._form.flag(time=error_text(error))
                raise
            self._read()
            self._choose(name)
            self._say_outcome(
                f"created group {name!r}"
                if is_created
                else f"group {name!r} already exists and is unchanged",
                f"rnb.ConsumerGroup(stream, {name!r}).create({start!r})",
            )
            self._is_form_open = False
            return is_created

        return bool(self._then_refresh(create))

    def refresh(self) -> None:
        """Read everything again, and show it."""
        with self._lock:
            if self._closed:
                return
            # Requests from here on may come too late for this read.
            self._is_requested = False
            is_stopped = self.state == "stopped"
            began = time.monotonic()
            is_read = self._look(self._read)
            self._buttons()
            if is_stopped:
                self._become("stopped")
            elif is_read:
                self._become("paused" if self._every() == OFF else "reading")
            now = time.monotonic()
            # However long it took, this leaves nine tenths of the time to others.
            self._due = now + max(self._every(), 9 * (now - began))

    def _settle(
        self,
        verb: str,
        entries: EntrySelection,
        outcome: Callable[[ConsumerGroup, Any], tuple[int, str, str]],
        **options: Any,
    ) -> int:
        """Apply a method to entries of the group; report how many, and why not the others."""

        def settle() -> int:
            ids = [str(id) for id in frames.entry_ids(entries)]
            group = self._client()
            count, what, why = outcome(group, getattr(group, verb)(ids, **options))
            left = len(ids) - count
            rest = f"; {left:,} left alone: {why}" if left else ""
            arguments = ", ".join(
                [repr(ids), *(f"{name}={value!r}" for name, value in options.items())]
            )
            self._say_outcome(
                f"{count:,} of {len(ids):,} {what}{rest}", f"group.{verb}({arguments})"
            )
            return count

        return int(self._then_refresh(settle) or 0)

    def _then_refresh(self, function: Callable[[], Any]) -> Any:
        with self._lock:
            result = self._attempt(function)
            if self.last_error is not None:
                # The error is displayed far above the pressed button.
                self._answer.value = shorten(f"Not done: {error_text(self.last_error)}", 1_000)
            self.refresh()
            return result

    def _say_outcome(self, text: str, call: str) -> None:
        self._answer.value = text
        self._last_call = call or self._last_call

    def _client(self) -> ConsumerGroup:
        group: Any = self._group
        if group is None:
            raise ValueError("no group is selected; select one in the table")
        consumer = str(self._actions["consumer"]).strip()
        return ConsumerGroup(self.stream, group, consumer=consumer or None)

    # -- user actions, on any thread: they never wait

    def _later(self, function: Callable[[], object]) -> None:
        """Let the thread do what may take longer than a callback should."""
        self._jobs.append((self._group, function))
        self._buttons()
        self._ticker.start()

    def _soon(self) -> None:
        """Let the thread read."""
        self._is_requested = True
        self._ticker.start()

    def _again(self) -> None:
        self._soon()

    def _act(self, name: str) -> None:
        if name == "new":
            with self._view_lock:
                self._is_form_open = not self._is_form_open
            self._draw()
        else:
            self._soon()

    def _act_form(self, name: str) -> None:
        self._form.show(time=self._form["from"] == "time")
        if name == "create":
            text = str(self._form["name"]).strip()
            self._later(partial(self.create, text, _start(self._form)))

    def _act_consumer(self, _: str) -> None:
        name = self._consumers.chosen()["consumer"].iloc[0]
        self._later(partial(self.remove_consumer, name))

    def _act_entries(self, name: str) -> None:
        entries = self._pending.chosen()
        arguments: list[Any] = [entries]
        if name in ("claim", "bury"):
            guard = str(self._actions["guard"]).strip()
            problem = _no_duration(guard)
            self._actions.flag(guard=problem)
            if problem:
                return
            arguments.append(guard)
        self._later(partial(getattr(self, name), *arguments))

    def _act_position(self, name: str) -> None:
        self._position.show(time=self._position["from"] == "time")
        if name == "preview":
            self._later(partial(self.set_position, _start(self._position), dry_run=True))
        elif name == "set" and self._preview_id is not None:
            self._later(partial(self.set_position, self._preview_id))
        else:
            self._preview_id = None
            self._buttons()

    def _tab(self, *, is_new: bool = True) -> None:
        for name, page in self._pages.items():
            page.show(name == self._tabs["tab"])
        self._details.hide()
        self._answer.value = ""
        if is_new:
            self._soon()

    def _filter(self) -> None:
        text = str(self._filters["idle"]).strip()
        problem = _no_duration(text) if text else ""
        self._filters.flag(idle=problem)
        if not problem:
            self._idle = text or 0
            self._soon()

    def _on_group_select(self) -> None:
        keys = self._groups.selected[1]
        # Exactly one group is always selected: the last one that was chosen.
        self._choose_key(keys[-1] if keys else str(self._group))

    def _choose_key(self, key: str) -> None:
        for name in self._view.groups["group"]:
            if str(name) == key:
                self._choose(name)
        self._soon()

    def _choose(self, name: str) -> None:
        with self._view_lock:
            self._groups.select([str(name)])
            if name == self._group:
                return
            self._group = name
            self._preview_id, self._answer.value = None, ""
            for table in (self._consumers, self._pending, self._letters):
                # The same IDs may be pending in both groups.
                table.select([])
            for line in (self._lag_line, self._pending_line):
                line.clear()
            self._details.hide()
            self._view = GroupsView(self._view.groups, self._view.is_there, name)
            self._draw()

    # -- display

    def _every(self) -> float:
        return float(self._bar["every"])

    def _tick(self) -> float | None:
        if self.state == "stopped":
            self._become("connecting")
        while self._jobs and not self._closed:
            group, job = self._jobs[0]
            try:
                if group == self._group:
                    job()
                else:
                    self._answer.value = _OTHER_GROUP
            finally:
                self._jobs.popleft()
                self._buttons()
        is_off = self._every() == OFF
        is_due = self._is_requested or time.monotonic() >= self._due
        if is_due or self.state not in ("reading", "paused"):
            self.refresh()
        elif not is_off:
            with self._lock:
                # The server may go away between two reads.
                self._look(self._ping)
        if self.state not in ("reading", "paused"):
            return CHECK_INTERVAL
        return OFF if is_off else min(CHECK_INTERVAL, max(0.0, self._due - time.monotonic()))

    def _ping(self) -> None:
        len(self.stream)

    def _last_tick(self) -> bool:
        self._jobs.clear()
        self._buttons()
        self._become("stopped")
        return False

    def _read(self) -> None:
        name, is_dead = self._group, self._tabs["tab"] == "dead"
        view = read_groups(self.stream, name, min_idle=self._idle, letters=is_dead)
        with self._view_lock:
            if self._closed or self._group != name:
                # Another group has been selected since, and is read at once.
                return
            if name is None and view.name is not None:
                self._choose(view.name)
            self._view = view
            if (row := view.row) is not None:
                self._lag_line.add(None if pd.isna(row["lag"]) else int(row["lag"]))
                self._pending_line.add(int(row["pending"]))
            self._updated.value = f"last updated {time.strftime('%H:%M:%S')}"
            self._draw()

    def _draw(self) -> None:
        """Show what was read."""
        with self._view_lock:
            view, groups, row = self._view, self._view.groups, self._view.row
            whys = ["lag_unknown"] if groups["lag_unknown"].notna().any() else []
            self._groups.empty = self._no_groups()
            self._groups.show(groups[_GROUPS + whys])
            self._form_box.show(self._is_form_open or groups.empty)
            self._bar.press(new=self._is_form_open)
            self._bar.show(new=not groups.empty)
            self._of_group.show(self._group is not None or len(groups) > 1)
            self._heading.value = "" if self._group is None else f"Group {self._group!r}"
            self._why.value = explain_group(view)
            self._consumers.show(frame_or_empty(view.consumers, frames.CONSUMERS))
            total = None if self._idle or row is None else int(row["pending"])
            self._pending.empty = self._no_pending()
            self._pending.caption = list_caption(view.pending, total, "pending entries")
            self._pending.show(frame_or_empty(view.pending, frames.PENDING))
            letters = frame_or_empty(view.letters, frames.DEAD_LETTERS)
            more = letters.columns[len(frames.DEAD_LETTERS) :]
            self._letters.caption = list_caption(view.letters, None, "dead letters")
            self._letters.show(letters[[*_LETTERS, *more]])
            self._buttons()

    def _buttons(self) -> None:
        """Disable each button that cannot be used now, with the reason."""
        with self._view_lock:
            if self._closed:
                return
            base = READ_ONLY if self.stream.conn.read_only else _WAITING if self._jobs else ""
            is_there = self._view.row is not None
            selected, all = len(self._pending.chosen()), self._pending.total
            self._count.value = f"{selected:,} of {all:,} selected" if all else ""
            why = base or ("" if selected else "select pending entries first")
            self._actions.disable(claim=why, ack=why, release=why, bury=why)
            letters = len(self._letters.chosen())
            self._letter_row.disable(
                redrive=base or ("" if letters else "select dead letters first")
            )
            one = len(self._consumers.chosen()) == 1
            self._consumer_row.disable(remove=base or ("" if one else "select one consumer first"))
            self._form.disable(create=base)
            self._position.disable(
                preview=(_WAITING if self._jobs else "") or ("" if is_there else _NO_GROUP),
                set=base or ("" if self._preview_id else "look at the preview first"),
            )

    def _open_pending(self, key: str) -> None:
        def show() -> None:
            entry = self.stream.entry(key)
            note, row = "No longer pending.", row_of(self._view.pending, key)
            if row:
                # An entry released by XNACK has no consumer.
                is_held = not pd.isna(row["idle"])
                owner = f"{row['consumer']!r}, idle for {duration(row['idle'])}" if is_held else ""
                owner = owner or "no consumer"
                note = f"Pending with {owner}, delivered {row['deliveries']:,} times."
            if entry is not None:
                self._details.entry(entry, note)
                return
            gone = "It is no longer in the stream, so no consumer can handle it: acknowledge it."
            self._details.row(f"{key} of {self.stream.key!r}", row, f"{note} {gone}")

        self._attempt(show)

    def _open_letter(self, key: str) -> None:
        if row := row_of(self._view.letters, key):
            note = f"It was {row['origin_id']}; its last consumer was {row['consumer']!r}."
            self._details.row(f"Dead letter {key}", row, note)

    def _no_groups(self) -> str:
        is_there = self._view.is_there
        if is_there is None:
            return "Nothing was read yet."
        key = repr(self.stream.key)
        what = f"Stream {key} has no consumer group" if is_there else f"There is no stream {key}"
        if self.stream.conn.read_only:
            return f"{what} yet. A connection that writes can create a group."
        makes = "" if is_there else ", which makes the stream too"
        return f"{what} yet. Create a group below{makes}."

    def _no_pending(self) -> str:
        if self._view.row is None:
            return "There is no such group." if self._group is not None else "Select a group above."
        if self._view.pending is None:
            return "…"
        if self._idle:
            return f"No entry is idle for {self._idle} or longer."
        return "Nothing is pending: all delivered entries are acknowledged."


def _start_parts(label: str, at: str) -> tuple[ControlSpec, ControlSpec]:
    options = [
        ("new", "what is added from now on"),
        ("all", "the first entry"),
        ("time", "a time or an ID"),
    ]
    return (
        Choice("from", label, options),
        Field("time", at, hint="-5min, 2024-05-01 10:30, an ID", width="18em", acts=True),
    )


def _start(controls: Controls) -> str:
    selected = str(controls["from"])
    return str(controls["time"]).strip() if selected == "time" else selected


def _no_duration(text: str) -> str:
    """Return what is wrong with a text that should be a duration, "" if nothing."""
    try:
        milliseconds(text, "duration")
    except ValueError:
        return f"{text!r} is not a duration; write 30s, 5min or 2h, or 0s for none."
    return ""
