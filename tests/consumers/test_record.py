"""Tally: states, counts, the last entries and errors, for other threads to look at."""

import asyncio
import threading
import traceback
import types
import weakref

import pandas as pd
import pytest

from redisnb import frames
from redisnb.consumers import record
from redisnb.consumers.handler import Handler
from redisnb.consumers.record import Tally
from redisnb.entries import Layout
from redisnb.stream.cursor import Notice

NAMES = ("received", "handled", "failed", "dead", "trimmed", "skipped", "missed")
COUNTS = dict.fromkeys(NAMES, 0)


def entry(n, key="s"):
    return key, b"%d-0" % n, [b"n", b"%d" % n]


@pytest.fixture
def one():
    return Tally("it", Layout("fields"), many=False)


def test_it_begins_with_nothing(one, has_schema):
    assert (one.state, one.error, one.counts) == ("stopped", None, COUNTS)
    assert has_schema(one.entries(10), frames.ENTRIES)
    assert has_schema(one.errors(), frames.ERRORS)
    assert len(one.entries(10)) == len(one.errors()) == 0


def test_a_state_has_its_reason(one):
    error = OSError("away")
    one.become("stalled", error)
    assert (one.state, one.error) == ("stalled", error)
    one.become("running")
    assert (one.state, one.error) == ("running", None)


def test_counts_add_up_and_are_a_copy(one):
    one.count("handled", 2)
    one.count("handled", 3)
    one.counts["handled"] = 99
    assert one.counts == COUNTS | {"handled": 5}
    with pytest.raises(KeyError):
        one.count("eaten", 1)


def test_what_was_received_is_a_frame_oldest_first(one, has_schema):
    one.add_entries([entry(1), entry(2)])
    one.add_entries([entry(3)])
    frame = one.entries(10)
    assert has_schema(frame, frames.ENTRIES, "n")
    assert frame["entry_id"].tolist() == ["1-0", "2-0", "3-0"]
    assert frame["n"].tolist() == [1, 2, 3]
    assert one.entries(2)["n"].tolist() == [2, 3]
    assert len(one.entries(0)) == 0
    assert one.counts == COUNTS | {"received": 3}
    with pytest.raises(ValueError, match="n=-1"):
        one.entries(-1)


def test_entries_of_several_streams_name_them(has_schema):
    many = Tally("it", Layout("fields"), many=True)
    many.add_entries([entry(2, "b"), entry(1, "a")])
    frame = many.entries(10)
    assert has_schema(frame, frames.ENTRIES, "stream", "n")
    assert frame["stream"].tolist() == ["b", "a"]


def test_a_body_that_is_gone_is_named(one):
    one.add_entries([entry(1), ("s", b"2-0", None)])
    assert one.entries(10).attrs["trimmed"] == ["2-0"]


def test_only_the_last_are_kept_and_all_are_counted(one, monkeypatch):
    n = record.KEPT_ENTRIES + 5
    one.add_entries([entry(i) for i in range(1, n + 1)])
    frame = one.entries(n)
    assert len(frame) == record.KEPT_ENTRIES
    assert frame["n"].iloc[[0, -1]].tolist() == [6, n]
    for i in range(record.KEPT_ERRORS + 5):
        one.add_failure(("s", b"%d-0" % i, None), 1, ValueError("no"))
    assert len(one.errors()) == record.KEPT_ERRORS
    assert one.errors()["entry_id"].iloc[0] == "5-0"
    assert (one.counts["received"], one.counts["failed"]) == (n, record.KEPT_ERRORS + 5)


class Outer:
    class PoisonError(Exception):
        pass


def test_what_a_handler_raised_is_shown(one, has_schema):
    def handler():
        raise Outer.PoisonError("<b>no</b>")

    try:
        handler()
    except Outer.PoisonError as error:
        one.add_failure(("s", b"7-0", None), 3, error)
    assert has_schema(one.errors(), frames.ERRORS)
    (shown,) = one.errors().to_dict("records")
    assert (shown["entry_id"], shown["error"]) == ("7-0", "Outer.PoisonError")
    assert shown["message"] == "<b>no</b>"
    assert shown["traceback"].startswith("Traceback")
    assert "in handler" in shown["traceback"]
    assert one.counts == COUNTS | {"failed": 3}


def raised_by(function, what="entry"):
    """Return what a consumer's handler gives of an error."""

    async def run():
        return await Handler(function, 0)(what, lambda: True)

    return asyncio.run(run())


async def fails_later(what):
    await asyncio.sleep(0)
    raise ValueError("no")


def fails(what):
    try:
        what["n"]
    except TypeError as error:
        raise ValueError("no") from error


def deep(n):
    if n > 0:
        deep(n - 1)
    raise (ValueError if n % 2 else KeyError)(n)


def fails_deeply(what):
    deep(5)


def fails_twice(what):
    try:
        deep(0)
    finally:
        deep(-1)


@pytest.mark.parametrize("before", [0, 1])
@pytest.mark.parametrize("function", [fails, fails_later, fails_deeply, fails_twice])
def test_a_traceback_is_what_python_prints_from_the_handler_on(one, function, before):
    for _ in range(before):
        one.add_failure(("s", b"6-0", None), 1, raised_by(function))
    error = raised_by(function)
    one.add_failure(("s", b"7-0", None), 1, error)
    expected = "".join(traceback.format_exception(error))
    shown = one.errors()["traceback"][before]
    begins = "Traceback (most recent call last):\n"
    # The way to the handler is redisnb's own, and no more than that is left out.
    assert shown.rpartition(begins)[2] in expected
    assert shown.rpartition(begins)[0] == expected.rpartition(begins)[0]
    assert ("direct cause" in shown) is (function is fails)
    assert "deep(5)" in shown or function is not fails_deeply
    assert one.errors()["traceback"][before] == shown


def test_a_group_of_errors_shows_the_place_of_each(one):
    parts = [raised_by(fails), raised_by(fails_deeply)]

    def in_a_group(what):
        raise ExceptionGroup("several", parts)

    for _ in range(2):
        one.add_failure(("s", b"7-0", None), 1, raised_by(in_a_group))
    for shown in one.errors()["traceback"]:
        assert shown.count("in in_a_group") == shown.count("in fails_deeply") == 1
        assert shown.count("in fails\n") == 2, "one for each end of the chain"


def test_each_traceback_is_of_its_own_error(one, monkeypatch):
    monkeypatch.setattr(record, "KEPT_STACKS", 2)
    errors = [raised_by(deep, n) for n in (0, 1, 2, 3, 0, 1, 2)]
    for error in errors:
        one.add_failure(("s", b"7-0", None), 1, error)
    expected = ["".join(traceback.format_exception(error)).splitlines() for error in errors]
    for shown, lines in zip(one.errors()["traceback"], expected, strict=True):
        assert shown.splitlines() == [lines[0], *lines[-len(shown.splitlines()) + 1 :]]
    assert len(one._stacks) <= 2


def test_a_handlers_error_that_is_redisnbs_own_has_its_place(one):
    one.add_failure(("s", b"7-0", None), 1, raised_by(lambda what: (each for each in what)))
    assert "returned a generator" in one.errors()["traceback"][0]
    assert one.errors()["traceback"][0].startswith("Traceback")


@pytest.mark.filterwarnings("ignore::redisnb.errors.RedisnbWarning")
def test_what_a_failing_handler_had_is_not_kept(one):
    class Large:
        pass

    large = Large()
    kept = weakref.ref(large)
    one.add_failure(("s", b"7-0", None), 1, raised_by(fails, large))
    del large
    assert kept() is None
    assert "in fails" in one.errors()["traceback"][0]


@pytest.mark.filterwarnings("ignore::redisnb.errors.RedisnbWarning")
def test_of_many_failures_in_a_second_the_log_has_some_and_how_many_more(one, caplog, monkeypatch):
    now = 100.0
    monkeypatch.setattr(record, "time", types.SimpleNamespace(monotonic=lambda: now))

    def said():
        texts = [each.getMessage() for each in caplog.records]
        caplog.clear()
        return [text for text in texts if "raised" in text]

    def fail(times):
        for i in range(times):
            one.add_failure(("s", b"%d-0" % i, None), 1, ValueError("no"))

    one.become("running")
    fail(record.LOGGED_A_SECOND + 5)
    assert len(said()) == record.LOGGED_A_SECOND
    assert len(one.errors()) == record.LOGGED_A_SECOND + 5, "errors() has each"
    # Nothing is left out for long, whether it goes on to fail, goes on well, or ends.
    now += 1
    fail(1)
    assert said() == [
        "it: the handler raised at 5 more",
        "it: the handler raised at entry 0-0: ValueError (?:0)",
    ]
    fail(record.LOGGED_A_SECOND)
    assert len(said()) == record.LOGGED_A_SECOND - 1
    one.become("running")
    assert said() == []
    now += 1
    one.become("running")
    one.become("running")
    assert said() == ["it: the handler raised at 1 more"]
    fail(record.LOGGED_A_SECOND + 2)
    said()
    one.become("stopped")
    assert said() == ["it: the handler raised at 2 more"]


def test_an_error_that_cannot_be_shown_as_it_is_does_no_harm(one):
    class SilentError(Exception):
        def __str__(self):
            raise RuntimeError("no")

    one.add_failure(("s", b"1-0", None), 1, SilentError())
    one.add_failure(("s", b"2-0", None), 1, ValueError("caf\udce9"))
    shown = one.errors()
    assert shown["error"].str.rpartition(".")[2].tolist() == ["SilentError", "ValueError"]
    assert "__str__ raises" in shown["message"].iloc[0]
    assert "\\udce9" in shown["message"].iloc[1]


def test_what_was_missed_is_counted_and_shown(one):
    one.add_notices(
        [
            Notice("gap", "s", "3-0", 20, "20 entries were dropped"),
            Notice("reset", "s", "4-0", 0, "the stream was deleted"),
            Notice("gap", "s", "5-0", 1, "1 entry was dropped"),
        ]
    )
    one.add_notices([])
    assert one.counts == COUNTS | {"missed": 21}
    assert one.errors()[["entry_id", "error", "traceback"]].to_numpy().tolist() == [
        ["3-0", "gap", ""],
        ["4-0", "reset", ""],
        ["5-0", "gap", ""],
    ]
    assert one.errors()["message"].iloc[1] == "the stream was deleted"


def test_it_can_be_looked_at_while_it_is_written():
    one, ended = Tally("it", Layout("fields"), many=False), threading.Event()

    def write():
        for i in range(1, 3001):
            one.add_entries([entry(i)])
            one.count("handled", 1)
            one.add_failure(("s", b"%d-0" % i, None), 1, ValueError("no"))
        ended.set()

    writer = threading.Thread(target=write)
    writer.start()
    looked = 0
    while not ended.is_set():
        entry_ids = one.entries(100)["entry_id"]
        numbers = entry_ids.str.removesuffix("-0").astype("int64")
        assert not len(numbers) or (numbers.diff().dropna() == 1).all()
        assert isinstance(one.errors(), pd.DataFrame)
        counts = one.counts
        assert counts["failed"] <= counts["handled"] <= counts["received"]
        looked += 1
    writer.join()
    assert looked
    assert one.counts == COUNTS | {"received": 3000, "handled": 3000, "failed": 3000}
