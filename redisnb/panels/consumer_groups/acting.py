"""What the buttons of a panel of groups do."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from redisnb.durations import milliseconds
from redisnb.errors import EntryIdError
from redisnb.panels.consumer_groups.mending import Mend
from redisnb.panels.consumer_groups.outcomes import (
    GroupResult,
    acked,
    autoclaimed,
    buried,
    entries_claimed,
    position_moved,
    redriven,
    released,
    trimmed,
    without_consumers,
)
from redisnb.panels.consumer_groups.seeing import GroupsSeen, LookRequest
from redisnb.panels.consumer_groups.view import GroupsLayout, selection_of
from redisnb.panels.parts import Confirmation, Input, error_text
from redisnb.stream import ConsumerGroup, Stream, dead_letters_key

__all__ = ["GroupActs", "asked_for", "check_name"]

#: For how long a consumer that holds nothing must be silent to be removed with others.
_GONE_AFTER = "24h"


class GroupActs:
    """What the buttons do, for the group that is open when they are pressed.

    Parameters
    ----------
    view : GroupsLayout
    seen : GroupsSeen
    act : callable
        Does a job that changes something, in the background.
    tell : callable
        Shows an outcome, and reads again.
    soon : callable
        Has the panel read again.
    show_buttons : callable
        Shows what the buttons act on.
    """

    def __init__(
        self,
        view: GroupsLayout,
        seen: GroupsSeen,
        act: Callable[[Callable[[], object]], None],
        tell: Callable[[GroupResult], object],
        soon: Callable[[], object],
        show_buttons: Callable[[], object],
    ) -> None:
        self._view, self._seen = view, seen
        self._act, self._tell, self._soon = act, tell, soon
        self._show_buttons = show_buttons
        settle = view.settle
        settle.claim.on, settle.ack.on = self._claim, self._ack
        settle.release.on, settle.bury.on = self._release, self._bury
        view.letters_bar.redrive.on = self._redrive
        view.consumer_bar.show_held.on = lambda: self._show_held(self._chosen_consumer(), "")
        view.consumer_bar.remove.on = self._remove
        view.pending.on, view.letters.on = self._open_pending, self._open_letter
        view.details.on = self._unchoose
        view.groups.new.on = lambda: self.open_form(view.new["hidden"])

    @property
    def consumer(self) -> str:
        """The name as which entries are claimed and released."""
        return str(self._view.settle.consumer["value"]).strip()

    def group(self) -> ConsumerGroup:
        """Return the open group.

        Raises
        ------
        ValueError
            If none is open.
        """
        if self._seen.opened is None:
            raise ValueError("no group is open; select() opens one")
        return self._seen.group(self._seen.opened, self.consumer)

    # -- pending entries

    def _claim(self) -> None:
        group, ids, idle = self.group(), _ids(self._view.pending), self._guard()
        if idle is not None:
            self._do(entries_claimed, group, ids, idle)

    def _release(self) -> None:
        self._do(released, self.group(), _ids(self._view.pending))

    def _bury(self) -> None:
        group, ids, idle = self.group(), _ids(self._view.pending), self._guard()
        if idle is not None:
            self._do(buried, group, ids, idle)

    def _ack(self) -> None:
        self._ask_to_ack(self.group(), _ids(self._view.pending), self._view.settle.confirm)

    def _ask_to_ack(self, group: ConsumerGroup, ids: list[str], confirm: Confirmation) -> None:
        job = partial(self._do, acked, group, ids)
        if len(ids) == 1:
            job()
            return
        n = f"{len(ids):,}"
        text = f"{group.name!r} never delivers these {n} entries again; this cannot be taken back."
        confirm.ask(text, f"Acknowledge {n}", job)

    def _guard(self) -> str | None:
        """Return how fresh entries are left alone; None where the field says no duration."""
        field = self._view.settle.guard
        text = str(field["value"]).strip()
        field.set(error=_duration_problem(text))
        return None if field["error"] else text

    # -- consumers and dead letters

    def _chosen_consumer(self) -> Any:
        return self._view.consumers.chosen_row()["consumer"].iloc[0]

    def _remove(self) -> None:
        self._do(without_consumers, self.group(), [self._chosen_consumer()])

    def _redrive(self) -> None:
        letters = self._view.letters
        ids = _ids(letters) or letters.frame()["entry_id"].tolist()
        self._ask_to_redrive(self.group(), ids, self._view.letters_bar.confirm)

    def _ask_to_redrive(self, group: ConsumerGroup, ids: list[str], confirm: Confirmation) -> None:
        job = partial(self._do, redriven, group, ids)
        if len(ids) == 1:
            job()
            return
        n = f"{len(ids):,}"
        text = f"The consumers of {group.name!r} will handle these {n} dead letters again."
        confirm.ask(text, f"Redrive {n}", job)

    def _show_held(self, consumer: Any, idle: str) -> None:
        view = self._view
        view.filter.offer([(str(consumer), 0)])
        view.filter.consumer.set(value=consumer)
        view.filter.idle.set(value=idle)
        view.tabs.show("pending")
        self._soon()

    # -- where the group is

    def preview(self) -> None:
        """Show what another position would skip or repeat, and offer to go there."""
        form, group = self._view.position, self.group()
        start = form.fields.position
        form.confirm.cancel()
        form.fields.time.set(error="")

        def job() -> None:
            try:
                position, outcome = position_moved(group, start, dry_run=True)
            except EntryIdError as error:
                form.fields.time.set(error=error_text(error))
                return
            # What is confirmed is what was said, even if entries are added in between.
            exact = f"({position['after'].iloc[0]}"
            form.confirm.ask(outcome.text, "Set the position", partial(self._move, group, exact))

        self._act(job)

    def _move(self, group: ConsumerGroup, start: str) -> None:
        self._act(lambda: self._tell(position_moved(group, start, dry_run=False)[1]))

    # -- what mends a finding

    def mend(self, mend: Mend) -> None:
        """Do what the button of a finding says; what cannot be taken back, after a question."""
        group = self.group()
        jobs: dict[str, Callable[..., object]] = {
            "claim": lambda name, idle: self._do(autoclaimed, group, idle, name),
            "autoclaim": lambda idle: self._do(autoclaimed, group, idle),
            "next": lambda position: self._act(lambda: self._open_next(group.stream, position)),
            "show": self._show_held,
            "bury": lambda times, idle: self._act(lambda: self._find_failing(group, times, idle)),
            "ack": lambda: self._act(lambda: self._find_trimmed(group)),
            "redrive": lambda: self._act(lambda: self._find_letters(group)),
            "trim": lambda maxlen: self._act(lambda: self._find_acked(group, maxlen)),
            "remove": lambda: self._act(lambda: self._remove_gone(group)),
            "lag": lambda: self._act(lambda: self._count_lag(group)),
        }
        jobs[mend.kind](*mend.arguments)

    def _open_next(self, stream: Stream, position: str) -> None:
        following = stream.range(f"({position}", limit=1)
        if len(following):
            self._view.details.show(stream, following["entry_id"].iloc[0])

    def _find_failing(self, group: ConsumerGroup, times: int, idle: int) -> None:
        held = group.pending()
        ids = held["entry_id"][held["deliveries"] >= times].tolist()
        n = f"{len(ids):,}"
        text = (
            f"{n} entries were delivered {times} times or more. {group.name!r} gives up on them; "
            "their dead letters can be redriven."
        )
        job = partial(self._do, buried, group, ids, idle)
        self._view.findings.confirm.ask(text, f"{n} to the dead letters", job)

    def _find_trimmed(self, group: ConsumerGroup) -> None:
        ids = group.pending(payload=True).attrs.get("trimmed", [])
        self._ask_to_ack(group, list(ids), self._view.findings.confirm)

    def _find_letters(self, group: ConsumerGroup) -> None:
        ids = group.dead_letters(limit=None)["entry_id"].tolist()
        self._ask_to_redrive(group, ids, self._view.findings.confirm)

    def _find_acked(self, group: ConsumerGroup, maxlen: int) -> None:
        n = group.stream.trim(maxlen=maxlen, only="acked", dry_run=True)
        text = (
            f"{n:,} entries that every group has acknowledged are deleted; this cannot be taken "
            "back."
        )
        job = partial(self._do, trimmed, group, maxlen)
        self._view.findings.confirm.ask(text, f"Delete {n:,}", job)

    def _remove_gone(self, group: ConsumerGroup) -> None:
        rows = group.consumers()
        gone = rows[(rows["pending"] == 0) & (rows["idle"] > _GONE_AFTER)]
        self._tell(without_consumers(group, gone["consumer"].tolist()))

    def _count_lag(self, group: ConsumerGroup) -> None:
        n = group.lag()
        self._tell(GroupResult(n, f"counted: {n:,} still to be delivered", ""))

    # -- a new group

    def open_form(self, is_open: bool) -> None:
        """Show the form of a new group, or hide it."""
        self._view.new.set(hidden=not is_open)
        self._view.groups.new.set(expanded=is_open)

    # -- entries in full

    def _open_pending(self) -> None:
        self._open(self._view.pending, self.group().stream)

    def _open_letter(self) -> None:
        stream = self.group().stream
        self._open(self._view.letters, Stream(stream.conn, dead_letters_key(stream.key)))

    def _open(self, grid: Any, stream: Stream) -> None:
        rows = grid.chosen_row()
        self._show_buttons()
        if len(rows):
            known = {str(name): value for name, value in rows.iloc[0].items()}
            self._view.details.show(stream, str(known["entry_id"]), known)

    def _unchoose(self) -> None:
        for grid in (self._view.pending, self._view.letters):
            grid.set(chosen=None)
        self._show_buttons()

    def _do(self, how: Callable[..., GroupResult], *arguments: Any) -> None:
        self._act(lambda: self._tell(how(*arguments)))


def asked_for(view: GroupsLayout) -> LookRequest:
    """Return what the tabs and fields ask for; a field says what is wrong with it."""
    chosen = view.filter
    idle = str(chosen.idle["value"]).strip()
    chosen.idle.set(error=_duration_problem(idle) if idle else "")
    events = chosen.events["value"] == "events"
    least = 0 if chosen.idle["error"] or not idle else idle
    return LookRequest(view.tabs["value"], chosen.consumer["value"], least, events)


def _duration_problem(text: str) -> str:
    """Return what is wrong with a text that should be a duration; "" if nothing."""
    try:
        milliseconds(text, "duration")
    except ValueError:
        return f"{text!r} is not a duration; write 30s, 5min or 2h, or 0s for none."
    return ""


def _ids(grid: Any) -> list[str]:
    found: list[str] = selection_of(grid)["entry_id"].tolist()
    return found


def check_name(field: Input) -> str:
    """Return the name that a field has; "" where it has none, which the field then says."""
    name = str(field["value"]).strip()
    field.set(error="" if name else "Write a name.")
    return name
