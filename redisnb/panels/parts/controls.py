"""Parts with which the user acts: buttons, fields, choices of one of several, and a question."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from redisnb.panels.parts.part import Act, Box, Label, Part, Strip

__all__ = [
    *("Action", "Choices", "Confirmation", "Editor", "Input"),
    *("ListBox", "ListItem", "Menu", "Slider", "Toggle", "Views"),
]


class Action(Part):
    """A button.

    Parameters
    ----------
    label : str
        What it does, as a verb.
    on : callable, optional
        Called when it is pressed, on any thread; a second press waits until it has returned.
    look : str
        "plain", "primary" (one in a view) or "danger".
    tip : str
        A sentence that the pointer brings; while it is disabled, the reason is there instead.
    """

    kind = "action"

    def __init__(
        self, label: str, on: Act | None = None, *, look: str = "plain", tip: str = ""
    ) -> None:
        super().__init__(on=on, label=label, look=look, tip=tip, busy=False)
        # Whether what it opens is open; None if it opens nothing.
        self.props["expanded"] = None


class _Typed(Part):
    """A text that the user types."""

    has_value = True

    def __init__(self, *, on: Act | None, **props: Any) -> None:
        super().__init__(on=on, **props)
        self._typed = ""

    @property
    def is_typed(self) -> bool:
        """Whether its text is what the user has typed."""
        return bool(self._typed) and self["value"] == self._typed

    def use(self) -> None:
        """Note that its text was used: nothing is lost without it."""
        self._typed = ""

    def take(self, value: Any) -> None:
        """Accept the text that the user typed."""
        self._typed = str(value)
        super().take(self._typed)


class Input(_Typed):
    """A field with a text; `on` is called by Enter, and with `live` also while typing.

    Parameters
    ----------
    label : str
        Its name; with `quiet` it is not drawn, as where `hint` says the same.
    value : str
        The text.
    rows : int
        With more than one it takes several lines, and Ctrl+Enter acts.
    wide : bool
        Take what is left of the line.
    on_enter : callable, optional
        Called by Enter instead of `on`.
    """

    kind = "input"

    def __init__(
        self,
        label: str,
        value: str = "",
        *,
        on: Act | None = None,
        hint: str = "",
        size: int = 20,
        rows: int = 1,
        quiet: bool = False,
        wide: bool = False,
        live: bool = False,
        on_enter: Act | None = None,
    ) -> None:
        super().__init__(on=on, label=label, value=value, hint=hint, size=size, rows=rows)
        self.props |= {"quiet": quiet, "wide": wide, "live": live, "error": "", "offers": []}
        self.on_enter = on_enter

    def offer(self, words: Sequence[str] | Mapping[str, Sequence[str]]) -> None:
        """Offer words below the field while the user types.

        Parameters
        ----------
        words : sequence of str, or mapping
            Whole texts; or, for a filter expression, the columns with their values of few, as
            `filter_terms` finds them.
        """
        if isinstance(words, Mapping):
            self.set(offers={name: list(values) for name, values in words.items()})
        else:
            self.set(offers=list(words))

    def heard(self, act: str, message: Mapping[str, Any]) -> None:
        """Act by Enter and, where it is live, while typing; leaving it only brings its text."""
        if act == "enter" and self.on_enter is not None:
            self.on_enter()
        elif act == "enter" or (act == "typed" and self["live"]):
            super().heard(act, message)


class Editor(_Typed):
    """A text of many lines with their numbers; an error is shown at its place.

    `on` is called while the user types and when they are done, and by Ctrl+Enter `on_enter`.

    Parameters
    ----------
    label : str
        What the text is.
    hint : str
        What may stand there, shown while it is empty.
    """

    kind = "editor"

    def __init__(
        self, label: str, *, hint: str = "", on: Act | None = None, on_enter: Act | None = None
    ) -> None:
        super().__init__(on=on, label=label, value="", hint=hint, error="", line=0, column=0)
        self.on_enter = on_enter

    def blame(self, error: str, line: int = 0, column: int = 0) -> None:
        """Show an error, at a line and column counted from 1; "" shows that there is none."""
        self.set(error=error, line=line, column=column)

    def heard(self, act: str, message: Mapping[str, Any]) -> None:
        """Act while the user types, when the text is left, and by Ctrl+Enter."""
        super().heard(act, message)
        if act == "enter" and self.on_enter is not None:
            self.on_enter()


class Slider(Part):
    """One of several steps on a line; `on` is called when the user lets go.

    Parameters
    ----------
    label : str
        What is chosen.
    steps : sequence of str
        The words of the steps, from left to right.
    value : int
        The position of the chosen one.
    """

    kind = "slider"
    has_value = True

    def __init__(
        self, label: str, steps: Sequence[str], value: int = 0, *, on: Act | None = None
    ) -> None:
        super().__init__(on=on, label=label, steps=list(steps), value=value, said="")

    def show(self, value: int, said: str = "") -> None:
        """Choose a step; with `said`, in other words than its own, as of what lies beside it."""
        self.set(value=value, said=said)

    def take(self, value: Any) -> None:
        """Accept a step that there is."""
        if isinstance(value, int) and 0 <= value < len(self["steps"]):
            super().take(value)
            self.set(said="")


class _OneOf(Part):
    """One of several: its options are a value, a text, and perhaps a badge and its tone each."""

    has_value = True

    def __init__(
        self,
        label: str,
        options: Sequence[Sequence[str]],
        *,
        value: str | None = None,
        on: Act | None = None,
    ) -> None:
        first = options[0][0] if options else ""
        chosen = first if value is None else value
        super().__init__(on=on, label=label, options=[list(each) for each in options], value=chosen)

    def take(self, value: Any) -> None:
        """Accept a choice, if it is still offered."""
        if any(each[0] == value for each in self["options"]):
            super().take(value)

    def offer(self, options: Sequence[Sequence[str]]) -> None:
        """Change the options; the chosen one stays chosen if it is still there."""
        values = [each[0] for each in options]
        value = self["value"] if self["value"] in values else (values or [""])[0]
        self.set(options=[list(each) for each in options], value=value)


class Choices(_OneOf):
    """One of few, side by side; a `value` of "" is none of them."""

    kind = "choices"


class Menu(_OneOf):
    """One of many, in a list that drops down."""

    kind = "menu"


class Views(_OneOf):
    """Tabs: each shows its part and hides the others, which live on.

    Parameters
    ----------
    label : str
        What they are views of.
    options : sequence of (value, text), or with a badge, or with a badge and its tone
        The tabs.
    parts : mapping of str to Part
        By value, what the tab shows; they are placed by the panel.
    """

    kind = "views"

    def __init__(
        self,
        label: str,
        options: Sequence[Sequence[str]],
        parts: Mapping[str, Part],
        *,
        on: Act | None = None,
    ) -> None:
        super().__init__(label, options, on=on)
        self._parts = parts
        self._show()

    def heard(self, act: str, message: Mapping[str, Any]) -> None:
        """Show the part of the chosen tab."""
        self._show()
        super().heard(act, message)

    def show(self, value: str) -> None:
        """Choose a tab."""
        self.set(value=value)
        self._show()

    def _show(self) -> None:
        # Hidden, not taken out: a part that leaves the page loses its scroll position.
        for value, part in self._parts.items():
            part.set(hidden=value != self["value"])


class Toggle(Part):
    """A box to tick."""

    kind = "toggle"
    has_value = True

    def __init__(self, label: str, value: bool = False, *, on: Act | None = None) -> None:
        super().__init__(on=on, label=label, value=value)

    def take(self, value: Any) -> None:
        """Accept whether it is ticked."""
        super().take(bool(value))


class ListItem(Part):
    """A line of a `ListBox`: a name, a value, a tone, and points for a small line.

    `key` tells it apart; `name` is shown, cut in the middle where it does not fit. In the place of
    the line there may be an amount, or a badge with what runs there.
    """

    kind = "listitem"

    def __init__(
        self,
        key: str,
        *,
        name: str = "",
        value: str = "",
        tone: str = "",
        why: str = "",
        points: Sequence[float] = (),
    ) -> None:
        super().__init__(key=key, name=name or key, value=value, tone=tone, why=why)
        self.props |= {"points": list(points), "chosen": False, "amount": "", "badge": ""}


class ListBox(Part):
    """A list of which one is chosen: `ListItem` parts under headings.

    `on` is called when one is chosen; ``listbox["chosen"]`` is its key.
    """

    kind = "listbox"

    def __init__(self, label: str, *children: Part, on: Act | None = None) -> None:
        super().__init__(*children, on=on, label=label, chosen=None)

    def show(self, groups: Mapping[str, Sequence[ListItem]]) -> None:
        """Show items under the headings of their groups; empty groups are left out."""
        parts: list[Part] = []
        for heading, items in groups.items():
            if items:
                parts += [Label(heading, look="section"), *items]
        self.fill(*self._with_old_headings(parts))

    def choose(self, key: str | None) -> None:
        """Mark the item with this key, and no other."""
        self.set(chosen=key)
        for item in self.children:
            if isinstance(item, ListItem):
                item.set(chosen=item["key"] == key)

    def heard(self, act: str, message: Mapping[str, Any]) -> None:
        """Choose the item that was clicked."""
        items = {each.id: each for each in self.children if isinstance(each, ListItem)}
        if item := items.get(message["item"]):
            self.choose(item["key"])
            super().heard(act, message)

    def _with_old_headings(self, parts: list[Part]) -> list[Part]:
        old = {each["text"]: each for each in self.children if isinstance(each, Label)}
        return [old.get(each["text"], each) if isinstance(each, Label) else each for each in parts]


class Confirmation(Box):
    """A question in place, before something that cannot be taken back; hidden until `ask`.

    The focus goes to "Cancel", so that a key pressed twice does nothing.

    Attributes
    ----------
    text : Label
        What is about to be done, to how many, and what of it cannot be taken back.
    no, yes : Action
    """

    def __init__(self) -> None:
        self._job: Callable[[], object] | None = None
        self.text = Label(role="status")
        self.no, self.yes = Action("Cancel", self.cancel), Action("", self.confirm, look="danger")
        answers = Strip(self.text, self.no, self.yes, look="under")
        super().__init__(answers, look="form", hidden=True)

    def ask(self, text: str, label: str, job: Callable[[], object]) -> None:
        """Ask; a newer question takes the place of an older one.

        Parameters
        ----------
        text : str
        label : str
            The button that does it.
        job : callable
            Called if the user confirms.
        """
        self._job = job
        self.text.set(text=text)
        self.yes.set(label=label)
        self.set(hidden=False)

    def confirm(self) -> None:
        """Do what was asked about."""
        job = self._job
        self.cancel()
        if job is not None:
            job()

    def cancel(self) -> None:
        """Do nothing."""
        self._job = None
        self.set(hidden=True)
