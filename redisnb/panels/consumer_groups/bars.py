"""Strips of buttons and fields that act on a group."""

from __future__ import annotations

from collections.abc import Sequence

from redisnb.panels.parts import Act, Action, Box, Choices, Confirmation, Input, Label, Menu, Strip

__all__ = [
    "ConsumerBar",
    "LettersBar",
    "NewGroupForm",
    "PendingFilter",
    "PositionForm",
    "SettleBar",
]

_STARTS = [("new", "What comes from now on"), ("all", "The first entry"), ("time", "A time or ID")]
_EVERY_CONSUMER = "Every consumer"


class PendingFilter(Strip):
    """Which pending entries are listed."""

    def __init__(self) -> None:
        self.consumer = Menu("Held by", [("", _EVERY_CONSUMER)])
        self.idle = Input("Idle at least", hint="any, 30s, 5min", size=13)
        self.events = Choices("Columns", [("", "Deliveries"), ("events", "Events too")])
        super().__init__(self.consumer, self.idle, self.events, look="bar")

    def clear(self) -> None:
        """List all pending entries."""
        self.consumer.set(value="")
        self.idle.set(value="", error="")

    def offer(self, held: Sequence[tuple[str, int]]) -> None:
        """Offer the consumers, with how many entries each holds."""
        chosen = self.consumer["value"]
        names = [name for name, _ in held]
        gone = [(chosen, f"{chosen} (0)")] if chosen and chosen not in names else []
        options = [(name, f"{name} ({n:,})") for name, n in held]
        self.consumer.offer([("", _EVERY_CONSUMER), *options, *gone])


class SettleBar(Box):
    """What can be done with the selected pending entries, right below them."""

    def __init__(self, consumer: str) -> None:
        self.claim = Action("Claim", look="primary", tip="Take them over for the consumer named")
        self.ack = Action("Acknowledge", tip="They are done, and not delivered again")
        self.release = Action(
            "Release", tip="Let any consumer claim them that the one named here holds"
        )
        self.bury = Action(
            "To the dead letters", look="danger", tip="Give up on them; a copy is kept"
        )
        self.consumer = Input("as", consumer, size=18)
        self.guard = Input("Leave entries fresher than", "1min", size=6)
        self.confirm = Confirmation()
        self._hint = Label(look="soft")
        self._buttons = Strip(
            *(self.claim, self.ack, self.release, self.bury, self.consumer, self.guard)
        )
        super().__init__(Strip(self._hint, self._buttons, look="under"), self.confirm)
        self.show(0, 0, "")

    def show(self, selected: int, listed: int, refused: str) -> None:
        """Show how many entries the buttons act on; without any, what to do first."""
        n = f"{selected:,}"
        self.claim.set(label=f"Claim {n}", disabled=refused)
        self.ack.set(label=f"Acknowledge {n}", disabled=refused)
        self.release.set(label=f"Release {n}", disabled=refused)
        self.bury.set(label=f"{n} to the dead letters", disabled=refused)
        self._buttons.set(hidden=not selected)
        self._hint.set(
            text="Choose an entry, or select several with Shift, Ctrl or Ctrl+A.",
            hidden=bool(selected) or not listed,
        )


class ConsumerBar(Strip):
    """What can be done with the chosen consumer."""

    def __init__(self) -> None:
        self.show_held = Action("Show its entries")
        self.remove = Action("Remove", tip="Only one that holds no entries: they would be lost")
        self._hint = Label("Choose a consumer.", look="soft")
        super().__init__(self._hint, self.show_held, self.remove, look="under")

    def show(self, name: str | None, refused: str) -> None:
        """Offer the buttons for a consumer; None if none is chosen."""
        self._hint.set(hidden=name is not None)
        self.show_held.set(hidden=name is None)
        self.remove.set(hidden=name is None, disabled=refused)


class LettersBar(Box):
    """What can be done with the dead letters: the selected ones, else all that are listed."""

    def __init__(self) -> None:
        self.redrive = Action("Redrive", look="primary", tip="Send them back to this group")
        self.confirm = Confirmation()
        super().__init__(Strip(self.redrive, look="under"), self.confirm)

    def show(self, selected: int, listed: int, refused: str) -> None:
        """Show how many letters the button acts on."""
        n, all = selected or listed, "" if selected else "all "
        self.redrive.set(label=f"Redrive {all}{n:,}", hidden=not listed, disabled=refused)


class _StartFields(Strip):
    """Where a group begins, or goes on."""

    def __init__(self, label: str, *more: Action, on: Act) -> None:
        self.start = Choices(label, _STARTS, on=self._show)
        self.time = Input("At", hint="-5min, 10:30, an ID", size=18, on=on)
        super().__init__(self.start, self.time, *more, look="bar")
        self._show()

    @property
    def position(self) -> str:
        """The position, as `ConsumerGroup.create` takes it."""
        value: str = self.start["value"]
        return self.time["value"].strip() if value == "time" else value

    def _show(self) -> None:
        self.time.set(hidden=self.start["value"] != "time", error="")


class PositionForm(Box):
    """Where the group is to go on; what that skips or repeats is said before it is done."""

    def __init__(self, preview: Act) -> None:
        self.preview = Action("Preview", preview, look="primary", tip="Nothing is changed yet")
        self.fields = _StartFields("Go on with", self.preview, on=preview)
        self.confirm = Confirmation()
        about = Label(
            "The group delivers next what you choose here. What is pending stays pending.",
            look="soft",
        )
        super().__init__(Strip(about, look="bar"), self.fields, self.confirm)


class NewGroupForm(Box):
    """The name of a new group, and where it begins."""

    def __init__(self, create: Act, streams: Sequence[str]) -> None:
        self.stream = Menu("Stream", [(key, key) for key in streams])
        self.name = Input("Name", size=16, on=create)
        self.create = Action("Create", create, look="primary")
        self.fields = _StartFields("Begin with", self.create, on=create)
        self.fields.fill(self.stream, self.name, *self.fields.children)
        super().__init__(self.fields, look="form", hidden=True)
        self.offer(streams)

    def offer(self, streams: Sequence[str]) -> None:
        """Offer the streams in which a group can be created."""
        self.stream.offer([(key, key) for key in streams])
        self.stream.set(hidden=len(streams) < 2)
