"""What goes wrong shows: in a warning, in the repr, in errors(), in the log."""

import logging
import threading
import time

import pandas as pd
import pytest

import redisnb as rnb
from redisnb.errors import RedisnbWarning
from tests.deadlines import deadline

pytestmark = pytest.mark.slow


def typo(entry):
    return undefined  # noqa: F821 - that is the point


def sometimes(entry):
    if int(entry.event["n"]) % 3 == 0:
        raise ValueError(f"no {entry.event['n']} today")


@pytest.fixture
def stream(conn):
    stream = rnb.Stream(conn, "ev")
    stream.add_many([{"n": n} for n in range(1, 8)])
    return stream


def run(*args, **options):
    consumer = rnb.Consumer(*args, timeout=deadline(0.3), **options)
    consumer.run()
    return consumer


def test_the_first_failure_warns_where_it_happened(stream):
    with pytest.warns(RedisnbWarning) as told:
        consumer = run(stream, typo, start="all")
    [warning] = told
    assert warning.filename == __file__
    assert warning.lineno == typo.__code__.co_firstlineno + 1
    first = stream.range()["entry_id"].iloc[0]
    assert str(warning.message) == (
        f"Consumer('ev', start='all'): the handler raised at entry {first}: NameError: "
        "name 'undefined' is not defined; errors() has this one, and those to come"
    )
    assert consumer.stats["failed"] == 7
    # And again, when it is started again.
    with pytest.warns(RedisnbWarning, match="NameError"):
        consumer.run()


@pytest.mark.parametrize("kind", ["plain", "coroutine", "frame"])
def test_each_kind_of_handler_warns_once(stream, kind):
    async def coroutine(entry):
        typo(entry)

    group = rnb.ConsumerGroup(stream, "g", consumer="c")
    group.create("all")
    how = {"on_frame": typo} if kind == "frame" else {"on_entry": coroutine}
    how = {"on_entry": typo} if kind == "plain" else how
    consumer = rnb.Consumer(group, timeout=deadline(0.5), **how)
    with pytest.warns(RedisnbWarning, match="raised at entry .*: NameError") as told:
        consumer.run()
    [warning] = told
    handler = coroutine if kind == "coroutine" else typo
    assert warning.lineno == handler.__code__.co_firstlineno + 1


@pytest.mark.filterwarnings("error")
def test_a_warning_that_is_an_error_ends_nothing(stream):
    assert run(stream, sometimes, start="all").stats["handled"] == 5


@pytest.mark.filterwarnings("ignore::redisnb.errors.RedisnbWarning")
def test_the_repr_says_how_it_is(stream):
    consumer = rnb.Consumer(stream, sometimes, start="all", timeout=deadline(0.3))
    assert repr(consumer) == "Consumer('ev', start='all', stopped)"
    consumer.run()
    assert repr(consumer) == (
        "Consumer('ev', start='all', stopped, 5 handled, 2 failed: ValueError)"
    )
    with rnb.Consumer(stream, print) as consumer:
        assert repr(consumer).startswith("Consumer('ev', start='new', ")
    failing = run(stream, failing_at_length, start="all")
    assert repr(failing) == "Consumer('ev', start='all', stopped, 7 failed: ValueError)"
    assert "x" * 150 in failing._repr_html_()
    assert "x" * 200 not in failing._repr_html_()


def failing_at_length(entry):
    raise ValueError("x" * 1_000 + "\nand more")


@pytest.mark.filterwarnings("ignore::redisnb.errors.RedisnbWarning")
def test_the_log_has_what_goes_on(stream, caplog):
    caplog.set_level(logging.INFO, "redisnb")
    group = rnb.ConsumerGroup(stream, "g", consumer="c")
    group.create("all")
    other = rnb.ConsumerGroup(stream, "g", consumer="gone")
    assert len(other.read(7)) == 7
    ids = other.pending()["entry_id"].tolist()
    stream.conn.client.xclaim("ev", "g", "gone", 0, ids, idle=60_000)
    with rnb.Consumer(group, sometimes, min_idle="1s", max_deliveries=2) as consumer:
        end = time.monotonic() + deadline(10)
        while consumer.stats["dead"] < 2 and time.monotonic() < end:
            time.sleep(0.01)
    stream.add_many([{"n": 1}] * 3)
    said = [(record.levelname, record.getMessage()) for record in caplog.records]
    title = "Consumer('g' as 'c')"
    for line in (
        ("INFO", f"{title} is starting"),
        ("INFO", f"{title} is running"),
        ("INFO", "group 'g' of 'ev': 'c' takes over 7 entries"),
        ("INFO", f"{title} is stopped"),
        ("INFO", "added 3 of 3 events to 'ev'"),
    ):
        assert line in said, said
    assert ("WARNING", "to the dead letters") in [(level, text[-19:]) for level, text in said]
    failures = [text for level, text in said if "raised at entry" in text]
    assert len(failures) == 2
    # Where, and never what it says: that may be anything.
    assert f"ValueError ({__file__}:{sometimes.__code__.co_firstlineno + 2})" in failures[0]
    assert "today" not in "".join(text for _, text in said)


def test_the_log_has_a_server_that_goes_and_comes(tcp_server, caplog, wait_until):
    caplog.set_level(logging.INFO, "redisnb")
    with rnb.connect(tcp_server.url) as conn:
        consumer = rnb.Consumer(rnb.Stream(conn, "ev"), print).start()
        wait_until(lambda: consumer.state == "running")
        tcp_server.kill()
        wait_until(lambda: consumer.state == "stalled")
        tcp_server.start()
        wait_until(lambda: consumer.state == "running")
        consumer.stop()
    said = [record.getMessage() for record in caplog.records]
    assert "Consumer('ev', start='new') is stalled: ConnectionError" in said
    assert said.index("Consumer('ev', start='new') is stalled: ConnectionError") < len(said) - 1


# Faults while it begins


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("lines", [0, 1, 2, 5, 11, 20, 40])
def test_a_reply_that_is_lost_at_the_start(server, conn, stream, proxy, grouped, lines):
    rnb.ConsumerGroup(stream, "g").create("all")
    with rnb.connect(proxy.url, timeout=1) as through:
        there = rnb.Stream(through, "ev")
        seen = []
        consumer = rnb.Consumer(
            rnb.ConsumerGroup(there, "g") if grouped else there,
            lambda entry: seen.append(entry.id),
            timeout=deadline(0.5),
            **({} if grouped else {"start": "all"}),
        )
        through.client.ping()
        proxy.lines = lines
        consumer.run()
    assert len({*seen}) == 7
    assert consumer.error is None


@pytest.mark.slow
def test_a_server_that_is_away_at_the_start(tcp_server, wait_until):
    with rnb.connect(tcp_server.url, timeout=deadline(0.3)) as conn:
        seen = []
        group = rnb.ConsumerGroup(rnb.Stream(conn, "ev"), "g")
        group.create("all")
        consumer = rnb.Consumer(group, lambda entry: seen.append(entry.id))
        tcp_server.kill()
        # start() gives up after the connection's timeout, run() does not.
        began = time.monotonic()
        with pytest.raises((rnb.ConnectError, ConnectionError)):
            consumer.start()
        assert time.monotonic() - began < deadline(2)
        assert consumer.state == "stopped"
        thread = threading.Thread(target=consumer.run)
        thread.start()
        wait_until(lambda: consumer.state == "stalled")
        time.sleep(deadline(0.7))
        assert thread.is_alive()
        tcp_server.start()
        wait_until(lambda: consumer.state == "running")
        rnb.Stream(conn, "ev").add({"n": 1})
        wait_until(lambda: seen)
        assert consumer.stop()
        thread.join(deadline(5))
        assert not thread.is_alive()
        # A stop() ends it too, while it waits.
        tcp_server.kill()
        thread = threading.Thread(target=consumer.run)
        thread.start()
        wait_until(lambda: consumer.state == "stalled")
        consumer.stop()
        thread.join(deadline(5))
        assert not thread.is_alive()


def test_errors_are_readable_in_a_terminal(conn, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")

    def handler(entry):
        raise KeyError(
            f"column {entry.event['n']} of the table that everybody knows is missing here"
        )

    stream = rnb.Stream(conn, "ev")
    stream.add_many([{"n": n} for n in range(25)])
    consumer = rnb.Consumer(stream, handler, start="all", timeout=deadline(0.5))
    with pytest.warns(RedisnbWarning, match="raised"):
        consumer.run()
    errors = consumer.errors()
    lines = repr(errors).splitlines()
    assert lines[0] == "... 5 before these"
    assert lines[-1] == "[25 errors; .traceback has where each was]"
    assert all(len(line) <= 80 for line in lines)
    assert lines[1].startswith(f"{errors['entry_id'][5]}  KeyError: 'column 5 of the table")
    # A part of it is a frame like any other.
    assert type(errors.head(3)) is type(errors[["error"]]) is pd.DataFrame
    assert "handler" in errors.traceback[0]
