"""Dashboard: choose a stream, and look through it, follow it, free it, publish and replay."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pandas as pd

from redisnb import cards
from redisnb.entries import Entry
from redisnb.errors import is_transient
from redisnb.panels.board.listing import LETTERS, PREFIX, STREAM, LineName, StreamLines
from redisnb.panels.board.opened import OpenedPanels, PanelPlace
from redisnb.panels.board.replay_into import ReplayIntoPanel
from redisnb.panels.board.view import DATABASE_TABS, TABS, BoardView
from redisnb.panels.board.watching import KeyPrefix, StreamsWatch, key_prefixes
from redisnb.panels.browsing import BrowsePanel
from redisnb.panels.consumer_groups import GroupsPanel
from redisnb.panels.details import EntryDetails
from redisnb.panels.finding import KeysPanel
from redisnb.panels.following import LivePanel
from redisnb.panels.inspecting import ServerPanel
from redisnb.panels.parts import SERVER_ERRORS, Lane, PartsPanel, PythonCode, Task
from redisnb.panels.publishing import PublishPanel
from redisnb.stream import ConsumerGroup, Stream, without_letter_head
from redisnb.wire import Connection, check_connection, connect

__all__ = ["Dashboard", "dashboard"]

#: How often it is looked what runs, and whether a stream has its turn, in seconds.
_TURN_EACH, _RETRY_EVERY = 0.5, 2.0
#: How many times as long as listing took the next one is put off.
_LEFT_BY_THE_LIST = 300
#: What the head of a panel says of the stream or the database, which stands above the tabs.
_SAID_ABOVE = {
    "browse": ("title", "soft"),
    "live": ("title", "soft"),
    "publish": ("title",),
    "keys": ("title", "soft"),
    "server": ("title",),
}
_NO_STREAM = "Choose a stream at the left, or type the key of one: it need not exist."


class Dashboard(PartsPanel):
    """All streams of a database, and what there is to do with the one that is chosen.

    A panel is made when its tab is first shown, and lives on while another tab or stream is shown:
    what runs keeps running, and what was typed is there on return. Hidden panels ask the server for
    nothing. Closing the dashboard ends what its panels have started.

    Parameters
    ----------
    conn : Connection, optional
        By default the one that `redisnb.connect` returns without an address.
    stream : str, optional
        The key of the stream to begin with, which need not exist; by default the one that needs a
        look most.
    snapshot : bool, default True
        Whether a saved notebook shows the list of streams where no widget runs.

    Notes
    -----
    All streams and up to 10,000 keys are read in the beginning. Then the streams are read one after
    the other, with about three commands a second, while a page shows the dashboard.

    Examples
    --------
    >>> panel = rnb.panels.Dashboard(conn, stream="orders")
    >>> panel.wait()
    True
    >>> panel.frame()["stream"].tolist()
    ['orders']
    """

    def __init__(
        self,
        conn: Connection | None = None,
        *,
        stream: str | None = None,
        snapshot: bool = True,
    ) -> None:
        self._conn = connect() if conn is None else conn
        check_connection(self._conn, "dashboard(conn)")
        acts: dict[str, Callable[[], object]] = {
            "find": self._show_list,
            "enter": self._open_typed,
            "choose": self._choose_line,
            "refresh": self.refresh,
            "tab": self._turned,
            "finding": self._show_stuck,
        }
        self._view = BoardView(self._conn.name, acts, read_only=self._conn.read_only)
        self._watch = StreamsWatch(self._conn)
        self._opened = OpenedPanels(self._view.pages, self._make)
        self._prefixes: list[KeyPrefix] = []
        # The chosen stream, the tab that it was shown in, and the line that was opened last.
        self._key, self._stream_tab, self._line = "", "browse", LineName(STREAM, "")
        self._due = self._list_due = 0.0
        # Held from what is read until it is drawn: no thread draws over what is newer.
        self._drawing = threading.RLock()
        # What panels did when it was shown last.
        self._doing: dict[PanelPlace, str] = {}
        super().__init__(self._view, self._view.trouble, snapshot=snapshot)
        # What looks for a group that a line or a finding is about.
        self._leading = Lane(f"{self!r}, leading", self._failed)
        self._show_panel()
        if stream is not None:
            self.choose(stream)
        self.refresh()

    def __repr__(self) -> str:
        return f"Dashboard({cards.quoted(self._conn.name)})"

    # -- for the user

    @property
    def stream(self) -> Stream | None:
        """The chosen stream."""
        return Stream(self._conn, self._key) if self._key else None

    @property
    def panel(self) -> PartsPanel | None:
        """The panel that is shown."""
        return self._opened.find(self._place)

    def frame(self) -> pd.DataFrame:
        """Return the streams in schema STREAMS, as they were seen last."""
        return self._watch.frame()

    def python(self) -> str:
        """Return the calls that make what the tab shows."""
        if self.panel is not None:
            return self.panel.python()
        code = PythonCode()
        code.keep("frame", code.call("rnb.streams", code.connection(self._conn.url)))
        return str(code)

    def choose(self, key: str) -> None:
        """Choose a stream by its key; it need not exist."""
        if not key:
            raise ValueError("type the key of a stream first")
        if self._is_closed:
            raise RuntimeError(f"{self!r} is closed; make another one")
        with self._drawing, self.together():
            self._key, self._line = key, LineName(STREAM, key)
            self._view.side.find.set(value="")
            if self._view.tab in DATABASE_TABS:
                self._view.tabs.show(self._stream_tab)
            self._show_panel()
            self._show_list()

    def view(self, tab: str) -> PartsPanel | None:
        """Show a tab, and return its panel; None where it needs a stream and none is chosen.

        Parameters
        ----------
        tab : str
            "browse", "live", "groups", "publish" or "replay", which are about the chosen stream;
            "keys" or "server".
        """
        if tab not in dict(TABS):
            raise ValueError(f"tab={tab!r}; it is one of {', '.join(dict(TABS))}")
        self._view.tabs.show(tab)
        self._show_panel()
        return self.panel

    def edit(self, stream: Stream, entry: Entry) -> None:
        """Put the event of an entry into the form that publishes to its stream."""
        self.choose(self._watch.origin(stream.key))
        panel = self.view("publish")
        assert isinstance(panel, PublishPanel)
        panel.edit(without_letter_head(entry))

    def refresh(self) -> None:
        """Read all streams and the prefixes of keys again, in the background."""
        self._view.side.state.set(tone="")
        self.work(self._read_all)
        self._go_on()

    def stop(self) -> None:
        """End what runs in the background, in the panels too; they stay."""
        self._leading.stop()
        self._opened.stop()
        super().stop()

    def close(self) -> None:
        """Remove the dashboard from the page, and end what its panels have started."""
        if not self._is_closed:
            super().close()
            self._opened.close()

    def stopped(self) -> None:
        """Show that the streams are not read any more."""
        self._view.side.state.set(tone="")
        self._view.side.caption.set(text="stopped")

    def _go_on(self) -> None:
        if not self._repeating.is_busy:
            self.repeat(self._tick)

    # -- panels

    @property
    def _place(self) -> PanelPlace:
        tab = self._view.tab
        return PanelPlace(tab, "" if tab in DATABASE_TABS else self._key)

    @property
    def _has_chosen(self) -> bool:
        """Whether the user looks at something already, or looks for it."""
        looks_for = self._view.side.find["value"]
        return bool(self._key or looks_for) or self._view.tab in DATABASE_TABS

    def _make(self, place: PanelPlace) -> PartsPanel:
        conn, stream = self._conn, Stream(self._conn, place.stream or "any")
        makers: dict[str, Callable[[], PartsPanel]] = {
            "browse": lambda: BrowsePanel(stream, snapshot=False),
            "live": lambda: LivePanel(stream, snapshot=False),
            "groups": lambda: GroupsPanel(stream, snapshot=False),
            "publish": lambda: PublishPanel(stream, snapshot=False),
            "replay": lambda: ReplayIntoPanel(stream),
            "keys": lambda: KeysPanel(conn, snapshot=False),
            "server": lambda: ServerPanel(conn, snapshot=False),
        }
        panel = makers[place.tab]()
        if isinstance(panel, BrowsePanel):
            panel.offer_replay(self._replay_range)
        said = _SAID_ABOVE.get(place.tab, ())
        for part in panel.root.walk():
            if isinstance(part, EntryDetails) and place.tab != "publish":
                part.offer_edit(self.edit)
            elif part["look"] == "head":
                for each in part.children:
                    each.set(hidden=each["hidden"] or each["look"] in said)
        return panel

    def _show_panel(self) -> None:
        """Show the panel of the tab and the stream; make it if there is none."""
        place = self._place
        if place.tab not in DATABASE_TABS:
            self._stream_tab = place.tab
        with self.together():
            is_there = bool(place.stream) or place.tab in DATABASE_TABS
            if is_there:
                self._opened.show(place)
            self._view.show_none("" if is_there else _NO_STREAM)
            self._view.pages[place.tab].set(hidden=not is_there)
            self._show_stream()

    def _turned(self) -> None:
        self._go_on()
        if self._view.tab not in DATABASE_TABS:
            self._line = LineName(STREAM, self._key)
        self._show_panel()
        self._show_list()

    def _replay_range(self, first: str, last: str) -> None:
        panel = self.view("replay")
        assert isinstance(panel, ReplayIntoPanel)
        panel.show_range(first, last)

    def _show_stuck(self) -> None:
        seen = self._watch.find(self._key)
        panel = self.view("groups")
        worst = None if seen is None else seen.worst
        if worst is not None:
            assert isinstance(panel, GroupsPanel)
            self._leading.do(lambda _: panel.select(worst.name.group))

    # -- the list

    def _show_list(self) -> None:
        side = self._view.side
        with self._drawing, self.together():
            doing = self._opened.doing()
            words = {place.stream: word for place, word in doing.items() if place.stream}
            text = side.find["value"].strip()
            lines = StreamLines(self._watch.streams(), self._prefixes, text, words)
            side.show(lines.groups(side.item))
            side.caption.set(text=lines.caption())
            side.list.choose(self._line.key)

    def _open_typed(self) -> None:
        """Open what was typed if there is such a stream, else the first that is listed."""
        self._show_list()
        side = self._view.side
        text, listed = side.find["value"].strip(), side.listed()
        if text:
            line = LineName(STREAM, text)
            self._open(line if line.key in listed else LineName.of(listed[0]))

    def _choose_line(self) -> None:
        self._go_on()
        self._open(LineName.of(self._view.side.list["chosen"]))

    def _open(self, line: LineName) -> None:
        if line.kind == PREFIX:
            panel = self.view("keys")
            assert isinstance(panel, KeysPanel)
            panel.narrow(line.name)
        else:
            self.choose(line.name)
        if line.kind == LETTERS:
            panel = self.view("groups")
            assert isinstance(panel, GroupsPanel)
            panel.show("letters")
            stream = Stream(self._conn, line.name)
            self._leading.do(lambda _: _select_with_letters(panel, stream))
        self._line = line if line.kind in (PREFIX, LETTERS) else LineName(STREAM, line.name)
        self._show_list()

    # -- again and again

    def _read_all(self, task: Task) -> None:
        self._watch.read_streams()
        with task.show(), self.together():
            self._show_list()
        self._watch.read_groups()
        with task.show(), self._drawing, self.together():
            self._view.side.state.set(tone="good")
            first = self._watch.worst()
            if first is not None and not self._has_chosen:
                self.choose(first.key)
            self._show_list()
            self._show_stream()
        prefixes = key_prefixes(self._conn)
        with task.show():
            self._prefixes = prefixes
            self._show_list()
        self._save(now=True)

    def _tick(self, _: Task) -> float | None:
        self._opened.close_left()
        if time.monotonic() >= self._due and not self._lane.is_busy:
            try:
                self._due = time.monotonic() + self._watch.read_next(
                    [self._key, *self._opened.targets()]
                )
            except SERVER_ERRORS as error:
                if not is_transient(error):
                    self.trouble.report(error, self.refresh)
                    return None
                self._view.side.state.set(tone="warn")
                self._view.side.caption.set(text="reconnecting")
                return _RETRY_EVERY
            self._view.side.state.set(tone="good")
            self._show_seen()
        elif self._opened.doing() != self._doing:
            self._show_seen()
        return _TURN_EACH

    def _show_seen(self) -> None:
        with self.together():
            is_new = self._opened.doing() != self._doing
            self._show_stream()
            if is_new or time.monotonic() >= self._list_due:
                began = time.thread_time()
                self._show_list()
                used = time.thread_time() - began
                self._list_due = time.monotonic() + _LEFT_BY_THE_LIST * used

    def _show_stream(self) -> None:
        """Show what is known of the chosen stream, and what its panels do."""
        view = self._view
        with self._drawing, self.together():
            self._doing = self._opened.doing()
            seen, is_of_database = self._watch.find(self._key), view.tab in DATABASE_TABS
            facts = "" if seen is None else seen.facts
            if self._key and seen is None and not self._lane.is_busy:
                facts = "there is no such stream yet"
            view.show_head(*((self._conn.name, "") if is_of_database else (self._key, facts)))
            worst = None if seen is None else seen.worst
            if worst is None:
                view.show_finding("", "", "")
            else:
                more = worst.pending and worst.lag
                rest = f", {worst.lag:,} still to be delivered" if more else ""
                view.show_finding(worst.name.group, f"{worst.why}{rest}", worst.tone)
            doing = {p.tab: word for p, word in self._doing.items() if p.stream in ("", self._key)}
            view.show_badges(0 if seen is None else seen.stuck, doing)


def _select_with_letters(panel: GroupsPanel, stream: Stream) -> None:
    """Open a group that has dead letters."""
    for name in stream.groups()["group"]:
        if len(ConsumerGroup(stream, name).dead_letters(limit=1)):
            panel.select(name)
            return


def dashboard(
    conn: Connection | None = None, *, stream: str | None = None, snapshot: bool = True
) -> Dashboard:
    """Show what is in a database, with all panels: the one call that a notebook needs.

    `Dashboard` says how.

    Examples
    --------
    >>> panel = rnb.panels.dashboard(conn)
    >>> panel  # the last line of a cell shows it
    Dashboard('private server/0')
    """
    return Dashboard(conn, stream=stream, snapshot=snapshot)
