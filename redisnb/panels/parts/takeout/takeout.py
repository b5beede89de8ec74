"""TakeOut: the strip of a panel with which the user goes on elsewhere with what it shows."""

from __future__ import annotations

import weakref
from collections.abc import Callable

import pandas as pd

from redisnb.panels.parts.controls import Action, Input
from redisnb.panels.parts.part import Box, Label, Part, Strip
from redisnb.panels.parts.takeout.exporting import ExportForm, Reports
from redisnb.panels.parts.takeout.variables import frame_size, set_variable, variable

__all__ = ["TakeOut"]


class TakeOut(Part):
    """Buttons that take what a panel shows to a variable, into a file, or as Python code.

    It belongs into the foot of a panel: what a button opens is a line of its own there.

    Parameters
    ----------
    label : str
        What is taken out.
    frame : callable
        Returns what the panel shows, on any thread.
    python : callable
        Returns the calls that make the same frame.
    name : str
        The proposed name of the variable and of the file.
    trouble : Trouble
        Where errors are shown.
    """

    kind = "strip"

    def __init__(
        self,
        label: str,
        *,
        frame: Callable[[], pd.DataFrame],
        python: Callable[[], str],
        name: str = "entries",
        trouble: Reports,
    ) -> None:
        self._python = python
        self._said = Label(look="soft", role="status")
        self._forms: dict[Action, Box] = {
            Action("To a variable", lambda: self._open(0)): _VariableForm(frame, name, self._said),
            Action("Export", lambda: self._open(1)): ExportForm(frame, name, self._said, trouble),
        }
        buttons = [*self._forms, Action("Copy as Python", self.copy_python)]
        super().__init__(*buttons, *self._forms.values(), self._said, look="takeout", label=label)
        for button in self._forms:
            button.set(expanded=False)

    def copy_python(self) -> None:
        """Copy the calls that make the same frame."""
        assert self.channel is not None
        self.channel.send({"copy": self._python(), "what": "the Python code"})

    def _open(self, at: int) -> None:
        """Open a form, or close it if it is open."""
        self._said.set(text="", tone="")
        for i, (button, form) in enumerate(self._forms.items()):
            is_open = i == at and form["hidden"]
            form.set(hidden=not is_open)
            button.set(expanded=is_open)


class _VariableForm(Box):
    """The name of a variable, and the button that sets it."""

    def __init__(self, frame: Callable[[], pd.DataFrame], name: str, said: Label) -> None:
        self._frame, self._said = frame, said
        self._name = Input("Variable", name, on=self._set, size=16)
        self._button = Action("Set", self._set)
        super().__init__(Strip(self._name, self._button), look="form", hidden=True)
        # The name that the user was asked about, and what was set here last.
        self._asked = ""
        self._last: Callable[[], pd.DataFrame | None] = lambda: None

    def _set(self) -> None:
        name: str = self._name["value"].strip()
        self._said.set(text="")
        try:
            there = variable(name)
            is_free = there is None or there is self._last() or self._asked == name
            if not is_free:
                self._ask(name, there)
                return
            set_variable(name, self._frame())
        except ValueError as error:
            self._show(str(error))
            return
        except RuntimeError as error:
            self._show("")
            self._said.set(text=str(error))
            return
        set_here: pd.DataFrame = variable(name)
        self._last = weakref.ref(set_here)
        self._show("")
        self._said.set(text=f"{name} = {frame_size(set_here)}. Go on in a cell: {name}.describe()")

    def _ask(self, name: str, there: object) -> None:
        what = type(there).__name__
        size = f" of {frame_size(there)}" if isinstance(there, pd.DataFrame) else ""
        self._show(f"There is a {name} already, a {what}{size}.", asked=name)

    def _show(self, error: str, *, asked: str = "") -> None:
        self._asked = asked
        self._name.set(error=error)
        self._button.set(label="Replace" if asked else "Set")
