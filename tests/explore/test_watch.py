"""watch(): samples at their times, whatever becomes of the server or of the user's patience."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from itertools import pairwise

import pandas as pd
import pytest
import redis

import redisnb as rnb
from redisnb import frames
from redisnb.explore import watching
from tests.deadlines import deadline, until

# On a busy machine.
pytestmark = pytest.mark.filterwarnings("ignore:.* left out, since")
ms = pd.Timedelta(1, "ms")


def has_watch(found: pd.DataFrame) -> bool:
    assert found.index.name == "time"
    assert str(found.index.dtype) == "datetime64[ms, UTC]"
    assert found.dtypes.astype(str).to_dict() == frames.WATCH
    assert found.index.is_monotonic_increasing
    return True


@pytest.fixture
def orders(conn) -> rnb.Stream:
    """A hundred orders; one group has not read 95 of them, the other has read none."""
    stream = rnb.Stream(conn, "orders")
    stream.add_many([{"n": n} for n in range(100)])
    group = rnb.ConsumerGroup(stream, "etl", consumer="ann")
    group.create("all")
    group.read(5)
    rnb.ConsumerGroup(stream, "audit").create("all")
    return stream


def test_a_sample_has_a_row_for_each_group(conn, raw, orders, knows_lag):
    raw.xadd("visits", {"a": 1})
    raw.set("text", "x")
    found = rnb.watch(conn, duration=0)
    assert has_watch(found)
    assert found["stream"].tolist() == ["orders", "orders", "visits"]
    assert found["group"].fillna("-").tolist() == ["audit", "etl", "-"]
    assert found["length"].tolist() == [100, 100, 1]
    assert found["added"].tolist() == ([100, 100, 1] if knows_lag else [pd.NA] * 3)
    assert found["pending"].tolist() == [0, 5, pd.NA]
    assert found["lag"].tolist() == [100, 95 if knows_lag else pd.NA, pd.NA]
    assert found["rate"].isna().all()
    assert found["oldest_pending"].notna().tolist() == [False, True, False]
    assert found["latency"].nunique() == 1
    assert pd.Timedelta(0) < found["latency"].iloc[0] < pd.Timedelta(deadline(5), "s")
    seconds, micros = raw.time()
    off = pd.Timestamp(seconds * 10**6 + micros, unit="us", tz="UTC") - found.index[0]
    assert pd.Timedelta(0) <= off + ms < pd.Timedelta(deadline(5), "s")
    assert found.attrs == {"failed": 0, "skipped": 0, "interrupted": False, "truncated": False}


@pytest.mark.parametrize("match", ["*", "nothing", "nothing*"])
def test_without_streams_the_latency_is_there(conn, match):
    found = rnb.watch(conn, match, every=0.01, duration=0.05)
    assert has_watch(found)
    # After a late sample the next one may be in the same millisecond.
    assert len(found) >= 2
    assert found["latency"].notna().all()
    assert found.drop(columns="latency").isna().all(axis=None)


def test_rates_are_what_was_added(conn, raw, orders, knows_lag):
    wanted = 300
    timer = threading.Timer(0.1, orders.add_many, [[{"n": n} for n in range(wanted)]])
    timer.start()
    found = rnb.watch(conn, "orders", every=0.05, duration=0.5)
    timer.join()
    assert has_watch(found)
    found = found[found["group"] == "etl"]
    lasted = found.index.to_series().diff().dt.total_seconds()
    assert found["rate"].isna().tolist() == [True] + [False] * (len(found) - 1)
    # Times are rounded to ms.
    assert (found["rate"] * lasted).sum() == pytest.approx(wanted, rel=0.1)
    assert found["length"].iloc[-1] == 400


def test_what_comes_and_goes(conn, raw, orders):
    steps = iter([lambda: raw.xadd("visits", {"a": 1}), lambda: raw.delete("orders")])
    taking = watching._Samples.take

    def take(self):
        taking(self)
        next(steps, lambda: None)()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watching, "SCAN_PAUSE", 0)
        patch.setattr(watching._Samples, "take", take)
        found = rnb.watch(conn, every=0.01, duration=0.5)
    of = [tuple(sorted(set(rows["stream"]))) for _, rows in found.groupby("time")]
    assert list(dict.fromkeys(of)) == [("orders",), ("orders", "visits"), ("visits",)]


def mark(added, length, first=b"1-0", at=0.0):
    return watching._Mark(at, added, length, first)


@pytest.mark.parametrize(
    ("before", "now", "rate"),
    [
        (None, mark(5, 5), None),
        (mark(5, 5), mark(9, 5, at=2.0), 2),  # trimmed meanwhile
        (mark(5, 5), mark(3, 3, at=2.0), None),  # created again
        (mark(None, 5), mark(None, 9, at=2.0), 2),
        (mark(None, 5), mark(None, 9, b"2-0", at=2.0), None),  # trimmed: nobody counts
        (mark(None, 0, None), mark(None, 9, at=2.0), 4.5),
        (mark(None, 5), mark(None, 4, at=2.0), None),
        (mark(None, 5), mark(None, 5, at=2.0), 0),
        (mark(5, 5), mark(9, 9, at=-1.0), None),  # the clock was set back
    ],
)
def test_a_rate(before, now, rate):
    assert watching._rate_between(before, now) == rate


class Clock:
    """A clock in which sleep and samples take exactly as long as they are said to."""

    def __init__(self, lengths):
        self.now, self.lengths, self.began = 1000.0, iter(lengths), []

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds

    def sample(self):
        self.began.append(round(self.now - 1000, 3))
        self.now += next(self.lengths, 0)


@pytest.mark.parametrize(
    ("lengths", "began", "skipped"),
    [
        ([0.1] * 9, [1, 2, 3, 4, 5], 0),
        ([1.0] * 9, [1, 2, 3, 4, 5], 0),
        # Late ones are taken at once, and their successors at their own times.
        ([1.5], [1, 2.5, 3, 4, 5], 0),
        ([2.5], [1, 3.5, 4, 5], 1),
        ([1.2] * 9, [1, 2.2, 3.4, 4.6, 5.8], 0),
        ([3.7], [1, 4.7, 5], 2),
        ([99], [1], 4),
    ],
)
def test_the_schedule(conn, monkeypatch, lengths, began, skipped):
    clock = Clock(lengths)
    monkeypatch.setattr(watching, "time", clock)
    taken = watching._Samples(conn, "*")
    taken._clock = 0, clock.now
    monkeypatch.setattr(taken, "_try", clock.sample)
    taken.go_on(1.0, 5)
    assert (clock.began, taken.skipped) == (began, skipped)


@pytest.mark.slow
def test_samples_keep_to_their_times(conn, orders):
    found = rnb.watch(conn, "orders", every=0.05, duration=1)
    times = found.index[::2]  # a row for each of two groups
    assert len(times) + found.attrs["skipped"] == 21
    off = (times - times[0]) / pd.Timedelta("50ms")
    # They do not drift: the last one is as near to its time as the first.
    assert off[-1] == pytest.approx(20, abs=deadline(0.8))


def wait_for_samples(tcp_server):
    def samples():
        commands = tcp_server.client.info("commandstats")
        # Redis 7 counts the subcommands.
        return sum(commands[each]["calls"] for each in commands if "xinfo" in each)

    before = samples()
    until(lambda: samples() > before + 2)


@pytest.fixture
def watch_until_back(tcp_server, monkeypatch):
    """``watch_until_back(conn, match, leave, ...)`` has some samples before and after `leave`."""

    def watch(conn, match, leave, **options):
        take, is_over = watching._Samples.take, threading.Event()

        def take_or_end(self, *args):
            if is_over.is_set():
                raise KeyboardInterrupt
            return take(self, *args)

        def go():
            wait_for_samples(tcp_server)
            leave()
            wait_for_samples(tcp_server)
            is_over.set()

        monkeypatch.setattr(watching._Samples, "take", take_or_end)
        thread = threading.Thread(target=go)
        thread.start()
        with pytest.warns(rnb.RedisnbWarning, match="samples failed, the last with") as caught:
            found = rnb.watch(conn, match, **options)
        thread.join()
        assert len(caught) == 1
        assert tcp_server.password not in str(caught[0].message)
        return found

    return watch


@pytest.mark.faults
@pytest.mark.slow
def test_a_server_that_hangs(tcp_server, watch_until_back):
    timeout = deadline(0.2)
    with rnb.connect(tcp_server.url, timeout=timeout) as conn:
        rnb.Stream(conn, "orders").add({"n": 1})
        pid = tcp_server.process.pid

        def hang():
            os.kill(pid, signal.SIGSTOP)
            time.sleep(4 * timeout)
            os.kill(pid, signal.SIGCONT)

        found = watch_until_back(conn, "orders", hang, every=0.1)
    assert has_watch(found)
    assert_failed_in_between(found)
    assert found.attrs["skipped"] > 0


@pytest.mark.faults
@pytest.mark.slow
def test_a_server_that_is_killed_and_comes_back(tcp_server, watch_until_back):
    with rnb.connect(tcp_server.url) as conn:
        rnb.Stream(conn, "orders").add({"n": 1})

        def restart():
            tcp_server.kill()
            time.sleep(0.4)
            tcp_server.start()

        found = watch_until_back(conn, "orders*", restart, every=0.05)
    assert has_watch(found)
    assert_failed_in_between(found)


def assert_failed_in_between(found):
    failed = found["latency"].isna()
    assert failed.sum() == found.attrs["failed"] > 0
    assert found[failed].isna().all(axis=None)
    assert not failed.iloc[0]
    assert not failed.iloc[-1]
    assert found[~failed]["stream"].eq("orders").all()
    assert found.index.is_monotonic_increasing


@pytest.mark.faults
def test_a_server_that_never_answers(tcp_server):
    with rnb.connect(tcp_server.url, timeout=deadline(0.2)) as conn:
        os.kill(tcp_server.process.pid, signal.SIGSTOP)
        try:
            with pytest.raises(rnb.ConnectError, match="did not answer within"):
                rnb.watch(conn)
        finally:
            os.kill(tcp_server.process.pid, signal.SIGCONT)
        tcp_server.kill()
        with pytest.raises(rnb.ConnectError) as caught:
            rnb.watch(conn)
        assert tcp_server.password not in str(caught.value)


WATCHER = """\
import json, sys, warnings
import redisnb as rnb

with rnb.connect(sys.argv[1]) as conn:
    print("watching", flush=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = rnb.watch(conn, "orders", every=0.02, duration="10min")
    print(json.dumps([len(found), found.attrs, [str(each.message) for each in caught]]))
    assert rnb.preview(conn, "k")["value"].tolist() == ["x"]
"""


@pytest.mark.slow
def test_ctrl_c_returns_what_was_collected(server, raw, orders, wait_until):
    raw.set("k", "x")
    before = raw.info("commandstats").get("cmdstat_ping", {"calls": 0})["calls"]
    child = subprocess.Popen(
        [sys.executable, "-c", WATCHER, server.url], stdout=subprocess.PIPE, text=True
    )
    wait_until(lambda: raw.info("commandstats")["cmdstat_ping"]["calls"] > before + 20, 30)
    child.send_signal(signal.SIGINT)
    said, _ = child.communicate(timeout=deadline(20))
    assert child.returncode == 0
    rows, attrs, (warning,) = json.loads(said.splitlines()[1])
    assert rows >= 20
    assert attrs["interrupted"] is True
    assert attrs["failed"] == 0
    assert warning.startswith(f"interrupted after {rows // 2:,} of 30,001 samples")


def test_ctrl_c_before_the_first_sample_is_an_interrupt(conn, monkeypatch):
    def interrupt(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(watching._Samples, "take", interrupt)
    with pytest.raises(KeyboardInterrupt):
        rnb.watch(conn)


@pytest.mark.parametrize("where", ["take", "_find", "_add"])
def test_ctrl_c_at_any_moment_leaves_whole_samples(conn, orders, monkeypatch, where):
    method, calls = getattr(watching._Samples, where), []

    def interrupted(self, *args):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return method(self, *args)

    monkeypatch.setattr(watching._Samples, where, interrupted)
    with pytest.warns(rnb.RedisnbWarning, match="interrupted after 3 of 101 samples"):
        found = rnb.watch(conn, "orders", every=0.01, duration=1)
    assert has_watch(found)
    assert found["group"].tolist() == ["audit", "etl"] * 3
    assert found.attrs["interrupted"]


@pytest.mark.parametrize("rules", ["+@read +time -ping", "+@read -xinfo", "+scan", "+scan +xlen"])
@pytest.mark.filterwarnings("ignore:this user or server has no TIME")
def test_a_user_that_may_do_less(server, raw, orders, rules):
    raw.execute_command("ACL", "SETUSER", "less", "reset", "on", ">pw", "~*", *rules.split())
    try:
        with rnb.connect(server.url, username="less", password="pw") as conn:
            if "ping" in rules:
                found = rnb.watch(conn, every=0.01, duration=0.02)
            else:
                with pytest.warns(rnb.RedisnbWarning, match="XINFO was refused") as caught:
                    found = rnb.watch(conn, every=0.01, duration=0.02)
                assert sum("XINFO" in str(each.message) for each in caught) == 1
    finally:
        raw.acl_deluser("less")
    assert has_watch(found)
    assert set(found["stream"]) == {"orders"}
    assert found["latency"].notna().all()
    assert found["length"].fillna(-1).eq(-1 if rules == "+scan" else 100).all()


def test_without_scan_a_name_will_do(server, raw, orders):
    rules = ["~*", "+xinfo", "+xpending", "+time", "+ping"]
    raw.execute_command("ACL", "SETUSER", "less", "reset", "on", ">pw", *rules)
    try:
        with rnb.connect(server.url, username="less", password="pw") as conn:
            assert len(rnb.watch(conn, "orders", duration=0)) == 2
            with pytest.raises(redis.ResponseError) as caught:
                rnb.watch(conn, "orders*", duration=0)
            assert "+scan in this user's ACL allows it" in caught.value.__notes__[0]
    finally:
        raw.acl_deluser("less")


def test_it_only_reads(server, orders):
    with rnb.connect(server.url, read_only=True) as conn:
        assert len(rnb.watch(conn, "ord*", duration=0)) == 2


def test_the_keys_are_not_looked_for_all_the_time(conn, raw, orders):
    raw.config_resetstat()
    found = rnb.watch(conn, "o*", every=0.01, duration=0.1)
    assert 1 <= raw.info("commandstats")["cmdstat_scan"]["calls"] <= len(found) / 2
    raw.config_resetstat()
    rnb.watch(conn, "orders", every=0.01, duration=0.05)
    assert "cmdstat_scan" not in raw.info("commandstats")


def test_it_ends_with_many_rows(conn, orders, monkeypatch):
    monkeypatch.setattr(watching, "MOST_WATCH_ROWS", 5)
    with pytest.warns(rnb.RedisnbWarning, match="ended at 6 rows, after 3 of 101 samples"):
        found = rnb.watch(conn, "orders", every=0.01, duration=1)
    assert len(found) == 6
    assert found.attrs["truncated"] is True
    monkeypatch.setattr(watching, "MOST_WATCH_ROWS", 6)
    found = rnb.watch(conn, "orders", every=0.01, duration=0.02)
    assert found.attrs["truncated"] is False


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"every": "1ms"}, ValueError, "every='1ms'; it is at least 10 ms"),
        ({"every": 0}, ValueError, "every=0; it is at least 10 ms"),
        ({"every": "often"}, ValueError, "every='often' is not a duration"),
        ({"duration": float("inf")}, ValueError, "is not a duration"),
        ({"duration": -1}, ValueError, "duration=-1 is negative"),
        ({"duration": None}, ValueError, "duration=None is not a duration"),
        ({"match": 5}, TypeError, "match is a pattern such as 'orders*', not 5"),
        ({"interval": 5}, TypeError, "did you mean every="),
    ],
)
def test_arguments_that_cannot_be_right(conn, options, error, says):
    with pytest.raises(error) as caught:
        rnb.watch(conn, **options)
    assert says in str(caught.value)


@pytest.mark.parametrize(("every", "duration"), [("10ms", "7d"), (1, "100000s"), ("1min", "1y")])
def test_too_many_samples_are_refused_with_what_will_do(every, duration):
    duration = "365d" if duration == "1y" else duration
    with pytest.raises(ValueError, match="samples, and there are at most 100,000") as caught:
        watching._schedule(every, duration)
    enough = str(caught.value).rpartition("every='")[2].partition("'")[0]
    assert watching._schedule(enough, duration)[1] < 100_000


def test_a_name_that_was_meant(conn, orders):
    for match in ("ordres", "ordres*"):
        with pytest.warns(rnb.RedisnbWarning, match="'orders' is there"):
            assert len(rnb.watch(conn, match, duration=0)) == 1


def test_samples_come_one_after_the_other(conn, orders):
    found = rnb.watch(conn, "orders", every=0.01, duration=0.2)
    times = found.index.unique()
    assert all(later >= earlier for earlier, later in pairwise(times))
