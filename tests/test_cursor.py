"""Cursors: which command comes next, and what its reply changes."""

import pytest

from redisnb.cursor import GroupCursor, StreamCursor, before
from redisnb.ids import EntryId

ONE = (b"1-0", [b"a", b"1"])
TWO = (b"2-0", [b"a", b"2"])
GONE = (b"3-0", None)


def resp2(*entries):
    return [[b"orders", [list(entry) for entry in entries]]]


def resp3(*entries):
    return {b"orders": [list(entry) for entry in entries]}


REPLIES = pytest.mark.parametrize("reply", [resp2, resp3])
NOTHING = [None, [], {}, resp2(), resp3()]


def test_a_stream_is_read_after_a_position():
    cursor = StreamCursor("orders", EntryId("5-0"))
    command = ("XREAD", "COUNT", 10, "BLOCK", 500, "STREAMS", "orders", "5-0")
    assert cursor.command(10, 500) == command
    assert cursor.command(10, 500) == command


@REPLIES
def test_a_stream_cursor_moves_on_with_each_reply(reply):
    cursor = StreamCursor("orders", EntryId("0-0"))
    assert cursor.feed(reply(ONE, TWO)) == [ONE, TWO]
    assert cursor.command(1, 0)[-1] == "2-0"
    assert (cursor.after, type(cursor.after)) == ("2-0", EntryId)
    assert cursor.feed(reply(GONE)) == [GONE]
    assert cursor.command(1, 0)[-1] == "3-0"


@pytest.mark.parametrize("nothing", NOTHING)
def test_a_stream_cursor_stays_where_it_is_when_nothing_comes(nothing):
    cursor = StreamCursor("orders", EntryId("5-0"))
    assert cursor.feed(nothing) == []
    cursor.restart()
    assert cursor.command(1, 0)[-1] == "5-0"


BACKLOG = ("XREADGROUP", "GROUP", "workers", "me", "COUNT", 10, "STREAMS", "orders")
NEW = ("XREADGROUP", "GROUP", "workers", "me", "COUNT", 10, "BLOCK", 500, "STREAMS", "orders", ">")


@pytest.fixture
def group():
    return GroupCursor("orders", "workers", "me")


@REPLIES
def test_a_group_cursor_reads_its_backlog_to_the_end_and_then_what_is_new(group, reply):
    # The backlog is there at once: to block for it would mean to wait for nothing.
    assert group.command(10, 500) == (*BACKLOG, "0-0")
    assert group.feed(reply(ONE, GONE)) == [ONE, GONE]
    assert group.command(10, 500) == (*BACKLOG, "3-0")
    assert group.feed(reply()) == []
    assert group.command(10, 500) == NEW
    assert group.feed(reply(TWO)) == [TWO]
    assert group.command(10, 500) == NEW


@pytest.mark.parametrize("nothing", NOTHING)
def test_a_group_cursor_goes_on_waiting_when_nothing_comes(group, nothing):
    group.feed(nothing)
    assert group.command(10, 500) == NEW
    assert group.feed(nothing) == []
    assert group.command(10, 500) == NEW


def test_a_group_cursor_does_not_move_before_it_is_fed(group):
    assert group.command(10, 500) == group.command(10, 500)


@REPLIES
@pytest.mark.parametrize("replies", [0, 1, 2, 3])
def test_after_a_restart_the_backlog_comes_again_from_its_start(group, reply, replies):
    # A lost reply has put entries there that nobody has seen.
    for entries in [(ONE,), (), (TWO,)][:replies]:
        group.feed(reply(*entries))
    group.restart()
    assert group.command(10, 500) == (*BACKLOG, "0-0")
    assert group.feed(reply(ONE, TWO)) == [ONE, TWO]
    assert group.command(10, 500) == (*BACKLOG, "2-0")


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
def test_before_is_the_id_before(id, previous):
    assert before(EntryId(id)) == previous
