"""Cursors: which command comes next, what its reply changes, and what was dropped unread."""

import random

import pytest
import redis

from redisnb import wire
from redisnb.entries import EntryId, id_after, id_before
from redisnb.stream.cursor import GroupCursor, StreamCursor

ONE = (b"1-0", [b"a", b"1"])
TWO = (b"2-0", [b"a", b"2"])
GONE = (b"3-0", None)


def resp2(**streams):
    return [[key.encode(), [list(entry) for entry in found]] for key, found in streams.items()]


def resp3(**streams):
    return {key.encode(): [list(entry) for entry in found] for key, found in streams.items()}


def of(key, *entries):
    return [(key, id, fields and tuple(fields)) for id, fields, *_ in entries]


REPLIES = pytest.mark.parametrize("reply", [resp2, resp3])
NOTHING = [None, [], {}, resp2(orders=[]), resp3(orders=[])]


# Streams: commands and positions


def orders(after="0-0"):
    return StreamCursor({"orders": EntryId(after)})


def test_a_stream_is_read_after_a_position():
    cursor = orders("5-0")
    command = ("XREAD", "COUNT", 10, "BLOCK", 500, "STREAMS", "orders", "5-0")
    assert cursor.command(10, 500) == command
    assert cursor.command(10, 500) == command


def test_a_read_without_a_wait_does_not_block():
    # BLOCK 0 would wait for ever.
    assert orders().command(10, None) == ("XREAD", "COUNT", 10, "STREAMS", "orders", "0-0")
    assert orders().command(10, 0)[3:5] == ("BLOCK", 0)


@REPLIES
def test_a_stream_cursor_moves_on_with_each_reply(reply):
    cursor = orders()
    assert cursor.feed(reply(orders=[ONE, TWO])) == of("orders", ONE, TWO)
    assert cursor.command(1, 0)[-1] == "2-0"
    assert (cursor.after, type(cursor.after["orders"])) == ({"orders": "2-0"}, EntryId)
    assert cursor.feed(reply(orders=[GONE])) == of("orders", GONE)
    assert cursor.command(1, 0)[-1] == "3-0"


@pytest.mark.parametrize("nothing", NOTHING)
def test_a_stream_cursor_stays_where_it_is_when_nothing_comes(nothing):
    cursor = orders("5-0")
    assert cursor.feed(nothing) == []
    cursor.restart()
    assert cursor.command(1, 0)[-1] == "5-0"


@REPLIES
def test_several_streams_have_a_position_each(reply):
    cursor = StreamCursor({"orders": EntryId("0-0"), "käse": EntryId("7-1")})
    assert cursor.command(10, None)[3:] == ("STREAMS", "orders", "käse", "0-0", "7-1")
    # The server leaves out a stream that has nothing new, and answers in its own order.
    assert cursor.feed(reply(käse=[(b"8-0", [])], orders=[ONE, TWO])) == [
        ("käse", b"8-0", []),
        *of("orders", ONE, TWO),
    ]
    assert cursor.after == {"orders": "2-0", "käse": "8-0"}
    assert cursor.feed(reply(orders=[GONE])) == of("orders", GONE)
    cursor.restart()
    assert cursor.command(10, 500)[5:] == ("STREAMS", "orders", "käse", "3-0", "8-0")


def test_a_reply_of_a_stream_that_was_not_asked_for_is_a_bug():
    with pytest.raises(KeyError):
        orders().feed(resp2(others=[ONE]))


# Streams: what was dropped unread


def state(*present, added=None, last=None):
    """XINFO STREAM of a stream with entries of these numbers; `added` is None before Redis 7."""
    last = last or (present[-1] if present else 0)
    shown = {b"length": len(present), b"last-generated-id": b"%d-0" % last}
    shown[b"first-entry"] = [b"%d-0" % present[0], []] if present else None
    return shown if added is None else shown | {b"entries-added": added}


def read(cursor, *numbers):
    cursor.feed(resp2(orders=[(b"%d-0" % n, [b"a", b"1"]) for n in numbers]))


def seen(cursor, shown):
    return [(each.kind, each.missed, each.after) for each in cursor.seen([shown])]


def test_a_look_is_one_command_for_each_stream():
    cursor = StreamCursor({"a": EntryId("0-0"), "b": EntryId("0-0")})
    assert cursor.look() == [("XINFO", "STREAM", "a"), ("XINFO", "STREAM", "b")]
    with pytest.raises(ValueError, match="zip"):
        cursor.seen([None])


def test_entries_that_are_all_read_are_no_gap():
    cursor = orders()
    assert seen(cursor, state(1, 2, added=2)) == []
    read(cursor, 1, 2)
    assert seen(cursor, state(1, 2, added=2)) == []
    read(cursor, 3)
    assert seen(cursor, state(1, 2, 3, added=3)) == []


def test_what_is_deleted_after_it_was_read_is_no_gap():
    cursor = orders()
    seen(cursor, state(1, 2, added=2))
    read(cursor, 1, 2)
    assert seen(cursor, state(added=2, last=2)) == []
    read(cursor)
    assert seen(cursor, state(added=2, last=2)) == []


def test_what_comes_between_a_look_and_a_read_is_no_gap():
    cursor = orders()
    seen(cursor, state(1, 2, added=2))
    read(cursor, 1, 2, 3)
    assert seen(cursor, state(1, 2, 3, 4, added=4)) == []
    read(cursor, 4, 5)
    assert seen(cursor, state(1, 2, 3, 4, 5, 6, added=6)) == []
    read(cursor, 6)
    read(cursor)
    assert seen(cursor, state(1, 2, 3, 4, 5, 6, added=6)) == []


def test_a_gap_is_told_once_and_exactly():
    cursor = orders()
    seen(cursor, state(1, added=1))
    read(cursor, 1)
    assert seen(cursor, state(1, added=1)) == []
    read(cursor, 22, 23, 24)
    (notice,) = cursor.seen([state(22, 23, 24, added=24)])
    assert notice == (
        *("gap", "orders", "24-0", 20),
        "'orders': 20 entries were dropped before they were read, near 24-0",
    )
    assert seen(cursor, state(22, 23, 24, added=24)) == []
    read(cursor, 25)
    assert seen(cursor, state(24, 25, added=25)) == []


def test_a_gap_is_told_when_reading_has_come_past_it():
    cursor = orders()
    read(cursor)
    seen(cursor, state(1, 2, 3, 4, added=4))
    assert seen(cursor, state(3, 4, added=4)) == []
    read(cursor, 3)
    assert seen(cursor, state(3, 4, 5, added=5)) == []
    read(cursor, 4)
    assert seen(cursor, state(3, 4, 5, added=5)) == [("gap", 2, "3-0")]
    read(cursor, 5)
    assert seen(cursor, state(3, 4, 5, added=5)) == []


def test_a_gap_at_the_end_is_told_when_nothing_is_left():
    cursor = orders()
    seen(cursor, state(1, 2, 3, added=3))
    read(cursor, 1)
    # XADD MAXLEN 0, or an XTRIM to nothing.
    assert seen(cursor, state(added=3, last=3)) == []
    read(cursor)
    assert seen(cursor, state(added=3, last=3)) == [("gap", 2, "1-0")]
    read(cursor, 4)
    assert seen(cursor, state(4, added=4)) == []


def test_what_is_deleted_before_it_was_read_counts():
    cursor = orders()
    seen(cursor, state(1, 2, 3, 4, added=4))
    read(cursor, 1, 3)
    read(cursor)
    assert seen(cursor, state(1, 3, added=4, last=4)) == [("gap", 2, "3-0")]


def test_what_was_dropped_before_the_first_look_was_never_to_be_read():
    cursor = orders()
    assert seen(cursor, state(8, 9, added=9)) == []
    read(cursor, 8, 9)
    assert seen(cursor, state(8, 9, added=9)) == []


def test_from_the_middle_nothing_is_told_of_what_was_before():
    cursor = orders("5-0")
    assert seen(cursor, state(*range(1, 9), added=8)) == []
    read(cursor, 6, 7, 8)
    assert seen(cursor, state(7, 8, added=8)) == []
    read(cursor, 10)
    assert seen(cursor, state(10, added=10)) == [("gap", 1, "10-0")]


def test_from_the_end_nothing_is_told_of_what_was_before():
    cursor = orders("8-0")
    assert seen(cursor, state(7, 8, added=8)) == []
    read(cursor, 9)
    assert seen(cursor, state(9, added=9)) == []


def test_from_ahead_of_the_stream_nothing_is_told_of_what_comes_before():
    # As `follow("-5min")` does, where events are added with IDs of their own.
    cursor = orders("50-0")
    assert seen(cursor, state(1, 2, added=2)) == []
    read(cursor)
    assert seen(cursor, state(1, 2, 40, added=3)) == []
    read(cursor, 51)
    assert seen(cursor, state(1, 2, 40, 51, added=4)) == []
    read(cursor, 53)
    assert seen(cursor, state(53, added=6)) == [("gap", 1, "53-0")]


def test_a_stream_that_is_deleted_is_read_from_its_beginning():
    cursor = orders()
    seen(cursor, state(1, 2, added=2))
    read(cursor, 1, 2)
    (notice,) = cursor.seen([None])
    assert notice == (
        *("reset", "orders", "2-0", 0),
        "'orders': the stream was deleted after 2-0 was read; reading continues from its beginning",
    )
    assert seen(cursor, None) == [], "and that is told once"
    assert cursor.command(1, None)[-1] == "0-0"
    read(cursor, 1)
    assert seen(cursor, state(1, added=1)) == []
    read(cursor, 3)
    assert seen(cursor, state(3, added=3)) == [("gap", 1, "3-0")]


def test_what_a_deleted_stream_loses_when_it_is_made_again_counts():
    cursor = orders()
    seen(cursor, state(1, added=1))
    read(cursor, 1)
    seen(cursor, None)
    read(cursor, 3)
    assert seen(cursor, state(3, added=3)) == [("gap", 2, "3-0")]


def test_a_stream_with_smaller_ids_is_read_from_its_beginning():
    cursor = orders()
    seen(cursor, state(10, 11, added=2))
    read(cursor, 10, 11)
    assert seen(cursor, state(5, 6, added=2)) == [("reset", 0, "11-0")]
    assert cursor.command(1, None)[-1] == "0-0"
    read(cursor, 5, 6)
    assert seen(cursor, state(5, 6, added=2)) == []
    read(cursor, 8)
    assert seen(cursor, state(8, added=4)) == [("gap", 1, "8-0")]


def test_a_stream_that_is_empty_again_has_smaller_ids():
    # XGROUP CREATE ... MKSTREAM
    cursor = orders()
    read(cursor, 10)
    assert seen(cursor, state(added=0)) == [("reset", 0, "10-0")]
    read(cursor, 1)
    assert seen(cursor, state(1, added=1)) == []


def test_a_stream_with_larger_ids_is_known_by_its_count():
    cursor = orders()
    seen(cursor, state(1, 2, 3, added=3))
    read(cursor, 1, 2, 3)
    seen(cursor, state(1, 2, 3, added=3))
    read(cursor, 4, 5)
    (notice,) = cursor.seen([state(4, 5, added=2)])
    assert notice[:4] == ("reset", "orders", "5-0", 0)
    assert "deleted and created again after 5-0" in notice.message
    assert cursor.command(1, None)[-1] == "5-0"
    read(cursor, 6)
    assert seen(cursor, state(4, 5, 6, added=3)) == []


def test_what_a_deleted_stream_still_had_counts_where_it_was_seen():
    cursor = orders()
    seen(cursor, state(1, 2, 3, added=3))
    read(cursor, 1)
    seen(cursor, state(1, 2, 3, added=3))
    read(cursor, 4)
    assert seen(cursor, state(4, added=1)) == [("gap", 2, "1-0"), ("reset", 0, "4-0")]


def test_a_stream_that_is_missing_from_the_start_is_no_reset():
    cursor = orders()
    assert seen(cursor, None) == []
    read(cursor)
    assert seen(cursor, None) == []
    read(cursor, 1)
    assert seen(cursor, state(1, added=1)) == []
    assert seen(cursor, None) == [("reset", 0, "1-0")]


def test_a_stream_that_came_and_went_between_two_looks_is_a_reset():
    cursor = orders()
    seen(cursor, None)
    read(cursor, 1)
    assert seen(cursor, None) == [("reset", 0, "1-0")]


def test_of_a_stream_that_was_missing_everything_counts():
    cursor = orders()
    seen(cursor, None)
    read(cursor, 3, 4)
    assert seen(cursor, state(3, 4, added=4)) == [("gap", 2, "4-0")]


def test_a_server_that_does_not_count_tells_only_of_resets():
    cursor = orders()
    seen(cursor, state(1))
    read(cursor, 1)
    seen(cursor, state(1))
    read(cursor, 22)
    assert seen(cursor, state(22)) == []
    assert seen(cursor, state(5)) == [("reset", 0, "22-0")]
    read(cursor, 5)
    assert seen(cursor, None) == [("reset", 0, "5-0")]


def test_each_stream_has_its_own_account():
    cursor = StreamCursor({"a": EntryId("0-0"), "b": EntryId("0-0")})
    assert cursor.seen([state(1, added=1), state(1, added=1)]) == []
    cursor.feed(resp2(a=[ONE], b=[ONE]))
    cursor.feed(resp2(b=[GONE]))
    notices = cursor.seen([state(1, added=1), state(3, added=3)])
    assert [notice[:4] for notice in notices] == [("gap", "b", "3-0", 1)]
    notices = cursor.seen([None, state(3, added=3)])
    assert [notice[:4] for notice in notices] == [("reset", "a", "1-0", 0)]


# Groups: commands and positions


BACKLOG = ("XREADGROUP", "GROUP", "workers", "me", "COUNT", 10, "STREAMS", "orders")
NEW = ("XREADGROUP", "GROUP", "workers", "me", "COUNT", 10, "BLOCK", 500, "STREAMS", "orders", ">")


@pytest.fixture
def group():
    return GroupCursor(["orders"], "workers", "me")


@REPLIES
def test_a_group_cursor_reads_its_backlog_to_the_end_and_then_what_is_new(group, reply):
    # The backlog is there at once: to block for it would mean to wait for nothing.
    assert group.command(10, 500) == (*BACKLOG, "0-0")
    assert group.feed(reply(orders=[ONE, GONE])) == of("orders", ONE, GONE)
    assert group.command(10, 500) == (*BACKLOG, "3-0")
    assert group.in_backlog
    assert group.feed(reply(orders=[])) == []
    assert not group.in_backlog
    assert group.command(10, 500) == NEW
    assert group.feed(reply(orders=[TWO])) == of("orders", TWO)
    assert group.command(10, 500) == NEW


@pytest.mark.parametrize("nothing", NOTHING)
def test_a_group_cursor_goes_on_waiting_when_nothing_comes(group, nothing):
    group.feed(nothing)
    assert group.command(10, 500) == NEW
    assert group.feed(nothing) == []
    assert group.command(10, 500) == NEW


def test_a_group_cursor_does_not_move_before_it_is_fed(group):
    assert group.command(10, 500) == group.command(10, 500)


def test_a_group_cursor_can_pass_its_backlog_over(group):
    group.skip_backlog()
    assert not group.in_backlog
    assert group.command(10, 500) == NEW
    assert group.command(10, None) == (*NEW[:6], *NEW[8:])


@REPLIES
@pytest.mark.parametrize("replies", [0, 1, 2, 3])
def test_after_a_restart_the_backlog_comes_again_from_its_start(group, reply, replies):
    # A lost reply has put entries there that were never delivered.
    for entries in [(ONE,), (), (TWO,)][:replies]:
        group.feed(reply(orders=entries))
    group.restart()
    assert group.command(10, 500) == (*BACKLOG, "0-0")
    assert group.feed(reply(orders=[ONE, TWO])) == of("orders", ONE, TWO)
    assert group.command(10, 500) == (*BACKLOG, "2-0")


@REPLIES
def test_a_longer_backlog_of_one_stream_is_read_to_its_end_first(reply):
    cursor = GroupCursor(["a", "b", "c"], "workers", "me")
    assert cursor.command(2, 500)[6:] == ("STREAMS", "a", "b", "c", "0-0", "0-0", "0-0")
    found = cursor.feed(reply(a=[ONE, TWO], b=[], c=[ONE]))
    assert found == [*of("a", ONE, TWO), *of("c", ONE)]
    assert cursor.command(2, 500)[6:] == ("STREAMS", "a", "c", "2-0", "1-0")
    cursor.feed(reply(a=[GONE], c=[]))
    assert cursor.command(2, 500)[6:] == ("STREAMS", "a", "3-0")
    cursor.feed(reply(a=[]))
    assert cursor.command(2, 500)[6:] == (*("BLOCK", 500), "STREAMS", "a", "b", "c", ">", ">", ">")
    cursor.restart()
    assert cursor.command(2, 500)[6:] == ("STREAMS", "a", "b", "c", "0-0", "0-0", "0-0")


def test_what_has_passed_is_no_backlog_after_a_restart():
    cursor = GroupCursor(["a", "b"], "workers", "me")
    cursor.passed("b", b"7-1")
    assert cursor.command(2, 500)[6:] == ("STREAMS", "a", "b", "0-0", "0-0")
    cursor.restart()
    assert cursor.command(2, 500)[6:] == ("STREAMS", "a", "b", "0-0", "7-1")


# Groups: what was dropped unread


def given(after, entries_read, *, name=b"workers"):
    """XINFO GROUPS of one group that was given so many entries, the last with this number."""
    return [{b"name": name, b"last-delivered-id": b"%d-0" % after, b"entries-read": entries_read}]


def group_seen(group, shown, groups):
    return [(each.kind, each.missed, each.after) for each in group.seen([shown, groups])]


def test_a_look_of_a_group_is_two_commands_for_each_stream():
    assert GroupCursor(["a", "b"], "g", "me").look() == [
        ("XINFO", "STREAM", "a"),
        ("XINFO", "GROUPS", "a"),
        ("XINFO", "STREAM", "b"),
        ("XINFO", "GROUPS", "b"),
    ]


def test_what_is_dropped_before_a_group_reads_it_is_told_once(group):
    assert group_seen(group, state(1, added=1), given(1, 1)) == []
    (notice,) = group.seen([state(22, 23, added=23), given(1, 1)])
    assert notice == (
        *("gap", "orders", "1-0", 20),
        "'orders': 20 entries were dropped before group 'workers' read them, near 1-0",
    )
    assert group_seen(group, state(22, 23, added=23), given(1, 1)) == []


def test_a_gap_that_grows_is_told_by_what_it_grew(group):
    assert group_seen(group, state(4, 5, added=5), given(1, 1)) == [("gap", 2, "1-0")]
    assert group_seen(group, state(5, added=5), given(1, 1)) == [("gap", 1, "1-0")]
    assert group_seen(group, state(added=5, last=5), given(1, 1)) == [("gap", 1, "1-0")]


@pytest.mark.parametrize("skips", [False, True])
def test_a_gap_is_told_once_however_the_server_counts(group, skips):
    """Redis 7.0 goes on from the old `entries-read` behind a gap, later ones skip the gap."""
    gap = 20 if skips else 0
    assert group_seen(group, state(22, 23, added=23), given(1, 1)) == [("gap", 20, "1-0")]
    assert group_seen(group, state(22, 23, added=23), given(22, 2 + gap)) == []
    assert group_seen(group, state(added=23, last=23), given(23, 3 + gap)) == []
    assert group_seen(group, state(added=24, last=24), given(24, 4 + gap)) == []
    assert group_seen(group, state(27, added=27), given(24, 4 + gap)) == [("gap", 2, "24-0")]


def test_the_next_gap_is_told_too_where_the_first_one_was_skipped(group):
    assert group_seen(group, state(22, 23, added=23), given(1, 1)) == [("gap", 20, "1-0")]
    assert group_seen(group, state(29, added=29), given(23, 23)) == [("gap", 5, "23-0")]


def test_a_gap_that_was_passed_between_two_looks_is_told_where_the_server_counts_on(group):
    assert group_seen(group, state(1, added=1), given(1, 1)) == []
    assert group_seen(group, state(22, 23, added=23), given(23, 3)) == [("gap", 20, "23-0")]
    assert group_seen(group, state(22, 23, added=23), given(23, 3)) == []


def test_what_a_group_lacked_long_ago_is_history(group):
    assert group_seen(group, state(23, added=23), given(23, 3)) == []
    assert group_seen(group, state(25, added=25), given(23, 3)) == [("gap", 1, "23-0")]


def test_what_is_deleted_after_it_was_delivered_is_no_gap(group):
    # As a consumer with after="delete" leaves it.
    for n in (1, 5, 9):
        assert group_seen(group, state(added=n, last=n), given(n, n)) == []
        assert group_seen(group, state(n + 1, added=n + 1), given(n, n)) == []


def test_what_waits_for_a_group_is_no_gap(group):
    assert group_seen(group, state(1, 2, 3, added=3), given(1, 1)) == []
    assert group_seen(group, state(2, 3, added=3), given(1, 1)) == []
    assert group_seen(group, state(2, 3, added=3), given(2, 2)) == []


@pytest.mark.parametrize(
    ("shown", "groups"),
    [
        (None, None),
        (state(5, added=5), []),
        (state(5, added=5), given(1, 1, name=b"others")),
        (state(5, added=5), given(1, None)),
        (state(5), [{b"name": b"workers", b"last-delivered-id": b"1-0"}]),  # Redis 6.2
        # In the middle the count of what is dropped says nothing.
        (state(4, 5, added=5), given(4, 1)),
    ],
    ids=["no stream", "no groups", "another's", "not counted", "old", "in the middle"],
)
def test_where_nobody_can_say_nothing_is_told(group, shown, groups):
    assert group_seen(group, shown, groups) == []


def test_a_group_that_reads_on_between_the_two_replies_is_no_gap(group):
    assert group_seen(group, state(added=23, last=23), given(23, 3)) == []
    # Two more were added and read after XINFO STREAM, and are missing from its count.
    assert group_seen(group, state(added=23, last=23), given(25, 5)) == []
    assert group_seen(group, state(added=25, last=25), given(25, 5)) == []


def test_a_group_that_is_made_again_begins_a_new_account(group):
    assert group_seen(group, state(22, 23, added=23), given(1, 1)) == [("gap", 20, "1-0")]
    assert group_seen(group, None, None) == []
    assert group_seen(group, state(24, added=24), given(1, 1)) == [("gap", 22, "1-0")]


# With a real server


@pytest.fixture
def counts(knows_lag):
    if not knows_lag:
        pytest.skip("before Redis 7 nobody counts what was added")


class Reader:
    """Read with a cursor, and keep what it gave."""

    def __init__(self, conn, cursor):
        self.conn, self.cursor = conn, cursor
        self.ids, self.notices = [], []

    def read(self, count=100):
        command = self.cursor.command(count, None)
        found = self.cursor.feed(wire.ask(self.conn, *command, key="s"))
        self.ids += [(key, id.decode()) for key, id, _ in found]
        return found

    def look(self):
        commands = self.cursor.look()
        shown = wire.xinfo_states(commands, wire.ask_many(self.conn, commands))
        notices = self.cursor.seen(shown)
        self.notices += notices
        return [(notice.kind, notice.key, notice.missed) for notice in notices]


def fill(raw, *numbers, key="s"):
    for n in numbers:
        raw.xadd(key, {"n": n}, id=f"{n}-0")


def test_several_streams_of_a_server(conn, raw):
    fill(raw, 1, 2, 3)
    fill(raw, 7, key="t")
    reader = Reader(conn, StreamCursor({key: EntryId("0-0") for key in ("s", "t", "u")}))
    assert reader.look() == []
    reader.read(2)
    fill(raw, 5, key="u")
    reader.read(2)
    assert sorted(reader.ids) == [
        *(("s", "1-0"), ("s", "2-0"), ("s", "3-0")),
        *(("t", "7-0"), ("u", "5-0")),
    ]
    assert reader.read() == []
    assert reader.look() == []
    raw.delete("t")
    assert reader.look() == [("reset", "t", 0)]


def test_several_groups_of_a_server(conn, raw):
    for key, n in (("s", 5), ("t", 1), ("u", 0)):
        raw.xgroup_create(key, "g", "0", mkstream=True)
        fill(raw, *range(1, n + 1), key=key)
    raw.xreadgroup("g", "me", {"s": ">", "t": ">", "u": ">"})
    fill(raw, 8, key="u")
    reader = Reader(conn, GroupCursor(["s", "t", "u"], "g", "me"))
    assert reader.look() == []
    while reader.cursor.in_backlog:
        reader.read(2)
    assert sorted(reader.ids) == [*(("s", f"{n}-0") for n in range(1, 6)), ("t", "1-0")]
    assert [each[:2] for each in reader.read(2)] == [("u", b"8-0")]
    assert reader.read() == []
    assert reader.look() == []


def test_a_gap_on_a_server(conn, raw, counts):
    reader = Reader(conn, StreamCursor({"s": EntryId("0-0")}))
    assert reader.look() == []
    fill(raw, *range(1, 11))
    reader.read(4)
    raw.xtrim("s", maxlen=3, approximate=False)
    raw.xdel("s", "9-0")
    assert reader.look() == []
    reader.read()
    assert reader.look() == [("gap", "s", 4)]
    raw.xtrim("s", maxlen=0, approximate=False)
    assert reader.look() == []
    raw.xadd("s", {"n": 11}, id="11-0", maxlen=0, approximate=False)
    assert reader.look() == []
    reader.read()
    assert reader.look() == [("gap", "s", 1)]
    raw.delete("s")
    fill(raw, *range(20, 23))
    reader.read()
    assert reader.look() == [("reset", "s", 0)]
    raw.delete("s")
    fill(raw, 1)
    assert reader.look() == [("reset", "s", 0)]
    reader.read()
    assert reader.ids[-1] == ("s", "1-0")
    assert reader.look() == []


def test_an_old_server_tells_only_of_resets(conn, raw, knows_lag):
    if knows_lag:
        pytest.skip("this server counts what was ever added (since Redis 7.0)")
    fill(raw, *range(1, 11))
    raw.xgroup_create("s", "g", "0")
    reader = Reader(conn, StreamCursor({"s": EntryId("0-0")}))
    group = Reader(conn, GroupCursor(["s"], "g", "me"))
    group.cursor.skip_backlog()
    for each in (reader, group):
        assert each.look() == []
        each.read(2)
    raw.xtrim("s", maxlen=3, approximate=False)
    for each in (reader, group):
        assert each.look() == []
        each.read()
        assert len(each.ids) == 5
        assert each.look() == []
    raw.delete("s")
    assert reader.look() == [("reset", "s", 0)]
    assert group.look() == []
    fill(raw, 1)
    reader.read()
    assert reader.ids[-1] == ("s", "1-0")


def test_a_group_s_gap_on_a_server_is_told_once(conn, raw, counts):
    raw.xgroup_create("s", "g", "0", mkstream=True)
    reader = Reader(conn, GroupCursor(["s"], "g", "me"))
    reader.cursor.skip_backlog()

    def read_and_delete():
        if found := reader.read():
            ids = [id for _, id, _ in found]
            raw.xack("s", "g", *ids)
            raw.xdel("s", *ids)

    fill(raw, 1)
    read_and_delete()
    assert reader.look() == []
    fill(raw, *range(2, 32))
    raw.xtrim("s", maxlen=10, approximate=False)
    assert reader.look() == [("gap", "s", 20)]
    raw.xtrim("s", maxlen=5, approximate=False)
    assert reader.look() == [("gap", "s", 5)]
    read_and_delete()
    assert reader.look() == []
    for n in (32, 33, 34):
        fill(raw, n)
        assert reader.look() == []
        read_and_delete()
        assert reader.look() == []
    fill(raw, 35, 36)
    raw.xtrim("s", maxlen=1, approximate=False)
    assert reader.look() == [("gap", "s", 1)]


@pytest.mark.parametrize("seed", range(6))
def test_what_a_server_drops_unread_is_counted_exactly(conn, raw, counts, seed):
    # tests/test_properties.py does the same with a model of the server.
    draw = random.Random(seed)
    reader = Reader(conn, StreamCursor({"s": EntryId("0-0")}))
    reader.look()
    added = 0
    for _ in range(60):
        match draw.choice(["add", "add", "trim", "delete", "read", "look", "look"]):
            case "add":
                n = draw.randint(1, 5)
                fill(raw, *range(added + 1, added + n + 1))
                added += n
            case "trim":
                raw.xtrim("s", maxlen=draw.randint(0, 4), approximate=False)
            case "delete" if present := raw.xrange("s"):
                raw.xdel("s", draw.choice(present)[0])
            case "read":
                reader.read(draw.randint(1, 4))
            case "look":
                reader.look()
    reader.look()
    while reader.read():
        pass
    reader.look()
    assert sum(notice.missed for notice in reader.notices) == added - len(set(reader.ids))
    assert len(set(reader.ids)) == len(reader.ids)
    assert {notice.kind for notice in reader.notices} <= {"gap"}


@pytest.mark.parametrize("delete", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_what_a_group_lacks_is_never_told_twice(conn, raw, counts, seed, delete):
    """And all of it is told by one that looks often, where the server counts on behind a gap."""
    draw = random.Random(seed)
    raw.xgroup_create("s", "g", "0", mkstream=True)
    reader = Reader(conn, GroupCursor(["s"], "g", "me"))
    reader.cursor.skip_backlog()
    fill(raw, 1)
    reader.read()
    reader.look()
    added = 1
    for _ in range(60):
        match draw.choice(["add", "trim", "read"]):
            case "add":
                n = draw.randint(1, 5)
                fill(raw, *range(added + 1, added + n + 1))
                added += n
            case "trim":
                raw.xtrim("s", maxlen=draw.randint(0, 6), approximate=False)
            case "read":
                found = reader.read(draw.randint(1, 4))
                if delete and found:
                    raw.xdel("s", *[id for _, id, _ in found])
        reader.look()
    while reader.read():
        pass
    reader.look()
    told = sum(notice.missed for notice in reader.notices)
    skips = raw.xinfo_groups("s")[0]["entries-read"] == added
    assert told <= added - len(reader.ids)
    assert skips or told == added - len(reader.ids)


def test_a_key_of_another_type_is_an_error(conn, raw):
    raw.set("s", "text")
    reader = Reader(conn, StreamCursor({"s": EntryId("0-0")}))
    with pytest.raises(redis.ResponseError, match="wrong kind of value"):
        reader.look()


@pytest.mark.parametrize(
    ("id", "previous"),
    [
        ("5-7", "5-6"),
        ("5-1", "5-0"),
        ("5-0", "4-18446744073709551615"),
        ("0-1", "0-0"),
        ("0-0", "0-0"),  # no entry has this ID
    ],
)
def test_the_id_before_and_the_one_after(id, previous):
    assert id_before(EntryId(id)) == previous
    if id != "0-0":
        assert id_after(EntryId(previous)) == id


# Replies of servers newer than those that the tests have


@REPLIES
def test_an_entry_that_was_claimed_while_reading(reply):
    # XREADGROUP ... CLAIM, since Redis 8.4: its idle time and its deliveries come behind it.
    cursor = GroupCursor(["orders"], "g", "me")
    cursor.skip_backlog()
    claimed, new = (*ONE, 60_000, 3), (*TWO, 0, 0)
    assert cursor.feed(reply(orders=[claimed, new])) == of("orders", ONE, TWO)
