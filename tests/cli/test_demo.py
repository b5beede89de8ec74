"""`redisnb demo`: what it shows is what it runs, and it leaves nothing behind."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import redisnb
from redisnb.cli.demo import _LESSONS, _run_and_kill, _statements, demo
from tests.deadlines import deadline, until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def said(server) -> str:
    lines: list[str] = []
    demo(lines.append)
    return "\n".join(lines)


def test_it_passes_its_own_checks(said):
    assert re.search(r"\n(\d\d) checks passed in", said)
    assert "200 entries" in said
    assert "{'added': 20000}" in said


def test_it_shows_the_code_of_each_step(said):
    shown = [line.strip()[4:] for line in said.splitlines() if re.match(r" +(>>>|\.\.\.) ", line)]
    shown_by_bob = [line.strip()[5:] for line in said.splitlines() if " bob> " in line]
    for lesson in _LESSONS:
        lines = lesson.code.strip().splitlines()
        assert [
            line for line in lines if line not in (shown_by_bob if lesson.killed else shown)
        ] == []


def test_it_has_what_a_newcomer_asks_for(said):
    code = "\n".join(lesson.code for lesson in _LESSONS)
    for call in (
        *("add_many(", ".range(", ".pending(payload=True)", ".claim(", "rnb.Consumer("),
        *("dead_letters()", ".redrive(", "rnb.capture(", "dry_run=True", "speed=3600"),
        *("rnb.Cache(", ".ttl(", "rnb.streams(", "rnb.doctor("),
    ):
        assert call in code


def test_it_fits_a_terminal_of_100_columns(said):
    assert [line for line in said.splitlines() if len(line) > 100] == []
    assert [line for line in said.splitlines() if line != line.rstrip()] == []


def test_comments_and_blocks_stay_with_their_statement():
    code = "\nx = 1  # one\nif x:\n    x = 2\n# two\nx\n"
    sources = [source for source, _ in _statements(code)]
    assert sources == ["x = 1  # one", "if x:\n    x = 2\n# two", "x"]


def test_a_wrong_count_ends_it(server, monkeypatch):
    monkeypatch.setattr(redisnb.ConsumerGroup, "ack", lambda *_: 299)
    with pytest.raises(RuntimeError, match="acknowledged: 299 instead of 300"):
        demo(lambda _: None)


def test_a_process_that_reads_nothing_ends_it(server):
    with pytest.raises(RuntimeError, match="did not get to read"):
        _run_and_kill("pass", server)


@pytest.fixture
def temporary(tmp_path_factory):
    """Where the demo puts its server and its file: a short path, for the socket."""
    return tmp_path_factory.mktemp("d")


@pytest.fixture
def started(server, temporary):
    """`redisnb demo` as a terminal starts it: in a process group of its own."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "redisnb", "demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
        start_new_session=True,
    )
    yield process
    process.kill()
    process.communicate()


def nothing_is_left(folder: Path) -> None:
    # The supervisor removes the server's folder.
    until(lambda: list(folder.iterdir()) == [], what=lambda: str(list(folder.iterdir())))


# The beginning of a line, and how long after it the key is pressed.
MOMENTS = [
    pytest.param("A private server", 0, marks=pytest.mark.long),
    ("   >>> added = ", 0.1),
    pytest.param("   bob> time", 0.3, marks=pytest.mark.long),
    ("   >>> consumer.run()", 0.3),
    pytest.param("   >>> report = ", 0.4, marks=pytest.mark.long),
    pytest.param("10. ", 0, marks=pytest.mark.long),
]


@pytest.mark.parametrize(("line", "seconds"), MOMENTS)
def test_ctrl_c_is_one_plain_line(started, temporary, line, seconds):
    assert started.stdout is not None
    assert any(each.startswith(line) for each in started.stdout)
    time.sleep(seconds)
    os.killpg(started.pid, signal.SIGINT)
    _, errors = started.communicate(timeout=deadline(10))
    assert errors == "redisnb: interrupted\n"
    assert started.returncode == 128 + signal.SIGINT
    nothing_is_left(temporary)


def test_it_ends_in_order_at_a_signal(started, temporary):
    assert any(each.startswith("5. ") for each in started.stdout)
    started.terminate()
    rest, errors = started.communicate(timeout=deadline(10))
    assert (started.returncode, errors) == (128 + signal.SIGTERM, "redisnb: interrupted\n"), rest
    nothing_is_left(temporary)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_that_python_ignores_ends_it_all_the_same(name, server, temporary):
    """What is raised in a finalizer is printed, and lost."""
    code = (
        "import os, signal, sys\n"
        "from redisnb.cli import demo, program\n"
        "class Ends:\n"
        "    def __del__(self):\n"
        f"        os.kill(os.getpid(), signal.{name})\n"
        "        sum(range(100_000))\n"
        "def checks(names):\n"
        "    Ends()\n"
        "    return []\n"
        "first, second, *_ = demo._LESSONS\n"
        "demo._LESSONS = (first._replace(checks=checks), second)\n"
        "sys.exit(program.main(['demo']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
        timeout=deadline(60),
    )
    assert "Exception ignored in" in done.stderr
    assert done.returncode == 128 + signal.Signals[name]
    assert done.stderr.endswith("redisnb: interrupted\n")
    assert "2. " not in done.stdout
    nothing_is_left(temporary)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="shows what a process has loaded")
def test_ctrl_c_while_python_imports(started):
    until(lambda: "numpy" in Path(f"/proc/{started.pid}/maps").read_text())
    os.killpg(started.pid, signal.SIGINT)
    _, errors = started.communicate(timeout=deadline(10))
    assert errors == "redisnb: interrupted\n"
    assert started.returncode == 128 + signal.SIGINT


def test_ctrl_c_while_the_server_starts(started, temporary):
    until(lambda: any(path.name.startswith("redisnb-") for path in temporary.iterdir()))
    os.killpg(started.pid, signal.SIGINT)
    _, errors = started.communicate(timeout=deadline(10))
    assert errors == "redisnb: interrupted\n"
    nothing_is_left(temporary)
