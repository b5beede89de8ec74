"""How objects show themselves: in a line, as their repr, and as a card of HTML.

A card is text in a few elements with inline styles: names are escaped and cut, nothing is loaded,
and its colours are those of the page, light or dark.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeVar

from redisnb.durations import duration

__all__: list[str] = []

Generating = TypeVar("Generating")

#: How much of a name is shown, and how much of it a tooltip has, in characters.
NAME_SHOWN, TOOLTIP_LENGTH = 60, 1_000
#: How much of an error is shown, in characters.
ERROR_LENGTH = 200
#: How many of several names are shown.
NAMES_SHOWN = 3
#: The longest label and value that stand beside others, and how much of a long value is shown.
NARROW, TEXT_SHOWN = 32, 500

#: What stands for a figure that the server does not let this user see.
NOT_ALLOWED = "not allowed"

# -- words


def line(kind: str, *parts: str | Literal[False] | None) -> str:
    """Return a repr: the kind of an object with its name, its state, its figures."""
    return f"{kind}({', '.join(part for part in parts if part)})"


def named(generator: Generating, name: str) -> Generating:
    """Return a generator, whose repr then has the name."""
    about: Any = generator
    about.__qualname__ = name
    return generator


def quoted(name: str) -> str:
    """Return a name as Python writes it; a long one lacks its middle."""
    return repr(cut_name(name))


def name_list(names: Iterable[str]) -> str:
    """Return names as Python writes them: one, or a list, of many only the first ones."""
    each = list(names)
    if len(each) == 1:
        return quoted(each[0])
    more = len(each) - NAMES_SHOWN
    shown = [quoted(name) for name in each[:NAMES_SHOWN]]
    return f"[{', '.join(shown)}{f', … {more:,} more' if more > 0 else ''}]"


def cut_name(text: str, length: int = NAME_SHOWN) -> str:
    """Return a text without its middle if it is longer than `length` characters."""
    tail = length // 3
    return text if len(text) <= length else f"{text[: length - tail - 1]}…{text[-tail:]}"


def error_line(error: BaseException | None) -> str:
    """Return an error in one line: its class, and the beginning of its text; "" for None."""
    return "" if error is None else first_line(type(error).__qualname__, text_of(error))


def text_of(error: BaseException) -> str:
    """Return the text of an error, which may be of any class."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - a handler's error may do anything
        return "(its text cannot be had: __str__ raises)"


def first_line(kind: str, text: str) -> str:
    """Return the class of an error, and the beginning of the first line of its text."""
    first = legible(text[: ERROR_LENGTH + 1].partition("\n")[0])
    whole = f"{kind}: {first}" if first else kind
    return whole if len(whole) <= ERROR_LENGTH else f"{whole[: ERROR_LENGTH - 1]}…"


def legible(text: str) -> str:
    """Return text in which what does not show, or turns the text around, stands as in Python."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def amount(size: float) -> str:
    """Return a number of bytes with its unit, such as ``3.6 MB``; as in Redis, 1 KB is 1,024 B."""
    units = iter(("B", "KB", "MB", "GB", "TB"))
    unit = next(units)
    while size >= 1023.5 and unit != "TB":
        size, unit = size / 1024, next(units)
    return f"{size:,.0f} {unit}" if unit == "B" or size >= 99.95 else f"{size:,.1f} {unit}"


def per_second(rate: float) -> str:
    """Return a rate with its unit: ``1,204/s``, or ``0.25/s``."""
    return f"{rate:,.0f}/s" if rate >= 10 or not rate else f"{rate:.2g}/s"


def moment(ms: int) -> str:
    """Return a time in ms since 1970 as text, in UTC; "" for one that no calendar has."""
    try:
        return f"{datetime.fromtimestamp(ms // 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return ""


def span(ms: int | None) -> str:
    """Return a time span in ms as text; "" for None, and for more than a calendar has."""
    try:
        return "" if ms is None else duration(timedelta(milliseconds=ms))
    except OverflowError:
        return ""


def figure(n: int | None) -> str:
    """Return a count with separators for thousands; one that is missing is not allowed."""
    return NOT_ALLOWED if n is None else f"{n:,}"


# -- HTML

_BORDER = "var(--jp-border-color2, var(--vscode-panel-border, rgba(128, 128, 128, 0.45)))"
_STATE_COLORS = {
    "good": "var(--jp-success-color1, var(--vscode-testing-iconPassed, #388e3c))",
    "wait": "var(--jp-warn-color1, var(--vscode-charts-orange, #ef6c00))",
    "bad": "var(--jp-error-color1, var(--vscode-errorForeground, #d32f2f))",
    "": "var(--jp-ui-font-color3, var(--vscode-descriptionForeground, #888))",
}
_STATE_TONES = {
    "running": "good",
    "finished": "good",
    "connected": "good",
    "receiving": "good",
    "all acknowledged": "good",
    "starting": "wait",
    "paused": "wait",
    "stalled": "wait",
    "entries pending": "wait",
    "behind": "wait",
    "failed": "bad",
    "incomplete": "bad",
    "unavailable": "bad",
    "stuck": "bad",
    "not a stream": "bad",
}
# JupyterLab would take what is between two dollars in a name for a formula.
_CLASSES = "rnb-card tex2jax_ignore mathjax_ignore"
_CARD_STYLE = (
    "display:inline-block;box-sizing:border-box;width:100%;max-width:760px;padding:8px 12px 6px;"
    f"border:1px solid {_BORDER};border-radius:6px;text-align:left;"
    "font-size:13px;line-height:1.5;"
    "font-family:var(--jp-ui-font-family, var(--vscode-font-family, system-ui, sans-serif))"
)
# Between figures, lighter than around the card.
_RULE = "border-top:1px solid rgba(128, 128, 128, 0.25)"
_HEAD_STYLE = "display:flex;align-items:baseline;gap:12px;margin:0 0 4px"
_SOFT_STYLE = "opacity:0.75;font-weight:normal;overflow-wrap:anywhere;unicode-bidi:isolate"
_TITLE_STYLE = "min-width:0"
_NAME_STYLE = "font-weight:600;overflow-wrap:anywhere;unicode-bidi:isolate"
_STATE_STYLE = "margin-left:auto;white-space:nowrap"
_DOT_STYLE = "display:inline-block;width:8px;height:8px;margin-right:6px;border-radius:50%"
_LIST_STYLE = (
    "display:grid;grid-template-columns:repeat(auto-fill, minmax(210px, 1fr));gap:0 24px;margin:0"
)
_PAIR_STYLE = f"display:flex;justify-content:space-between;gap:12px;padding:2px 0;{_RULE}"
_WIDE_STYLE = f"{_PAIR_STYLE};grid-column:1 / -1"
_LABEL_STYLE = "margin:0;padding:0;opacity:0.75;font-weight:normal;white-space:nowrap"
_VALUE_STYLE = (
    "margin:0;padding:0;text-align:right;overflow-wrap:anywhere;unicode-bidi:isolate;"
    "font-variant-numeric:tabular-nums"
)
_NOTE_STYLE = f"padding:2px 0;overflow-wrap:anywhere;unicode-bidi:isolate;{_RULE}"


def card(
    kind: str,
    name: str,
    state: str,
    pairs: Iterable[tuple[str, str | None]],
    *,
    place: str = "",
    note: str = "",
) -> str:
    """Return a card as HTML.

    Parameters
    ----------
    kind, name : str
        What it is, and its name, which is cut if it is long.
    state : str
        In words; the colour beside them is that of the state.
    pairs : iterable of (label, value)
        The figures; one without a value is left out.
    place : str
        Where it is.
    note : str
        A sentence below.
    """
    is_cut = NAME_SHOWN < len(name) <= TOOLTIP_LENGTH
    tooltip = f' title="{_as_html(name)}"' if is_cut else ""
    dot = f"{_DOT_STYLE};background:{_STATE_COLORS[_STATE_TONES.get(state, '')]}"
    title = (
        _element("span", _SOFT_STYLE, _as_html(kind)),
        _element("span", _NAME_STYLE, _as_html(cut_name(name)), tooltip),
        _element("span", _SOFT_STYLE, _as_html(place)) if place else "",
    )
    head = _element("div", _TITLE_STYLE, " ".join(title))
    if state:
        head += _element("div", _STATE_STYLE, _element("span", dot, "") + _as_html(state))
    figures = "".join(_pair(label, value) for label, value in pairs if value)
    label = f"{kind} {cut_name(name)}"
    about = f' class="{_CLASSES}" role="group" aria-label="{_as_html(label)}"'
    below = (
        _element("dl", _LIST_STYLE, figures) if figures else "",
        _element("div", _NOTE_STYLE, _as_html(cut_name(note, TEXT_SHOWN))) if note else "",
    )
    inside = _element("div", _HEAD_STYLE, head) + "".join(below)
    return _element("div", _CARD_STYLE, inside, about)


def _pair(label: str, value: str) -> str:
    style = _WIDE_STYLE if len(label) + len(value) > NARROW else _PAIR_STYLE
    value = _as_html(cut_name(value, TEXT_SHOWN))
    both = _element("dt", _LABEL_STYLE, _as_html(label)) + _element("dd", _VALUE_STYLE, value)
    return _element("div", style, both)


def _element(tag: str, style: str, inside: str, attributes: str = "") -> str:
    return f'<{tag} style="{style}"{attributes}>{inside}</{tag}>'


def _as_html(text: str) -> str:
    return html.escape(legible(text))
