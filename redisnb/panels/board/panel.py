"""The dashboard: all streams of a database on the left, and panels for one of them in tabs."""

from __future__ import annotations

import time
from collections.abc import Callable

import pandas as pd

from redisnb import frames
from redisnb.keyspace import streams
from redisnb.panels.consume import ConsumePanel
from redisnb.panels.groups import GroupsPanel
from redisnb.panels.keys import KeysPanel
from redisnb.panels.publish import PublishPanel
from redisnb.panels.replay import ReplayPanel
from redisnb.panels.widgets import (
    Button,
    Choice,
    Column,
    Controls,
    Field,
    Panel,
    Row,
    Table,
    Tabs,
    Text,
)
from redisnb.stream import ConsumerGroup, Stream
from redisnb.wire import Connection, connect

__all__ = ["Dashboard", "dashboard"]

#: The time between two reads of all streams: at least so many seconds, and so many times as long as
#: the read itself took.
EVERY, SHARE = 3.0, 20

_COLUMNS = ["stream", "length", "pending", "lag", "dead_letters", "groups"]
_WATCH = "watch, without a group"
_NO_STREAM = "Choose a stream on the left, or open one by its key: it need not exist."


class Dashboard(Panel):
    """All streams of a database, and five panels for the one that is chosen.

    Choosing another stream, or another reader, closes the panels of the previous one and ends what
    they started.

    Parameters
    ----------
    conn : Connection, optional
        By default the one that `redisnb.connect` returns without an address.
    snapshot : bool, default True
        Whether a saved notebook shows the list of streams where no widget runs.

    Attributes
    ----------
    stream : Stream or None
        The chosen stream.
    panel : Panel or None
        The visible panel.

    Examples
    --------
    >>> rnb.panels.dashboard(conn)
    """

    def __init__(self, conn: Connection | None = None, *, snapshot: bool = True) -> None:
        self.conn = connect() if conn is None else conn
        self.stream: Stream | None = None
        self.panel: Panel | None = None
        self._frame = frames.table(frames.STREAMS, [])
        self._panels: dict[str, Panel] = {}
        self._list = Table(
            label="Streams",
            key="stream",
            empty="There is no stream in this database yet. Open one by its key and publish.",
            on_select=self._on_select,
        )
        self._open = Controls(
            Field("key", "Stream", hint="key", width="12em"),
            Button("open", "Open", tip="Choose the stream of this key; it need not exist"),
            on_act=lambda _: self.choose(self._open["key"]),
            submit="open",
        )
        self._tabs = Controls(
            Tabs(
                "tab",
                "Panels",
                [
                    ("publish", "Publish"),
                    ("consume", "Consume"),
                    ("groups", "Groups"),
                    ("replay", "Replay"),
                    ("keys", "Keys"),
                ],
            ),
            Choice("reader", "Read as", [("", _WATCH)]),
            Field("target", "Replay into", hint="key of a stream", width="14em"),
            Button("into", "Use", tip="Replay into the stream of this key"),
            on_act=self._act,
        )
        self._hint = Text("rnb-empty", _NO_STREAM)
        self._panel_box = Column()
        left = Column(self._list, self._open)
        right = Column(self._tabs, self._hint, self._panel_box)
        left.add_class("rnb-left")
        right.add_class("rnb-right")
        body = Row(left, right)
        body.add_class("rnb-sides")
        super().__init__("Redis", self.conn.name, body, snapshot=snapshot)
        if self._look(self._read):
            self._become("reading")
        self.view("publish")
        self._ticker.start()

    def __repr__(self) -> str:
        return "Dashboard()"

    def frame(self) -> pd.DataFrame:
        """Return the streams, as `redisnb.streams` does."""
        return self._frame

    def python(self) -> str:
        """Return the call that does the same without the panel."""
        return f"import redisnb as rnb\n\nrnb.streams(rnb.connect({self.conn.url!r}))"

    def choose(self, key: str) -> None:
        """Choose a stream by its key; it need not exist."""
        self._attempt(self._choose, key)

    def view(self, tab: str) -> Panel | None:
        """Show a panel: "publish", "consume", "groups", "replay" or "keys"."""
        self._tabs["tab"] = tab
        self._attempt(self._view)
        return self.panel

    def _choose(self, key: str) -> None:
        if not key:
            raise ValueError("type the key of a stream first")
        if self.stream is not None and self.stream.key == key:
            return
        self.stream = Stream(self.conn, key)
        for tab in [tab for tab in self._panels if tab != "keys"]:
            self._panels.pop(tab).close()
        self._open["key"] = key
        self._tabs["target"] = f"{key}:replay"
        self._tabs["reader"] = ""
        self._offer_readers()
        self._list.select([key])
        self._view()

    def _on_select(self) -> None:
        keys = self._list.selected[1]
        if len(keys) == 1:
            self.choose(keys[0])

    def _act(self, name: str) -> None:
        if name == "reader" and "consume" in self._panels:
            self._panels.pop("consume").close()
        if name == "into" and "replay" in self._panels:
            self._panels.pop("replay").close()
        self._attempt(self._view)

    def _view(self) -> None:
        tab = self._tabs["tab"]
        self._tabs.show(reader=tab == "consume", target=tab == "replay", into=tab == "replay")
        if tab not in self._panels and (self.stream is not None or tab == "keys"):
            self._panels[tab] = self._make(tab)
        self.panel = self._panels.get(tab)
        self._hint.value = "" if self.panel is not None else _NO_STREAM
        self._panel_box.children = [] if self.panel is None else [self.panel]

    def _make(self, tab: str) -> Panel:
        if tab == "keys":
            return KeysPanel(self.conn, snapshot=False)
        stream = self.stream
        assert stream is not None
        makers: dict[str, Callable[[], Panel]] = {
            "publish": lambda: PublishPanel(stream, snapshot=False),
            "consume": lambda: ConsumePanel(self._reader(stream), snapshot=False),
            "groups": lambda: GroupsPanel(stream, snapshot=False),
            "replay": lambda: ReplayPanel(
                stream, Stream(self.conn, self._tabs["target"]), snapshot=False
            ),
        }
        return makers[tab]()

    def _reader(self, stream: Stream) -> Stream | ConsumerGroup:
        name = self._tabs["reader"]
        return ConsumerGroup(stream, name) if name else stream

    def _offer_readers(self) -> None:
        if self.stream is not None:
            names = self.stream.groups()["group"]
            self._tabs.offer("reader", [("", _WATCH), *((name, f"group {name}") for name in names)])

    # -- display

    def _tick(self) -> float | None:
        began = time.monotonic()
        if self._look(self._read):
            self._become("reading")
        return max(EVERY, SHARE * (time.monotonic() - began))

    def _read(self) -> None:
        frame = streams(self.conn)
        with self._lock:
            self._frame = frame
            self._list.show(frame[_COLUMNS])
            self._offer_readers()

    def _end(self) -> None:
        for panel in self._panels.values():
            panel.close()


def dashboard(conn: Connection | None = None, *, snapshot: bool = True) -> Dashboard:
    """Show what is in a database, with all panels: the one call that a notebook needs."""
    return Dashboard(conn, snapshot=snapshot)
