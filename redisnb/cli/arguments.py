"""What the arguments of `redisnb capture` and `redisnb replay` mean to the Python functions."""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import re
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from redisnb import frames
from redisnb.durations import milliseconds
from redisnb.entries import AUTO, as_text

__all__: list[str] = []

#: How a path is told from a stream's key, apart from a slash.
ENDINGS = (".parquet", ".jsonl", ".jsonl.gz", ".jsonl.zst", ".part")
_PREFIX = "stream="
_ASSIGNMENT = re.compile(r"[^\s=<>!()'\"]+=(?!=).*", re.DOTALL)
_NUMERAL = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


class UsageError(ValueError):
    """A command cannot be right."""


class Endpoint(NamedTuple):
    """Where entries come from, or go to; `kind` says what `name` is."""

    kind: Literal["stream", "path", "pipe", "pattern"]
    name: str


def parse_source(text: str) -> Endpoint:
    """Return what SOURCE means.

    Raises
    ------
    UsageError
        If it may be a stream or a file.
    """
    if text == "-":
        return Endpoint("pipe", text)
    if text.startswith(_PREFIX):
        return parse_stream(text)
    if "/" in text or text.endswith(ENDINGS):
        return Endpoint("path", text)
    if os.path.lexists(text):
        raise UsageError(
            f"{text!r} is a file here, and may be the key of a stream: write ./{text} for the "
            f"file, or {_PREFIX}{text} for the stream"
        )
    return parse_stream(text)


def parse_target(text: str) -> Endpoint:
    """Return what TARGET means.

    Raises
    ------
    UsageError
        If it seems to be a file.
    """
    if text.startswith(_PREFIX):
        return parse_stream(text)
    if text == "-" or text.endswith(ENDINGS):
        raise UsageError(
            f"TARGET is the key of a stream, and {text!r} is not, or say {_PREFIX}{text}; "
            "`redisnb capture` writes files"
        )
    if text.count("*") > 1:
        raise UsageError(f"TARGET {text!r} has more than one *; {_PREFIX}{text} takes them as such")
    return Endpoint("pattern", text) if "*" in text else parse_stream(text)


def parse_stream(text: str) -> Endpoint:
    """Return the stream that a key means."""
    # What the shell gives that is no UTF-8 is spelled as everywhere.
    key = as_text(os.fsencode(text.removeprefix(_PREFIX)))
    if not key:
        raise UsageError(f"{text!r} is no key of a stream")
    return Endpoint("stream", key)


def parse_speed(text: str) -> float:
    """Read ``10x``, ``10``, ``inf`` or ``max``."""
    wrong = argparse.ArgumentTypeError(
        f"{text!r} is not above 0: 10x is ten times as fast as the entries came, max waits for "
        "nothing"
    )
    try:
        found = math.inf if text == "max" else float(text.removesuffix("x"))
    except ValueError:
        raise wrong from None
    if not found > 0:
        raise wrong
    return found


def parse_rate(text: str) -> float:
    """Read a number of entries per second."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not found > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not above 0, in entries per second")
    return found


def parse_count(text: str) -> int:
    """Read a number of entries."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of entries above 0")
    return int(text)


def parse_duration(text: str) -> str:
    """Check a duration."""
    try:
        milliseconds(text, "")
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no duration; write 500ms, 10s, 5min, 1h or 7d"
        ) from None
    return text


def parse_where(texts: Sequence[str]) -> dict[str, list[Any]] | str | None:
    """Read what ``--where`` says, as the filter that it stands for; all of several have to hold.

    In ``carrier=UA`` the value is wanted as a text, and as the number or the truth value that it
    may be. What is no such pair, or has blanks and can be read as an expression, is one.

    Raises
    ------
    UsageError
        If one of them is neither, or two are of one column.
    """
    found: dict[str, list[Any]] = {}
    expressions: list[str] = []
    for text in texts:
        if _is_expression(text):
            expressions.append(text)
            continue
        name, _, values = text.partition("=")
        if name in found:
            raise UsageError(
                f"--where {name}= is given twice; {name}=A,B wants one of several values"
            )
        try:
            listed = next(csv.reader([values], strict=True)) or [""]
        except csv.Error as error:
            raise UsageError(f"--where {text!r}: {error}; quote a value as in CSV") from None
        found[name] = [meaning for value in listed for meaning in _meanings(value)]
    if not expressions:
        return found or None
    pairs = [
        f"{_in_quotes(name, chr(34))} in ({_listed(wanted)})" for name, wanted in found.items()
    ]
    return " and ".join(f"({text})" for text in [*pairs, *expressions])


def _is_expression(text: str) -> bool:
    is_pair = _ASSIGNMENT.fullmatch(text) is not None
    if is_pair and not re.search(r"[\s']", text):
        return False
    try:
        frames.Filter(text, AUTO)
    except ValueError as error:
        if is_pair:
            return False
        raise UsageError(
            f"--where {text!r}: write --where carrier=UA, or carrier=UA,AA, or an expression: "
            f"{error}"
        ) from None
    return True


def _listed(values: Sequence[Any]) -> str:
    return ", ".join(
        _in_quotes(value, "'") if isinstance(value, str) else json.dumps(value) for value in values
    )


def _in_quotes(text: str, quote: str) -> str:
    return f"{quote}{text.replace(quote, 2 * quote)}{quote}"


def _meanings(text: str) -> list[Any]:
    truth = {"true": True, "false": False}.get(text.lower())
    if truth is not None:
        return [text, truth]
    if not _NUMERAL.fullmatch(text):
        return [text]
    try:
        return [text, int(text)]
    except ValueError:
        return [text, float(text)]
