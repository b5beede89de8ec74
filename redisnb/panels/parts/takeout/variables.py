"""A frame as a variable of the notebook."""

from __future__ import annotations

import builtins
import keyword
import sys
from typing import Any

import pandas as pd

__all__ = ["frame_size", "set_variable", "variable"]

#: What IPython puts into the namespace, or finds there.
_OF_IPYTHON = frozenset({"In", "Out", "exit", "get_ipython", "open", "quit"})

_IN_MARIMO = (
    "In marimo a name belongs to the cell that defines it. Show the panel by a name of its own, "
    "panel = ..., and write in another cell: {name} = panel.frame()"
)
_NO_NOTEBOOK = "There is no notebook here to have a variable. In Python: {name} = panel.frame()"


def frame_size(frame: pd.DataFrame) -> str:
    """Return how large a frame is: "1,184 rows x 7 columns"."""
    rows, columns = frame.shape
    return (
        f"{rows:,} {'row' if rows == 1 else 'rows'} x "
        f"{columns:,} {'column' if columns == 1 else 'columns'}"
    )


def set_variable(name: str, frame: pd.DataFrame) -> None:
    """Set a variable of the notebook.

    Raises
    ------
    ValueError
        If no variable can have this name.
    RuntimeError
        If there is no notebook, or it is one of marimo.
    """
    if problem := _problem(name):
        raise ValueError(problem)
    # A copy: what the user changes in it does not change the panel.
    _shell(name).push({name: frame.copy()})


def variable(name: str) -> Any:
    """Return the value of a variable of the notebook; None if there is none."""
    if _problem(name):
        return None
    return _shell(name).user_ns.get(name)


def _problem(name: str) -> str:
    """Return why no variable can have this name; "" if one can."""
    if not name:
        return "Type a name, such as entries."
    if not name.isidentifier():
        return f"{name!r} is no name: letters, digits and _, not beginning with a digit."
    if keyword.iskeyword(name):
        return f"{name!r} is a word of Python itself: choose another name."
    # First, since Python's own prompt, and doctest, leave a `_` among Python's functions.
    if name.startswith("_") or name in _OF_IPYTHON:
        return f"{name!r} belongs to IPython: choose another name."
    if hasattr(builtins, name):
        return f"{name!r} is a function or a constant of Python itself: choose another name."
    return ""


def _shell(name: str) -> Any:
    # Not imported: outside a notebook nothing of it is there.
    marimo = sys.modules.get("marimo")
    if marimo is not None and marimo.running_in_notebook():
        raise RuntimeError(_IN_MARIMO.format(name=name))
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None:
        raise RuntimeError(_NO_NOTEBOOK.format(name=name))
    return shell
