"""Stream.partitions: every entry in one range, and ranges of about equal size."""

import numpy as np
import pandas as pd
import pytest
import redis
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from redisnb import EntryId, RedisnbWarning, Stream, frames
from redisnb.stream.density import ranges, sampling

pytestmark = pytest.mark.slow

LARGEST = 2**64 - 1
DAY = 86_400_000
NOW = 1_700_000_000_000

milliseconds = st.integers(0, 30) | st.integers(NOW, NOW + DAY) | st.integers(0, LARGEST)
sequences = st.integers(0, 5) | st.integers(0, LARGEST)
runs = st.tuples(milliseconds, sequences, st.integers(1, 40)).map(
    lambda run: [(run[0], run[1] + i) for i in range(run[2]) if run[1] + i <= LARGEST]
)
stored = st.lists(runs, max_size=12).map(
    lambda found: sorted({pair for run in found for pair in run} - {(0, 0)})
)


FILL = """
for i = 2, #ARGV do redis.call('XADD', KEYS[1], ARGV[i], 'x', ARGV[1]) end
"""


@pytest.fixture
def protocol() -> int:
    """The replies to XLEN and XRANGE are the same in both."""
    return 3


def fill(raw: redis.Redis, pairs, key: str = "s", payload: bytes = b"x") -> list[bytes]:
    ids = [f"{ms}-{seq}".encode() for ms, seq in pairs]
    raw.delete(key)
    for i in range(0, len(ids), 10_000):
        raw.eval(FILL, 1, key, payload, *ids[i : i + 10_000])
    return ids


def read(raw: redis.Redis, found: pd.DataFrame, key: str = "s") -> list[list[bytes]]:
    bounds = found[["start", "end"]].itertuples(index=False)
    return [[id for id, _ in raw.execute_command("XRANGE", key, *each)] for each in bounds]


def at(times) -> list[tuple[int, int]]:
    """Return an ID for each time, in order; equal times count up."""
    pairs: list[tuple[int, int]] = []
    for ms in sorted(times):
        same = bool(pairs) and pairs[-1][0] == NOW + ms
        pairs.append((NOW + ms, pairs[-1][1] + 1 if same else 0))
    return pairs


@example([(0, 1), (1, 0)], 1, 10_000)
@given(stored, st.integers(1, 60), st.sampled_from([0, 10_000]))
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_every_entry_is_in_one_range(conn, raw, has_schema, pairs, n, few):
    ids = fill(raw, pairs)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("FEW", "FEW_EACH"):
            patch.setattr(ranges, name, few)
        patch.setattr(ranges, "READ_AT_ENDS", 3)
        patch.setattr(ranges, "FIRST_PIECES", 4)
        found = Stream(conn, "s").partitions(n)
    assert has_schema(found, frames.PARTITIONS)
    parts = read(raw, found)
    assert [id for part in parts for id in part] == ids
    assert len(found) <= min(n, len(ids))
    assert found["entries"].sum() == len(ids)
    if found.attrs["exact"]:
        assert len(found) == min(n, len(ids))
        assert found["entries"].tolist() == list(map(len, parts))
    if few and pairs:
        assert found.attrs["exact"]
        assert found["entries"].max() - found["entries"].min() <= 1


@pytest.mark.parametrize("start", [None, f"{NOW + 1000}", f"({NOW + 2000}-0"])
@pytest.mark.parametrize("end", [None, NOW + 50_000, f"({NOW + 50_000}-0"])
def test_a_range_is_divided_as_well(conn, raw, start, end):
    fill(raw, at(np.arange(0, 100_000, 100)))
    stream = Stream(conn, "s")
    found = stream.partitions(7, start, end)
    parts = [
        id
        for first, last in found[["start", "end"]].itertuples(index=False)
        for id in stream.range(first, last)["entry_id"]
    ]
    assert parts == stream.range(start, end)["entry_id"].tolist()
    assert found["entries"].sum() == len(parts)
    assert found.attrs["exact"]


def test_what_is_added_later_is_in_no_range(conn, raw):
    fill(raw, at(range(10)))
    found = Stream(conn, "s").partitions(3)
    raw.xadd("s", {"x": 1})
    assert sum(map(len, read(raw, found))) == 10


SHAPES = {
    "even": lambda some: some.integers(0, 7 * DAY, 60_000),
    # 90 % of the entries in 5 % of the time.
    "peaked": lambda some: np.r_[
        some.integers(0, 7 * DAY, 6_000), some.integers(4 * DAY, int(4.35 * DAY), 54_000)
    ],
    # Half of them in 20 s of a week, between two places that are looked at.
    "hidden": lambda some: np.r_[
        some.integers(0, 7 * DAY, 30_000), some.integers(3 * DAY, 3 * DAY + 20_000, 30_000)
    ],
    "one millisecond": lambda some: np.zeros(60_000, int),
    "two ends": lambda some: np.r_[some.integers(0, 9, 30_000), 7 * DAY + np.arange(30_000)],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_ranges_are_of_about_equal_size(conn, raw, shape):
    pairs = at(SHAPES[shape](np.random.default_rng(5)).tolist())
    ids = fill(raw, pairs)
    found = Stream(conn, "s").partitions(16)
    sizes = np.array(list(map(len, read(raw, found))))
    assert (sizes.sum(), len(sizes)) == (len(ids), 16)
    assert sizes.max() <= 1.35 * sizes.mean()
    assert found["entries"].sum() == len(ids)
    assert np.abs(found["entries"].to_numpy(int) - sizes).max() <= 0.35 * sizes.mean()


def test_few_entries_are_read_for_it(conn, raw):
    fill(raw, at(np.arange(100_000).tolist()))
    before = raw.info()["total_net_output_bytes"]
    found = Stream(conn, "s").partitions(4)
    assert not found.attrs["exact"]
    sent = raw.info()["total_net_output_bytes"] - before
    assert sent < 0.2 * 100_000 * len(f"*2\r\n$15\r\n{NOW}-0\r\n*2\r\n$1\r\nx\r\n$1\r\nx\r\n")


def test_large_entries_are_not_hauled(conn, raw, monkeypatch):
    monkeypatch.setattr(sampling, "SAMPLED_BYTES", 2 * 1024 * 1024)
    ids = fill(raw, at(range(0, 60_000, 200)), payload=bytes(100_000))
    before = raw.info()["total_net_output_bytes"]
    found = Stream(conn, "s").partitions(4)
    assert raw.info()["total_net_output_bytes"] - before < 8 * 1024 * 1024
    assert not found.attrs["exact"]
    parts = read(raw, found)
    assert [id for part in parts for id in part] == ids
    assert max(map(len, parts)) < 2 * len(ids) / 4


def test_the_ends_of_all_ids(conn, raw):
    ids = fill(raw, [(0, 1), (LARGEST, LARGEST - 1), (LARGEST, LARGEST)])
    found = Stream(conn, "s").partitions(3)
    assert read(raw, found) == [[id] for id in ids]
    assert [EntryId(each.removeprefix("(")) for each in found["end"]] == [
        f"{LARGEST}-{LARGEST - 1}",
        f"{LARGEST}-{LARGEST}",
        f"{LARGEST}-{LARGEST}",
    ]


def test_without_entries_there_is_no_range(conn, raw, has_schema):
    raw.xadd("orders", {"x": 1}, id="1-0")
    with pytest.warns(RedisnbWarning, match="'order': no such stream; 'orders' is there"):
        missing = Stream(conn, "order").partitions(3)
    raw.xdel("orders", "1-0")
    for found in missing, Stream(conn, "orders").partitions(3):
        assert has_schema(found, frames.PARTITIONS)
        assert found.empty
        assert found.attrs["exact"]


def test_a_key_of_another_type_is_an_error(conn, raw):
    raw.set("s", "x")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        Stream(conn, "s").partitions(3)


@pytest.mark.parametrize("n", [0, -1, "a", 1.5, True, None])
def test_a_number_of_ranges_is_one(conn, n):
    with pytest.raises(ValueError, match="it is a number of ranges, at least 1"):
        Stream(conn, "s").partitions(n)


def test_nothing_is_read_backwards_from_before_the_first_entry(conn, raw, monkeypatch):
    """The server would go through the whole stream, once for each gap that was trimmed."""
    fill(raw, [(NOW + 10 * i, 0) for i in range(20_000)])
    first, backwards, rounds = NOW + 180_000, [], []
    read_together, ask_many = sampling.Sampling._read_together, sampling.wire.ask_many

    def trim_and_read(self, gaps, count):
        rounds.append(len(gaps))
        if len(rounds) == 3:
            raw.xtrim("s", minid=f"{first}-0", approximate=False)
        read_together(self, gaps, count)

    def ask_and_note(conn, commands):
        commands = list(commands)
        if len(rounds) >= 3:
            backwards.extend(EntryId(each[2]).ms for each in commands if each[0] == "XREVRANGE")
        return ask_many(conn, commands)

    monkeypatch.setattr(sampling.Sampling, "_read_together", trim_and_read)
    monkeypatch.setattr(sampling.wire, "ask_many", ask_and_note)
    assert len(Stream(conn, "s").partitions(4)) == 4
    assert max(rounds[2:]) > 10
    assert backwards
    assert min(backwards) >= first
