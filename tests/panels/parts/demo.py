"""A small panel with a part of each kind, over invented streams and real flights."""

import time
from threading import Event
from typing import Any

import numpy as np
import pandas as pd

import redisnb as rnb
from redisnb.panels.parts import (
    Action,
    Box,
    Chart,
    Choices,
    Grid,
    Histogram,
    Input,
    JsonTree,
    Label,
    ListBox,
    ListItem,
    Menu,
    Message,
    PartsPanel,
    Strip,
    TakeOut,
    Task,
    Toggle,
    Trouble,
    Views,
    filter_terms,
)

STREAMS = {
    "Needs a look": [("flights", "20,000", "warn"), ("payments", "1.2 M", "bad")],
    "Streams": [
        ("orders", "84,310", "good"),
        ("sensor:readings", "5.1 M", "good"),
        ("tenant:000:orders:created", "12", ""),
        ("tenant:000:orders:cancelled", "7", ""),
    ],
    "Dead letters": [("flights:dead", "151", "bad")],
}
BINS = 108


class Demo(PartsPanel):
    """The dashboard of the sketch: streams at the left, and the chosen one's entries."""

    def __init__(self, rows: int = 20_000) -> None:
        frame = rnb.flights(rows).reset_index(names="entry_time")
        columns = ["carrier", "flight", "origin", "dest", "dep_delay", "tailnum"]
        self.flights = frame[["entry_time", *columns]]
        self.pressed: list[str] = []
        self.go_on = Event()
        self.trouble = Trouble()
        super().__init__(self._page(self.trouble), self.trouble)
        self._show_streams()
        self._show_all()

    def frame(self) -> pd.DataFrame:
        return self.grid.frame()

    def python(self) -> str:
        return "redisnb.Stream(conn, 'flights').range()"

    # -- the parts

    def _page(self, trouble: Trouble) -> Box:
        self.find = Input("Find a stream or key", hint="Find a stream or key", quiet=True)
        self.find.set(live=True)
        self.find.on = self._show_streams
        self.list = ListBox("Streams", on=self._choose_stream)
        self.items = {
            name: ListItem(name, value=value, tone=tone, points=_walk(len(name)))
            for name, value, tone in [each for group in STREAMS.values() for each in group]
        }
        server = Strip(
            Label("localhost:6379/0", look="state", tone="good"),
            Label("read-only", look="pill", tone="warn"),
        )
        side = Box(server, self.find, self.list, look="side")
        return Box(side, self._main(trouble), look="page")

    def _main(self, trouble: Trouble) -> Box:
        self.title, self.about = Label("flights", look="title"), Label(look="soft")
        self.state = Label("ready", look="state", tone="good", role="status")
        self.finding = Message(
            Action("Show them", lambda: self.pressed.append("show")),
            subject="check-in",
            text="ann holds 120 entries and has not asked for 43 min. 350 are still to come.",
            tone="warn",
        )
        head = Strip(self.title, self.about, Label(look="grow"), self.state, look="head")
        views = {"browse": self._browse(), "more": self._more()}
        tabs = [("browse", "Browse"), ("more", "Everything else", "1 stuck")]
        self.tabs = Views("Views", tabs, views)
        return Box(head, self.tabs, self.finding, trouble, *views.values(), look="main")

    def _browse(self) -> Box:
        spans = [("15", "15 min"), ("60", "1 h"), ("1440", "24 h"), ("all", "All")]
        self.span = Choices("Last", spans, value="all", on=self._show_all)
        self.where = Input("Where", "", hint='carrier = "UA" and dep_delay > 60', quiet=True)
        self.where.set(wide=True)
        self.where.on = self._read
        self.where.offer(filter_terms(self.flights))
        bar = Strip(self.span, self.where, Action("Read", self._read, look="primary"), look="bar")
        self.bars = Histogram("Entries over time", on=self._brushed)
        self.grid = Grid("Entries", empty="No entry matches: take a wider range.", on=self._open)
        self.id, self.of = Label(look="strong"), Label(look="soft")
        self.json = JsonTree("Entry")
        buttons = Strip(Action("Edit and publish"), Action("Close", self._shut))
        self.drawer = Box(self.id, self.of, self.json, buttons, look="drawer", hidden=True)
        self.caption = Label(look="soft", role="status")
        self.out = TakeOut(
            "Entries", frame=self.frame, python=self.python, name="flights", trouble=self.trouble
        )
        foot = Strip(self.caption, Label(look="grow"), self.out, look="foot")
        split = Box(self.grid, self.drawer, look="split")
        return Box(bar, self.bars, split, foot, look="grow")

    def _more(self) -> Box:
        self.slow = Action("Work slowly", self._work)
        self.fails = Action("Fail", self._fail, look="danger")
        self.off = Action("Delete", lambda: self.pressed.append("delete"))
        self.off.set(disabled="this connection is read-only")
        self.menu = Menu("Speed", [("1", "1x"), ("60", "60x"), ("max", "as fast as possible")])
        self.toggle = Toggle("Follow", on=lambda: self.pressed.append(f"{self.toggle['value']}"))
        self.text = Input("Event", '{"a": 1}', rows=4, wide=True)
        self.nothing = Grid("Nothing", empty="Nothing was read yet: press Read.", filters=False)
        self.rate = Chart("Rate")
        start = pd.Timestamp("2013-01-02 12:00:00Z")
        times = [start + pd.Timedelta(seconds=n) for n in range(90)]
        rates = [1100 + 300 * ((n * 7) % 11) / 11 for n in range(90)]
        matching = [None if 30 < n < 40 else (n * 5) % 24 for n in range(90)]
        self.rate.show(times, {"all": rates, "matching": matching})
        return Box(
            self.rate,
            Strip(self.slow, self.fails, self.off, self.menu, self.toggle, look="bar"),
            Strip(self.text, look="bar"),
            self.nothing,
            look="grow",
        )

    # -- the actions

    def _show_streams(self) -> None:
        sought = self.find["value"]
        self.list.show(
            {
                group: [self.items[name] for name, _, _ in streams if sought in name]
                for group, streams in STREAMS.items()
            }
        )

    def _choose_stream(self) -> None:
        name = self.list["chosen"]
        self.title.set(text=name)
        self.finding.set(hidden=name != "flights")

    def _show_all(self) -> None:
        last = self.flights["entry_time"].iloc[-1]
        span = self.span["value"]
        frame = self.flights
        if span != "all":
            frame = frame[frame["entry_time"] >= last - pd.Timedelta(minutes=int(span))]
        self.within = frame
        times = frame["entry_time"].astype("int64")
        edges = np.linspace(times.iloc[0], times.iloc[-1] + 1, BINS + 1)
        self.bars.show(np.histogram(times, edges)[0].tolist(), edges.astype(int).tolist())
        self.edges = edges
        self._fill(frame)

    def _brushed(self) -> None:
        frame = self.within
        if self.bars.range is not None:
            first, stop = self.bars.range
            times = frame["entry_time"].astype("int64")
            frame = frame[(times >= self.edges[first]) & (times < self.edges[stop])]
        self._fill(frame)

    def _read(self) -> None:
        # pandas' sign for equal has two characters, redisnb's one.
        condition = self.where["value"].replace(" = ", " == ")

        def job(task: Task) -> None:
            try:
                frame = self.within.query(condition) if condition else self.within
            except (SyntaxError, pd.errors.UndefinedVariableError) as error:
                with task.show():
                    self.where.set(error=str(error))
                return
            with task.show(), self.together():
                self.where.set(error="")
                self._fill(frame)

        self.work(job)

    def _fill(self, frame: pd.DataFrame) -> None:
        self.grid.show(frame, describe=True)
        self.caption.set(text=f"{len(frame):,} of {len(self.within):,} entries in the range match")
        self.about.set(text=f"{len(self.flights):,} entries")

    def _open(self) -> None:
        row = self.grid.chosen_row().iloc[0]
        value: dict[str, Any] = {name: _plain(each) for name, each in row.items()}
        value |= {"crew": ["ann", "bob"], "route": {"from": row["origin"], "to": row["dest"]}}
        self.id.set(text=f"{int(row['entry_time'].timestamp() * 1000)}-0")
        self.of.set(text=f"{row['entry_time']:%Y-%m-%d %H:%M:%S} UTC\nSeen by check-in (pending)")
        self.json.set(value=value)
        self.drawer.set(hidden=False)

    def _shut(self) -> None:
        self.drawer.set(hidden=True)
        self.grid.set(chosen=None)

    def _work(self) -> None:
        def job(task: Task) -> None:
            while not self.go_on.wait(0.01):
                task.check()
            with task.show():
                self.pressed.append("worked")
                self.state.set(text="worked")

        self.state.set(text="working")
        self.work(job)

    def _fail(self) -> None:
        def job(_: Task) -> None:
            raise ValueError("the server said no")

        self.work(job)

    def tick(self, seconds: float, every: float = 0.05) -> None:
        """Change numbers and lines 20 times a second, as a stream that is read does."""

        def job(task: Task) -> None:
            end, n = time.monotonic() + seconds, 0
            while time.monotonic() < end:
                task.check()
                n += 1
                with self.together():
                    for item in [*self.items.values()][:3]:
                        item.set(points=[*item["points"][1:], (n * 7) % 11], value=f"{n:,}")
                    self.about.set(text=f"{len(self.flights):,} entries, {n} since you looked")
                time.sleep(every)

        self.work(job)


def _walk(seed: int) -> list[float]:
    return [((seed * (i + 3)) % 13) / 2 for i in range(12)]


def _plain(value: Any) -> Any:
    if isinstance(value, pd.Timestamp):
        return str(value)
    return None if pd.isna(value) else getattr(value, "item", lambda: value)()
