"""What panels are made of: a box that can be closed, and text that stays text."""

from __future__ import annotations

from pathlib import Path

import anywidget
import ipywidgets
import redis
import traitlets

from redisnb import errors

__all__ = ["VALUE", "Panel", "Row", "Text", "cut", "words"]

#: How much of one value a panel shows.
VALUE = 200


class Panel(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets ships no types
    """Stand for a panel: its parts one below the other, in a frame."""

    def __init__(self, *parts: ipywidgets.Widget) -> None:
        super().__init__(parts)
        self.add_class("rnb-panel")

    def close(self) -> None:
        """Take the panel off the page."""
        for part in self.children:
            for widget in (*getattr(part, "children", ()), part):
                widget.close()
        super().close()


class Row(ipywidgets.HBox):  # type: ignore[misc]  # as above
    """Hold parts beside each other; what has no room goes below."""

    def __init__(self, *parts: ipywidgets.Widget) -> None:
        super().__init__(parts)
        self.add_class("rnb-row")


class Text(anywidget.AnyWidget):
    """Show lines of text; nothing in them is ever read as HTML or LaTeX.

    ipywidgets' own widgets cannot do that: `Label` typesets what stands between dollar signs,
    `HTML` is what its name says, and a disabled `Textarea` is out of the keyboard's reach.

    Parameters
    ----------
    css_class : str
        Its looks, by a name in panel.css.
    value : str
        The lines.
    role : str, optional
        What it is to a screen reader: "status", "alert" or "region".
    label : str, optional
        Its name, for a part that scrolls.
    """

    _esm = Path(__file__).with_name("text.js")
    _css = Path(__file__).with_name("panel.css")
    value = traitlets.Unicode().tag(sync=True)
    role = traitlets.Unicode().tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)

    def __init__(self, css_class: str, value: str = "", *, role: str = "", label: str = "") -> None:
        super().__init__(value=value, role=role, label=label)
        self.add_class(css_class)


def cut(text: str, length: int = VALUE) -> str:
    """Shorten a text to `length` characters, the last of them an ellipsis."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def words(error: BaseException) -> str:
    """Say what went wrong: the server's own words, then the remedy if one is known."""
    said = errors.words(error) if isinstance(error, redis.RedisError) else str(error)
    notes: list[str] = getattr(error, "__notes__", [])
    return "\n".join([said or type(error).__qualname__, *notes])
