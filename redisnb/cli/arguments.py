"""The arguments of `redisnb capture` and `redisnb replay` as values for the Python functions."""

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

#: What marks a path, besides a slash; other names are keys of streams.
ENDINGS = (".parquet", ".jsonl", ".jsonl.gz", ".jsonl.zst", ".part")
_PREFIX = "stream="
_ASSIGNMENT = re.compile(r"[^\s=<>!()'\"]+=(?!=).*", re.DOTALL)
_NUMERAL = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


class UsageError(ValueError):
    """A command that cannot be right."""


class Endpoint(NamedTuple):
    """Where entries come from or go to; `kind` says what `name` is."""

    kind: Literal["stream", "path", "pipe", "pattern"]
    name: str


def parse_source(text: str) -> Endpoint:
    """Return the endpoint that SOURCE means.

    Raises
    ------
    UsageError
        If it could be a stream or a file.
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
    """Return the endpoint that TARGET means.

    Raises
    ------
    UsageError
        If it seems to be a file.
    """
    if text.startswith(_PREFIX):
        return parse_stream(text)
    if text == "-" or text.endswith(ENDINGS):
        raise UsageError(
            f"TARGET is the key of a stream, and {text!r} is not; write {_PREFIX}{text} if it is; "
            "`redisnb capture` writes files"
        )
    if text.count("*") > 1:
        raise UsageError(
            f"TARGET {text!r} has more than one *; {_PREFIX}{text} takes them literally"
        )
    return Endpoint("pattern", text) if "*" in text else parse_stream(text)


def parse_stream(text: str) -> Endpoint:
    """Return the stream that a key means."""
    # What is not UTF-8 in the shell's argument is spelled as everywhere.
    key = as_text(os.fsencode(text.removeprefix(_PREFIX)))
    if not key:
        raise UsageError(f"{text!r} is not the key of a stream")
    return Endpoint("stream", key)


def parse_speed(text: str) -> float:
    """Return the speed in ``10x``, ``10``, ``inf`` or ``max``."""
    wrong = argparse.ArgumentTypeError(
        f"{text!r} is not above 0: 10x is ten times as fast as the entries came, max never waits"
    )
    try:
        number = math.inf if text == "max" else float(text.removesuffix("x"))
    except ValueError:
        raise wrong from None
    if not number > 0:
        raise wrong
    return number


def parse_rate(text: str) -> float:
    """Return a number of entries per second."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not number > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not above 0, in entries per second")
    return number


def parse_count(text: str) -> int:
    """Return a number of entries."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of entries above 0")
    return int(text)


def parse_duration(text: str) -> str:
    """Return a duration as it is, once checked."""
    try:
        milliseconds(text, "")
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a duration; write 500ms, 10s, 5min, 1h or 7d"
        ) from None
    return text


def parse_where(texts: Sequence[str]) -> dict[str, list[Any]] | str | None:
    """Return the filter that all ``--where`` together stand for; each of them has to hold.

    ``carrier=UA`` matches the value as text, and as the number or boolean that it may be. What is
    not such a pair, or has blanks and can be parsed as an expression, is an expression.

    Raises
    ------
    UsageError
        If one of them is neither, or two are of one column.
    """
    columns: dict[str, list[Any]] = {}
    expressions: list[str] = []
    for text in texts:
        if _is_expression(text):
            expressions.append(text)
            continue
        name, _, values = text.partition("=")
        if name in columns:
            raise UsageError(
                f"--where {name}= is given twice; {name}=A,B matches any of several values"
            )
        try:
            alternatives = next(csv.reader([values], strict=True)) or [""]
        except csv.Error as error:
            raise UsageError(f"--where {text!r}: {error}; quote a value as in CSV") from None
        columns[name] = [meaning for value in alternatives for meaning in _meanings(value)]
    if not expressions:
        return columns or None
    pairs = [
        f"{_in_quotes(name, chr(34))} in ({_list(values)})" for name, values in columns.items()
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


def _list(values: Sequence[Any]) -> str:
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
