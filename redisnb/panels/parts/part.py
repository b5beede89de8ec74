"""Part: a piece of a panel as a plain object; the browser has a function that draws its kind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Protocol

__all__ = ["PLACING", "Act", "Box", "Connected", "Label", "Message", "Part", "Strip"]

#: What is called when the user acts. It takes nothing: what the user did, it reads from the parts.
Act = Callable[[], object]

#: Guards parts that are not on a page yet, and the moment at which they come onto one.
PLACING = threading.RLock()


class Connected(Protocol):
    """What connects parts with the pages that show them: a channel."""

    def change(self, part: Part, props: Mapping[str, Any]) -> None:
        """Change props of a part, and send those that differ."""

    def refill(self, part: Part) -> None:
        """Send what is now inside of a part."""

    def send(self, message: dict[str, Any]) -> None:
        """Send a message about a part."""

    def together(self) -> AbstractContextManager[None]:
        """Send what this thread changes inside as one patch."""


class Part:
    """A part of a panel: its kind, what is shown of it (its props), and the parts inside.

    ``part["name"]`` reads a prop, and `set` changes some, from any thread. All parts have ``look``,
    ``tone`` ("good", "warn", "bad"), ``hidden`` and ``disabled``, a reason; the others are
    parameters of the kind.
    """

    kind: ClassVar[str]
    #: Whether the user changes its value, which then comes with each act.
    has_value: ClassVar[bool] = False

    def __init__(self, *children: Part, on: Act | None = None, **props: Any) -> None:
        self.id = ""
        self.channel: Connected | None = None
        self.parent: Part | None = None
        self.children = list(children)
        self.on = on
        self.props: dict[str, Any] = {"look": "", "tone": "", "hidden": False, "disabled": ""}
        self.props |= props

    def __repr__(self) -> str:
        shown = self.props.get("label") or self.props.get("text") or ""
        return f"{type(self).__name__}({shown!r})"

    def __getitem__(self, name: str) -> Any:
        return self.props[name]

    @property
    def is_shown(self) -> bool:
        """Whether neither it nor what contains it is hidden, as what another tab shows is."""
        at: Part | None = self
        while at is not None and not at.props["hidden"]:
            at = at.parent
        return at is None

    def walk(self) -> Iterator[Part]:
        """Yield it and all parts inside."""
        yield self
        for each in list(self.children):
            yield from each.walk()

    def set(self, **props: Any) -> None:
        """Change props; only those that differ are sent."""
        if unknown := props.keys() - self.props.keys():
            raise TypeError(f"{self!r} has no {sorted(unknown)}; it has {sorted(self.props)}")
        with PLACING:
            if self.channel is None:
                self.props |= props
                return
        self.channel.change(self, props)

    def fill(self, *children: Part) -> None:
        """Put other parts inside; those that stay keep their element, focus and scroll position."""
        with PLACING:
            if list(children) == self.children:
                return
            self.children = list(children)
        if self.channel is not None:
            self.channel.refill(self)

    def take(self, value: Any) -> None:
        """Accept the value that the user gave; it is not sent back."""
        self.props["value"] = value

    def heard(self, act: str, message: Mapping[str, Any]) -> None:
        """React to what the user did."""
        if self.on is not None:
            self.on()


class Box(Part):
    """Parts below each other, or as its `look` lays them out.

    Looks: "page" (a list at the left of the rest), "side", "main", "split" (a drawer at the right),
    "drawer", "half" (a drawer of half the width, whose table fills it), "pair" (two beside each
    other), "scroll", "grow", "stack" (which scrolls where it is too high), "empty".
    """

    kind = "box"

    def __init__(self, *children: Part, look: str = "", hidden: bool = False) -> None:
        super().__init__(*children, look=look, hidden=hidden)


class Strip(Part):
    """Parts beside each other; those that do not fit wrap.

    Looks: "head", "bar", "under" (a picture), "figures" (boxes of a number and its name), "foot".
    """

    kind = "strip"

    def __init__(self, *children: Part, look: str = "", hidden: bool = False) -> None:
        super().__init__(*children, look=look, hidden=hidden)


class Label(Part):
    """Lines of text; nothing in them is markup.

    Looks: "title", "soft", "strong", "pill", "state", "section", "code", "bytes" (small and soft),
    "marks" (beside what a `Histogram` marks), "name" (cut in the middle) and "grow", which is the
    space between what is left and what is right. A `role` of "status" is read out when it changes.
    """

    kind = "label"

    def __init__(self, text: str = "", *, look: str = "", tone: str = "", role: str = "") -> None:
        super().__init__(text=text, look=look, tone=tone, role=role)


class Message(Part):
    """A finding or an error, with the buttons that mend it inside; hidden without a text."""

    kind = "message"

    def __init__(self, *children: Part, subject: str = "", text: str = "", tone: str = "") -> None:
        super().__init__(*children, subject=subject, text=text, tone=tone, hidden=not text)

    def say(self, text: str, *, subject: str = "", tone: str = "") -> None:
        """Show a text; without one, hide."""
        self.set(text=text, subject=subject, tone=tone or self["tone"], hidden=not text)
