"""Read-only connections: what reads gets through, and nothing else, by whatever way it is sent."""

import asyncio
import contextlib
from collections.abc import Iterator
from collections.abc import Set as AbstractSet

import hiredis
import pandas as pd
import pytest
import redis

import redisnb as rnb
from redisnb import connect, wire
from redisnb.errors import ReadOnlyError
from redisnb.wire import connection, links, read_only
from redisnb.wire.connection import lease

SECRET = "hunter2"
#: What the tests themselves send to see what was sent; CONFIG, where subcommands are not counted.
OWN = frozenset({"INFO", "CONFIG", "CONFIG|RESETSTAT"})


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def reader(request, server, raw) -> Iterator[rnb.Connection]:
    """A read-only connection to a database that has some of everything."""
    raw.flushall()
    raw.set("string", "1")
    raw.setbit("bits", 7, 1)
    raw.rpush("list", "b", "a")
    raw.sadd("set", "a", "b")
    raw.hset("hash", mapping={"a": "1", "b": "2"})
    raw.zadd("zset", {"a": 1, "b": 2})
    raw.geoadd("geo", (13.4, 52.5, "Berlin"))
    for i in range(1, 4):
        raw.xadd("s", {"payload": f'{{"i": {i}}}'}, id=f"{i}-0")
    raw.xgroup_create("s", "g", "0")
    raw.xreadgroup("g", "ann", {"s": ">"}, count=2)
    with connect(server.url) as conn:
        rnb.ConsumerGroup(rnb.Stream(conn, "s"), "g", consumer="ann").bury(["1-0"], min_idle=0)
    with connect(server.url, read_only=True, protocol=request.param) as conn:
        yield conn


def sent(raw: redis.Redis, own: AbstractSet[str] = OWN) -> set[str]:
    """Return what the server was sent since `forget`, in capitals, but for `own`."""
    names = {name.removeprefix("cmdstat_").upper() for name in raw.info("commandstats")}
    return names - own


def forget(raw: redis.Redis) -> None:
    raw.config_resetstat()


def state(raw: redis.Redis) -> dict[bytes, bytes]:
    return {key: raw.dump(key) for key in raw.scan_iter()}


def known(server: rnb.Server) -> dict[tuple[str, ...], set[str]]:
    """Return the flags of each command and subcommand that a server knows."""
    with connect(server.url) as conn:
        waiting = [((), each) for each in wire.ask(conn, "COMMAND", key="")]
    found = {}
    while waiting:
        above, each = waiting.pop()
        # Since Redis 7 subcommands come along, as "config|get".
        name = (*above, each[0].decode().rpartition("|")[2])
        found[name] = {flag.decode() for flag in each[2]}
        waiting += [(name, below) for below in (each[9] if len(each) > 9 else ())]
    return found


@pytest.fixture(scope="module")
def commands(server) -> dict[tuple[str, ...], set[str]]:
    return known(server)


# The list


MODULES = [
    *("JSON.GET d", "FT.SEARCH i *", "TS.RANGE t - +", "VSIM v ELE e", "BF.EXISTS b x", "VINFO v"),
    *(
        "CF.COUNT c x",
        "CMS.QUERY c x",
        "TOPK.LIST t",
        "TDIGEST.QUANTILE t 0.5",
        "GRAPH.RO_QUERY g q",
    ),
]


@pytest.mark.parametrize("line", MODULES)
def test_what_modules_read_is_sent(reader, line):
    # Whether the server has the module or not: it answers, and redisnb refuses nothing.
    with contextlib.suppress(redis.ResponseError):
        reader.client.execute_command(*line.split())


def test_a_refusal_does_not_say_that_a_command_writes(reader):
    with pytest.raises(ReadOnlyError) as caught:
        reader.client.execute_command("SOME.READ", "k")
    assert "SOME.READ was not sent, since this connection is read-only" in str(caught.value)
    assert "write" not in str(caught.value)


def test_no_command_that_the_server_takes_for_a_write_is_on_the_list(server):
    writes = [name for name, flags in known(server).items() if "write" in flags]
    assert len(writes) > 80
    with connect(server.url, read_only=True) as conn, redis.Redis.from_url(server.url) as raw:
        forget(raw)
        for name in writes:
            with pytest.raises(ReadOnlyError) as caught:
                conn.client.execute_command(*name, "k", "v")
            assert name[0].upper() in caught.value.command
        assert sent(raw) == set()


NO_READS = [
    *("KEYS *", "MONITOR", "PFCOUNT k", "TOUCH k", "SHUTDOWN", "DEBUG SLEEP 0", "SAVE", "BGSAVE"),
    *("CONFIG SET hz 10", "CONFIG RESETSTAT", "CONFIG REWRITE", "CONFIG", "CLIENT KILL x"),
    *("CLIENT REPLY OFF", "CLIENT PAUSE 1", "CLIENT", "SLOWLOG RESET", "LATENCY RESET"),
    *("MEMORY PURGE", "ACL SETUSER x", "SCRIPT FLUSH", "SCRIPT LOAD x", "FUNCTION LOAD x"),
    *(
        "EVAL x 0",
        "EVALSHA x 0",
        "FCALL x 0",
        "EVAL_RO x 0",
        "PUBLISH c m",
        "SPUBLISH c m",
        "SORT list STORE k",
    ),
    *("SORT list", "GEORADIUS geo 0 0 1 m", "BITFIELD bits GET u8 0", "GETDEL k", "GETEX k"),
    *("REPLICAOF h 1", "FAILOVER", "RESET", "QUIT", "MODULE LOAD x", "CLUSTER RESET", "WAIT 0 0"),
    *("JSON.SET d $ 1", "JSON.DEL d", "FT.CREATE i", "FT.CURSOR DEL i 1", "TS.ADD t * 1", "VADD v"),
    *("BF.ADD b x", "CF.LOADCHUNK c 1 x", "TOPK.ADD t x", "GRAPH.QUERY g q", "VSETATTR v e {}"),
    *("XREADGROUP GROUP g ann STREAMS s >", "XGROUP HELP", "NONSENSE", "XINFO", "OBJECT HELP"),
]


@pytest.mark.slow
@pytest.mark.parametrize("line", NO_READS)
def test_what_is_not_on_the_list_is_refused(reader, raw, line):
    first, second, *_ = [*line.split(), ""]
    for name in (first, first.lower()):
        forget(raw)
        with pytest.raises(ReadOnlyError) as caught:
            reader.client.execute_command(name, *line.split()[1:])
        assert caught.value.command in (first, f"{first} {second}")
        assert sent(raw) == set()


READS = [
    *("GET string", "MGET string none", "STRLEN string", "GETRANGE string 0 -1", "GETBIT bits 7"),
    *("BITCOUNT bits", "BITPOS bits 1", "BITFIELD_RO bits GET u8 0", "LRANGE list 0 -1"),
    *("LLEN list", "LINDEX list 0", "LPOS list a", "SORT_RO list ALPHA", "SMEMBERS set"),
    *("SCARD set", "SISMEMBER set a", "SMISMEMBER set a", "SUNION set", "SINTERCARD 1 set"),
    *("SSCAN set 0", "HGETALL hash", "HGET hash a", "HMGET hash a", "HKEYS hash", "HSCAN hash 0"),
    *("ZRANGE zset 0 -1", "ZSCORE zset a", "ZCARD zset", "ZSCAN zset 0", "ZUNION 1 zset"),
    *("GEOPOS geo Berlin", "GEOSEARCH geo FROMMEMBER Berlin BYRADIUS 1 km", "XLEN s"),
    *("GEORADIUS_RO geo 13 52 100 km", "XRANGE s - +", "XREVRANGE s + -", "XREAD STREAMS s 0"),
    *("XPENDING s g", "XPENDING s g - + 9", "XINFO STREAM s", "XINFO GROUPS s"),
    *("XINFO CONSUMERS s g", "SCAN 0", "TYPE s", "EXISTS s", "PTTL s", "TTL s", "DUMP s"),
    *("PEXPIRETIME s", "DBSIZE", "RANDOMKEY", "MEMORY USAGE s", "OBJECT ENCODING s", "INFO"),
    *("OBJECT IDLETIME s", "PING", "ECHO hello", "TIME", "SELECT 0", "CLIENT SETNAME me"),
    *("CLIENT GETNAME", "CLIENT ID", "CLIENT LIST", "CLIENT INFO", "COMMAND COUNT", "COMMAND"),
    *("ACL WHOAMI", "SLOWLOG GET", "LATENCY LATEST", "CONFIG GET hz", "SCRIPT EXISTS x"),
    *("PUBSUB CHANNELS", "LASTSAVE", "ROLE"),
]


@pytest.mark.slow
@pytest.mark.parametrize("line", READS)
def test_what_is_on_the_list_is_sent(reader, raw, commands, line):
    first, *more = line.split()
    before = state(raw)
    forget(raw)
    (reply,) = wire.ask_many(reader, [(first.lower(), *more)])
    if (first.lower(),) in commands:
        assert not isinstance(reply, redis.ResponseError)
        assert sent(raw, own=set()) & {first, "|".join((first, *more[:1]))}
    else:
        # The server is older than the command, and was asked.
        assert str(reply).startswith("unknown command")
    assert state(raw) == before


# The ways


def packed(*command: str) -> bytes:
    return wire.pack(command)


def with_link(send):
    def way(conn):
        with lease(conn) as link:
            send(link)

    return way


def in_asyncio(send):
    def way(conn):
        async def run():
            link = wire.async_link(conn, "me")
            try:
                await send(link)
            finally:
                await link.disconnect()

        asyncio.run(run())

    return way


def in_pipeline(transaction, *, reads=()):
    def way(conn):
        pipe = conn.client.pipeline(transaction=transaction)
        for key in reads:
            pipe.get(key)
        pipe.set("new", SECRET)
        pipe.execute()

    return way


def conversation():
    yield ("SET", "new", SECRET)


SET = ("SET", "new", SECRET)
CHUNKS = [packed(*SET)[:9], memoryview(packed(*SET)[9:])]
WAYS = {
    "client": lambda conn: conn.client.set("new", SECRET),
    "execute_command": lambda conn: conn.client.execute_command(*SET),
    "small letters": lambda conn: conn.client.execute_command("sEt", *SET[1:]),
    "bytes": lambda conn: conn.client.execute_command(b"SET", *SET[1:]),
    "one text": lambda conn: conn.client.execute_command(f"SET new {SECRET}"),
    "a large value": lambda conn: conn.client.set("new", SECRET * 10_000),
    "pipeline": in_pipeline(False),
    "pipeline, reads first": in_pipeline(False, reads=["string"] * 3000),
    "MULTI": in_pipeline(True),
    "MULTI, reads first": in_pipeline(True, reads=["string"]),
    "transaction()": lambda conn: conn.client.transaction(lambda pipe: pipe.set("new", SECRET)),
    "script": lambda conn: conn.client.eval("return redis.call('SET', 'new', ARGV[1])", 0, SECRET),
    "registered script": lambda conn: conn.client.register_script("return 1")(),
    "function": lambda conn: conn.client.fcall("f", 0),
    "lock": lambda conn: conn.client.lock("new").acquire(),
    "link": with_link(lambda link: link.send_command(*SET)),
    "link, packed": with_link(lambda link: link.send_packed_command(link.pack_command(*SET))),
    "link, in chunks": with_link(lambda link: link.send_packed_command(CHUNKS)),
    "link, once": with_link(lambda link: link.send_packed_command(iter(CHUNKS))),
    "link, unchecked": with_link(lambda link: link.send_command(*SET, check_health=False)),
    "link, behind a read": with_link(
        lambda link: link.send_packed_command([packed("GET", "string") + packed(*SET)])
    ),
    "ask": lambda conn: wire.ask(conn, *SET, key="new"),
    "ask_many": lambda conn: list(wire.ask_many(conn, [("GET", "string"), SET])),
    "ask_packed": lambda conn: wire.ask_packed(conn, packed(*SET)),
    "exchange": lambda conn: wire.exchange(conn, iter([[packed(*SET)]]), [], print),
    "replies_to": lambda conn: list(wire.replies_to(conn, iter([[packed(*SET)]]))),
    "walk": lambda conn: list(wire.walk(conn, "*", [("DEL",)])),
    "transaction": lambda conn: wire.transaction(conn, [SET]),
    "converse": lambda conn: wire.converse(conn, conversation(), key="new"),
    "asyncio": in_asyncio(lambda link: link.send_command(*SET)),
    "asyncio, packed": in_asyncio(lambda link: link.send_packed_command(CHUNKS)),
    "asyncio, bytes": in_asyncio(lambda link: link.send_packed_command(packed(*SET))),
    "ask_async": in_asyncio(lambda link: wire.ask_async(link, *SET, key="new", timeout=5)),
    "ask_many_async": in_asyncio(lambda link: wire.ask_many_async(link, [SET], timeout=5)),
    "converse_async": in_asyncio(
        lambda link: wire.converse_async(link, conversation(), key="new", timeout=5)
    ),
    "Stream.add": lambda conn: rnb.Stream(conn, "s").add({"i": SECRET}),
    "Stream.add with an ID": lambda conn: rnb.Stream(conn, "s").add({"i": SECRET}, id="9-0"),
    "Stream.add_many": lambda conn: rnb.Stream(conn, "s").add_many([{"i": SECRET}] * 3),
    "Stream.delete": lambda conn: rnb.Stream(conn, "s").delete("1-0"),
    "Stream.trim": lambda conn: rnb.Stream(conn, "s").trim(maxlen=1),
    "group.create": lambda conn: rnb.ConsumerGroup(rnb.Stream(conn, "s"), "new").create(),
    "group.read": lambda conn: group(conn).read(),
    "group.ack": lambda conn: group(conn).ack(["1-0"]),
    "group.claim": lambda conn: group(conn).claim(["1-0"], min_idle=0),
    "group.autoclaim": lambda conn: group(conn).autoclaim(min_idle=0),
    "group.release": lambda conn: group(conn, "ann").release(["2-0"]),
    "group.bury": lambda conn: group(conn).bury(["2-0"], min_idle=0),
    "group.redrive": lambda conn: group(conn).redrive("all"),
    "group.set_position": lambda conn: group(conn).set_position("all"),
    "group.destroy": lambda conn: group(conn).destroy(),
    "group.remove_consumer": lambda conn: group(conn).remove_consumer("ann"),
    "Cache.set": lambda conn: rnb.Cache(conn).set("new", SECRET),
    "Cache.set_many": lambda conn: rnb.Cache(conn).set_many({"new": SECRET, "other": 1}),
    "Cache.delete": lambda conn: rnb.Cache(conn).delete("string"),
    "Cache.delete_matching": lambda conn: rnb.Cache(conn).delete_matching("string"),
    "Cache.flush": lambda conn: rnb.Cache(conn).flush(confirm=conn.name),
    "replay": lambda conn: rnb.replay(rnb.Stream(conn, "s"), rnb.Stream(conn, "new")),
    "Replay.forget": lambda conn: rnb.Replay(
        rnb.Stream(conn, "s"), rnb.Stream(conn, "new"), resume="r"
    ).forget(),
}
#: What has to read before it comes to what it writes.
LOOK_FIRST = {
    "walk",
    "Cache.delete_matching",
    "group.release",
    "group.redrive",
    "group.set_position",
}


def group(conn: rnb.Connection, consumer: str = "bob") -> rnb.ConsumerGroup:
    return rnb.ConsumerGroup(rnb.Stream(conn, "s"), "g", consumer=consumer)


@pytest.mark.slow
@pytest.mark.parametrize("name", WAYS)
def test_no_way_leads_past_it(reader, raw, commands, name):
    before, size = state(raw), raw.dbsize()
    forget(raw)
    with pytest.raises(ReadOnlyError) as caught:
        WAYS[name](reader)
    came = sent(raw)
    assert bool(came) is (name in LOOK_FIRST)
    assert not any("write" in commands[tuple(each.lower().split("|"))] for each in came)
    assert (state(raw), raw.dbsize()) == (before, size)
    assert caught.value.command
    assert str(caught.value) == (
        f"{caught.value.command} was not sent, since this connection is read-only; "
        "connect(..., read_only=False) makes one that sends it"
    )
    # And it goes on.
    assert reader.client.get("string") == wire.ask(reader, "GET", "string", key="") == b"1"


def test_the_same_link_goes_on(reader, raw):
    client = reader.client
    link = client.client_id()
    for _ in range(3):
        with pytest.raises(ReadOnlyError):
            client.set("new", "v")
        with pytest.raises(ReadOnlyError):
            client.pipeline().get("string").set("new", "v").execute()
        assert client.get("string") == b"1"
    assert client.client_id() == link

    async def in_asyncio():
        link = wire.async_link(reader, "me")
        first = await wire.ask_async(link, "CLIENT", "ID", key=None, timeout=5)
        with pytest.raises(ReadOnlyError):
            await wire.ask_async(link, *SET, key=None, timeout=5)
        assert await wire.ask_async(link, "CLIENT", "ID", key=None, timeout=5) == first
        await link.disconnect()

    asyncio.run(in_asyncio())


def test_a_write_in_the_middle_of_a_watch(reader, raw):
    with reader.client.pipeline() as pipe:
        pipe.watch("string")
        assert pipe.get("string") == b"1"
        with pytest.raises(ReadOnlyError):
            pipe.set("string", "2")
        pipe.multi()
        pipe.get("string")
        assert pipe.execute() == [b"1"]


def test_the_read_that_comes_first_in_a_later_batch_gives_no_reply_to_another(reader):
    many = [("GET", "string")] * wire.BATCH + [SET]
    with pytest.raises(ReadOnlyError):
        list(wire.ask_many(reader, many))
    assert wire.ask(reader, "STRLEN", "string", key="") == 1
    assert wire.ask(reader, "XLEN", "s", key="") == 3


NO_COMMANDS = [
    *(b"SET new v\r\n", b"\r\n", b"*0\r\n", b"*-1\r\n", b"*1\r\n$-1\r\n", b"#f\r\n", b"_\r\n"),
    *(b">1\r\n$11\r\nSET new v\r\n\r\n", b"~1\r\n$9\r\nSET new v\r\n", b"+SET new v\r\n"),
    *(b"%1\r\n$1\r\na\r\n$9\r\nSET new v\r\n", b"*1\r\n*1\r\n$4\r\nPING\r\n", b"-SET new v\r\n"),
    *(b"*1\r\n+PING\r\n", b"*2\r\n$4\r\nECHO\r\n:1\r\n", b"*01\r\n$4\r\nPING\r\n"),
    *(b"*1\r\n$4\r\nPINGxx", b"*1\r\n$04\r\nPING\r\n", b"*1\r\n$?\r\n;4\r\nPING\r\n;0\r\n"),
    *(packed("PING")[:-1], packed("PING") + b"*", packed("PING") + b"SET new v\r\n"),
    b"#f\r\n" + packed(*SET),
]


@pytest.mark.parametrize("data", NO_COMMANDS)
def test_what_is_no_whole_command_is_refused(reader, raw, data):
    before = state(raw)
    forget(raw)
    for way in (
        with_link(lambda link: link.send_packed_command([data])),
        in_asyncio(lambda link: link.send_packed_command([data])),
    ):
        with pytest.raises(ReadOnlyError, match="only whole commands") as caught:
            way(reader)
        assert caught.value.command is None
    assert sent(raw) == set()
    assert state(raw) == before


def test_what_redis_py_packs_is_whole(reader):
    # Large values come in chunks, and a link of asyncio code packs by itself.
    command = ("ECHO", "x" * 100_000)
    assert wire.ask(reader, *command, key="") == b"x" * 100_000
    with lease(reader) as link:
        assert len(link.pack_commands([command, command])) > 1
        link.send_packed_command(link.pack_commands([command, command]))
        assert [link.read_response(disable_decoding=True) for _ in range(2)] == [b"x" * 100_000] * 2
    link = wire.async_link(reader)
    assert len(link.pack_command(*command)) > 1
    assert read_only.check_packed(link.pack_command(*command)) == [hiredis.pack_command(command)]
    assert read_only.check_packed([]) == [b""]


# The connection


def test_it_is_said(server):
    with connect(server.url) as conn, connect(server.url, read_only=True) as reader:
        assert (conn.read_only, reader.read_only) == (False, True)
        assert repr(reader) == f"Connection({reader.name!r}, read_only=True)"
        assert "read_only" not in repr(conn)


def test_a_connection_that_writes_is_not_sent_through_it(conn, monkeypatch):
    monkeypatch.setattr(connection, "check", None)
    monkeypatch.setattr(read_only, "check_packed", None)
    conn.client.set("k", "v")
    rnb.Stream(conn, "s").add({"i": 1})

    async def set_it():
        link = wire.async_link(conn)
        assert type(link) is redis.asyncio.UnixDomainSocketConnection
        await wire.ask_async(link, "SET", "k", "w", key="k", timeout=5)
        await link.disconnect()

    asyncio.run(set_it())
    wire.check_sends(conn, "SET")


def test_a_connection_of_another_that_writes(server, raw):
    raw.flushall()
    with connect(server.url, timeout=7, db=3, protocol=3) as conn:
        with connect(conn, read_only=True) as reader:
            assert (reader.read_only, conn.read_only) == (True, False)
            assert (reader.url, reader.timeout, reader.database) == (conn.url, 7, 3)
            with pytest.raises(ReadOnlyError):
                reader.client.set("k", "v")
            conn.client.set("k", "v")
            assert reader.client.get("k") == b"v"
            assert connect(reader, read_only=True) is connect(reader) is reader
            assert connect(reader, read_only=False) is reader
        assert conn.client.get("k") == b"v", "it is open"


def test_a_client_of_another(server, raw):
    with connect(raw, read_only=True) as reader, connect(reader.client) as again:
        assert reader.read_only
        assert again.read_only, "its links are not to be had without"
        for conn in (reader, again):
            with pytest.raises(ReadOnlyError):
                conn.client.set("k", "v")
            with pytest.raises(ReadOnlyError):
                in_asyncio(lambda link: link.send_command(*SET))(conn)
    raw.set("k", "v")


def test_a_link_class_of_somebody_else(server, raw):
    class Mine(redis.UnixDomainSocketConnection):
        pass

    options = raw.connection_pool.connection_kwargs
    pool = redis.ConnectionPool(Mine, **options)
    with redis.Redis(connection_pool=pool) as client, connect(client, read_only=True) as reader:
        for way in (WAYS["client"], WAYS["asyncio"]):
            with pytest.raises(ReadOnlyError):
                way(reader)


@pytest.mark.parametrize("protocol", [2, 3])
def test_over_tcp_with_a_password_and_a_database(tcp_server, protocol):
    url = tcp_server.url.replace("/0", "/3")
    with connect(url, read_only=True, protocol=protocol, client_name="me") as reader:
        assert wire.ask(reader, "CLIENT", "GETNAME", key="") == b"me"
        with pytest.raises(ReadOnlyError):
            reader.client.set("k", "v")
        with pytest.raises(ReadOnlyError):
            in_asyncio(lambda link: link.send_command(*SET))(reader)
    assert tcp_server.client.info("keyspace") == {}


@pytest.mark.parametrize("link_class", links._ASYNC_LINKS)
def test_every_kind_of_link_has_a_read_only_one(link_class):
    options = {"path": "/nowhere"} if "Unix" in link_class.__name__ else {}
    read_only = links.read_only_class(link_class)
    assert issubclass(read_only, link_class)
    # There is no server: it is refused before.
    with pytest.raises(ReadOnlyError):
        read_only(**options).send_command(*SET)
    reader = rnb.Connection(read_only, options | {"socket_timeout": 1})
    assert isinstance(wire.async_link(reader), links._ASYNC_LINKS[link_class])
    with pytest.raises(ReadOnlyError):
        WAYS["asyncio"](reader)


def test_the_private_server():
    with connect(read_only=True) as reader, connect() as conn:
        assert reader.url == conn.url
        assert reader.server is conn.server is not None
        with pytest.raises(ReadOnlyError):
            rnb.Stream(reader, "s").add({"i": 1})
        conn.client.set("k", "v")
        assert rnb.keys(reader)["key"].tolist() == ["k"]
        rnb.Cache(conn).flush(confirm=conn.name)


def test_subscribing(reader, raw, wait_until):
    with reader.client.pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe("news")
        wait_until(lambda: pubsub.get_message(timeout=0.01) is None and pubsub.subscribed)
        raw.publish("news", "hello")
        assert wait_until(lambda: pubsub.get_message(timeout=0.1))["data"] == b"hello"


# What redisnb reads


def test_everything_that_reads_works(reader, raw, tmp_path):
    before = state(raw)
    stream = rnb.Stream(reader, "s")
    assert len(stream) == 3
    assert stream.range(where={"i": [1, 2]})["i"].tolist() == [1, 2]
    assert stream.tail(2)["i"].tolist() == [2, 3]
    assert [len(frame) for frame in stream.frames()] == [3]
    assert [entry.event["i"] for entry in stream.follow("all", timeout=0.01)] == [1, 2, 3]
    assert stream.info()["length"].tolist() == [3]

    async def followed():
        return [entry.event["i"] async for entry in stream.afollow("all", timeout=0.01)]

    assert asyncio.run(followed()) == [1, 2, 3]

    found = group(reader)
    assert found.info()["pending"].tolist() == [1]
    assert found.pending(payload=True)["i"].tolist() == [2]
    assert found.consumers()["consumer"].tolist() == ["ann"]
    assert found.dead_letters()["origin_id"].tolist() == ["1-0"]
    assert found.set_position("all", dry_run=True)["repeated"].tolist() == [2]
    found.lag()

    assert set(rnb.keys(reader, sizes=True)["key"]) == {key.decode() for key in before}
    assert rnb.streams(reader)["stream"].tolist() == ["s", "s:dead"]
    assert rnb.values(reader, "hash")[["a", "b"]].to_numpy().tolist() == [[1, 2]]

    path = tmp_path / "s.parquet"
    assert rnb.capture(stream, path)["entries"].tolist() == [3]
    assert rnb.capture(reader, tmp_path / "all.jsonl", match="s*")["entries"].sum() == 4
    assert rnb.load(path)["i"].tolist() == [1, 2, 3]
    for source in (path, stream, rnb.load(path)):
        plan = rnb.replay(source, rnb.Stream(reader, "to"), resume="r", ids="shift", dry_run=True)
        assert plan["entries"].tolist() == [3]
    dry = rnb.replay(path, reader, dry_run=True, allow_self=True)
    assert dry["target"].tolist() == ["s"]
    assert state(raw) == before


def test_a_cache(reader, raw, server):
    with connect(server.url) as conn:
        cache = rnb.Cache(conn, prefix="c:")
        cache.set_many({"a": {"late": 12}, "b": pd.DataFrame({"x": [1]})}, ttl="1h")
        calls = []

        def made(x):
            calls.append(x)
            return x

        assert cache.memoize()(made)(1) == 1
    cache = rnb.Cache(reader, prefix="c:")
    assert cache.get("a") == {"late": 12}
    assert set(cache.get_many(["a", "b", "none"])) == {"a", "b"}
    assert "a" in cache
    assert cache.ttl("a") > pd.Timedelta("59min")
    assert len(cache.keys()) == 3
    assert cache.delete_matching("*", dry_run=True) == 3
    assert cache.memoize()(made)(1) == 1
    assert calls == [1]
    with pytest.raises(ReadOnlyError):
        cache.memoize()(made)(2)


# What runs for longer


@pytest.mark.slow
def test_a_consumer_without_a_group_reads(reader, raw, wait_until):
    seen = []
    with rnb.Consumer(rnb.Stream(reader, "s"), lambda e: seen.append(e.id.ms), start="all") as mine:
        wait_until(lambda: len(seen) == 3)
        assert mine.state == "running"
    assert seen == [1, 2, 3]
    asyncio.run(
        rnb.Consumer(rnb.Stream(reader, "s"), seen.append, start="all", timeout=0.01).arun()
    )
    assert len(seen) == 6


@pytest.mark.parametrize(
    ("of", "options", "command"),
    [
        (lambda conn: rnb.Stream(conn, "s"), {"start": "all", "after": "delete"}, "XDEL"),
        (group, {}, "XREADGROUP"),
        (group, {"after": "delete"}, "XREADGROUP"),
        (
            lambda conn: rnb.ConsumerGroup(rnb.Stream(conn, "s"), "none"),
            {"on_missing_group": "recreate"},
            "XREADGROUP",
        ),
    ],
)
def test_a_consumer_that_would_write_fails_at_the_start(reader, raw, of, options, command):
    seen = []
    before = state(raw)
    consumer = rnb.Consumer(of(reader), seen.append, **options)
    forget(raw)
    for begin in (consumer.start, lambda: asyncio.run(consumer.arun())):
        with pytest.raises(ReadOnlyError) as caught:
            begin()
        assert caught.value.command == command
    assert consumer.state == "stopped"
    assert sent(raw) == set()
    assert seen == []
    assert state(raw) == before


def test_a_replay_fails_at_the_start(reader, raw, server):
    before = state(raw)
    with connect(server.url) as conn:
        for source in (reader, conn):
            again = rnb.Replay(rnb.Stream(source, "s"), rnb.Stream(reader, "to"), resume="r")
            with pytest.raises(ReadOnlyError) as caught:
                again.start()
            assert caught.value.command == "EVAL"
            assert again.state == "failed"
        assert state(raw) == before
        # From one that reads to one that writes.
        report = rnb.replay(rnb.Stream(reader, "s"), rnb.Stream(conn, "to"), speed=float("inf"))
        assert report.added == 3
