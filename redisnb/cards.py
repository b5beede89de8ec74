"""How objects show themselves: in a line, as their repr, and as a card of HTML.

A card is text in a few elements with inline styles: names are escaped and cut, nothing is loaded,
and its colours are those of the page, light or dark.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

from redisnb.durations import duration

__all__: list[str] = []

#: How much of a name is shown, and how much of it a tooltip has, in characters.
NAME_SHOWN, TOOLTIP_LENGTH = 60, 1_000
#: How much of an error is shown, in characters.
ERROR_LENGTH = 200
#: How many of several names are shown.
NAMES_SHOWN = 3
#: The longest value that stands beside others.
NARROW = 26

#: What stands for a figure that the server does not let this user see.
NOT_ALLOWED = "not allowed"

# -- words


def line(kind: str, *parts: str | Literal[False] | None) -> str:
    """Return a repr: the kind of an object with its name, its state, its figures."""
    return f"{kind}({', '.join(part for part in parts if part)})"


def quoted(name: str) -> str:
    """Return a name as Python writes it; a long one lacks its middle."""
    return repr(cut_name(name))


def listed(names: Iterable[str]) -> str:
    """Return a list of names as Python writes it, of many only the first ones."""
    each = list(names)
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
    first = text[: ERROR_LENGTH + 1].partition("\n")[0]
    whole = f"{kind}: {first}" if first else kind
    return whole if len(whole) <= ERROR_LENGTH else f"{whole[: ERROR_LENGTH - 1]}…"


def amount(size: float) -> str:
    """Return a number of bytes with its unit, such as ``3.6 MB``."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 999.5 or unit == "TB":
            break
        size /= 1000
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
_CARD_STYLE = (
    "display:inline-block;box-sizing:border-box;width:100%;max-width:760px;padding:8px 12px 6px;"
    f"border:1px solid {_BORDER};border-radius:6px;text-align:left;"
    "font:13px/1.5 var(--jp-ui-font-family, var(--vscode-font-family, system-ui, sans-serif))"
)
_HEAD_STYLE = "display:flex;flex-wrap:wrap;align-items:baseline;gap:2px 8px;margin:0 0 4px"
_KIND_STYLE = "opacity:0.75;font-weight:normal"
_NAME_STYLE = "font-weight:600;overflow-wrap:anywhere;unicode-bidi:isolate"
_STATE_STYLE = (
    "display:inline-flex;align-items:baseline;gap:5px;white-space:nowrap;margin-left:auto"
)
_DOT_STYLE = "width:8px;height:8px;border-radius:50%"
_LIST_STYLE = (
    "display:grid;grid-template-columns:repeat(auto-fill, minmax(210px, 1fr));gap:0 24px;margin:0"
)
_PAIR_STYLE = (
    "display:flex;justify-content:space-between;gap:12px;padding:1px 0;margin:0;"
    f"border-top:1px solid {_BORDER}"
)
_WIDE_STYLE = ";grid-column:1 / -1"
_LABEL_STYLE = "opacity:0.75;font-weight:normal;margin:0;padding:0;white-space:nowrap"
_VALUE_STYLE = (
    "margin:0;padding:0;text-align:right;overflow-wrap:anywhere;unicode-bidi:isolate;"
    "font-variant-numeric:tabular-nums"
)
_NOTE_STYLE = f"margin:0;padding:3px 0 1px;border-top:1px solid {_BORDER};overflow-wrap:anywhere"


def card(
    kind: str, name: str, state: str, pairs: Sequence[tuple[str, str | None]], note: str = ""
) -> str:
    """Return a card as HTML.

    Parameters
    ----------
    kind, name : str
        What it is, and its name, which is cut if it is long.
    state : str
        In words; the colour beside them is that of the state.
    pairs : sequence of (label, value)
        The figures; one without a value is left out.
    note : str
        A sentence below.
    """
    label = f"{kind} {cut_name(name)}"
    shown = [(label, value) for label, value in pairs if value]
    return (
        f'<div role="group" aria-label="{_html(label)}" style="{_CARD_STYLE}">'
        f'<div style="{_HEAD_STYLE}"><span style="{_KIND_STYLE}">{_html(kind)}</span>'
        f"{_name_html(name)}{_state_html(state)}</div>"
        f'<dl style="{_LIST_STYLE}">{"".join(_pair_html(*pair) for pair in shown)}</dl>'
        f"{_paragraph(note)}</div>"
    )


def _name_html(name: str) -> str:
    is_cut = NAME_SHOWN < len(name) <= TOOLTIP_LENGTH
    whole = f' title="{_html(name)}"' if is_cut else ""
    return f'<span style="{_NAME_STYLE}"{whole}>{_html(cut_name(name))}</span>'


def _state_html(state: str) -> str:
    if not state:
        return ""
    dot = f"{_DOT_STYLE};background:{_STATE_COLORS[_STATE_TONES.get(state, '')]}"
    return (
        f'<span style="{_STATE_STYLE}"><span aria-hidden="true" style="{dot}"></span>'
        f"{_html(state)}</span>"
    )


def _pair_html(label: str, value: str) -> str:
    wide = _WIDE_STYLE if len(value) > NARROW else ""
    return (
        f'<div style="{_PAIR_STYLE}{wide}"><dt style="{_LABEL_STYLE}">{_html(label)}</dt>'
        f'<dd style="{_VALUE_STYLE}">{_html(value)}</dd></div>'
    )


def _paragraph(note: str) -> str:
    return f'<div style="{_NOTE_STYLE}">{_html(note)}</div>' if note else ""


def _html(text: str) -> str:
    """Return text for HTML: marks that do not show, or that turn the text around, are written."""
    return html.escape(marked(text))


def marked(text: str) -> str:
    r"""Return a text in which characters that are not printed stand as in Python, as ``\u202e``."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
