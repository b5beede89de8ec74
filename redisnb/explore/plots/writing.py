"""How plots write numbers, sizes, durations and names."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from datetime import timedelta

from redisnb import cards
from redisnb.durations import duration

__all__ = ["labels", "number_text", "part_texts", "seconds_text"]

#: How much of a name is shown, in characters.
_NAME_SHOWN = 36


def number_text(number: float) -> str:
    """Write a number with its thousands separated."""
    return f"{number:,.10g}" if abs(number) < 1e10 else f"{number:,.0f}"


def rate_text(number: float) -> str:
    """Write a rate with three digits that count."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def seconds_text(seconds: float) -> str:
    """Write seconds with their largest units: ``150 µs``, ``2.5 ms``, ``4 min 5 s``."""
    for size, unit in ((1e-6, "µs"), (1e-3, "ms"), (1, "s")):
        if abs(seconds) < 999.5 * size and abs(seconds) < 59.95:
            return f"{seconds / size:.3g} {unit}" if seconds else "0"
    if seconds >= 2 * 31_536_000:
        return f"{seconds / 31_536_000:.3g} y"
    return duration(timedelta(seconds=round(seconds)))


def labels(names: Iterable[Hashable]) -> list[str]:
    """Return the labels of names, each once; a tuple is a stream and a group."""
    found: list[str] = []
    for name in names:
        parts = name if isinstance(name, tuple) else (name,)
        text = _label(" / ".join(part_texts(parts)))
        n = 1
        label = text
        while label in found:
            n += 1
            label = f"{text} ({n})"
        found.append(label)
    return found


def part_texts(parts: Iterable[object]) -> list[str]:
    """Write names on one line, cut in the middle, with what cannot be printed marked."""
    texts = []
    for part in parts:
        text = "?" if part is None or part != part else str(part)
        # At first, so that a huge name does not take long; marks make it longer.
        shown = cards.cut_name(cards.legible(cards.cut_name(text, _NAME_SHOWN)), _NAME_SHOWN)
        texts.append(shown or "''")
    return texts


def _label(text: str) -> str:
    """Return a text as matplotlib shows it unchanged."""
    # Between two dollars would be mathematics, and a label with a leading underscore has no legend.
    text = text.replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text
