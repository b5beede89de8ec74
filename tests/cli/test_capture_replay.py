"""`redisnb capture` and `redisnb replay`, as a shell runs them."""

import contextlib
import gzip
import json
import math
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time
import warnings
from pathlib import Path

import pytest
import redis

import redisnb
from redisnb import wire
from redisnb.cli import arguments, program, terminal
from redisnb.cli.arguments import Endpoint, UsageError
from redisnb.entries import Layout
from redisnb.errors import RedisnbWarning, explain, option, shell_spoken
from redisnb.frames import Filter
from tests.consuming import in_xread
from tests.deadlines import deadline
from tests.replaying import add, fill, numbers, stored

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-m", "redisnb"]
#: Takes no time, wherever it is not about the pace.
FAST = ("--speed", "max")


@pytest.fixture(autouse=True)
def place(server, raw, tmp_path, monkeypatch):
    """An empty server in the environment, and an empty folder to be in."""
    raw.flushall()
    monkeypatch.setenv("REDISNB_URL", server.url)
    # Python finds the package by its path from anywhere.
    monkeypatch.setenv("PYTHONPATH", str(Path(redisnb.__file__).parent.parent))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def said(capsys):
    """``said("replay", ...)`` in this process: the exit status and what is on standard error."""

    def run(*given):
        try:
            code = program.main(given)
        except SystemExit as end:
            code = end.code
        out, err = capsys.readouterr()
        assert out == ""
        return code, err

    return run


#: The processes of a test.
processes: list[subprocess.Popen[bytes]] = []


@pytest.fixture(autouse=True)
def no_process_is_left():
    """End what a test that failed has left: it would wait for entries among those of the next."""
    yield
    for process in processes:
        process.kill()
        process.wait()
    processes.clear()


def start(*given, **options):
    process = subprocess.Popen([*COMMAND, *given], **{"stderr": subprocess.PIPE, **options})
    processes.append(process)
    return process


def ended(process, seconds=15):
    """Wait for a process; return its exit status and its two outputs, without a traceback."""
    try:
        out, err = process.communicate(timeout=deadline(seconds))
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert b"Traceback" not in err
    assert b"Fatal" not in err
    return process.returncode, out, err.decode()


def events(raw, key="flights", count=30):
    """Add flights, one every 10 ms, of three carriers."""
    made = [
        {"carrier": ("UA", "AA", "DL")[i % 3], "delay": i % 5, "tail": f"{i:03}", "late": not i % 2}
        for i in range(count)
    ]
    add(raw, key, [(f"{10**12 + 10 * i}-1", [b"payload", b(each)]) for i, each in enumerate(made)])


def b(event):
    return json.dumps(event, separators=(",", ":")).encode()


# -- arguments


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("-", ("pipe", "-")),
        ("orders", ("stream", "orders")),
        ("orders:2024", ("stream", "orders:2024")),
        ("stream=orders", ("stream", "orders")),
        ("stream=a.jsonl", ("stream", "a.jsonl")),
        ("stream=stream=a", ("stream", "stream=a")),
        ("a.jsonl", ("path", "a.jsonl")),
        ("a.jsonl.gz", ("path", "a.jsonl.gz")),
        ("a.parquet.part", ("path", "a.parquet.part")),
        ("./orders", ("path", "./orders")),
        ("captures/", ("path", "captures/")),
    ],
)
def test_a_source_is_a_key_or_a_path(text, place):
    assert arguments.parse_source(text) == Endpoint(*place)


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch])
def test_what_may_be_a_key_or_a_path_is_refused_with_both_spellings(make):
    make(Path("orders"))
    with pytest.raises(UsageError, match=r"write \./orders for the file, or stream=orders for"):
        arguments.parse_source("orders")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("orders", ("stream", "orders")),
        ("*", ("pattern", "*")),
        ("test:*", ("pattern", "test:*")),
        ("stream=a*b*", ("stream", "a*b*")),
        ("stream=a.jsonl", ("stream", "a.jsonl")),
    ],
)
def test_a_target_is_a_key_or_a_pattern(text, place):
    assert arguments.parse_target(text) == Endpoint(*place)


@pytest.mark.parametrize("text", ["-", "a.jsonl", "a.parquet", "a*b*", "stream="])
def test_a_target_is_nothing_else(text):
    with pytest.raises(UsageError):
        arguments.parse_target(text)


def test_where_wants_texts_and_what_else_they_may_be():
    assert arguments.parse_where([]) is None
    assert arguments.parse_where(["carrier=UA", "user.id=7,-1.5,2e3"]) == {
        "carrier": ["UA"],
        "user.id": ["7", 7, "-1.5", -1.5, "2e3", 2000.0],
    }
    assert arguments.parse_where(["late=True", "none=", 'city="Paris, TX",Rome', "a=b=c"]) == {
        "late": ["True", True],
        "none": [""],
        "city": ["Paris, TX", "Rome"],
        "a": ["b=c"],
    }
    assert arguments.parse_where(["a=nan,.,e5,-,1_0,٣"]) == {
        "a": ["nan", ".", "e5", "-", "1_0", "٣"]
    }
    with pytest.raises(UsageError, match="a= is given twice; a=A,B matches any of"):
        arguments.parse_where(["a=1", "a=2"])


@pytest.mark.parametrize(
    ("texts", "filter"),
    [
        (["carrier = 'UA' and dep_delay > 60"], "(carrier = 'UA' and dep_delay > 60)"),
        (["delay>=60"], "(delay>=60)"),
        (["tail is null"], "(tail is null)"),
        (["a='x=y'"], "(a='x=y')"),
        (["a b=1 or b=2"], None),
        (["b=2 or c=3"], "(b=2 or c=3)"),
        (["note=hello world"], {"note": ["hello world"]}),
        (["a==5"], "(a==5)"),
        (["c.d=5,it's,true", "x < 3"], "(\"c.d\" in ('5', 5, 'it''s', 'true', true)) and (x < 3)"),
    ],
)
def test_where_may_be_an_expression(texts, filter):
    if filter is None:
        with pytest.raises(arguments.UsageError, match="or an expression: "):
            arguments.parse_where(texts)
        return
    found = arguments.parse_where(texts)
    assert found == filter
    Filter(found, Layout("auto"))


@pytest.mark.parametrize("text", ["10x", "10", "1e1"])
def test_a_speed_may_have_an_x(text):
    assert arguments.parse_speed(text) == 10


def test_there_is_a_speed_without_a_wait():
    assert arguments.parse_speed("max") == arguments.parse_speed("inf") == math.inf


# -- messages


def test_messages_speak_the_language_of_who_calls():
    for name, value, python, shell in [
        ("overwrite", [True], "overwrite=True", "--overwrite"),
        ("speed", [math.inf], "speed=float('inf')", "--speed max"),
        ("start", ["(1-0"], "start='(1-0'", "--start '(1-0'"),
        ("max_gap", ["1s"], "max_gap='1s'", "--max-gap '1s'"),
        ("limit", [-1], "limit=-1", "--limit -1"),
        ("rate", [], "rate=", "--rate"),
    ]:
        assert option(name, *value) == python
        with shell_spoken():
            assert option(name, *value) == shell
        assert option(name, *value) == python


def test_an_error_is_one_line_with_its_notes():
    assert terminal.one_line(FileNotFoundError(2, "No such file", "a")) == "a: No such file"
    assert terminal.one_line(ValueError("one\ntwo")) == "one two"
    assert terminal.one_line(ValueError()) == "ValueError"
    error = explain(redis.ResponseError("WRONGTYPE Operation"), "a")
    assert terminal.one_line(error).startswith("WRONGTYPE Operation; 'a' holds another type")


def test_nothing_that_is_said_steers_the_terminal_or_has_a_password(capsys):
    terminal.say("a\x1b[2Jb\r\nredis://ann:pa ss@host, é \udcff")
    assert capsys.readouterr().err == "a\\x1b[2Jb\\r\nredis://ann:pa ss@host, é \\udcff\n"
    terminal.say("redis://ann:secret@host")
    assert capsys.readouterr().err == "redis://***@host\n"


def test_nothing_is_said_where_nobody_listens(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr", None)
    terminal.say("a")
    assert capsys.readouterr().out == ""


def test_warnings_are_a_line(capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        with terminal.warnings_said():
            warnings.warn("two entries were dropped", RedisnbWarning, stacklevel=1)
    assert capsys.readouterr().err == "redisnb: warning: two entries were dropped\n"


# -- there and back


@pytest.fixture
def elsewhere(server, monkeypatch):
    """Another database, whose address is in $THERE."""
    url = server.url.replace("db=0", "db=1")
    monkeypatch.setenv("THERE", url)
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        yield client


def test_a_pipe_carries_entries_byte_for_byte(raw, elsewhere):
    fill(raw, 250)
    events(raw, "from:json", 250)
    odd = "odd \x1b[2J"
    add(raw, odd, [("5-5", [b"", b""]), ("6-5", [b"\xff\x00\n", b"\xfe\r\n" * 100, b"a", b""])])
    keys = ["from", "from:json", odd]
    capture = start("capture", *keys, "-", stdout=subprocess.PIPE)
    # Options may stand anywhere.
    options = ("-", "--ids", "keep", "*", "--to-url-env", "THERE")
    replay = start("replay", *FAST, *options, stdin=capture.stdout, stdout=subprocess.PIPE)
    capture.stdout.close()
    code, out, err = ended(replay)
    assert (code, out) == (0, b"")
    assert "finished: 502 added of 502 read" in err
    assert capture.wait() == 0
    # Control characters in the key do not reach the terminal.
    assert "odd \\x1b[2J" in capture.stderr.read().decode()
    capture.stderr.close()
    for key in keys:
        assert stored(elsewhere, key) == stored(raw, key) != []


@pytest.mark.parametrize("path", ["a.parquet", "a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "./many"])
def test_a_file_does_so_too(raw, said, path):
    fill(raw, 50)
    code, err = said("capture", "from", path, *(("--rows", "20") if path == "./many" else ()))
    assert code == 0
    said_of = ["from", "50", "590", "1700000000000-0", "1700000000049-1", "0", path]
    assert err.split()[-7:] == said_of
    assert said("replay", path, "to", *FAST, "--ids", "keep")[0] == 0
    assert stored(raw) == stored(raw, "from")
    assert os.path.isfile(path) or len(os.listdir(path)) == 3


def test_what_is_chosen(raw, said):
    events(raw)

    def tails(*options):
        assert said("capture", "flights", "a.jsonl", "--overwrite", *options)[0] == 0
        captured = redisnb.load("a.jsonl")
        captured = [] if captured.empty else captured["tail"].astype(int).tolist()
        raw.unlink("to")
        assert said("replay", "flights", "to", *FAST, "--quiet", *options) == (0, "")
        replayed = [json.loads(parts[1])["tail"] for _, parts in stored(raw)]
        assert [int(tail) for tail in replayed] == captured
        return captured

    assert tails("--where", "carrier=UA,DL", "--where", "delay=0,1") == [
        0,
        5,
        6,
        11,
        15,
        20,
        21,
        26,
    ]
    assert tails("--where", "late=true", "--where=carrier=AA", "--limit", "3") == [4, 10, 16]
    # Text of digits stays text, numbers stay numbers.
    assert tails("--where", "tail=003") == [3]
    assert tails("--where", "tail=3") == []
    assert tails("--where", "delay=3.0", "--limit", "1") == [3]
    assert tails("--start", f"{10**12 + 20}", "--end", f"({10**12 + 50}") == [2, 3, 4]
    assert tails("--last", "1h") == tails("--start", "-5min") == []
    assert len(tails("--start", "-10000d")) == 30


def test_streams_by_pattern_and_each_to_a_key_of_its_own(raw, said):
    fill(raw, 20)
    assert said("capture", "--match", "[eo]*", "a.parquet", "--quiet") == (0, "")
    assert said("capture", "--match", "nothing*", "b.parquet")[0] == 1
    assert said("replay", "./a.parquet", "from", "test:*", *FAST)[0] == 0
    assert [len(stored(raw, f"test:{key}")) for key in ("even", "odd", "from")] == [10, 10, 20]
    assert not raw.exists("test:a.parquet")


def test_without_a_header_a_pattern_has_nothing_to_go_by(raw, said):
    fill(raw, 2)
    assert said("capture", "from", "a.jsonl")[0] == 0
    Path("a.jsonl").write_text(Path("a.jsonl").read_text().split("\n", 1)[1])
    code, err = said("replay", "a.jsonl", "test:*")
    assert code == 1
    assert "the source does not name its streams" in err
    assert said("replay", "a.jsonl", "to", *FAST)[0] == 0
    assert numbers(raw) == [0, 1]


def test_another_server_is_named_by_its_variable(raw, said, elsewhere, monkeypatch):
    fill(raw, 10)
    assert said("replay", "from", "from", *FAST, "--to-url-env", "THERE")[0] == 0
    assert numbers(elsewhere, "from") == list(range(10))
    assert said("capture", "from", "a.jsonl")[0] == 0
    # A file needs no server except the target's.
    monkeypatch.delenv("REDISNB_URL")
    assert said("replay", "a.jsonl", "to", *FAST, "--to-url-env", "THERE")[0] == 0
    assert numbers(elsewhere) == list(range(10))
    code, err = said("replay", "a.jsonl", "to", "--to-url-env", "NOWHERE")
    assert (code, "set $NOWHERE" in err) == (2, True)


def test_a_pace_a_stamp_and_new_times(raw, said):
    events(raw)
    code, err = said("replay", "flights", "to", "--speed", "10x", "--stamp")
    assert (code, "late by p50" in err) == (0, True)
    assert stored(raw)[1][1][2:] == [b"replay:stream", b"flights", b"replay:id", b"1000000000010-1"]
    begun = time.monotonic()
    assert said("replay", "flights", "to2", "--rate", "100", "--limit", "11")[0] == 0
    assert time.monotonic() - begun > 0.1
    code, err = said("replay", "flights", "to3", "--max-gap", "1ms", "--ids", "shift")
    shifted = [int(id.partition("-")[0]) for id, _ in stored(raw, "to3")]
    assert [id - shifted[0] for id in shifted] == [10 * i for i in range(30)]
    assert abs(shifted[0] / 1000 - time.time()) < 60


def test_a_dry_run_sends_nothing(raw, said):
    events(raw)
    code, err = said("replay", "flights", "to", "--dry-run", "--speed", "0.5", "--resume", "r")
    assert code == 0
    assert err.split("\n")[1].split()[:3] == ["flights", "to", "30"]
    assert err.split()[-3:] == ["0", "days", "00:00:00.580000"]
    assert raw.keys() == [b"flights"]
    code, err = said("replay", "flights", "to", "--dry-run", "--last", "1h")
    assert (code, err) == (0, "redisnb: nothing would be sent\n")
    assert said("replay", "flights", "to", "--dry-run", "--quiet") == (0, "")


def test_what_is_finished_is_begun_again_only_if_told_so(raw, said):
    fill(raw, 10)
    again = ("replay", "from", "to", "--resume", "nightly", *FAST)
    assert said(*again)[0] == 0
    code, err = said(*again)
    assert code == 0
    assert "finished before, so nothing was added; --restart lets it begin again" in err
    code, err = said(*again, "--dry-run")
    assert (code, "nothing would be sent" in err, "--restart" in err) == (0, True, True)
    code, err = said(*again, "--ids", "shift")
    assert (code, "give --resume another name" in err) == (1, True)
    assert numbers(raw) == list(range(10))
    assert said(*again, "--restart")[0] == 0
    assert numbers(raw) == [*range(10), *range(10)]


# -- what is wrong


@pytest.fixture
def captured(raw, said):
    events(raw)
    assert said("capture", "flights", "a.jsonl")[0] == 0
    raw.hset("hash", "a", 1)
    Path("cut.jsonl").write_bytes(Path("a.jsonl").read_bytes()[:-60])
    Path("empty.jsonl").touch()
    Path("noise.parquet").write_bytes(bytes(range(256)))
    Path("cut.jsonl.gz").write_bytes(gzip.compress(Path("a.jsonl").read_bytes())[:-20])
    Path("old.jsonl").write_text('{"redisnb":99,"streams":{}}\n')
    Path("own.jsonl").write_bytes(b'\xef\xbb\xbf{"a":1}\r\n{"a":2}\r\n')
    raw.xadd("ahead", {"a": 1})
    return set(raw.keys()), set(os.listdir())


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        ("capture flihgts b", 1, "; did you mean 'flights'?"),
        ("capture flights b --limt 5", 2, "unrecognized arguments: --limt; did you mean --limit?"),
        ("capture flights a.jsonl", 1, "a.jsonl exists; --overwrite replaces it"),
        ("capture flihgts b.jsonl", 1, "there is no stream 'flihgts' in unix://"),
        ("capture hash b.jsonl", 1, "WRONGTYPE Operation against a key"),
        ("capture flights b.csv", 1, "the name of a capture ends with .parquet"),
        ("capture flights no/b.jsonl", 1, "no/b.jsonl.part: No such file or directory"),
        (
            "capture flights b.jsonl --rows 5",
            1,
            "--rows, --every and --partitions are for a directory",
        ),
        ("capture flights b --partitions 2 --follow", 1, "leave out --follow"),
        ("capture flights b --partitions 0", 2, "'0' is not a number of entries above 0"),
        ("capture flights", 2, "give streams and a path"),
        ("capture flights --match f* b", 2, "takes one path, not flights b"),
        ("capture --match f* --format raw b", 2, "--format is for streams that are named"),
        ("capture --match f* --field data b", 2, "--field is for streams that are named"),
        ("capture flights b --follow --end 5", 2, "leave out --end"),
        ("capture flights b --timeout 1s", 2, "--timeout is for --follow"),
        ("capture flights b --limit 0", 2, "'0' is not a number of entries above 0"),
        ("capture flights b --last 1x", 2, "'1x' is not a duration; write 500ms"),
        ("capture flights b --bogus", 2, "redisnb capture: error: unrecognized arguments: --bogus"),
        ("replay a.jsonl", 2, "give a source and a target"),
        ("replay b.jsonl to", 1, "no file 'b.jsonl'; the stream of that key is stream=b.jsonl"),
        ("replay flihgts to", 1, "there is no stream 'flihgts' in unix://"),
        ("replay a.jsonl hash", 1, "WRONGTYPE Operation against a key"),
        ("replay flights flights", 1, "replayed onto itself; give another target, or say --allow-"),
        ("replay a.jsonl ahead --ids keep", 1, "and larger IDs already; nothing after it was"),
        ("replay a.jsonl to --speed -1", 2, "'-1' is not above 0"),
        ("replay a.jsonl to --speed nan", 2, "'nan' is not above 0"),
        ("replay a.jsonl to --speed fast", 2, "'fast' is not above 0"),
        ("replay a.jsonl to --rate -1", 2, "'-1' is not above 0"),
        ("replay a.jsonl to --rate many", 2, "'many' is not above 0"),
        ("replay a.jsonl to --speed 1 --rate 1", 2, "--rate: not allowed with argument --speed"),
        ("replay a.jsonl to --rate 1 --max-gap 1s", 2, "--max-gap '1s': without the original gaps"),
        ("replay a.jsonl to --start 1 --last 1h", 2, "--last: not allowed with argument --start"),
        ("replay a.jsonl to --end soon", 2, "'soon' is neither an entry ID nor a time"),
        ("replay a.jsonl to --ids old", 2, "invalid choice: 'old'"),
        ("replay a.jsonl to --where carier=UA", 1, "no entry has this column; there are entry_id"),
        ("replay a.jsonl to --where carrier", 2, "write --where carrier=UA, or carrier=UA,AA"),
        ('replay a.jsonl to --where a="b', 2, "quote a value as in CSV"),
        ("replay a.jsonl to --restart", 2, "--restart is for --resume"),
        ("replay a.jsonl to --resume=", 2, "--resume takes a name"),
        ("replay - - to", 2, "- is given twice"),
        ("replay - test:*", 2, "needs the names of the streams beforehand"),
        ("replay a.jsonl cut.jsonl", 2, "TARGET is the key of a stream"),
        ("replay a.jsonl cut.jsonl to", 1, "cut.jsonl, line 31: it is not JSON, or cut off"),
        ("replay cut.jsonl.gz to", 1, "the compressed data are cut off or damaged"),
        ("replay empty.jsonl to", 1, "empty.jsonl: it is empty"),
        ("replay noise.parquet to", 1, "noise.parquet: it is no Parquet file, or damaged"),
        ("replay old.jsonl to", 1, "a capture of version 99; this redisnb reads version 1"),
        ("replay own.jsonl to", 1, "or say --speed max or --rate"),
        ("replay own.jsonl * --speed max", 1, "keep: give the key of a stream as TARGET"),
        ("replay \udcff to", 1, "there is no stream '�xff'"),
        ("replay . to", 2, "'.' is a file here"),
        ("replay ./ to", 1, "./noise.parquet: it is no Parquet file, or damaged"),
    ],
)
def test_mistakes(captured, raw, said, given, code, message):
    found, err = said(*given.split(" "))
    assert (found, message in err) == (code, True), err
    assert err.count("\n") == 1 or (code == 2 and err.startswith("usage: redisnb "))
    assert (set(raw.keys()), set(os.listdir())) == captured


def test_a_column_that_no_entry_has_ends_a_capture(raw, said):
    events(raw)
    code, err = said("capture", "flights", "a.jsonl", "--where", "carier=UA")
    assert (code, "no entry has this column" in err) == (1, True)
    assert not os.path.exists("a.jsonl")


def test_a_line_that_is_no_entry_can_be_skipped(captured, raw, said):
    code, err = said("replay", "cut.jsonl", "to", *FAST, "--on-error", "skip")
    assert (code, "29 added of 29 read, 1 unreadable" in err) == (0, True)
    code, err = said("replay", "cut.jsonl", "to", "--dry-run", "--on-error", "skip")
    assert (code, err.splitlines()[-1]) == (0, "redisnb: 1 lines or rows held no entry")


def test_entries_that_are_there_before_are_skipped(captured, raw, said):
    for count in ("30 added", "0 added"):
        code, err = said("replay", "a.jsonl", "to", *FAST, "--ids", "keep")
        assert (code, f"finished: {count} of 30 read" in err) == (0, True)
    assert len(stored(raw)) == 30


def test_entries_of_which_nobody_knows_are_a_failure(raw, said, proxy, monkeypatch):
    fill(raw, 10)
    monkeypatch.setenv("THERE", proxy.url)
    ask = wire.ask_packed

    def cut(conn, packed, meanwhile):
        proxy.lines = 0
        return ask(conn, packed, meanwhile)

    monkeypatch.setattr(wire, "ask_packed", cut)
    code, err = said("replay", "from", "to", *FAST, "--to-url-env", "THERE")
    assert code == 1
    assert "redisnb: 10 entries were sent without a reply, and may be in the target or not" in err


@pytest.mark.parametrize(
    ("stream", "given"), [("stdout", "capture from -"), ("stdin", "replay - to")]
)
def test_a_stream_of_the_process_that_is_closed(said, monkeypatch, stream, given):
    monkeypatch.setattr(sys, stream, None)
    code, err = said(*given.split())
    assert (code, "is closed" in err) == (1, True)


@pytest.mark.parametrize(
    "given", ["capture nowhere a.jsonl", "replay stream=nowhere to", "replay a.jsonl to"]
)
def test_the_host_of_the_environment(said, monkeypatch, closed_port, given):
    """As for `connect`: what a notebook reaches, a command reaches."""
    Path("a.jsonl").touch()
    monkeypatch.delenv("REDISNB_URL")
    monkeypatch.setenv("REDIS_HOST", "127.0.0.1")
    monkeypatch.setenv("REDIS_PORT", str(closed_port))
    code, err = said(*given.split())
    assert code == 1
    assert err.endswith("refused; the address is that of $REDIS_HOST\n")


def test_without_an_address_nothing_is_made_up(said, monkeypatch):
    monkeypatch.setenv("REDISNB_URL", "")
    code, err = said("capture", "flights", "a.jsonl")
    assert code == 2
    assert "set $REDISNB_URL or $REDIS_URL" in err


@pytest.mark.parametrize(
    "given",
    [
        "replay a.jsonl to --url redis://:secret@host",
        "replay a.jsonl to --to-url-env=redis://:secret@host",
        "capture rediss://:secret@host flights b.jsonl",
        "capture flights b.jsonl --bogus=x://:secret@host",
    ],
)
def test_an_address_in_the_command_is_refused_and_not_repeated(said, given):
    code, err = said(*given.split())
    assert code == 2
    assert "secret" not in err
    assert "$REDISNB_URL" in err or "unrecognized arguments: --bogus=x://***@host" in err


def test_the_address_may_be_in_a_value(raw, said):
    fill(raw, 2)
    code, err = said("replay", "from", "to", "--where", "link=redis://host/0")
    assert (code, "no entry has this column" in err) == (1, True)


def test_an_error_of_the_server_has_no_secret(tcp_server, said, monkeypatch):
    monkeypatch.setenv("REDISNB_URL", tcp_server.url.replace("hunter2", "hunter3"))
    code, err = said("capture", "flights", "a.jsonl")
    assert (code, "it refused the user name or password" in err) == (1, True)
    tcp_server.kill()
    code, err = said("capture", "flights", "a.jsonl")
    assert (code, "Connection refused" in err) == (1, True)
    assert "hunter" not in err


# -- how a process ends


def add_fast(raw, key, count):
    """Add many entries of 100 bytes, one a millisecond, at once."""
    script = """
        for i = 1, ARGV[1] do
            redis.call('XADD', KEYS[1], (1e12 + i) .. '-0', 'i', i, 'x', string.rep('x', 100))
        end"""
    raw.eval(script, 1, key, count)


def test_a_killed_replay_goes_on_with_every_entry_once(raw, wait_until):
    fill(raw, 300)
    assert program.main(["capture", "from", "a.parquet", "--quiet"]) == 0
    given = ("replay", "a.parquet", "to", "--resume", "nightly", "--ids", "keep")
    process = start(*given, "--rate", "300")
    wait_until(lambda: raw.xlen("to") > 40)
    process.kill()
    process.communicate()
    assert 40 < raw.xlen("to") < 300
    assert program.main([*given, *FAST]) == 0
    assert stored(raw) == stored(raw, "from")


def test_an_interrupted_replay_says_how_to_go_on(raw, said, wait_until):
    fill(raw, 300)
    codes = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
    begun = {each: start("replay", "from", each.name, "--rate", "60") for each in codes}
    wait_until(lambda: min(raw.xlen(each.name) for each in codes) > 10)
    for number, process in begun.items():
        process.send_signal(number)
    for number, process in begun.items():
        found, _, err = ended(process)
        assert found == codes[number]
        done, option, position = re.fullmatch(
            r"redisnb: interrupted; (\d+) entries are done; (--start) '(\S+)' continues after "
            r"them\n",
            err,
        ).groups()
        assert int(done) == raw.xlen(number.name) < 300
        assert said("replay", "from", number.name, *FAST, option, position)[0] == 0
        assert numbers(raw, number.name) == list(range(300))


def test_a_replay_ends_that_waits_for_standard_input(raw, wait_until):
    known = {each["id"] for each in raw.client_list()}

    def has_looked() -> bool:
        return any(
            each["cmd"].startswith("xinfo") for each in raw.client_list() if each["id"] not in known
        )

    process = start("replay", "-", "to", *FAST, stdin=subprocess.PIPE)
    process.stdin.write(b'{"redisnb":1,"streams":{"a":"auto"}}\n')
    process.stdin.flush()
    # It has checked the target by now.
    wait_until(has_looked, 30)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    code, _, err = ended(process)
    assert (code, err.partition(";")[0]) == (130, "redisnb: interrupted")


def test_a_follower_finishes_its_file(raw, wait_until):
    fill(raw, 20)
    # A stream that does not exist yet is no mistake here.
    followers = {
        each: start(
            *("capture", "from", "later", f"{each.name}.parquet", "--follow"),
            stdout=subprocess.PIPE,
        )
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    wait_until(lambda: in_xread(raw) == 3, 30)
    add(raw, "later", [("*", [b"a", b"1"]), ("*", [b"a", b"2"])])
    wait_until(lambda: in_xread(raw) == 3)
    for number, process in followers.items():
        process.send_signal(number)
    for number, process in followers.items():
        code, out, err = ended(process)
        assert (code, out) == (0, b"")
        counts = [line.split()[:2] for line in err.splitlines()[1:]]
        assert counts == [["from", "20"], ["later", "2"]]
        assert len(redisnb.load(f"{number.name}.parquet")) == 22
    assert len(os.listdir()) == len(followers)


def test_a_follower_ends_by_itself(raw, said):
    fill(raw, 2)
    assert said("capture", "from", "a.jsonl", "--follow", "--timeout", "50ms")[0] == 0
    assert (
        said("capture", "from", "b.jsonl", "--follow", "--start", "new", "--timeout", "50ms")[0]
        == 0
    )
    assert [len(redisnb.load(path)) for path in ("a.jsonl", "b.jsonl")] == [2, 0]


@pytest.fixture
def slow(proxy, monkeypatch):
    """A server from which 2 MB of entries come, and then nothing for a while."""
    proxy.most = 2_000_000
    monkeypatch.setenv("REDISNB_URL", proxy.url)
    return proxy


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_capture_leaves_what_it_has(raw, slow, wait_until, number, code):
    add_fast(raw, "big", 300_000)
    process = start("capture", "big", "a.jsonl")
    wait_until(lambda: os.path.exists("a.jsonl.part") and os.path.getsize("a.jsonl.part") > 10_000)
    process.send_signal(number)
    found, _, err = ended(process)
    assert (found, os.listdir()) == (code, ["a.jsonl.part"])
    assert err == "redisnb: interrupted; what was captured before that is in a.jsonl.part\n"
    with pytest.warns(redisnb.RedisnbWarning, match="its capture was broken off"):
        captured = redisnb.load("a.jsonl.part")
    assert captured["i"].tolist() == list(range(1, len(captured) + 1))


@pytest.mark.parametrize("command", ["capture", "replay"])
def test_entries_that_are_removed_meanwhile_are_a_failure(raw, slow, wait_until, command):
    add_fast(raw, "big", 300_000)
    if command == "capture":
        process = start("capture", "big", "a.jsonl")
        wait_until(
            lambda: os.path.exists("a.jsonl.part") and os.path.getsize("a.jsonl.part") > 10**4
        )
    else:
        process = start("replay", "stream=big", "to", *FAST, "--resume", "nightly")
        wait_until(lambda: raw.xlen("to") > 1000)
    raw.xtrim("big", maxlen=100, approximate=False)
    slow.most = None
    code, _, err = ended(process)
    assert code == 1
    assert "removed before they were read" in err
    if command == "capture":
        with pytest.warns(redisnb.RedisnbWarning, match="removed before they were captured"):
            captured = redisnb.load("a.jsonl")
        assert captured.attrs["missed"] == 300_000 - len(captured)
        assert f"{captured.attrs['missed']:,} entries" in err
    else:
        assert "redisnb: incomplete:" in err
        assert f"{300_000 - raw.xlen('to'):,} missed" in err


def test_nothing_is_said_of_a_reader_that_has_gone(raw):
    add_fast(raw, "big", 10_000)
    process = start("capture", "big", "-", stdout=subprocess.PIPE)
    assert process.stdout.readline() == b'{"redisnb":1,"streams":{"big":"auto"},"sealed":true}\n'
    process.stdout.close()
    assert process.wait(deadline(10)) == 141
    assert process.stderr.read() == b""
    process.stderr.close()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
def test_a_full_disk_is_one_line(raw):
    fill(raw, 2)
    with open("/dev/full", "wb") as full:
        code, _, err = ended(start("capture", "from", "-", stdout=full))
    assert (code, err) == (1, "redisnb: [Errno 28] No space left on device\n")


def test_a_password_shows_nowhere(tcp_server, wait_until, monkeypatch):
    monkeypatch.setenv("REDISNB_URL", tcp_server.url)
    tcp_server.client.xadd("a", {"b": 1})
    process = start("capture", "a", "a.jsonl", "--follow")
    wait_until(lambda: any(each["cmd"] == "xread" for each in tcp_server.client.client_list()))
    shown = subprocess.check_output(["ps", "-ww", "-o", "args=", "-p", str(process.pid)])
    process.send_signal(signal.SIGINT)
    code, _, err = ended(process)
    assert code == 0
    assert b"capture a a.jsonl --follow" in shown
    assert "hunter2" not in err + shown.decode()


def test_a_progress_bar_is_for_a_terminal(raw):
    fill(raw, 20)
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    process = start("capture", "from", "a.jsonl", stderr=theirs)
    os.close(theirs)
    shown = b""
    # A terminal that is closed raises another error.
    with contextlib.suppress(OSError):
        while part := os.read(ours, 4096):
            shown += part
    os.close(ours)
    assert process.wait() == 0
    assert b"20.0/20.0" in shown
    assert b"Warning" not in shown


def test_the_help_names_the_variables_and_the_exit_status(capsys):
    with pytest.raises(SystemExit, match="0"):
        program.main(["replay", "--help"])
    out, err = capsys.readouterr()
    assert err == ""
    for text in ("$REDISNB_URL", "130  interrupted", "stream=NAME", "'test:*'"):
        assert text in out


def test_a_capture_in_parts(raw, said):
    fill(raw, 20)
    assert said("capture", "from", "parts", "--partitions", "3", "--quiet") == (0, "")
    assert len(os.listdir("parts")) == 3
    assert redisnb.load("parts")["i"].tolist() == list(range(20))


def test_a_capture_that_goes_on_with_a_directory(raw, said):
    fill(raw, 20)
    assert said("capture", "from", "days", "--rows", "8", "--resume", "--quiet") == (0, "")
    assert said("capture", "from", "days", "--resume", "--quiet") == (0, "")
    assert len(os.listdir("days")) == 3
    raw.xadd("from", {"i": 20})
    code, err = said("capture", "from", "days", "--quiet")
    assert code == 1
    assert "choose a new directory, or say --resume to go on with it" in err
    assert said("capture", "from", "days", "--resume", "--quiet") == (0, "")
    assert redisnb.load("days")["i"].tolist() == list(range(21))
    code, err = said("capture", "from", "x.jsonl", "--resume")
    assert (code, "--resume is for a directory" in err) == (1, True)


def test_a_capture_by_its_address(raw, said):
    fill(raw, 20)
    place = f"local://{os.getcwd()}/there"
    for ending in ("x.parquet", "x.jsonl.gz", "folder"):
        assert said("capture", "from", f"{place}/{ending}", "--quiet") == (0, "")
        raw.delete("to")
        assert said("replay", f"{place}/{ending}", "to", *FAST, "--quiet") == (0, "")
        assert numbers(raw, "to") == list(range(20))
        code, err = said("replay", f"{place}/{ending}", "from", *FAST)
        assert (code, "--allow-self" in err) == (1, True)
    code, err = said("replay", f"{place}/none.parquet", "to", *FAST)
    assert (code, "none.parquet" in err) == (1, True)
    code, err = said("replay", "nonsense://x.parquet", "to", *FAST)
    assert (code, "Protocol not known: nonsense" in err) == (1, True)
