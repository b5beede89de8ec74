"""A Ctrl-C while redisnb is imported: one line from the command, an error from a library."""

import sys

import pytest

from redisnb.startup import ctrl_c_ends_command


@pytest.mark.parametrize(
    ("argv", "orig_argv"),
    [
        (["/some/bin/redisnb", "demo"], ["python", "/some/bin/redisnb", "demo"]),
        (["redisnb.exe"], ["python.exe", "redisnb.exe"]),
        (["-m", "demo"], ["python", "-u", "-m", "redisnb", "demo"]),
        (["/some/redisnb/__main__.py"], ["python", "-m", "redisnb"]),
    ],
)
def test_it_ends_the_command(argv, orig_argv, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.setattr(sys, "orig_argv", orig_argv)
    with pytest.raises(SystemExit) as caught, ctrl_c_ends_command():
        raise KeyboardInterrupt
    assert caught.value.code == 130
    assert capsys.readouterr() == ("", "redisnb: interrupted\n")


@pytest.mark.parametrize(
    ("argv", "orig_argv"),
    [
        (["job.py", "redisnb"], ["python", "job.py", "redisnb"]),
        (["-m"], ["python", "-m", "pytest", "redisnb"]),
        ([""], ["python"]),
    ],
)
def test_elsewhere_it_is_the_importers(argv, orig_argv, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.setattr(sys, "orig_argv", orig_argv)
    with pytest.raises(KeyboardInterrupt), ctrl_c_ends_command():
        raise KeyboardInterrupt
    assert capsys.readouterr() == ("", "")
