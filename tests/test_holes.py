"""Entries that are removed while they are read: every door says so, and none looks whole."""

import json
import warnings

import numpy as np
import pytest
import redis

import redisnb
from redisnb import RedisnbWarning, ReplayError, Stream, capture, load, replay
from redisnb.replays import Replay

pytestmark = pytest.mark.slow

N = 6_000
FAST = {"speed": float("inf")}


@pytest.fixture(scope="module")
def place(server):
    """A connection, and a client."""
    with redisnb.connect(server.url) as conn, redis.Redis.from_url(server.url) as raw:
        yield conn, raw, server.url
        raw.flushall()


@pytest.fixture
def conn(place):
    return place[0]


@pytest.fixture
def raw(place):
    place[1].flushall()
    fill(place[1])
    return place[1]


FILL = """
for i = ARGV[1], ARGV[2] do
  redis.call('XADD', KEYS[1], i .. '-0', 'payload', '{"n": ' .. i .. '}')
end
"""


def fill(raw, key="ev", first=1, n=N):
    raw.eval(FILL, 1, key, first, first + n - 1)


def made_again(raw):
    raw.delete("ev")
    fill(raw, first=N + 1, n=50)


CHANGES = {
    "trimmed": lambda raw: raw.xtrim("ev", maxlen=400, approximate=False),
    "deleted": lambda raw: raw.delete("ev"),
    "flushed": lambda raw: raw.flushdb(),
    "made again": made_again,
    "thinned out": lambda raw: raw.xdel("ev", *range(1, N + 1, 2)),
}
every_change = pytest.mark.parametrize("change", CHANGES)


class When:
    """Change the stream after so many entries; a filter and a transform that change nothing."""

    def __init__(self, raw, change, after=800):
        self.raw, self.change, self.left = raw, CHANGES[change], after

    def __call__(self, frame):
        self.take(len(frame))
        return np.ones(len(frame), bool)

    def transform(self, frame):
        self.take(len(frame))
        return frame

    def take(self, n):
        if 0 < self.left <= n:
            self.change(self.raw)
        self.left -= n


def old(read):
    """Return how many of the entries read were there at the beginning."""
    return sum(n <= N for n in read)


@every_change
@pytest.mark.parametrize("reverse", [False, True])
def test_range(conn, raw, change, reverse):
    with pytest.warns(RedisnbWarning, match=r"'ev': [\d,]+ entries were removed before") as told:
        frame = Stream(conn, "ev").range(where=When(raw, change), limit=None, reverse=reverse)
    assert frame.attrs["missed"] == N - old(frame["n"]) > 0
    assert told[0].filename == __file__


@every_change
def test_frames(conn, raw, change):
    when, read, told = When(raw, change), [], []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for frame in Stream(conn, "ev").frames(count=100):
            when.take(len(frame))
            read += frame["n"].tolist()
            told.append(frame.attrs["missed"])
    assert told[0] == 0
    assert told[-1] == N - old(read) > 0
    assert [each.category for each in caught] == [RedisnbWarning]


@pytest.mark.parametrize("n", [4500, 5500])
@pytest.mark.parametrize("reverse", [False, True])
def test_head_and_tail(conn, raw, n, reverse, monkeypatch):
    """They have no handler in which something could be removed: here it is a server that waits."""
    stream = Stream(conn, "ev")
    pages = redisnb.wire.Pages.__iter__

    def changing(self):
        for i, page in enumerate(pages(self)):
            if i == 2:
                raw.xtrim("ev", maxlen=300, approximate=False)
            yield page

    monkeypatch.setattr(redisnb.wire.Pages, "__iter__", changing)
    with pytest.warns(RedisnbWarning, match="removed"):
        frame = (stream.tail if reverse else stream.head)(n)
    assert frame.attrs["missed"] > 0


@every_change
@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl.zst"])
def test_capture_and_load(conn, raw, change, name, tmp_path):
    with pytest.warns(RedisnbWarning, match=r"'ev': [\d,]+ entries were removed"):
        captured = capture(Stream(conn, "ev"), tmp_path / name, where=When(raw, change))
    with pytest.warns(RedisnbWarning, match="removed before they were captured"):
        found = load(tmp_path / name)
    assert found.attrs["missed"] == captured["missed"].sum()
    assert captured["entries"].tolist() == [len(found)]
    assert captured["missed"].tolist() == [N - old(found["n"])]
    assert captured["missed"][0] > 0


@every_change
def test_a_capture_of_several_streams(conn, raw, change, tmp_path):
    fill(raw, "other")
    streams = [Stream(conn, "ev"), Stream(conn, "other")]
    with pytest.warns(RedisnbWarning, match=r"'(ev|other)': [\d,]+ entries were removed"):
        captured = capture(streams, tmp_path / "a.jsonl", where=When(raw, change))
    with pytest.warns(RedisnbWarning, match="removed before they were captured"):
        found = load(tmp_path / "a.jsonl")
    lost = N - old(found.loc[found["stream"] == "ev", "n"])
    if change == "flushed":
        assert captured["missed"].min() > 0
    else:
        assert captured["missed"].tolist() == [lost, 0]
    assert lost > 0


@every_change
@pytest.mark.long
@pytest.mark.parametrize("resume", [None, "name"])
@pytest.mark.parametrize("by", ["where", "transform"])
def test_replay(place, conn, raw, change, resume, by):
    # Another database, or what is flushed would be the target too.
    when = When(raw, change)
    url = place[2].replace("db=0", "db=1")
    with redisnb.connect(url) as there, redis.Redis.from_url(url) as target:
        target.flushdb()
        choice = {by: when if by == "where" else when.transform}
        with pytest.warns(RedisnbWarning, match="removed before they were read"):
            report = replay(Stream(conn, "ev"), Stream(there, "to"), resume=resume, **choice | FAST)
        stored = [json.loads(fields[b"payload"])["n"] for _, fields in target.xrange("to")]
        assert report.state == "incomplete"
        assert report.missed == N - len(stored) > 0
        assert f"{report.missed:,} missed" in repr(report)
        if resume is not None:
            assert target.hget("redisnb:replay:name", "state") == b"incomplete"
            # Run again, there is nothing more, and it is as little whole as before.
            with pytest.warns(RedisnbWarning, match="removed before they were read"):
                again = replay(Stream(conn, "ev"), Stream(there, "to"), resume=resume, **FAST)
            assert (again.state, again.added, again.missed) == ("incomplete", 0, report.missed)
            assert target.xlen("to") == len(stored)


# What a replay leaves at the target


FEW = 2000


@pytest.fixture
def few(place):
    """A client, and a stream that is not too long for a transform."""
    place[1].flushall()
    fill(place[1], n=FEW)
    return place[1]


class Midway:
    """Do something when so many entries have come through a transform."""

    def __init__(self, act, after=1000):
        self.act, self.left = act, after

    def __call__(self, frame):
        if 0 < self.left <= len(frame):
            self.act()
        self.left -= len(frame)
        return frame


def stopped_midway(conn):
    """Begin a replay that can be resumed, stop it, and return its report."""
    made = Replay(
        Stream(conn, "ev"),
        Stream(conn, "to"),
        transform=Midway(lambda: made.stop()),
        resume="name",
        **FAST,
    )
    return made.run()


def stored(raw):
    return [json.loads(fields[b"payload"])["n"] for _, fields in raw.xrange("to")]


@pytest.mark.parametrize("ids", ["new", "keep", "shift"])
def test_the_bookmark_alone_is_removed(conn, few, ids):
    transform = Midway(lambda: few.delete("redisnb:replay:name"))
    options = {"resume": "name", "ids": ids, **FAST}
    with pytest.raises(ReplayError, match="the target still has what was added") as caught:
        replay(Stream(conn, "ev"), Stream(conn, "to"), transform=transform, **options)
    assert "redisnb:replay:name" in str(caught.value)
    found = stored(few)
    assert found == list(range(1, len(found) + 1)), "nothing twice"
    assert len(found) < FEW
    # What the error says to do.
    few.delete("to")
    assert replay(Stream(conn, "ev"), Stream(conn, "to"), **options).state == "finished"
    assert stored(few) == list(range(1, FEW + 1))


@pytest.mark.long
@pytest.mark.parametrize("resume", [None, "name"])
@pytest.mark.parametrize("ids", ["new", "keep", "shift"])
@pytest.mark.parametrize("by", ["unlinked", "renamed", "made again"])
def test_the_target_alone_is_removed(conn, few, resume, ids, by):
    def act():
        if by == "renamed":
            few.rename("to", "elsewhere")
        else:
            few.unlink("to")
        if by == "made again":
            few.xadd("to", {"somebody": "else"}, id="5-0")

    if by == "made again" and "entries-added" not in few.xinfo_stream("ev"):
        pytest.skip("the server does not count what a stream has taken")
    made = Replay(
        Stream(conn, "ev"),
        Stream(conn, "to"),
        transform=Midway(act),
        resume=resume,
        ids=ids,
        **FAST,
    )
    with pytest.raises(ReplayError, match="'to' no longer has what was added") as caught:
        made.run()
    assert made.state == "failed"
    assert ("forget()" in str(caught.value)) is (resume is not None)
    few.delete("to")
    if resume is not None:
        made.forget()
    assert replay(Stream(conn, "ev"), Stream(conn, "to"), resume=resume, **FAST).state == "finished"
    assert len(stored(few)) == FEW


def test_the_target_is_removed_between_two_runs(conn, few):
    assert stopped_midway(conn).state == "stopped"
    few.unlink("to")
    with pytest.raises(ReplayError, match="'to' no longer has what was added"):
        replay(Stream(conn, "ev"), Stream(conn, "to"), resume="name", **FAST)
    assert not few.exists("to")


def test_both_are_removed_as_by_a_server_that_has_lost_its_data(conn, few):
    """The bookmark and what it counts go together: it begins again, and all of it is there."""
    transform = Midway(lambda: few.delete("to", "redisnb:replay:name"))
    report = replay(
        Stream(conn, "ev"), Stream(conn, "to"), transform=transform, resume="name", **FAST
    )
    assert report.state == "finished"
    assert stored(few) == list(range(1, FEW + 1))


@pytest.mark.parametrize("resume", [None, "name"])
def test_a_target_that_others_trim_or_consume_is_whole(conn, few, resume):
    def act():
        few.xtrim("to", maxlen=0)
        few.xadd("to", {"somebody": "else"})

    report = replay(
        Stream(conn, "ev"), Stream(conn, "to"), transform=Midway(act), resume=resume, **FAST
    )
    assert (report.state, report.added) == ("finished", FEW)


def test_a_resumed_replay_whose_source_was_trimmed_meanwhile(conn, few):
    stopped_midway(conn)
    few.xtrim("ev", maxlen=300, approximate=False)
    with pytest.warns(RedisnbWarning, match="removed before they were read"):
        report = replay(Stream(conn, "ev"), Stream(conn, "to"), resume="name", **FAST)
    assert report.state == "incomplete"
    assert report.missed >= 1
    assert len(stored(few)) < FEW


def test_a_resumed_replay_of_which_only_the_read_part_was_trimmed(conn, few):
    done = stopped_midway(conn).added
    few.xtrim("ev", maxlen=FEW - done + 1, approximate=False)
    assert replay(Stream(conn, "ev"), Stream(conn, "to"), resume="name", **FAST).state == "finished"
    assert stored(few) == list(range(1, FEW + 1))


def test_a_dry_run(conn, raw):
    made = Replay(Stream(conn, "ev"), Stream(conn, "to"), where=When(raw, "trimmed"), **FAST)
    with pytest.warns(RedisnbWarning, match="removed before they were read"):
        frame = made.dry_run()
    assert frame.attrs["missed"] == N - frame["entries"].sum() > 0
    assert not raw.exists("to")
