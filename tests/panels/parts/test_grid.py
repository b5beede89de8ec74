"""The table of a panel: rows by pages, filtered and sorted in the background."""

import json
import threading

import numpy as np
import pandas as pd
import pytest

from redisnb import frames
from redisnb.panels.parts import Box, Grid, LiveGrid, PartsPanel, TaskCancelled, Trouble
from redisnb.panels.parts.grid.arranging import arranged_rows
from redisnb.panels.parts.grid.copying import clipping
from redisnb.panels.parts.grid.describing import column_note
from redisnb.panels.parts.writing import cells, decimal_places, named_columns
from tests.deadlines import deadline, until
from tests.panels.parts.acting import Page


class Alone(PartsPanel):
    """A table."""

    def __init__(self, **options):
        self.grid, trouble = Grid("Rows", **options), Trouble()
        super().__init__(Box(self.grid, trouble), trouble)

    def frame(self):
        return self.grid.frame()

    def python(self):
        return ""


@pytest.fixture
def rows():
    return pd.DataFrame(
        {
            "entry_id": [f"{9 + i // 100}-{i % 100}" for i in range(1000)],
            "name": [f"Item {i % 7}" for i in range(1000)],
            "n": range(1000),
        }
    )


@pytest.fixture
def shown(rows):
    panel = Alone(key="entry_id")
    panel.grid.show(rows, describe=True)
    settle(panel.grid)
    return panel.grid, Page(panel)


def settle(grid):
    until(lambda: not grid._arranging.is_busy and not grid._describing.is_busy)


def test_a_sort_at_the_moment_in_which_rows_come_is_not_lost(shown, rows, meanwhile):
    grid, _ = shown
    are_shown = threading.Event()

    def sort():
        with grid._lock:
            grid.arrange(sort=("n", False))
            are_shown.wait(deadline(10))

    meanwhile(grid._arranging, "cancel", sort)
    grid.show(rows)
    are_shown.set()
    meanwhile.wait()
    settle(grid)
    assert grid.frame()["n"].tolist() == [*range(999, -1, -1)]


def test_rows_come_by_pages_and_the_state_stays_small(shown):
    grid, page = shown
    assert (page.shown(grid)["total"], len(page.shown(grid)["head"])) == (1000, 40)
    assert page.shown(grid)["columns"][2] == {
        "name": "n",
        "note": "0 to 999",
        "bars": [9] * 8,
        "number": True,
        "frozen": False,
    }
    page.act(grid, "page", start=500, stop=2000)
    answer = page.heard[0]
    assert (answer["part"], answer["start"], answer["of"]) == (grid.id, 500, grid["revision"])
    assert len(answer["rows"]) == 400
    assert answer["rows"][0] == ["14-0", "Item 3", "500"]


def test_a_page_that_got_no_rows_and_asks_again_gets_them(shown):
    grid, page = shown
    for _ in range(2):
        page.act(grid, "page", start=50, stop=60)
        page.k -= 1
    answers = [each for each in page.heard if "rows" in each]
    assert len(answers) == 2
    assert answers[0] == answers[1]
    # What changes something is done once.
    page.k += 1
    page.act(grid, "select", ranges=[[0, 1]])
    page.k -= 1
    page.act(grid, "select", ranges=[[0, 2]])
    assert grid["selected"] == [[0, 1]]


def test_filter_and_sort(shown):
    grid, page = shown
    page.act(grid, "filter", text="ITEM 3")
    until(lambda: page.shown(grid)["total"] == 143)
    page.act(grid, "sort", column="n", ascending=False)
    until(lambda: page.shown(grid)["head"][0][2] == "997")
    assert grid.frame()["n"].tolist() == list(range(997, 0, -7))
    # What is shown next is filtered and sorted too.
    grid.show(grid._frame.head(50))
    until(lambda: page.shown(grid)["total"] == 7)
    assert page.shown(grid)["all"] == 50
    grid.arrange(text="")
    until(lambda: page.shown(grid)["total"] == 50)


def test_selected_rows_stay_selected(shown, rows):
    grid, page = shown
    page.act(grid, "choose", row=10)
    page.act(grid, "select", ranges=[[1, 3], [10, 11]])
    assert grid.selected_rows()["n"].tolist() == [1, 2, 10]
    page.act(grid, "sort", column="n", ascending=False)
    until(lambda: page.shown(grid)["selected"] == [[989, 990], [997, 999]])
    assert sorted(grid.selected_rows()["n"]) == [1, 2, 10]
    grid.show(rows.tail(995))
    settle(grid)
    assert grid.selected_rows()["n"].tolist() == [10]
    assert grid.chosen_row()["n"].tolist() == [10]
    grid.show(rows.tail(5))
    settle(grid)
    assert page.shown(grid)["chosen"] is None
    page.act(grid, "select", ranges=[])
    assert len(grid.selected_rows()) == 0


def test_an_act_hits_the_rows_that_the_page_had(shown, rows):
    grid, page = shown
    before = grid["revision"]
    grid.show(rows.iloc[5:])
    page.act(grid, "select", ranges=[[4, 8]], of=before)
    # Row 4 is gone; the others moved up, and the page is told.
    assert grid.selected_rows()["n"].tolist() == [5, 6, 7]
    assert page.shown(grid)["selected"] == [[0, 3]]
    page.act(grid, "choose", row=9, of=before)
    assert grid.chosen_row()["n"].tolist() == [9]
    assert page.shown(grid)["chosen"] == 4
    page.act(grid, "choose", row=2, of=before)
    assert grid.chosen_row().empty
    assert page.shown(grid)["chosen"] is None
    # Of what is long gone nothing is known any more.
    for _ in range(5):
        grid.show(rows)
    page.act(grid, "select", ranges=[[4, 8]], of=before)
    assert grid.selected_rows().empty


def test_without_a_key_a_late_act_chooses_nothing(rows):
    panel = Alone()
    page = Page(panel)
    panel.grid.show(rows)
    before = panel.grid["revision"]
    panel.grid.show(rows.iloc[1:])
    page.act(panel.grid, "select", ranges=[[0, 2]], of=before)
    assert panel.grid.selected_rows().empty
    page.act(panel.grid, "select", ranges=[[0, 2]], of=panel.grid["revision"])
    assert panel.grid.selected_rows()["n"].tolist() == [1, 2]


def test_a_shorter_frame_is_never_read_by_the_order_of_the_longer_one(shown, rows, monkeypatch):
    grid, page = shown
    page.act(grid, "sort", column="n", ascending=False)
    settle(grid)
    page.act(grid, "choose", row=999)
    page.act(grid, "select", ranges=[[997, 1000]])
    with monkeypatch.context() as late:
        # The background has no time yet.
        late.setattr(grid._arranging, "do", lambda _: None)
        for n in (6, 5):
            grid.show(rows.iloc[:n])
            assert grid.selected_rows()["n"].tolist() == [2, 1, 0]
            assert grid.chosen_row()["n"].tolist() == [0]
            assert len(grid.frame()) == 1000
    grid.show(rows.iloc[:5])
    settle(grid)
    assert grid.frame()["n"].tolist() == [4, 3, 2, 1, 0]
    # They stay selected and chosen all the while.
    assert grid.selected_rows()["n"].tolist() == [2, 1, 0]
    assert grid.chosen_row()["n"].tolist() == [0]


def test_without_a_key_nothing_stays_selected(rows):
    panel = Alone()
    panel.grid.show(rows)
    page = Page(panel)
    page.act(panel.grid, "select", ranges=[[0, 2]])
    panel.grid.show(rows)
    assert len(panel.grid.selected_rows()) == 0


def test_a_row_is_chosen(shown):
    grid, page = shown
    opened = []
    grid.on = lambda: opened.extend(grid.chosen_row()["n"])
    page.act(grid, "choose", row=5)
    page.act(grid, "choose", row=5000)
    assert opened == [5]
    assert len(grid.chosen_row()) == 0


def test_columns_are_picked_and_frozen(shown):
    grid, page = shown
    page.act(grid, "columns", left=["entry_id"], frozen=["n"])
    assert [each["name"] for each in page.shown(grid)["columns"]] == ["n", "name"]
    assert page.shown(grid)["head"][1] == ["1", "Item 1"]
    names = [["entry_id", False, False], ["name", True, False], ["n", True, True]]
    assert page.shown(grid)["names"] == names
    assert list(grid.frame()) == ["n", "name"]
    assert page.shown(grid)["columns"][1]["note"] == "7 values"


def test_copies_what_is_selected_or_everything(shown):
    grid, page = shown
    page.act(grid, "columns", left=["entry_id"], frozen=[])
    page.act(grid, "select", ranges=[[1, 3]])
    page.act(grid, "copy", format="tsv")
    until(page.copied)
    assert page.copied() == ["name\tn\nItem 1\t1\nItem 2\t2\n"]
    page.act(grid, "select", ranges=[])
    page.act(grid, "copy", format="json")
    until(lambda: len(page.copied()) == 2)
    copied = json.loads(page.copied()[1])
    assert (len(copied), copied[999]) == (1000, {"name": "Item 5", "n": 999})


def test_an_index_is_shown_and_copied(shown):
    grid, page = shown
    grid.show(pd.DataFrame({"a": [1.5, None]}, index=pd.Index(["x", "y"], name="key")))
    assert page.shown(grid)["head"] == [["x", "1.5"], ["y", None]]
    page.act(grid, "copy", format="json")
    until(page.copied)
    assert json.loads(page.copied()[0]) == [{"key": "x", "a": 1.5}, {"key": "y", "a": None}]


def test_tells_that_rows_were_selected(rows):
    told = []
    panel = Alone(key="entry_id", on_select=lambda: told.append(len(panel.grid.selected_rows())))
    panel.grid.show(rows)
    page = Page(panel)
    page.act(panel.grid, "select", ranges=[[0, 3]])
    page.act(panel.grid, "select", ranges=[])
    assert told == [3, 0]


def test_tells_whether_it_is_scrolled_away():
    heard = []
    panel = Alone(on_scroll=lambda: heard.append(panel.grid.is_at_top))
    page = Page(panel)
    page.act(panel.grid, "scroll", top=False)
    page.act(panel.grid, "scroll", top=True)
    assert heard == [False, True]


def test_an_error_of_the_sort_is_shown(shown, monkeypatch):
    grid, page = shown

    def fail(*_):
        raise MemoryError("too much")

    monkeypatch.setattr("redisnb.panels.parts.grid.grid.arranged_rows", fail)
    page.act(grid, "sort", column="n", ascending=True)
    until(lambda: page.shown(grid)["error"] == "too much")


def order(values, text="", sort=None, name="a"):
    columns = {name: values if isinstance(values, pd.Series) else pd.Series(values)}
    return arranged_rows(columns, text, sort and (name, sort == "up"), lambda: None).tolist()


def test_orders_of_all_kinds_of_values():
    assert order([3, 1, 2], sort="up") == [1, 2, 0]
    assert order([3.5, None, -1.0], sort="down") == [0, 2, 1]
    assert order(["b", None, "a", "B"], sort="up") == [3, 2, 0, 1]
    ids = pd.Series(frames.column(["10-0", "9-5", "9-10", None], "str"))
    assert order(ids, sort="up", name="entry_id") == [1, 2, 0, 3]
    assert order(frames.column(["10-0", "9-5", "x"], "str"), sort="up", name="an_id") == [0, 1, 2]
    assert order([[2], [1], None], sort="up") == [1, 0, 2]
    assert order([b"b", 1, "a"], sort="up") == [1, 2, 0]
    assert order(pd.Series(["b", "a", None]).astype("category"), sort="up") == [1, 0, 2]
    assert order(pd.to_datetime(["2013-01-02", "2013-01-01"], utc=True).to_series(), sort="up") == [
        *(1, 0),
    ]
    assert order([1, 1, 1], sort="down") == [0, 1, 2]


def test_filters_of_all_kinds_of_values():
    assert order([30, 1, 3], "3") == [0, 2]
    assert order([30, 1, 3], "x") == []
    assert order([3.5, None, -1.0], "-1") == [2]
    assert order(["Straße", "strasse", None], "STRASSE") == [1]
    assert order(["a.b", "ab"], ".") == [0]
    assert order([{"k": "Val"}, ["x"], None], "val") == [0]
    assert order([True, False], "tru") == [0]
    times = pd.to_datetime(["2013-01-02 10:00", "2013-02-01 10:00"], utc=True).to_series()
    assert order(times, "01-02 10") == [0]
    assert order([], "x") == []
    assert arranged_rows({}, "x", None, lambda: None).tolist() == []


def test_a_filter_is_called_off_between_values():
    asked = []

    def check():
        asked.append(1)
        if len(asked) == 3:
            raise TaskCancelled

    values = pd.Series([{"n": i} for i in range(100_000)])
    with pytest.raises(TaskCancelled):
        arranged_rows({"a": values}, "x", None, check)


def texts(values):
    column = pd.Series(values)
    return [row[0] for row in cells([column], [decimal_places(column)])]


def test_how_values_are_written():
    assert texts([1, 1234567, 2**60 + 1]) == ["1", "1,234,567", "1,152,921,504,606,846,977"]
    assert texts([1.5, 1234.25, np.nan, np.inf]) == ["1.50", "1,234.25", None, "inf"]
    assert texts([1.0, 1234.0]) == ["1", "1,234"]
    assert texts(pd.to_datetime(["2013-01-02 10:00:00", None])) == ["2013-01-02 10:00:00", None]
    assert texts(pd.to_datetime(["2013-01-02 10:00:00.25"])) == ["2013-01-02 10:00:00.250"]
    assert texts([b"\xff", {"a": np.int64(1)}, True, pd.Timedelta("90s")]) == [
        *("\\xff", '{"a": 1}', "True", "1 min 30 s"),
    ]
    assert texts(["x" * 300]) == ["x" * 199 + "…"]
    assert texts(["a\u202eb\n\x00\u200bé"]) == [r"a\u202eb\n\x00\u200bé"]


def test_columns_of_the_same_name_are_told_apart():
    frame = pd.DataFrame([[1, 2]], columns=["a", "a"])
    assert list(named_columns(frame)) == ["a", "a'"]


def test_what_stands_below_the_name_of_a_column():
    assert column_note(pd.Series([1, 1, 1200])) == ("1 to 1,200", [9, *[0] * 6, 4])
    assert column_note(pd.Series([0.5, None, np.inf]))[0] == "0.5 to inf, 33 % null"
    assert column_note(pd.Series(["a", "a", "b", "b"])) == ("2 values", [9, 9])
    assert column_note(pd.Series(["a", "a"])) == ("1 value", [])
    assert column_note(pd.Series(["a", "b", None])) == ("text, 33 % null", [])
    assert column_note(pd.Series([*[True, False] * 200, None])) == ("2 values, < 1 % null", [9, 9])
    assert column_note(pd.Series([{"a": 1}, [2]])) == ("lists and objects", [])
    assert column_note(pd.Series([None, None])) == ("all missing", [])
    assert column_note(pd.Series([], dtype="float64")) == ("", [])
    times = pd.Series(pd.to_datetime(["2013-01-01", "2013-01-02"], utc=True))
    assert column_note(times) == ("UTC", [9, *[0] * 6, 9])


def test_what_is_copied_is_said():
    column = {"a": pd.Series([1, 2])}
    assert clipping(column, "tsv", 2) == {"copy": "a\n1\n2\n", "what": "2 rows as TSV"}
    assert clipping(column, "json", 1200)["what"] == "the first 2 of 1,200 rows as JSON"
    assert clipping({"a": pd.Series([1])}, "tsv", 1)["what"] == "1 row as TSV"


def test_more_rows_than_a_browser_scrolls_are_all_there(monkeypatch):
    monkeypatch.setattr("redisnb.panels.parts.grid.grid._SCROLLED", 3)
    grid = Grid("Items")
    grid.show(pd.DataFrame({"n": range(5)}))
    assert (grid["total"], grid["matched"], grid["all"]) == (3, 5, 5)
    assert len(grid.frame()) == 5


def test_a_live_table_without_rows_and_without_anyone_who_listens():
    grid = LiveGrid("Rows")
    assert (len(grid.selected_rows()), len(grid.chosen_row()), grid.in_view) == (0, 0, (0, 0))
    grid.heard("choose", {"row": 0})
    grid.heard("scroll", {"top": True})
    assert (grid["chosen"], grid.is_held) == (None, True)
    grid.heard("select", {"ranges": [[0, 3]]})
    assert grid["selected"] == []
    grid.heard("newest", {})
    assert not grid.is_held
