"""Panel: what all panels have: a title, a state, an error message, a snapshot, and `close()`."""

from __future__ import annotations

import html
import threading
import weakref
from abc import ABCMeta, abstractmethod
from collections.abc import Callable
from typing import Any

import ipywidgets
import pandas as pd
import redis

from redisnb.background import Run, this_run
from redisnb.errors import RedisnbError, is_transient
from redisnb.panels.parts import error_text
from redisnb.panels.widgets.parts import Button, Column, Controls, Row, Text
from redisnb.panels.widgets.ticker import Ticker
from redisnb.panels.widgets.wording import display_text

__all__ = ["USER_ERRORS", "Panel"]

#: Errors that a user can cause: they are shown. Anything else is a bug of redisnb, and raised.
USER_ERRORS = (RedisnbError, redis.RedisError, OSError, ValueError, TypeError, RuntimeError)
#: How many rows a saved notebook shows.
SNAPSHOT = 20

_TONES = {
    "reading": "good",
    "running": "good",
    "publishing": "good",
    "finished": "good",
    "ready": "",
    "connecting": "wait",
    "stopping": "wait",
    "paused": "wait",
    "reconnecting": "wait",
    "incomplete": "bad",
    "failed": "bad",
}

# Each panel that is not closed, with the run of the notebook cell that made it.
_open_panels: weakref.WeakKeyDictionary[Panel, Run] = weakref.WeakKeyDictionary()


class _Abstract(ABCMeta, type(Column)):  # type: ignore[misc]  # ipywidgets ships no types
    pass


class Panel(Column, metaclass=_Abstract):
    """A panel: its parts stacked vertically, in a frame.

    A panel's methods do what its buttons do. When a notebook cell is run again, the panels that its
    last run made are closed.

    Parameters
    ----------
    title : str
        The heading.
    place : str
        Where the data are: the endpoint, without a secret.
    *parts : Widget
        The parts below the title.
    note : str, optional
        What the panel does, in a sentence.
    snapshot : bool
        Whether a saved notebook shows the panel's first rows where no widget runs.

    Attributes
    ----------
    last_error : BaseException or None
        Why the last action failed; None if it did not.
    """

    # A panel that failed in its constructor has nothing to close.
    _closed = True

    def __init__(
        self,
        title: str,
        place: str,
        *parts: ipywidgets.Widget,
        note: str = "",
        snapshot: bool = True,
    ) -> None:
        # Guards what is shown and requested: callbacks run on any thread, also while a cell runs.
        self._lock = threading.RLock()
        self.last_error: BaseException | None = None
        self._closed = False
        self._title, self._snapshot = title, snapshot
        self._chip = Text("rnb-state", role="status")
        self._tools = Controls(
            Button("python", "Copy as Python", tip="Copy the call that does the same"),
            on_act=lambda _: self._tools.copy(self.python()),
        )
        self._problem = Text("rnb-error", role="alert")
        self._retry = Controls(
            Button("retry", "Retry", tip="Try again"), on_act=lambda _: self._try_again()
        )
        self._trouble = Row(self._problem, self._retry)
        self._ticker = Ticker(repr(self), self._tick, self._last_tick)
        super().__init__(
            Row(
                Text("rnb-title", title, role="heading"),
                Text("rnb-place", place),
                self._chip,
                self._tools,
            ),
            Text("rnb-note", note),
            self._trouble,
            *parts,
        )
        self.add_class("rnb-panel")
        self._clear()
        run = this_run()
        for panel, origin in list(_open_panels.items()):
            # Its output is no longer on the page.
            if run.replaces(origin):
                panel.close()
        _open_panels[self] = run

    # -- for the user

    @property
    def state(self) -> str:
        """The displayed state, as text."""
        return str(self._chip.value)

    @abstractmethod
    def frame(self) -> pd.DataFrame:
        """Return everything that the panel shows."""

    @abstractmethod
    def python(self) -> str:
        """Return the call that does the same without the panel."""

    def close(self) -> None:
        """Remove the panel from the page, and end what it started."""
        if self._closed:
            return
        self._closed = True
        self._end()
        self._ticker.stop()
        _open_panels.pop(self, None)
        _close(self)

    # -- for the panels

    def _end(self) -> None:
        """End what this panel itself started."""

    def _tick(self) -> float | None:
        """Refresh; return in how many seconds to refresh again, None for never."""
        return None

    def _last_tick(self) -> bool:
        """Show that refreshing has stopped; return whether to be called again soon."""
        self._become("stopped")
        return False

    def _again(self) -> None:
        """Do what the Retry button does."""
        self._ticker.start()

    def _become(self, state: str) -> None:
        if self._chip.value != state:
            self._chip.value = state
            self._chip.tone = _TONES.get(state, "")

    def _attempt(self, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Call a function; if it fails, show the error and return None."""
        if self._closed:
            raise RuntimeError(f"{self!r} is closed; make another")
        with self._lock:
            self._clear()
            try:
                return function(*args, **options)
            except USER_ERRORS as error:
                self._fail(error)
                return None
            except Exception as error:
                # A front end shows no exception that is raised outside a cell.
                self._fail(error)
                raise

    def _look(self, function: Callable[[], None]) -> bool:
        """Call a function that queries the server; return whether it answered. Update the state."""
        try:
            function()
        except USER_ERRORS as error:
            if self._closed:
                return False
            passing = is_transient(error)
            self._fail(error)
            self._become("reconnecting" if passing else "failed")
            return False
        if self.last_error is not None and self.state in ("reconnecting", "failed"):
            self._clear()
        return True

    def _fail(self, error: BaseException) -> None:
        self.last_error = error
        self._say(error_text(error))

    def _clear(self) -> None:
        self.last_error = None
        self._say("")

    def _say(self, problem: str) -> None:
        if self._problem.value != problem:
            self._problem.value = problem
        display = "" if problem else "none"
        if (self._trouble.layout.display or "") != display:
            self._trouble.layout.display = display

    def _try_again(self) -> None:
        self._clear()
        self._again()

    # -- the snapshot in a saved notebook

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = super()._repr_mimebundle_(**options)
        bundle["text/plain"] = repr(self)
        if self._snapshot:
            bundle["text/html"] = self._as_html()
        return bundle

    def _as_html(self) -> str:
        """Return the first rows as a table of plain text."""
        frame = self.frame()
        head = f"<p><b>{_code(self._title)}</b> {_code(self.state)}</p>"
        if not len(frame):
            return head
        rows = frame.head(SNAPSHOT)
        if rows.index.name is not None:
            rows = rows.reset_index()
        names = "".join(f"<th>{_code(str(name))}</th>" for name in rows.columns)
        body = "".join(
            f"<tr>{''.join(map(_html_cell, row))}</tr>"
            for row in rows.itertuples(index=False, name=None)
        )
        return (
            f"{head}<table><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>"
            f"<p>{len(rows):,} of {len(frame):,} rows, when this was saved</p>"
        )


def _html_cell(value: object) -> str:
    return f"<td>{_code(display_text(value) or '')}</td>"


def _code(text: str) -> str:
    # Text in `code` is never typeset as a formula.
    return f"<code>{html.escape(text)}</code>"


def _close(widget: ipywidgets.Widget) -> None:
    for part in getattr(widget, "children", ()):
        if isinstance(part, Panel):
            part.close()
        else:
            _close(part)
    ipywidgets.Widget.close(widget)
