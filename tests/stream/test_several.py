"""Several streams together: followed, and read for a group in one command."""

import asyncio

import pytest

from redisnb import ConsumerGroup, GroupMissingError, Stream, connect


@pytest.fixture
def streams(conn):
    found = [Stream(conn, key) for key in ("a", "b", "c")]
    for n, stream in enumerate(found):
        stream.add_many([{"n": n, "i": i, "only": n} for i in range(3)])
    return found


def seen(entries):
    return [(entry.stream, entry.event["i"]) for entry in entries]


def test_following(streams):
    a, b, c = streams
    found = seen(a.follow("all", timeout=0.1, also=[b, c]))
    assert sorted(found) == [(key, i) for key in "abc" for i in range(3)]
    for key in "abc":
        assert [i for of, i in found if of == key] == [0, 1, 2]
    chosen = seen(a.follow("all", timeout=0.1, also=[c], where="n = 2 and i > 0"))
    assert chosen == [("c", 1), ("c", 2)]

    async def gather():
        return [each async for each in b.afollow("all", timeout=0.1, also=[c])]

    assert len(asyncio.run(gather())) == 6


def test_following_what_is_new(streams):
    a, b, _ = streams
    following = a.follow(timeout=2, also=[b])
    b.add({"i": 7})
    a.add({"i": 8})
    assert sorted(seen([next(following), next(following)])) == [("a", 8), ("b", 7)]


@pytest.fixture
def groups(streams):
    found = [ConsumerGroup(stream, "g", consumer="me") for stream in streams]
    for group in found:
        group.create("all")
    return found


def test_reading_for_a_group(streams, groups):
    frame = groups[0].read(2, also=streams[1:])
    assert frame["stream"].tolist() == ["a", "a", "b", "b", "c", "c"]
    assert list(frame.columns) == ["entry_id", "stream", "n", "i", "only"]
    assert frame["i"].tolist() == [0, 1] * 3
    # The next read has the same columns, also of one stream, and without an entry.
    assert [len(group.pending()) for group in groups] == [2, 2, 2]
    pdt = groups[0].read(2, also=streams[1:], backlog=True)
    assert pdt["entry_id"].tolist() == frame["entry_id"].tolist()

    assert groups[0].ack(frame[frame["stream"] != "b"]) == 4
    assert [len(group.pending()) for group in groups] == [0, 2, 0]
    assert groups[2].ack(frame) == 2
    assert [len(group.pending()) for group in groups] == [0, 0, 0]
    rest = groups[0].read(where="n > 0", also=streams[1:])
    assert rest["stream"].tolist() == ["b", "c"]
    assert [len(group.pending()) for group in groups] == [1, 1, 1]


def test_what_is_of_several_streams_is_not_taken_for_that_of_one(streams, groups):
    frame = groups[0].read(2, also=streams[1:])
    for use in (
        streams[0].delete,
        groups[0].release,
        lambda entries: groups[0].claim(entries, min_idle=0),
    ):
        with pytest.raises(ValueError, match="this frame has entries of 'b', 'c', not only of 'a'"):
            use(frame)
    assert streams[0].delete(frame[frame["stream"] == "a"], only="acked") == 0


@pytest.mark.parametrize(
    ("also", "error", "message"),
    [
        (lambda conn: Stream(conn, "b"), TypeError, r"it is a list of streams"),
        (lambda conn: "b", TypeError, r"it is a list of streams"),
        (lambda conn: ["b"], TypeError, r"also= has streams, not str"),
        (lambda conn: [Stream(conn, "a")], ValueError, "listed twice"),
        (lambda conn: [Stream(conn, "b", format="raw")], ValueError, "streams of one format"),
        (lambda conn: [Stream(conn, "b", schema={"i": "Int64"})], ValueError, "of one schema"),
    ],
)
def test_what_cannot_be_read_together(conn, streams, groups, also, error, message):
    with pytest.raises(error, match=message):
        streams[0].follow(also=also(conn))
    with pytest.raises(error, match=message):
        groups[0].read(also=also(conn))


def test_streams_of_another_connection(server, streams, groups):
    with connect(server.url) as other, pytest.raises(ValueError, match="streams of one connection"):
        streams[0].follow(also=[Stream(other, "b")])


def test_a_group_that_one_of_them_does_not_have(conn, streams, groups):
    groups[1].destroy()
    with pytest.raises(GroupMissingError):
        groups[0].read(also=[streams[1]])


# What a group does besides


def test_without_acknowledging(streams, groups):
    group = groups[0]
    assert len(group.read(2, noack=True)) == 2
    assert group.pending().empty
    assert len(group.read(2)) == 1
    assert len(group.pending()) == 1
    with pytest.raises(ValueError, match="noack= is for new entries"):
        group.read(noack=True, backlog=True)


def test_a_consumer_is_made(groups):
    assert [groups[0].create_consumer(), groups[0].create_consumer()] == [True, False]
    assert groups[0].create_consumer("other") is True
    assert groups[0].consumers()["consumer"].tolist() == ["me", "other"]
    with pytest.raises(GroupMissingError):
        ConsumerGroup(groups[0].stream, "none").create_consumer()


def test_what_was_read_before_is_told(streams, knows_lag):
    ids = streams[0].range()["entry_id"].tolist()
    group = ConsumerGroup(streams[0], "middle")
    if not knows_lag:
        import redis

        with pytest.raises(redis.ResponseError) as caught:
            group.create(ids[1], entries_read=1)
        assert "for Redis 7" in "".join(caught.value.__notes__)
        return
    assert group.create(ids[1], entries_read=1)
    assert group.info()[["entries_read", "lag"]].values.tolist() == [[1, 2]]
    with pytest.raises(ValueError, match="entries_read=-1"):
        group.create(entries_read=-1)


def test_pending_between_two_places(streams, groups):
    ids = groups[0].read()["entry_id"].tolist()
    assert groups[0].pending(ids[1])["entry_id"].tolist() == ids[1:]
    assert groups[0].pending(ids[0], ids[1])["entry_id"].tolist() == ids[:2]
    assert groups[0].pending(f"({ids[0]}", f"({ids[2]}")["entry_id"].tolist() == [ids[1]]
    assert groups[0].pending("-1min", where="i = 2", payload=True)["i"].tolist() == [2]
    assert groups[0].pending(end="2001").empty


def test_claiming(streams, groups):
    group = groups[0]
    other = ConsumerGroup(streams[0], "g", consumer="other")
    ids = group.read(2)["entry_id"].tolist()
    third = streams[0].tail(1)["entry_id"].item()

    taken = other.claim(ids, min_idle=0, payload=False)
    assert taken["entry_id"].tolist() == ids
    assert list(taken.columns) == ["entry_id"]
    assert other.pending()["deliveries"].tolist() == [1, 1]
    assert other.claim(ids[0], min_idle=0, deliveries=7)["i"].tolist() == [0]
    assert other.pending()["deliveries"].tolist() == [7, 1]
    assert other.claim(third, min_idle=0).empty
    assert other.claim(third, min_idle=0, force=True)["i"].tolist() == [2]
    assert other.pending()["entry_id"].tolist() == [*ids, third]
    assert group.claim([], min_idle=0, payload=False).empty
    with pytest.raises(ValueError, match="deliveries=-1"):
        other.claim(ids, min_idle=0, deliveries=-1)


def test_claiming_from_somewhere_on(streams, groups):
    ids = groups[0].read()["entry_id"].tolist()
    other = ConsumerGroup(streams[0], "g", consumer="other")
    assert other.autoclaim(min_idle=0, start=ids[2])["entry_id"].tolist() == [ids[2]]
    assert other.autoclaim(min_idle=0, start=f"({ids[0]}", limit=1)["entry_id"].tolist() == [ids[1]]
    assert groups[0].pending(consumer="me")["entry_id"].tolist() == [ids[0]]


def test_all_that_the_server_knows(conn, streams, groups):
    group = groups[0]
    group.read(2)
    ConsumerGroup(streams[0], "other", consumer="x").create()
    full = streams[0].full(2)
    assert list(full) == ["stream", "groups", "entries", "consumers", "pending"]
    assert full["stream"]["length"].tolist() == [3]
    assert full["groups"]["group"].tolist() == ["g", "other"]
    assert full["entries"]["i"].tolist() == [0, 1]
    assert full["pending"][["group", "consumer"]].values.tolist() == [["g", "me"]] * 2
    assert full["pending"]["entry_id"].tolist() == full["entries"]["entry_id"].tolist()
    assert full["consumers"][["group", "consumer", "pending"]].values.tolist() == [["g", "me", 2]]
    assert len(streams[0].full(None)["entries"]) == 3
    assert len(streams[0].full(1)["pending"]) == 1
    alone = group.consumers().dtypes.to_dict() | group.pending().dtypes.to_dict()
    assert (
        full["consumers"].dtypes.drop("group").to_dict()
        | full["pending"].dtypes.drop("group").to_dict()
        == alone
    )
    empty = Stream(conn, "a")
    for group in ("g", "other"):
        ConsumerGroup(empty, group).destroy()
    found = empty.full()
    assert found["pending"].empty
    assert found["pending"].dtypes.to_dict() == full["pending"].dtypes.to_dict()
    assert found["consumers"].dtypes.to_dict() == full["consumers"].dtypes.to_dict()
