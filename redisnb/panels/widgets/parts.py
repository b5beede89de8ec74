"""The small parts of panels: text, buttons and fields, a number with its history, a JSON tree.

Each is a widget with a plain JavaScript file in this folder as its front end. User actions arrive
as messages that a method handles. Nothing that the front end sets is read as a trait, so no click
overtakes a value.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets
import traitlets

__all__ = [
    "Button",
    "Check",
    "Choice",
    "Column",
    "ControlSpec",
    "Controls",
    "Field",
    "MessageWidget",
    "Pairs",
    "ProgressBar",
    "Row",
    "Sparkline",
    "Tabs",
    "Text",
    "Tree",
    "script",
]

_HERE = Path(__file__).parent
#: The style sheet of all parts. Each widget sends its own copy, so only `Controls`, which every
#: panel has, and `Table`, which can stand alone, include it.
CSS = _HERE / "panel.css"


def script(name: str) -> str:
    """Return the front end of a part, preceded by the code that all parts need."""
    return "\n".join((_HERE / each).read_text() for each in ("common.js", name))


class Row(ipywidgets.HBox):  # type: ignore[misc]  # ipywidgets ships no types
    """Parts side by side; those that do not fit wrap to the next line."""

    def __init__(self, *parts: ipywidgets.Widget) -> None:
        super().__init__(parts)
        self.add_class("rnb-row")


class Column(ipywidgets.VBox):  # type: ignore[misc]  # as above
    """Parts stacked vertically."""

    def __init__(self, *parts: ipywidgets.Widget) -> None:
        super().__init__(parts)
        self.add_class("rnb-column")

    def show(self, is_visible: bool) -> None:
        """Show the column, or hide it."""
        display = "" if is_visible else "none"
        if (self.layout.display or "") != display:
            self.layout.display = display


class Text(anywidget.AnyWidget):
    """Lines of text, never interpreted as HTML or LaTeX.

    ipywidgets' own widgets cannot do that: `Label` typesets text between dollar signs, `HTML`
    renders markup, and the keyboard cannot reach a disabled `Textarea`.

    Parameters
    ----------
    css_class : str
        A class in panel.css.
    value : str
        The lines.
    role : str, optional
        Its role for screen readers: "status", "alert", "heading" or "region".
    label : str, optional
        Its accessible name, for a part that scrolls.
    """

    _esm = script("text.js")
    value = traitlets.Unicode().tag(sync=True)
    tone = traitlets.Unicode().tag(sync=True)
    role = traitlets.Unicode().tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)

    def __init__(self, css_class: str, value: str = "", *, role: str = "", label: str = "") -> None:
        super().__init__(value=value, role=role, label=label)
        self.add_class(css_class)


class MessageWidget(anywidget.AnyWidget):
    """A widget that receives user actions from its front end: all, in order, each exactly once.

    The front end repeats a message until it is acknowledged. A subclass implements `_handle`, which
    carries out the action.
    """

    _handle: Callable[[Mapping[str, Any]], None]

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        #: The number of the last message, by view.
        self._last_numbers: dict[str, int] = {}
        self.on_msg(self._receive)

    def _receive(self, _: object, message: Mapping[str, Any], __: object) -> None:
        view, n = message["from"], message["n"]
        self.send({"ack": [view, n]})
        if n > self._last_numbers.get(view, 0):
            self._last_numbers[view] = n
            self._handle(message["content"])


class ControlSpec(dict[str, Any]):
    """The description of one control for the front end: its name, kind, label and the rest."""


class Button(ControlSpec):
    """A button; its look is "plain", "primary" or "danger".

    With `once` a double click is one press, however soon the first was answered.
    """

    def __init__(
        self, name: str, label: str, *, tip: str = "", look: str = "plain", once: bool = False
    ) -> None:
        super().__init__(kind="button", name=name, label=label, tip=tip, look=look, once=once)


class Field(ControlSpec):
    """A text field of one or several `rows`; with `acts`, typing in it is an action.

    `width` is a CSS width; with "100%" the field has a line of its own.
    """

    def __init__(
        self,
        name: str,
        label: str,
        *,
        hint: str = "",
        rows: int = 1,
        width: str = "",
        acts: bool = False,
        tip: str = "",
    ) -> None:
        super().__init__(
            kind="text" if rows == 1 else "area",
            name=name,
            label=label,
            hint=hint,
            rows=rows,
            width=width,
            acts=acts,
            tip=tip,
        )


class Choice(ControlSpec):
    """A drop-down list, from pairs of a value and a text."""

    def __init__(
        self, name: str, label: str, options: Sequence[tuple[str, str]], *, tip: str = ""
    ) -> None:
        super().__init__(kind="choice", name=name, label=label, options=list(options), tip=tip)


class Tabs(ControlSpec):
    """Tabs, from pairs of a value and a text."""

    def __init__(self, name: str, label: str, options: Sequence[tuple[str, str]]) -> None:
        super().__init__(kind="tabs", name=name, label=label, options=list(options))


class Check(ControlSpec):
    """A check box."""

    def __init__(self, name: str, label: str, *, tip: str = "") -> None:
        super().__init__(kind="check", name=name, label=label, tip=tip)


class Pairs(ControlSpec):
    """Lines of a field and a value each, which the user adds and removes."""

    def __init__(self, name: str, label: str) -> None:
        super().__init__(kind="pairs", name=name, label=label)


class ProgressBar(ControlSpec):
    """A progress bar; its value is [done, total or None, words]."""

    def __init__(self, name: str, label: str) -> None:
        super().__init__(kind="progress", name=name, label=label)


_EMPTY: dict[str, Any] = {
    "text": "",
    "area": "",
    "check": False,
    "pairs": [],
    "progress": [0, 0, ""],
}


class Controls(MessageWidget):
    """Buttons and fields in a row; `on_act` is called when one is pressed or changed.

    ``controls["name"]`` is the current value of a field, and can be set. A control that was pressed
    accepts no second press until `on_act` has returned; while the kernel is busy, the row says so.

    Parameters
    ----------
    *parts : Part
        `Button`, `Field` and so on.
    on_act : callable
        Called with the name of the control, on any thread, possibly while a cell runs.
    submit : str, optional
        The button that Ctrl+Enter presses, from anywhere in the row.
    """

    _esm = script("controls.js")
    _css = CSS
    parts: Any = traitlets.List().tag(sync=True)
    #: Each value with a counter that distinguishes a new value from an echo.
    values = traitlets.Dict().tag(sync=True)
    options = traitlets.Dict().tag(sync=True)
    disabled = traitlets.Dict().tag(sync=True)
    errors = traitlets.Dict().tag(sync=True)
    captions = traitlets.Dict().tag(sync=True)
    pressed = traitlets.Dict().tag(sync=True)
    hidden: Any = traitlets.List().tag(sync=True)
    submit = traitlets.Unicode().tag(sync=True)
    #: The number of the last message that was handled.
    last_n = traitlets.Int().tag(sync=True)

    def __init__(
        self, *parts: ControlSpec, on_act: Callable[[str], object], submit: str = "", **values: Any
    ) -> None:
        initial = {}
        for part in parts:
            if part["kind"] in ("choice", "tabs"):
                initial[part["name"]] = part["options"][0][0]
            elif part["kind"] in _EMPTY:
                initial[part["name"]] = _EMPTY[part["kind"]]
        initial |= values
        super().__init__(
            parts=list(parts),
            values={name: [0, value] for name, value in initial.items()},
            submit=submit,
        )
        self._on_act = on_act

    def __getitem__(self, name: str) -> Any:
        """Return the current value of a field."""
        return self.values[name][1]

    def __setitem__(self, name: str, value: Any) -> None:
        """Put a value into a field."""
        stamp, before = self.values[name]
        if value != before:
            self.values = self.values | {name: [stamp + 1, value]}

    def offer(self, name: str, options: Sequence[tuple[str, str]]) -> None:
        """Change the options of a choice; the chosen one stays chosen if it is still there."""
        pairs = [list(option) for option in options]
        if self.options.get(name) != pairs:
            self.options = self.options | {name: pairs}
        if self[name] not in [value for value, _ in options]:
            self[name] = options[0][0] if options else ""

    def disable(self, **reasons: str) -> None:
        """Disable controls, each with a reason; "" enables one again."""
        self._merge("disabled", reasons)

    def flag(self, **texts: str) -> None:
        """Flag fields with an error each; "" clears one."""
        self._merge("errors", texts)

    def label(self, **captions: str) -> None:
        """Change the captions of buttons."""
        self._merge("captions", captions)

    def press(self, **states: bool) -> None:
        """Set whether toggle buttons are pressed."""
        self._merge("pressed", states)

    def show(self, **are_visible: bool) -> None:
        """Show controls, or hide them."""
        hidden = set(self.hidden)
        for name, is_visible in are_visible.items():
            (hidden.discard if is_visible else hidden.add)(name)
        if hidden != set(self.hidden):
            self.hidden = sorted(hidden)

    def copy(self, text: str) -> None:
        """Put a text on the clipboard of the browsers that show the widget."""
        self.send({"copy": text})

    def _merge(self, trait: str, items: Mapping[str, Any]) -> None:
        merged = getattr(self, trait) | items
        if merged != getattr(self, trait):
            setattr(self, trait, merged)

    def _handle(self, message: Mapping[str, Any]) -> None:
        # Setting the trait would send the front end its own values back.
        self._trait_values["values"] = self.values | {
            name: [self.values[name][0], value]
            for name, value in message["values"].items()
            if name in self.values
        }
        try:
            if message["name"] and not self.disabled.get(message["name"]):
                self._on_act(message["name"])
        finally:
            self.last_n = max(self.last_n, message["n"])


class Sparkline(anywidget.AnyWidget):
    """A number and its recent history as a line, with a sentence for screen readers.

    Parameters
    ----------
    label : str
        What the number counts.
    size : int, default 60
        How many points the line has at most.
    """

    _esm = script("sparkline.js")
    label = traitlets.Unicode().tag(sync=True)
    value = traitlets.Unicode("-").tag(sync=True)
    points: Any = traitlets.List().tag(sync=True)
    sentence = traitlets.Unicode().tag(sync=True)
    size = traitlets.Int(60).tag(sync=True)

    def __init__(self, label: str, *, size: int = 60) -> None:
        super().__init__(label=label, size=size, sentence=f"{label}: nothing yet")
        self._history: deque[float] = deque(maxlen=size)

    def add(self, n: float | None) -> None:
        """Add the current number; None means unknown, and leaves the line as it is."""
        if n is None:
            self.value, self.sentence = "unknown", f"{self.label}: unknown"
            return
        self._history.append(float(n))
        text = f"{n:,.0f}" if n >= 10 or n == int(n) else f"{n:,.1f}"
        with self.hold_sync():
            self.value, self.points = text, list(self._history)
            self.sentence = f"{self.label}: {text}, at most {max(self._history):,.0f} lately"

    def clear(self) -> None:
        """Start over, to count something else."""
        self._history.clear()
        with self.hold_sync():
            self.value, self.points, self.sentence = "-", [], f"{self.label}: nothing yet"


class Tree(anywidget.AnyWidget):
    """A JSON text as a collapsible tree."""

    _esm = script("tree.js")
    value = traitlets.Unicode().tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)

    def __init__(self, label: str) -> None:
        super().__init__(label=label)
