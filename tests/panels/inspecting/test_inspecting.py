"""ServerPanel without a browser: figures, tables, findings, and when it asks."""

import json

import pandas as pd
import pytest

from redisnb import RedisnbError, Server, Stream, connect, frames
from redisnb.panels import server as server_panel
from redisnb.panels.inspecting.figures import ServerFacts, ServerHistory
from redisnb.panels.inspecting.view import FindingList
from tests.deadlines import until
from tests.panels.conftest import threads
from tests.panels.parts.acting import Page


@pytest.fixture
def shown(conn, raw):
    for i in range(50):
        raw.set(f"user:{i}", "x" * 100)
    panel = server_panel(conn)
    Page(panel)
    until(lambda: panel._view.state["text"] == "watching", what=lambda: panel.trouble["text"])
    yield panel
    panel.close()


def texts(part):
    own = [part.props[name] for name in ("subject", "text", "label") if part.props.get(name)]
    return "\n".join([*own, *map(texts, part.children)])


def turn(panel, view):
    panel._view.views.set(value=view)
    panel.show(view)


@pytest.mark.slow
def test_what_the_server_is_and_does(shown):
    view = shown._view
    assert "up " in view.about["text"]
    assert "primary" in view.about["text"]
    until(lambda: "commands/s" in texts(view.figures))
    for name in ("memory", "at its peak", "clients"):
        assert name in texts(view.figures)
    until(lambda: len(view.commands["times"]) > 1)
    assert view.memory["lines"][0][1][-1] > 0
    assert len(json.dumps(shown.channel.state())) < 100_000


def test_what_is_wrong_stands_there_with_what_mends_it(shown):
    findings = shown._view.findings
    until(lambda: shown._view.caption["text"].startswith("examined at "))
    frame = shown.frame()
    assert frame["severity"].isin(["error", "warning", "note"]).all()
    worst = frame.iloc[0]
    assert worst["finding"] in texts(findings)
    assert shown.python().endswith("frame = rnb.doctor(conn)")
    warned = int((frame["severity"] != "note").sum())
    assert shown._view.views["options"][0][2:] == ([str(warned)] if warned else [])
    page = Page(shown)
    remedies = [each for each in findings.children if len(each.children) == 2]
    page.press(remedies[0].children[1])
    assert page.copied() == [frame[frame["remedy"] != ""]["remedy"].iloc[0]]


@pytest.mark.slow
def test_the_tables(shown, raw, conn):
    # Its hundreds of commands would push the one out of the log.
    until(lambda: not shown._examining.is_busy)
    raw.config_set("slowlog-log-slower-than", 0)
    try:
        raw.get("user:1")
    finally:
        raw.config_set("slowlog-log-slower-than", 10_000)
    turn(shown, "slowlog")
    until(lambda: len(shown.frame()))
    assert set(shown.frame()) == set(frames.SLOWLOG)
    assert "GET user:1" in " ".join(shown.frame()["command"])
    raw.execute_command("SLOWLOG", "RESET")
    turn(shown, "clients")
    until(lambda: len(shown.frame()))
    assert set(shown.frame()) == set(frames.CLIENTS)
    assert shown.python().endswith("frame = rnb.clients(conn)")
    turn(shown, "info")
    until(lambda: len(shown.frame()))
    assert "used_memory" in shown.frame()["name"].tolist()


@pytest.mark.slow
def test_nothing_is_asked_while_it_is_hidden_or_stopped(shown, raw):
    def commands():
        return raw.info("commandstats")["cmdstat_info"]["calls"]

    until(lambda: not shown._examining.is_busy)
    shown.root.set(hidden=True)
    asked = [commands()]
    until(lambda: asked.append(commands()) or asked[-1] - asked[-20:][0] == len(asked[-20:]) - 1)
    # The question itself is one.
    before = commands()
    shown._tick(None)
    assert commands() == before + 1
    shown.root.set(hidden=False)
    before = len(shown._view.commands["times"])
    until(lambda: len(shown._view.commands["times"]) > before)
    page = Page(shown)
    page.press(shown._view.watch)
    until(lambda: shown._view.state["text"] == "stopped")
    assert shown._view.watch["label"] == "Start"
    page.press(shown._view.watch)
    until(lambda: shown._view.state["text"] == "watching")


def test_stopped_it_looks_once_at_what_one_turns_to(shown):
    page = Page(shown)
    page.press(shown._view.watch)
    until(lambda: shown._view.state["text"] == "stopped")
    page.act(shown._view.views, "choose", {shown._view.views: "clients"})
    until(lambda: len(shown.frame()) and set(shown.frame()) == set(frames.CLIENTS))
    assert shown.wait()
    assert shown._view.watch["label"] == "Start"


def test_what_is_refused_is_told(shown, monkeypatch):
    from redisnb.panels.inspecting import panel

    def refuse(_):
        raise RedisnbError("not for you")

    until(lambda: not shown._examining.is_busy)
    page, view = Page(shown), shown._view
    with monkeypatch.context() as refused:
        refused.setattr(panel, "doctor", refuse)
        page.press(view.examine)
        until(lambda: view.caption["text"] == "not examined")
        until(lambda: (view.trouble["text"], view.examine["disabled"]) == ("not for you", ""))
    page.press(view.trouble.children[0])
    until(lambda: view.caption["text"].startswith("examined at "))
    assert view.trouble["text"] == ""
    with monkeypatch.context() as refused:
        refused.setattr(panel, "info", refuse)
        shown.watch()
        until(lambda: view.trouble["text"] == "not for you")
        until(lambda: not shown._repeating.is_busy)


def test_many_findings_and_none():
    found = frames.table(
        frames.FINDINGS, [("note", "s", f"finding {n}", "", "") for n in range(999)]
    )
    listed = FindingList()
    listed.show(found, lambda _: None)
    assert "finding 0" in texts(listed)
    assert "finding 998" not in texts(listed)
    assert texts(listed).endswith(f"999 findings; the first {len(listed.children) - 1} are shown.")
    listed.show(found.head(0), lambda _: None)
    assert texts(listed).strip() == "Nothing was found to be wrong."


def test_it_ends(shown):
    shown.stop()
    until(lambda: threads() == [], what=lambda: str(threads()))


def test_what_this_user_may_not_see_is_said(server, raw):
    raw.flushall()
    raw.execute_command("ACL", "SETUSER", "few", "on", ">pw", "~*", "+@all", "-slowlog", "-client")
    try:
        with connect(server.url, username="few", password="pw") as conn:
            panel = server_panel(conn)
            turn(panel, "slowlog")
            until(lambda: "slowlog" in panel._view.slow_log["empty"].lower())
            until(lambda: panel._view.state["text"] == "watching")
            panel.close()
    finally:
        raw.execute_command("ACL", "DELUSER", "few")


@pytest.mark.slow
def test_a_server_that_goes():
    server = Server()
    with server, connect(server.url) as conn:
        Stream(conn, "s").add({"n": 1})
        panel = server_panel(conn)
        until(lambda: panel._view.state["text"] == "watching")
        server.stop()
        until(lambda: panel._view.state["text"] == "reconnecting")
        panel.close()


def test_facts_in_words():
    facts = ServerFacts(
        {
            "redis_version": "7.2.4",
            "valkey_version": "9.1.2",
            "uptime_in_seconds": "90",
            "role": "master",
            "connected_slaves": "2",
            "used_memory": "1048576",
            "maxmemory": "2097152",
            "connected_clients": "1200",
            "evicted_keys": "0",
            "keyspace_hits": "3",
            "keyspace_misses": "1",
        }
    )
    assert facts.about == "Valkey 9.1.2 · up 1 min 30 s · primary of 2 replicas"
    assert facts.figures() == {
        "memory": "1.0 MB of 2.0 MB",
        "clients": "1,200",
        "of reads hit": "75%",
    }
    assert ServerFacts({}).figures() == {}
    assert ServerFacts({"redis_version": "7.2.4"}).about == "Redis 7.2.4"


def test_the_rate_is_of_the_time_between_two_samples():
    history = ServerHistory()
    start = pd.Timestamp("2026-11-29", tz="UTC")
    for seconds, commands in ((0, "100"), (2, "300"), (3, "5"), (4, "105")):
        at = start + pd.Timedelta(seconds, "s")
        history.add(ServerFacts({"total_commands_processed": commands}), at)
    times, rates, memory = history.lines()
    assert len(times) == 4
    # It was started again.
    assert rates == [None, 100, 0, 100]
    assert memory == [None] * 4
    assert history.rate == 100
