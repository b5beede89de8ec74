"""The parts of panels, and the properties that all panels share."""

import sys
from importlib import import_module

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import redisnb
from redisnb import MissingExtraError, Stream, connect
from redisnb.panels import (
    ConsumePanel,
    GroupsPanel,
    KeysPanel,
    PublishPanel,
    ReplayPanel,
    Table,
    dashboard,
)
from redisnb.panels.widgets.parts import (
    Button,
    Choice,
    Column,
    Controls,
    Field,
    Row,
    Sparkline,
    Text,
    Tree,
)
from redisnb.panels.widgets.table import HEAD_ROWS, TABLE_PAGE_ROWS
from redisnb.panels.widgets.wording import VALUE, count_text, display_text, duration, full_text
from tests.panels.looking import inside, lines, texts

HOSTILE = "<img src=x onerror=window.pwned=1> $\\alpha$\n</textarea> \u202e"


def all_panels(conn, key):
    stream = Stream(conn, key)
    return [
        PublishPanel(stream),
        ConsumePanel(stream),
        GroupsPanel(stream),
        ReplayPanel(stream, Stream(conn, f"{key}:test")),
        KeysPanel(conn),
        dashboard(conn),
    ]


# -- all panels


def test_panels_are_made_of_parts_that_show_text_alone(conn, raw):
    raw.xadd(HOSTILE, {"payload": '{"a": 1}'})
    for panel in all_panels(conn, HOSTILE):
        for part in inside(panel):
            assert isinstance(part, (Text, Controls, Table, Sparkline, Tree, Row, Column)), part


def test_no_front_end_makes_markup_of_a_text():
    folder = import_module("redisnb.panels.widgets.parts").CSS.parent
    scripts = {path.name: path.read_text() for path in folder.glob("*.js")}
    assert set(scripts) == {
        *("common.js", "controls.js", "sparkline.js", "table.js", "text.js", "tree.js"),
    }
    for text in scripts.values():
        for means in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert means not in text
        assert "://" not in text.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.slow
def test_no_panel_shows_a_password(tcp_server):
    with connect(tcp_server.url) as conn:
        panels = all_panels(conn, "orders")
        tcp_server.kill()
        panels[0].publish({"a": 1})
        panels[1].start()
        panels[2].refresh()
        said = [
            text
            for panel in panels
            for text in (*lines(panel), repr(panel), panel.python(), str(panel.last_error))
        ]
        assert f"127.0.0.1:{tcp_server.port}/0" in said
        assert texts(panels[0])["alert"] or panels[0].last_error
        assert not any("hunter2" in text for text in said)
        for panel in panels:
            panel.close()


@pytest.mark.parametrize("panel", [PublishPanel, ConsumePanel, GroupsPanel])
def test_a_panel_is_made_of_what_it_is_for(panel):
    with pytest.raises(TypeError, match=r"Stream"):
        panel("orders")


def test_each_panel_says_what_it_is_shows_its_rows_and_can_be_closed(conn, raw):
    raw.xadd("orders", {"payload": '{"a": 1}'})
    for panel in all_panels(conn, "orders"):
        assert repr(panel).startswith(f"{type(panel).__name__}(")
        assert isinstance(panel.frame(), pd.DataFrame)
        compile(panel.python(), "panel", "exec")
        bundle = panel._repr_mimebundle_()
        assert bundle["text/plain"] == repr(panel)
        assert len(bundle["text/html"]) < 50_000
        panel.close()
        panel.close()


@pytest.mark.parametrize("package", ["ipywidgets", "anywidget"])
def test_without_the_extra_the_remedy_is_named(monkeypatch, package):
    for name in [name for name in sys.modules if name.startswith("redisnb.panels")]:
        monkeypatch.delitem(sys.modules, name)
    # The import sets the attribute, which would stay.
    monkeypatch.setattr(redisnb, "panels", None, raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'redisnb\[lab\]'"):
        import_module("redisnb.panels")


# -- controls


def test_a_press_is_answered_once_with_all_values():
    seen = []
    row = Controls(
        Button("go", "Go"),
        Field("name", "Name"),
        Choice("kind", "Kind", [("a", "A"), ("b", "B")]),
        on_act=lambda name: seen.append((name, row["name"], row["kind"])),
    )
    assert (row["name"], row["kind"]) == ("", "a")
    row._handle({"name": "go", "values": {"name": "x", "kind": "b", "odd": 1}, "n": 3})
    assert seen == [("go", "x", "b")]
    assert row.last_n == 3
    # Typing alone has no effect.
    row._handle({"name": "", "values": {"name": "y", "kind": "b"}, "n": 4})
    assert (seen, row["name"]) == ([("go", "x", "b")], "y")
    row.disable(go="not now")
    row._handle({"name": "go", "values": {}, "n": 5})
    assert (len(seen), row.last_n) == (1, 5)


def test_what_goes_wrong_in_a_press_leaves_nothing_busy():
    def fail(name):
        raise ZeroDivisionError

    row = Controls(Button("go", "Go"), on_act=fail)
    with pytest.raises(ZeroDivisionError):
        row._handle({"name": "go", "values": {}, "n": 1})
    assert row.last_n == 1


def test_a_value_that_is_set_differs_from_one_that_was_typed():
    row = Controls(Field("name", "Name"), on_act=print)
    row._handle({"name": "", "values": {"name": "typed"}, "n": 1})
    stamp = row.values["name"][0]
    row["name"] = "typed"
    assert row.values["name"] == [stamp, "typed"], "which it is already"
    row["name"] = "set"
    assert row.values["name"] == [stamp + 1, "set"]


def test_a_choice_among_others():
    row = Controls(Choice("kind", "Kind", [("a", "A"), ("b", "B")]), on_act=print, kind="b")
    row.offer("kind", [("b", "B"), ("c", "C")])
    assert row["kind"] == "b"
    row.offer("kind", [("c", "C")])
    assert row["kind"] == "c"
    row.offer("kind", [])
    assert row["kind"] == ""


def test_a_number_with_its_past():
    spark = Sparkline("lag", size=3)
    for n in (1, 2.5, 1000, 7):
        spark.add(n)
    assert (spark.value, spark.points) == ("7", [2.5, 1000.0, 7.0])
    assert spark.sentence == "lag: 7, at most 1,000 lately"
    spark.add(None)
    assert (spark.value, spark.sentence) == ("unknown", "lag: unknown")


# -- values


@given(st.one_of(st.text(), st.binary(), st.floats(), st.integers(), st.none(), st.booleans()))
def test_any_value_is_one_short_line_or_missing(value):
    text = display_text(value)
    assert text is None or ("\n" not in text and len(text) <= VALUE)
    assert (text is None) == (value is None or value != value)


def test_values_read_plainly():
    assert full_text(pd.Timestamp("2024-05-01 10:30:00.5", tz="UTC")) == "2024-05-01 10:30:00.500"
    assert [duration(pd.Timedelta(text)) for text in ("85ms", "3.24s", "65s", "25h", "-2s")] == [
        *("85 ms", "3.2 s", "1 min 5 s", "1 d 1 h", "-2.0 s")
    ]
    assert (full_text(np.int64(3)), full_text(0.1), full_text(pd.NaT), full_text(b"\xff")) == (
        *("3", "0.1", None, "\\xff"),
    )
    assert full_text([1, {"a": np.float64(2)}]) == '[1, {"a": 2.0}]'
    assert (count_text(1234), count_text(None), count_text(pd.NA)) == (
        "1,234",
        "unknown",
        "unknown",
    )


# -- the table


def ask(table, **message):
    """Send a request as the front end does; return the answers."""
    sent = []
    table.send = lambda content, buffers=None: sent.append(content)
    table._handle(message)
    return sent


def ids(n):
    return pd.DataFrame({"entry_id": [f"{i}-0" for i in range(n)], "n": range(n)})


def test_only_what_is_in_view_is_sent():
    table = Table(ids(100_000), key="entry_id")
    assert (table.total, len(table.head)) == (100_000, HEAD_ROWS)
    (answer,) = ask(table, ask="page", start=50_000, stop=60_000, base=0)
    assert [row[0] for row in answer["page"]] == [
        f"{i}-0" for i in range(50_000, 50_000 + TABLE_PAGE_ROWS)
    ]


def test_ids_are_sorted_as_numbers_and_missing_values_come_last():
    frame = pd.DataFrame({"entry_id": ["10-0", "9-0", "9-10", "9-9"], "n": [None, 1, 3, 2]})
    table = Table(frame, key="entry_id")
    ask(table, ask="sort", sort=[0, True])
    assert [row[0] for row in table.head] == ["9-0", "9-9", "9-10", "10-0"]
    ask(table, ask="sort", sort=[1, False])
    assert [row[0] for row in table.head] == ["9-10", "9-9", "9-0", "10-0"]
    assert table.frame()["entry_id"].tolist() == ["9-10", "9-9", "9-0", "10-0"]
    ask(table, ask="sort", sort=[])
    assert [row[0] for row in table.head] == frame["entry_id"].tolist()


def test_values_of_several_types_can_be_sorted():
    frame = pd.DataFrame({"any": [3, "a", b"b", None, [1]]}, dtype=object)
    table = Table(frame)
    ask(table, ask="sort", sort=[0, True])
    assert [row[2] for row in table.head] == ["3", "[1]", "a", "b", None]


def test_filtered_and_selected():
    seen = []
    table = Table(ids(100), key="entry_id", on_select=lambda: seen.append(len(table.chosen())))
    ask(table, ask="filter", text="7-")
    assert (table.total, table.all) == (10, 100)
    assert [row[0] for row in table.head][:2] == ["7-0", "17-0"]
    (answer,) = ask(table, ask="range", start=1, stop=3, base=0)
    assert answer == {"keys": ["17-0", "27-0"]}
    ask(table, ask="select", keys=answer["keys"])
    assert (seen, table.chosen()["n"].tolist()) == ([2], [17, 27])
    (answer,) = ask(table, ask="tsv")
    assert answer == {"tsv": "entry_id\tn\n17-0\t17\n27-0\t27\n", "rows": 2}


def test_a_frame_with_odd_columns():
    frame = pd.DataFrame([[1, 2, 3]], columns=["a", "a", 7])
    table = Table(frame)
    assert [name for name, _ in table.columns] == ["a", "a'", "7"]
    assert table.head[0][2:] == ["1", "2", "3"]
    assert Table(pd.DataFrame()).total == 0
    index = pd.MultiIndex.from_tuples([(1, "x")], names=["day", None])
    assert Table(pd.DataFrame({"n": [5]}, index=index)).head[0][2:] == ["1", "5"]


class Stack:
    """Rows to which more are added at the top."""

    def __init__(self, count):
        self.count = self.length = count

    def frame(self, start, stop):
        numbers = range(self.count - 1 - start, max(-1, self.count - 1 - stop), -1)
        return pd.DataFrame({"n": list(numbers)})


def test_a_page_is_of_what_was_there_when_it_was_asked_for():
    table = Table(key="n")
    table.follow(Stack(1000))
    assert (table.base, table.live, table.head[0][0]) == (1000, True, "999")
    table.follow(Stack(1012))
    (answer,) = ask(table, ask="page", start=100, stop=103, base=1000)
    assert [row[0] for row in answer["page"]] == ["899", "898", "897"]
    ask(table, ask="sort", sort=[0, True])
    assert (table.live, table.head[0][0]) == (False, "0")
    ask(table, ask="sort", sort=[])
    assert (table.live, table.head[0][0]) == (True, "1011")


def test_each_message_of_a_page_counts_once():
    heard = []
    row = Controls(Button("go", "Go"), on_act=heard.append)
    sent = []
    row.send = lambda content, buffers=None: sent.append(content)
    for view, n in [("a", 1), ("a", 1), ("b", 1), ("a", 2), ("a", 1), ("b", 1)]:
        told = {"name": "go", "values": {}, "n": len(heard) + 1}
        row._receive(row, {"from": view, "n": n, "content": told}, [])
    assert heard == ["go"] * 3
    # A repeated message means that its acknowledgement was lost.
    assert sent == [
        {"ack": [view, n]}
        for view, n in [("a", 1), ("a", 1), ("b", 1), ("a", 2), ("a", 1), ("b", 1)]
    ]
