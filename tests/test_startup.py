"""A Ctrl-C while redisnb is imported: one line from the command, an error from a library."""

import signal
import subprocess
import sys
import threading

import pytest

from redisnb.startup import ctrl_c_ends_command
from tests.deadlines import deadline

COMMANDS = [
    (["/some/bin/redisnb", "demo"], ["python", "/some/bin/redisnb", "demo"]),
    (["redisnb.exe"], ["python.exe", "redisnb.exe"]),
    (["-m", "demo"], ["python", "-u", "-m", "redisnb", "demo"]),
    (["/some/redisnb/__main__.py"], ["python", "-m", "redisnb"]),
]
OTHERS = [
    (["job.py", "redisnb"], ["python", "job.py", "redisnb"]),
    (["-m"], ["python", "-m", "pytest", "redisnb"]),
    ([""], ["python"]),
    ([], []),
]
# Where an exception would be printed, and lost.
FINALIZER = """
import os, signal, sys
from redisnb.startup import ctrl_c_ends_command
class Ends:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        sum(range(100_000))
sys.argv = ["redisnb"]
with ctrl_c_ends_command():
    Ends()
"""


@pytest.fixture(autouse=True)
def by_default():
    """Ctrl-C as Python has it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def stated(monkeypatch, argv, orig_argv):
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.setattr(sys, "orig_argv", orig_argv)


def test_it_ends_the_command_wherever_it_comes():
    done = subprocess.run(
        [sys.executable, "-c", FINALIZER], capture_output=True, text=True, timeout=deadline(60)
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "redisnb: interrupted\n")


@pytest.mark.parametrize(("argv", "orig_argv"), COMMANDS)
def test_the_command_takes_it_while_it_is_imported(argv, orig_argv, monkeypatch):
    stated(monkeypatch, argv, orig_argv)
    with ctrl_c_ends_command():
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(("argv", "orig_argv"), OTHERS)
def test_elsewhere_it_is_the_importers(argv, orig_argv, monkeypatch, capfd):
    stated(monkeypatch, argv, orig_argv)
    with pytest.raises(KeyboardInterrupt), ctrl_c_ends_command():
        signal.raise_signal(signal.SIGINT)
    assert capfd.readouterr() == ("", "")


def test_one_that_is_ignored_stays_so(monkeypatch):
    stated(monkeypatch, *COMMANDS[0])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with ctrl_c_ends_command():
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_a_thread_leaves_it_alone(monkeypatch):
    stated(monkeypatch, *COMMANDS[0])
    seen = []

    def load():
        with ctrl_c_ends_command():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=load)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]
