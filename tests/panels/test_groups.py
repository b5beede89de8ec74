import re
import subprocess
import sys
import threading
import time

import pandas as pd
import pytest

from redisnb import ConsumerGroup, EntryIdError, RedisnbError, Stream, connect, frames, stop_all
from redisnb.panels import GroupsPanel
from redisnb.panels.groups import panel as groups
from tests.panels.looking import controls, inside, is_off, open_row, press, select, table, texts

pytestmark = pytest.mark.slow

HOSTILE = "<img src=x onerror=window.pwned=1> $\\alpha$\n"
HOUR = 3_600_000


def why(panel):
    return next(p.value for p in inside(panel) if "rnb-why-stuck" in getattr(p, "_dom_classes", ()))


def answer(panel):
    return panel._answer.value


def error(panel):
    return texts(panel)["alert"]


@pytest.fixture
def stuck(stream, raw):
    """A group in which ann has held two entries for an hour, and just received a third."""
    for n in range(5):
        stream.add({"item": "tea", "n": n}, id=f"{n + 1}-0")
    group = ConsumerGroup(stream, "etl", consumer="ann")
    group.create("all")
    group.read(3)
    raw.xclaim(stream.key, "etl", "ann", 0, ["1-0", "2-0"], idle=HOUR, retrycount=7)
    return group


def test_why_a_group_is_stuck(stream, stuck, knows_lag):
    panel = GroupsPanel(stream)
    assert repr(panel) == "GroupsPanel('s')"
    assert panel.state == "reading"
    # The only group is selected.
    said = why(panel)
    assert re.match(r"3 pending: 'ann' holds 3 and has not asked for [\d.]+ m?s\. ", said)
    assert "Delivered up to 7 times. " in said
    assert ("2 still to be delivered." if knows_lag else "Lag unknown: the server does") in said
    shown = table(panel, "Pending entries").frame()
    assert list(shown.columns) == ["entry_id", "consumer", "idle", "deliveries", "item", "n"]
    assert shown["deliveries"].tolist() == [7, 7, 1]
    assert table(panel, "Consumers").frame()["pending"].tolist() == [3]
    assert (panel._lag_line.value, panel._pending_line.value) == (
        "2" if knows_lag else "unknown",
        "3",
    )


def test_claim_leaves_what_is_fresh_to_its_owner(stream, stuck, raw):
    panel = GroupsPanel(stream)
    panel._actions["consumer"] = "me"
    assert panel.claim(stuck.pending(), "1min") == 2
    assert answer(panel) == (
        "2 of 3 claimed for 'me'; 1 left alone: delivered less than 1 min ago, no longer "
        "pending, or trimmed"
    )
    assert [row["consumer"] for row in raw.xpending_range("s", "etl", "-", "+", 9)] == [
        b"me",
        b"me",
        b"ann",
    ]
    # The outcome is shown when it returns.
    assert table(panel, "Pending entries").frame()["consumer"].tolist() == ["me", "me", "ann"]
    assert "group.claim(['1-0', '2-0', '3-0'], min_idle='1min')" in panel.python()


def test_acknowledge_and_release(stream, stuck, raw):
    panel = GroupsPanel(stream)
    assert panel.ack("1-0") == 1
    assert panel.ack(["1-0", "2-0"]) == 1
    assert answer(panel) == "1 of 2 acknowledged; 1 left alone: no longer pending"
    panel._actions["consumer"] = "me"
    assert panel.release(["3-0"]) == 0
    assert "'me' does not hold them" in answer(panel)
    panel._actions["consumer"] = "ann"
    assert panel.release(["3-0"]) == 1
    (row,) = raw.xpending_range("s", "etl", "-", "+", 9)
    assert row["time_since_delivered"] >= 24 * HOUR


def test_bury_and_redrive(stream, stuck, raw):
    panel = GroupsPanel(stream)
    assert panel.bury(stuck.pending(), "1min") == 2
    assert answer(panel).startswith(
        "2 of 3 moved to the dead letters; 1 left alone: entry 3-0 was deliv"
    )
    assert raw.xlen("s:dead") == 2
    press(panel, "tab", tab="dead")
    panel.refresh()
    letters = table(panel, "Dead letters").frame()
    assert letters[["origin_id", "error", "n"]].values.tolist() == [
        ["1-0", "by hand", 0],
        ["2-0", "by hand", 1],
    ]
    raw.xdel("s", "2-0")
    assert panel.redrive(letters) == 1
    assert answer(panel).startswith(
        "1 of 2 sent back, for any consumer of the group to claim; 1 left"
    )
    assert "entry 2-0 is not in 's' any more" in answer(panel)
    assert panel.last_error is None
    assert stuck.pending()["entry_id"].tolist() == ["1-0", "3-0"]


def test_set_position_does_what_its_preview_shows(stream, stuck, raw, wait_until):
    panel = GroupsPanel(stream)
    assert "preview" in is_off(panel, "set")
    press(panel, "preview", **{"from": "new"})
    wait_until(lambda: not is_off(panel, "set"))
    assert answer(panel) == (
        "'etl' would go from 3-0 to 5-0: would skip 2 and repeat 0. What is pending stays pending."
    )
    assert raw.xinfo_groups("s")[0]["last-delivered-id"] == b"3-0"
    # Entries added since the preview are not skipped, because the preview did not say so.
    stream.add({"n": 5}, id="6-0")
    press(panel, "set")
    wait_until(lambda: "went from 3-0 to 5-0" in answer(panel))
    assert raw.xinfo_groups("s")[0]["last-delivered-id"] == b"5-0"
    assert is_off(panel, "set")
    wait_until(lambda: not is_off(panel, "preview"))
    # Another choice invalidates the preview.
    press(panel, "preview", **{"from": "all"})
    wait_until(lambda: not is_off(panel, "set"))
    row = controls(panel, "preview")
    row._handle({"name": "from", "values": {"from": "new"}, "n": row.last_n + 1})
    assert is_off(panel, "set")


def test_a_position_that_is_none(stream, stuck):
    panel = GroupsPanel(stream)
    assert panel.set_position("yesterday", dry_run=True) is None
    assert isinstance(panel.last_error, EntryIdError)
    assert "'yesterday' is neither" in controls(panel, "preview").errors["time"]
    assert answer(panel).startswith("Not done: 'yesterday' is neither")
    assert panel.set_position("all", dry_run=True)["repeated"].tolist() == [3]
    assert controls(panel, "preview").errors["time"] == ""


def test_remove_a_consumer_only_when_nothing_is_lost(stream, stuck):
    panel = GroupsPanel(stream)
    assert panel.remove_consumer("ann") is False
    assert isinstance(panel.last_error, RedisnbError)
    assert "holds 3 pending entries, which would be lost with it" in error(panel)
    assert stuck.consumers()["consumer"].tolist() == ["ann"]
    panel.ack(stuck.pending())
    assert error(panel) == ""
    assert panel.remove_consumer("ann") is True
    assert answer(panel) == "removed consumer 'ann'"
    assert panel.remove_consumer("ann") is False
    assert answer(panel) == "there is no consumer 'ann'"


def test_a_stream_that_does_not_exist_yet(stream, raw):
    panel = GroupsPanel(stream)
    assert panel.state == "reading"
    assert panel.frame().empty
    assert table(panel, "Groups").empty == (
        "There is no stream 's' yet. Create a group below, which makes the stream too."
    )
    assert panel.create("") is False
    assert controls(panel, "create").errors["name"] == "Write a name."
    assert panel.create("etl", "soon") is False
    assert "'soon' is neither" in controls(panel, "create").errors["time"]
    assert not raw.exists("s")
    assert panel.create("etl", "all") is True
    assert answer(panel) == "created group 'etl'"
    assert why(panel) == "Nothing is pending. Nothing more to be delivered."
    assert panel.create("etl") is False
    assert answer(panel) == "group 'etl' already exists and is unchanged"
    raw.xgroup_destroy("s", "etl")
    fresh = GroupsPanel(stream)
    assert table(fresh, "Groups").empty.startswith("Stream 's' has no consumer group yet.")


def test_an_unknown_lag_is_not_nought(stream, stuck, raw, has_schema):
    raw.xgroup_create("s", "middle", "2-0")
    raw.xdel("s", "4-0")
    panel = GroupsPanel(stream)
    assert has_schema(panel.frame(), frames.GROUPS)
    assert pd.isna(panel.frame()["lag"].iloc[1])
    shown = table(panel, "Groups")
    lag = [name for name, _ in shown.columns].index("lag") + 2
    assert shown.head[1][lag] == "unknown"
    assert shown.head[1][-1] == panel.frame()["lag_unknown"].iloc[1]
    panel.select("middle")
    assert panel._lag_line.value == "unknown"
    assert "Lag unknown: " in why(panel)


def test_what_is_selected_is_of_one_group(stream, stuck, raw, wait_until):
    raw.xgroup_create("s", "audit", "0")
    raw.xreadgroup("audit", "bob", {"s": ">"}, count=2)
    panel = GroupsPanel(stream)
    assert why(panel) == "Select a group in the table above: Enter, or a click."
    select(panel, "Groups", "etl")
    wait_until(lambda: table(panel, "Pending entries").total == 3)
    select(panel, "Pending entries", "1-0", "2-0")
    assert not is_off(panel, "ack")
    # The same IDs are pending in that group.
    select(panel, "Groups", "etl", "audit")
    assert table(panel, "Groups").selected[1] == ["audit"]
    assert table(panel, "Pending entries").selected[1] == []
    assert is_off(panel, "ack") == "select pending entries first"
    wait_until(lambda: table(panel, "Pending entries").total == 2)
    select(panel, "Groups")
    assert table(panel, "Groups").selected[1] == ["audit"]
    panel.select("none")
    assert "it has: 'audit', 'etl'" in error(panel)
    assert "'audit'" in panel.python()


def test_what_was_pressed_is_done_for_the_group_of_then(stream, stuck, raw, wait_until):
    raw.xgroup_create("s", "audit", "0")
    raw.xreadgroup("audit", "bob", {"s": ">"}, count=2)
    panel = GroupsPanel(stream)
    panel.select("etl")
    select(panel, "Pending entries", "1-0")
    with panel._lock:
        # The thread waits, and a click does not.
        press(panel, "ack")
        assert is_off(panel, "ack") == "it is waiting for the server"
        press(panel, "ack")
        select(panel, "Groups", "audit")
    wait_until(lambda: "another group has been selected" in answer(panel))
    assert raw.xpending("s", "etl")["pending"] == 3
    assert raw.xpending("s", "audit")["pending"] == 2


def test_a_button_does_it_once(stream, stuck, wait_until):
    panel = GroupsPanel(stream)
    select(panel, "Pending entries", "1-0", "2-0")
    with panel._lock:
        press(panel, "ack")
        press(panel, "ack")
    wait_until(lambda: is_off(panel, "ack") == "select pending entries first")
    assert answer(panel) == "2 of 2 acknowledged"


def test_only_what_is_idle_is_listed(stream, stuck, wait_until):
    panel = GroupsPanel(stream)
    press(panel, "idle", idle="30min")
    wait_until(lambda: table(panel, "Pending entries").total == 2)
    press(panel, "idle", idle="half an hour")
    assert "'half an hour' is not a duration; write 30s" in controls(panel, "idle").errors["idle"]
    assert table(panel, "Pending entries").total == 2
    assert "min_idle='30min'" in panel.python()
    press(panel, "idle", idle="2h")
    wait_until(lambda: table(panel, "Pending entries").total == 0)
    assert table(panel, "Pending entries").empty == "No entry is idle for 2h or longer."
    press(panel, "idle", idle="")
    wait_until(lambda: table(panel, "Pending entries").total == 3)


def test_a_guard_that_is_no_duration(stream, stuck, raw):
    panel = GroupsPanel(stream)
    select(panel, "Pending entries", "1-0")
    press(panel, "claim", guard="")
    assert "or 0s for none" in controls(panel, "claim").errors["guard"]
    assert panel.claim("1-0", "soon") == 0
    assert "min_idle='soon' is not a duration" in error(panel)
    assert raw.xinfo_consumers("s", "etl")[0]["name"] == b"ann"


def test_a_group_that_is_destroyed_while_it_is_shown(stream, stuck, raw, wait_until, monkeypatch):
    monkeypatch.setattr(groups, "CHECK_INTERVAL", 0.01)
    panel = GroupsPanel(stream)
    controls(panel, "every")["every"] = "1"
    select(panel, "Pending entries", "1-0")
    raw.xgroup_destroy("s", "etl")
    wait_until(lambda: why(panel).startswith("Group 'etl' is gone"))
    assert (panel.state, error(panel)) == ("reading", "")
    wait_until(lambda: is_off(panel, "ack") == "select pending entries first")
    assert panel.ack("1-0") == 0
    assert "no consumer group 'etl'; create() makes it" in error(panel)
    assert panel.create("etl") is True
    assert why(panel).startswith("Nothing is pending.")
    stream.destroy()
    panel.refresh()
    assert why(panel).startswith("Group 'etl' is gone")
    assert table(panel, "Groups").empty.startswith("There is no stream 's' yet.")


def test_a_server_that_goes_and_comes_back(tcp_server, wait_until):
    with connect(tcp_server.url) as conn:
        stream = Stream(conn, "s")
        stream.add({"n": 1})
        ConsumerGroup(stream, "etl").create("all")
        panel = GroupsPanel(stream)
        controls(panel, "every")["every"] = "10"
        tcp_server.kill()
        wait_until(lambda: panel.state == "reconnecting", 2)
        assert error(panel)
        assert panel.ack("1-0") == 0
        tcp_server.start()
        wait_until(lambda: panel.state == "reading", 5)
        assert error(panel) == ""
        panel.close()


def test_a_key_of_another_type(stream, raw):
    raw.set("s", "x")
    panel = GroupsPanel(stream)
    assert panel.state == "failed"
    assert "WRONGTYPE" in error(panel)
    raw.delete("s")
    panel.refresh()
    assert (panel.state, error(panel)) == ("reading", "")


def test_a_read_only_connection(server, stream, stuck):
    with connect(server.url, read_only=True) as conn:
        panel = GroupsPanel(Stream(conn, "s"))
        assert panel.state == "reading"
        select(panel, "Pending entries", "1-0")
        select(panel, "Consumers", "ann")
        for name in ("claim", "ack", "release", "bury", "redrive", "remove", "create", "set"):
            assert is_off(panel, name) == "this connection is read-only"
        assert "Delivered up to 7 times" in why(panel)
        assert panel.set_position("all", dry_run=True)["repeated"].tolist() == [3]
        assert panel.ack("1-0") == 0
        assert "XACK was not sent" in error(panel)
        panel.close()


def test_refresh_stands_still_when_it_is_off(stream, stuck, raw, wait_until, monkeypatch):
    monkeypatch.setattr(groups, "CHECK_INTERVAL", 0.01)
    panel = GroupsPanel(stream)
    press(panel, "every", every=str(groups.OFF))
    wait_until(lambda: panel.state == "paused")
    raw.xgroup_create("s", "more")
    asked = panel._due
    time.sleep(0.05)
    assert panel._due == asked
    assert panel.frame()["group"].tolist() == ["etl"]
    press(panel, "refresh")
    wait_until(lambda: panel.frame()["group"].tolist() == ["etl", "more"])
    press(panel, "every", every="1")
    wait_until(lambda: panel.state == "reading")


def test_what_is_asked_while_it_reads_is_read_next(stream, stuck, wait_until, monkeypatch):
    panel = GroupsPanel(stream)
    press(panel, "every", every=str(groups.OFF))
    wait_until(lambda: panel.state == "paused")
    read_groups = groups.read_groups

    def read_slowly(*args, **options):
        view = read_groups(*args, **options)
        monkeypatch.setattr(groups, "read_groups", read_groups)
        press(panel, "idle", idle="30min")
        return view

    monkeypatch.setattr(groups, "read_groups", read_slowly)
    press(panel, "refresh")
    wait_until(lambda: table(panel, "Pending entries").total == 2)


def test_stop_all_and_go_on(stream, stuck, wait_until):
    panel = GroupsPanel(stream)
    stop_all()
    assert panel.state == "stopped"
    assert not [t for t in threading.enumerate() if t.name.startswith("redisnb:")]
    # A method still queries, and starts no thread.
    assert panel.ack("1-0") == 1
    assert panel.state == "stopped"
    press(panel, "refresh")
    wait_until(lambda: panel.state == "reading")
    panel.close()
    with pytest.raises(RuntimeError, match="is closed; make another"):
        panel.ack("2-0")


def test_details_of_an_entry(stream, stuck, wait_until):
    panel = GroupsPanel(stream)
    open_row(panel, "Pending entries", "1-0")
    wait_until(lambda: panel._details._note.value)
    assert panel._details._title.value.startswith("1-0 of 's', ")
    assert panel._details._note.value == ("Pending with 'ann', idle for 1 h, delivered 7 times.")
    assert '"item"' in panel._details._tree.value
    # Of a trimmed entry, only the ID is left.
    stream.conn.client.xtrim("s", maxlen=1, approximate=False)
    panel.refresh()
    open_row(panel, "Pending entries", "2-0")
    wait_until(lambda: "so no consumer can handle it: acknowledge it" in panel._details._note.value)
    panel.bury(["3-0"], 0)
    assert "3-0 is not in 's' any more; it was acknowledged" in answer(panel)


def test_details_of_a_dead_letter(stream, stuck, wait_until):
    panel = GroupsPanel(stream)
    panel.bury(["2-0"], 0)
    press(panel, "tab", tab="dead")
    wait_until(lambda: table(panel, "Dead letters").total == 1)
    (key,) = table(panel, "Dead letters").frame()["entry_id"]
    open_row(panel, "Dead letters", key)
    wait_until(lambda: panel._details._title.value == f"Dead letter {key}")
    assert panel._details._note.value == "It was 2-0; its last consumer was 'ann'."
    select(panel, "Dead letters", key)
    press(panel, "redrive")
    wait_until(lambda: answer(panel).startswith("1 of 1 sent back"))
    wait_until(lambda: table(panel, "Dead letters").total == 0)


def test_names_that_are_no_text(stream, raw):
    raw.xadd("s", {b"\xff": b"\xfe"}, id="1-0")
    raw.xgroup_create("s", b"\xff", "0")
    raw.xreadgroup(b"\xff", b"\xfe", {"s": ">"})
    raw.xgroup_create("s", HOSTILE, "0")
    panel = GroupsPanel(stream)
    select(panel, "Groups", "�xff")
    panel.refresh()
    assert "holds 1" in why(panel)
    assert panel.set_position("all", dry_run=True)["repeated"].tolist() == [1]
    assert panel.bury("1-0", 0) == 1
    assert panel.remove_consumer(b"\xfe") is True
    panel.select(HOSTILE)
    assert HOSTILE.strip() not in panel._repr_mimebundle_()["text/html"]


def test_a_thousand_entries_are_listed_and_it_says_of_how_many(stream, raw):
    stream.add_many([{"n": n} for n in range(1_100)])
    raw.xgroup_create("s", "etl", "0")
    raw.xreadgroup("etl", "ann", {"s": ">"}, count=1_100)
    panel = GroupsPanel(stream)
    assert table(panel, "Pending entries").total == 1_000
    assert "The oldest 1,000 of 1,100 pending entries. " in table(panel, "Pending entries").caption


def test_more_consumers_than_a_sentence_holds(stream, raw):
    raw.xgroup_create("s", "etl", "0", mkstream=True)
    for n in range(5):
        raw.xadd("s", {"n": n})
        raw.xreadgroup("etl", f"c{n}", {"s": ">"})
    panel = GroupsPanel(stream)
    assert "; 2 others hold the rest. " in why(panel)
    assert "Each was delivered once." in why(panel)


def test_the_snapshot(stream, stuck):
    panel = GroupsPanel(stream)
    bundle = panel._repr_mimebundle_()
    assert bundle["text/plain"] == "GroupsPanel('s')"
    assert "<code>etl</code>" in bundle["text/html"]
    assert "text/html" not in GroupsPanel(stream, snapshot=False)._repr_mimebundle_()


def test_python_does_the_same(server, stream, stuck):
    panel = GroupsPanel(stream)
    for tab in ("pending", "dead", "position"):
        press(panel, "tab", tab=tab)
        panel.ack("1-0")
        names = {}
        exec(panel.python().replace(f"{stream.conn.url!r}", f"{server.url!r}"), names)
        assert names["group"].name == "etl"
        names["conn"].close()


def test_what_is_no_stream():
    with pytest.raises(TypeError, match=r"a redisnb\.Stream, not str"):
        GroupsPanel("s")


def test_foreign_entries_among_dead_letters_say_nothing_on_stderr(server, stream, stuck, raw):
    raw.xadd("s:dead", {"a": "b"})
    code = f"""if True:
        import redisnb as rnb
        panel = rnb.panels.GroupsPanel(rnb.Stream(rnb.connect({server.url!r}), "s"))
        panel._tabs["tab"] = "dead"
        panel.refresh()
        print(panel.state, len(panel._view.letters))"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("reading 0\n", "")
