"""`redisnb doctor`: the findings on standard output, and the exit status."""

import json
import os
import signal
import subprocess
import sys

import pytest

from redisnb.cli import program
from tests.deadlines import deadline

pytestmark = pytest.mark.usefixtures("healthy")


@pytest.fixture
def ask(server, conn, monkeypatch, capsys):
    """``ask("--json")`` runs the command, and returns its status, output and errors."""
    monkeypatch.setenv("REDISNB_URL", server.url)

    def run(*arguments):
        code = program.main(["doctor", *arguments])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def unread(raw):
    """A group that is not read: an error."""
    raw.xadd("orders", {"a": 1})
    raw.xgroup_create("orders", "etl", "0")


def test_nothing_is_wrong(ask):
    code, out, err = ask()
    assert code == 0
    assert out.splitlines()[-1].startswith("[")
    assert "note     the server: " in out
    assert err.endswith("; to run the code: import redisnb as rnb; conn = rnb.connect()\n")


def test_an_error_has_a_status_of_its_own(ask, unread):
    code, out, _ = ask()
    assert code == 3
    first, *_ = out.splitlines()
    assert first == (
        "error    group 'etl' of 'orders': entries wait, and the group has no consumer"
    )


def test_json(ask, unread):
    code, out, err = ask("--json", "--timeout", "2s")
    assert (code, err) == (3, "")
    findings = json.loads(out)
    assert findings[0]["severity"] == "error"
    assert list(findings[0]) == ["severity", "about", "finding", "evidence", "remedy"]


def test_names_do_nothing_to_the_terminal(ask, raw):
    raw.xadd("s\x1b[2J", {"a": 1})
    raw.xgroup_create("s\x1b[2J", "etl\x07\n", "0")
    code, out, _ = ask()
    assert code == 3
    assert "\x1b" not in out
    assert "\x07" not in out


def test_an_address_as_argument(tcp_server, ask, monkeypatch):
    monkeypatch.delenv("REDISNB_URL")
    tcp_server.client.config_set("requirepass", "")
    code, out, err = ask(f"redis://127.0.0.1:{tcp_server.port}/0")
    assert code == 0
    assert "the server" in out
    assert f"conn = rnb.connect('redis://127.0.0.1:{tcp_server.port}/0')" in err


@pytest.mark.parametrize("url", ["redis://:pw@h:1/0", "valkeys://me:pw@h:1", "unix://:pw@/s"])
def test_an_address_with_a_password_is_refused(ask, capsys, url):
    with pytest.raises(SystemExit) as caught:
        ask(url)
    said = capsys.readouterr().err
    assert caught.value.code == 2
    assert "put it into the environment: $REDISNB_URL" in said
    assert "pw" not in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--timeout", "soon"], "'soon' is not a duration"),
        (["--no-such"], "unrecognized arguments: --no-such"),
        (["redis://a", "redis://b"], "unrecognized arguments"),
    ],
)
def test_arguments_that_cannot_be_right(ask, capsys, arguments, says):
    with pytest.raises(SystemExit) as caught:
        ask(*arguments)
    assert caught.value.code == 2
    assert says in capsys.readouterr().err


def test_without_an_address(ask, monkeypatch):
    monkeypatch.delenv("REDISNB_URL")
    code, out, err = ask()
    assert (code, out) == (2, "")
    assert "no address of a server: set $REDISNB_URL" in err


@pytest.mark.parametrize(
    ("url", "says"),
    [("redis://127.0.0.1:{port}/0", "refused"), ("nonsense", "redis://host:6379/0")],
)
def test_a_server_that_is_not_there(ask, closed_port, url, says):
    code, out, err = ask(url.format(port=closed_port))
    assert (code, out) == (1, "")
    assert says in err


def test_the_variable_is_named_if_its_server_is_not_there(ask, monkeypatch, closed_port):
    monkeypatch.setenv("REDISNB_URL", f"redis://127.0.0.1:{closed_port}")
    assert ask()[2].endswith("refused; the address is that of $REDISNB_URL\n")


def test_it_only_reads(ask, raw, unread):
    before = raw.dump("orders")
    ask()
    assert raw.dump("orders") == before
    assert raw.dbsize() == 1


def test_what_there_was_no_time_for(ask, raw, unread):
    code, out, _ = ask("--timeout", "0s")
    assert "not looked at" in out
    assert "--timeout '0s' was over" in out
    assert code == 0


@pytest.mark.slow
def test_ctrl_c(server):
    code = (
        "import sys, time; from redisnb.cli import program; from redisnb.explore import doctoring\n"
        "def hang(exam): print('here', flush=True); time.sleep(60)\n"
        "doctoring.check_keys = hang\n"
        "sys.exit(program.main(['doctor']))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "REDISNB_URL": server.url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "here\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=deadline(10))
    assert (process.returncode, out) == (130, "")
    assert err == "redisnb: interrupted\n"
