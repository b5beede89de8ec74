"""ReplayPanel: a dry run, a start, and events in between."""

import threading
from datetime import datetime
from itertools import pairwise

import pandas as pd
import pytest

from redisnb import Connection, Replay, Stream, capture, connect, stop_all
from redisnb.frames import REPLAY
from redisnb.panels import ReplayPanel
from tests.deadlines import deadline
from tests.panels.conftest import threads
from tests.panels.looking import cells, controls, is_off, lines, press, table, texts
from tests.replaying import add, fields, fill, numbers, stored

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:text that would be numbers")]

FIRST = 1_700_000_000_000
READ_ONLY = "this connection is read-only"


@pytest.fixture
def here(conn, raw) -> Stream:
    """50 entries, 1 ms apart."""
    fill(raw, 50)
    return Stream(conn, "from")


@pytest.fixture
def slow(conn, raw) -> Stream:
    """Ten entries, 1,000 s apart."""
    add(raw, "from", [(f"{FIRST + i * 1_000_000}-0", fields(i)) for i in range(10)])
    return Stream(conn, "from")


@pytest.fixture
def there(conn) -> Stream:
    return Stream(conn, "to")


@pytest.fixture
def until(wait_until):
    """``until(panel, "running")`` waits for a state."""
    return lambda panel, state: wait_until(lambda: panel.state == state)


def said(panel, part):
    return next((line for line in lines(panel) if part in line), None)


def problem(panel):
    return texts(panel)["alert"]


def wrong(panel, name):
    return controls(panel, name).errors.get(name, "")


def off(panel):
    row = controls(panel, "start")
    return {each["name"] for each in row.parts if row.disabled.get(each["name"])}


def progress(panel):
    return controls(panel, "progress")["progress"]


def caption(panel, name):
    return controls(panel, name).captions[name]


# -- dry run


def test_before_anything_is_pressed(here, there, raw):
    panel = ReplayPanel(here, there)
    assert repr(panel) == "ReplayPanel('from', 'to')"
    assert texts(panel)["heading"] == "Replay 'from' to 'to'"
    assert panel.state == "ready"
    assert isinstance(panel.replay, Replay)
    assert off(panel) == {"pause", "stop"}
    assert panel.frame().empty
    assert threads() == []
    assert not raw.exists("to")


def test_a_dry_run_sends_nothing_and_says_how_long_it_takes(slow, there, raw, wait_until, until):
    panel = ReplayPanel(slow, there)
    press(panel, "dry", speed="10")
    wait_until(lambda: said(panel, "10 entries"))
    assert said(panel, "10 entries") == (
        "10 entries · 110 bytes · 2 h 30 min of events, 2023-11-14 22:13:20 to "
        "2023-11-15 00:43:20 · takes 15 min at 10x"
    )
    until(panel, "ready")
    assert list(panel.frame().columns) == list(REPLAY)
    assert panel.frame()["entries"].tolist() == [10]
    assert cells(panel, "Dry run")[0][:3] == ["from", "to", "10"]
    assert not raw.exists("to")
    wait_until(lambda: threads() == [])

    # A field sends its text with a delay.
    press(panel, "first", first=" ")
    assert said(panel, "10 entries")
    # The result is cleared when it no longer applies.
    press(panel, "speed", speed="60")
    assert said(panel, "10 entries") is None
    press(panel, "dry", gap="1s")
    wait_until(lambda: said(panel, "takes 9.0 s at 60x with no gap above 1s"))
    until(panel, "ready")
    press(panel, "last", last=f"{FIRST + 1}")
    assert said(panel, "10 entries") is None
    assert panel.frame().empty
    press(panel, "dry", speed="inf")
    wait_until(lambda: said(panel, "1 entry"))
    assert said(panel, "1 entry").endswith(" · as fast as possible")
    assert not raw.exists("to")


def test_a_dry_run_sees_entries_added_since(conn, there, raw, wait_until, until):
    panel = ReplayPanel(Stream(conn, "from"), there)
    press(panel, "dry")
    until(panel, "failed")
    assert problem(panel) == "there is no entry to send from 'from': choose another range"
    add(raw, "from", [("5-0", [b"a", b"1"])])
    panel._try_again()
    wait_until(lambda: said(panel, "1 entry"))
    until(panel, "ready")
    assert problem(panel) == ""
    add(raw, "from", [("6-0", [b"a", b"1"])])
    press(panel, "dry")
    wait_until(lambda: said(panel, "2 entries"))
    assert not raw.exists("to")


def test_a_dry_run_can_be_stopped(here, there, wait_until, until):
    going, seen = threading.Event(), threading.Event()

    def where(frame):
        seen.set()
        assert going.wait(10)
        return frame["i"].notna()

    panel = ReplayPanel(here, there, where=where)
    press(panel, "start")
    assert seen.wait(deadline(10))
    assert panel.state == "reading"
    assert is_off(panel, "dry") == "it is busy"
    threading.Timer(0.1, going.set).start()
    panel.stop()
    until(panel, "ready")
    assert (problem(panel), panel.last_error) == ("", None)
    assert there.range().empty
    press(panel, "speed", speed="inf")
    press(panel, "start")
    until(panel, "finished")
    assert panel.replay.report.added == 50


# -- start, pause, step, stop


def test_start_looks_first_and_sends_all(here, there, raw, wait_until, until):
    panel = ReplayPanel(here, there)
    press(panel, "start")
    until(panel, "finished")
    assert said(panel, "50 entries · ").endswith("takes 49 ms at 1x")
    assert numbers(raw) == list(range(50))
    assert progress(panel)[:2] == [1000, 1000]
    assert progress(panel)[2] == "50 of 50 entries · at 2023-11-14 22:13:20"
    assert said(panel, "added 50 · late by p50 ")
    wait_until(lambda: len(cells(panel, "Added last")) == 50)
    assert cells(panel, "Added last")[0] == ["50", stored(raw)[-1][0], "added", None]
    assert panel.frame()["entry_id"].tolist() == [id for id, _ in stored(raw)]
    wait_until(lambda: threads() == [])
    assert raw.keys("redisnb:*") == []

    assert caption(panel, "start") == "Start again"
    press(panel, "start")
    wait_until(lambda: raw.xlen("to") == 100)
    until(panel, "finished")


def test_pause_step_and_continue(slow, there, raw, wait_until, until):
    panel = ReplayPanel(slow, there)
    press(panel, "start")
    until(panel, "running")
    wait_until(lambda: raw.xlen("to") == 1)
    assert is_off(panel, "step") == "pause or stop it first"
    panel.step()
    assert "pause() it first" in problem(panel)

    press(panel, "pause")
    until(panel, "paused")
    assert caption(panel, "pause") == "Continue"
    press(panel, "step", n="3")
    wait_until(lambda: progress(panel)[2].startswith("4 of 10 entries · at 2023-11-14 23:03:20"))
    assert progress(panel)[0] == 333
    assert panel.state == "paused"
    press(panel, "step", n="0")
    assert wrong(panel, "n") == "a whole number, at least 1"
    panel.step("x")
    assert "whole number" in problem(panel)
    assert raw.xlen("to") == 4

    press(panel, "pause")
    until(panel, "running")
    press(panel, "stop")
    until(panel, "stopped")
    assert raw.xlen("to") == 4
    assert said(panel, f"Continue resumes after {FIRST + 3_000_000}-0")
    assert caption(panel, "start") == "Continue"
    press(panel, "speed", speed="inf")
    press(panel, "start")
    until(panel, "finished")
    assert numbers(raw) == list(range(10))


def test_a_step_from_the_beginning(slow, there, raw, wait_until, until):
    panel = ReplayPanel(slow, there)
    press(panel, "step", n="2")
    wait_until(lambda: raw.xlen("to") == 2)
    until(panel, "paused")
    press(panel, "speed", speed="inf")
    until(panel, "paused")
    assert raw.xlen("to") == 2
    press(panel, "pause")
    until(panel, "finished")
    assert numbers(raw) == list(range(10))


def test_another_speed_during_a_replay(conn, raw, there, wait_until, until):
    # Two streams with the same IDs: none may be lost where the replay resumes.
    for key in ("a", "b"):
        add(raw, key, [(f"{FIRST + i * 20}-0", [b"key", key.encode()]) for i in range(200)])
    panel = ReplayPanel([Stream(conn, "a"), Stream(conn, "b")], there, ids="shift")
    press(panel, "start")
    first = panel.replay
    for speed in ("2", "0.5", "5"):
        done = panel.replay.progress.done
        wait_until(lambda done=done: panel.replay.progress.done > done + 20)
        press(panel, "speed", speed=speed)
        wait_until(lambda: panel.state in ("running", "finished"))
    press(panel, "speed", speed="inf")
    until(panel, "finished")
    assert panel.replay is first
    assert progress(panel)[2].startswith("400 of 400 entries")
    assert [parts[1] for _, parts in stored(raw)] == [b"a", b"b"] * 200
    times = [int(id.partition("-")[0]) for id, _ in stored(raw)]
    assert {later - earlier for earlier, later in pairwise(times)} == {0, 20}


# -- seek


def test_seek_while_paused_and_stopped(slow, there, raw, wait_until, until):
    panel = ReplayPanel(slow, there)
    press(panel, "step", n="1")
    wait_until(lambda: raw.xlen("to") == 1)
    until(panel, "paused")
    press(panel, "seek", place="2023-11-14 23:03:20")
    wait_until(lambda: said(panel, "7 entries"))
    until(panel, "paused")
    press(panel, "step", n="1")
    wait_until(lambda: numbers(raw) == [0, 3])
    wait_until(lambda: progress(panel)[2].startswith("1 of 7 entries"))

    press(panel, "stop")
    until(panel, "stopped")
    panel.seek(pd.Timestamp(FIRST + 8_000_000, unit="ms", tz="UTC"))
    until(panel, "ready")
    assert numbers(raw) == [0, 3]
    press(panel, "speed", speed="inf")
    press(panel, "start")
    until(panel, "finished")
    assert numbers(raw) == [0, 3, 8, 9]

    # Without a position: the beginning of the range.
    press(panel, "last", last=f"{FIRST + 1_000_000}")
    press(panel, "seek", place=" ")
    until(panel, "ready")
    press(panel, "start")
    until(panel, "finished")
    assert numbers(raw) == [0, 3, 8, 9, 0, 1]


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("noon", "'noon' is neither an entry ID nor a time"),
        ("2030-01-01", "there is no entry to send from 'from'"),
        (datetime(2024, 5, 1), "has no time zone"),  # noqa: DTZ001 - that is the point
    ],
)
def test_a_place_that_cannot_be_sought(place, message, slow, there, raw, wait_until, until):
    panel = ReplayPanel(slow, there)
    panel.step()
    until(panel, "paused")
    wait_until(lambda: raw.xlen("to") == 1)
    panel.seek(place)
    # The error is shown before the panel is idle again.
    wait_until(lambda: message in str(panel.last_error))
    until(panel, "paused")
    assert message in wrong(panel, "place")
    # The previous position is not lost.
    press(panel, "pause")
    until(panel, "running")
    panel.seek("5-0")
    assert wrong(panel, "place") == "it is running: pause or stop it first"
    press(panel, "speed", speed="inf")
    until(panel, "finished")
    assert numbers(raw) == list(range(10))


# -- invalid input


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("first", "noon", "'noon' is neither an entry ID nor a time"),
        ("last", "5-", "'5-' is neither an entry ID nor a time"),
        ("gap", "soon", "'soon' is not a duration"),
        ("gap", "-5s", "is negative"),
    ],
)
def test_an_invalid_value_is_reported_next_to_its_field(
    name, text, message, here, there, raw, until
):
    panel = ReplayPanel(here, there)
    press(panel, name, **{name: text})
    assert message in wrong(panel, name)
    press(panel, "start")
    press(panel, "dry")
    assert (panel.state, controls(panel, name)[name]) == ("ready", text)
    assert message in str(panel.last_error)
    assert not raw.exists("to")
    press(panel, name, **{name: ""})
    assert wrong(panel, name) == ""
    press(panel, "start")
    until(panel, "finished")


@pytest.mark.parametrize(
    ("source", "target", "options", "error"),
    [
        (5, Stream, {}, TypeError),
        (Stream, 5, {}, TypeError),
        (Stream, Stream, {"transform": 5}, TypeError),
        (Stream, Stream, {"ids": "old"}, ValueError),
        ("-", Stream, {}, ValueError),
        ([], Stream, {}, ValueError),
    ],
)
def test_what_is_no_source_or_target_raises(source, target, options, error, here, there):
    with pytest.raises(error):
        ReplayPanel(
            here if source is Stream else source, there if target is Stream else target, **options
        )


def test_a_file_that_comes_later(here, there, raw, tmp_path, until):
    path = tmp_path / "later.parquet"
    panel = ReplayPanel(path, there)
    assert panel.state == "failed"
    assert str(path) in problem(panel)
    assert (panel.replay, panel.frame().empty) == (None, True)
    capture(here, path)
    panel._try_again()
    until(panel, "ready")
    assert said(panel, "50 entries")
    assert not raw.exists("to")
    press(panel, "start")
    until(panel, "finished")
    assert numbers(raw) == list(range(50))


def test_a_file_that_is_no_capture(there, raw, tmp_path, until):
    path = tmp_path / "a.txt"
    path.write_text("this is no capture\n")
    panel = ReplayPanel(path, there)
    press(panel, "start")
    until(panel, "failed")
    assert "a.txt" in problem(panel)
    assert not raw.exists("to")


def test_a_target_and_a_source_of_another_type(here, there, raw, until):
    raw.set("to", "text")
    panel = ReplayPanel(here, there)
    press(panel, "start")
    until(panel, "failed")
    assert problem(panel).startswith("WRONGTYPE")
    raw.delete("to")
    raw.set("other", "text")
    panel = ReplayPanel(Stream(there.conn, "other"), there)
    press(panel, "dry")
    until(panel, "failed")
    assert problem(panel).startswith("WRONGTYPE")


def test_onto_itself(here, raw, until):
    panel = ReplayPanel(here, here)
    press(panel, "start")
    until(panel, "failed")
    assert "replayed onto itself" in problem(panel)
    assert raw.xlen("from") == 50


def test_rows_without_a_time_go_as_fast_as_possible(there, raw, until):
    panel = ReplayPanel(pd.DataFrame({"i": range(5)}), there)
    assert panel.state == "failed"
    assert "has no times of entries" in problem(panel)
    press(panel, "speed", speed="inf", gap="1s")
    press(panel, "start")
    until(panel, "finished")
    assert raw.xlen("to") == 5
    assert progress(panel)[2] == "5 of 5 entries"


def test_what_where_raises_is_shown(here, there, raw, until):
    def where(frame):
        raise KeyError("no such column")

    panel = ReplayPanel(here, there, where=where)
    press(panel, "start")
    until(panel, "failed")
    assert "no such column" in problem(panel)
    assert isinstance(panel.last_error, KeyError)


def test_an_entry_in_the_way_and_go_on_where_it_was(here, there, raw, wait_until, until):
    taken = f"{FIRST + 20}-2"
    add(raw, "to", [(taken, [b"another", b"one"])])
    panel = ReplayPanel(here, there, ids="keep")
    press(panel, "start")
    until(panel, "failed")
    assert "larger IDs already" in problem(panel)
    assert "nothing was added" in problem(panel)
    raw.delete("to")
    panel._try_again()
    until(panel, "finished")
    assert (problem(panel), panel.last_error) == ("", None)
    assert numbers(raw) == list(range(50))


def test_a_failure_midway_continues_there(slow, there, raw, wait_until, until):
    panel = ReplayPanel(slow, there)
    press(panel, "step", n="4")
    wait_until(lambda: raw.xlen("to") == 4)
    raw.rename("to", "kept")
    raw.set("to", "text")
    press(panel, "step", n="1")
    until(panel, "failed")
    assert problem(panel).startswith("WRONGTYPE")
    assert "4 entries are done" in problem(panel)
    wait_until(lambda: said(panel, "failed 1"))
    assert caption(panel, "start") == "Continue"
    raw.rename("kept", "to")
    press(panel, "speed", speed="inf")
    press(panel, "start")
    until(panel, "finished")
    assert numbers(raw) == list(range(10))


def test_entries_that_are_removed_before_they_are_read(conn, there, raw, wait_until, until):
    fill(raw, 5000)
    panel = ReplayPanel(Stream(conn, "from"), there)
    press(panel, "speed", speed="inf")
    press(panel, "step", n="4")
    wait_until(lambda: raw.xlen("to") == 4)
    raw.xtrim("from", maxlen=50, approximate=False)
    press(panel, "pause")  # it is paused: this continues
    until(panel, "incomplete")
    missed = 5000 - raw.xlen("to")
    wait_until(lambda: said(panel, f"missed {missed:,}"))
    assert caption(panel, "start") == "Start again"
    assert progress(panel)[0] == 1000


# -- events during a replay


@pytest.mark.parametrize("pace", ["0.5", "inf"])
def test_the_server_dies_and_comes_back(pace, raw, slow, tcp_server, wait_until, until):
    with connect(tcp_server.url) as conn:
        panel = ReplayPanel(slow, Stream(conn, "to"))
        press(panel, "speed", speed=pace)
        press(panel, "step", n="2")
        wait_until(lambda: panel.replay.progress.done == 2)
        if pace != "inf":
            press(panel, "pause")
            until(panel, "running")
        tcp_server.kill()
        wait_until(lambda: panel.state == "reconnecting", 3)
        assert problem(panel)
        tcp_server.start()
        wait_until(lambda: panel.state == ("paused" if pace == "inf" else "running"), 5)
        assert problem(panel) == ""
        press(panel, "speed", speed="inf")
        if pace == "inf":
            until(panel, "paused")
            press(panel, "pause")
        until(panel, "finished")
        assert [int(fields[b"i"]) for _, fields in tcp_server.client.xrange("to")] == [*range(10)]


def test_a_read_only_connection(here, server, until):
    with connect(server.url, read_only=True) as conn:
        panel = ReplayPanel(here, Stream(conn, "to"))
        assert is_off(panel, "start") == is_off(panel, "step") == READ_ONLY
        press(panel, "dry")
        until(panel, "ready")
        assert said(panel, "50 entries")
        panel.start()
        until(panel, "failed")
        assert "read-only" in problem(panel)


def test_stop_all_and_close_end_it(slow, there, raw, wait_until, until):
    panel = ReplayPanel(slow, there)
    panel.start()
    until(panel, "running")
    wait_until(lambda: raw.xlen("to") == 1)
    stop_all()
    assert threads() == []
    assert panel.state == "stopped"
    panel.start()
    until(panel, "running")
    panel.close()
    assert threads() == []
    with pytest.raises(RuntimeError, match="closed"):
        panel.start()


def test_stop_all_ends_a_dry_run(here, there, wait_until):
    seen, going = threading.Event(), threading.Event()
    panel = ReplayPanel(here, there, where=lambda f: (seen.set(), going.wait(10), f["i"] >= "0")[2])
    panel.start()
    assert seen.wait(deadline(10))
    threading.Timer(0.2, going.set).start()
    stop_all()
    assert threads() == []
    assert there.range().empty


def test_what_it_would_be_in_python(here, there, raw, conn, until, server, tmp_path):
    panel = ReplayPanel(here, there)
    head = f"import redisnb as rnb\n\nconn = rnb.connect({conn.url!r})\n"
    assert panel.python() == (head + "rnb.replay(rnb.Stream(conn, 'from'), rnb.Stream(conn, 'to'))")
    press(panel, "gap", first=f"{FIRST + 40}", last="2030-01-01", speed="10", gap="5")
    panel.seek(f"{FIRST + 45}-0")
    until(panel, "ready")
    assert panel.python() == (
        head + "rnb.replay(rnb.Stream(conn, 'from'), rnb.Stream(conn, 'to'), "
        f"start='{FIRST + 45}-0', end='2030-01-01', speed=10, max_gap=5)"
    )
    # Without the password, which must not be shown.
    given = {"conn": conn}
    exec(
        panel.python()
        .replace(f"conn = rnb.connect({conn.url!r})", "")
        .replace("rnb.replay(rnb", "report = rnb.replay(rnb"),
        given,
    )
    assert given["report"].added == 5

    path = tmp_path / "a.parquet"
    capture(here, path)
    with connect(f"{server.url}".replace("db=0", "db=1")) as other:
        panel = ReplayPanel(
            [path, Stream(conn, "from", format="raw")],
            {"from": Stream(other, "x")},
            where={"i": 1},
            ids="shift",
            resume="nightly",
        )
        press(panel, "speed", speed="inf", gap="5s")
        assert panel.python().splitlines()[2:] == [
            f"conn = rnb.connect({other.url!r})",
            f"conn2 = rnb.connect({conn.url!r})",
            f"rnb.replay([{str(path)!r}, rnb.Stream(conn2, 'from', format='raw')], "
            "{'from': rnb.Stream(conn, 'x')}, speed=float(\"inf\"), where={'i': 1}, "
            "ids='shift', resume='nightly')",
        ]


def test_names(here, conn):
    frame = pd.DataFrame({"entry_id": ["5-0"], "i": [1]})
    assert repr(ReplayPanel(frame, conn)) == "ReplayPanel(the frame, streams of the same keys)"
    assert "rnb.replay(frame, conn)" in ReplayPanel(frame, conn).python()
    assert isinstance(conn, Connection)


def test_resume_continues_after_the_kernel_was_restarted(slow, there, raw, wait_until, until):
    panel = ReplayPanel(slow, there, resume="r")
    panel.step(3)
    wait_until(lambda: raw.xlen("to") == 3)
    panel.close()
    panel = ReplayPanel(slow, there, resume="r")
    press(panel, "speed", speed="inf")
    press(panel, "start")
    until(panel, "finished")
    assert numbers(raw) == list(range(10))
    assert progress(panel)[2].startswith("10 of 10 entries")
    press(panel, "start")
    until(panel, "failed")
    assert "forget() lets it begin again" in problem(panel)
    assert raw.xlen("to") == 10


def test_a_snapshot(here, there, until):
    panel = ReplayPanel(here, there)
    press(panel, "speed", speed="inf")
    press(panel, "start")
    until(panel, "finished")
    bundle = panel._repr_mimebundle_()
    assert bundle["text/plain"] == "ReplayPanel('from', 'to')"
    assert "20 of 50 rows" in bundle["text/html"]
    assert "text/html" not in ReplayPanel(here, there, snapshot=False)._repr_mimebundle_()


def test_the_table_has_the_last_thousand(conn, there, raw, wait_until, until):
    fill(raw, 1500)
    panel = ReplayPanel(Stream(conn, "from"), there)
    press(panel, "speed", speed="inf")
    press(panel, "start")
    until(panel, "finished")
    wait_until(
        lambda: cells(panel, "Added last")[:1] and cells(panel, "Added last")[0][0] == "1500"
    )
    assert table(panel, "Added last").total == 1000
    assert len(panel.frame()) == 1500
