"""ServerPanel: what a server does now, its clients, what was slow, and what is wrong."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import pandas as pd
import redis

from redisnb import cards, frames
from redisnb.errors import is_transient
from redisnb.explore import clients, doctor, info, slowlog
from redisnb.panels.inspecting.figures import ServerHistory, facts_of
from redisnb.panels.inspecting.view import (
    CLIENT_LIST,
    FACTS,
    FINDINGS_VIEW,
    SLOW_LOG,
    ServerView,
)
from redisnb.panels.parts import (
    SERVER_ERRORS,
    Lane,
    PartsPanel,
    PythonCode,
    TakeOut,
    Task,
    Trouble,
    error_text,
)
from redisnb.wire import Connection, check_connection

__all__ = ["ServerPanel", "server"]

#: How often the server is asked, and how often for its clients or slow log, in seconds.
_ASKED_EACH, _TABLES_EACH = 1.0, 2.5


class ServerPanel(PartsPanel):
    """A server: memory, clients and commands over time, its slow log, and what is wrong.

    While a page shows it, the server is asked once a second, and for its clients or its slow log
    every three seconds while these are shown. What `redisnb.doctor` finds stands first.

    Parameters
    ----------
    conn : Connection
    snapshot : bool, default True
        Whether a saved notebook shows the first rows where no widget runs.

    Examples
    --------
    >>> panel = rnb.panels.ServerPanel(conn)
    >>> panel.show("clients")
    >>> panel.wait()
    True
    >>> print(panel.python().splitlines()[-1])
    frame = rnb.clients(conn)
    """

    def __init__(self, conn: Connection, *, snapshot: bool = True) -> None:
        check_connection(conn, "server(conn)")
        self._conn = conn
        self._view = ServerView(conn.name, self._take_out)
        self._history = ServerHistory()
        self._frames: dict[str, pd.DataFrame] = {
            FINDINGS_VIEW: frames.findings_frame([]),
            CLIENT_LIST: frames.table(frames.CLIENTS, []),
            SLOW_LOG: frames.table(frames.SLOWLOG, []),
            FACTS: frames.table(frames.INFO, []),
        }
        self._examining = Lane(f"server({conn.name!r}), examining", self._not_examined)
        # When the table that is shown is asked for again.
        self._table_due = 0.0
        super().__init__(self._view, self._view.trouble, snapshot=snapshot)
        view = self._view
        view.views.on, view.examine.on, view.watch.on = self._turned, self.examine, self._turn_watch
        self.watch()
        self.examine()

    def __repr__(self) -> str:
        return f"ServerPanel({cards.quoted(self._conn.name)})"

    def _take_out(self, trouble: Trouble) -> TakeOut:
        return TakeOut(
            "Server", frame=self.frame, python=self.python, name="found", trouble=trouble
        )

    # -- for the user

    def frame(self) -> pd.DataFrame:
        """Return what the chosen tab shows, in schema FINDINGS, CLIENTS, SLOWLOG or INFO."""
        shown = self._shown
        grids = {
            CLIENT_LIST: self._view.clients,
            SLOW_LOG: self._view.slow_log,
            FACTS: self._view.facts,
        }
        return grids[shown].frame() if shown in grids else self._frames[FINDINGS_VIEW]

    def python(self) -> str:
        """Return the calls that ask for the same."""
        functions = {FINDINGS_VIEW: "doctor", CLIENT_LIST: "clients", SLOW_LOG: "slowlog"}
        code = PythonCode()
        function = f"rnb.{functions.get(self._shown, 'info')}"
        code.keep("frame", code.call(function, code.connection(self._conn.url)))
        return str(code)

    def show(self, view: str) -> None:
        """Show the "findings", the "clients", the "slowlog", or all "info"."""
        self._view.views.show(view)
        self._turned()

    def examine(self) -> None:
        """Look for what is wrong, in the background, as `redisnb.doctor` does."""
        self._view.examine.set(disabled="it is being examined")
        self._view.caption.set(text="examining the server")
        self._examining.do(self._examine)

    def watch(self) -> None:
        """Ask the server again and again, while a page shows the panel."""
        self._view.state.set(text="connecting", tone="")
        self._view.watch.set(label="Stop")
        self.repeat(self._tick)

    def stop(self) -> None:
        """End what runs in the background; the panel stays, and its buttons start it again."""
        self._examining.stop()
        super().stop()

    def stopped(self) -> None:
        """Show that the server is not asked any more."""
        self._view.state.set(text="stopped", tone="")
        self._view.watch.set(label="Start")

    # -- what the user does

    @property
    def _shown(self) -> str:
        shown: str = self._view.views["value"]
        return shown

    def _turned(self) -> None:
        # Soon, and not at once: a page waits for its click.
        self._table_due = 0.0
        if not self._repeating.is_busy:
            self.work(lambda task: self._look())

    def _turn_watch(self) -> None:
        if self._repeating.is_busy:
            self._repeating.stop()
        else:
            self.watch()

    # -- again and again

    def _tick(self, _: Task) -> float | None:
        if not self.root.is_shown:
            return _ASKED_EACH
        try:
            self._look()
            # It goes on by itself when a page shows it again.
            self._view.watch.set(label="Stop")
        except SERVER_ERRORS as error:
            if not is_transient(error):
                raise
            self._view.state.set(text="reconnecting", tone="warn")
        return _ASKED_EACH

    def _look(self) -> None:
        frame = info(self._conn)
        facts = facts_of(frame)
        # An examination sends thousands of commands.
        is_own = self._examining.is_busy
        self._history.add(facts, pd.Timestamp.now("UTC"), counts=not is_own)
        table = None
        if (now := time.monotonic()) >= self._table_due:
            # Set before it is asked for: a tab that is turned meanwhile asks once more.
            self._table_due = now + _TABLES_EACH
            table = self._table()
        times, rates, memory = self._history.lines()
        rate = self._history.rate
        speed = {} if rate is None else {"commands/s": f"{rate:,.0f}"}
        self._frames[FACTS] = frame
        with self.together():
            view = self._view
            view.about.set(text=facts.about)
            view.figures.show(speed | facts.figures())
            view.commands.show(times, {"commands": rates})
            view.memory.show(times, {"used": memory})
            if self._shown == FACTS:
                view.facts.show(frame)
            if table is not None:
                table()
            view.state.set(text="watching", tone="good")

    def _table(self) -> Callable[[], None] | None:
        """Ask for the table that is shown; return what shows it."""
        asks = {
            CLIENT_LIST: (clients, self._view.clients),
            SLOW_LOG: (slowlog, self._view.slow_log),
        }
        if self._shown not in asks:
            return None
        ask, grid = asks[self._shown]
        try:
            frame = ask(self._conn)
        except redis.ResponseError as error:
            return partial(grid.set, empty=error_text(error))
        self._frames[self._shown] = frame
        return partial(grid.show, frame)

    # -- findings

    def _examine(self, task: Task) -> None:
        findings = doctor(self._conn)
        n = int((findings["severity"] != "note").sum())
        with task.show(), self.together():
            self._frames[FINDINGS_VIEW] = findings
            self._view.findings.show(findings, lambda text: partial(self.copy, text, "the call"))
            badge = [f"{n}"] if n else []
            options = self._view.views["options"]
            self._view.views.offer([[FINDINGS_VIEW, "Findings", *badge], *options[1:]])
            self._view.caption.set(text=f"examined at {pd.Timestamp.now('UTC'):%H:%M:%S} UTC")
            self._view.examine.set(disabled="")
        self._save(now=True)

    def _not_examined(self, error: Exception, _: Callable[[Task], object]) -> None:
        self._view.caption.set(text="not examined")
        self._view.examine.set(disabled="")
        self.trouble.report(error, self.examine)


def server(conn: Connection) -> ServerPanel:
    """Look at a server: what it does, its clients, what was slow, and what is wrong.

    Parameters
    ----------
    conn : Connection

    Returns
    -------
    ServerPanel

    Examples
    --------
    >>> panel = rnb.panels.server(conn)
    >>> panel  # the last line of a cell shows it
    ServerPanel('private server/0')
    """
    return ServerPanel(conn)
