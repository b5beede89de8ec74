"""What a command prints on standard error; standard output is for data alone."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pandas as pd
import redis

from redisnb.errors import shell_spoken, words
from redisnb.replays import Report

__all__: list[str] = []

#: The most rows of a table.
TABLE_ROWS = 40

_SECRET = re.compile(r"(?<=://)\S+@")


def say(text: str) -> None:
    """Print a text without passwords and without control characters for the terminal."""
    # Without a standard error `print` would use standard output.
    if sys.stderr is not None:
        print(printable(without_passwords(text)), file=sys.stderr, flush=True)


def printable(text: str) -> str:
    """Return a text with control characters for the terminal escaped."""
    return "".join(
        each if each.isprintable() or each == "\n" else each.encode("unicode_escape").decode()
        for each in text
    )


def without_passwords(text: str) -> str:
    """Return a text without the passwords of the URLs in it."""
    return _SECRET.sub("***@", text)


def one_line(error: BaseException) -> str:
    """Return the text of an error and its notes in one line."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        text = f"{error.filename}: {error.strerror}"
    elif isinstance(error, redis.RedisError):
        text = words(error)
    else:
        text = str(error)
    parts = [text or type(error).__name__, *getattr(error, "__notes__", ())]
    return "; ".join(part.replace("\n", " ") for part in parts if part)


def say_table(frame: pd.DataFrame) -> None:
    """Print a frame."""
    say(frame.to_string(index=False, max_rows=TABLE_ROWS))


def say_report(report: Report) -> None:
    """Print the report of a replay."""
    line = repr(report).removeprefix("Report(").removesuffix(")").removesuffix(f"; {report.note}")
    say(f"redisnb: {line.replace(', ', ': ', 1)}")
    if report.note:
        say(f"redisnb: {report.note}")


@contextmanager
def warnings_said() -> Iterator[None]:
    """Print each warning as one line, without a place in the code, in the words of the shell."""

    def show(message: Warning | str, *_: object, **__: object) -> None:
        say(f"redisnb: warning: {message!s}")

    with warnings.catch_warnings(), shell_spoken():
        warnings.showwarning = show
        yield
