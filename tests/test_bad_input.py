"""Mistakes of users, and the errors they get: one test for each line of the issue."""

import asyncio
import datetime as dt
import time
import traceback

import pandas as pd
import pytest
import redis

import redisnb as rnb
from redisnb import frames
from tests.deadlines import deadline

NAIVE = dt.datetime(2024, 5, 1, 10, 30)  # noqa: DTZ001 - the point


def shown(error: BaseException) -> str:
    """Return what a notebook prints: message, notes and the errors behind it."""
    return "".join(traceback.format_exception(error))


@pytest.fixture
def stream(conn) -> rnb.Stream:
    return rnb.Stream(conn, "orders")


# An unknown scheme


@pytest.mark.parametrize("scheme", ["http", "rediss+unix", "REDIS", "postgres"])
def test_an_unknown_scheme(scheme):
    secret = "hunter" + "2"
    with pytest.raises(rnb.ConnectError) as caught:
        rnb.connect(f"{scheme}://user:{secret}@127.0.0.1/0")
    assert str(caught.value) == (
        f"{scheme}:// is not a Redis address; write redis://host:6379/0, "
        "rediss://host:6379/0 (TLS) "
        "or unix:///path/to/redis.sock"
    )
    assert secret not in shown(caught.value)


def test_no_scheme():
    secret = "hunter" + "2"
    with pytest.raises(
        rnb.ConnectError, match=r"^this URL is not a Redis address; write redis://"
    ) as caught:
        rnb.connect(f"user:{secret}@127.0.0.1:6379")
    assert secret not in shown(caught.value)


# A port that refuses


def test_a_refused_port(closed_port):
    secret = "hunter" + "2"
    start = time.monotonic()
    with pytest.raises(rnb.ConnectError) as caught:
        rnb.connect(f"redis://user:{secret}@127.0.0.1:{closed_port}/3")
    assert time.monotonic() - start < deadline(5)
    assert str(caught.value).startswith(f"cannot use redis://127.0.0.1:{closed_port}/3: ")
    assert "Connection refused" in str(caught.value)
    assert caught.value.url == f"redis://127.0.0.1:{closed_port}/3"
    assert secret not in shown(caught.value)
    assert "user" not in str(caught.value)


# A wrong password


def test_a_wrong_password(tcp_server):
    secret = "hunter" + "3"
    with pytest.raises(rnb.ConnectError) as caught:
        rnb.connect(f"redis://:{secret}@127.0.0.1:{tcp_server.port}/0")
    assert str(caught.value) == (
        f"cannot use redis://127.0.0.1:{tcp_server.port}/0: it refused the user name or password "
        "(invalid username-password pair or user is disabled.)"
    )
    assert secret not in shown(caught.value)


# A key of the wrong type


@pytest.mark.parametrize(
    "read",
    [
        lambda stream: stream.range(),
        lambda stream: stream.range(reverse=True, where={"a": 1}),
        lambda stream: next(stream.frames()),
        lambda stream: stream.head(),
        lambda stream: stream.tail(),
        lambda stream: stream.info(),
        lambda stream: stream.groups(),
        lambda stream: len(stream),
        lambda stream: stream.add({"i": 1}),
        lambda stream: stream.delete("1-0"),
        lambda stream: stream.trim(maxlen=1),
        lambda stream: next(stream.follow("all")),
        lambda stream: rnb.ConsumerGroup(stream, "g").create("all"),
        lambda stream: rnb.Consumer(stream, print).start(),
    ],
)
def test_a_key_of_another_type(stream, raw, read):
    raw.set("orders", "text")
    with pytest.raises(redis.ResponseError) as caught:
        read(stream)
    assert "holding the wrong kind of value" in str(caught.value)
    assert (
        "'orders' holds another type of value; redisnb.keys(conn, 'orders') shows which"
        in shown(caught.value)
    )
    assert raw.get("orders") == b"text"


# A missing stream


def test_a_missing_stream_is_an_empty_frame(stream, raw, has_schema):
    for frame in (stream.range(), stream.head(), stream.tail(), stream.range("-5min", limit=5)):
        assert has_schema(frame, frames.ENTRIES)
        assert frame.empty
    assert has_schema(stream.info(), frames.STREAMS)
    assert has_schema(stream.groups(), frames.GROUPS)
    assert list(stream.frames()) == []
    assert not raw.exists("orders")


# A missing group


@pytest.mark.parametrize("exists", [True, False])
def test_a_missing_group(stream, raw, exists):
    if exists:
        stream.add({"i": 1})
    group = rnb.ConsumerGroup(stream, "billing")
    for call in (
        group.read,
        group.pending,
        group.consumers,
        lambda: group.ack("1-0"),
        lambda: group.claim("1-0", min_idle=0),
        lambda: group.autoclaim(min_idle=0),
        rnb.Consumer(group, print).start,
        lambda: asyncio.run(rnb.Consumer(group, print).arun()),
    ):
        with pytest.raises(rnb.GroupMissingError) as caught:
            call()
        assert str(caught.value) == (
            "stream 'orders' has no consumer group 'billing'; "
            "create() makes it, create('all') from the first entry on"
        )
        assert (caught.value.stream, caught.value.group) == ("orders", "billing")
    assert raw.exists("orders") == exists


# A time without a zone


@pytest.mark.parametrize("time", [NAIVE, pd.Timestamp(NAIVE)])
@pytest.mark.parametrize(
    "use",
    [
        lambda stream, time: stream.range(time),
        lambda stream, time: stream.range(None, time),
        lambda stream, time: next(stream.frames(time)),
        lambda stream, time: stream.follow(time),
        lambda stream, time: stream.afollow(time),
        lambda stream, time: stream.add({}, id=time),
        lambda stream, time: stream.add_many([{}], ids=[time]),
        lambda stream, time: stream.trim(minid=time),
        lambda stream, time: rnb.ConsumerGroup(stream, "g").create(time),
        lambda stream, time: rnb.Consumer(stream, print, start=time).start(),
        lambda stream, time: rnb.Cache(stream.conn).set("k", "v", expire_at=time),
    ],
)
def test_a_naive_datetime(stream, raw, use, time):
    with pytest.raises(rnb.EntryIdError) as caught:
        use(stream, time)
    assert str(caught.value) == (
        "2024-05-01 10:30:00 has no time zone, so it could be any of 24 hours; "
        "give it one, for example .replace(tzinfo=datetime.UTC) or .tz_localize('UTC')"
    )
    assert caught.value.value == time
    assert raw.dbsize() == 0


# A malformed ID


@pytest.mark.parametrize("id", ["soon", "1-", "-1", "1-2-3", "0x10", "", "1.5", " "])
def test_a_malformed_id_where_a_position_goes(stream, raw, id):
    for use in (
        lambda: stream.range(id),
        lambda: stream.range(end=id),
        lambda: stream.follow(id),
        lambda: stream.trim(minid=id),
        lambda: rnb.ConsumerGroup(stream, "g").create(id),
    ):
        with pytest.raises(
            ValueError, match="is neither an entry ID nor a time; write '17"
        ) as caught:
            use()
        assert isinstance(caught.value, rnb.EntryIdError)
        assert repr(id) in str(caught.value) or repr(id.strip()) in str(caught.value)
    assert raw.dbsize() == 0


@pytest.mark.parametrize("id", ["soon", "1-", "-1", "1-2-3", "-5", f"{2**64}-0"])
def test_a_malformed_id(stream, raw, id):
    raw.xadd("orders", {"i": 1}, id="1-0")
    group = rnb.ConsumerGroup(stream, "g")
    group.create("all")
    for use in (
        lambda: stream.delete(id),
        lambda: stream.delete(["1-0", id]),
        lambda: group.ack(id),
        lambda: group.claim(["1-0", id], min_idle=0),
        lambda: group.release(id),
        lambda: stream.entry(id),
        lambda: stream[id],
        lambda: id in stream,
    ):
        with pytest.raises(rnb.EntryIdError) as caught:
            use()
        said = str(caught.value)
        assert f"{id!r} is neither an entry ID nor a time; write '17" in said or said == (
            f"{id!r}: each part of an entry ID is below 2**64"
        )
        assert caught.value.value == id
    assert raw.xlen("orders") == 1


# An event that JSON cannot carry


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({1, 2}, "JSON cannot carry a set"),
        (object(), "JSON cannot carry a object"),
        (b"\xff", "JSON cannot carry a bytes"),
        (float("nan"), "nan is not a JSON number"),
        (float("inf"), "inf is not a JSON number"),
        ("\ud800", "a lone surrogate is not valid text"),
        ({1: 2}, "JSON's member names are text, not int"),
    ],
)
def test_an_event_that_json_cannot_carry(stream, raw, value, reason):
    with pytest.raises(rnb.EncodeError) as caught:
        stream.add({"fine": 1, "order": {"bad": value}})
    assert str(caught.value).startswith(f"'order.bad': {reason}")
    assert (caught.value.column, caught.value.row) == ("order.bad", None)
    with pytest.raises(rnb.EncodeError) as caught:
        stream.add_many([{"bad": 1}] * 1500 + [{"bad": value}])
    assert str(caught.value).startswith(f"row 1500: 'bad': {reason}")
    assert (caught.value.column, caught.value.row) == ("bad", 1500)
    assert raw.dbsize() == 0, "nothing was sent"


def test_a_frame_that_json_cannot_carry(stream, raw):
    frame = pd.DataFrame({"fine": [1, 2, 3], "tags": [None, ["a"], {"b"}]})
    with pytest.raises(rnb.EncodeError) as caught:
        stream.add_many(frame)
    said = "row 2: 'tags': JSON cannot carry a set; list() makes one that it can"
    assert str(caught.value) == said
    assert (caught.value.column, caught.value.row) == ("tags", 2)
    for bad, message in [
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "two columns are named 'a'"),
        (pd.DataFrame([[1, 2]]), r"column 0: a name is text, not int; frame.rename"),
    ]:
        with pytest.raises(rnb.EncodeError, match=message):
            stream.add_many(bad)
    assert raw.dbsize() == 0


@pytest.mark.parametrize("event", ["text", 5, None, [1], [("a", 1)]])
def test_what_is_no_event(stream, raw, event):
    with pytest.raises(rnb.EncodeError, match=r"an event is a mapping such as \{'id': 1\}, not"):
        stream.add(event)
    with pytest.raises(rnb.EncodeError, match="row 1: an event is a mapping"):
        stream.add_many([{}, event])
    assert raw.dbsize() == 0


def test_an_event_that_fields_cannot_carry(conn, raw):
    stream = rnb.Stream(conn, "orders", format="fields")
    with pytest.raises(rnb.EncodeError) as caught:
        stream.add({"a": 1, "b": {"c": 2}})
    assert str(caught.value) == (
        "'b': a field is text or a finite number, not a dict; "
        "Stream(..., format='json') carries nested events"
    )
    assert raw.dbsize() == 0


# A negative limit


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("limit", lambda conn: rnb.Stream(conn, "s").range(limit=-1)),
        ("n", lambda conn: rnb.Stream(conn, "s").head(-1)),
        ("n", lambda conn: rnb.Stream(conn, "s").tail(-1)),
        ("count", lambda conn: next(rnb.Stream(conn, "s").frames(count=-1))),
        ("maxlen", lambda conn: rnb.Stream(conn, "s").trim(maxlen=-1)),
        ("count", lambda conn: rnb.ConsumerGroup(rnb.Stream(conn, "s"), "g").read(-1)),
        ("limit", lambda conn: rnb.ConsumerGroup(rnb.Stream(conn, "s"), "g").pending(limit=-1)),
        (
            "limit",
            lambda conn: rnb.ConsumerGroup(rnb.Stream(conn, "s"), "g").autoclaim(
                min_idle=0, limit=-1
            ),
        ),
        ("limit", lambda conn: rnb.keys(conn, limit=-1)),
    ],
)
def test_a_negative_limit(conn, name, call):
    with pytest.raises(ValueError, match=rf"^{name}=-1; it is a number of rows, at least 0"):
        call(conn)


# A pattern that matches nothing


def test_a_pattern_that_matches_nothing(conn, raw, has_schema):
    raw.set("text", "x")
    raw.xadd("s", {"i": 1})
    cache = rnb.Cache(conn, prefix="p:")
    for frame, schema in [
        (rnb.keys(conn, "nothing:*"), frames.KEYS),
        (rnb.keys(conn, "nothing:*", sizes=True), frames.KEYS | frames.KEY_SIZES),
        (rnb.keys(conn, type="hash"), frames.KEYS),
        (rnb.streams(conn, "text"), frames.STREAMS),
        (rnb.groups(conn, "text"), frames.GROUPS),
        (rnb.tree(conn, "nothing:*"), frames.TREE),
        (cache.keys("*"), frames.KEYS),
    ]:
        assert has_schema(frame, schema)
        assert frame.empty
    assert cache.delete_matching("*") == 0
    assert raw.dbsize() == 2


# Ctrl-C in a follow


def test_ctrl_c_in_a_follow(stream, raw, ctrl_c):
    raw.xadd("orders", {"i": 1}, id="1-0")
    seen = []
    ctrl_c("xread")
    with pytest.raises(KeyboardInterrupt):
        seen.extend(stream.follow("all"))
    assert [entry.id for entry in seen] == ["1-0"]
    raw.xadd("orders", {"i": 2}, id="2-0")
    assert len(stream) == 2
    assert stream.range()["i"].tolist() == [1, 2]
    assert next(stream.follow("2-0")).id == "2-0"


def test_ctrl_c_in_an_asyncio_follow(stream, raw, ctrl_c, wait_until):
    async def follow():
        following = stream.afollow("all")
        assert (await anext(following)).id == "1-0"
        ctrl_c("xread")
        await anext(following)

    raw.xadd("orders", {"i": 1}, id="1-0")
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(follow())
    assert len(stream) == 1
    wait_until(lambda: raw.info("clients")["blocked_clients"] == 0)


# A consumer


def stream_of(event):
    yield event


async def stream_of_async(event):
    yield event


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"on_entry": "print"}, TypeError, "the handler is a function, not 'print'"),
        ({"on_entry": stream_of}, TypeError, "has a yield, so calling it would run nothing"),
        ({"on_entry": stream_of_async}, TypeError, "write a function that returns"),
        ({"on_entry": print, "min_idle": 0}, ValueError, "before their heartbeat comes; give at"),
        ({"on_entry": print, "min_idle": "999ms"}, ValueError, "give at least 1 s"),
        ({"on_entry": print, "min_idle": "soon"}, ValueError, "min_idle='soon' is not a duration"),
        ({"on_entry": print, "count": -1}, ValueError, "count=-1; give a whole number, at least 1"),
        ({"on_entry": print, "retries": -1}, ValueError, "retries=-1; give a whole number"),
        ({"on_entry": print, "max_deliveries": 0}, ValueError, "max_deliveries=0; give a whole"),
        ({"on_entry": print, "concurrency": 0}, ValueError, "concurrency=0; give a whole number"),
        ({"on_entry": print, "concurrency": 2}, ValueError, "only an `async def` handler"),
        ({"on_frame": print, "concurrency": 2}, ValueError, "only an `async def` handler"),
        ({"on_entry": print, "on_missing_group": "wait"}, ValueError, "choose 'fail' or 'recre"),
    ],
)
def test_a_consumer_that_cannot_be(conn, arguments, error, words):
    group = rnb.ConsumerGroup(rnb.Stream(conn, "orders"), "billing")
    with pytest.raises(error) as caught:
        rnb.Consumer(group, **arguments)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("sources", "error", "words"),
    [
        (lambda conn, s, g: [], TypeError, "a list of either, not nothing"),
        (lambda conn, s, g: "orders", TypeError, "a list of either, not str"),
        (lambda conn, s, g: [s, g], TypeError, "not ConsumerGroup, Stream"),
        (lambda conn, s, g: [s, s], ValueError, "listed twice: orders, orders"),
        (lambda conn, s, g: [s, rnb.Stream(conn, "b", format="raw")], ValueError, "one format"),
        (
            lambda conn, s, g: [s, rnb.Stream(conn, "b", schema={"x": "Int64"})],
            ValueError,
            "one schema",
        ),
        (
            lambda conn, s, g: [g, rnb.ConsumerGroup(rnb.Stream(conn, "b"), "other")],
            ValueError,
            "one group name; start one for each",
        ),
        (
            lambda conn, s, g: [
                g,
                rnb.ConsumerGroup(rnb.Stream(conn, "b"), "billing", consumer="another"),
            ],
            ValueError,
            "one consumer name",
        ),
    ],
)
def test_sources_that_do_not_fit(conn, sources, error, words):
    stream = rnb.Stream(conn, "orders")
    with pytest.raises(error) as caught:
        rnb.Consumer(sources(conn, stream, rnb.ConsumerGroup(stream, "billing")), print)
    assert words in str(caught.value)


def test_what_only_a_group_has(stream):
    with pytest.raises(ValueError, match="max_deliveries= is for a group"):
        rnb.Consumer(stream, print, max_deliveries=3)


async def nobody_awaits_this(entry):
    handled.append(entry.id)


handled: list[str] = []


def test_a_coroutine_that_nobody_awaited_is_awaited(stream):
    handled.clear()
    entry_id = stream.add({"i": 1})
    consumer = rnb.Consumer(
        stream, lambda entry: nobody_awaits_this(entry), start="all", timeout="10ms"
    )
    asyncio.run(consumer.arun())
    assert handled == [entry_id]


def test_entries_that_are_not_pending_are_counted_and_no_error(stream):
    group = rnb.ConsumerGroup(stream, "billing")
    group.create("all")
    entry_id = stream.add({"i": 1})
    assert group.ack([entry_id, "5-0"]) == 0
    group.read()
    assert group.ack([entry_id, "5-0"]) == 1
    assert group.ack(entry_id) == 0
