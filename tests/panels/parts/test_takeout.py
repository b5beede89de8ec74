"""What is taken out of a panel: to a variable, into a file, and as Python code."""

import base64
import builtins
import json
import os
import sys
import threading
import types

import numpy as np
import pandas as pd
import pytest

from redisnb import cards
from redisnb.panels.parts import Box, PartsPanel, TakeOut, TaskCancelled, Trouble
from redisnb.panels.parts.takeout import exporting, files, save_frame
from tests.deadlines import until
from tests.panels.parts.acting import Page


class Small(PartsPanel):
    """A panel of three rows that can be taken out."""

    def __init__(self):
        self.rows = pd.DataFrame(
            {"n": [1, 2, 3], "who": ["ann", "bob\n=1+1", None]},
            index=pd.to_datetime([0, 1, 2], unit="ms", utc=True).rename("entry_time"),
        )
        trouble = Trouble()
        self.out = TakeOut("Rows", frame=self.frame, python=self.python, trouble=trouble)
        super().__init__(Box(self.out, trouble), trouble)

    def frame(self):
        return self.rows

    def python(self):
        return "frame = stream.range()"


@pytest.fixture
def panel():
    return Small()


@pytest.fixture
def page(panel):
    return Page(panel)


@pytest.fixture
def form(panel, page):
    """The form that the first button opened: its field and its button."""
    page.press(panel.out.children[0])
    return parts_of(panel.out.children[3])


@pytest.fixture
def export(panel, page, tmp_path, monkeypatch):
    """The form that the second button opened, where the notebook is."""
    monkeypatch.chdir(tmp_path)
    page.press(panel.out.children[1])
    return parts_of(panel.out.children[4])


def parts_of(form):
    [strip] = form.children
    return {each["label"]: each for each in strip.children}


def said(panel, page):
    return page.shown(panel.out.children[-1])["text"]


def test_a_variable_is_what_the_panel_shows(panel, page, form, ipython):
    page.press(form["Set"], {form["Variable"]: "rows"})
    assert ipython.user_ns["rows"].equals(panel.frame())
    assert ipython.user_ns["rows"] is not panel.frame()
    assert said(panel, page) == ("rows = 3 rows x 2 columns. Go on in a cell: rows.describe()")
    # Its own variable is replaced without a question.
    panel.rows = panel.rows.head(1)
    page.act(form["Variable"], "enter")
    assert len(ipython.user_ns["rows"]) == 1
    assert "1 row x 2 columns" in said(panel, page)


def test_a_variable_that_is_there_is_asked_about_once(panel, page, form, ipython):
    ipython.user_ns["mine"] = pd.DataFrame({"a": [1, 2]})
    button, name = form["Set"], form["Variable"]
    page.press(button, {name: "mine"})
    assert page.shown(name)["error"] == (
        "There is a mine already, a DataFrame of 2 rows x 1 column."
    )
    assert page.shown(button)["label"] == "Replace"
    assert list(ipython.user_ns["mine"].columns) == ["a"]
    # Another name is another question.
    ipython.user_ns["also"] = 5
    page.press(button, {name: "also"})
    assert page.shown(name)["error"] == "There is a also already, a int."
    page.press(button, {name: "mine"})
    page.press(button)
    assert list(ipython.user_ns["mine"].columns) == ["n", "who"]
    assert page.shown(name)["error"] == ""
    assert page.shown(button)["label"] == "Set"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "Type a name"),
        ("my rows", "is no name"),
        ("1st", "is no name"),
        ("class", "a word of Python"),
        ("list", "of Python itself"),
        ("_", "belongs to IPython"),
        ("In", "belongs to IPython"),
    ],
)
def test_a_name_that_cannot_be_is_refused_beside_the_field(
    name, reason, panel, page, form, ipython, monkeypatch
):
    # As it is where Python's own prompt was.
    monkeypatch.setattr(builtins, "_", None, raising=False)
    page.press(form["Set"], {form["Variable"]: name})
    assert reason in page.shown(form["Variable"])["error"]
    assert form["Variable"]["value"] == name
    with pytest.raises(ValueError, match=reason):
        panel.to_variable(name)


def test_without_a_notebook_it_says_what_to_do(panel, page, form, monkeypatch):
    monkeypatch.setattr("IPython.get_ipython", lambda: None)
    page.press(form["Set"])
    assert said(panel, page).endswith("In Python: entries = panel.frame()")
    marimo = types.SimpleNamespace(running_in_notebook=lambda: True)
    monkeypatch.setitem(sys.modules, "marimo", marimo)
    page.press(form["Set"])
    assert "entries = panel.frame()" in said(panel, page)
    assert "marimo" in said(panel, page)
    with pytest.raises(RuntimeError, match="marimo"):
        panel.to_variable("entries")


def test_a_button_opens_its_form_and_closes_it(panel, page):
    variable, export, _, first, second, _ = panel.out.children
    page.press(export)
    assert page.shown(export)["expanded"]
    assert not page.shown(second)["hidden"]
    page.press(variable)
    assert page.shown(second)["hidden"]
    assert not page.shown(first)["hidden"]
    page.press(variable)
    assert page.shown(first)["hidden"]
    assert page.shown(variable)["expanded"] is False


def test_python_is_copied(panel, page):
    page.press(panel.out.children[2])
    assert page.copied() == ["frame = stream.range()"]


FRAMES = {
    "entries": pd.DataFrame(
        {
            "entry_id": ["1-0", "2-0"],
            "n": pd.array([1, None], dtype="Int64"),
            "x": [1.5, np.nan],
            "ok": [True, False],
            "user.id": ['ä\u202e,"\n', "007"],
            "tags": [["a", {"b": 1}], None],
        },
        index=pd.to_datetime([1, 1500], unit="ms", utc=True).rename("entry_time"),
    ),
    "nothing": pd.DataFrame({"a": pd.array([], dtype="Int64")}),
}
READERS = {
    ".csv": lambda path: pd.read_csv(path, dtype={"user.id": "str"}),
    ".json": lambda path: pd.DataFrame(json.loads(path.read_text())),
    ".jsonl": lambda path: pd.DataFrame(map(json.loads, path.read_text().splitlines())),
    ".parquet": pd.read_parquet,
}


@pytest.mark.parametrize("ending", READERS)
@pytest.mark.parametrize("rows", FRAMES)
def test_a_file_has_what_the_frame_has(ending, rows, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_PIECE", 1)
    frame, steps = FRAMES[rows], []
    path, notes = save_frame(frame, tmp_path / f"a{ending}", steps.append)
    assert notes == (
        []
        if ending != ".parquet" or rows != "entries"
        else ["Columns with values of several kinds are JSON text there: 'tags'."]
    )
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    read = READERS[ending](path)
    assert len(read) == len(frame)
    if rows == "nothing":
        return
    assert steps == [1, 2]
    assert read["user.id"].tolist() == frame["user.id"].tolist()
    assert read["n"].isna().tolist() == [False, True]
    assert read["x"][read["x"].notna()].tolist() == [1.5]
    tags = read["tags"].iloc[0]
    assert (json.loads(tags) if isinstance(tags, str) else tags) == ["a", {"b": 1}]
    if ending == ".parquet":
        pd.testing.assert_frame_equal(read.drop(columns="tags"), frame.drop(columns="tags"))
    else:
        times = pd.to_datetime(read["entry_time"], format="ISO8601")
        assert times.tolist() == frame.index.tolist()


def test_types_that_a_format_lacks(tmp_path):
    frame = pd.DataFrame({"idle": pd.to_timedelta([90, None], unit="s"), "n": [2**70, 1]})
    path, _ = save_frame(frame, tmp_path / "a.json")
    first, second = json.loads(path.read_text())
    assert pd.Timedelta(first["idle"]) == pd.Timedelta("90s")
    assert second["idle"] is None
    assert first["n"] == 2**70
    with pytest.raises(ValueError, match="inf is not a JSON number") as raised:
        save_frame(pd.DataFrame({"x": [np.inf]}), tmp_path / "b.jsonl")
    assert raised.value.__notes__ == ["CSV and Parquet carry it."]
    frame = pd.DataFrame({"mixed": [1, "x"]})
    frame.attrs["why"] = object()
    path, notes = save_frame(frame, tmp_path / "a.parquet")
    assert "'mixed'" in notes[0]
    assert pd.read_parquet(path)["mixed"].tolist() == ["1", '"x"']
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.json", "a.parquet"]


def test_the_method_writes_a_new_file_alone(panel, tmp_path):
    path = panel.export(tmp_path / "rows.csv")
    assert path == tmp_path / "rows.csv"
    with pytest.raises(FileExistsError, match=r"There is a file rows\.csv already"):
        panel.export(path)
    with pytest.raises(ValueError, match=r"\.csv, \.json, \.jsonl, \.parquet"):
        panel.export(tmp_path / "rows.xlsx")
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        panel.export(tmp_path / "none" / "rows.csv")
    assert pd.read_csv(path)["who"].tolist()[:2] == ["ann", "bob\n=1+1"]


def test_a_file_that_appears_meanwhile_stays(tmp_path, monkeypatch):
    frame, path = pd.DataFrame({"a": [1]}), tmp_path / "a.csv"
    for link in (os.link, no_links):
        monkeypatch.setattr("os.link", link)
        with pytest.raises(FileExistsError, match="already"):
            save_frame(frame, path, lambda _: path.write_text("theirs"))
        assert path.read_text() == "theirs"
        path.unlink()
    assert save_frame(frame, path)[0] == path
    assert path.read_text() == "a\n1\n"
    assert [each.name for each in tmp_path.iterdir()] == ["a.csv"]


def no_links(*_):
    raise OSError("not supported")


def test_a_file_is_saved_beside_the_notebook(panel, page, export, tmp_path):
    page.act(export["Format"], "choose", {export["Format"]: ".parquet"})
    assert page.shown(export["File"])["value"] == "entries.parquet"
    page.press(export["Save"])
    until(lambda: "Saved" in said(panel, page))
    size = cards.amount((tmp_path / "entries.parquet").stat().st_size)
    assert said(panel, page) == (f"Saved {tmp_path}/entries.parquet: {size}, 3 rows x 2 columns.")
    page.press(export["Save"])
    until(lambda: "already" in page.shown(export["File"])["error"])
    # The name decides, where it has an ending.
    page.press(export["Save"], {export["File"]: "other.jsonl"})
    until(lambda: "other.jsonl" in said(panel, page))
    assert page.shown(export["Format"])["value"] == ".jsonl"
    page.press(export["Save"], {export["File"]: "third"})
    until(lambda: "third.jsonl" in said(panel, page))
    page.press(export["Save"], {export["File"]: " "})
    assert "Type a file name" in page.shown(export["File"])["error"]


def test_what_fails_is_reported_with_the_way_on(panel, page, export, monkeypatch):
    def fail():
        raise ConnectionError("the server is gone")

    monkeypatch.setattr(panel.out.children[4], "_frame", fail)
    page.press(export["Save"])
    until(lambda: page.shown(panel.trouble)["text"] == "the server is gone")
    until(lambda: page.shown(export["Stop"])["hidden"])
    monkeypatch.setattr(panel.out.children[4], "_frame", panel.frame)
    page.press(panel.trouble.children[0])
    until(lambda: "Saved" in said(panel, page))


def test_writing_can_be_called_off(panel, page, export, tmp_path, monkeypatch):
    reached, go_on = threading.Event(), threading.Event()

    def slow():
        reached.set()
        go_on.wait(10)
        return panel.frame()

    monkeypatch.setattr(panel.out.children[4], "_frame", slow)
    page.press(export["Save"])
    assert reached.wait(10)
    assert not page.shown(export["Stop"])["hidden"]
    page.press(export["Stop"])
    go_on.set()
    until(lambda: not panel.out.children[4]._lane.is_busy)
    assert said(panel, page) == "Stopped: nothing was saved."
    assert list(tmp_path.iterdir()) == []


def test_a_file_called_off_in_the_middle_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_PIECE", 1)

    def step(n):
        if n == 2:
            raise TaskCancelled

    with pytest.raises(TaskCancelled):
        save_frame(FRAMES["entries"], tmp_path / "a.csv", step)
    assert list(tmp_path.iterdir()) == []


def pieces(page):
    return [each for each in page.heard if "piece" in each]


def test_a_download_goes_to_the_page_piece_by_piece(panel, page, export, monkeypatch):
    monkeypatch.setattr(exporting, "_PIECE_BYTES", 40)
    page.press(export["Download"])
    until(lambda: pieces(page))
    got = b""
    while len(got) < pieces(page)[-1]["size"]:
        got += base64.b64decode(pieces(page)[-1]["piece"])
        page.act(export["Download"], "piece", at=len(got))
    assert got.decode().startswith("entry_time,n,who\n1970-01-01")
    assert pieces(page)[-1]["name"] == "entries.csv"
    assert said(panel, page) == f"Downloaded entries.csv: {len(got)} B."
    n = len(pieces(page))
    page.act(export["Download"], "piece", at=0)
    assert len(pieces(page)) == n  # the file is gone


def test_a_download_is_bounded(panel, page, export, monkeypatch):
    monkeypatch.setattr(exporting, "_LARGEST_DOWNLOAD", 10)
    page.press(export["Download"])
    until(lambda: "save it beside the notebook" in page.shown(panel.trouble)["text"])
    assert pieces(page) == []
