"""KeysPanel: the keys that it finds, the value that it shows, and the changes that it makes."""

import threading
import time

import pandas as pd
import pytest

import redisnb as rnb
from redisnb import connect, frames, stop_all
from redisnb.entries import to_bytes
from redisnb.panels import KeysPanel
from redisnb.panels.keys.key_list import typed_name
from redisnb.panels.widgets.parts import Tree
from tests.deadlines import deadline
from tests.panels.conftest import threads
from tests.panels.looking import (
    cells,
    controls,
    inside,
    is_off,
    lines,
    open_row,
    press,
    select,
    table,
    texts,
)

pytestmark = pytest.mark.slow


def names(panel):
    return [row[0] for row in cells(panel, "Keys")]


def says(panel, text):
    return lambda: any(text in line for line in lines(panel))


@pytest.fixture
def scanned(wait_until):
    """``scanned(conn, match)`` returns a panel that has finished its scan."""

    def scan(conn, match="*", type=None):
        panel = KeysPanel(conn, match)
        panel.scan(type=type)
        wait_until(lambda: panel.state == "ready")
        return panel

    return scan


@pytest.fixture
def zoo(conn, raw):
    raw.set("string", "text", ex=100)
    raw.set("json", '{"a": [1, {"b": null}], "big": 12345678901234567890}')
    raw.hset("hash", mapping={"f": "v"})
    raw.rpush("list", "a", "b")
    raw.sadd("set", "m")
    raw.zadd("zset", {"low": 1, "high": 2})
    raw.xadd("stream", {"payload": '{"n": 1}'}, id="1-0")
    return conn


ALL = ["hash", "json", "list", "set", "stream", "string", "zset"]


def test_a_scan(zoo, raw, wait_until, has_schema):
    panel = KeysPanel(zoo)
    assert repr(panel) == "KeysPanel('*')"
    assert (texts(panel)["heading"], texts(panel)["rnb-place"]) == ("Keys", zoo.name)
    assert (panel.state, threads()) == ("ready", [])
    assert table(panel, "Keys").empty == "Nothing yet: press Scan to look for keys."
    assert is_off(panel, "stop") == "it is not reading"
    assert is_off(panel, "memory") == "no keys were found yet"
    assert has_schema(panel.frame(), frames.KEYS)
    assert panel.frame().attrs["truncated"] is True

    press(panel, "scan")
    wait_until(lambda: panel.state == "ready" and names(panel) == ALL)
    assert "7 keys" in lines(panel)
    assert [row[1] for row in cells(panel, "Keys")][:2] == ["hash", "string"]
    frame = panel.frame()
    assert has_schema(frame, frames.KEYS)
    assert frame["key"].tolist() == ALL
    assert frame.attrs["truncated"] is False
    assert panel.python() == (
        f"import redisnb as rnb\n\nconn = rnb.connect({zoo.url!r})\nrnb.keys(conn, '*')"
    )

    press(panel, "scan", match="s*", type="set")
    wait_until(lambda: panel.state == "ready" and names(panel) == ["set"])
    assert panel.python().endswith("rnb.keys(conn, 's*', type='set')")
    assert repr(panel) == "KeysPanel('s*')"
    press(panel, "scan", match="no*", type="")
    wait_until(lambda: "No key matches 'no*'" in table(panel, "Keys").empty)
    assert "0 keys" in lines(panel)
    raw.flushall()
    panel.scan("*")
    wait_until(lambda: table(panel, "Keys").empty == "There is no key in this database.")
    assert controls(panel, "match")["match"] == "*"

    press(panel, "scan", match="")
    assert controls(panel, "match").errors["match"] == "write a pattern; * finds all keys"
    assert isinstance(panel.last_error, ValueError)


def test_the_copied_call_gives_the_same(zoo, scanned):
    panel = scanned(zoo, "s*", "string")
    panel.preview("hash")
    *_, keys, preview = panel.python().splitlines()
    run = {"rnb": rnb, "conn": zoo}
    assert eval(keys, run)["key"].tolist() == panel.frame()["key"].tolist() == ["string"]
    assert eval(preview, run).equals(rnb.preview(zoo, "hash"))


@pytest.mark.parametrize("bad", [(None,), ("redis://localhost",)])
def test_what_it_takes(conn, bad):
    with pytest.raises(TypeError, match="is what redisnb"):
        KeysPanel(*bad)
    with pytest.raises(TypeError, match="a pattern as text, not bytes"):
        KeysPanel(conn, b"*")


def test_keys_come_in_as_they_are_found(conn, raw, wait_until, monkeypatch):
    monkeypatch.setattr("redisnb.wire.walking.SCAN_COUNT", 100)
    raw.eval("for i = 1, 20000 do redis.call('SET', 'key:' .. i, i) end", 0)
    panel = KeysPanel(conn)
    panel.scan()
    assert is_off(panel, "scan") == is_off(panel, "memory") == "it is reading"
    some = wait_until(lambda: names(panel))
    assert panel.state == "reading"
    assert any(line.endswith(" keys so far") for line in lines(panel))
    assert 0 < len(panel.frame()) < 20_000
    assert panel.frame().attrs["truncated"] is True
    # A key can be opened while others are still being found.
    open_row(panel, "Keys", some[0])
    wait_until(says(panel, "string of"))
    assert panel.state == "reading"

    press(panel, "stop")
    assert panel.state == "stopped"
    found = len(panel.frame())
    assert 0 < found < 20_000
    assert panel.frame()["key"].is_monotonic_increasing
    assert says(panel, "there may be more")()
    time.sleep(0.05)
    assert len(panel.frame()) == found
    press(panel, "scan")
    wait_until(lambda: panel.state == "ready", 30)
    assert sorted(panel.frame()["key"]) == sorted(f"key:{i}" for i in range(1, 20_001))


def test_a_scan_that_finds_nothing_can_be_stopped(conn, raw, monkeypatch, wait_until):
    monkeypatch.setattr("redisnb.wire.walking.SCAN_COUNT", 10)
    raw.eval("for i = 1, 20000 do redis.call('SET', 'key:' .. i, i) end", 0)
    panel = KeysPanel(conn, "nothing*")
    panel.scan()
    wait_until(lambda: table(panel, "Keys").empty == "No keys were found yet.")
    panel.stop()
    assert panel.state == "stopped"
    scans = raw.info("commandstats")["cmdstat_scan"]["calls"]
    time.sleep(0.1)
    assert raw.info("commandstats")["cmdstat_scan"]["calls"] <= scans + 1


def test_more_keys_than_are_kept(conn, raw, monkeypatch, scanned):
    monkeypatch.setattr("redisnb.panels.keys.panel.MOST_KEYS", 50)
    raw.eval("for i = 1, 51 do redis.call('SET', 'key:' .. i, i) end", 0)
    panel = scanned(conn)
    assert "50 keys · there are more: narrow the pattern" in lines(panel)
    assert len(panel.frame()) == 50
    assert panel.frame().attrs["truncated"] is True
    raw.delete("key:1")
    assert len(scanned(conn).frame()) == 50
    assert scanned(conn).frame().attrs["truncated"] is False


def test_ttls_count_down_without_the_server(conn, raw, scanned, wait_until):
    raw.set("soon", "x", px=60_000)
    raw.set("ever", "x")
    panel = scanned(conn)
    wait_until(lambda: names(panel) == ["ever", "soon"])
    first = cells(panel, "Keys")
    assert first[0][2] is None
    asked = raw.info("commandstats")["cmdstat_pttl"]["calls"]
    wait_until(lambda: cells(panel, "Keys")[1][2] not in (first[1][2], None))
    left = panel.frame()["ttl"][1]
    assert pd.Timedelta("50s") < left < pd.Timedelta("1min")
    assert abs(left - pd.Timedelta(raw.pttl("soon"), "ms")) < pd.Timedelta("100ms")
    # That was this test.
    assert raw.info("commandstats")["cmdstat_pttl"]["calls"] == asked + 1


def test_a_key_that_expires(conn, raw, scanned, wait_until):
    # Long enough to be seen, and renewed, on a slow machine.
    soon = int(1000 * deadline(1))
    raw.set("goes", "x", px=soon)
    raw.set("renewed", "x", px=soon)
    raw.set("stays", "x")
    panel = scanned(conn)
    assert names(panel) == ["goes", "renewed", "stays"]
    assert raw.pexpire("renewed", 50_000)
    wait_until(lambda: names(panel) == ["renewed", "stays"])
    assert wait_until(says(panel, "2 keys · 1 gone since"))
    assert panel.frame()["ttl"][0] > pd.Timedelta("40s")


def test_memory(zoo, raw, scanned, wait_until, has_schema):
    panel = scanned(zoo)
    assert controls(panel, "memory").captions["memory"] == "Memory of all"
    select(panel, "Keys", "hash", "list")
    assert controls(panel, "memory").captions["memory"] == "Memory of 2"
    press(panel, "memory")
    wait_until(lambda: panel.frame().get("size", pd.Series(dtype=float)).notna().sum() == 2)
    assert has_schema(panel.frame(), frames.KEYS | frames.KEY_SIZES)
    select(panel, "Keys")
    wait_until(lambda: panel.state == "ready")
    press(panel, "memory")
    wait_until(lambda: panel.frame()["size"].notna().all())
    expected = [raw.memory_usage(key) for key in ALL]
    assert panel.frame()["size"].tolist() == expected
    assert panel.frame()["encoding"].tolist() == [raw.object("encoding", k).decode() for k in ALL]
    wait_until(says(panel, f"{sum(expected):,} bytes in 7 of them"))
    wait_until(lambda: [row[3:4] for row in cells(panel, "Keys")] == [[str(n)] for n in expected])
    assert panel.python().endswith("rnb.keys(conn, '*', sizes=True)")
    # Opening a key keeps its size.
    panel.preview("hash")
    assert panel.frame()["size"].tolist() == expected


@pytest.mark.parametrize(
    ("key", "about", "rows"),
    [
        ("hash", "hash of 1 field", [["f", "v", None]]),
        ("list", "list of 2 elements", [["0", "a"], ["1", "b"]]),
        ("set", "set of 1 member", [["m"]]),
        ("zset", "zset of 2 members", [["low", "1"], ["high", "2"]]),
        ("stream", "stream of 1 entry", [["1970-01-01 00:00:00.001", "1-0", "1"]]),
    ],
)
def test_a_preview_by_type(zoo, scanned, wait_until, key, about, rows):
    panel = scanned(zoo)
    open_row(panel, "Keys", key)
    wait_until(says(panel, about))
    assert key in lines(panel)
    assert cells(panel, "Value") == rows
    assert panel.preview(key).equals(rnb.preview(zoo, key))


def test_a_preview_of_strings(zoo, raw, scanned):
    panel = scanned(zoo)
    (tree,) = [part for part in inside(panel) if isinstance(part, Tree)]
    panel.preview("json")
    assert tree.value == '{"a": [1, {"b": null}], "big": "12345678901234567890"}'
    assert texts(panel)["region"] == ""
    panel.preview("string")
    assert (tree.value, texts(panel)["region"]) == ("", "text")
    assert says(panel, "string of 4 bytes, expires in 1 min")()
    raw.set("bytes", b"\xff\x00")
    panel.preview("bytes")
    assert texts(panel)["region"] == "�xff\x00"
    rnb.Cache(zoo).set("frame", pd.DataFrame({"a": [1]}))
    panel.preview("frame")
    assert says(panel, "stored by Cache; Cache.get returns it")()
    raw.set("long", "x\n" * 3_000_000)
    panel.preview("long")
    assert len(texts(panel)["region"]) == 20_000
    assert says(panel, "string of 6,000,000 bytes, the beginning is shown; the first 20,000")()
    raw.set("deep", "[" * 1000 + "]" * 1000)
    panel.preview("deep")
    assert texts(panel)["region"].startswith("[[[")
    raw.rpush("many", *range(1000))
    panel.preview("many")
    assert says(
        panel, "list of 1,000 elements, the first 100 are shown; rnb.preview(conn, 'many') has more"
    )()
    assert panel.preview("missing").attrs["type"] == "none"
    assert says(panel, "there is no such key")()
    assert panel.preview(5) is None
    assert isinstance(panel.last_error, TypeError)


def test_what_has_no_preview_can_be_deleted(conn, raw, scanned, monkeypatch):
    def refuses(*_, **__):
        raise rnb.RedisnbError("of a type of which there is no preview")

    raw.set("module", 1)
    panel = scanned(conn)
    monkeypatch.setattr("redisnb.panels.keys.panel.preview", refuses)
    assert panel.preview("module") is None
    assert says(panel, "of which there is no preview")()
    assert panel.state == "ready"
    press(panel, "delete", confirm="module")
    assert not raw.exists("module")


def test_a_key_that_changes_or_is_deleted_while_it_is_shown(conn, raw, scanned, wait_until):
    raw.set("k", "1")
    raw.set("expires", "1")
    panel = scanned(conn)
    open_row(panel, "Keys", "k")
    wait_until(says(panel, "string of 1 byte"))
    raw.set("k", "2")
    wait_until(says(panel, "It has changed"))
    assert texts(panel)["region"] == "1"
    press(panel, "again")
    wait_until(lambda: texts(panel)["region"] == "2")
    assert not says(panel, "It has changed")()
    raw.delete("k")
    raw.rpush("k", "x")
    wait_until(says(panel, "It has changed"))
    wait_until(lambda: dict(row[:2] for row in cells(panel, "Keys"))["k"] == "list")
    raw.delete("k")
    wait_until(says(panel, "It was deleted or renamed; this is its last known value."))
    wait_until(lambda: names(panel) == ["expires"])

    raw.pexpire("expires", 500)
    panel.preview("expires")
    wait_until(says(panel, "It has expired; this is its last known value."))
    press(panel, "close")
    assert panel.python().count("preview") == 0


@pytest.mark.parametrize("fill", ["HSET", "SADD"])
def test_what_has_no_order_has_not_changed(conn, raw, scanned, wait_until, fill):
    second = ", i" if fill == "HSET" else ""
    raw.eval(f"for i = 1, 50000 do redis.call('{fill}', 'k', i{second}) end", 0)
    panel = scanned(conn)
    panel.preview("k")
    looks = lambda: raw.info("commandstats")[f"cmdstat_{fill[0].lower()}scan"]["calls"]  # noqa: E731
    before = looks()
    wait_until(lambda: looks() > before + 1)
    assert not says(panel, "It has changed")()


def test_changes_want_the_name_of_the_key(conn, raw, scanned, wait_until):
    raw.set("k", "1")
    panel = scanned(conn)
    panel.preview("k")
    for name in ("delete", "expire", "persist", "write"):
        press(panel, name, confirm="K", ttl="1h", text="2")
        assert controls(panel, name).errors["confirm"] == "type k here"
    assert panel.delete("k", confirm="*") is False
    assert "confirm='*' is not the name of the key, 'k'" in str(panel.last_error)
    assert (raw.get("k"), raw.ttl("k")) == (b"1", -1)

    press(panel, "expire", confirm="k", ttl="soon")
    assert controls(panel, "ttl").errors["ttl"] == "write 500ms, 10min or a number of seconds"
    assert controls(panel, "confirm")["confirm"] == "k"
    for ttl, seconds in (("1h", 3600), ("90", 90)):
        press(panel, "expire", confirm="k", ttl=ttl)
        assert seconds - 2 <= raw.ttl("k") <= seconds
        assert controls(panel, "confirm")["confirm"] == ""
        assert controls(panel, "ttl").errors["ttl"] == ""
    assert says(panel, "k has a new expiry")()
    assert panel.frame()["ttl"].notna().all()
    press(panel, "write", confirm="k", text='{"a": 1}')
    assert raw.get("k") == b'{"a": 1}'
    assert 80 < raw.ttl("k") <= 90
    assert says(panel, "k was written")()
    press(panel, "persist", confirm="k")
    assert raw.ttl("k") == -1
    assert panel.persist("k", confirm="k") is False
    assert says(panel, "k has no expiry, or does not exist any more")()
    press(panel, "delete", confirm="k")
    assert not raw.exists("k")
    assert says(panel, "k was deleted")()
    wait_until(lambda: names(panel) == [])
    assert panel.delete("k", confirm="k") is False
    assert panel.expire("k", "1h", confirm="k") is False
    assert says(panel, "k does not exist any more")()


def test_a_text_is_not_written_over_another(conn, raw, scanned):
    raw.set("k", "1")
    panel = scanned(conn)
    assert panel.write("k", "2", confirm="k") is False
    assert "preview('k') first" in str(panel.last_error)
    panel.preview("k")
    raw.set("k", "somebody's")
    assert panel.write("k", "2", confirm="k") is False
    assert "it has changed since it was read" in str(panel.last_error)
    assert raw.get("k") == b"somebody's"
    raw.delete("k")
    assert panel.write("k", "2", confirm="k") is False
    raw.rpush("k", 1)
    assert panel.write("k", "2", confirm="k") is False
    assert "WRONGTYPE" in texts(panel)["alert"]
    assert raw.type("k") == b"list"


@pytest.mark.parametrize("value", ["a\r\nb", "a\0", "x" * 200_000])
def test_what_a_field_would_change_is_not_edited(conn, raw, scanned, value):
    raw.set("k", value)
    panel = scanned(conn)
    panel.preview("k")
    assert "a field cannot hold it" in is_off(panel, "write")
    press(panel, "write", confirm="k", text="x")
    assert panel.write("k", "x", confirm="k") is False
    assert raw.get("k") == value.encode()


NAMES = {
    b"\xff": "�xff",
    rb"b'\xff'": r'''"b'\\xff'"''',
    b"\x00ff": r"'\x00ff'",
    b"": "''",
    b" a ": "' a '",
    b"a\nb": r"'a\nb'",
    "größe".encode(): "größe",
    "\u202etxt".encode(): r"'\u202etxt'",
    b"<img src=x onerror=alert(1)>": "<img src=x onerror=alert(1)>",
    b"*": "*",
    b"'": '"\'"',
}


def test_odd_names_are_distinguished(conn, raw, scanned, wait_until):
    for name in NAMES:
        raw.set(name, "x")
    assert len(set(NAMES.values())) == len(NAMES)
    panel = scanned(conn)
    keys = {row[0]: row[2] for row in table(panel, "Keys").head}
    assert len(keys) == len(NAMES)
    for name, typed in NAMES.items():
        found = panel.frame()["key"].tolist()
        text = next(each for each in found if to_bytes(each) == name)
        assert typed_name(text) == typed
        key = next(
            row[0]
            for row in table(panel, "Keys").head
            if table(panel, "Keys").rows([row[0]])["key"].tolist() == [text]
        )
        open_row(panel, "Keys", key)
        wait_until(lambda typed=typed: typed in lines(panel))
        press(panel, "expire", confirm=typed, ttl="1h")
        assert raw.ttl(name) > 3500
        press(panel, "memory")
        press(panel, "write", confirm=typed, text="y")
        assert raw.get(name) == b"y"
        press(panel, "persist", confirm=typed)
        press(panel, "delete", confirm=typed)
        assert not raw.exists(name)
        assert len(raw.keys()) == len(panel.frame()) == len(found) - 1
    assert panel.last_error is None


def test_a_name_too_long_to_type(conn, raw, scanned):
    raw.set("x" * 500, 1)
    panel = scanned(conn)
    panel.preview("x" * 500)
    assert "too long to type" in is_off(panel, "delete")
    assert panel.delete("x" * 500, confirm="x" * 500) is True


def test_a_read_only_connection(server, raw, zoo, scanned):
    with connect(server.url, read_only=True) as conn:
        panel = scanned(conn)
        assert names(panel) == ALL
        panel.preview("string")
        for name in ("confirm", "delete", "ttl", "expire", "persist", "text", "write"):
            assert is_off(panel, name) == "this connection is read-only"
        press(panel, "delete", confirm="string")
        assert panel.delete("string", confirm="string") is False
        assert isinstance(panel.last_error, rnb.ReadOnlyError)
        assert panel.write("string", "x", confirm="string") is False
        assert raw.get("string") == b"text"
        assert "read_only=True" in panel.python()
        panel.close()


def test_a_server_that_goes_and_comes_back(tcp_server, wait_until, monkeypatch):
    monkeypatch.setattr("redisnb.wire.walking.SCAN_COUNT", 50)
    tcp_server.client.mset({f"key:{i}": i for i in range(5000)})
    with connect(tcp_server.url) as conn:
        panel = KeysPanel(conn)
        panel.scan()
        wait_until(lambda: names(panel))
        assert panel.state == "reading"
        tcp_server.kill()
        wait_until(lambda: panel.state == "reconnecting", 2)
        assert texts(panel)["alert"]
        tcp_server.start()
        wait_until(lambda: panel.state in ("reading", "ready"), 5)
        wait_until(lambda: panel.state == "ready", 20)
        assert sorted(panel.frame()["key"]) == sorted(f"key:{i}" for i in range(5000))
        assert texts(panel)["alert"] == ""

        # Also without any request.
        tcp_server.kill()
        wait_until(lambda: panel.state == "reconnecting", 2)
        tcp_server.start()
        wait_until(lambda: panel.state == "ready", 5)
        assert panel.last_error is None
        panel.close()


def test_a_user_without_permission_to_scan(server, raw, conn):
    raw.acl_setuser("u", enabled=True, passwords=["+p"], keys=["*"], commands=["+ping", "+time"])
    try:
        with connect(server.url, username="u", password="p") as mine:
            panel = KeysPanel(mine)
            panel.scan()
            deadline = time.monotonic() + 5
            while panel.state != "failed":
                assert time.monotonic() < deadline
                time.sleep(0.01)
            assert "NOPERM" in texts(panel)["alert"]
            assert is_off(panel, "scan") == ""
            raw.acl_setuser("u", commands=["+scan", "+type", "+pttl"])
            press(panel, "retry")
            while panel.state != "ready":
                assert time.monotonic() < deadline
                time.sleep(0.01)
            panel.close()
    finally:
        raw.acl_deluser("u")


def test_one_thread_and_none_after_the_end(conn, raw, scanned, wait_until):
    raw.set("k", 1)
    panel = scanned(conn)
    panel.scan()
    panel.preview("k")
    assert threads() == ["redisnb:KeysPanel('*')"]
    stop_all()
    assert threads() == []
    assert panel.state == "stopped"
    panel.scan()
    wait_until(lambda: panel.state == "ready")
    panel.close()
    assert threads() == []
    with pytest.raises(RuntimeError, match="is closed"):
        panel.scan()


def test_what_a_saved_notebook_shows(zoo, scanned):
    bundle = scanned(zoo)._repr_mimebundle_()
    assert "<code>hash</code>" in bundle["text/html"]
    assert "7 of 7 rows" in bundle["text/html"]
    assert bundle["text/plain"] == "KeysPanel('*')"
    assert "text/html" not in KeysPanel(zoo, snapshot=False)._repr_mimebundle_()


def test_used_from_several_threads(conn, raw, scanned, wait_until):
    raw.eval("for i = 1, 3000 do redis.call('SET', 'key:' .. i, i, 'PX', 20 + i) end", 0)
    raw.set("k", 1)
    panel = scanned(conn)
    through = []

    def use():
        for _ in range(20):
            panel.scan()
            panel.preview("k")
            panel.memory()
            panel.frame()
            panel.stop()
        through.append(True)

    users = [threading.Thread(target=use) for _ in range(3)]
    for each in users:
        each.start()
    for each in users:
        each.join(60)
    assert through == [True] * 3
    panel.scan("k")
    wait_until(lambda: panel.state == "ready" and names(panel) == ["k"])
    assert threads() == ["redisnb:KeysPanel('*')"]
