"""Ranges page by page, and what is removed while they are read, on a real server."""

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

import redisnb
from redisnb import wire


def fill(raw, n, first=1):
    """Add the entries first-0 and so on, so many."""
    with raw.pipeline(transaction=False) as pipeline:
        for i in range(first, first + n):
            pipeline.xadd("s", {"i": i}, id=f"{i}-0")
        pipeline.execute()


def numbers(pages):
    return [int(id.partition(b"-")[0]) for page in pages for id, _ in page]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("n", [0, 1, 999, 1000, 1001, 2000, 2500])
def test_pages_give_every_entry_once_in_order(conn, raw, n, reverse):
    fill(raw, n)
    pages = list(wire.Pages(conn, "s", "-", "+", reverse=reverse))
    expected = list(range(1, n + 1))
    assert numbers(pages) == (expected[::-1] if reverse else expected)
    assert all(0 < len(page) <= wire.PAGE for page in pages)


@pytest.mark.parametrize("limit", [0, 1, 999, 1000, 1001, 2000, 2500, 9999])
def test_pages_read_no_more_than_their_limit(conn, raw, limit):
    fill(raw, 2500)
    raw.config_resetstat()
    assert numbers(wire.Pages(conn, "s", "-", "+", limit=limit)) == list(
        range(1, min(limit, 2500) + 1)
    )
    sent = raw.info("commandstats").get("cmdstat_xrange", {"calls": 0})["calls"]
    counts, left = [10, 80, 640, 1000, 1000], limit
    expected = 0
    for count in counts:
        expected += left > 0 and sum(counts[:expected]) < 2500
        left -= count
    assert sent == expected


def test_pages_take_what_is_added_meanwhile_only_at_the_end(conn, raw):
    fill(raw, 1500)
    pages = iter(wire.Pages(conn, "s", "-", "+"))
    first = next(pages)
    raw.xadd("s", {"i": 1501}, id="1501-0")
    assert numbers([first, *pages]) in (list(range(1, 1501)), list(range(1, 1502)))


def test_pages_of_another_type_of_key(conn, raw):
    raw.set("text", "x")
    with pytest.raises(redis.ResponseError, match="wrong kind of value") as caught:
        next(iter(wire.Pages(conn, "text", "-", "+")))
    assert "holds another type" in caught.value.__notes__[0]


def test_pages_of_large_entries_are_short(conn, raw):
    for i in range(1, 41):
        raw.xadd("s", {"i": i, "blob": b"x" * 1_000_000}, id=i)
    lengths = [len(page) for page in wire.Pages(conn, "s", "-", "+")]
    assert sum(lengths) == 40
    assert max(lengths) <= wire.FIRST_PAGE


# What is removed meanwhile

N = 2500


def make_again(raw, n=N, first=N + 1):
    raw.delete("s")
    fill(raw, n, first)


CHANGES = {
    "trimmed to 1,500": lambda raw: raw.xtrim("s", maxlen=1500, approximate=False),
    "trimmed to 600": lambda raw: raw.xtrim("s", maxlen=600, approximate=False),
    "emptied": lambda raw: raw.xtrim("s", maxlen=0, approximate=False),
    "every third deleted": lambda raw: raw.xdel("s", *range(1, N + 1, 3)),
    "unlinked": lambda raw: raw.delete("s"),
    "flushed": lambda raw: raw.flushdb(),
    "made again": make_again,
    "added to": lambda raw: fill(raw, 700, N + 1),
    "nothing": lambda raw: None,
}
PARTS = {
    "all": ("-", "+"),
    "from 100 on": ("100", "+"),
    "up to 2,200": ("-", "2200"),
    "a part": ("(100-0", "2200"),
}


@pytest.fixture(scope="module")
def place(server):
    """A connection, and a client."""
    with redisnb.connect(server.url) as conn, redis.Redis.from_url(server.url) as raw:
        yield conn, raw
        raw.flushall()


@pytest.mark.slow
@given(
    st.sampled_from(sorted(CHANGES)),
    st.sampled_from(sorted(PARTS)),
    st.booleans(),
    st.integers(0, 5),
    st.sampled_from([None, 500, 2000]),
    st.booleans(),
    st.sampled_from([None, 0, 1, 2, 3, 4, 5]),
)
def test_what_was_removed_before_it_was_read_is_told(
    place, change, part, reverse, after, limit, together, broken
):
    conn, raw = place
    raw.flushall()
    fill(raw, N)
    start, end = PARTS[part]
    there = [n for n in range(1, N + 1) if n > 100 or start == "-"]
    there = [n for n in there if n <= 2200 or end == "+"]
    if start == "100":
        there.insert(0, 100)
    pages = wire.Pages(conn, "s", start, end, limit=limit, reverse=reverse)
    read, given = [], 0
    while True:
        try:
            for page in pages if together else pages.one_by_one():
                read += numbers([page])
                if given == after:
                    CHANGES[change](raw)
                if given == broken:
                    raw.client_kill_filter(_type="normal", skipme=True)
                given += 1
            break
        except redis.ConnectionError:
            # Read on, it goes on where it was.
            given += 1
    due = there[::-1] if reverse else there
    if limit is not None and len(read) == limit:
        due = [n for n in due if (n > read[-1] if reverse else n < read[-1])]
    missing = set(due) - set(read)
    assert read == sorted(read, reverse=reverse)
    assert len(set(read)) == len(read)
    if pages.is_counted and change != "every third deleted":
        assert pages.missed == len(missing)
    if part == "all" and limit is None and (not reverse or change != "added to"):
        assert pages.is_counted
        assert pages.missed == len(missing)
    # What is deleted from the middle of a part leaves no trace.
    if missing and not (change == "every third deleted" and (part != "all" or limit)):
        assert pages.missed >= 1
        assert "removed" in pages.message
    if not missing:
        assert pages.missed == 0
        assert pages.message == ""
