"""A replay that is killed, or whose server is, and run again: every entry once, in order."""

import contextlib
import json
import multiprocessing
import random
import signal
import subprocess
import threading
from pathlib import Path

import hypothesis
import pytest
import redis
from hypothesis import strategies as st

from redisnb import (
    RedisnbWarning,
    Replay,
    ReplayError,
    Stream,
    capture,
    connect,
    load,
    replay,
    wire,
)
from redisnb.entries import id_pair
from redisnb.errors import code
from redisnb.replays import plan, step
from redisnb.replays.step import Checkpoint, Item, Origin
from tests.deadlines import deadline
from tests.replaying import (
    BATCH,
    CHANGES,
    ENTRIES,
    KINDS,
    MOMENTS,
    add,
    after,
    changed,
    expected,
    fields,
    fill,
    numbers,
    once_sent,
    source,
    stored,
    target,
    until_killed,
    wanted,
    write,
)

pytestmark = pytest.mark.slow

INF = float("inf")
#: Makes processes from one that has imported everything: that takes longer than a replay.
FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(["tests.replaying"])
BOOKMARK = "redisnb:replay:r"
PLAN = '{"definition": {}, "bounds": [], "shift": null}'


def pytest_generate_tests(metafunc):
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(metafunc.config.getoption("--fault-seeds")))


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(step, "STEP_ENTRIES", BATCH)


@pytest.fixture
def filled(raw, conn):
    fill(raw)
    return conn


def ids_for(chance: random.Random) -> str:
    return chance.choice(["new", "keep", "shift"])


def mark(raw):
    found = raw.hgetall(BOOKMARK)
    return json.loads(found[b"position"]), found[b"state"]


# -- killed


@pytest.mark.filterwarnings("ignore:text that would be numbers")
@pytest.mark.parametrize("changes", CHANGES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_process_that_is_killed_at_any_point(kind, changes, seed, server, raw, tmp_path):
    raw.flushall()
    fill(raw)
    path = tmp_path / "capture.jsonl"
    write(raw, path)
    chance = random.Random(f"{kind} {seed}")
    ids, kills = ids_for(chance), chance.choice([1, 1, 2])
    kept = [i for i in range(ENTRIES) if changes == "nothing" or wanted(i)]
    for _ in range(kills):
        moments = chance.randint(1, MOMENTS * (len(kept) // BATCH + 1) // kills)
        args = (server.url, kind, changes, ids, path, moments)
        process = FORKED.Process(target=until_killed, args=args)
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    with connect(server.url) as conn:
        options = changed(kind) if changes == "changes" else {}
        again = Replay(
            source(kind, conn, path), target(kind, conn), speed=INF, ids=ids, resume="r", **options
        )
        report = again.run()

    assert numbers(raw) == kept
    assert [parts for _, parts in stored(raw)] == [expected(i, changes) for i in kept]
    assert report.state == "finished"
    assert report.skipped == report.unknown == report.failed == 0
    if ids == "keep":
        before = [id for id, _ in stored(raw, "from")]
        assert [id for id, _ in stored(raw)] == [before[i] for i in kept]
    if ids == "shift":
        before = [id_pair(id)[0] for id, _ in stored(raw, "from")]
        after = [id_pair(id)[0] for id, _ in stored(raw)]
        moved = [new - before[i] for new, i in zip(after, kept, strict=True)]
        assert len(set(moved)) == 1
        assert moved[0] > 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_is_killed_at_any_point(
    kind, seed, raw, server, tcp_server, tmp_path, small, wait_until
):
    raw.flushall()
    chance = random.Random(f"{kind} {seed}")
    ids, own = ids_for(chance), chance.random() < 0.5
    with redis.Redis(connection_pool=tcp_server.client.connection_pool) as there:
        fill(there if own else raw)
        path = tmp_path / "capture.jsonl"
        write(there if own else raw, path)
        with connect(tcp_server.url) as to, connect(server.url) as conn:
            kept = source(kind, to if own else conn, path)
            again = Replay(kept, target(kind, to), rate=4000, ids=ids, resume="r").start()
            for _ in range(chance.choice([1, 2])):
                wait = chance.uniform(0, 0.08)
                again._end_event.wait(wait)
                tcp_server.kill()
                tcp_server.start()
            wait_until(again._end_event.is_set)

            assert (again.state, again.error) == ("finished", None)
            assert numbers(there) == list(range(ENTRIES))
            assert again.report.added == ENTRIES


@pytest.mark.parametrize("kind", ["stream", "file"])
def test_a_server_that_loses_what_it_said_it_had(
    kind, raw, filled, tcp_server, tmp_path, small, wait_until
):
    path = tmp_path / "capture.jsonl"
    write(raw, path)
    there = tcp_server.client
    with connect(tcp_server.url) as to:
        again = Replay(source(kind, filled, path), target(kind, to), rate=1000, resume="r")
        once_sent(again, 100, again.pause)
        again.start()
        wait_until(lambda: again.state == "paused")
        # A folder since Redis 7.0, before that a file.
        copy, (log,) = tmp_path / "copy", tmp_path.glob("appendonly*")
        subprocess.run(["cp", "-r", log, copy], check=True)
        once_sent(again, 200, tcp_server.kill)
        again.resume()
        wait_until(lambda: again.state == "stalled")
        subprocess.run(["rm", "-r", log], check=True)
        subprocess.run(["cp", "-r", copy, log], check=True)
        tcp_server.start()
        wait_until(lambda: again.state not in ("running", "stalled"))

        assert (again.state, again.error) == ("finished", None)
        assert numbers(there) == list(range(ENTRIES))
        assert again.report.added == len(again.report.frame()) == ENTRIES


def test_a_server_that_loses_something_between_two_batches(filled, raw, small, wait_until):
    """No connection breaks at that time; only the bookmark shows it."""
    again = Replay(Stream(filled, "from"), Stream(filled, "to"), rate=2000, resume="r")
    once_sent(again, 100, again.pause)
    again.start()
    wait_until(lambda: again.state == "paused")
    copies = {key: raw.dump(key) for key in ("to", BOOKMARK)}
    once_sent(again, 200, again.pause)
    again.resume()
    wait_until(lambda: again.state == "paused" and raw.xlen("to") >= 200)
    for key, copy in copies.items():
        raw.restore(key, 0, copy, replace=True)
    again.resume()
    report = again.run()

    assert numbers(raw) == list(range(ENTRIES))
    assert report.added == len(report.frame()) == ENTRIES


@pytest.mark.parametrize("lines", [0, 1, 3])
@pytest.mark.parametrize("ids", ["new", "keep"])
def test_a_lost_reply(ids, lines, filled, raw, proxy, monkeypatch):
    monkeypatch.setattr(step, "STEP_ENTRIES", 5 * BATCH)
    with connect(proxy.url) as to:
        again = Replay(Stream(filled, "from"), Stream(to, "to"), speed=INF, ids=ids, resume="r")
        monkeypatch.setattr(wire, "ask_packed", wire.ask_packed)  # to put it back
        after(7, lambda: setattr(proxy, "lines", lines))
        report = again.run()

    assert numbers(raw) == list(range(ENTRIES))
    assert report.added == ENTRIES
    assert report.unknown == 0


@pytest.mark.parametrize("lines", [0, 1])
def test_a_lost_reply_to_a_step(lines, filled, raw, proxy, monkeypatch, wait_until):
    with connect(proxy.url) as to:
        again = Replay(Stream(filled, "from"), Stream(to, "to"), speed=INF, resume="r")
        monkeypatch.setattr(wire, "ask_packed", wire.ask_packed)  # to put it back
        after(7, lambda: setattr(proxy, "lines", lines))
        again.pause()
        again.start()
        again.step(5)
        wait_until(lambda: again.progress.done == 5)
        wait_until(lambda: again.state == "paused")
        assert numbers(raw) == list(range(5))
        again.resume()
        report = again.run()

    assert numbers(raw) == list(range(ENTRIES))
    assert report.added == ENTRIES


# -- the bookmark


@pytest.mark.parametrize("protocol", [2, 3])
def test_it_goes_on_where_it_was(filled, raw, small):
    here, there = Stream(filled, "from"), Stream(filled, "to")
    first = Replay(here, there, speed=INF, resume="r", limit=None)
    once_sent(first, 100, first._player.gate.stop)
    report = first.run()

    assert report.state == "stopped"
    assert 100 <= report.added < ENTRIES
    assert "the same call again continues" in report.note
    assert mark(raw)[0]["count"] == report.added
    assert mark(raw)[1] == b"running"

    second = replay(here, there, speed=INF, resume="r")

    assert second.added == ENTRIES - report.added
    assert numbers(raw) == list(range(ENTRIES))
    assert mark(raw)[1] == b"finished"


def test_one_that_is_finished_says_so_until_it_is_forgotten(filled, raw):
    here, there = Stream(filled, "from"), Stream(filled, "to")
    replay(here, there, speed=INF, resume="r")
    again = Replay(here, there, speed=INF, resume="r")
    report = again.run()

    assert (report.state, report.added, report.read) == ("finished", 0, 0)
    assert "finished before" in report.note
    assert "forget()" in repr(report)
    assert again.dry_run().empty

    assert again.forget()
    assert not raw.exists(BOOKMARK)
    assert not again.forget()
    assert again.run().added == ENTRIES
    assert raw.xlen("to") == 2 * ENTRIES


def test_forget_is_for_a_name_and_not_while_it_runs(filled):
    with pytest.raises(ValueError, match="resume="):
        Replay(Stream(filled, "from"), Stream(filled, "to")).forget()
    again = Replay(Stream(filled, "from"), Stream(filled, "to"), resume="r", rate=10).start()
    with pytest.raises(RuntimeError, match="running"):
        again.forget()
    with pytest.raises(RuntimeError, match="running"):
        again.dry_run()


def test_a_range_is_resolved_once(filled, raw, small):
    """What is added to the source later is not in the range, nor in that of the second run."""
    here, there = Stream(filled, "from"), Stream(filled, "to")
    first = Replay(here, there, speed=INF, resume="r")
    once_sent(first, 40, first._player.gate.stop)
    first.run()
    add(raw, "from", [("*", fields(-1))])

    assert first.run().added == ENTRIES
    assert replay(here, there, speed=INF, resume="r").added == 0
    assert numbers(raw) == list(range(ENTRIES))


def test_a_limit_counts_all_runs(filled, raw, small):
    here, there = Stream(filled, "from"), Stream(filled, "to")
    first = Replay(here, there, speed=INF, resume="r", limit=50)
    once_sent(first, 20, first._player.gate.stop)
    first.run()
    replay(here, there, speed=INF, resume="r", limit=50)

    assert numbers(raw) == list(range(50))


@pytest.mark.parametrize(
    ("other", "what"),
    [
        ({"ids": "keep"}, "ids was 'new' and is now 'keep'"),
        ({"stamp": True}, "stamp"),
        ({"limit": 5}, "limit"),
        ({"start": "5-0"}, "start was None and is now '5-0'"),
        ({"source": "odd"}, "sources"),
        ({"target": "other"}, "target was 'to' and is now 'other'"),
    ],
)
def test_another_replay_may_not_have_the_name(other, what, filled, raw):
    replay(Stream(filled, "from"), Stream(filled, "to"), speed=INF, resume="r", limit=3)
    options = {"source": "from", "target": "to", "limit": 3} | other
    here = Stream(filled, options.pop("source"))
    there = Stream(filled, options.pop("target"))
    with pytest.raises(ReplayError, match=f"another replay: its {what}"):
        replay(here, there, speed=INF, resume="r", **options)

    assert raw.xlen("to") == 3
    assert not raw.exists("other")


def test_another_capture_of_the_stream_may_not_have_the_name(filled, raw, tmp_path, small):
    early, late, there = tmp_path / "early.parquet", tmp_path / "late.jsonl", Stream(filled, "to")
    stream = Stream(filled, "from")
    half = stream.range()["entry_id"].iloc[len(stream) // 2]
    capture(stream, early, end=f"({half}")
    capture(stream, late, start=half)
    first = Replay(late, there, speed=INF, resume="r")
    once_sent(first, 20, first._player.gate.stop)
    first.run()
    with pytest.raises(ReplayError, match="its first and last entry was"):
        replay(early, there, speed=INF, resume="r")
    replay(late, there, speed=INF, resume="r")

    assert len(there) == len(load(late))


def test_a_stream_and_its_capture_are_the_same_source(filled, raw, tmp_path, small):
    path = tmp_path / "capture.parquet"
    write(raw, path)
    there = Stream(filled, "to")
    first = Replay(Stream(filled, "from"), there, speed=INF, resume="r")
    once_sent(first, 100, first._player.gate.stop)
    first.run()

    assert replay(path, there, speed=INF, resume="r").state == "finished"
    assert numbers(raw) == list(range(ENTRIES))


@pytest.mark.parametrize(
    "content",
    [
        {"plan": "{"},
        {"other": "x"},
        {"plan": "[]"},
        {"plan": PLAN, "position": "[1]"},
        {"plan": PLAN, "position": '{"read": [{"a": "x"}], "last": {}, "count": 1}'},
    ],
)
def test_what_is_no_bookmark_is_left_alone(content, filled, raw):
    raw.hset(BOOKMARK, mapping=content)
    with pytest.raises(ReplayError, match="is not the bookmark of a replay"):
        replay(Stream(filled, "from"), Stream(filled, "to"), speed=INF, resume="r")

    assert not raw.exists("to")


def test_a_key_of_another_type_is_no_bookmark(filled, raw):
    raw.set(BOOKMARK, "x")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE") as caught:
        replay(Stream(filled, "from"), Stream(filled, "to"), speed=INF, resume="r")
    assert "another type" in caught.value.__notes__[0]


def test_a_bookmark_that_is_overwritten_ends_it(filled, raw, small):
    again = Replay(Stream(filled, "from"), Stream(filled, "to"), rate=1000, resume="r")
    once_sent(again, 100, lambda: raw.set(BOOKMARK, "x"))
    again.start()._end_event.wait(deadline(5))

    assert again.state == "failed"
    assert "WRONGTYPE" in str(again.error)


def test_a_bookmark_that_becomes_something_else_ends_it(filled, raw, small):
    again = Replay(Stream(filled, "from"), Stream(filled, "to"), rate=1000, resume="r")
    once_sent(again, 100, lambda: raw.hset(BOOKMARK, "position", "7"))
    again.start()._end_event.wait(deadline(5))

    assert again.state == "failed"
    assert "is not the bookmark of a replay" in str(again.error)


@pytest.fixture
def two(filled, server, small):
    """Two replays of one name, as in two processes: neither stops the other."""
    with connect(server.url) as conn:
        yield [
            Replay(Stream(each, "from"), Stream(each, "to"), rate=1000, resume="r")
            for each in (filled, conn)
        ]


@pytest.mark.parametrize("late", [0, 1])
def test_two_of_one_name_do_not_add_anything_twice(late, two, raw, wait_until, monkeypatch):
    monkeypatch.setattr(Replay, "_replaces", lambda self, other: False)
    first, second = two
    once_sent(first, 100, first.pause)
    first.start()
    wait_until(lambda: first.state == "paused")
    if late:
        # It has read the checkpoint, and the other one moves on.
        second.pause()
        second.start()
        moved = threading.Event()
        once_sent(first, 200, moved.set)
        first.resume()
        assert moved.wait(deadline(5))
        second.resume()
        second._end_event.wait(deadline(5))
    else:
        second.start()._end_event.wait(deadline(5))
        first.resume()
    first._end_event.wait(deadline(5))

    (wrong,) = [each for each in two if each.state == "failed"]
    assert wrong is two[late]
    assert isinstance(wrong.error, ReplayError)
    assert "another one of the same name is running" in str(wrong.error)
    assert numbers(raw) == list(range(ENTRIES))


def test_in_one_process_the_second_takes_over(filled, raw, small, wait_until):
    here, there = Stream(filled, "from"), Stream(filled, "to")
    first = Replay(here, there, rate=1000, resume="r")
    once_sent(first, 100, first.pause)
    first.start()
    wait_until(lambda: first.state == "paused")
    with pytest.warns(RedisnbWarning, match="replaces the one of the same name"):
        second = replay(here, there, speed=INF, resume="r")

    assert first.state == "stopped"
    assert first.report.added + second.added == ENTRIES
    assert numbers(raw) == list(range(ENTRIES))


def test_an_empty_source_is_finished_at_once(conn, raw):
    report = replay(Stream(conn, "from"), Stream(conn, "to"), resume="r")

    assert (report.state, report.added, report.read) == ("finished", 0, 0)
    assert mark(raw) == ({"read": [{}], "last": {}, "count": 0, "missed": 0}, b"finished")
    assert not raw.exists("to")


# -- refused in the middle of a batch


@pytest.mark.parametrize("ids", ["new", "keep"])
def test_a_refusal_ends_the_batch_there(ids, raw, server, monkeypatch):
    """The target of odd entries is a string: what comes before the first of them is added."""
    url = server.url
    with connect(url) as conn, redis.Redis.from_url(url) as there:
        there.flushall()
        fill(there, 10)
        there.set("two", "x")
        add(there, "even", [("1900000000000-0", fields(10))])
        here = [Stream(conn, "even"), Stream(conn, "odd")]
        where = {"odd": Stream(conn, "two"), "even": Stream(conn, "one")}
        again = Replay(here, where, speed=INF, ids=ids, resume="r")
        # It would notice that at the start, but the type may change later.
        monkeypatch.setattr(plan.Plan, "check_target", lambda self: set())
        with pytest.raises(redis.ResponseError, match="WRONGTYPE") as caught:
            again.run()

        notes = "\n".join(caught.value.__notes__)
        assert "for 'two'; nothing after it was sent" in notes
        assert "1 entries are done; the same call again" in notes
        assert again.report.failed == 1
        assert numbers(there, "one") == [0]

        there.delete("two")
        report = again.run()

        assert report.added == 11
        assert numbers(there, "one") == [0, 2, 4, 6, 8, 10]
        assert numbers(there, "two") == [1, 3, 5, 7, 9]
        assert mark(there)[0]["count"] == 11


def test_without_the_right_to_move_the_bookmark_nothing_is_added(raw, server):
    url = server.url
    with redis.Redis.from_url(url) as there:
        there.flushall()
        fill(there, 10)
        there.execute_command("ACL", "SETUSER", "w", "on", ">w", "~*", "+@all", "-hset")
        try:
            with (
                connect(url, username="w", password="w") as conn,
                pytest.raises(
                    redis.ResponseError, match=r"can't run this command|no permissions to run"
                ),
            ):
                replay(Stream(conn, "from"), Stream(conn, "to"), speed=INF, resume="r")
        finally:
            there.execute_command("ACL", "DELUSER", "w")
        assert not there.exists("to")


@contextlib.contextmanager
def refusing(trouble, there, wait_until):
    """Return what makes a server refuse writes until the end of a block."""
    folder = Path(there.config_get("dir")["dir"], there.config_get("dbfilename")["dbfilename"])

    def begin():
        if trouble == "OOM":
            there.config_set("maxmemory", 1)
        elif trouble == "READONLY":
            there.replicaof("127.0.0.1", 1)
        else:
            # A directory in the place of the file makes saving fail.
            folder.mkdir()
            there.config_set("save", "3600 1000000")
            there.bgsave()
            wait_until(lambda: there.info("persistence")["rdb_bgsave_in_progress"] == 0)

    try:
        yield begin
    finally:
        there.config_set("maxmemory", 0)
        there.replicaof("NO", "ONE")
        there.config_set("save", "")
        if folder.is_dir():
            folder.rmdir()


@pytest.mark.parametrize(
    ("trouble", "says", "remedy"),
    [
        ("OOM", "command not allowed", "maxmemory"),
        ("READONLY", "You can't write against a read only replica", "connect to its primary"),
        ("MISCONF", "is configured to save RDB snapshots", "cannot save to disk"),
    ],
)
@pytest.mark.parametrize(("ids", "batches"), [("new", 0), ("new", 3), ("keep", 3)])
@pytest.mark.parametrize("resume", ["r", None])
def test_a_server_that_begins_to_refuse_writes_is_no_loss(
    resume, ids, batches, trouble, says, remedy, server, raw, small, wait_until, monkeypatch
):
    url = server.url
    with connect(url) as conn, redis.Redis.from_url(url) as there:
        there.flushall()
        fill(there, 200)
        here, to = Stream(conn, "from"), Stream(conn, "to")
        again = Replay(here, to, speed=INF, ids=ids, resume=resume)
        monkeypatch.setattr(wire, "ask_packed", wire.ask_packed)  # to put it back
        with refusing(trouble, there, wait_until) as begin:
            after(batches * MOMENTS + 1, begin)
            with pytest.raises(redis.ResponseError, match=says) as caught:
                again.run()
        assert code(caught.value) == trouble
        notes = "\n".join(caught.value.__notes__)
        assert remedy in notes
        done = batches * BATCH
        assert again.report.added == there.xlen("to") == done
        assert f"{done} entries are done" in notes or (not done and "nothing was added" in notes)

        if done:
            # What the note says, and what another process would do.
            start = None if resume else f"({again.report.position}"
            assert (
                replay(here, to, speed=INF, ids=ids, resume=resume, start=start).added + done == 200
            )
        else:
            assert again.run().added == 200
        assert numbers(there) == list(range(200))


# -- checkpoints


@st.composite
def sequences(draw, least=0):
    """Make the entries of three streams of two sources, in the order in which they are sent."""
    origins = [Origin(0, "a", "to"), Origin(0, "b", "to"), Origin(1, "a", "to")]
    picked = draw(st.lists(st.integers(0, 2), min_size=least, max_size=30))
    items: list[Item] = [(origins[i], b"%d-0" % n, [b"n", b"%d" % n]) for n, i in enumerate(picked)]
    cuts = sorted(draw(st.lists(st.integers(0, len(items)), max_size=4)))
    return items, cuts


@hypothesis.given(sequences())
def test_a_checkpoint_leaves_out_what_was_done_and_nothing_else(case):
    items, cuts = case
    checkpoint, begin = Checkpoint.of("", 2), 0
    for cut in [*cuts, len(items)]:
        new_ids = [id.decode() for _, id, _ in items[begin:cut]]
        checkpoint = step.checkpoint_after(
            checkpoint, items[begin:cut], new_ids, missed=0, bookmarked=True
        )
        begin = cut
        left = [
            item
            for item in items
            if id_pair(item[1]) > id_pair(checkpoint.read[item[0].index].get(item[0].key, "0--1"))
        ]
        assert left == items[cut:]
        assert checkpoint.count == cut
        assert Checkpoint.of(checkpoint.stored, 2) == checkpoint
        assert checkpoint.last == ({"to": items[cut - 1][1].decode()} if cut else {})


@hypothesis.settings(
    max_examples=40,
    suppress_health_check=[
        hypothesis.HealthCheck.too_slow,
        hypothesis.HealthCheck.function_scoped_fixture,
    ],
)
@hypothesis.given(case=sequences(1), at=st.integers(0, 29), names=st.text(max_size=3))
def test_the_script_moves_as_far_as_it_adds(case, at, names, raw, server):
    """A batch that is refused in the middle leaves the same checkpoint as one that ends there."""
    items, _ = case
    at %= len(items)
    raw.flushall()
    raw.set("wrong", "x")
    copies = {item[0]: Origin(item[0].index, item[0].key + names, "to") for item in items}
    items = [(copies[origin], id, parts) for origin, id, parts in items]
    bad = Origin(items[at][0].index, items[at][0].key, "wrong")
    sent = [*items[:at], (bad, *items[at][1:]), *items[at + 1 :]]
    given = [f"{i + 1}-0" for i in range(len(items))]
    before = Checkpoint.of("", 2)
    whole = step.checkpoint_after(before, sent, given, missed=0, bookmarked=True)
    command = step.step_command(sent, given, bookmark="b", plan="{}", before="", after=whole.stored)
    outcome, ids, reason, *position = raw.execute_command(*command)

    assert outcome == b"refused"
    assert reason.startswith(b"WRONGTYPE")
    assert len(ids) == at == raw.xlen("to")
    if at:
        expected = step.checkpoint_after(before, items[:at], given[:at], missed=0, bookmarked=True)
        assert Checkpoint.of(position[0].decode(), 2).read == expected.read
        assert Checkpoint.of(position[0].decode(), 2).last == expected.last
        assert Checkpoint.of(position[0].decode(), 2).count == at
        assert raw.hget("b", "position") == position[0]
    else:
        assert raw.hget("b", "position") is None

    # Sent again, it does not continue from another checkpoint.
    assert raw.execute_command(*command)[0] == (b"moved" if at else b"refused")


# -- after a lost link


@pytest.fixture
def lose(monkeypatch):
    """Lose the reply to one batch, after calling a function."""

    def at(count, then):
        ask, left = wire.ask_packed, count

        def losing(*args):
            nonlocal left
            left -= 1
            reply = ask(*args)
            if left == 0:
                then()
                raise redis.ConnectionError("lost")
            return reply

        monkeypatch.setattr(wire, "ask_packed", losing)

    return at


def test_another_one_moves_on_while_the_link_is_lost(filled, raw, server, small, lose):
    def other():
        with connect(server.url) as conn:
            again = Replay(Stream(conn, "from"), Stream(conn, "to"), speed=INF, resume="r")
            again._replaces = lambda other: False
            again.run()

    lose(3, other)
    with pytest.raises(ReplayError, match="another one of the same name is running"):
        replay(Stream(filled, "from"), Stream(filled, "to"), speed=INF, resume="r")

    assert numbers(raw) == list(range(ENTRIES))


def test_what_cannot_be_read_again_says_so(filled, raw, small, lose, tmp_path, monkeypatch):
    """The server is emptied: entries of a pipe cannot be read twice."""
    path = tmp_path / "c.jsonl"
    write(raw, path)
    lose(3, lambda: raw.delete("to", BOOKMARK))
    with path.open("rb") as file:
        monkeypatch.setattr("sys.stdin", file)
        with pytest.raises(ReplayError, match="cannot be read again; replay it once more"):
            replay("-", Stream(filled, "to"), speed=INF, resume="r")

    assert replay(path, Stream(filled, "to"), speed=INF, resume="other").added == ENTRIES
    assert numbers(raw) == list(range(ENTRIES))


def test_a_command_that_was_given_up_for_lost_comes_after_all(filled, raw, small, monkeypatch):
    """It moves the bookmark between the reading of it and the second attempt."""
    ask, late = wire.ask_packed, []

    def slow(conn, packed, meanwhile):
        if not late:
            late.append(packed)
            raise redis.TimeoutError("no reply")
        if len(late) == 1:
            late.append(packed)
            ask(conn, late[0])
        return ask(conn, packed, meanwhile)

    monkeypatch.setattr(wire, "ask_packed", slow)
    report = replay(Stream(filled, "from"), Stream(filled, "to"), speed=INF, resume="r")

    assert numbers(raw) == list(range(ENTRIES))
    assert report.added == ENTRIES


def test_what_was_added_without_a_reply_is_counted_when_it_is_started_again(
    filled, raw, small, lose, monkeypatch
):
    again = Replay(Stream(filled, "from"), Stream(filled, "to"), speed=INF, resume="r")
    lose(3, again._player.gate.stop)
    assert again.run().state == "stopped"
    assert again.report.added == 2 * BATCH
    assert raw.xlen("to") == 3 * BATCH

    assert again.run().added == ENTRIES
    assert numbers(raw) == list(range(ENTRIES))
