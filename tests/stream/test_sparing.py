"""What a group still has to handle stays wherever redisnb was told to spare it."""

import random
import warnings
from types import SimpleNamespace

import pytest

from redisnb import Consumer, ConsumerGroup, RedisnbWarning, Stream, connect, wire

N = 40


@pytest.fixture
def protocol() -> int:
    return 2


def made(conn, seed):
    """A stream with groups at different positions, and gaps in what they have acknowledged."""
    dice = random.Random(seed)
    stream = Stream(conn, f"s{seed}")
    stream.add_many([{"i": i} for i in range(1, N + 1)], ids=[f"{i}-0" for i in range(1, N + 1)])
    groups = [ConsumerGroup(stream, f"g{i}", consumer="c") for i in range(dice.randint(0, 3))]
    owed = set()
    for group in groups:
        start = dice.randint(1, N)
        group.create(f"{start}-0")
        read = dice.randint(0, N - start + 1)
        taken = group.read(read)["entry_id"].tolist() if read else []
        # Mostly the first ones.
        acked = [id for i, id in enumerate(taken) if dice.random() < (0.97 if i < 20 else 0.5)]
        group.ack(acked)
        owed |= {f"{i}-0" for i in range(start + read, N + 1)} | set(taken) - set(acked)
    return SimpleNamespace(stream=stream, groups=groups, owed=owed, dice=dice)


def there(stream):
    return [id.decode() for id, _ in stream.conn.client.xrange(stream.key)]


def bounds(dice):
    choices = [{"maxlen": dice.randint(0, N)}, {"minid": f"{dice.randint(0, N + 2)}-0"}]
    return dice.choice([*choices, {"minid": dice.randint(0, N + 2)}])


def native(stream):
    """Return whether the server itself spares: then also after the first entry that it spares."""
    return stream.conn.supports("XDELEX")


def expected(case, before, *, maxlen=None, minid=None):
    """Return what must be there after a trim that spares, found the slow way."""
    left = list(before)
    for id in before:
        if maxlen is not None and len(left) <= maxlen:
            break
        if minid is not None and int(id.split("-")[0]) >= int(str(minid).split("-")[0]):
            break
        if id in case.owed:
            if native(case.stream):
                continue
            break
        left.remove(id)
    return left


@pytest.mark.parametrize("seed", range(40))
def test_trims_spare_what_groups_have_to_handle(conn, seed):
    case = made(conn, seed)
    for _ in range(4):
        how, before = bounds(case.dice), there(case.stream)
        wanted = expected(case, before, **how)
        going = case.stream.trim(**how, only="acked", dry_run=True)
        assert there(case.stream) == before
        assert case.stream.trim(**how, only="acked") == going == len(before) - len(wanted)
        assert there(case.stream) == wanted
        assert case.owed <= set(wanted)


@pytest.mark.parametrize("seed", range(20))
def test_adding_spares_them_too(conn, seed):
    case = made(conn, seed)
    new = N
    for many in (False, True):
        how, before = bounds(case.dice), there(case.stream)
        ids = [f"{new + 1 + i}-0" for i in range(5 if many else 1)]
        new += len(ids)
        if case.groups:
            case.owed |= set(ids)
        if many:
            added = case.stream.add_many([{"i": 0}] * len(ids), ids=ids, only="acked", **how)
            assert added["status"].tolist() == ["added"] * len(ids)
        else:
            assert case.stream.add({"i": 0}, id=ids[0], only="acked", **how) == ids[0]
        after = there(case.stream)
        assert case.owed <= set(after)
        # The server trims after each one, or redisnb after all of them.
        assert after == expected(case, [*before, *ids], **how)


@pytest.mark.parametrize("seed", range(20))
def test_deletes_spare_them_too(conn, seed):
    case = made(conn, seed)
    ids = [f"{case.dice.randint(1, N + 3)}-0" for _ in range(15)]
    before = there(case.stream)
    wanted = [id for id in before if id not in ids or id in case.owed]
    assert case.stream.delete(ids, only="acked") == len(before) - len(wanted)
    assert there(case.stream) == wanted


@pytest.mark.parametrize("seed", range(10))
def test_without_it_a_warning_tells_of_them(conn, seed):
    case = made(conn, seed)
    stream, dice = case.stream, case.dice
    with_warning = 0
    for act in (
        lambda: stream.delete(dice.sample(there(stream), 3)),
        lambda: stream.trim(maxlen=N - 10),
        lambda: stream.trim(minid=f"{N - 15}-0"),
        lambda: stream.add_many([{"i": 0}], maxlen=N - 20),
    ):
        before = set(there(stream))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            act()
        lost = before - set(there(stream))
        told = ["only='acked' spares them" in str(each.message) for each in caught]
        assert told == [True] * bool(lost & case.owed), (lost, case.owed)
        with_warning += bool(told)
        case.owed -= lost
        if case.groups:
            case.owed |= set(there(stream)) - before
    assert with_warning == 0 or case.groups


def test_a_group_that_is_destroyed_in_between(conn, raw):
    stream = Stream(conn, "s")
    stream.add_many([{"i": i} for i in range(10)])
    for name in ("done", "behind"):
        ConsumerGroup(stream, name, consumer="c").create("all")
    done = ConsumerGroup(stream, "done", consumer="c")
    done.ack(done.read())
    assert stream.trim(maxlen=2, only="acked", dry_run=True) == 0
    raw.xgroup_destroy("s", "behind")
    assert stream.trim(maxlen=2, only="acked") == 8
    raw.xgroup_destroy("s", "done")
    assert stream.trim(maxlen=1, only="acked", dry_run=True) == 1
    assert stream.trim(maxlen=1, only="acked") == 1
    assert Stream(conn, "none").trim(maxlen=1, only="acked") == 0
    assert Stream(conn, "none").delete("1-0", only="acked") == 0
    assert not raw.exists("none")


def test_an_entry_that_is_delivered_in_between_is_spared(conn, raw, monkeypatch):
    stream = Stream(conn, "s")
    stream.add_many([{"i": i} for i in range(10)])
    group = ConsumerGroup(stream, "g", consumer="c")
    group.create("all")
    group.ack(group.read(3))
    ask = wire.ask

    def slow(on, *command, **options):
        reply = ask(on, *command, **options)
        if command[:2] == ("XINFO", "GROUPS"):
            raw.xreadgroup("g", "other", {"s": ">"}, count=4)
        return reply

    monkeypatch.setattr(wire, "ask", slow)
    # Behind the three that were acknowledged, nothing.
    assert stream.trim(maxlen=0, only="acked") == 3
    assert stream.delete(there(stream), only="acked") == 0


def test_what_is_pending_and_gone_holds_nothing_up(conn, raw):
    stream = Stream(conn, "s")
    stream.add_many([{"i": i} for i in range(3000)])
    group = ConsumerGroup(stream, "g", consumer="c")
    group.create("all")
    ids = group.read(3000)["entry_id"].tolist()
    group.ack(ids[2000:2500])
    raw.xdel("s", *ids[:2000])
    # Those of the first 2,000 are pending for ever; the next 500 are done.
    assert stream.trim(maxlen=0, only="acked", dry_run=True) == 500
    assert stream.trim(maxlen=600) == 400
    with pytest.warns(RedisnbWarning, match="spares them"):
        assert stream.trim(maxlen=499) == 101
    assert stream.trim(maxlen=0, only="acked") == 0


def test_how_to_trim(conn, raw):
    stream = Stream(conn, "s")
    stream.add_many([{"i": i} for i in range(1000)])
    # Only whole nodes, of 100 entries, and of these as many as the limit allows.
    assert stream.trim(maxlen=950, approximate=True) == 0
    assert stream.trim(maxlen=150, approximate=True, limit=300) == 300
    assert stream.trim(maxlen=650) == 50
    stream.add({"i": 0}, maxlen=10, approximate=True, limit=200)
    assert 400 <= len(stream) < 651


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda stream: stream.trim(maxlen=3, only="ackd"), "only='ackd'; choose 'acked'"),
        (lambda stream: stream.delete("1-0", only=True), "only=True; choose 'acked'"),
        (lambda stream: stream.trim(only="acked"), "only= says how to trim; give maxlen="),
        (lambda stream: stream.add({"i": 1}, limit=3), "limit= says how to trim; give maxlen="),
        (lambda stream: stream.trim(maxlen=3, limit=2), "limit= goes with approximate=True"),
        (lambda stream: stream.trim(), "needs maxlen= or minid="),
        (lambda stream: stream.trim(maxlen=-1, only="acked"), "it is a number of rows"),
        (lambda stream: stream.add_many([{}], maxlen=1, minid=5), "not both"),
    ],
)
def test_what_is_no_way_to_trim(conn, raw, call, message):
    stream = Stream(conn, "s")
    raw.xadd("s", {"i": 1}, id="1-0")
    with pytest.raises(ValueError, match=message):
        call(stream)
    assert there(stream) == ["1-0"]


def test_on_a_read_only_connection_it_can_be_counted(conn, server):
    case = made(conn, 3)
    with connect(server.url, read_only=True) as reader:
        stream = Stream(reader, case.stream.key)
        counted = stream.trim(maxlen=0, only="acked", dry_run=True)
    assert counted == case.stream.trim(maxlen=0, only="acked")


# A group's consumer that deletes


def consumed(group, n, wait_until, **options):
    with Consumer(group, lambda entry: None, after="delete", **options) as consumer:
        wait_until(lambda: consumer.stats["handled"] == n)
    return consumer


def test_deleting_consumers_of_two_groups(conn, raw, wait_until):
    stream = Stream(conn, "s")
    stream.add_many([{"i": i} for i in range(10)])
    one, two = (ConsumerGroup(stream, name, consumer="c") for name in ("one", "two"))
    one.create("all")
    two.create("all")
    if native(stream):
        consumed(one, 10, wait_until)
        assert len(stream) == 10
        assert one.pending().empty
        # The last one deletes.
        consumed(two, 10, wait_until)
        assert len(stream) == 0
        assert two.pending().empty
        return
    with pytest.warns(RedisnbWarning, match="takes entries from 'two', which has not read"):
        consumer = consumed(one, 10, wait_until)
    assert len(stream) == 0
    assert "takes entries from 'two'" in "".join(consumer.errors()["message"])


def test_a_deleting_consumer_alone_is_told_nothing(conn, raw, wait_until):
    stream = Stream(conn, "s")
    stream.add_many([{"i": i} for i in range(10)])
    group = ConsumerGroup(stream, "g", consumer="c")
    group.create("all")
    other = ConsumerGroup(stream, "other", consumer="c")
    other.create("all")
    other.ack(other.read())
    consumer = consumed(group, 10, wait_until)
    assert consumer.errors().empty
    assert len(stream) == 0
    assert group.pending().empty


def test_a_consumer_without_a_group_is_told_of_groups(conn, wait_until):
    stream = Stream(conn, "s")
    stream.add_many([{"i": i} for i in range(10)])
    ConsumerGroup(stream, "g").create("all")
    with pytest.warns(RedisnbWarning, match="takes entries from 'g'"):
        consumed(stream, 10, wait_until, start="all")


def test_a_dead_letter_stays_for_other_groups(conn, wait_until):
    stream = Stream(conn, "s")
    stream.add({"i": 1})
    one, two = (ConsumerGroup(stream, name, consumer="c") for name in ("one", "two"))
    one.create("all")
    two.create("all")
    if not native(stream):
        pytest.skip("before Redis 8.2 it is deleted, with a warning")

    def fail(entry):
        raise ValueError("no")

    with Consumer(one, fail, after="delete", max_deliveries=1) as consumer:
        wait_until(lambda: consumer.stats["dead"] == 1)
    assert len(one.dead_letters()) == 1
    assert two.read()["i"].tolist() == [1]
