"""Following: through restarts and lost replies, what is warned of, and how long it waits.

What following gives of a healthy stream is in tests/stream/test_stream.py.
"""

import asyncio
import linecache
import threading
import time
from types import SimpleNamespace

import pytest
import redis

from redisnb import Stream, connect, patience
from redisnb.entries import EntryId
from redisnb.errors import ConnectError, RedisnbWarning
from redisnb.stream import StreamCursor, followed_pages, following
from redisnb.stream.following import BLOCK, LOOK_LATER, LOOK_SOON, Wait
from tests.consuming import in_xread
from tests.deadlines import deadline


class Blocking:
    """Take entries from `follow`."""

    def __init__(self, stream, *args, **kwargs):
        self.entries = stream.follow(*args, **kwargs)

    def take(self, n):
        return [next(self.entries).id for _ in range(n)]  # next of them

    def rest(self):
        return [entry.id for entry in self.entries]  # all of them

    def close(self):
        self.entries.close()


class Async:
    """Take entries from `afollow`, in one loop that goes on from call to call."""

    def __init__(self, stream, *args, **kwargs):
        self.runner = asyncio.Runner()
        self.entries = stream.afollow(*args, **kwargs)

    def take(self, n):
        async def some():
            return [(await anext(self.entries)).id for _ in range(n)]  # next of them

        return self.runner.run(some())

    def rest(self):
        async def every():
            return [entry.id async for entry in self.entries]  # all of them

        return self.runner.run(every())

    def close(self):
        self.runner.run(self.entries.aclose())
        self.runner.close()


@pytest.fixture(params=[Blocking, Async], ids=["follow", "afollow"])
def follow(request):
    """``follow(stream, "all")`` in blocking code and in asyncio code."""
    made = []

    def make(*args, **kwargs):
        made.append(request.param(*args, **kwargs))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def stream(conn):
    return Stream(conn, "s", format="fields")


def fill(client, *numbers):
    for n in numbers:
        client.xadd("s", {"n": n}, id=f"{n}-0")


def ids(*numbers):
    return [f"{n}-0" for n in numbers]


def looks(client):
    """Return how often clients asked for the state of a stream."""
    stats = client.info("commandstats")
    return sum(each["calls"] for name, each in stats.items() if name.startswith("cmdstat_xinfo"))


def in_background(work):
    thread = threading.Thread(target=work)
    thread.start()
    return thread


# A server that goes away


@pytest.mark.parametrize("protocol", [2, 3])
def test_following_goes_on_after_each_restart(tcp_server, follow, wait_until, protocol):
    client = tcp_server.client
    fill(client, 1, 2, 3)

    def restart_while_it_waits(*then):
        wait_until(lambda: in_xread(client))
        tcp_server.kill()
        tcp_server.start()
        fill(client, *then)

    with connect(tcp_server.url, timeout=10, protocol=protocol) as conn:
        entries = follow(Stream(conn, "s"), "all")
        assert entries.take(3) == ids(1, 2, 3)
        for first in (4, 6):
            restarts = in_background(lambda n=first: restart_while_it_waits(n, n + 1))
            assert entries.take(2) == ids(first, first + 1)
            restarts.join()


@pytest.mark.slow
def test_a_restart_while_the_loop_is_busy_is_not_noticed(tcp_server, follow):
    fill(tcp_server.client, *range(1, 1200))
    with connect(tcp_server.url, timeout=10) as conn:
        entries = follow(Stream(conn, "s"), "all", timeout=0.2)
        assert entries.take(500) == ids(*range(1, 501))
        tcp_server.kill()
        tcp_server.start()
        fill(tcp_server.client, 1200)
        assert entries.rest() == ids(*range(501, 1201))


@pytest.mark.slow
def test_a_server_that_stays_away_is_an_error_after_the_timeout(tcp_server, follow):
    fill(tcp_server.client, 1)
    with connect(tcp_server.url, timeout=deadline(0.3)) as conn:
        entries = follow(Stream(conn, "s"), "all")
        assert entries.take(1) == ids(1)
        tcp_server.kill()
        began = time.monotonic()
        with pytest.raises((ConnectError, redis.ConnectionError), match=str(tcp_server.port)):
            entries.take(1)
        assert 0.3 <= time.monotonic() - began < deadline(3)
        tcp_server.start()
        assert [entry.id for entry in Stream(conn, "s").follow("all", timeout=0.05)] == ids(1)


@pytest.mark.slow
def test_the_time_away_counts_anew_after_each_answer(server, raw, proxy, follow):
    """Many short troubles are not one long one."""
    raw.flushall()
    with connect(proxy.url, timeout=deadline(0.3)) as conn:
        entries = follow(Stream(conn, "s"), "all")
        began = time.monotonic()
        n = 0
        while time.monotonic() - began < 0.5:
            n += 1
            fill(raw, n)
            proxy.lines = 0
            assert entries.take(1) == ids(n)
        assert n > 1


@pytest.mark.slow
@pytest.mark.parametrize("hang", [False, True], ids=["cut", "silent"])
def test_a_reply_that_is_lost_skips_and_repeats_nothing(raw, proxy, follow, hang):
    raw.flushall()
    fill(raw, 1)
    with connect(proxy.url, timeout=deadline(0.2)) as conn:
        entries = follow(Stream(conn, "s"), "all")
        assert entries.take(1) == ids(1)
        proxy.hang = hang
        # In the middle of a reply: the entries' first line gets through.
        proxy.lines = 1
        fill(raw, 2, 3)
        assert entries.take(2) == ids(2, 3)
        fill(raw, 4)
        assert entries.take(1) == ids(4)


def test_a_refusal_that_passes_is_waited_out(raw, stream, follow, wait_until):
    def unblock():
        wait_until(lambda: in_xread(raw))
        for client in raw.client_list():
            if client["cmd"] == "xread":
                raw.client_unblock(int(client["id"]), error=True)
        fill(raw, 1)

    entries = follow(stream, "all")
    unblocks = in_background(unblock)
    assert entries.take(1) == ids(1)
    unblocks.join()


def test_a_refusal_for_good_is_an_error_at_once(raw, stream, follow):
    raw.set("s", "text")
    with pytest.raises(redis.ResponseError, match="wrong kind of value") as caught:
        follow(stream, "all").take(1)
    assert "holds another type of value" in caught.value.__notes__[0]


# What is warned of


@pytest.fixture
def looks_often(monkeypatch, knows_lag):
    monkeypatch.setattr(following, "LOOK_SOON", 0)
    monkeypatch.setattr(following, "LOOK_LATER", 0)
    return knows_lag


def the_line(warning):
    assert warning.filename == __file__
    return linecache.getline(warning.filename, warning.lineno)


def test_a_gap_is_warned_of_once_in_the_callers_line(raw, stream, follow, looks_often):
    if not looks_often:
        pytest.skip("before Redis 7 nobody counts what was added")
    entries = follow(stream, "all", timeout=0.1)
    fill(raw, 1)
    assert entries.take(1) == ids(1)
    fill(raw, *range(2, 32))
    raw.xtrim("s", maxlen=10, approximate=False)
    with pytest.warns(RedisnbWarning) as caught:
        assert entries.rest() == ids(*range(22, 32))
    assert [str(each.message) for each in caught] == [
        "'s': 20 entries were dropped before they were read, near 1-0"
    ]
    assert "# all of them" in the_line(caught[0])


def test_a_warning_points_at_the_call_of_next(raw, stream, follow, looks_often):
    entries = follow(stream, "all")
    fill(raw, 5)
    assert entries.take(1) == ids(5)
    raw.delete("s")
    fill(raw, 3, 4)
    with pytest.warns(RedisnbWarning) as caught:
        assert entries.take(2) == ids(3, 4)
    assert [str(each.message) for each in caught] == [
        "'s': the stream was deleted and created again after 5-0 was read; reading continues "
        "from its beginning"
    ]
    assert "# next of them" in the_line(caught[0])


def test_a_stream_that_is_deleted_is_warned_of_and_followed(
    raw, stream, follow, looks_often, wait_until
):
    entries = follow(stream, "all", timeout=5)
    fill(raw, 5)
    assert entries.take(1) == ids(5)
    raw.delete("s")
    before = looks(raw)

    def come_back():
        wait_until(lambda: looks(raw) > before)
        fill(raw, 1)

    comes_back = in_background(come_back)
    with pytest.warns(RedisnbWarning, match="the stream was deleted after 5-0") as caught:
        assert entries.take(1) == ids(1)
    comes_back.join()
    assert len(caught) == 1


def test_nothing_is_warned_of_where_nothing_is_missed(raw, stream, follow, looks_often):
    # RedisnbWarning is an error in these tests.
    fill(raw, *range(1, 21))
    entries = follow(stream, "5", timeout=0.1)
    assert entries.take(3) == ids(5, 6, 7)
    raw.xdel("s", *ids(1, 2, 5, 6, 7))
    fill(raw, 21)
    assert entries.take(14) == ids(*range(8, 22))
    raw.xtrim("s", maxlen=0, approximate=False)
    fill(raw, 22)
    assert entries.rest() == ids(22)


def test_a_warning_that_is_an_error_ends_it(raw, stream, follow, looks_often):
    entries = follow(stream, "all")
    fill(raw, 5)
    entries.take(1)
    raw.delete("s")
    with pytest.raises(RedisnbWarning, match="the stream was deleted"):
        entries.take(1)


def test_the_server_is_not_asked_at_each_read(raw, stream, follow):
    def looks():
        return raw.info("commandstats").get("cmdstat_xinfo|stream", {"calls": 0})["calls"]

    before, began = looks(), time.monotonic()
    entries = follow(stream, "all", timeout=deadline(0.5))
    for n in range(1, 51):
        fill(raw, n)
        assert entries.take(1) == ids(n)
    assert entries.rest() == []
    each_second = (time.monotonic() - began) // LOOK_SOON
    assert looks() - before <= 2 + each_second, "at its beginning and at its end"


# Pace, with a clock of its own


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=1000.0)
    for module in (following, patience):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def wait(timeout=None, away=5.0):
    return Wait(SimpleNamespace(timeout=away), timeout)


def test_without_a_timeout_a_read_blocks_for_a_while_again_and_again(clock):
    waiting = wait()
    for _ in range(3):
        assert waiting.block() == BLOCK
        clock.now += 1e6


def test_a_read_blocks_no_longer_than_there_is_time(clock):
    waiting = wait("1250ms")
    blocks = []
    for passed in (0, 0.5, 0.5, 0.249755859375, 0.000244140625):
        clock.now += passed
        blocks.append(waiting.block())
    # Never 0, which would wait for ever.
    assert blocks == [500, 500, 250, 1, 1]
    waiting.came(False)
    assert waiting.block() is None


def test_an_entry_begins_the_wait_anew(clock):
    waiting = wait(1)
    clock.now += 0.75
    waiting.came(False)
    assert waiting.block() == 250
    waiting.came(True)
    assert waiting.block() == 500
    clock.now += 1
    waiting.came(False)
    assert waiting.block() is None
    waiting.renew()
    assert waiting.block() == 500


def test_only_an_empty_reply_ends_the_wait(clock):
    """Also in a thread that got no time to ask within it."""
    waiting = wait(1)
    for _ in range(3):
        clock.now += 10
        assert waiting.block() == 1
        waiting.came(True)
        assert waiting.block() == 500
    waiting.came(False)
    clock.now += 10
    assert waiting.block() == 1
    waiting.came(False)
    assert waiting.block() is None


def test_without_time_it_reads_what_is_there(conn, stream, follow):
    fill(conn.client, *range(1, 1200))
    assert follow(stream, "all", timeout=0).rest() == ids(*range(1, 1200))


def test_no_time_is_one_read(clock):
    waiting = wait(0)
    assert waiting.block() == 1
    waiting.came(False)
    assert waiting.block() is None
    with pytest.raises(ValueError, match="timeout=-1 is negative"):
        wait(-1)


def test_it_looks_at_first_and_then_now_and_then(clock):
    looking = wait()
    assert [looking.looks(), looking.looks()] == [True, False]
    clock.now += LOOK_LATER - 0.25
    assert not looking.looks()
    clock.now += 0.25
    assert [looking.looks(), looking.looks()] == [True, False]


def test_it_looks_sooner_when_entries_have_come(clock):
    looking = wait()
    looking.looks()
    clock.now += 1
    looking.came(False)
    clock.now += LOOK_SOON
    assert not looking.looks()
    looking.came(True)
    clock.now += LOOK_SOON / 2
    # More entries do not put it off.
    looking.came(True)
    assert not looking.looks()
    clock.now += LOOK_SOON / 2
    assert [looking.looks(), looking.looks()] == [True, False]


AWAY = redis.ConnectionError("away")


def test_a_server_may_be_away_for_the_connections_timeout(clock):
    away = wait(away=2.0)
    first = away.wait_after(AWAY)
    assert 0 < first <= 0.05
    clock.now += 1.9
    assert away.wait_after(AWAY) > first
    clock.now += 0.1
    with pytest.raises(redis.ConnectionError, match="away") as caught:
        away.wait_after(AWAY)
    assert caught.value is AWAY


def test_a_server_that_has_answered_may_be_away_for_as_long_again(clock):
    away = wait(away=2.0)
    for _ in range(9):
        assert away.wait_after(AWAY) <= 0.05
        clock.now += 1.9
        away.wait_after(AWAY)
        away.came(False)


def test_there_is_no_next_attempt_when_the_time_is_up(clock):
    away = wait(1, away=60.0)
    away.wait_after(AWAY)
    clock.now += 1
    with pytest.raises(redis.ConnectionError):
        away.wait_after(AWAY)


def test_what_does_not_pass_is_raised_at_once(clock):
    error = redis.ResponseError("WRONGTYPE no")
    with pytest.raises(redis.ResponseError) as caught:
        wait().wait_after(error)
    assert caught.value is error


@pytest.mark.slow
def test_waiting_while_the_server_is_away_is_no_quiet_stream(follow, tcp_server):
    with connect(tcp_server.url, timeout=60) as conn:
        entries = follow(Stream(conn, "s"), "all", timeout=0.3)
        tcp_server.kill()
        with pytest.raises((ConnectError, redis.ConnectionError)):
            entries.rest()


@pytest.mark.slow
def test_a_gap_is_warned_of_before_a_short_wait_ends(follow, stream, raw, knows_lag):
    if not knows_lag:
        pytest.skip("this server does not count entries")
    entries = follow(stream, "all", timeout=0.2)
    fill(raw, 1)
    assert entries.take(1) == ids(1)
    fill(raw, *range(2, 12))
    raw.xtrim("s", maxlen=3, approximate=False)
    with pytest.warns(RedisnbWarning, match="7 entries"):
        assert entries.rest() == ids(9, 10, 11)


def test_time_that_passes_after_an_empty_reply_is_not_waiting_time(conn, raw, monkeypatch):
    monkeypatch.setattr(following, "BLOCK", 20)
    waits = Wait(conn, 60)
    pages = followed_pages(conn, StreamCursor({"s": EntryId("0-0")}), waits)
    assert next(pages) == []
    # The caller takes a minute, and an entry comes meanwhile.
    waits._since -= 60
    fill(raw, 1)
    assert [id for _, id, _ in next(pages)] == [b"1-0"]
    waits._since -= 60
    assert next(pages) == []
    waits._since -= 60
    assert next(pages) == []
    assert list(pages) == []
