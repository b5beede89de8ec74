"""What objects show of themselves: a line and a card, whatever their names and their server."""

import os
import signal
import time
from contextlib import contextmanager
from xml.etree import ElementTree

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import ResponseError

import redisnb as rnb
from redisnb import cards, wire
from redisnb.errors import RedisnbWarning
from tests.deadlines import deadline

pytestmark = pytest.mark.slow

LONGEST = deadline(1.5)
HOSTILE = "<img src=x onerror=alert(1)>\u202e$x$"
HUGE = "k" * 1_000_000


def parsed(thing):
    """Return the card of an object, which is also XML, with no element but its own."""
    root = ElementTree.fromstring(thing._repr_html_())
    assert {each.tag for each in root.iter()} <= {"div", "span", "dl", "dt", "dd"}
    attributes = {name for each in root.iter() for name in each.attrib}
    assert attributes <= {"class", "role", "aria-label", "style", "title"}
    return root


def shown(thing):
    """Return the figures of a card by label, its state, and the sentence below."""
    head, *below = parsed(thing)
    pairs = {each[0].text: each[1].text for part in below if part.tag == "dl" for each in part}
    state = head[1][0].tail if len(head) > 1 else ""
    note = "".join(part.text for part in below if part.tag == "div")
    return pairs, state, note


def everything(conn, key="orders"):
    """Return one of each object that a connection is part of and that asks for its card."""
    stream = rnb.Stream(conn, key)
    group = rnb.ConsumerGroup(stream, "check-in", consumer="ann")
    return conn, stream, group, rnb.Cache(conn, prefix="user:"), rnb.Cache(conn)


@pytest.fixture
def orders(conn, raw):
    for n in range(1, 1205):
        raw.xadd("orders", {"payload": f'{{"n":{n}}}'}, id=f"1700000000{n:03}-{n}")
    raw.xgroup_create("orders", "check-in", "0")
    raw.xreadgroup("check-in", "ann", {"orders": ">"}, count=4)
    return rnb.Stream(conn, "orders")


# -- what is true of any text


@given(st.text(), st.text(max_size=2_000), st.text(min_size=1, max_size=900), st.text())
def test_any_text_is_text(name, state, value, note):
    card = cards.card("Stream", name, state, [("label", value)], place=note, note=note)
    root = ElementTree.fromstring(card)
    plain = ElementTree.fromstring(cards.card("Stream", "n", "s", [("label", "v")]))
    tags = [each.tag for each in root.iter() if each.tag not in ("div", "span")]
    assert tags == [each.tag for each in plain.iter() if each.tag not in ("div", "span")]

    def written(text, length):
        whole = "".join(
            c if c.isprintable() else repr(c)[1:-1] for c in cards.cut_name(text, length)
        )
        assert whole.isprintable()
        return whole

    texts = {text for each in root.iter() for text in (each.text, each.tail) if text}
    for text, length in ((name, cards.NAME_SHOWN), (value, 500), (note, 500)):
        assert not text or written(text, length) in texts
    assert ElementTree.fromstring(card).get("aria-label").startswith("Stream ")


@given(st.text())
def test_any_name_is_on_one_line(name):
    assert cards.quoted(name).isprintable()
    assert len(cards.cut_name(name)) <= cards.NAME_SHOWN
    assert cards.quoted(name) == repr(name) or len(name) > cards.NAME_SHOWN
    assert cards.first_line("KeyError", name).isprintable()


def test_long_names_lack_their_middle():
    assert cards.cut_name("a" * 40 + "b" * 40) == f"{'a' * 39}…{'b' * 20}"
    assert cards.name_list(["a", "b"]) == "['a', 'b']"
    assert cards.name_list("abcde") == "['a', 'b', 'c', … 2 more]"
    title = ElementTree.fromstring(cards.card("Stream", "a" * 61, "", []))[0][0][1].get("title")
    assert title == "a" * 61
    assert "title" not in cards.card("Stream", HUGE, "", [])


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1000, "1,000 B"),
        (1023.9, "1.0 KB"),
        (2048, "2.0 KB"),
        (100 * 2**20, "100 MB"),
        (2**31, "2.0 GB"),
        (2**50, "1,024 TB"),
    ],
)
def test_sizes_have_units(size, text):
    assert cards.amount(size) == text


def test_rates_and_times():
    assert [cards.per_second(rate) for rate in (0, 0.25, 9, 1204.4)] == [
        *("0/s", "0.25/s", "9/s", "1,204/s")
    ]
    assert cards.moment(1_700_000_000_000) == "2023-11-14 22:13:20 UTC"
    assert cards.moment(2**63) == cards.span(2**70) == cards.span(None) == ""
    assert cards.span(180_000) == "3 min"


def test_an_error_that_cannot_be_shown():
    class OddError(Exception):
        def __str__(self):
            raise ValueError

    assert cards.error_line(OddError()).endswith(
        "OddError: (its text cannot be had: __str__ raises)"
    )
    assert cards.error_line(KeyError()) == "KeyError"
    assert len(cards.error_line(ValueError("x" * 100_000))) == cards.ERROR_LENGTH


# -- lines


def test_lines(conn, server):
    stream = rnb.Stream(conn, HUGE)
    group = rnb.ConsumerGroup(stream, HOSTILE, consumer=HUGE)
    many = [rnb.Stream(conn, f"s{i}") for i in range(500)]
    lines = [
        *map(repr, (conn, stream, group, rnb.Cache(conn, prefix=HUGE), server)),
        *map(repr, (rnb.Consumer(group, print), rnb.Consumer(many, print))),
        repr(rnb.Replay(many, {each.key: stream for each in many}, speed=2)),
        repr(rnb.Replay(stream, conn, rate=1204)),
    ]
    assert all(line.isprintable() and len(line) < 300 for line in lines), lines
    assert repr(rnb.Consumer(many, print)) == (
        "Consumer(['s0', 's1', 's2', … 497 more], start='new', stopped)"
    )
    assert "Consumer('<img src=x onerror=alert(1)>\\u202e$x$' as 'kkk" in lines[5]
    assert repr(rnb.Cache(conn, ttl=90)).endswith(", prefix='', ttl='1 min 30 s')")


def test_an_entry_shows_its_first_fields(conn, raw):
    raw.xadd("s", {"payload": '{"n": 1}'}, id="1-0")
    raw.xadd("s", {"a": b"\xff", "b": HUGE, "c": "", "d": "", "e": ""}, id="2-0")
    stream = rnb.Stream(conn, "s")
    assert repr(stream.entry("1-0")) == "Entry('1-0' of 's', payload='{\"n\": 1}')"
    line = repr(stream.entry("2-0"))
    assert line.startswith("Entry('2-0' of 's', a='�xff', b='kkkk")
    assert line.endswith("k…', c='', … 2 more)")
    assert len(line) < 200


def test_what_follows_says_what_it_follows(conn, raw):
    for key in "ab":
        raw.xadd(key, {"n": 1})
    one, other = (rnb.Stream(conn, key) for key in "ab")
    assert "<generator object Stream.follow of 'a' at " in repr(one.follow())
    assert "<async_generator object Stream.afollow of ['a', 'b']" in repr(one.afollow(also=[other]))


# -- cards of what the server has


def test_the_figures(conn, orders):
    pairs, state, note = shown(conn)
    assert (state, note, pairs["keys"], pairs["database"]) == ("connected", "", "1", "0")
    assert pairs["version"].startswith(("Redis ", "Valkey "))
    pairs, state, _ = shown(orders)
    assert (pairs["entries"], pairs["groups"], pairs["pending"]) == ("1,204", "1", "4")
    assert pairs["first"] == "2023-11-14 22:13:20 UTC"
    assert pairs["largest lag"] in ("1,200 ('check-in')", "unknown for 1")
    _, stream, group, cache, everywhere = everything(conn)
    assert shown(stream)[0]["size"].endswith("B")
    pairs, state, _ = shown(group)
    assert (pairs["pending"], pairs["consumers"], state) == ("4", "1", "entries pending")
    assert pairs["this consumer, 'ann'"].startswith("4 pending, idle ")
    assert pairs["lag"].startswith(("1,200", "unknown: the server does not count"))
    assert shown(cache)[0]["keys"] == "0"
    assert shown(everywhere)[0]["keys"] == "1"


def test_a_group_in_each_state(conn, raw, orders, monkeypatch):
    from redisnb.stream.groups import card

    _, _, group, *_ = everything(conn)
    assert shown(group)[1:] == ("entries pending", "")
    monkeypatch.setattr(card, "STUCK_AFTER", 0)
    assert shown(group)[1:] == (
        *("stuck", "group.why() finds what holds it up, and the call that mends it"),
    )
    group.ack(group.pending())
    assert shown(group)[1] in ("behind", "")  # before Redis 7 the lag is unknown
    group.set_position("new")
    assert shown(group)[1] == "all acknowledged"


def test_what_is_missing_or_of_another_type(conn, raw):
    _, stream, group, *_ = everything(conn, HOSTILE)
    assert shown(stream)[1:] == shown(group)[1:] == ("no such stream yet", "")
    raw.xadd(HOSTILE, {"a": 1})
    assert shown(stream)[0]["entries"] == "1"
    assert shown(group)[1:] == ("no such group yet", "")
    raw.xtrim(HOSTILE, 0)
    assert shown(stream)[1:] == ("empty", "")
    raw.delete(HOSTILE)
    raw.set(HOSTILE, "text")
    assert shown(stream)[1:] == shown(group)[1:] == ("not a stream", "")


def test_keys_are_counted_as_far_as_that_is_quick(conn, raw, monkeypatch):
    from redisnb.keyspace import card
    from redisnb.wire import walking

    raw.mset({f"user:{i}": "" for i in range(300)} | {f"other:{i}": "" for i in range(300)})
    cache = rnb.Cache(conn, prefix="user:", ttl="1h")
    assert shown(cache)[0] == {"keys": "300", "values live for": "1 h"}
    monkeypatch.setattr(card, "COUNTED", 20)
    assert shown(cache)[0]["keys"] == "20 or more"
    monkeypatch.setattr(walking, "SCAN_COUNT", 10)
    monkeypatch.setattr(card, "COUNTING", 0)
    assert shown(cache)[0]["keys"].endswith(" or more")


@contextmanager
def user(server, raw, *rules):
    raw.execute_command("ACL", "SETUSER", "some", "reset", "on", ">pw", *rules)
    with rnb.connect(server.url, username="some", password="pw") as conn:
        yield conn
    raw.acl_deluser("some")


@pytest.mark.parametrize("rules", ["~* +client", "~other +@all", "~* +@all -xinfo -memory -info"])
def test_what_this_user_may_not_see(server, raw, orders, rules):
    with user(server, raw, *rules.split()) as conn:
        about_conn, about_stream, about_group, about_cache, _ = map(shown, everything(conn))
    # No error, no zero that is none.
    assert {note for _, _, note in (about_conn, about_stream, about_group, about_cache)} == {""}
    if rules == "~other +@all":
        assert about_conn[0]["keys"] == "1"
        assert about_stream[0]["entries"] == about_group[0]["pending"] == "not allowed"
    elif rules == "~* +client":
        assert about_conn[0]["keys"] == about_conn[0]["version"] == "not allowed"
        assert about_cache[0]["keys"] == about_stream[0]["entries"] == "not allowed"
    else:
        assert about_conn[0]["version"] == about_stream[0]["groups"] == "not allowed"
        assert about_stream[0]["entries"] == "1,204"
        assert about_stream[0]["size"] == about_stream[0]["largest lag"] == "not allowed"
        assert about_group[0]["pending"] == "4"
        assert about_group[0]["lag"] == about_group[0]["consumers"] == "not allowed"


def test_a_password_that_was_changed(server, raw, orders):
    with user(server, raw, "~*", "+@all") as conn:
        raw.execute_command("ACL", "SETUSER", "some", "resetpass", ">other")
        for thing in everything(conn):
            _, state, note = shown(thing)
            assert state == "unavailable"
            assert "it refused the user name or password" in note
            assert "pw" not in thing._repr_html_()


@pytest.mark.parametrize("text", ["LOADING Redis is loading", "MOVED 1 host:1", "NOAUTH wanted"])
def test_a_server_that_serves_nothing(conn, text, monkeypatch):
    with pytest.raises(ResponseError):
        wire.served([b"OK", ResponseError(text)])
    monkeypatch.setattr(wire, "ask_many", lambda *_: [ResponseError(text)] * 9)
    assert shown(rnb.Stream(conn, "s"))[1:] == ("unavailable", text)


# -- what drawing them does not do


def test_it_reads_and_leaves_nothing_behind(server, raw, orders):
    with rnb.connect(server.url, read_only=True) as conn:
        before = raw.dbsize(), raw.client_list(), raw.xinfo_stream("orders", full=True)
        for thing in everything(conn):
            assert shown(thing)[2] == ""
        clients = {each["id"] for each in raw.client_list()}
        assert clients == {each["id"] for each in before[1]}
        assert raw.dbsize() == before[0]
        assert raw.xinfo_stream("orders", full=True).keys() == before[2].keys()


def test_nothing_is_sent_for_what_is_closed(server, raw, orders):
    conn = rnb.connect(server.url)
    things = everything(conn)
    consumer, replay = rnb.Consumer(things[1], print), rnb.Replay(things[1], rnb.Stream(conn, "to"))
    conn.close()
    before = raw.info("stats")["total_connections_received"]
    for thing in (*things, consumer, replay):
        state = shown(thing)[1]
        assert state == ("stopped" if thing in (consumer, replay) else "closed")
        assert state in repr(thing)
    assert conn.closed
    assert raw.info("stats")["total_connections_received"] == before
    # The next command opens it again.
    len(things[1])
    assert shown(things[1])[1] != "closed"
    assert "closed" not in repr(conn)
    conn.close()


def test_the_server_is_killed_and_then_hangs(tcp_server):
    with rnb.connect(tcp_server.url) as conn:
        things = everything(conn)
        os.kill(tcp_server.process.pid, signal.SIGSTOP)
        try:
            for thing in things:
                began = time.monotonic()
                assert shown(thing)[1:] == ("unavailable", "the server does not answer")
                assert time.monotonic() - began < LONGEST
        finally:
            os.kill(tcp_server.process.pid, signal.SIGCONT)
        tcp_server.kill()
        for thing in things:
            began = time.monotonic()
            _, state, note = shown(thing)
            assert (state, "refused" in note.lower()) == ("unavailable", True)
            assert tcp_server.password not in note
            assert time.monotonic() - began < LONGEST
        assert not conn.closed


@pytest.mark.parametrize("lines", [0, 1, 5, 40])
@pytest.mark.parametrize("hang", [False, True])
def test_the_server_dies_in_the_midst_of_an_answer(server, proxy, orders, lines, hang):
    with rnb.connect(proxy.url) as conn:
        for thing in everything(conn)[:3]:
            proxy.lines, proxy.hang = lines, hang
            began = time.monotonic()
            shown(thing)
            assert time.monotonic() - began < LONGEST


# -- what has figures of its own


def odd(entry):
    if entry.event["n"] > 1201:
        raise KeyError(entry.event["n"])


def test_a_consumer_from_start_to_stop(conn, raw, orders, wait_until):
    raw.xgroup_setid("orders", "check-in", "0")
    group = rnb.ConsumerGroup(orders, "check-in", consumer="bob")
    consumer = rnb.Consumer(group, odd)
    assert repr(consumer) == "Consumer('check-in' as 'bob', stopped)"
    assert shown(consumer) == ({"handled": "0", "failed": "0"}, "stopped", "")
    match = r"^Consumer\('check-in' as 'bob'\): the handler raised"
    with pytest.warns(RedisnbWarning, match=match):
        run_until_its_group_goes(consumer, wait_until)
    assert repr(consumer).startswith("Consumer('check-in' as 'bob', failed: GroupMissingError: str")
    assert shown(consumer)[2].startswith("GroupMissingError: stream 'orders' has no consumer group")


def run_until_its_group_goes(consumer, wait_until):
    with consumer:
        wait_until(lambda: consumer.stats["failed"] == 3)
        look_at_one_that_runs(consumer)
        consumer.source.destroy()
        wait_until(lambda: consumer.state == "failed")


def look_at_one_that_runs(consumer):
    assert repr(consumer) == (
        "Consumer('check-in' as 'bob', running, 1,201 handled, 3 failed: KeyError)"
    )
    pairs, state, note = shown(consumer)
    assert (pairs["handled"], pairs["failed"], state, note) == ("1,201", "3", "running", "")
    assert pairs["last failure"] == "KeyError: 1204"


def test_a_consumer_whose_server_goes(tcp_server, wait_until):
    with rnb.connect(tcp_server.url) as conn:
        consumer = rnb.Consumer(rnb.Stream(conn, "s"), print, start="all")
        consumer.start()
        tcp_server.kill()
        wait_until(lambda: consumer.state == "stalled")
        assert repr(consumer).startswith("Consumer('s', start='all', stalled: ConnectionError: ")
        assert shown(consumer)[1] == "stalled"
        consumer.stop()
        assert repr(consumer) == "Consumer('s', start='all', stopped)"


def test_a_replay_from_start_to_end(conn, wait_until):
    frame = pd.DataFrame({"n": range(20_000)})
    replay = rnb.Replay(frame, rnb.Stream(conn, "test"), rate=500)
    assert repr(replay) == "Replay(a frame to 'test', stopped, 500/s)"
    replay.pause()
    replay.start()
    replay.step(3)
    wait_until(lambda: replay.progress.done == 3)
    assert repr(replay) == "Replay(a frame to 'test', paused, 3 of 20,000, 500/s)"
    assert repr(replay.progress) == "Progress(3 of 20,000, 0%, 40.0 s left)"
    pairs, state, note = shown(replay)
    assert (pairs["done"], pairs["pace"], pairs["time left"]) == ("3 of 20,000", "500/s", "40.0 s")
    assert (state, note) == ("paused", "")
    replay.stop()
    assert shown(replay)[1:] == ("stopped", "3 entries are done; start='(0-2' continues after them")
    replay.set_pace(speed=float("inf"))
    report = replay.run()
    assert repr(replay) == "Replay(a frame to 'test', finished, 20,000 of 20,000)"
    assert shown(replay)[1:] == ("finished", "")
    pairs, state, note = shown(report)
    assert (pairs["added"], state, note) == ("20,000", "finished", "")


def test_a_replay_that_fails(conn, raw):
    raw.xadd("test", {"a": 1}, id="9999999999999-0")
    frame = pd.DataFrame({"n": [1]}, index=pd.to_datetime(["2024-05-01"], utc=True))
    frame.index.name = "entry_time"
    replay = rnb.Replay(frame, rnb.Stream(conn, "test"), speed=10, ids="keep")
    with pytest.raises(rnb.ReplayError):
        replay.run()
    assert repr(replay).startswith("Replay(a frame to 'test', failed: ReplayError: ")
    assert shown(replay)[1] == "failed"
    assert shown(replay)[2].startswith("ReplayError: ")
