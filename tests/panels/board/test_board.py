"""The dashboard without a browser: the list, the tabs, and what lives on when it is hidden."""

import json

import pytest

from redisnb import ConsumerGroup, RedisnbError, Stream, connect, frames, panels, stop_all
from redisnb.background import Run
from redisnb.panels.board.watching import StreamsWatch, short_number
from redisnb.panels.parts import panel as panel_module
from tests.deadlines import until
from tests.panels.board.conftest import FIRST, Shown
from tests.panels.conftest import threads

pytestmark = pytest.mark.slow


def test_the_list_begins_with_what_needs_a_look(board):
    assert board.lines() == {
        "Needs a look": ["payments", "orders"],
        "Streams": ["visits"],
        "Keys by prefix": ["report:", "user:"],
    }
    assert board.line("stream", "payments")["why"].splitlines()[1] == (
        "ledger: 9 wait, and there is no consumer"
    )
    assert board.line("prefix", "user:")["value"] == "30"
    assert board.page.shown(board.view.side.state)["tone"] == "good"
    # What needs a look most is open, with why.
    assert board.panel.stream.key == "payments"
    assert repr(board.panel.panel) == "BrowsePanel('payments')"
    assert board.page.shown(board.view.finding)["subject"] == "ledger"
    assert board.badges() == {"groups": "1 stuck"}
    assert list(board.panel.frame())[: len(frames.STREAMS)] == [*frames.STREAMS]


def test_a_tab_is_made_when_it_is_shown_and_lives_on(board):
    board.choose("stream", "payments")
    seen = {}
    for tab in ("live", "groups", "publish", "replay", "keys", "server", "browse"):
        board.turn(tab)
        panel = seen[tab] = board.panel.panel
        assert panel.root.is_shown
        assert sum(each.root.is_shown for each in seen.values()) == 1
        assert not panel._has_begun, "there is one widget"
    board.turn("live")
    assert board.panel.panel is seen["live"]
    # Those of the database stay whichever stream is chosen.
    board.turn("keys")
    board.choose("stream", "visits")
    assert board.view.tab == "live"
    assert board.panel.view("keys") is seen["keys"]
    assert board.page.shown(board.view.title)["text"] == board.panel._conn.name


def test_another_thread_draws_nothing_of_before(board, meanwhile):
    def find():
        board.view.side.find.set(value="visits")
        board.panel._show_list()

    meanwhile(board.panel._watch, "streams", find)
    board.panel._show_list()
    meanwhile.wait()
    assert board.lines() == {"Streams": ["visits"]}
    again = type(meanwhile)(meanwhile.monkeypatch)
    again(board.view, "show_head", lambda: board.panel.choose("visits"))
    board.panel._show_stream()
    again.wait()
    assert board.page.shown(board.view.title)["text"] == "visits"


def test_what_runs_goes_on_and_is_marked_and_what_is_typed_is_there_on_return(board, raw):
    board.choose("stream", "payments")
    board.turn("publish")
    editor = board.panel.panel._view.writing.editor
    board.page.act(editor, "typed", {editor: '{"half": '})
    board.turn("live")
    live = board.panel.panel
    assert live.start()
    until(lambda: board.line("stream", "payments")["badge"] == "reading")
    assert board.badges()["live"] == "reading"
    for n in range(9):
        board.panel.choose(f"other{n}")
        board.panel.view("browse")
    until(lambda: len(board.panel._opened._panels) < 9, what="those left behind are closed")
    raw.xadd("payments", {"payload": "{}"})
    until(lambda: len(live.frame()) == 1)
    board.choose("stream", "payments")
    assert board.panel.view("live") is live
    assert board.panel.view("publish")._view.writing.editor is editor
    assert editor["value"] == '{"half": '
    live.stop()
    until(lambda: board.line("stream", "payments")["badge"] == "")
    # What was read stays too.
    for n in range(9):
        board.panel.choose(f"other{n}")
    assert len(live.frame()) == 1
    board.choose("stream", "payments")
    assert board.panel.view("live") is live


def test_the_field_finds_and_opens_what_is_not_there_yet(board, raw):
    find = board.view.side.find
    board.page.act(find, "typed", {find: "PAY"})
    assert board.lines() == {"Needs a look": ["payments"], "Open by its key": ["PAY"]}
    board.page.act(find, "enter")
    assert board.panel.stream.key == "payments"
    assert board.page.shown(find)["value"] == ""
    board.page.act(find, "enter", {find: "pay"})
    assert board.panel.stream.key == "payments"
    board.page.act(find, "enter", {find: " "})
    assert board.panel.stream.key == "payments"
    board.page.act(find, "typed", {find: "pay"})
    board.choose("new", "pay")
    assert board.panel.stream.key == "pay"
    assert board.page.shown(board.view.about)["text"] == "there is no such stream yet"
    for tab in ("browse", "live", "groups", "publish", "replay"):
        assert board.panel.view(tab) is not None
    assert not raw.exists("pay")
    with pytest.raises(ValueError, match="type the key"):
        board.panel.choose("")
    with pytest.raises(ValueError, match="browse, live"):
        board.panel.view("consume")


def test_a_prefix_opens_its_keys_and_a_finding_its_group(board):
    board.choose("prefix", "report:")
    assert board.page.shown(board.view.side.list)["chosen"] == "prefix\nreport:"
    assert repr(board.panel.panel) == "KeysPanel('report:*')"
    board.choose("stream", "payments")
    board.page.press(board.view.finding.children[0])
    panel = board.panel.panel
    until(lambda: panel.opened is not None and panel.opened.name == "ledger")


def test_dead_letters_open_on_their_tab(conn, shop):
    group = ConsumerGroup(Stream(conn, "payments"), "ledger", consumer="ann")
    group.read(4)
    # Two that are worse, without any.
    for name in ("all", "other"):
        shop.xgroup_create("payments", name, id="0")
    group.bury(group.pending()["entry_id"].iloc[:2], min_idle=0)
    board = Shown(conn)
    assert board.lines()["Dead letters"] == ["payments"]
    assert "payments:dead" not in str(board.lines())
    board.choose("letters", "payments")
    panel = board.panel.panel
    letters = [*frames.DEAD_LETTERS]
    until(lambda: len(panel.frame()) == 2 and list(panel.frame())[: len(letters)] == letters)
    # Its event is published to the stream that it was of.
    view = panel._view
    until(lambda: board.page.shown(view.letters)["total"] == 2)
    board.page.act(view.letters, "choose", row=0)
    until(lambda: not board.page.shown(view.details._edit)["hidden"])
    board.page.press(view.details._edit)
    assert repr(board.panel.panel) == "PublishPanel('payments')"
    assert json.loads(board.panel.panel._view.writing.editor["value"]) == {"n": 0}
    # They may be gone when they are opened.
    opened = panel.opened.name
    shop.delete("payments:dead")
    board.choose("letters", "payments")
    until(lambda: not board.panel._leading.is_busy)
    until(lambda: len(panel.frame()) == 0 and list(panel.frame()) == letters)
    assert panel.opened.name == opened
    assert board.panel.last_error is None
    board.panel.close()


def test_an_entry_is_edited_and_a_range_replayed(board, raw):
    board.choose("stream", "payments")
    browse = board.panel.panel
    assert browse.wait()
    details = browse._view.details
    details.show(board.panel.stream, f"{FIRST}-0")
    until(lambda: not board.page.shown(details._edit)["hidden"])
    form = board.panel.view("publish")._view
    editor = form.writing.editor
    board.page.act(editor, "typed", {editor: '{"half": '})
    board.turn("browse")
    board.page.press(details._edit)
    assert board.view.tab == "publish"
    assert json.loads(editor["value"]) == {"n": 0}
    # What was typed there before is not lost.
    board.page.press(form._back)
    assert editor["value"] == '{"half": '

    board.turn("browse")
    browse.show_range("2023-11-14 22:14", "2023-11-14 22:16")
    assert browse.wait()
    board.page.press(browse._view.paging.replay)
    replay = board.panel.panel
    # It must not be the source.
    board.page.press(replay._button, {replay._target: "payments"})
    assert "name another" in board.page.shown(replay._target)["error"]
    board.page.press(replay._button, {replay._target: "test"})
    inner = replay.replay
    assert inner.wait()
    assert inner._view.pace.first["value"].startswith("2023-11-14 22:14")
    inner.set_speed(60_000)
    inner.start()
    until(lambda: raw.xlen("test") == 2)
    until(lambda: not replay.doing)


def test_a_replay_waits_for_its_target_and_has_one_at_a_time(board, raw):
    board.choose("stream", "payments")
    board.turn("replay")
    panel = board.panel.panel
    assert (panel.target, panel.doing, panel.is_used) == ("", "", False)
    assert list(panel.frame()) == [*frames.REPLAY]
    assert panel.python() == "# Name the target first."
    board.page.press(panel._button, {panel._target: " "})
    assert "name the stream" in board.page.shown(panel._target)["error"]
    board.page.press(panel._button, {panel._target: "one"})
    assert board.page.shown(panel._target)["error"] == ""
    one = panel.replay
    panel.into("one")
    assert panel.replay is one
    panel.show_range("2023-11-14 22:14", "2023-11-14 22:16")
    assert one.wait()
    assert one._view.pace.first["value"] == "2023-11-14 22:14"
    one.step(1)
    until(lambda: raw.xlen("one") == 1 and panel.doing == "paused")
    assert panel.is_used
    assert panel.frame()["target"].tolist() == ["one"]
    board.page.press(panel._button, {panel._target: "two"})
    assert "under way: stop it first" in board.page.shown(panel._target)["error"]
    # It is read soon, so that it is listed.
    assert board.panel._opened.targets() == ["one"]
    one.stop_replay()
    board.page.press(panel._button, {panel._target: "two"})
    assert one._is_closed
    assert (panel.target, panel.replay._view.pace.last["value"]) == ("two", "2023-11-14 22:16")
    assert "rnb.Stream(conn, 'two')" in panel.python()


def test_a_group_that_is_well_by_now_opens_its_tab(board, shop):
    board.choose("stream", "payments")
    shop.xgroup_destroy("payments", "ledger")
    board.panel._watch.read("payments")
    board.page.press(board.view.finding.children[0])
    assert board.view.tab == "groups"
    until(lambda: not board.panel._leading.is_busy)
    assert board.panel.panel.opened is None


def test_an_empty_database_and_one_that_only_reads(server, raw):
    raw.flushall()
    with connect(server.url, read_only=True) as conn:
        board = Shown(conn)
        assert board.lines() == {}
        assert board.panel.panel is None
        assert "rnb.streams(conn)" in board.panel.python()
        assert board.page.shown(board.view.none)["text"].startswith("Choose a stream")
        assert board.page.shown(board.view.side.caption)["text"] == "no streams yet"
        assert "read-only" in str(board.page.nodes[board.view.side.id])
        assert board.panel.view("server") is not None
        board.panel.close()


def test_new_streams_are_found_and_old_ones_forgotten(board, shop, monkeypatch):
    monkeypatch.setattr("redisnb.panels.board.watching._COMMANDS_A_SECOND", 10_000)
    monkeypatch.setattr("redisnb.panels.board.panel._TURN_EACH", 0.01)
    shop.xadd("new", {"a": "1"})
    shop.delete("visits")
    until(lambda: board.lines().get("Streams") == ["new"])
    assert board.panel.frame()["stream"].tolist() == ["new", "orders", "payments"]


def test_what_is_looked_at_is_read_before_the_others(conn, shop, monkeypatch):
    watch = StreamsWatch(conn)
    watch.read_streams()
    watch.read_next(["orders", "", "copies"])
    watch.read_next(["orders", "copies"])
    assert watch.find("copies") is None
    # The first entry of a replay has come.
    shop.xadd("copies", {"a": "1"})
    watch.read_next(["orders", "copies"])
    assert watch.find("copies") is None
    monkeypatch.setattr("redisnb.panels.board.watching._LOOKED_AT_EVERY", 0)
    watch.read_next(["copies"])
    assert watch.find("copies").row["length"] == 1


def test_what_is_known_of_a_stream(conn, shop, monkeypatch):
    monkeypatch.setattr("redisnb.panels.board.watching._LOOSE_ROWS", 1)
    shop.xtrim("visits", maxlen=0)
    watch = StreamsWatch(conn)
    watch.read_streams()
    # Without entries there are no times.
    assert "UTC" not in watch.find("visits").facts
    assert watch.find("orders").facts.endswith("2023-11-14 22:13 to 22:18 UTC")
    for _ in range(3):
        watch.read_next([])
    assert "entries/s" not in watch.find("orders").why
    for n in range(5):
        shop.xadd("orders", {"n": n})
    watch.read("orders")
    assert watch.find("orders").why.splitlines()[-1].endswith("/s")
    # After its turn, a stream is missed when all have been looked for again.
    shop.delete("visits", "payments")
    assert watch.find("visits") is not None
    until(lambda: watch.read_next([]) and watch.find("visits") is None)
    assert watch.frame()["stream"].tolist() == ["orders"]
    assert [short_number(n) for n in (84_310, 1_234_567, 2 * 10**9)] == ["84,310", "1.2 M", "2.0 G"]


def test_a_user_who_may_not_ask_for_groups_sees_the_streams(server, shop):
    shop.execute_command(
        *("ACL", "SETUSER", "few", "on", "nopass", "~*", "+@all", "-xinfo", "+xinfo|stream")
    )
    try:
        with connect(server.url, username="few", password="") as conn:
            watch = StreamsWatch(conn)
            watch.read_streams()
            watch.read_groups()
            assert [each.key for each in watch.streams()] == ["orders", "payments", "visits"]
            assert watch.find("orders").ranks == []
    finally:
        shop.execute_command("ACL", "DELUSER", "few")


def test_a_server_that_goes_and_comes_back(tcp_server, monkeypatch):
    monkeypatch.setattr("redisnb.panels.board.panel._RETRY_EVERY", 0.1)
    with connect(tcp_server.url) as conn:
        board = Shown(conn)
        tcp_server.kill()
        until(lambda: board.page.shown(board.view.side.caption)["text"] == "reconnecting")
        tcp_server.start()
        until(lambda: board.page.shown(board.view.side.caption)["text"] == "no streams yet")
        board.panel.close()


def test_a_question_that_is_refused_is_told_and_asked_again(board, monkeypatch):
    def refuse(_):
        raise RedisnbError("not for you")

    monkeypatch.setattr("redisnb.panels.board.panel._TURN_EACH", 0.01)
    trouble = board.view.trouble
    board.panel._watch.read_next = refuse
    board.panel._due = 0.0
    until(lambda: board.page.shown(trouble)["text"] == "not for you")
    del board.panel._watch.read_next
    board.page.press(trouble.children[0])
    until(lambda: board.panel._repeating.is_busy and not board.panel._lane.is_busy)
    assert board.page.shown(trouble)["hidden"]


def test_nothing_is_left(board, conn):
    board.choose("stream", "payments")
    board.panel.view("live").start()
    board.panel.view("server")
    stop_all()
    until(lambda: threads() == [])
    assert board.page.shown(board.view.side.caption)["text"] == "stopped"
    board.panel.close()
    with pytest.raises(RuntimeError, match="closed"):
        board.panel.choose("orders")


def test_the_calls_and_what_it_is(board, conn):
    assert repr(board.panel) == f"Dashboard({conn.name!r})"
    assert "range(" in board.panel.python()
    empty = panels.dashboard(conn, stream="visits", snapshot=False)
    assert empty.stream.key == "visits"
    empty.close()
    with pytest.raises(TypeError, match="dashboard"):
        panels.dashboard("redis://")


def test_of_thousands_of_streams_some_hundred_are_listed_and_all_are_found(conn, raw):
    pipe = raw.pipeline()
    for n in range(1_500):
        pipe.xadd(f"s:{n:04}", {"a": "1"})
    pipe.execute()
    board = Shown(conn)
    assert board.page.shown(board.view.side.caption)["text"] == "1,500 streams, 300 listed"
    assert len(board.lines()["Streams"]) == 300
    find = board.view.side.find
    board.page.act(find, "typed", {find: "149"})
    assert board.lines()["Streams"] == ["s:0149", "s:1149", *(f"s:149{n}" for n in range(10))]
    board.panel.close()


def test_a_cell_that_runs_again_closes_the_dashboard_and_no_part_of_another(
    conn, shop, monkeypatch
):
    now = [Run("board", "1")]
    monkeypatch.setattr(panel_module, "this_run", lambda: now[0])
    first = panels.dashboard(conn, stream="orders")
    live = first.view("live")
    assert live.start()
    now[0] = Run("other", "1")
    shown = first.view("publish")
    now[0] = Run("other", "2")
    first.choose("payments")
    assert not shown._is_closed, "it is a part of the dashboard"
    now[0] = Run("board", "2")
    second = panels.dashboard(conn)
    assert first._is_closed
    assert live.consumer.state == "stopped"
    assert not second._is_closed


def test_a_user_who_may_not_look_for_keys_opens_a_stream_by_its_key(server, shop):
    shop.execute_command("ACL", "SETUSER", "few", "on", "nopass", "~*", "+@all", "-scan")
    with connect(server.url) as plain:
        url = plain.url
    try:
        with connect(url, username="few", password="") as conn:
            board = Shown(conn)
            trouble = board.view.trouble
            until(lambda: "scan" in board.page.shown(trouble)["text"].lower())
            board.page.act(board.view.side.find, "enter", {board.view.side.find: "orders"})
            assert board.panel.panel.wait()
            assert len(board.panel.panel.frame()) == 6
            board.panel.close()
    finally:
        shop.execute_command("ACL", "DELUSER", "few")
