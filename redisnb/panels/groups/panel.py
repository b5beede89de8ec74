"""GroupsPanel: see why a consumer group is stuck, and settle what is left in it."""

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
from redisnb.panels.groups.state import (
    MOST_LISTED,
    UNREAD,
    GroupsState,
    explain_group,
    list_caption,
    read_groups,
)
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
    error_text,
    shorten,
)
from redisnb.stream import ConsumerGroup, Stream, dead_letters_key

__all__ = ["GroupsPanel"]

#: How long "off" is, in seconds.
OFF = 86_400.0

# What tells most comes first; the times of entries are left out, which their IDs tell.
_GROUPS = ["group", "pending", "lag", "oldest_pending", "consumers"]
_LETTERS = ["entry_id", "error", "deliveries", "consumer", "redrives", "origin_id"]
_WAITING = "it waits for the server"
_NO_GROUP = "select a group first"
_OTHER_GROUP = "another group was selected meanwhile; nothing was done"

EntrySelection = Iterable[str] | str | pd.DataFrame


class GroupsPanel(Panel):
    """Show a stream's consumer groups: who holds what, for how long, how often it was delivered.

    Entries that are selected are claimed, acknowledged, given back or made dead letters; dead
    letters go back; a group goes on elsewhere. Enter on an entry shows it whole.

    Parameters
    ----------
    stream : Stream
        The stream; it need not exist yet.
    snapshot : bool, default True
        Let a saved notebook show the groups, where no widget runs.

    Attributes
    ----------
    stream : Stream
    last_error : BaseException or None
        Why the last thing failed, in full; None if it did not.

    Notes
    -----
    It reads every 2 s, or as often as chosen, in a thread of its own, which takes a tenth of its
    time at most: XINFO, XPENDING, and XRANGE for the oldest 1,000 pending entries of the selected
    group. `stop_all` ends that; "Refresh now" begins again. Methods ask at once, and return when
    the answer is shown.

    Examples
    --------
    >>> GroupsPanel(Stream(conn, "orders"))
    """

    def __init__(self, stream: Stream, *, snapshot: bool = True) -> None:
        if not isinstance(stream, Stream):
            raise TypeError(f"GroupsPanel(stream): a redisnb.Stream, not {type(stream).__name__}")
        self.stream = stream
        # `_lock` is kept while the server is asked. Callbacks take this one alone, and never wait.
        self._view_lock = threading.RLock()
        self._groups_state = UNREAD
        self._group: str | None = None
        self._idle: Duration = 0
        # When it is to be read again, and whether somebody waits for that.
        self._due, self._is_asked = 0.0, False
        # What buttons have asked for, each with the group that was selected then.
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
            empty="No consumer yet: one is there once it has read.",
            on_select=self._buttons,
        )
        self._consumer_buttons = Controls(
            Button("remove", "Remove consumer", tip="Only one that holds nothing"),
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
            Field("consumer", "As consumer", width="14em", tip="Who claims and gives back"),
            Field(
                "guard",
                "Leave what is fresher than",
                width="6em",
                tip="Its owner may be at work: it is not claimed and not buried",
            ),
            Button("claim", "Claim", look="primary", tip="Take it over for this consumer"),
            Button("ack", "Acknowledge", tip="It is done: nobody is given it again"),
            Button(
                "release", "Release", tip="Give back what this consumer holds, for anybody to claim"
            ),
            Button(
                "bury", "To the dead letters", look="danger", tip="Give it up; it is kept there"
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
        self._letter_buttons = Controls(
            Button("redrive", "Redrive", look="primary", tip="Send it back to this group, pending"),
            on_act=lambda _: self._later(partial(self.redrive, self._letters.chosen())),
        )
        self._position = Controls(
            *_start_parts("Go on with", "Go on at"),
            Button("preview", "Preview", tip="Say what would come of it"),
            Button("set", "Set position", look="danger", tip="Do what the preview says"),
            on_act=self._act_position,
            submit="preview",
        )
        self._answer = Text("rnb-note", role="status")
        self._details = Details()
        self._pages = {
            "pending": Column(
                self._consumers,
                self._consumer_buttons,
                self._filters,
                self._pending,
                self._count,
                self._actions,
            ),
            "dead": Column(self._letters, self._letter_buttons),
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
            note=f"{READ_ONLY.capitalize()}: it can look, and change nothing."
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
        """Return the groups as `Stream.groups` gave them last, in schema GROUPS."""
        return self._groups_state.groups

    def python(self) -> str:
        """Return the calls that do the same without the panel, with the last one that wrote."""
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
            names = self._groups_state.groups["group"].tolist()
            if group not in names:
                there = ", ".join(map(repr, names)) or "none"
                raise ValueError(f"{self.stream.key!r} has no group {group!r}; there are: {there}")
            self._choose(group)

        self.refresh()
        self._attempt(select)
        self.refresh()

    def claim(self, entries: EntrySelection, min_idle: Duration) -> int:
        """Take pending entries over for the consumer that is shown; return how many.

        What was delivered to somebody less than `min_idle` ago is left alone.
        """

        def outcome(group: ConsumerGroup, claimed: pd.DataFrame) -> tuple[int, str, str]:
            span = duration(timedelta(milliseconds=milliseconds(min_idle, "min_idle")))
            why = f"delivered less than {span} ago, not pending any more, or trimmed"
            return len(claimed), f"claimed for {group.consumer!r}", why

        return self._settle("claim", entries, outcome, min_idle=min_idle)

    def ack(self, entries: EntrySelection) -> int:
        """Acknowledge pending entries; return how many were pending."""

        def outcome(_: ConsumerGroup, acked: int) -> tuple[int, str, str]:
            return acked, "acknowledged", "not pending any more"

        return self._settle("ack", entries, outcome)

    def release(self, entries: EntrySelection) -> int:
        """Give back what the consumer that is shown holds; return how many entries.

        They count as idle for a day: whoever claims next takes them.
        """

        def outcome(group: ConsumerGroup, released: int) -> tuple[int, str, str]:
            what = "given back, for anybody to claim (they count as idle for a day)"
            return released, what, f"{group.consumer!r} does not hold them; claim them first"

        return self._settle("release", entries, outcome)

    def bury(self, entries: EntrySelection, min_idle: Duration) -> int:
        """Make dead letters of pending entries, whoever holds them; return how many.

        What was delivered to somebody less than `min_idle` ago is left alone.
        """

        def outcome(_: ConsumerGroup, buried: pd.DataFrame) -> tuple[int, str, str]:
            return _count_added(buried), "made dead letters", _first_error(buried)

        return self._settle("bury", entries, outcome, min_idle=min_idle)

    def redrive(self, entries: EntrySelection) -> int:
        """Send dead letters back to their group, where they are pending; return how many."""

        def outcome(_: ConsumerGroup, redriven: pd.DataFrame) -> tuple[int, str, str]:
            what = "sent back, for anybody in the group to claim"
            return _count_added(redriven), what, _first_error(redriven)

        return self._settle("redrive", entries, outcome)

    def set_position(self, start: Position, *, dry_run: bool = False) -> pd.DataFrame | None:
        """Let the group go on elsewhere, or only say what would come of it.

        Returns
        -------
        DataFrame in schema POSITION or None
            As `ConsumerGroup.set_position`; None if it failed.
        """

        def move() -> pd.DataFrame:
            try:
                position = self._client().set_position(start, dry_run=dry_run)
            except ValueError as error:
                self._position.wrong(time=error_text(error))
                raise
            self._position.wrong(time="")
            row = position.iloc[0]
            # What the second button does is what the sentence says, whatever is added meanwhile.
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
        """Remove a consumer that holds nothing; say whether there was one.

        One that holds entries stays, and the panel says so: they would be lost with it.
        """

        def remove() -> bool:
            removed = self._client().remove_consumer(name)
            self._say_outcome(
                f"removed consumer {name!r}" if removed else f"there is no consumer {name!r}",
                f"group.remove_consumer({name!r})",
            )
            return removed

        return bool(self._then_refresh(remove))

    def create(self, name: str, start: Position = "new") -> bool:
        """Create a group, and the stream if it is missing; say whether it was created."""

        def create() -> bool:
            self._form.wrong(name="", time="")
            if not name:
                self._form.wrong(name="Write a name.")
                raise ValueError("a group needs a name")
            try:
                created = ConsumerGroup(self.stream, name).create(start)
            except ValueError as error:
                self._form.wrong(time=error_text(error))
                raise
            self._read()
            self._choose(name)
            self._say_outcome(
                f"created group {name!r}"
                if created
                else f"group {name!r} exists, and stays as it is",
                f"rnb.ConsumerGroup(stream, {name!r}).create({start!r})",
            )
            self._is_form_open = False
            return created

        return bool(self._then_refresh(create))

    def refresh(self) -> None:
        """Read everything anew, and show it."""
        with self._lock:
            if self._closed:
                return
            # What is asked for from here on may come too late for this.
            self._is_asked = False
            is_stopped = self.state == "stopped"
            began = time.monotonic()
            is_read = self._look(self._read)
            self._buttons()
            if is_stopped:
                self._become("stopped")
            elif is_read:
                self._become("paused" if self._every() == OFF else "reading")
            now = time.monotonic()
            # However long it took, others have nine tenths of the time.
            self._due = now + max(self._every(), 9 * (now - began))

    def _settle(
        self,
        verb: str,
        entries: EntrySelection,
        outcome: Callable[[ConsumerGroup, Any], tuple[int, str, str]],
        **options: Any,
    ) -> int:
        """Do something with entries of the group; say with how many, and what became of others."""

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
                # The error is far above what was pressed.
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

    # -- what the user does, on any thread: it waits for nothing

    def _later(self, function: Callable[[], object]) -> None:
        """Have the thread do what may take longer than a callback should."""
        self._jobs.append((self._group, function))
        self._buttons()
        self._ticker.start()

    def _soon(self) -> None:
        """Have the thread read."""
        self._is_asked = True
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
            wrong = _no_duration(guard)
            self._actions.wrong(guard=wrong)
            if wrong:
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
        wrong = _no_duration(text) if text else ""
        self._filters.wrong(idle=wrong)
        if not wrong:
            self._idle = text or 0
            self._soon()

    def _on_group_select(self) -> None:
        keys = self._groups.selected[1]
        # One is selected, always: the one that came last.
        self._choose_key(keys[-1] if keys else str(self._group))

    def _choose_key(self, key: str) -> None:
        for name in self._groups_state.groups["group"]:
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
            self._groups_state = GroupsState(
                self._groups_state.groups, self._groups_state.is_there, name
            )
            self._draw()

    # -- what is shown

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
        is_due = self._is_asked or time.monotonic() >= self._due
        if is_due or self.state not in ("reading", "paused"):
            self.refresh()
        elif not is_off:
            with self._lock:
                # Between two looks a server may go.
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
        state = read_groups(self.stream, name, min_idle=self._idle, letters=is_dead)
        with self._view_lock:
            if self._closed or self._group != name:
                # Another one was selected meanwhile, and is read at once.
                return
            if name is None and state.name is not None:
                self._choose(state.name)
            self._groups_state = state
            if (row := state.row) is not None:
                self._lag_line.add(None if pd.isna(row["lag"]) else int(row["lag"]))
                self._pending_line.add(int(row["pending"]))
            self._updated.value = f"last updated {time.strftime('%H:%M:%S')}"
            self._draw()

    def _draw(self) -> None:
        """Show what was read."""
        with self._view_lock:
            state, groups, row = (
                self._groups_state,
                self._groups_state.groups,
                self._groups_state.row,
            )
            whys = ["lag_unknown"] if groups["lag_unknown"].notna().any() else []
            self._groups.empty = self._no_groups()
            self._groups.show(groups[_GROUPS + whys])
            self._form_box.show(self._is_form_open or groups.empty)
            self._bar.press(new=self._is_form_open)
            self._bar.show(new=not groups.empty)
            self._of_group.show(self._group is not None or len(groups) > 1)
            self._heading.value = "" if self._group is None else f"Group {self._group!r}"
            self._why.value = explain_group(state)
            self._consumers.show(_or(state.consumers, frames.CONSUMERS))
            total = None if self._idle or row is None else int(row["pending"])
            self._pending.empty = self._no_pending()
            self._pending.caption = list_caption(state.pending, total, "pending entries")
            self._pending.show(_or(state.pending, frames.PENDING))
            letters = _or(state.letters, frames.DEAD_LETTERS)
            more = letters.columns[len(frames.DEAD_LETTERS) :]
            self._letters.caption = list_caption(state.letters, None, "dead letters")
            self._letters.show(letters[[*_LETTERS, *more]])
            self._buttons()

    def _buttons(self) -> None:
        """Say of what can be done why it cannot."""
        with self._view_lock:
            if self._closed:
                return
            base = READ_ONLY if self.stream.conn.read_only else _WAITING if self._jobs else ""
            is_there = self._groups_state.row is not None
            selected, all = len(self._pending.chosen()), self._pending.total
            self._count.value = f"{selected:,} of {all:,} selected" if all else ""
            why = base or ("" if selected else "select pending entries first")
            self._actions.disable(claim=why, ack=why, release=why, bury=why)
            letters = len(self._letters.chosen())
            self._letter_buttons.disable(
                redrive=base or ("" if letters else "select dead letters first")
            )
            one = len(self._consumers.chosen()) == 1
            self._consumer_buttons.disable(
                remove=base or ("" if one else "select one consumer first")
            )
            self._form.disable(create=base)
            self._position.disable(
                preview=(_WAITING if self._jobs else "") or ("" if is_there else _NO_GROUP),
                set=base or ("" if self._preview_id else "look at the preview first"),
            )

    def _open_pending(self, key: str) -> None:
        def show() -> None:
            entry = self.stream.entry(key)
            note, row = "Not pending any more.", _row(self._groups_state.pending, key)
            if row:
                # What a consumer has given back by XNACK is nobody's.
                is_held = not pd.isna(row["idle"])
                since = f"{row['consumer']!r}, idle for {duration(row['idle'])}" if is_held else ""
                note = f"Pending with {since or 'nobody'}, delivered {row['deliveries']:,} times."
            if entry is not None:
                self._details.entry(entry, note)
                return
            gone = "It is not in the stream any more, so nobody can handle it: acknowledge it."
            self._details.row(f"{key} of {self.stream.key!r}", row, f"{note} {gone}")

        self._attempt(show)

    def _open_letter(self, key: str) -> None:
        if row := _row(self._groups_state.letters, key):
            note = f"It was {row['origin_id']}, and {row['consumer']!r} held it last."
            self._details.row(f"Dead letter {key}", row, note)

    def _no_groups(self) -> str:
        is_there = self._groups_state.is_there
        if is_there is None:
            return "Nothing was read yet."
        key = repr(self.stream.key)
        what = f"Stream {key} has no consumer group" if is_there else f"There is no stream {key}"
        if self.stream.conn.read_only:
            return f"{what} yet. A connection that writes can create a group."
        makes = "" if is_there else ", which makes the stream too"
        return f"{what} yet. Create a group below{makes}."

    def _no_pending(self) -> str:
        if self._groups_state.row is None:
            return "There is no such group." if self._group is not None else "Select a group above."
        if self._groups_state.pending is None:
            return "…"
        if self._idle:
            return f"Nothing is idle for {self._idle} or longer."
        return "Nothing is pending: whatever was delivered is acknowledged."


def _or(frame: pd.DataFrame | None, schema: dict[str, str]) -> pd.DataFrame:
    return frames.table(schema, []) if frame is None else frame.reset_index(drop=True)


def _row(frame: pd.DataFrame | None, key: str) -> dict[str, Any]:
    rows = [] if frame is None else frame[frame["entry_id"] == key].to_dict("records")
    return {str(name): value for name, value in rows[0].items()} if rows else {}


def _count_added(added: pd.DataFrame) -> int:
    return int((added["status"] == "added").sum())


def _first_error(added: pd.DataFrame) -> str:
    """Say what stands against the first entry that was not moved."""
    errors = added["error"].dropna()
    return "" if errors.empty else str(errors.iloc[0])


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
    """Say what is wrong with a text that should be a duration."""
    try:
        milliseconds(text, "duration")
    except ValueError:
        return f"{text!r} is no duration; write 30s, 5min or 2h, or 0s for none."
    return ""
