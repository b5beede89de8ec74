"""Replies as they come: the same that redis-py reads one by one, however they are cut."""

import contextlib
import socket
import threading
from types import SimpleNamespace

import hiredis
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from redis._parsers.hiredis import NOT_ENOUGH_DATA

from redisnb import connect
from redisnb.wire import replies as module
from redisnb.wire.connection import lease
from redisnb.wire.replies import LargeReplyError, metered, receive, receive_many
from tests.deadlines import deadline

# What a server may answer, as it goes over the wire, and what it is then; None stands for an error
# that breaks the link.
ANSWERS = [
    (b"+OK\r\n", b"OK"),
    (b":7\r\n", 7),
    (b"$3\r\nabc\r\n", b"abc"),
    (b"$-1\r\n", None),
    (b"*-1\r\n", None),
    (b"*0\r\n", []),
    (b"*2\r\n$1\r\na\r\n*1\r\n:1\r\n", [b"a", [1]]),
    (b"-WRONGTYPE Operation against a key\r\n", "WRONGTYPE"),
    (b"-LOADING Redis is loading the dataset in memory\r\n", "LOADING"),
    (b"-NOAUTH Authentication required.\r\n", "NOAUTH"),
    (b"-READONLY You can't write against a read only replica.\r\n", "READONLY"),
    (b"-OOM command not allowed when used memory > 'maxmemory'.\r\n", "OOM"),
]


@contextlib.contextmanager
def answering(pieces):
    """A link to what greets as a server does and then sends these pieces."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve():
        with listening, listening.accept()[0] as peer:
            reader = peer.makefile("rb")
            while (line := reader.readline()) and b"GO" not in line:
                # Every command of the greeting.
                if line.startswith(b"*"):
                    words = [reader.readline() + reader.readline() for _ in range(int(line[1:]))]
                    if b"GO" in words[0]:
                        break
                    peer.sendall(b"+OK\r\n")
            for piece in pieces:
                peer.sendall(piece)
            peer.shutdown(socket.SHUT_WR)
            reader.read()

    thread = threading.Thread(target=serve)
    thread.start()
    port = listening.getsockname()[1]
    link = redis.Connection("127.0.0.1", port, socket_timeout=5, driver_info=None, protocol=2)
    try:
        link.connect()
        link.send_command("GO")
        yield link
    finally:
        link.disconnect()
        thread.join()


def gather(link, count, found):
    for part in receive_many(link, count):
        found += part


def told(reply):
    """A reply by its value, or an error by its first word."""
    return str(reply).split()[0].upper() if isinstance(reply, Exception) else reply


def cut(data, places):
    ends = sorted({place % (len(data) + 1) for place in places})
    return [data[a:b] for a, b in zip([0, *ends], [*ends, len(data)], strict=True) if a < b]


@given(
    st.lists(st.sampled_from(ANSWERS), min_size=1, max_size=30),
    st.lists(st.integers(0, 2000), max_size=4),
)
def test_many_are_as_one_by_one(answers, places):
    data = b"".join(sent for sent, _ in answers)
    with answering(cut(data, places)) as link:
        one_by_one = [told(receive(link)) for _ in answers]
    with answering(cut(data, places)) as link:
        parts = list(receive_many(link, len(answers)))
    assert [told(reply) for part in parts for reply in part] == one_by_one
    assert all(parts)


@given(st.integers(0, 6), st.integers(0, 6))
def test_what_came_before_a_break_is_given(before, after):
    breaks = b"-ERR max number of clients reached\r\n"
    data = b":1\r\n" * before + breaks + b":2\r\n" * after
    found = []
    with (
        answering([data]) as link,
        pytest.raises(redis.ConnectionError, match="max number of clients"),
    ):
        gather(link, before + 1 + after, found)
    assert found == [1] * before


@pytest.mark.parametrize(
    ("rest", "error"),
    [
        (b"", redis.ConnectionError),
        (b"$5\r\nab", redis.ConnectionError),
        (b"HTTP/1.1 400\r\n", redis.InvalidResponse),
    ],
)
def test_a_link_that_breaks_off(rest, error):
    found = []
    with answering([b":1\r\n:2\r\n" + rest]) as link, pytest.raises(error):
        gather(link, 3, found)
    assert found == [1, 2]


def test_no_reply_in_time(server):
    with connect(server.url, timeout=deadline(0.2)) as conn, lease(conn) as link:
        link.send_command("PING")
        link.send_command("PING")
        link.send_command("BLPOP", "a list that nobody fills", 5)
        found = []
        with pytest.raises(redis.TimeoutError):
            gather(link, 3, found)
        assert found == [b"PONG", b"PONG"]
        link.disconnect()


def test_what_is_pushed_answers_nothing(server):
    with connect(server.url, protocol=3) as conn, lease(conn) as link:
        link.send_command("CLIENT", "TRACKING", "ON")
        receive(link)
        link.send_command("SET", "a", "1")
        receive(link)
        for command in (("GET", "a"), ("SET", "a", "2"), ("GET", "a")) * 20:
            link.send_command(*command)
        found = [reply for part in receive_many(link, 60) for reply in part]
        assert found == [b"1", b"OK", b"2"] + [b"2", b"OK", b"2"] * 19
        link.send_command("CLIENT", "TRACKING", "OFF")
        receive(link)


@given(st.lists(st.integers(0, 2000), max_size=4), st.integers(1, 400), st.integers(1, 40))
def test_a_meter_stops_at_a_number_of_bytes_or_lines(places, most_bytes, most_lines):
    data = b"".join(sent for sent, _ in ANSWERS)
    reader = hiredis.Reader(notEnoughData=NOT_ENOUGH_DATA)
    parser = SimpleNamespace(_reader=reader)
    fed: list[bytes] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MOST_REPLY_BYTES", most_bytes)
        patch.setattr(module, "MOST_REPLY_LINES", most_lines)
        with metered(SimpleNamespace(_parser=parser)), contextlib.suppress(LargeReplyError):
            for piece in cut(data, places):
                parser._reader.feed(bytearray(b"..") + piece, 2, len(piece))
                fed.append(piece)
    assert parser._reader is reader
    taken = b"".join(fed)
    assert data.startswith(taken)
    assert len(taken) <= most_bytes
    # A line end that is cut in two is not counted.
    assert sum(piece.count(b"\r\n") for piece in fed) <= most_lines
    assert taken == data or len(data) > most_bytes or data.count(b"\r\n") > most_lines
