"""The panel of consumer groups, without a browser: what its buttons and its methods do."""

import time

import pytest

from redisnb import ConsumerGroup, EntryIdError, RedisnbError, Stream, connect, stop_all
from redisnb.panels.consumer_groups import GroupsPanel, groups
from tests.deadlines import until, until_quiet
from tests.panels.conftest import threads
from tests.panels.parts.acting import Page

pytestmark = pytest.mark.slow

HOSTILE = "<img src=x onerror=window.pwned=1>"


class Shown:
    """A panel on a page."""

    def __init__(self, source):
        self.panel = groups(source)
        self.view = self.panel._view
        self.page = Page(self.panel)

    def shown(self, part):
        return self.page.shown(part)

    def text(self, part):
        return "" if self.shown(part)["hidden"] else self.shown(part)["text"]

    @property
    def state(self):
        return self.text(self.view.groups.state)

    @property
    def answer(self):
        return self.text(self.view.answer)

    @property
    def findings(self):
        return [each["text"] for each in self.view.findings.children[:-1]]

    def column(self, name, grid=None):
        shown = self.shown(grid or self.view.pending)
        names = [each["name"] for each in shown["columns"]]
        return [row[names.index(name)] for row in shown["head"]] if name in names else []

    def press(self, part, values=None):
        self.page.press(part, values)

    def select(self, *ranges, grid=None):
        self.page.act(grid or self.view.pending, "select", ranges=list(ranges))

    def tab(self, name):
        self.page.act(self.view.tabs, "choose", {self.view.tabs: name})

    def mend(self, beginning):
        def found():
            parts = self.view.findings.children[:-1]
            return [each for each in parts if each["text"].startswith(beginning)]

        (message,) = until(found)
        self.press(message.children[0])

    def names(self):
        items = [each for each in self.view.groups.list.children if each.kind == "listitem"]
        return [each["name"] for each in items]


def ready(source):
    shown = Shown(source)
    until(lambda: shown.state == "reading")
    return shown


def held(raw, group="etl"):
    pending = raw.xpending_range("s", group, "-", "+", 99)
    return [(each["message_id"].decode(), each["consumer"].decode()) for each in pending]


def test_it_opens_on_the_group_that_is_stuck(conn, stuck, raw, knows_lag):
    for name in ("audit", "board"):
        raw.xgroup_create("s", name, "6-0")
    raw.xadd("other", {"a": "b"})
    raw.xgroup_create("other", "fine", "$")
    shown = ready(conn)
    assert shown.text(shown.view.head.title) == "etl"
    waiting = "2 still to be delivered" if knows_lag else "lag unknown: "
    assert f"of s · 4 pending · {waiting}" in shown.text(shown.view.head.about)
    assert shown.names()[0] == "etl · s"
    assert sorted(shown.names()[1:]) == ["audit · s", "board · s", "fine · other"]
    assert shown.findings[1].startswith("'ann' asks for more, and holds 3 that are idle for up")
    assert shown.column("entry_id") == ["1-0", "2-0", "3-0", "4-0"]
    assert shown.column("deliveries") == ["7", "7", "7", "1"]
    assert shown.column("idle")[:1] == ["1 h"]
    assert shown.column("age")[0].endswith(("d", "h"))
    assert sorted(shown.panel.groups_frame()["group"]) == ["audit", "board", "etl", "fine"]


def test_the_line_of_a_group_tells_how_far_it_is_behind(stream, stuck, knows_lag):
    shown = ready(stream)
    until(lambda: len(shown.shown(shown.view.charts.children[0])["times"]) > 0)
    entries, times = shown.view.charts.children
    assert [name for name, _ in shown.shown(entries)["lines"]] == ["lag", "pending"]
    assert [each[-1] for _, each in shown.shown(entries)["lines"]] == [
        2 if knows_lag else None,
        4,
    ]
    (_, waited), (_, oldest) = shown.shown(times)["lines"]
    assert waited[-1] > 0
    assert oldest[-1] > 0


def test_selected_entries_are_claimed_and_what_is_fresh_is_left_alone(stream, stuck, raw):
    shown = ready(stream)
    settle = shown.view.settle
    assert shown.shown(settle._buttons)["hidden"]
    shown.select([0, 4])
    assert shown.shown(settle.claim)["label"] == "Claim 4"
    shown.press(settle.claim, {settle.consumer: "me"})
    until(lambda: "3 of 4 claimed for 'me'; 1 left alone: delivered less than" in shown.answer)
    assert held(raw) == [("1-0", "me"), ("2-0", "me"), ("3-0", "me"), ("4-0", "ann")]
    # What is selected is still selected.
    assert shown.shown(settle.claim)["label"] == "Claim 4"
    shown.press(settle.claim, {settle.guard: "soon"})
    until(lambda: "'soon' is not a duration" in shown.shown(settle.guard)["error"])
    shown.press(settle.release)
    until(lambda: "3 of 4 released" in shown.answer)
    shown.press(settle.bury, {settle.guard: "late"})
    until(lambda: "'late' is not a duration" in shown.shown(settle.guard)["error"])
    assert raw.exists("s:dead") == 0
    assert "group.release(['1-0', '2-0', '3-0', '4-0'])" in shown.panel.python()


def test_more_than_one_is_confirmed_before_it_is_gone(stream, stuck, raw):
    """Fault 2: 1,000 entries were gone at one click."""
    shown = ready(stream)
    settle = shown.view.settle
    shown.select([0, 3])
    shown.press(settle.ack)
    assert not shown.shown(settle.confirm)["hidden"]
    text, cancel, yes = settle.confirm.text, settle.confirm.no, settle.confirm.yes
    assert "3 entries again; this cannot be taken back" in shown.text(text)
    assert shown.shown(yes)["label"] == "Acknowledge 3"
    shown.press(cancel)
    assert shown.shown(settle.confirm)["hidden"]
    assert len(held(raw)) == 4
    shown.press(settle.ack)
    # Selected meanwhile, they are not what was asked about.
    shown.select([0, 4])
    shown.press(yes)
    until(lambda: shown.answer == "3 of 3 acknowledged")
    assert held(raw) == [("4-0", "ann")]
    shown.select()
    shown.page.act(shown.view.pending, "choose", row=0)
    assert shown.shown(settle.ack)["label"] == "Acknowledge 1"
    shown.press(settle.ack)
    until(lambda: held(raw) == [])
    until(lambda: "Nothing is pending" in shown.shown(shown.view.pending)["empty"])


def test_what_was_asked_is_done_for_the_group_of_then(stream, stuck, raw):
    raw.xgroup_create("s", "audit", "0")
    raw.xreadgroup("audit", "bob", {"s": ">"}, count=2)
    shown = ready(stream)
    shown.panel.select("etl")
    shown.select([0, 2])
    assert not shown.shown(shown.view.settle._buttons)["hidden"]
    shown.panel.select("audit")
    # The same IDs are pending in that group.
    assert shown.shown(shown.view.pending)["selected"] == []
    assert shown.shown(shown.view.settle._buttons)["hidden"]
    assert shown.column("consumer") == ["bob", "bob"]
    with pytest.raises(ValueError, match=r"0 groups are 'none'; there are: .*'audit' of 's'"):
        shown.panel.select("none")


def test_dead_letters_and_back(stream, stuck, raw):
    shown = ready(stream)
    shown.select([0, 2])
    shown.press(shown.view.settle.bury)
    until(lambda: shown.answer == "2 of 2 moved to the dead letters")
    shown.tab("letters")
    until(lambda: shown.column("origin_id", shown.view.letters) == ["1-0", "2-0"])
    bar = shown.view.letters_bar
    assert shown.shown(bar.redrive)["label"] == "Redrive all 2"
    shown.press(bar.redrive)
    text, yes = bar.confirm.text, bar.confirm.yes
    assert "handle these 2 dead letters again" in shown.text(text)
    shown.press(yes)
    until(lambda: shown.answer.startswith("2 of 2 sent back"))
    until(lambda: shown.shown(shown.view.letters)["all"] == 0)
    assert [id for id, _ in held(raw)] == ["1-0", "2-0", "3-0", "4-0"]


def test_the_button_of_a_finding_mends_it(stream, stuck, raw, monkeypatch):
    monkeypatch.setattr("redisnb.stream.groups.why.STUCK_AFTER", 0)
    shown = ready(stream)
    own = shown.view.settle.consumer["value"]
    shown.mend("'ann' holds 4")
    until(lambda: f"claimed for {own!r}" in shown.answer)
    assert {who for _, who in held(raw)} == {own}


def test_findings_that_are_confirmed_first(stream, stuck, raw):
    raw.xadd("s:dead", {"x": "y"})
    shown = ready(stream)
    shown.press(shown.view.findings._more)
    confirm = shown.view.findings.confirm
    shown.mend("3 entries were delivered up to 7 times")
    until(lambda: not shown.shown(confirm)["hidden"])
    text, yes = confirm.text, confirm.yes
    assert "3 entries were delivered 5 times or more" in shown.text(text)
    shown.press(yes)
    until(lambda: shown.answer == "3 of 3 moved to the dead letters")
    shown.mend("3 dead letters")
    until(lambda: shown.shown(yes)["label"] == "Redrive 3")
    shown.press(yes)
    until(lambda: shown.answer.startswith("3 of 3 sent back"))
    raw.xtrim("s", maxlen=3, approximate=False)
    shown.panel.refresh()
    shown.mend("3 entries were trimmed")
    until(lambda: shown.shown(yes)["label"] == "Acknowledge 3")
    shown.press(yes)
    until(lambda: shown.answer == "3 of 3 acknowledged")
    assert held(raw) == [("4-0", "ann")]


def test_findings_that_are_shown(stream, stuck, raw):
    shown = ready(stream)
    shown.mend("'ann' asks for more")
    until(lambda: shown.column("entry_id") == ["1-0", "2-0", "3-0"])
    chosen = shown.view.filter
    assert (chosen.consumer["value"], chosen.idle["value"]) == ("ann", "5min")
    assert "consumer='ann', min_idle='5min'" in shown.panel.python()
    shown.mend("The group is behind")
    until(lambda: shown.view.details.entry_id == "5-0")
    shown.page.act(chosen.idle, "enter", {chosen.idle: "half an hour"})
    until(lambda: "'half an hour' is not a duration" in shown.shown(chosen.idle)["error"])
    assert shown.column("entry_id")[:1] == ["1-0"]


def test_an_open_entry_tells_who_holds_it_now(stream, stuck):
    shown = ready(stream)
    shown.view.details.show(stream, "1-0")
    seen_by = shown.view.details._groups
    until(lambda: "pending with ann" in seen_by["text"])
    shown.panel.claim(["1-0"], 0)
    until(lambda: f"pending with {shown.panel._acts.consumer}" in seen_by["text"])


def test_events_are_read_once(stream, stuck, raw):
    shown = ready(stream)
    shown.page.act(shown.view.filter.events, "choose", {shown.view.filter.events: "events"})
    until(lambda: shown.column("n") == ["0", "1", "2", "3"])
    before = raw.info("commandstats")["cmdstat_xrange"]["calls"]
    shown.panel._read()
    shown.panel._read()
    # One for the next entry, each time.
    assert raw.info("commandstats")["cmdstat_xrange"]["calls"] - before <= 3
    assert shown.panel.frame()["item"].tolist() == ["tea"] * 4


def test_a_position_is_looked_at_before_it_is_set(stream, stuck, raw):
    shown = ready(stream)
    form = shown.view.position
    shown.press(form.preview)
    text, yes = form.confirm.text, form.confirm.yes
    until(lambda: "would go from 4-0 to 6-0: would skip 2 and repeat 0" in shown.text(text))
    # What is added in between is not skipped.
    raw.xadd("s", {"a": "b"}, id="7-0")
    shown.press(yes)
    until(lambda: "'etl' went from 4-0 to 6-0: skips 2 and repeats 0" in shown.answer)
    assert raw.xinfo_groups("s")[0]["last-delivered-id"] == b"6-0"
    shown.press(form.preview, {form.fields.start: "time", form.fields.time: "noon"})
    until(lambda: "'noon' is neither" in shown.shown(form.fields.time)["error"])
    with pytest.raises(EntryIdError):
        shown.panel.set_position("noon")
    assert shown.panel.set_position("all", dry_run=True)["repeated"].tolist() == [6]


def test_consumers(stream, stuck, raw):
    ConsumerGroup(stream, "etl").create_consumer("idler")
    shown = ready(stream)
    shown.tab("consumers")
    grid, bar = shown.view.consumers, shown.view.consumer_bar
    until(lambda: shown.column("consumer", grid) == ["ann", "idler"])
    until(lambda: shown.column("deliveries", grid) == ["7", None])
    assert shown.shown(bar.remove)["hidden"]
    shown.page.act(grid, "choose", row=0)
    assert "it holds 4 entries, which would be lost" in shown.shown(bar.remove)["disabled"]
    shown.press(bar.show_held)
    until(lambda: shown.view.tabs["value"] == "pending")
    shown.tab("consumers")
    shown.page.act(grid, "choose", row=1)
    shown.press(bar.remove)
    until(lambda: shown.answer == "removed consumer 'idler'")
    until(lambda: shown.column("consumer", grid) == ["ann"])
    with pytest.raises(RedisnbError, match="holds 4 pending entries"):
        shown.panel.remove_consumer("ann")
    assert shown.panel.remove_consumer("idler") is False


def test_a_stream_that_does_not_exist_yet(stream, raw):
    shown = ready(stream)
    assert "There is no stream 's' yet. Create one" in shown.text(shown.view.none)
    assert shown.panel.frame().empty
    form = shown.view.new
    shown.press(shown.view.groups.new)
    assert not shown.shown(form)["hidden"]
    shown.press(form.create)
    until(lambda: shown.shown(form.name)["error"] == "Write a name.")
    shown.press(form.create, {form.name: "etl", form.fields.start: "time", form.fields.time: "x"})
    until(lambda: "'x' is neither" in shown.shown(form.fields.time)["error"])
    assert not raw.exists("s")
    shown.press(form.create, {form.fields.start: "all"})
    until(lambda: shown.answer == "created group 'etl'")
    until(lambda: shown.shown(form)["hidden"])
    assert shown.text(shown.view.head.title) == "etl"
    assert shown.panel.create("etl") is False
    assert shown.answer == "already exists and is unchanged: group 'etl'"


def test_several_streams(conn, raw):
    streams = [Stream(conn, key) for key in ("a", "b")]
    for each in streams:
        ConsumerGroup(each, "etl").create()
    shown = ready(streams)
    assert sorted(shown.names()) == ["etl · a", "etl · b"]
    with pytest.raises(ValueError, match="2 groups are 'etl'"):
        shown.panel.select("etl")
    shown.panel.select("etl", "b")
    assert shown.panel.opened.stream is streams[1]
    assert repr(shown.panel) == "GroupsPanel(['a', 'b'])"
    shown.page.act(shown.view.groups.find, "typed", {shown.view.groups.find: "nothing"})
    assert shown.names() == []


def test_a_group_that_is_destroyed_while_it_is_shown(stream, stuck, raw):
    shown = ready(stream)
    raw.xgroup_destroy("s", "etl")
    shown.panel.refresh()
    assert "it is gone" in shown.text(shown.view.head.about)
    assert "The group is gone" in shown.shown(shown.view.pending)["empty"]
    assert shown.panel.last_error is None
    assert shown.panel.create("etl", "all") is True
    assert "0 pending · 6 still to be delivered" in shown.text(shown.view.head.about)


def test_an_unknown_lag_is_not_nought(stream, stuck, raw):
    raw.xgroup_create("s", "middle", "2-0")
    raw.xdel("s", "4-0")
    shown = ready(stream)
    shown.panel.select("middle")
    assert "lag unknown" in shown.text(shown.view.head.about)
    entries = shown.view.charts.children[0]
    assert dict(shown.shown(entries)["lines"])["lag"][-1] is None
    shown.mend("Lag unknown")
    until(lambda: shown.answer == "counted: 3 still to be delivered")


def test_a_hidden_panel_asks_nothing(stream, stuck, raw):
    shown = ready(stream)
    shown.panel.root.set(hidden=True)
    until(lambda: shown.panel._due < time.monotonic() + 60)

    def asked():
        return raw.info("commandstats")["cmdstat_xpending"]["calls"]

    # What was under way is over; what is due from here on is not done.
    until_quiet(asked, 0.5)
    before = asked()
    shown.panel._due = 0.0
    time.sleep(0.5)
    assert asked() == before
    shown.panel.root.set(hidden=False)
    until(lambda: asked() > before)


def test_never_and_now(stream, stuck, raw):
    shown = ready(stream)
    every = shown.view.head.every
    shown.page.act(every, "choose", {every: "off"})
    until(lambda: shown.state == "paused")
    raw.xack("s", "etl", "1-0")
    shown.press(shown.view.head.refresh)
    until(lambda: shown.column("entry_id") == ["2-0", "3-0", "4-0"])


def test_stop_and_go_on(stream, stuck):
    shown = ready(stream)
    assert threads() == ["redisnb:GroupsPanel('s'), again and again"]
    stop_all()
    until(lambda: threads() == [])
    assert shown.state == "stopped"
    shown.press(shown.view.head.refresh)
    until(lambda: shown.state == "reading")
    shown.panel.close()
    until(lambda: threads() == [])


def test_no_view_for_a_minute_ends_it(stream, stuck, monkeypatch):
    monkeypatch.setattr("redisnb.panels.parts.panel._ALONE_FOR", -1)
    shown = Shown(stream)
    until(lambda: threads() == [])
    assert shown.state == "stopped"


def test_a_server_that_goes_and_comes_back(tcp_server):
    with connect(tcp_server.url) as conn:
        stream = Stream(conn, "s")
        stream.add({"n": 1})
        ConsumerGroup(stream, "etl").create("all")
        shown = ready(stream)
        tcp_server.kill()
        until(lambda: shown.state == "reconnecting")
        assert shown.text(shown.view.trouble)
        tcp_server.start()
        until(lambda: shown.state == "reading")
        assert shown.text(shown.view.trouble) == ""
        shown.panel.close()


def test_a_key_of_another_type(stream, raw):
    raw.set("s", "x")
    shown = Shown(stream)
    until(lambda: shown.state == "failed")
    assert "WRONGTYPE" in shown.text(shown.view.trouble)
    raw.delete("s")
    shown.press(shown.view.trouble.children[0])
    until(lambda: shown.state == "reading")


def test_a_read_only_connection(server, stream, stuck):
    with connect(server.url, read_only=True) as conn:
        shown = ready(Stream(conn, "s"))
        shown.select([0, 4])
        view = shown.view
        for each in (view.settle.claim, view.settle.ack, view.settle.bury, view.groups.new):
            assert shown.shown(each)["disabled"] == "this connection is read-only"
        mends = [each.children[0] for each in view.findings.children[:-1]]
        refused = [shown.shown(each)["disabled"] for each in mends]
        assert refused == ["", "", "this connection is read-only"][: len(refused)]
        shown.press(view.position.preview)
        until(lambda: not shown.shown(view.position.confirm)["hidden"])
        with pytest.raises(RedisnbError):
            shown.panel.ack("1-0")
        shown.panel.close()


def test_names_that_are_no_text(stream, raw):
    raw.xadd("s", {b"\xff": b"\xfe"}, id="1-0")
    raw.xgroup_create("s", b"\xff", "0")
    raw.xreadgroup(b"\xff", b"\xfe", {"s": ">"})
    raw.xgroup_create("s", HOSTILE, "0")
    shown = ready(stream)
    (name,) = [each for each in shown.panel.groups_frame()["group"] if each != HOSTILE]
    shown.panel.select(name)
    assert shown.panel.ack("1-0") == 1
    shown.panel.select(HOSTILE)
    assert shown.text(shown.view.head.title) == HOSTILE


def test_what_is_shown_is_taken_out(server, stream, stuck, has_schema):
    from redisnb import frames

    shown = ready(stream)
    schemas = {
        "pending": frames.PENDING,
        "consumers": frames.CONSUMERS,
        "letters": frames.DEAD_LETTERS,
        "position": frames.GROUPS,
    }
    for tab, schema in schemas.items():
        shown.tab(tab)
        shown.panel.refresh()
        assert has_schema(shown.panel.frame(), schema)
        names = {}
        exec(shown.panel.python().replace(f"{stream.conn.url!r}", f"{server.url!r}"), names)
        made = names["groups" if tab == "position" else "frame"]
        assert made.drop(columns="idle", errors="ignore").columns.tolist()
        assert len(made) == len(shown.panel.frame())
        names["conn"].close()
    shown.tab("pending")
    shown.view.pending.arrange(text="3-0")
    until(lambda: shown.panel.frame()["entry_id"].tolist() == ["3-0"])
    assert "isin(['3-0'])" in shown.panel.python()


def test_a_method_does_what_its_button_does(stream, stuck, raw):
    shown = ready(stream)
    panel, own = shown.panel, shown.view.settle.consumer["value"]
    assert "warning" in panel.findings()["severity"].tolist()
    assert panel.claim(["1-0", "4-0"], "1min") == 1
    assert dict(held(raw)) == {"1-0": own, "2-0": "ann", "3-0": "ann", "4-0": "ann"}
    assert panel.release(["1-0", "2-0"]) == 1
    assert f"1 left alone: {own!r} does not hold them" in shown.answer
    assert panel.bury(["2-0", "4-0"], "1min") == 1
    assert [id for id, _ in held(raw)] == ["1-0", "3-0", "4-0"]
    letter = raw.xrange("s:dead")[0][0].decode()
    assert panel.redrive([letter]) == 1
    assert [id for id, _ in held(raw)] == ["1-0", "2-0", "3-0", "4-0"]
    assert f"# Done last: group.redrive(['{letter}'])" in panel.python()


def test_without_a_group_there_is_nothing_to_act_on(conn):
    panel = groups(conn)
    panel.refresh()
    assert panel.findings().empty
    assert "rnb.groups(conn)" in panel.python()
    with pytest.raises(ValueError, match=r"no group is open; select\(\) opens one"):
        panel.claim(["1-0"], 0)


def test_a_single_dead_letter_goes_back_without_a_question(stream, stuck, raw):
    stuck.bury(["1-0", "2-0"], min_idle=0)
    shown = ready(stream)
    shown.tab("letters")
    letters, bar = shown.view.letters, shown.view.letters_bar
    until(lambda: shown.column("origin_id", letters) == ["1-0", "2-0"])
    shown.page.act(letters, "choose", row=1)
    until(lambda: shown.column("entry_id", letters)[1] == shown.view.details.entry_id)
    assert shown.shown(bar.redrive)["label"] == "Redrive 1"
    # Closing the entry is no longer choosing it.
    shown.view.details._close_by_user()
    assert shown.shown(letters)["chosen"] is None
    assert shown.shown(bar.redrive)["label"] == "Redrive all 2"
    shown.page.act(letters, "choose", row=1)
    shown.press(bar.redrive)
    until(lambda: shown.answer.startswith("1 of 1 sent back"))
    assert [id for id, _ in held(raw)] == ["2-0", "3-0", "4-0"]


def test_a_row_that_is_gone_opens_nothing(stream, stuck):
    shown = ready(stream)
    shown.page.act(shown.view.pending, "choose", row=9)
    assert shown.view.details.entry_id is None
    assert shown.shown(shown.view.settle._buttons)["hidden"]


def test_what_many_consumers_hold_is_claimed_at_once(stream, raw, monkeypatch):
    monkeypatch.setattr("redisnb.stream.groups.why.STUCK_AFTER", 0)
    for n in range(5):
        raw.xadd("s", {"n": n}, id=f"{n + 1}-0")
    raw.xgroup_create("s", "etl", "0")
    for n in range(5):
        raw.xreadgroup("etl", f"c{n}", {"s": ">"}, count=1)
    shown = ready(stream)
    own = shown.view.settle.consumer["value"]
    shown.press(shown.view.findings._more)
    shown.mend("Each of 2 others holds 2")
    until(lambda: shown.answer == f"5 claimed for {own!r}")
    assert {who for _, who in held(raw)} == {own}
    assert "group.autoclaim(min_idle=" in shown.panel.python()


def test_what_is_done_with_is_removed(stream, raw, monkeypatch, knows_lag):
    if not knows_lag:
        pytest.skip("this server does not count what was acknowledged")
    monkeypatch.setattr("redisnb.stream.groups.why.PILE", 1_000)
    monkeypatch.setattr("redisnb.stream.groups.why.GONE_AFTER", 0)
    monkeypatch.setattr("redisnb.panels.consumer_groups.acting._GONE_AFTER", "0ms")
    with raw.pipeline() as pipe:
        for n in range(1_003):
            pipe.xadd("s", {"n": n}, id=f"{n + 1}-0")
        pipe.execute()
    raw.xgroup_create("s", "etl", "0")
    raw.xreadgroup("etl", "busy", {"s": ">"}, count=1)
    raw.xreadgroup("etl", "old", {"s": ">"}, noack=True)
    raw.xgroup_createconsumer("s", "etl", "older")
    time.sleep(0.002)
    shown = ready(stream)
    confirm = shown.view.findings.confirm
    shown.press(shown.view.findings._more)
    shown.mend("1,002 entries were acknowledged by every group")
    until(lambda: not shown.shown(confirm)["hidden"])
    assert raw.xlen("s") == 1_003
    assert "cannot be taken back" in shown.text(confirm.text)
    asked = shown.shown(confirm.yes)["label"]
    shown.press(confirm.yes)
    until(lambda: "entries deleted" in shown.answer)
    n = 1_003 - raw.xlen("s")
    assert (asked, shown.answer) == (f"Delete {n}", f"{n} entries deleted")
    shown.mend("2 of 3 consumers are gone")
    until(lambda: shown.answer == "2 of 2 consumers removed")
    assert [each["name"] for each in raw.xinfo_consumers("s", "etl")] == [b"busy"]


def test_what_was_to_be_shown_next_may_be_gone(stream, stuck, raw, monkeypatch):
    monkeypatch.setattr("redisnb.stream.groups.why.STUCK_AFTER", 0)
    shown = ready(stream)
    shown.press(shown.view.findings._more)
    until(lambda: any(each.startswith("Entries wait") for each in shown.findings))
    raw.xdel("s", "5-0", "6-0")
    shown.mend("Entries wait")
    until(lambda: shown.panel.doing == "")
    assert shown.view.details.entry_id is None
    assert shown.panel.last_error is None


def test_an_act_that_fails_is_shown_and_can_be_done_again(stream, stuck, raw):
    raw.xgroup_createconsumer("s", "etl", "idler")
    shown = ready(stream)
    grid, every = shown.view.consumers, shown.view.head.every
    shown.tab("consumers")
    until(lambda: shown.column("consumer", grid) == ["ann", "idler"])
    shown.page.act(every, "choose", {every: "off"})
    until(lambda: shown.state == "paused")
    shown.page.act(grid, "choose", row=1)
    # Not idle any more, which the panel does not know yet.
    raw.xreadgroup("etl", "idler", {"s": ">"}, count=1)
    shown.press(shown.view.consumer_bar.remove)
    until(lambda: "holds 1 pending entr" in shown.text(shown.view.trouble))
    assert len(raw.xinfo_consumers("s", "etl")) == 2
    raw.xack("s", "etl", "5-0")
    shown.press(shown.view.trouble.children[0])
    until(lambda: shown.answer == "removed consumer 'idler'")
    assert shown.text(shown.view.trouble) == ""


def test_what_was_done_is_told_even_if_nothing_can_be_read_after_it(stream, stuck, raw):
    shown = ready(stream)
    panel, refused = shown.panel, []

    def refuse(*_):
        refused.append(1)
        raise RedisnbError("no more reading")

    panel._seen.read = refuse
    assert panel.ack(["1-0"]) == 1
    assert shown.answer == "1 of 1 acknowledged"
    assert shown.text(shown.view.trouble) == "no more reading"
    # Dismissed, it does not come back with every look.
    shown.press(shown.view.trouble.children[1])
    before = len(refused)
    panel._due = 0.0
    until(lambda: len(refused) > before)
    assert shown.text(shown.view.trouble) == ""
    del panel._seen.read

    def reads():
        panel._due = 0.0
        return shown.state == "reading"

    until(reads)


def test_a_group_is_opened_from_the_list(conn, stuck, raw):
    raw.xgroup_create("s", "audit", "0")
    shown = ready(conn)
    items = {each["name"]: each for each in shown.view.groups.list.children if "name" in each.props}
    shown.page.act(shown.view.groups.list, "choose", item=items["audit · s"].id)
    until(lambda: shown.text(shown.view.head.title) == "audit")
    assert shown.panel.opened.name == "audit"
    until(lambda: "Nothing is pending" in shown.shown(shown.view.pending)["empty"])


@pytest.fixture
def during_a_look(monkeypatch):
    """What happens once, just as a group is looked at."""
    from redisnb.panels.consumer_groups.seeing import looking

    acts, look = [], looking.look_at_group

    def interrupted(*given):
        if acts:
            acts.pop()()
        return look(*given)

    monkeypatch.setattr(looking, "look_at_group", interrupted)
    return acts


def test_what_happens_while_a_group_is_read(stream, stuck, raw, during_a_look):
    raw.xgroup_create("s", "audit", "0")
    shown = ready(stream)
    panel, pending = shown.panel, shown.view.pending
    panel.select("etl")
    # Another one is opened: what was read of the first is not shown as that one's.
    other = next(each.name for each in panel._seen.ranks if each.name.group == "audit")
    during_a_look.append(lambda: panel._open_group(other))
    panel.refresh()
    assert shown.column("entry_id") == []
    until(lambda: "Nothing is pending" in shown.shown(pending)["empty"])
    assert shown.text(shown.view.head.title) == "audit"
    # It is to be read again, which this look may have come too early for.
    every, again = shown.view.head.every, []
    shown.page.act(every, "choose", {every: "off"})
    until(lambda: shown.state == "paused")

    def once_more():
        panel._soon()
        during_a_look.append(lambda: again.append(1))

    during_a_look.append(once_more)
    panel.refresh()
    until(lambda: again)
    # It is destroyed.
    panel.select("etl")
    during_a_look.append(lambda: raw.xgroup_destroy("s", "etl"))
    panel.refresh()
    assert "it is gone" in shown.text(shown.view.head.about)
    assert (panel.last_error, shown.text(shown.view.trouble)) == (None, "")


def test_until_a_group_is_read_its_tabs_are_empty(stream, stuck, raw, has_schema):
    from redisnb import frames

    raw.xgroup_create("s", "audit", "0")
    shown = ready(stream)
    panel = shown.panel
    names = {each.name.group: each.name for each in panel._seen.ranks}
    tabs = {
        "pending": (frames.PENDING, shown.view.pending),
        "consumers": (frames.CONSUMERS, shown.view.consumers),
        "letters": (frames.DEAD_LETTERS, shown.view.letters),
    }
    for tab, (schema, grid) in tabs.items():
        panel.show(tab)
        panel.select("etl")
        assert len(panel.frame()) == {"pending": 4, "consumers": 1, "letters": 0}[tab]
        # As long as another look is under way.
        with panel._reading:
            panel._open_group(names["audit"])
            assert has_schema(panel.frame(), schema)
            assert (len(panel.frame()), shown.shown(grid)["total"]) == (0, 0)


def test_of_several_streams_only_that_of_the_open_group_is_read_often(conn, stuck, raw):
    raw.xadd("t", {"a": "b"})
    raw.xgroup_create("t", "other", "$")
    shown = ready(conn)
    assert sorted(shown.names()) == ["etl · s", "other · t"]
    raw.xgroup_create("t", "later", "$")
    raw.xgroup_create("s", "new", "$")
    shown.panel._read()
    assert sorted(shown.names()) == ["etl · s", "new · s", "other · t"]
    shown.press(shown.view.head.refresh)
    until(lambda: sorted(shown.names()) == ["etl · s", "later · t", "new · s", "other · t"])


def test_more_is_pending_than_is_listed(stream, stuck, monkeypatch):
    for module in ("seeing.reading", "wording"):
        monkeypatch.setattr(f"redisnb.panels.consumer_groups.{module}.ENTRIES_LISTED", 2)
    shown = ready(stream)
    assert shown.column("entry_id") == ["1-0", "2-0"]
    assert shown.text(shown.view.caption).endswith(", the oldest 2 of 4")
    shown.page.act(shown.view.filter.idle, "enter", {shown.view.filter.idle: "1s"})
    until(lambda: shown.text(shown.view.caption).endswith(", the oldest 2 of more"))


def test_what_is_no_source():
    with pytest.raises(TypeError, match="a Stream, several of them, or a Connection, not str"):
        GroupsPanel("s")
    with pytest.raises(TypeError, match="not int"):
        GroupsPanel(5)
    with pytest.raises(ValueError, match="there is no stream"):
        GroupsPanel([])


def test_streams_of_several_connections_are_no_source(server, stream):
    with connect(server.url) as other, pytest.raises(ValueError, match="make a panel for each"):
        GroupsPanel([stream, Stream(other, "s")])


def test_buttons_are_back_once_all_is_done(stream, stuck, meanwhile):
    shown = ready(stream)
    panel = shown.panel
    panel.stop()
    # They are drawn while something is done, and at that moment it is done.
    panel._jobs.append(print)

    def done():
        panel._jobs.clear()
        panel._show()

    meanwhile(shown.view.settle, "show", done)
    panel._show_buttons()
    meanwhile.wait()
    assert shown.shown(shown.view.new.create)["disabled"] == ""
