"""What a command says on standard error; standard output is for data alone."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pandas as pd
import redis

from redisnb.errors import words
from redisnb.replays import Report

__all__: list[str] = []

#: The most rows of a table.
ROWS = 40

# What messages call by its name in Python.
_OPTIONS = (
    "allow_self|end|every|follow|ids|limit|match|max_gap|on_error|overwrite|rate|resume|rows|speed|"
    "stamp|start|timeout|where"
)
# Not within a path, or a key in quotes.
_OPTION = re.compile(rf"(?<![\w./'\"-])({_OPTIONS})=(True\b|float\('inf'\))?(?=(.?))")
_IN_SHELL = {
    "Replay(...).forget()": "--restart",
    "the same call again": "the same command again",
    "give a Stream as target": "give the key of a stream as TARGET",
}
_SECRET = re.compile(r"(?<=://)\S+@")


def say(text: str) -> None:
    """Print a text, without secrets, and without anything that would steer a terminal."""
    shown = "".join(
        each if each.isprintable() or each == "\n" else each.encode("unicode_escape").decode()
        for each in hidden(text)
    )
    # Without a standard error `print` would take standard output.
    if sys.stderr is not None:
        print(shown, file=sys.stderr, flush=True)


def hidden(text: str) -> str:
    """Return a text without the passwords of the URLs in it."""
    return _SECRET.sub("***@", text)


def in_shell(message: str) -> str:
    """Return a message of the Python functions in the words of the command line."""

    def option(found: re.Match[str]) -> str:
        name, value, behind = found.groups()
        text = "--" + name.replace("_", "-")
        if value is None:
            return f"{text} " if behind.strip() and behind not in ",;:" else text
        return text if value == "True" else f"{text} max"

    for python, shell in _IN_SHELL.items():
        message = message.replace(python, shell)
    return _OPTION.sub(option, message)


def one_line(error: BaseException) -> str:
    """Return what an error says, with its notes, in one line."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        text = f"{error.filename}: {error.strerror}"
    elif isinstance(error, redis.RedisError):
        text = words(error)
    else:
        text = str(error)
    parts = [text or type(error).__name__, *getattr(error, "__notes__", ())]
    return in_shell("; ".join(part.replace("\n", " ") for part in parts if part))


def say_table(frame: pd.DataFrame) -> None:
    """Print a frame."""
    say(frame.to_string(index=False, max_rows=ROWS))


def say_report(report: Report) -> None:
    """Print what a replay has done."""
    line, _, note = repr(report).partition("\n")
    say(f"redisnb: {line.removeprefix('<Report ').removesuffix('>')}")
    if note:
        say(f"redisnb: {in_shell(note)}")


@contextmanager
def warnings_said() -> Iterator[None]:
    """Print warnings as a line, and not with a place in the code."""

    def show(message: Warning | str, *_: object, **__: object) -> None:
        say(f"redisnb: warning: {in_shell(str(message))}")

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield
