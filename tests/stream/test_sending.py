"""Publishing over links that break: nothing twice, nothing lost without being said.

What is in the stream is asked of a client that does not know redisnb, on a link of its own.
"""

import contextlib
import itertools
import json
import os
import socket
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import redisnb as rnb
from redisnb import Stream, connect, patience
from redisnb.errors import ConnectError, RedisnbWarning, UncertainWriteError
from redisnb.stream import add_in_parts
from redisnb.stream.publishing import packing, sending
from redisnb.wire import asking
from tests.conftest import Proxy, TcpServer
from tests.deadlines import deadline, until

SMALLER = "The ID specified in XADD is equal or smaller than the target stream top item"
LAST = "the last ID of 's' is 5-0; give a larger one, or id='*'"
#: How many lines the answer to an XADD has.
REPLY = 2


@dataclass
class Link:
    """How much more a link lets through, None for everything: bytes up and lines down."""

    up: int | None = None
    down: int | None = None
    #: What comes down when nothing else does any more.
    last: bytes = b""
    #: How many lines have come down.
    lines: int = 0
    #: How many of them came before the first answer to a PING.
    greeting: int = 0
    #: Nothing goes up before this.
    arrive: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.arrive.set()


class Lossy(Proxy):
    """A proxy that can break each of its links, and not just one.

    `plan` has the links that come next, `between` what happens before each of them.
    """

    def __init__(self, server: rnb.Server) -> None:
        self.raw = redis.Redis.from_url(server.url)
        self.raw.flushall()
        self.raw.config_resetstat()
        self.link = Link()
        self.plan: list[Link] = []
        self.between: list[Callable[[], object]] = []
        self._threads: list[threading.Thread] = []
        super().__init__(server)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                # A reply is two lines: the second must not wait until the first is acknowledged.
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self.between:
                    self.between.pop(0)()
                self.link = self.plan.pop(0) if self.plan else Link()
                upstream = socket.socket(socket.AF_UNIX)
                upstream.connect(self._upstream)
                self._sockets += (client, upstream)
                for forward in (self._up, self._down):
                    thread = threading.Thread(
                        target=forward, args=(client, upstream, self.link), daemon=True
                    )
                    thread.start()
                    self._threads.append(thread)

    def _up(self, client: socket.socket, upstream: socket.socket, link: Link) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                link.arrive.wait(10)
                # A test says where to break as soon as it has its reply, and means what follows.
                left = link.up
                if left is not None:
                    data, link.up = data[:left], max(left - len(data), 0)
                upstream.sendall(data)
                if left is not None and not link.up:
                    client.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            upstream.shutdown(socket.SHUT_WR)

    def _down(self, client: socket.socket, upstream: socket.socket, link: Link) -> None:
        with contextlib.suppress(OSError), upstream.makefile("rb") as replies:
            for line in replies:
                if link.down == 0:
                    if not self.hang:
                        client.sendall(link.last)
                        # Commands still go up: the server carries out what it was sent.
                        client.shutdown(socket.SHUT_WR)
                    continue
                link.down = link.down and link.down - 1
                if line == b"+PONG\r\n":
                    link.greeting = link.lines
                link.lines += 1
                with contextlib.suppress(OSError):
                    client.sendall(line)
            client.shutdown(socket.SHUT_RDWR)

    def settle(self) -> None:
        """Wait until the server has carried out whatever was sent on links that are closed now."""
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()

    def hello(self) -> int:
        """Return the lines that a client waits for before its first command; call it after PING."""
        return self.link.greeting

    def stored(self) -> list[tuple[str, Any]]:
        """Return the ID and the event of each entry, in order."""
        return [
            (id.decode(), json.loads(fields[b"payload"])) for id, fields in self.raw.xrange("s")
        ]

    def calls(self, command: str = "xadd") -> int:
        """Return how often the server has carried out a command, or refused to."""
        stats = self.raw.info("commandstats").get(f"cmdstat_{command}", {"calls": 0})
        return stats["calls"] + stats.get("rejected_calls", 0)


@pytest.fixture
def lossy(server) -> Iterator[Lossy]:
    lossy = Lossy(server)
    yield lossy
    lossy.raw.config_set("maxmemory", 0)
    lossy.close()
    lossy.raw.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch) -> None:
    monkeypatch.setattr(patience, "FIRST_WAIT", 0.001)


@pytest.fixture
def batches_of_ten(monkeypatch) -> None:
    monkeypatch.setattr(asking, "BATCH", 10)
    monkeypatch.setattr(packing, "BATCH", 10)


def numbered(n: int) -> tuple[list[dict[str, int]], list[str]]:
    return [{"i": i} for i in range(n)], [f"{i}-7" for i in range(1, n + 1)]


FORMS: dict[str, Callable[[Any], Any]] = {"list": list, "frame": pd.DataFrame, "iterator": iter}


def check(lossy: Lossy, added: pd.DataFrame) -> Counter[str]:
    """Compare what was said of the events 0, 1, 2, ... with the stream; count the statuses."""
    lossy.settle()
    stored = lossy.stored()
    found: dict[int, list[str]] = {}
    for id, event in stored:
        found.setdefault(event["i"], []).append(id)
    for row, (id, status) in enumerate(zip(added["entry_id"], added["status"], strict=True)):
        ids = found.pop(row, [])
        if status == "added":
            assert ids == [id]
        else:
            assert pd.isna(id)
            assert len(ids) <= (status == "unknown"), f"{row} is {status}"
    assert not found
    assert stored == sorted(stored, key=lambda entry: entry[1]["i"])
    return Counter(added["status"])


# One event


@pytest.mark.slow
@pytest.mark.parametrize("hang", [False, True])
@pytest.mark.parametrize("down", [0, 1])
def test_an_event_with_an_id_is_sent_until_there_is_a_reply(lossy, down, hang):
    with connect(lossy.url, timeout=deadline(0.2)) as conn:
        lossy.link.down, lossy.hang = down, hang
        assert Stream(conn, "s").add({"i": 1}, id="5-3") == "5-3"
        assert lossy.stored() == [("5-3", {"i": 1})]
        assert (lossy.calls("xadd"), lossy.calls("xrange")) == (2, 2)


@pytest.mark.parametrize("id", ["5", rnb.EntryId("5-0"), pd.Timestamp(5, unit="ms", tz="UTC")])
@pytest.mark.parametrize("format", ["json", "fields", "raw"])
@pytest.mark.parametrize("trim", [{}, {"maxlen": 1}, {"minid": "2"}])
def test_an_event_is_recognised_in_every_form(lossy, id, format, trim):
    event = {"fields": [(b"a", b"\xff"), (b"a", b"")]} if format == "raw" else {"a": 1, "b": "ü"}
    with connect(lossy.url) as conn:
        lossy.link.down = 0
        assert Stream(conn, "s", format=format).add(event, id=id, **trim) == "5-0"
    assert lossy.raw.xlen("s") == 1
    assert lossy.calls() == 2


def test_wherever_the_links_break_an_event_with_an_id_is_added_once(lossy):
    for n, (first, second) in enumerate(itertools.product(range(REPLY), range(10)), 1):
        with connect(lossy.url) as conn:
            lossy.link.down, lossy.plan = first, [Link(down=second), Link(down=second)]
            assert Stream(conn, "s").add({"i": n}, id=f"{n}-0") == f"{n}-0"
            assert [event["i"] for _, event in lossy.stored()] == list(range(1, n + 1))


def test_an_event_that_did_not_arrive_is_sent_again(lossy):
    for n, up in enumerate((0, 1, 40, 80), 1):
        with connect(lossy.url) as conn:
            lossy.link.up = up
            assert Stream(conn, "s").add({"i": n}, id=f"{n}-0") == f"{n}-0"
    assert [event["i"] for _, event in lossy.stored()] == [1, 2, 3, 4]
    assert lossy.calls() == 4


def test_an_event_that_arrives_late_is_added_once(lossy):
    with connect(lossy.url, timeout=deadline(0.3)) as conn:
        late = lossy.link
        late.arrive.clear()
        assert Stream(conn, "s").add({"i": 1}, id="5-0") == "5-0"
        late.arrive.set()
    lossy.settle()
    assert lossy.stored() == [("5-0", {"i": 1})]
    assert lossy.calls() == 2


@pytest.mark.parametrize("last", [b"?", b"-LOADING Redis is loading the dataset in memory\r\n"])
def test_what_is_no_answer_is_no_reply(lossy, last):
    # In the place of the reply, and then of the one that tells what is in the stream.
    with connect(lossy.url) as conn:
        lossy.link.down, lossy.link.last = 0, b"?"
        lossy.plan = [Link(down=lossy.hello() + 1, last=last)]
        assert Stream(conn, "s").add({"i": 1}, id="5-0") == "5-0"
        assert lossy.calls() == 3
        lossy.link.down, lossy.link.last = 0, b"?"
        with pytest.raises(UncertainWriteError, match="Protocol error"):
            Stream(conn, "s").add({"i": 1})


def test_an_event_without_an_id_is_not_sent_again(lossy):
    for n, down in enumerate((0, 1), 1):
        with connect(lossy.url) as conn:
            lossy.link.down = down
            with pytest.raises(UncertainWriteError, match=r"look with tail\(\) before") as caught:
                Stream(conn, "s").add({"i": 1})
            assert (caught.value.stream, caught.value.rows) == ("s", 1)
        lossy.settle()
        assert lossy.calls() == n


def test_what_is_refused_the_first_time_was_not_added(lossy):
    with connect(lossy.url) as conn:
        stream = Stream(conn, "s")
        stream.add({"i": 1}, id="5-0")
        for id, event in [("5-0", {"i": 1}), ("4-0", {"i": 2})]:
            with pytest.raises(redis.ResponseError) as caught:
                stream.add(event, id=id)
            assert str(caught.value) == SMALLER
            assert caught.value.__notes__ == [LAST]
    assert (lossy.calls("xadd"), lossy.calls("xrange")) == (3, 0)


def test_another_entry_with_the_id_is_an_error(lossy):
    with connect(lossy.url) as conn:
        lossy.link.up = 0
        lossy.between = [lambda: lossy.raw.xadd("s", {"payload": '{"i": 2}'}, id="5-0")]
        with pytest.raises(redis.ResponseError) as caught:
            Stream(conn, "s").add({"i": 1}, id="5-0")
    assert str(caught.value) == SMALLER
    assert caught.value.__notes__ == ["another entry has that ID"]
    assert lossy.stored() == [("5-0", {"i": 2})]


@pytest.mark.parametrize(
    ("up", "meanwhile", "options"),
    [
        (None, lambda raw: None, {"maxlen": 0}),
        (None, lambda raw: None, {"minid": "6"}),
        (None, lambda raw: raw.xdel("s", "5-0"), {}),
        (0, lambda raw: raw.xadd("s", {"payload": '{"i": 2}'}, id="6-0"), {}),
    ],
)
def test_an_event_that_is_refused_and_not_there_is_uncertain(lossy, up, meanwhile, options):
    with connect(lossy.url) as conn:
        lossy.link.up, lossy.link.down = up, 0
        lossy.between = [lambda: meanwhile(lossy.raw)]
        with pytest.raises(UncertainWriteError) as caught:
            Stream(conn, "s").add({"i": 1}, id="5", **options)
    assert (
        f"no reply (ERR {SMALLER}; the first reply was lost, and no entry has its ID: trimmed or "
        "deleted, or never added), so the event may or may not have been added; look with "
        "range('5-0', '5-0') before adding again"
    ) in str(caught.value)
    assert isinstance(caught.value.__cause__, redis.ResponseError)
    assert not lossy.raw.xrange("s", "5", "5")


def test_of_a_refusal_for_another_reason_the_stream_tells_too(lossy):
    # It was added the first time, and full is the server only the second time.
    full = lambda: lossy.raw.config_set("maxmemory", 1)  # noqa: E731
    with connect(lossy.url) as conn:
        stream = Stream(conn, "s")
        lossy.link.down, lossy.between = 0, [full]
        assert stream.add({"i": 1}, id="1-0") == "1-0"
        lossy.raw.config_set("maxmemory", 0)
        lossy.link.up, lossy.between = 0, [full]
        with pytest.raises(UncertainWriteError, match=r"no reply \(OOM command not allowed"):
            stream.add({"i": 2}, id="2-0")
        lossy.raw.config_set("maxmemory", 0)
        # Neither can be told where there is no stream any more.
        lossy.link.down, lossy.between = 0, [lambda: lossy.raw.set("s", "text")]
        with pytest.raises(UncertainWriteError, match="looking for it failed: WRONGTYPE"):
            stream.add({"i": 3}, id="3-0")


def test_sending_again_ends_with_the_timeout(lossy):
    with connect(lossy.url, timeout=deadline(0.5)) as conn:
        lossy.link.down, lossy.plan = 0, [Link(down=0)] * 10_000
        with pytest.raises(UncertainWriteError, match="may or may not") as caught:
            Stream(conn, "s").add({"word": "confidential"}, id="5-0")
        assert isinstance(caught.value.__cause__, ConnectError)
        assert "confidential" not in f"{caught.value}{caught.value.__cause__}"
        assert len(lossy.plan) < 9_998, "it was tried more than once"
        lossy.plan = []
        with pytest.raises(redis.ResponseError, match=SMALLER):
            Stream(conn, "s").add({"word": "confidential"}, id="5-0")
    assert lossy.raw.xlen("s") == 1


def test_without_a_server_nothing_is_sent_and_nothing_tried_again(tcp_server):
    with connect(tcp_server.url, timeout=30) as conn:
        tcp_server.kill()
        stream = Stream(conn, "s")
        with pytest.raises(ConnectError, match="Connection refused"):
            stream.add({"i": 1}, id="1-0")
        with pytest.raises(ConnectError, match="Connection refused"):
            stream.add_many([{"i": 1}], ids=["1-0"])


# Many events


@contextlib.contextmanager
def connect_before(lossy: Lossy, first: Link) -> Iterator[rnb.Connection]:
    """Connect, and then let the link break as `first` says; `plan` is for those that follow."""
    plan, lossy.plan = lossy.plan, []
    with connect(lossy.url) as conn:
        lossy.plan = plan
        lossy.link.up, lossy.link.down = first.up, first.down
        yield conn
        lossy.plan = []


@pytest.mark.slow
@pytest.mark.usefixtures("batches_of_ten")
@pytest.mark.parametrize("form", FORMS)
def test_wherever_the_link_breaks_events_with_ids_are_added_once(lossy, form):
    events, ids = numbered(25)
    for down in range(REPLY * len(events)):
        lossy.raw.delete("s")
        with connect(lossy.url) as conn:
            lossy.link.down = down
            added = Stream(conn, "s").add_many(FORMS[form](events), ids=ids)
        assert check(lossy, added) == {"added": 25}
        assert added["entry_id"].tolist() == ids


@pytest.mark.slow
@pytest.mark.usefixtures("batches_of_ten")
@pytest.mark.parametrize("down", [0, 19, 31])
@pytest.mark.parametrize("form", FORMS)
def test_a_link_that_falls_silent_is_given_up_for_another(lossy, form, down):
    events, ids = numbered(25)
    with connect(lossy.url, timeout=deadline(0.3)) as conn:
        lossy.link.down, lossy.hang = down, True
        added = Stream(conn, "s").add_many(FORMS[form](events), ids=ids)
    assert check(lossy, added) == {"added": 25}


@pytest.mark.usefixtures("batches_of_ten")
@pytest.mark.parametrize("form", FORMS)
def test_events_without_ids_are_never_sent_again(lossy, form):
    for down in range(0, REPLY * 25, 7):
        lossy.raw.delete("s")
        lossy.raw.config_resetstat()
        events = FORMS[form](numbered(25)[0])
        with connect(lossy.url) as conn:
            lossy.link.down = down
            with pytest.warns(RedisnbWarning, match="unknown"):
                added = Stream(conn, "s").add_many(events)
        known = check(lossy, added)
        sent = min(down // REPLY // 10 * 10 + 20, 25)
        unsent = 0 if form == "iterator" else 25 - sent
        assert (known["added"], known["unknown"], known["unsent"]) == (
            *(down // REPLY, sent - down // REPLY), unsent,
        )  # fmt: skip
        assert lossy.calls() <= sent
        if form == "iterator":
            assert [event["i"] for event in events] == list(range(sent, 25))


@pytest.mark.slow
@pytest.mark.usefixtures("batches_of_ten")
@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    size=st.integers(0, 45),
    form=st.sampled_from(sorted(FORMS)),
    numbers=st.booleans(),
    links=st.lists(
        st.builds(
            Link,
            up=st.none() | st.integers(0, 3000),
            down=st.none() | st.integers(0, 100),
        ),
        max_size=5,
    ),
)
def test_whatever_breaks_nothing_is_doubled_and_what_is_missing_is_said(
    lossy, size, form, numbers, links
):
    lossy.raw.delete("s")
    events, ids = numbered(size)
    first, *lossy.plan = [Link(link.up, link.down) for link in links] or [Link()]
    with connect_before(lossy, first) as conn, warnings.catch_warnings():
        warnings.simplefilter("ignore", RedisnbWarning)
        added = Stream(conn, "s").add_many(FORMS[form](events), ids=ids if numbers else "*")
    known = check(lossy, added)
    if numbers:
        assert known.total() == known["added"] == size


@pytest.mark.usefixtures("batches_of_ten")
@pytest.mark.parametrize("form", FORMS)
def test_when_no_link_holds_the_rest_is_unknown_and_unsent(lossy, form):
    events, ids = numbered(45)
    given = FORMS[form](events)
    with connect(lossy.url, timeout=deadline(0.2)) as conn:
        lossy.link.down = REPLY * 15
        lossy.plan = [Link(down=lossy.hello())] * 10_000
        with pytest.warns(RedisnbWarning, match="15 unknown") as warned:
            added = Stream(conn, "s").add_many(given, ids=ids)
        assert warned[0].filename == __file__
    known = check(lossy, added)
    assert (known["added"], known["unknown"]) == (15, 15)
    assert known["unsent"] == (0 if form == "iterator" else 15)
    assert lossy.raw.xlen("s") == 30, "the unknown ones are there, and each once"
    if form == "iterator":
        assert next(given) == {"i": 30}


@pytest.mark.usefixtures("batches_of_ten")
def test_it_goes_on_for_as_long_as_rows_become_known(lossy, monkeypatch):
    now, waits = 0.0, []

    def sleep(seconds: float) -> None:
        nonlocal now
        waits.append(seconds)
        now += 3

    for module in (sending, patience):
        clock = SimpleNamespace(monotonic=lambda: now, sleep=sleep)
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(patience, "FIRST_WAIT", 0.1)
    events, ids = numbered(45)
    with connect(lossy.url, timeout=5) as conn:
        lossy.link.down = 0
        hello = lossy.hello()
        lossy.plan = [Link(down=hello + 80) for _ in range(5)] + [Link(down=hello)] * 10
        with pytest.warns(RedisnbWarning, match="unknown"):
            added = Stream(conn, "s").add_many(events, ids=ids)
    known = check(lossy, added)
    assert 20 < known["added"] < 45
    # After each link that brought the rows on, it begins with the first wait and the whole time.
    assert all(wait <= 0.1 for wait in waits[:6])
    assert len(waits) == 7


@pytest.mark.usefixtures("batches_of_ten")
def test_the_first_event_is_sent_again_alone(lossy):
    # For a server that is still loading would refuse some, and then take one that is later.
    events, ids = numbered(25)
    with connect(lossy.url) as conn:
        lossy.link.down, lossy.plan = 0, [Link(down=lossy.hello()), Link()]
        added = Stream(conn, "s").add_many(events, ids=ids)
    assert check(lossy, added) == {"added": 25}
    assert lossy.calls() == 20 + 1 + 25


@pytest.mark.usefixtures("batches_of_ten")
def test_of_events_that_are_trimmed_at_once_nobody_knows(lossy):
    events, ids = numbered(20)
    with connect(lossy.url) as conn:
        lossy.link.down = REPLY * 5
        # The first one is about the stream's groups.
        with pytest.warns(RedisnbWarning, match="of 20 events 13 unknown"):
            added = Stream(conn, "s").add_many(events, ids=ids, maxlen=3)
    assert added["status"].tolist() == ["added"] * 4 + ["unknown"] * 13 + ["added"] * 3
    assert added["error"][5].startswith(f"ERR {SMALLER}; the first reply was lost, and no entry")
    assert [id for id, _ in lossy.stored()] == ids[-3:]


@pytest.mark.usefixtures("batches_of_ten")
@pytest.mark.parametrize("up", [None, 0, 500])
def test_somebody_else_moves_the_top_on(lossy, up):
    events, ids = numbered(35)
    with connect(lossy.url) as conn:
        lossy.link.up, lossy.link.down = up, 2 * 3
        lossy.between = [lambda: lossy.raw.xadd("s", {"payload": '{"i": 99}'}, id="99-0")]
        with pytest.warns(RedisnbWarning, match="failed"):
            added = Stream(conn, "s").add_many(events, ids=ids)
    lossy.raw.xdel("s", "99-0")
    known = check(lossy, added)
    arrived = lossy.raw.xlen("s")
    assert (known["added"], known["unknown"], known["failed"]) == (arrived, 20 - arrived, 15)
    # A link that is cut while it forwards may have passed on less.
    assert arrived in {None: (10, 20), 0: (0,)}.get(up, (arrived,))
    assert set(added["error"].dropna()) <= {
        f"ERR {SMALLER}; {LAST.replace('5-0', '99-0')}",
        f"ERR {SMALLER}; the first reply was lost, and no entry has its ID: trimmed or deleted, "
        "or never added",
    }


def test_two_publishers_with_ids_that_interleave(lossy):
    events, ids = numbered(3000)
    others: list[bytes] = []
    stop = threading.Event()

    def given():
        for i, event in enumerate(events):
            if i == 2000:
                until(lambda: others)
            yield event

    def publish_others() -> None:
        steps = itertools.cycle((0, 0, 0, 5))
        with redis.Redis(connection_pool=lossy.raw.connection_pool) as other:
            while not stop.is_set():
                for top, _ in other.xrevrange("s", count=1):
                    ms = int(top.partition(b"-")[0]) + next(steps)
                    with contextlib.suppress(redis.ResponseError):
                        others.append(other.xadd("s", {"payload": '{"i": -1}'}, id=f"{ms}-9"))

    thread = threading.Thread(target=publish_others)
    thread.start()
    try:
        with (
            connect_before(lossy, Link(down=REPLY * 700)) as conn,
            warnings.catch_warnings(action="ignore", category=RedisnbWarning),
        ):
            lossy.plan = [Link(down=REPLY * 400), Link(down=REPLY * 900)]
            added = Stream(conn, "s").add_many(given(), ids=ids)
    finally:
        stop.set()
        thread.join()
    assert lossy.raw.xdel("s", *others) == len(others)
    known = check(lossy, added)
    assert known["added"] > 0
    assert known.total() == len(events)


@pytest.mark.usefixtures("batches_of_ten")
def test_of_another_entry_with_the_same_id_only_that_row_has_failed(lossy):
    events, ids = numbered(3)
    with connect(lossy.url) as conn:
        lossy.link.up = 0
        lossy.between = [lambda: lossy.raw.xadd("s", {"payload": '{"i": "x"}'}, id=ids[0])]
        with pytest.warns(RedisnbWarning, match="1 failed; first: .* another entry has"):
            added = Stream(conn, "s").add_many(events, ids=ids)
    assert added["status"].tolist() == ["failed", "added", "added"]
    assert added["error"][0] == f"ERR {SMALLER}; another entry has that ID"


@pytest.mark.parametrize("down", range(REPLY * 3))
def test_of_two_equal_events_with_one_id_one_was_added(lossy, down):
    with connect(lossy.url) as conn:
        lossy.link.down = down
        with pytest.warns(RedisnbWarning, match="of 3 events 1 failed; first: ERR"):
            added = Stream(conn, "s").add_many([{"i": 1}] * 3, ids=["1-0", "2-0", "2-0"])
    assert added["status"].tolist() == ["added", "added", "failed"]
    assert [id for id, _ in lossy.stored()] == ["1-0", "2-0"]


@pytest.mark.usefixtures("batches_of_ten")
@pytest.mark.parametrize("down", [0, 2 * 12])
def test_rows_keep_their_places_beside_events_that_cannot_be_carried(lossy, down):
    events, ids = numbered(45)
    for row in (3, 11, 19, 44):
        events[row] = {"i": {row}}
    with connect(lossy.url) as conn:
        lossy.link.down = down
        with pytest.warns(RedisnbWarning, match="of 45 events 4 failed; first: row 3: "):
            added = Stream(conn, "s").add_many(iter(events), ids=ids)
    assert check(lossy, added) == {"added": 41, "failed": 4}
    assert added.index[added["status"] == "failed"].tolist() == [3, 11, 19, 44]


@pytest.mark.usefixtures("batches_of_ten")
@pytest.mark.parametrize("error", [redis.ConnectionError, ConnectError, OSError])
@pytest.mark.parametrize("numbers", [False, True])
def test_an_iterators_own_error_is_no_broken_link(lossy, error, numbers):
    events, ids = numbered(30)

    def broken() -> Iterator[dict[str, int]]:
        yield from events[:25]
        raise error("where the events come from")

    with (
        connect(lossy.url) as conn,
        pytest.raises(error, match="where the events come from"),
    ):
        Stream(conn, "s").add_many(broken(), ids=ids if numbers else "*")
    lossy.settle()
    stored = [event for _, event in lossy.stored()]
    assert stored == events[: len(stored)]
    assert error is OSError or stored == events[:25]
    assert lossy.calls() == len(stored)


@pytest.mark.usefixtures("batches_of_ten")
def test_an_iterator_that_nobody_took_more_from_is_said_to_have_more(lossy, monkeypatch):
    events, ids = numbered(60)
    given = iter(events)

    @contextlib.contextmanager
    def progress(*_: object) -> Iterator[Callable[[int], None]]:
        done = 0

        def moved(rows: int) -> None:
            nonlocal done
            done += rows
            if done == 30:
                lossy.close()

        yield moved

    monkeypatch.setattr("redisnb.stream.publishing.publisher.progress_bar", progress)
    with connect(lossy.url, timeout=deadline(0.2)) as conn:
        lossy.link.down = REPLY * 10
        with pytest.warns(RedisnbWarning, match="may have more than these 30 events: cannot use"):
            added = Stream(conn, "s").add_many(given, ids=ids)
    assert check(lossy, added) == {"added": 30}
    assert next(given) == {"i": 30}


@pytest.mark.usefixtures("batches_of_ten")
@pytest.mark.parametrize(("form", "size"), [("list", 25), ("list", 30), ("iterator", 25)])
def test_a_server_that_goes_when_all_is_known_is_no_matter(lossy, monkeypatch, form, size):
    done = []

    @contextlib.contextmanager
    def progress(*_: object) -> Iterator[Callable[[int], None]]:
        def moved(rows: int) -> None:
            done.append(rows)
            if sum(done) == size:
                lossy.close()

        yield moved

    monkeypatch.setattr("redisnb.stream.publishing.publisher.progress_bar", progress)
    events, ids = numbered(size)
    with connect(lossy.url, timeout=30) as conn:
        lossy.link.down = REPLY * 13
        added = Stream(conn, "s").add_many(FORMS[form](events), ids=ids)
    assert check(lossy, added) == {"added": size}
    assert sum(done) == size, "progress counts each row once"


# Servers that die, refuse and load


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_a_server_that_is_killed_and_comes_back(tcp_server, wait_until, form):
    events, ids = numbered(30_000)
    answers: list[pd.DataFrame] = []

    def add() -> None:
        with connect(tcp_server.url) as conn:
            answers.append(Stream(conn, "s").add_many(FORMS[form](events), ids=ids))

    thread = threading.Thread(target=add)
    thread.start()
    for least in (1, 8_000, 16_000):
        wait_until(lambda least=least: tcp_server.client.xlen("s") >= least)
        tcp_server.kill()
        tcp_server.start()
    thread.join(30)
    (added,) = answers
    assert added["status"].eq("added").all()
    stored = tcp_server.client.xrange("s")
    assert [id.decode() for id, _ in stored] == added["entry_id"].tolist() == ids
    assert [json.loads(fields[b"payload"]) for _, fields in stored] == events


def test_single_events_while_the_server_is_killed_and_comes_back(tcp_server, wait_until):
    published: list[str] = []
    stop = threading.Event()

    def add() -> None:
        with connect(tcp_server.url) as conn:
            stream = Stream(conn, "s")
            for n in itertools.count(1):
                if stop.is_set():
                    return
                while len(published) < n:
                    try:
                        published.append(stream.add({"i": n}, id=f"{n}-0"))
                    except ConnectError:
                        # Of a first attempt, as the next one: nothing was sent, or it was refused.
                        pass
                    except redis.ResponseError as error:
                        if not str(error).startswith("LOADING"):
                            raise

    thread = threading.Thread(target=add)
    thread.start()
    for _ in range(4):
        done = len(published)
        wait_until(lambda done=done: len(published) > done + 50)
        tcp_server.kill()
        tcp_server.start()
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    stored = tcp_server.client.xrange("s")
    assert [id.decode() for id, _ in stored] == published
    assert [json.loads(fields[b"payload"])["i"] for _, fields in stored] == [
        *range(1, len(published) + 1)
    ]


class SlowServer(TcpServer):
    """A server that takes 2 s to read its data when it starts."""

    def fill(self, wait_until: Callable[..., Any]) -> None:
        with self.client.pipeline(transaction=False) as pipeline:
            for n in range(200):
                pipeline.set(f"filler-{n}", os.urandom(100_000))
            pipeline.execute()
        # As a file that is read key by key, in which a server looks up now and then.
        self.client.bgrewriteaof()
        wait_until(lambda: not self.client.info("persistence")["aof_rewrite_in_progress"])
        self._command += ("--key-load-delay", "10000")


@pytest.fixture
def slow_server(server, tmp_path) -> Iterator[SlowServer]:
    slow_server = SlowServer(tmp_path)
    yield slow_server
    slow_server.client.close()
    slow_server.kill()


@pytest.mark.slow
@pytest.mark.parametrize("many", [False, True])
def test_a_server_that_is_still_loading_is_waited_for(slow_server, wait_until, many):
    slow_server.fill(wait_until)
    events, ids = numbered(2500)
    answers: list[Any] = []

    def add() -> None:
        with connect(slow_server.url, timeout=10) as conn:
            stream = Stream(conn, "s")
            answers.append(
                stream.add_many(events, ids=ids)["entry_id"].tolist()
                if many
                else [stream.add(events[0], id=ids[0])]
            )

    # It is sent, and stays without a reply.
    slow_server.client.client_pause(100_000, all=False)
    thread = threading.Thread(target=add)
    thread.start()
    wait_until(lambda: any(each["cmd"] == "xadd" for each in slow_server.client.client_list()))
    slow_server.kill()
    slow_server.start()
    thread.join(20)
    expected = ids if many else ids[:1]
    assert answers == [expected]
    assert [id.decode() for id, _ in slow_server.client.xrange("s")] == expected
    refused = slow_server.client.info("commandstats")["cmdstat_xadd"]["rejected_calls"]
    assert refused > 0, "it was not asked while it was loading"


def refusing(code: str, server: TcpServer, wait_until: Callable[..., Any]) -> None:
    """Bring a server into a state in which it refuses to write."""
    client = server.client
    if code == "READONLY":
        client.replicaof("127.0.0.1", server.port)
    elif code == "OOM":
        client.config_set("maxmemory", 1)
    else:
        # A file cannot take the place of a directory.
        os.mkdir(f"{client.config_get('dir')['dir']}/dump.rdb")
        client.config_set("save", "3600 1000000")
        client.bgsave()
        wait_until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err")


@pytest.mark.parametrize("code", ["READONLY", "MISCONF", "OOM"])
def test_a_refusal_is_not_tried_again(tcp_server, wait_until, code):
    with connect(tcp_server.url, timeout=30) as conn:
        refusing(code, tcp_server, wait_until)
        tcp_server.client.config_resetstat()
        stream = Stream(conn, "s")
        for id in ("*", "5-0"):
            with pytest.raises(redis.ResponseError) as caught:
                stream.add({"i": 1}, id=id)
            assert len(caught.value.__notes__) == 1, "the remedy"
        for ids in ("*", ["5-0", "6-0"]):
            with pytest.warns(RedisnbWarning, match=f"of 2 events 2 failed; first: {code} "):
                added = stream.add_many([{"i": 1}, {"i": 2}], ids=ids)
            assert added["status"].tolist() == ["failed"] * 2
    assert not tcp_server.client.exists("s")
    assert tcp_server.client.info("commandstats")["cmdstat_xadd"]["rejected_calls"] == 6


# Interrupts


@pytest.mark.parametrize(
    "add",
    [
        lambda stream: stream.add({"i": 1}, id="1-0"),
        lambda stream: stream.add_many(numbered(3000)[0], ids=numbered(3000)[1]),
        lambda stream: stream.add_many(iter(numbered(3000)[0]), ids=numbered(3000)[1]),
    ],
)
def test_after_a_ctrl_c_nothing_is_sent_again(server, raw, wait_until, ctrl_c, add):
    raw.flushall()
    raw.config_resetstat()
    raw.client_pause(100_000, all=False)
    try:
        with connect(server.url, client_name="mine") as conn:
            stream = Stream(conn, "s")
            ctrl_c("xadd")
            with pytest.raises(KeyboardInterrupt):
                add(stream)
            wait_until(lambda: not any(each["name"] == "mine" for each in raw.client_list()))
            raw.client_unpause()
            assert len(stream) == 0
    finally:
        raw.client_unpause()
    assert "cmdstat_xadd" not in raw.info("commandstats")


def test_after_a_ctrl_c_between_two_attempts_nothing_is_sent_again(lossy, monkeypatch):
    def interrupt(seconds: float) -> None:
        assert 0 < seconds <= 1
        raise KeyboardInterrupt

    clock = SimpleNamespace(monotonic=time.monotonic, sleep=interrupt)
    monkeypatch.setattr(sending, "time", clock)
    events, ids = numbered(50)
    with connect(lossy.url) as conn:
        stream = Stream(conn, "s")
        lossy.link.down = 0
        with pytest.raises(KeyboardInterrupt):
            stream.add(events[0], id=ids[0])
        assert len(stream) == 1
        lossy.link.down = 0
        with pytest.raises(KeyboardInterrupt):
            stream.add_many(events[1:], ids=ids[1:])
    lossy.settle()
    assert [event for _, event in lossy.stored()] == events
    assert lossy.calls() == 50


def test_part_by_part(lossy):
    events, _ = numbered(25)
    with connect(lossy.url) as conn:
        parts = add_in_parts(Stream(conn, "s"), events, count=10, maxlen=12)
        assert lossy.raw.xlen("s") == 0
        first = next(parts)
        assert lossy.raw.xlen("s") == len(first) == 10
        assert [len(part) for part in parts] == [10, 5]
    assert [event for _, event in lossy.stored()] == events[-12:]


def test_the_part_whose_replies_are_lost_is_the_last_one(lossy):
    events, _ = numbered(45)
    with connect(lossy.url) as conn:
        parts = add_in_parts(Stream(conn, "s"), events, count=20)
        lossy.link.down = REPLY * 27
        statuses = [part["status"].value_counts().to_dict() for part in parts]
    assert statuses == [{"added": 20}, {"added": 7, "unknown": 13}]
    lossy.settle()
    assert [event for _, event in lossy.stored()] == events[:40]


def test_parts_are_made_of_what_can_be_carried(server, raw):
    raw.flushall()
    with connect(server.url) as conn:
        stream = Stream(conn, "s")
        with pytest.raises(rnb.EncodeError, match="row 2: 'i'"):
            add_in_parts(stream, [{"i": 1}, {"i": 2}, {"i": {3}}], count=1)
        with pytest.raises(TypeError, match=r"add_many\(\) takes an iterator"):
            add_in_parts(stream, iter([{"i": 1}]))
        with pytest.raises(ValueError, match="at least one event"):
            add_in_parts(stream, [{"i": 1}], count=0)
        assert list(add_in_parts(stream, [])) == []
    assert raw.exists("s") == 0
