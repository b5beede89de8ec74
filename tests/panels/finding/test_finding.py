"""KeysPanel without a browser: prefixes, keys, values, and changes."""

import gzip
import json
import threading

import msgspec
import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from redisnb import Cache, RedisnbError, Server, connect, keys, preview, tree
from redisnb.keyspace import previewing
from redisnb.panels import KeysPanel
from redisnb.panels.finding import changing, drawer, values
from redisnb.panels.finding import panel as module
from redisnb.panels.finding.levels import level_of
from tests.deadlines import until
from tests.panels.conftest import shows, threads, under_way
from tests.panels.finding.conftest import FRAME, Finding

pytestmark = pytest.mark.slow

HOSTILE = "<img src=x onerror=window.pwned=1>\u202e"


# Prefixes


def test_it_opens_on_the_prefixes_the_largest_first(finding, conn):
    assert finding.view.state["text"] == "ready"
    frame = finding.panel.frame()
    assert set(frame["prefix"]) == {"", "report:", "session:", "user:"}
    assert frame["size"].is_monotonic_decreasing
    assert finding.caption.startswith("4 prefixes · 906 keys · ")
    expected = tree(conn).set_index("prefix")["keys"].to_dict()
    assert frame.set_index("prefix")["keys"].to_dict() == expected


def test_a_prefix_leads_a_level_down_and_then_to_its_keys(finding, conn):
    finding.choose(finding.view.prefixes, "prefix", "session:")
    assert finding.view.search.match["value"] == "session:*"
    assert sorted(finding.panel.frame()["prefix"]) == ["session:eu:", "session:us:"]
    plain = ["prefix", "keys", "size", "types"]
    assert_frame_equal(finding.pasted(conn)[plain], finding.panel.frame()[plain])
    labels = [each["label"] for each in finding.view.path.children[:-1]]
    assert labels == ["All keys", "session:"]
    # Below that there are keys alone.
    finding.choose(finding.view.prefixes, "prefix", "session:eu:")
    assert finding.view.views["value"] == "keys"
    assert len(finding.panel.frame()) == 300
    finding.turn("prefixes")
    assert finding.view.views["value"] == "prefixes"
    assert finding.panel.frame().empty
    text = "300 keys have no part below session:eu:, "
    assert finding.view.prefixes["empty"].startswith(text)
    assert finding.view.prefixes["empty"].endswith(": see Keys")
    finding.turn("keys")
    finding.press(finding.view.path.children[0])
    assert finding.view.search.match["value"] == "*"
    finding.turn("prefixes")
    assert len(finding.panel.frame()) == 4


@pytest.mark.parametrize(
    ("match", "base"),
    [
        ("*", ""),
        ("user:1", "user:"),
        ("user:*", "user:"),
        ("a:b:*", "a:b:"),
        ("us*", ""),
        (r"a\*:*", "a*:"),
    ],
)
def test_what_a_pattern_is_about(match, base):
    assert level_of(match).base == base


def test_estimates_say_so_and_all_can_be_looked_at(filled, conn, monkeypatch):
    monkeypatch.setattr(module, "MOST_KEYS", 200)
    finding = Finding(conn)
    assert "of about 906 keys were looked at: the numbers are estimates" in finding.said
    assert not finding.view.all_keys["hidden"]
    finding.press(finding.view.all_keys)
    assert finding.said.strip() == "ready"
    assert finding.panel.frame()["keys"].sum() == 906
    assert "sample=None" in finding.panel.python()


# Keys


def test_all_keys_are_sorted_by_size(finding, conn):
    finding.turn("keys")
    assert finding.caption.startswith("906 keys · ")
    finding.page.act(finding.view.found, "sort", column="size", ascending=False)
    finding.settle()
    frame = finding.panel.frame()
    assert frame["size"].is_monotonic_decreasing
    expected = keys(conn, sizes=True).nlargest(3, "size")["key"].tolist()
    assert frame["key"].tolist()[:3] == expected
    plain = ["key", "type", "size", "encoding"]
    assert_frame_equal(finding.pasted(conn)[plain], frame[plain])


def test_a_pattern_and_a_type(finding):
    finding.turn("keys")
    search = finding.view.search
    finding.press(search.find, {search.match: "*s*", search.type: "hash"})
    assert set(finding.panel.frame()["type"]) == {"hash"}
    assert len(finding.panel.frame()) == 601
    finding.find("nothing*")
    text = "No key of type hash matches 'nothing*': find another pattern, or * for all."
    assert finding.view.found["empty"] == text
    finding.find("  ")
    assert search.match["error"] == "* finds all keys"


def test_times_to_live_count_down_and_what_has_expired_leaves(finding, raw, soon):
    finding.find("user:*")
    finding.turn("keys")
    raw.pexpire("user:0", 1)
    assert "user:0" in finding.panel.frame()["key"].tolist()
    finding.panel._found._frame.loc[0, "expires_at"] = pd.Timestamp("2020-01-01", tz="UTC")
    until(lambda: "user:0" not in finding.panel.frame()["key"].tolist(), what=lambda: finding.said)
    until(lambda: finding.caption.endswith(" · 1 gone since"))
    before = finding.panel.frame().set_index("key")["ttl"]["user:3"]
    until(lambda: finding.panel.frame().set_index("key")["ttl"]["user:3"] < before)


def test_nothing_is_asked_while_it_is_hidden(finding, raw, soon):
    finding.show("settings")
    finding.panel.root.set(hidden=True)

    def commands():
        return raw.info("stats")["total_commands_processed"]

    asked = []
    until(lambda: asked.append(commands()) or len(asked) > 30)
    # Its own question is one of them each time.
    until(lambda: asked.append(commands()) or asked[-1] - asked[-2] == 1)
    finding.panel.root.set(hidden=False)
    raw.hset("settings", "f1", "other")
    raw.delete("settings")
    until(lambda: "was deleted or renamed" in finding.details.note["text"])


def test_it_ends(finding):
    finding.show("settings")
    assert threads()
    finding.panel.stop()
    until(lambda: threads() == [], what=lambda: str(threads()))


def test_its_state_is_small(finding):
    finding.turn("keys")
    finding.show("settings")
    assert len(json.dumps(finding.panel.channel.state())) < 100_000


def test_the_keys_without_a_prefix_are_among_the_keys(finding):
    # A row that has gone meanwhile leads nowhere.
    finding.page.act(finding.view.prefixes, "choose", row=99)
    finding.settle()
    assert (finding.view.views["value"], finding.view.search.match["value"]) == ("prefixes", "*")
    rows = finding.panel.frame()["prefix"].tolist()
    finding.page.act(finding.view.prefixes, "choose", row=rows.index(""))
    finding.settle()
    assert finding.view.views["value"] == "keys"
    assert finding.view.search.match["value"] == "*"
    assert "settings" in finding.panel.frame()["key"].tolist()


def test_it_stops_looking_and_what_was_found_stays(finding, monkeypatch):
    may_go_on, key_pages = threading.Event(), module.key_pages

    def slow(*arguments, **options):
        yield from key_pages(*arguments, **options)
        assert may_go_on.wait(10)

    monkeypatch.setattr(module, "key_pages", slow)
    finding.page.act(finding.view.views, "choose", {finding.view.views: "keys"})
    stop = finding.view.foot.stop
    until(lambda: not stop["hidden"])
    assert finding.caption.endswith(" so far")
    finding.page.press(stop)
    assert finding.view.state["text"] == "stopped"
    assert stop["hidden"]
    names = finding.panel.frame()["key"].tolist()
    assert names
    assert names == sorted(names)
    assert " · there are more: narrow the pattern" in finding.caption
    may_go_on.set()
    finding.settle()
    assert finding.panel.frame()["key"].tolist() == names
    assert finding.view.state["text"] == "stopped"
    # Of prefixes there is nothing to keep.
    finding.turn("prefixes")
    finding.panel.stop_reading()
    assert finding.view.state["text"] == "stopped"
    assert len(finding.panel.frame()) == 4


def test_more_keys_than_are_shown(finding, monkeypatch):
    monkeypatch.setattr(module, "MOST_KEYS", 200)
    finding.turn("keys")
    assert len(finding.panel.frame()) == 200
    assert finding.caption.endswith(" · there are more: narrow the pattern")
    finding.panel.find("*", type="hash")
    finding.settle()
    assert set(finding.panel.frame()["type"]) == {"hash"}


def test_more_prefixes_than_are_shown(conn, raw):
    raw.mset({f"p{i}:a": i for i in range(1_001)})
    finding = Finding(conn)
    assert len(finding.panel.frame()) == 1_000
    assert "There are more prefixes than are shown: narrow the pattern." in finding.said
    finding.find("p1*")
    assert len(finding.panel.frame()) == 112
    assert "narrow the pattern" not in finding.said


def test_the_python_has_the_columns_that_are_shown(finding, conn):
    finding.turn("keys")
    finding.page.act(finding.view.found, "columns", left=["encoding", "expires_at"], frozen=[])
    assert finding.pasted(conn).columns.tolist() == ["key", "type", "ttl", "size"]


def test_keys_that_may_not_be_read_are_counted(server, filled, raw, soon):
    rights = {"commands": ["+@all"], "keys": ["session:*"]}
    raw.acl_setuser("some", enabled=True, nopass=True, **rights)
    try:
        with connect(server.url, username="some", password="x") as conn:
            finding = Finding(conn)
            assert "This user may not read 306 of the keys." in finding.said
            # What the user may no longer do is said, and not tried again and again.
            finding.show("session:eu:1")
            raw.acl_setuser("some", commands=["-type"])
            finding.panel._looked_at = 0.0
            until(lambda: finding.view.state["text"] == "failed")
            until(lambda: "no permissions" in finding.view.trouble["text"])
            finding.panel.close()
    finally:
        raw.acl_deluser("some")


# One key


def test_load_more_brings_all_elements(finding):
    for name, n in (("settings", 2000), ("board", 2000), ("queue", 1200)):
        finding.show(name)
        shown = len(finding.elements())
        assert 500 <= shown < n
        assert finding.details.elements.caption["text"] == f"{shown:,} of {n:,}"
        while not finding.details.elements.more["hidden"]:
            finding.press(finding.details.elements.more)
            assert len(finding.elements()) > shown
            shown = len(finding.elements())
        assert shown == n
        assert finding.elements()["value"].is_unique


def test_elements_are_searched_for_on_the_server(finding):
    finding.show("settings")
    search = finding.details.elements.search
    finding.page.act(search, "enter", {search: "f199"})
    finding.settle()
    assert len(finding.elements()) == 11
    assert finding.details.elements.caption["text"] == "11 match *f199*"
    finding.page.act(search, "enter", {search: "f1?"})
    finding.settle()
    assert len(finding.elements()) == 10
    finding.show("queue")
    assert search["hidden"]


def test_a_frame_of_a_cache_is_a_table(finding):
    finding.show("report:daily")
    assert finding.about.startswith("a frame of redisnb's Cache · ")
    assert_frame_equal(finding.content().frame(), FRAME)


def test_values_are_decoded(finding, raw):
    finding.show("user:1")
    assert finding.about.startswith("string of ")
    assert finding.content()["value"] == {"id": 1, "tags": ["a", "b"]}
    raw.set("packed", gzip.compress(msgspec.msgpack.encode({"a": [1, 2]})))
    finding.show("packed")
    assert finding.details.views["options"][0] == ["decoded", "gzip, MessagePack"]
    assert finding.content()["value"] == {"a": [1, 2]}
    views = finding.details.views
    finding.page.act(views, "choose", {views: "bytes"})
    assert finding.content()["text"].startswith("1f 8b ")
    finding.show("queue")
    finding.choose(finding.details.elements.grid, "index", 3)
    assert finding.content()["value"] == {"job": 3}


def test_fields_expire_on_their_own_only_where_the_server_can(finding, conn):
    finding.show("session:eu:1")
    assert "ttl" not in finding.elements()
    elements = finding.details.elements
    finding.page.act(elements.grid, "select", ranges=[[0, 1]])
    assert elements.fields["hidden"] is not conn.supports("HPEXPIRE")


def test_fields_expire_on_their_own(expiring):
    expiring.client.hset("session:eu:1", mapping={"n": 1})
    finding = Finding(expiring)
    finding.show("session:eu:1")
    elements = finding.details.elements
    # Without a selection there is nothing to change.
    finding.press(elements.persist)
    assert finding.details.trouble["text"] == ""
    finding.page.act(elements.grid, "select", ranges=[[0, 1]])
    assert elements.chosen["text"] == "1 field"
    for wrong in ("soon", "²", ""):
        finding.press(elements.expire, {elements.ttl: wrong})
        assert elements.ttl["error"] == "write 500ms, 10min or a number of seconds"
    finding.press(elements.expire, {elements.ttl: "10min"})
    assert finding.elements()["ttl"].between("9min", "10min").all()
    assert elements.ttl["error"] == ""
    assert preview(expiring, "session:eu:1")["ttl"].between("9min", "10min").all()
    # The chosen one will do where none is selected.
    finding.page.act(elements.grid, "choose", row=0)
    finding.press(elements.persist)
    assert "ttl" not in finding.elements()
    finding.panel.close()


def test_it_says_what_became_of_the_open_key(finding, raw, soon):
    finding.show("members")
    raw.sadd("members", "other")
    until(lambda: finding.details.note["text"] == "It has changed.")
    finding.press(finding.details.note.children[0])
    assert finding.details.note["text"] == ""
    raw.delete("members")
    until(lambda: finding.details.note["text"].startswith("It was deleted or renamed"))


KINDS = {
    "string": ("SET", "k", "x"),
    "list": ("RPUSH", "k", "x"),
    "set": ("SADD", "k", "x"),
    "hash": ("HSET", "k", "x", "1"),
    "zset": ("ZADD", "k", "1", "x"),
    "stream": ("XADD", "k", "*", "n", "1"),
    "none": ("DEL", "k"),
}


@pytest.mark.parametrize("after", KINDS)
@pytest.mark.parametrize("before", KINDS)
def test_a_key_that_becomes_another_while_it_is_read(before, after, conn, raw, monkeypatch):
    described = values.described_keys
    changes = [KINDS[after]]

    def meanwhile(*args, **options):
        rows = described(*args, **options)
        for command in changes:
            raw.delete("k")
            raw.execute_command(*command)
        changes.clear()
        return rows

    raw.execute_command(*KINDS[before])
    monkeypatch.setattr(values, "described_keys", meanwhile)
    value = values.read_value(conn, "k")
    assert value.kind == after
    assert len(value.frame) == (after != "none")


def test_hostile_names_and_values_are_texts(conn, raw):
    raw.hset(HOSTILE, HOSTILE, HOSTILE)
    raw.set(b"\xff\x00", b"\xff\x00")
    finding = Finding(conn)
    finding.turn("keys")
    for name in finding.panel.frame()["key"].tolist():
        finding.show(name)
        assert finding.details.trouble["text"] == ""
        assert not finding.about.startswith("There is no")
    assert "\u202e" not in json.dumps(finding.view.found["head"], ensure_ascii=False)


def test_a_large_value_of_a_cache_is_named_not_read(finding, conn, monkeypatch):
    monkeypatch.setattr("redisnb.panels.finding.values._MOST_CACHED", 100)
    finding.show("report:daily")
    assert "rnb.Cache(conn).get('report:daily') returns it" in finding.details.note["text"]
    assert finding.details.content["hidden"]


def test_a_key_is_opened_by_a_click_and_closed(finding):
    finding.turn("keys")
    finding.choose(finding.view.found, "key", "user:1")
    assert finding.details.title["text"] == "user:1"
    assert "rnb.preview(conn, 'user:1')" in finding.panel.python()
    finding.press(finding.details.children[0].children[2])
    assert finding.page.shown(finding.details)["hidden"]
    assert finding.view.found["chosen"] is None
    assert "preview" not in finding.panel.python()
    # Without a key there is nothing to read.
    for read in (finding.panel.load_more, lambda: finding.panel.search("a")):
        read()
        finding.settle()
        assert finding.details["hidden"]
    with pytest.raises(ValueError, match="there is no text to replace"):
        finding.panel.write("x")
    # A click on a row that has gone meanwhile.
    finding.page.act(finding.view.found, "choose", row=5_000)
    finding.settle()
    assert finding.details["hidden"]


def test_what_is_asked_for_is_about_the_key_that_was_opened_last(finding, raw, monkeypatch):
    may_read, read_value = threading.Event(), drawer.read_value

    def late(conn, name, match=None):
        assert may_read.wait(10)
        if name == "user:2":
            raise RedisnbError("not now")
        return read_value(conn, name, match)

    finding.show("user:1")
    monkeypatch.setattr(drawer, "read_value", late)
    finding.panel.show_key("user:3")
    # It is not read yet, and the other one is still drawn.
    with pytest.raises(ValueError, match="there is no text to replace"):
        finding.panel.write("x")
    views = finding.details.views
    finding.page.act(views, "choose", {views: "bytes"})
    assert finding.content()["value"]["id"] == 1
    changes = finding.details.changes
    finding.page.press(changes.delete_button)
    until(lambda: not changes.question["hidden"])
    finding.page.press(changes.question.yes)
    until(lambda: not raw.exists("user:3"))
    assert raw.get("user:1") == b'{"id": 1, "tags": ["a", "b"]}'
    may_read.set()
    until(lambda: finding.about == "There is no such key.")
    # One that cannot be read does not have the value of the one before.
    finding.show("user:1")
    until(lambda: not finding.details.content["hidden"])
    finding.show("user:2")
    until(lambda: finding.details.trouble["text"] == "not now")
    assert (finding.details.title["text"], finding.about) == ("user:2", "")
    assert finding.details.content["hidden"]
    monkeypatch.undo()
    finding.press(finding.details.trouble.children[0])
    assert finding.details.trouble["text"] == ""
    # The chosen way to show a value has stayed: this is {"id": 2
    assert finding.content()["text"].startswith("7b 22 69 64 22 3a 20 32")


def test_texts_and_entries_and_what_cannot_be_shown(finding, conn, raw, monkeypatch):
    finding.show("events")
    assert finding.details.elements.caption["text"].startswith("the last 1 entries; rnb.panels.br")
    raw.set("packed", gzip.compress("größe".encode()))
    finding.show("packed")
    assert finding.details.views["options"][0] == ["decoded", "gzip"]
    assert finding.content()["text"] == "größe"
    # Larger than what is read of a string.
    large = pd.DataFrame({"x": np.random.default_rng(1).random(200_000)})
    Cache(conn).set("large", large)
    assert raw.strlen("large") > 1024 * 1024
    finding.show("large")
    assert_frame_equal(finding.content().frame(), large)
    Cache(conn).set("bytes", b"\x00\x01")
    finding.show("bytes")
    assert finding.about.startswith("bytes of redisnb's Cache")
    raw.set("bytes", raw.get("bytes")[:-1])
    finding.show("bytes")
    assert finding.details.note["text"].startswith("It cannot be read: ")
    assert finding.details.content["hidden"]
    # As a type of a module that redisnb does not know.
    monkeypatch.delitem(previewing._ELEMENT_COMMANDS, "stream")
    finding.show("events")
    assert "of type 'stream', of which there is no preview" in finding.details.note["text"]
    assert finding.about.startswith("stream")
    assert finding.details.elements["hidden"]


def test_a_page_of_large_elements_has_few_of_them(finding, raw, monkeypatch):
    monkeypatch.setattr("redisnb.panels.finding.values._PAGE_BYTES", 200_000)
    raw.rpush("long", *["x" * 10_000] * 100)
    finding.show("long")
    assert 5 < len(finding.elements()) <= 20
    finding.press(finding.details.elements.more)
    assert len(finding.elements()) == 100


def test_the_field_for_a_text_opens_and_closes(finding):
    finding.show("user:1")
    editor = finding.details.editor
    form = editor._form
    assert form["hidden"]
    finding.press(editor.edit)
    assert (form["hidden"], editor.edit["expanded"]) == (False, True)
    finding.press(editor.edit, {editor.text: "draft"})
    assert (form["hidden"], editor.text["value"]) == (True, "draft")
    finding.show("user:2")
    assert '"id": 2' in editor.text["value"]


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("user:1", ("SET", "user:1", "other")),
        ("members", ("SADD", "members", "other")),
        ("session:eu:1", ("HSET", "session:eu:1", "n", "other")),
        ("queue", ("LSET", "queue", 0, "other")),
        ("board", ("ZINCRBY", "board", -5, "p1")),
        ("events", ("XADD", "events", "*", "a", "b")),
        ("members", ("RENAME", "queue", "members")),
    ],
)
def test_it_says_that_a_value_has_changed(finding, raw, soon, name, command):
    finding.show(name)
    look = finding.details.look
    look(finding.panel._found.left)
    assert finding.details.note["text"] == ""
    raw.execute_command(*command)
    until(lambda: finding.details.note["text"] == "It has changed.")


def test_a_look_that_comes_too_late_says_nothing(finding, monkeypatch):
    finding.show("user:1")
    read_value = drawer.read_value

    def late(conn, name, match=None):
        monkeypatch.undo()
        value = read_value(conn, name, match)
        finding.show("user:2")
        return value

    monkeypatch.setattr(drawer, "read_value", late)
    finding.details.look(finding.panel._found.left)
    assert finding.details._value.name == "user:2"
    assert finding.details.note["text"] == ""


# Changes


def test_what_matches_is_deleted_after_a_dry_run(finding, raw):
    changes = finding.panel._changes
    assert changes.delete_button["disabled"]
    finding.find("user:*")
    finding.press(changes.delete_button)
    assert finding.asked == (
        "300 keys (300 string) would be deleted. 200 of them never expire. It cannot be taken back."
    )
    assert changes.question.yes["label"] == "Delete 300 keys"
    finding.press(changes.question.no)
    assert (finding.asked, raw.exists("user:1")) == ("", 1)
    finding.panel.confirm()
    assert raw.exists("user:1")
    finding.press(changes.delete_button)
    finding.press(changes.question.yes)
    assert finding.asked == "Deleted 300 keys."
    assert raw.dbsize() == 606
    assert finding.panel.frame().empty


def test_what_the_methods_do_can_be_waited_for(filled, conn, raw):
    panel = KeysPanel(conn, "user:*")
    assert panel.wait()
    panel.delete("user:1", "user:2")
    assert panel.wait()
    assert raw.exists("user:1", "user:2") == 2
    panel.confirm()
    assert panel.wait()
    assert raw.exists("user:1", "user:2") == 0
    panel.show_key("user:3")
    assert panel.wait()
    panel.write("new")
    assert panel.wait()
    assert raw.get("user:3") == b"new"
    panel.close()


def test_selected_keys_are_changed(finding, raw):
    finding.find("user:*")
    finding.turn("keys")
    finding.select("user:0", "user:1")
    changes = finding.panel._changes
    assert changes.about["text"] == "2 selected keys"
    for wrong in ("soon", "²"):
        finding.press(changes.expire_button, {changes.ttl: wrong})
        assert changes.ttl["error"] == "write 500ms, 10min or a number of seconds"
    finding.press(changes.expire_button, {changes.ttl: "2h"})
    assert finding.asked == (
        "2 keys (2 string) would be gone in 2 h. 1 of them have another expiry, which is lost."
    )
    finding.press(changes.question.yes)
    assert raw.ttl("user:1") > 7000
    assert finding.panel.frame().set_index("key")["ttl"]["user:1"] > pd.Timedelta("1h")
    finding.press(changes.persist_button)
    assert finding.asked == "Of 2 keys (2 string), 2 would expire: their expiry is lost."
    finding.press(changes.question.yes)
    assert raw.ttl("user:1") == -1
    finding.press(changes.persist_button)
    assert finding.asked == "2 keys (2 string): none of them would expire anyway."


def test_the_methods_ask_too(finding, raw):
    changes = finding.panel._changes
    finding.panel.expire("2h", "user:1", "user:2")
    finding.settle()
    assert finding.asked == "2 keys (2 string) would be gone in 2 h."
    finding.panel.persist("user:0", "user:1")
    finding.settle()
    assert finding.asked == "Of 2 keys (2 string), 1 would expire: their expiry is lost."
    finding.panel.confirm()
    finding.settle()
    assert finding.asked == "Kept: 1 key."
    assert raw.ttl("user:0") == -1
    finding.panel.delete("nobody", "none")
    finding.settle()
    assert finding.asked == "There is no key to change: 2 selected keys."
    finding.press(changes._way)
    assert finding.asked == ""


def test_a_change_is_stopped_or_fails_half_way(finding, raw, monkeypatch):
    goes_on, deletions = threading.Event(), changing.deletions

    def slow(conn, parts):
        yield from deletions(conn, [[b"user:1", b"user:2"]])
        assert goes_on.wait(10)
        yield from deletions(conn, [[b"user:3"]])

    monkeypatch.setattr(changing, "deletions", slow)
    finding.panel.find("user:*")
    changes = finding.panel._changes
    finding.press(changes.delete_button)
    finding.page.press(changes.question.yes)
    until(lambda: finding.asked == "Deleted 2 of 300 keys")
    assert changes._way["label"] == "Stop"
    finding.page.press(changes._way)
    goes_on.set()
    finding.settle()
    assert finding.asked == "Stopped. Deleted 3 keys."
    # What is left is shown.
    assert finding.caption.startswith("297 keys")

    def broken(conn, parts):
        yield from deletions(conn, [[b"user:4"]])
        raise RedisnbError("the server has gone")

    monkeypatch.setattr(changing, "deletions", broken)
    finding.press(changes.delete_button)
    finding.press(changes.question.yes)
    assert finding.asked == "Deleted 1 key, then it failed."
    assert finding.view.trouble["text"] == "the server has gone"
    assert finding.caption.startswith("296 keys")
    # Nothing was done: the error alone is said.
    monkeypatch.setattr(changing, "deletions", lambda *_: broken(None, []) and 1 / 0)
    finding.press(changes.delete_button)
    finding.press(changes.question.yes)
    assert finding.asked == ""
    assert "zero" in finding.view.trouble["text"]


def test_the_open_key_is_changed(finding, raw):
    finding.turn("keys")
    finding.show("user:1")
    changes = finding.details.changes
    # What can be taken back is done at once.
    finding.press(changes.expire_button, {changes.ttl: "60"})
    assert 50 < raw.ttl("user:1") <= 60
    assert "expires in" in finding.about
    finding.press(changes.delete_button)
    assert (
        changes.question.text["text"]
        == "1 key (1 string) would be deleted. It cannot be taken back."
    )
    finding.press(changes.question.yes)
    assert not raw.exists("user:1")
    assert finding.about == "There is no such key."
    assert "user:1" not in finding.panel.frame()["key"].tolist()


def test_a_text_is_changed_unless_it_has_changed(finding, raw):
    finding.show("user:1")
    editor = finding.details.editor
    assert editor.text["value"] == raw.get("user:1").decode()
    finding.press(editor.save, {editor.text: '{"id": 2}'})
    assert raw.get("user:1") == b'{"id": 2}'
    assert finding.content()["value"] == {"id": 2}
    raw.set("user:1", "other")
    finding.press(editor.save, {editor.text: "mine"})
    assert "it has changed since it was read" in finding.details.trouble["text"]
    assert raw.get("user:1") == b"other"


def test_a_connection_that_reads_only_changes_nothing(server, filled, raw):
    with connect(server.url, read_only=True) as conn:
        finding = Finding(conn, "user:*")
        changes = finding.panel._changes
        assert "read-only" in changes.delete_button["disabled"]
        finding.press(changes.delete_button)
        assert finding.asked == ""
        with pytest.raises(Exception, match="read-only"):
            finding.panel.delete("user:1")
        finding.panel.close()
    assert raw.exists("user:1")


# Failures


def test_a_server_that_goes_and_comes_back():
    server = Server()
    with server, connect(server.url) as conn:
        Cache(conn).set("a", "x")
        finding = Finding(conn)
        server.stop()
        finding.panel.find()
        finding.settle()
        assert finding.view.state["text"] == "failed"
        assert finding.view.trouble["text"]
        finding.panel.close()


def test_it_looks_again_when_the_server_is_back(tcp_server, soon):
    tcp_server.client.set("a", "x")
    with connect(tcp_server.url) as conn:
        finding = Finding(conn)
        finding.show("a")
        tcp_server.kill()
        until(lambda: finding.view.state["text"] == "reconnecting")
        assert finding.content()["text"] == "x"
        tcp_server.start()
        until(lambda: finding.view.state["text"] == "ready")
        finding.panel.close()


def test_what_it_takes(conn):
    with pytest.raises(TypeError, match="KeysPanel"):
        KeysPanel("redis://")
    with pytest.raises(TypeError, match="match is a pattern"):
        KeysPanel(conn, 3)


# Several threads


def test_a_look_does_not_bring_back_the_key_that_was_open(finding, meanwhile):
    finding.show("user:1")
    details = finding.details
    # Where the panel itself looks at the same moment, this look says nothing.
    finding.panel.stop()

    def other():
        finding.panel.show_key("user:2")
        details.wait(10)

    # While that is being told of the old key, the user opens another.
    meanwhile(details.note, "say", other)
    details.look(finding.panel._found.left)
    meanwhile.wait()
    finding.settle()
    assert (details.name, details._value.name) == ("user:2", "user:2")
    finding.panel.write("new")
    finding.settle()
    assert finding.panel._conn.client.get("user:2") == b"new"
    assert finding.panel._conn.client.get("user:1") != b"new"


def test_keys_read_again_are_not_drawn_over_those_of_a_later_search(finding, meanwhile):
    finding.turn("keys")
    finding.find("user:*")

    def other():
        finding.panel.find("session:eu:*")
        finding.panel._lane.wait(10)

    meanwhile(finding.view.found, "show", other)
    finding.panel._renew(["user:0"])
    meanwhile.wait()
    finding.settle()
    names = finding.panel.frame()["key"]
    assert len(names) == 300
    assert names.str.startswith("session:eu:").all()


def test_a_count_that_is_called_off_asks_nothing(finding, meanwhile):
    changes = finding.panel._changes
    task = under_way(changes._lane)
    ask = shows(task, lambda: changes.question.ask("Delete the old key?", "Delete", print))
    meanwhile(changes.outcome, "say", ask)
    changes.cancel()
    meanwhile.wait()
    assert changes.question["hidden"]
