"""Confirmation: a question in place, before something that cannot be taken back."""

from __future__ import annotations

from collections.abc import Callable

from redisnb.panels.parts import Action, Box, Label, Strip

__all__ = ["Confirmation"]


class Confirmation(Box):
    """What is about to be done, with how many, and a button for each answer; hidden until `ask`.

    The focus goes to "Cancel", so that a key pressed twice does nothing.
    """

    def __init__(self) -> None:
        self._job: Callable[[], object] | None = None
        self._text = Label(role="status")
        self._yes = Action("", self.confirm, look="danger")
        super().__init__(
            Strip(self._text, Action("Cancel", self.cancel), self._yes, look="under"),
            look="form",
            hidden=True,
        )

    def ask(self, text: str, label: str, job: Callable[[], object]) -> None:
        """Ask; a newer question takes the place of an older one.

        Parameters
        ----------
        text : str
            What is done, to how many, and what of it cannot be taken back.
        label : str
            The button that does it.
        job : callable
            Called if the user confirms.
        """
        self._job = job
        self._text.set(text=text)
        self._yes.set(label=label)
        self.set(hidden=False)

    def confirm(self) -> None:
        """Do what was asked about."""
        job = self._job
        self.cancel()
        if job is not None:
            job()

    def cancel(self) -> None:
        """Do nothing."""
        self._job = None
        self.set(hidden=True)
