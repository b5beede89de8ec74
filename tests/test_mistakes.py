"""Mistakes that users make: each raises the listed error with the listed words."""

import dataclasses
import datetime as dt
import decimal
import re

import pandas as pd
import pytest
import redis

import redisnb as rnb


@dataclasses.dataclass
class Order:
    id: int = 1


#: What is called (with conn, stream, group, cache and rnb at hand), the error, what it says, and
#: what it does not.
MISTAKES = [
    (
        "rnb.keys('redis://localhost')",
        TypeError,
        "keys(conn): conn is what redisnb.connect() returns",
    ),
    (
        "rnb.streams('redis://localhost')",
        TypeError,
        "streams(conn): conn is what redisnb.connect()",
    ),
    (
        "rnb.values('redis://localhost', '*')",
        TypeError,
        "values(conn): conn is what redisnb.connect()",
    ),
    ("rnb.groups('redis://localhost')", TypeError, "groups(conn): conn is what redisnb.connect()"),
    ("rnb.tree('redis://localhost')", TypeError, "tree(conn): conn is what redisnb.connect()"),
    ("rnb.watch('redis://localhost')", TypeError, "watch(conn): conn is what redisnb.connect()"),
    ("rnb.watch(conn, every='1ms')", ValueError, "every='1ms'; it is at least 10 ms"),
    (
        "rnb.watch(conn, freq='1s')",
        TypeError,
        "watch() has no argument freq=; did you mean every=?",
    ),
    (
        "rnb.plots.rate(stream)",
        TypeError,
        "plots.rate() draws what stream.range(), stream.histo",
    ),
    ("rnb.plots.lag(stream.range())", ValueError, "did you mean plots.rate or plots.gaps?"),
    ("rnb.plots.lags", AttributeError, "redisnb.plots has no 'lags'; did you mean lag?"),
    ("rnb.tree(conn, separator='/')", TypeError, "tree() has no argument separator="),
    ("rnb.tree(conn, sep='')", ValueError, "sep=''; it is the text between the parts"),
    ("rnb.keys(conn, sample=0)", ValueError, "sample=0; it is a number of keys, at least 1"),
    ("rnb.keys(conn, sample=5, limit=5)", ValueError, "two numbers of rows; leave one out"),
    ("rnb.preview('redis://localhost', 'k')", TypeError, "preview(conn, key): conn is what"),
    (
        "rnb.command('redis://localhost', 'GET k')",
        TypeError,
        "command(conn, command): conn is what",
    ),
    ("rnb.command(conn, 'GET \"k')", ValueError, "the double quote at character 5 is not closed"),
    ("rnb.command(conn, 'MONITOR')", ValueError, "redisnb.slowlog(conn) lists slow commands"),
    ("rnb.command(conn, ['SET', 'k', None])", TypeError, "argument 2 of SET is None; leave it out"),
    ("rnb.command(conn, 'XRANG s')", redis.ResponseError, "did you mean XRANGE?"),
    ("rnb.command(conn, 'GET k', raww=True)", TypeError, "did you mean raw=?"),
    ("conn.execute_command('GET', 'k')", AttributeError, "redisnb.command(conn, 'GET user:7')"),
    ("rnb.Cache('redis://localhost')", TypeError, "Cache(conn): conn is what redisnb.connect()"),
    (
        "rnb.Stream('redis://localhost', 's')",
        TypeError,
        "redisnb.connect() takes a URL or a redis-py",
    ),
    (
        "rnb.Stream('s', conn)",
        TypeError,
        "Stream(conn, key): conn is what redisnb.connect() returns",
    ),
    ("rnb.keys(stream)", TypeError, "not Stream"),
    ("rnb.Stream(conn, None)", TypeError, "key is a name such as 'orders', not None"),
    ("rnb.Stream(conn, 5)", TypeError, "key is a name such as 'orders', not 5"),
    ("rnb.Stream(conn, '')", TypeError, "key is a name such as 'orders', not ''"),
    ("rnb.Stream(conn, stream)", TypeError, "key is a name such as 'orders', not Stream('s')"),
    ("rnb.ConsumerGroup(conn, 'g')", TypeError, "stream is a redisnb.Stream, not Connection"),
    ("rnb.Consumer(conn, print)", TypeError, "source is a Stream or a ConsumerGroup"),
    ("rnb.Consumer('s', print)", TypeError, "source is a Stream or a ConsumerGroup"),
    ("rnb.Consumer(stream)", TypeError, "give one handler: on_entry= or on_frame="),
    ("rnb.Consumer(stream, 5)", TypeError, "the handler is a function, not 5"),
    (
        "rnb.capture('s', 'a.parquet')",
        TypeError,
        "source is a Stream, a list of them, or a connection",
    ),
    (
        "rnb.replay(conn, stream)",
        TypeError,
        "source is a Stream, the path of a capture, a DataFrame",
    ),
    ("stream.range(types='txt')", ValueError, "types='txt'; it is 'infer', 'text', or a mapping"),
    ("stream.range(types=['text'])", ValueError, "it is 'infer', 'text', or a mapping"),
    ("list(stream.frames(types='infr'))", ValueError, "it is 'infer', 'text', or a mapping"),
    ("stream.range(columns='ab')", TypeError, "it is a list of names: columns=['ab']"),
    ("list(stream.frames(columns='ab'))", TypeError, "it is a list of names: columns=['ab']"),
    ("stream.range(where='q > 1')", ValueError, "where='q': no entry has this column"),
    ("stream.range(limit='10')", ValueError, "limit='10'; it is a number of rows, at least 0"),
    ("stream.range(limit=-1)", ValueError, "limit=-1; it is a number of rows, at least 0"),
    ("stream.range('$')", rnb.EntryIdError, "'$' is neither an entry ID nor a time; write"),
    ("stream.range(0.5)", rnb.EntryIdError, "0.5 is neither an entry ID nor a time; write"),
    (
        "stream.follow('$')",
        rnb.EntryIdError,
        "'all' begins at the first entry, 'new' after the last",
    ),
    (
        "stream.follow('beginning')",
        rnb.EntryIdError,
        "'all' begins at the first entry, 'new' after",
    ),
    (
        "stream.follow(-1)",
        rnb.EntryIdError,
        "'all' begins at the first entry, 'new' after the last",
    ),
    (
        "group.create(-1)",
        rnb.EntryIdError,
        "'all' begins at the first entry, 'new' after the last",
    ),
    (
        "group.create('$')",
        rnb.EntryIdError,
        "'all' begins at the first entry, 'new' after the last",
    ),
    (
        "stream.add_many(None)",
        TypeError,
        "events are mappings, in a list or an iterator, or a DataFrame",
    ),
    (
        "stream.add_many(5)",
        TypeError,
        "events are mappings, in a list or an iterator, or a DataFrame",
    ),
    ("stream.add('text')", rnb.EncodeError, "an event is a mapping such as {'id': 1}, not str"),
    ("stream.add(b'text')", rnb.EncodeError, "an event is a mapping such as {'id': 1}, not bytes"),
    (
        "stream.add(pd.Series([1]))",
        rnb.EncodeError,
        "an event is a mapping such as {'id': 1}, not Series",
    ),
    (
        "cache.expire_at('k', 1900000000)",
        rnb.EntryIdError,
        "1900000000 is not a time; give an aware",
    ),
    (
        "cache.set('k', 1, expire_at='2030-01-01')",
        rnb.EntryIdError,
        "'2030-01-01' is not a time; give",
    ),
    ("cache.set('k', 1, expire_at=dt.datetime(2030, 1, 1))", rnb.EntryIdError, "zone"),
    (
        "rnb.keys(conn, type='strng')",
        ValueError,
        "type='strng' is no type of Redis; did you mean 'string'?",
    ),
    ("rnb.keys(conn, type='Strem')", ValueError, "did you mean 'stream'?"),
    (
        "stream.range(where=lambda frame: None)",
        TypeError,
        "where= gave None; a function of a frame",
    ),
    ("list(stream.frames(where=lambda frame: None))", TypeError, "where= gave None; a function"),
    (
        "stream.range(where=lambda frame: 'yes')",
        TypeError,
        "where= gave 'yes'; a function of a frame",
    ),
    ("rnb.connect(conn, db=1)", TypeError, "a Connection has its options, and takes no db="),
    (
        "rnb.connect(conn, readonly=True)",
        TypeError,
        "a Connection has its options, and takes no readonly=",
    ),
    (
        "rnb.connect('redis://localhost', decode_responses=True)",
        TypeError,
        "redisnb decides that itself",
    ),
    (
        "rnb.connect('redis://localhost', host='x')",
        TypeError,
        "give host= or a URL or client, and not both",
    ),
    (
        "rnb.connect('redis://localhost/abc')",
        rnb.ConnectError,
        "the host is followed by the number",
    ),
    ("rnb.connect('localhost:6379')", rnb.ConnectError, "write redis://host:6379/0"),
    ("rnb.connect('redis://localhost', timeout='5 sekunden')", ValueError, "timeout="),
    ("rnb.connect('redis://localhost', timeout=0)", ValueError, "a server needs some time"),
    (
        "rnb.connect('redis://localhost', ssl=True)",
        TypeError,
        "ssl= is for TLS: connect('rediss://",
    ),
    ("rnb.connect('redis://localhost:1?foo=1')", TypeError, "connect() has no option foo="),
    ("rnb.connect('http://localhost:6379')", rnb.ConnectError, "write redis://host:6379/0"),
    ("rnb.connect(5)", TypeError, "connect() takes a URL or a client of redis-py"),
    # What is no event yet.
    ("stream.add(pd.Series({'a': 1}))", rnb.EncodeError, "not Series; .to_dict() makes a mapping"),
    ("stream.add(Order())", rnb.EncodeError, "not Order; dataclasses.asdict() makes a mapping"),
    ("stream.add([('a', 1)])", rnb.EncodeError, "dict() makes a mapping of pairs, and add_many()"),
    ("stream.add('{}')", rnb.EncodeError, "json.loads() makes a mapping of JSON text"),
    ("stream.add({'a': decimal.Decimal('1.5')})", rnb.EncodeError, "str(), which keeps all digits"),
    ("stream.add({'a': b'x'})", rnb.EncodeError, ".decode() makes text of it, and format='fields'"),
    ("stream.add({'a': {1, 2}})", rnb.EncodeError, "list() makes one that it can"),
    ("stream.add({'a': float('nan')})", rnb.EncodeError, "None is a value that is missing"),
    ("stream.add({1: 2})", rnb.EncodeError, "{str(name): value for name, value in event.items()}"),
    (
        "stream.add({'a': 1}, id='4-0')",
        redis.ResponseError,
        "the last ID of 's' is 5-0; give",
    ),
    ("flat.add({'a': decimal.Decimal(1)})", rnb.EncodeError, "str(), which keeps all digits"),
    ("flat.add({'a': {'b': 1}})", rnb.EncodeError, "format='json') carries nested events"),
    ("cache.get(5)", TypeError, "a cache's key is a name such as 'user:1', not 5"),
    ("cache.set_many(5)", TypeError, "set_many() takes {key: value}, not 5"),
    ("cache.get_many('abc')", TypeError, "get_many() takes several keys: get_many(['abc'])"),
    ("rnb.to_bytes(b'x')", TypeError, "to_bytes() takes text that redisnb shows, not bytes"),
    ("rnb.load(5)", TypeError, "a capture is a path or a binary file, not int"),
    ("rnb.values(conn, 5)", TypeError, "match is a pattern such as 'user:*', not 5"),
    # What redis-py calls it.
    ("conn.xadd('s', {'a': 1})", AttributeError, "conn.client.xadd(...) is redis-py's"),
    ("conn.get('k')", AttributeError, "conn.client.get(...) is redis-py's; Stream(conn, key) and"),
    ("stream.xadd({'a': 1})", AttributeError, "Stream has no 'xadd'; add(event) adds one"),
    ("stream.xrange()", AttributeError, "range(start, end) is a frame of entries"),
    ("stream.xrevrange()", AttributeError, "range(start, end, reverse=True) is a frame"),
    ("stream.xread()", AttributeError, "follow() gives each entry as it arrives"),
    ("stream.xlen()", AttributeError, "len(stream) counts the entries"),
    ("stream.read()", AttributeError, "range() is a frame of entries"),
    (
        "rnb.doctr(conn)",
        AttributeError,
        "redisnb has no 'doctr'; did you mean doctor?",
    ),
    ("stream.rang()", AttributeError, "Stream has no 'rang'; did you mean range?"),
    (
        "group.xreadgroup()",
        AttributeError,
        "ConsumerGroup has no 'xreadgroup'; read() takes entries",
    ),
    ("group.acknowledge('1-0')", AttributeError, "ack(entries) acknowledges"),
    ("group.xautoclaim()", AttributeError, "autoclaim(min_idle=) takes entries over"),
    ("cache.setex('k', 10, 'v')", AttributeError, "set(key, value, ttl=) stores with an expiry"),
    ("cache.mget(['k'])", AttributeError, "get_many(keys) reads several"),
    ("cache.flushall()", AttributeError, "flush(confirm=) deletes everything in the cache"),
    ("cache.set('k', 1, ex=10)", TypeError, "set() has no argument ex=; did you mean ttl=?"),
    (
        "stream.range(min='-', max='+')",
        TypeError,
        "range() has no argument min=; did you mean start",
    ),
    ("stream.add({'a': 1}, approximate=True)", ValueError, "give maxlen= or minid= too"),
    (
        "stream.add({'a': 1}, nomkstream=True)",
        TypeError,
        "add() has no argument nomkstream=; did you mean create=?",
    ),
    ("group.read(noack=True, backlog=True)", ValueError, "noack= is for new entries"),
    # pandas' habits.
    ("stream.to_frame()", AttributeError, "range() is a frame of entries"),
    (
        "stream.range(dtype={'a': 'int8'})",
        TypeError,
        "range() has no argument dtype=; did you mean type",
    ),
    ("stream.range(nrows=5)", TypeError, "range() has no argument nrows=; did you mean limit=?"),
    ("stream.range(usecols=['a'])", TypeError, "did you mean columns=?"),
    ("stream.range(query='a > 1')", TypeError, "did you mean where=?"),
    ("stream.head(n='3')", ValueError, "n='3'; it is a number of rows"),
    # Positions and durations in other units or forms, and in another order.
    ("stream.range(1700000000.5)", rnb.EntryIdError, "neither an entry ID nor a time; write"),
    ("stream.range(dt.date(2024, 5, 1))", rnb.EntryIdError, "neither an entry ID nor a time"),
    ("stream.range(dt.datetime(2024, 5, 1))", rnb.EntryIdError, "has no time zone"),
    ("stream.range('yesterday')", rnb.EntryIdError, "'all' begins at the first entry"),
    ("stream.range('1', '2', 100)", TypeError, "range() takes start, end, limit, reverse"),
    ("stream.range(columns='a', where=5)", TypeError, "columns=['a']"),
    ("stream.range(where=5)", TypeError, "where"),
    ("cache.set('k', 1, ttl='soon')", ValueError, "ttl='soon'"),
    ("cache.set('k', 1, ttl=0)", ValueError, "a value lives for at least 1 ms"),
    ("cache.set('k', 1, ttl=-1)", ValueError, "ttl=-1"),
    ("group.claim('1-0', min_idle='quickly')", ValueError, "min_idle='quickly'"),
    ("rnb.Consumer(stream, handler=print)", TypeError, "did you mean on_entry=?"),
    ("rnb.Consumer(group, print, start='all')", ValueError, "start="),
    ("rnb.Consumer(stream, print, after='remove')", ValueError, "after='remove'"),
    (
        "rnb.keys(conn, pattern='*')",
        TypeError,
        "keys() has no argument pattern=; did you mean match",
    ),
    ("rnb.capture(stream)", TypeError, "capture() missing 1 required positional argument: 'path'"),
    ("rnb.capture(stream, 'a.csv')", ValueError, "a.csv"),
    ("rnb.replay(stream)", TypeError, "replay() missing 1 required positional argument: 'target'"),
    ("rnb.replay(stream, 't')", TypeError, "target"),
    ("rnb.replay(stream, rnb.Stream(conn, 't'), speed='fast')", (TypeError, ValueError), "speed"),
    ("rnb.load('nothing.parquet')", FileNotFoundError, "nothing.parquet"),
]


#: Calls that return an empty frame or an empty column, with a warning.
MISSES = [
    ("rnb.Stream(conn, 'ordres').range()", "'ordres': no such stream; 'orders' is there"),
    ("rnb.Stream(conn, 'Orders').range(where='a > 1')", "'Orders': no such stream; 'orders' is"),
    ("rnb.Stream(conn, 'ordres').head()", "'ordres': no such stream; 'orders' is there"),
    ("rnb.Stream(conn, 'ordres').tail()", "'ordres': no such stream; 'orders' is there"),
    ("list(rnb.Stream(conn, 'ordres').frames())", "'ordres': no such stream; 'orders' is there"),
    ("list(rnb.Stream(conn, 'ordres').follow(timeout=0.01))", "'ordres': no such stream; 'orders'"),
    ("rnb.Stream(conn, 'ordres').info()", "'ordres': no such stream; 'orders' is there"),
    ("rnb.Stream(conn, 'ordres').groups()", "'ordres': no such stream; 'orders' is there"),
    (
        "rnb.capture(rnb.Stream(conn, 'ordres'), path)",
        "'ordres': no such stream; 'orders' is there",
    ),
    (
        "rnb.capture(rnb.Stream(conn, 'ordres'), path, follow=True, timeout=0.01)",
        "'ordres': no such stream; 'orders' is there",
    ),
    (
        "rnb.replay(rnb.Stream(conn, 'ordres'), stream, speed=None)",
        "'ordres': no such stream; 'orders' is there",
    ),
    (
        "rnb.Consumer(rnb.Stream(conn, 'ordres'), print).start().stop()",
        "'ordres': no such stream; 'orders' is there",
    ),
    # Without its prefix.
    ("rnb.Stream(conn, 'departures').range()", "'departures': no such stream; 'jfk:departures'"),
    ("list(rnb.Stream(conn, 'departures').follow(timeout=0.01))", "'jfk:departures' is there"),
    ("rnb.capture(rnb.Stream(conn, 'departures'), path)", "'jfk:departures' is there"),
    ("rnb.preview(conn, 'departures')", "no such key; 'jfk:departures' is there"),
    ("rnb.preview(conn, 'ordres')", "'ordres': no such key; 'orders' is there"),
    ("rnb.keys(conn, 'ordres*')", "no key matches 'ordres*'; 'orders' is there"),
    ("rnb.keys(conn, 'user')", "no key matches 'user'; 'user:1' is there; 'user*' matches names"),
    ("rnb.keys(conn, 'User:*')", "no key matches 'User:*'; 'user:1' is there"),
    ("rnb.streams(conn, 'ordres*')", "no key matches 'ordres*'; 'orders' is there"),
    ("rnb.watch(conn, 'ordres*', duration=0)", "no key matches 'ordres*'; 'orders' is there"),
    ("rnb.groups(conn, 'ordres*')", "no key matches 'ordres*'; 'orders' is there"),
    ("rnb.tree(conn, 'usr:*')", "no key matches 'usr:*'; 'user:1' is there"),
    ("rnb.values(conn, 'usr:*')", "no key matches 'usr:*'; 'user:1' is there"),
    ("cache.keys('usr:*')", "no key matches 'usr:*'; 'user:1' is there"),
    ("cache.delete_matching('usr:*')", "no key matches 'usr:*'; 'user:1' is there"),
    (
        "stream.range(columns=['A'])",
        "columns='A': no entry has this column; there are entry_id, a, b; did you",
    ),
    (
        "list(stream.frames(columns=['bb']))",
        "columns='bb': no entry has this column; there are entry_id, a, b",
    ),
    ("stream.range('5', '3')", "nothing lies between start='5' and end='3': exchange them"),
    ("list(stream.frames('-1min', '-1h'))", "nothing lies between start='-1min' and end='-1h'"),
]


@pytest.mark.parametrize(("call", "says"), MISSES, ids=[each[0] for each in MISSES])
def test_what_is_not_there_is_told_with_what_is(conn, raw, tmp_path, call, says):
    stream = rnb.Stream(conn, "orders")
    stream.add({"a": 1, "b": "x"})
    raw.set("user:1", "x")
    raw.xadd("jfk:departures", {"a": 1})
    known = {"conn": conn, "stream": stream, "cache": rnb.Cache(conn), "rnb": rnb}
    known["path"] = tmp_path / "c.jsonl"
    with pytest.warns(rnb.RedisnbWarning) as caught:
        eval(call, known)
    (warning,) = caught
    assert says in str(warning.message)


def test_what_may_be_missing_is_not_told(conn, raw, server):
    # No name is similar, or only one with another number; users that may not look get no hint.
    rnb.Stream(conn, "orders-2024").add({"a": 1})
    for name in ("orders-2025", "payments", "s"):
        assert rnb.Stream(conn, name).range().empty
    assert rnb.keys(conn, "payments:*").empty
    assert rnb.keys(conn, "*x").empty
    assert rnb.ConsumerGroup(rnb.Stream(conn, "orders-202"), "g").create() is True
    url = re.sub("//[^@]*@", "//some:x@", server.url)
    raw.acl_setuser("some", enabled=True, nopass=True, keys=["*"], commands=["+xrange", "+ping"])
    try:
        with rnb.connect(url) as other:
            assert rnb.Stream(other, "orders-20").range().empty
    finally:
        raw.acl_deluser("some")


def test_a_group_that_was_meant(conn):
    stream = rnb.Stream(conn, "orders")
    rnb.ConsumerGroup(stream, "billing").create("all")
    for group, says in [
        (rnb.ConsumerGroup(stream, "biling"), "did you mean 'billing'?"),
        (rnb.ConsumerGroup(rnb.Stream(conn, "ordres"), "billing"), "did you mean 'orders'?"),
    ]:
        with pytest.raises(rnb.GroupMissingError) as caught:
            group.read()
        assert says in str(caught.value)
        with pytest.raises(rnb.GroupMissingError) as caught:
            rnb.Consumer(group, print, on_missing_group="fail").start()
        assert says in str(caught.value)


@pytest.mark.parametrize(("call", "error", "says"), MISTAKES, ids=[each[0] for each in MISTAKES])
def test_a_mistake_is_told_with_what_to_do(conn, raw, call, error, says):
    stream = rnb.Stream(conn, "s")
    stream.add({"a": 1, "b": "x"}, id="5-0")
    known = {
        "conn": conn,
        "flat": rnb.Stream(conn, "flat", format="fields"),
        "decimal": decimal,
        "Order": Order,
        "stream": stream,
        "group": rnb.ConsumerGroup(stream, "g"),
        "cache": rnb.Cache(conn),
        "rnb": rnb,
        "pd": pd,
        "dt": dt,
    }
    with pytest.raises(error) as caught:
        eval(call, known)
    said = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
    assert says in said
    assert "attribute" not in said
    assert "unexpected keyword" not in said
    assert raw.xlen("s") == 1
