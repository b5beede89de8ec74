"""Speeds: as steps of a slider, and in the words that a user types."""

from __future__ import annotations

import math
import re
from datetime import timedelta

from redisnb.durations import duration, milliseconds

__all__ = ["SPEED_STEPS", "nearest_step", "speed_of", "speed_text", "speed_words"]

SPEED_STEPS = [0.1, 0.5, 1, 2, 5, 10, 30, 60, 100, 600, 3600, math.inf]
_FASTEST = "as fast as possible"
_FACTOR = re.compile(r"(\d+(?:[.,]\d+)*|\d*\.\d+)\s*(?:x|times)?", re.IGNORECASE)
_RATIO = re.compile(r"(.+?)\s+in\s+(.+)", re.IGNORECASE)
#: Words that mean a speed.
_WORDS_OF_SPEEDS = {_FASTEST: math.inf, "max": math.inf, "fastest": math.inf, "inf": math.inf}
_WORDS_OF_SPEEDS |= {"original": 1.0, "real time": 1.0, "half": 0.5, "double": 2.0}


def speed_of(text: str) -> float:
    """Return the speed that a user's words mean.

    Raises
    ------
    ValueError
        If they mean none.
    """
    words = " ".join(text.lower().split())
    if words in _WORDS_OF_SPEEDS:
        return _WORDS_OF_SPEEDS[words]
    if found := _FACTOR.fullmatch(words):
        speed = float(found[1].replace(",", ""))
        if 0 < speed < math.inf:
            return speed
    elif found := _RATIO.fullmatch(words):
        try:
            span, taken = (milliseconds(_with_unit(each), "speed") for each in found.groups())
        except ValueError:
            span = taken = 0
        if span > 0 and taken > 0:
            return span / taken
    raise ValueError(f"such as 60x, '1h in 1min', or '{_FASTEST}'")


def _with_unit(text: str) -> str:
    """Return a duration; "an hour" and "hour" are one of it."""
    word = re.sub(r"^(an?|one)\s+", "", text.strip())
    return f"1{word}" if word[:1].isalpha() else word


def speed_text(speed: float) -> str:
    """Return a speed as short as it is typed."""
    return _FASTEST if speed == math.inf else f"{speed:,.12g}x"


def speed_words(speed: float) -> str:
    """Return what a speed means."""
    if speed == math.inf:
        return _FASTEST
    if speed == 1:
        return "1x, as it was"
    unit, each = ("an hour", 3600) if speed >= 60 else ("a minute", 60)
    return f"{speed:,g}x, {unit} in {duration(timedelta(seconds=each / speed))}"


def nearest_step(speed: float) -> int:
    """Return the step of the slider that is nearest to a speed."""
    if speed == math.inf:
        return len(SPEED_STEPS) - 1
    finite = SPEED_STEPS[:-1]
    return min(range(len(finite)), key=lambda i: abs(math.log(finite[i] / speed)))
