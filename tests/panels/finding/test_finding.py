"""KeysPanel without a browser: prefixes, keys, values, and changes."""

import gzip
import json

import msgspec
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from redisnb import Cache, Server, connect, keys, tree
from redisnb.panels import KeysPanel
from redisnb.panels.finding import panel as module
from redisnb.panels.finding.levels import level_of
from tests.deadlines import until
from tests.panels.conftest import threads
from tests.panels.finding.conftest import FRAME, Finding

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
    [("*", ""), ("user:*", "user:"), ("a:b:*", "a:b:"), ("us*", ""), (r"a\*:*", "a*:")],
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


def test_times_to_live_count_down_and_what_has_expired_leaves(finding, raw):
    finding.find("user:*")
    finding.turn("keys")
    raw.pexpire("user:0", 1)
    assert "user:0" in finding.panel.frame()["key"].tolist()
    finding.panel._found._frame.loc[0, "expires_at"] = pd.Timestamp("2020-01-01", tz="UTC")
    until(lambda: "user:0" not in finding.panel.frame()["key"].tolist(), what=lambda: finding.said)
    until(lambda: finding.caption.endswith(" · 1 gone since"))
    before = finding.panel.frame().set_index("key")["ttl"]["user:3"]
    until(lambda: finding.panel.frame().set_index("key")["ttl"]["user:3"] < before)


def test_nothing_is_asked_while_it_is_hidden(finding, raw):
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
    finding.panel._looked_at = 0.0
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


def test_fields_expire_on_their_own_where_the_server_can(finding, conn, raw):
    finding.show("session:eu:1")
    assert "ttl" not in finding.elements()
    elements = finding.details.elements
    finding.page.act(elements.grid, "select", ranges=[[0, 1]])
    if not conn.supports("HPEXPIRE"):
        assert elements.fields["hidden"]
        return
    assert elements.chosen["text"] == "1 field"
    finding.press(elements.expire, {elements.ttl: "soon"})
    assert elements.ttl["error"]
    finding.press(elements.expire, {elements.ttl: "10min"})
    assert finding.elements()["ttl"].between("9min", "10min").all()
    assert raw.execute_command("HTTL", "session:eu:1", "FIELDS", 1, "n")[0] > 500
    # The chosen one will do where none is selected.
    finding.page.act(elements.grid, "choose", row=0)
    finding.press(elements.persist)
    assert "ttl" not in finding.elements()


def test_it_says_what_became_of_the_open_key(finding, raw):
    finding.show("members")
    raw.sadd("members", "other")
    until(lambda: finding.details.note["text"] == "It has changed.")
    finding.press(finding.details.note.children[0])
    assert finding.details.note["text"] == ""
    raw.delete("members")
    until(lambda: finding.details.note["text"].startswith("It was deleted or renamed"))


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
    finding.press(changes.expire_button, {changes.ttl: "soon"})
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


def test_what_it_takes(conn):
    with pytest.raises(TypeError, match="KeysPanel"):
        KeysPanel("redis://")
    with pytest.raises(TypeError, match="match is a pattern"):
        KeysPanel(conn, 3)
