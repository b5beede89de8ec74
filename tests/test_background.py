"""The background: which run of which cell calls, as far as the notebook says, and what it stops."""

import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from redisnb import stop_all
from redisnb.background import Run, this_run
from redisnb.panels.parts import Lane

NOBODY_KNOWS = Run(None, None)


@pytest.fixture
def shell(monkeypatch):
    """Make this process a notebook with this request."""

    def be(**shell):
        module = SimpleNamespace(get_ipython=lambda: SimpleNamespace(**shell) if shell else None)
        monkeypatch.setitem(sys.modules, "IPython", module)

    return be


def request(cell, run):
    metadata = {} if cell is None else {"cellId": cell}
    return {"header": {"msg_id": run, "msg_type": "execute_request"}, "metadata": metadata}


@pytest.mark.parametrize(
    ("later", "earlier", "replaces"),
    [
        (Run("a", "2"), Run("a", "1"), True),
        # The cell makes two of them.
        (Run("a", "1"), Run("a", "1"), False),
        (Run("b", "2"), Run("a", "1"), False),
        (NOBODY_KNOWS, NOBODY_KNOWS, False),
        (NOBODY_KNOWS, Run("a", "1"), False),
        (Run("a", "1"), NOBODY_KNOWS, False),
    ],
)
def test_a_later_run_of_the_same_cell_replaces_an_earlier_one(later, earlier, replaces):
    assert later.replaces(earlier) is replaces


def test_without_a_notebook_nobody_knows(monkeypatch):
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert this_run() == NOBODY_KNOWS
    assert "IPython" not in sys.modules


def test_ipython_that_is_only_imported_is_no_notebook(shell):
    shell()
    assert this_run() == NOBODY_KNOWS


def test_ipython_in_a_terminal_is_no_notebook(shell):
    shell(history_length=1)
    assert this_run() == NOBODY_KNOWS


def test_a_kernel_without_a_request_knows_nothing(shell):
    shell(get_parent=dict)
    assert this_run() == NOBODY_KNOWS


def test_a_front_end_that_does_not_name_the_cell(shell):
    shell(get_parent=lambda: request(None, "1"))
    assert this_run() == NOBODY_KNOWS


def test_a_front_end_that_names_the_cell(shell):
    shell(get_parent=lambda: request("a", "1"))
    first = this_run()
    assert first == Run("a", "1")
    shell(get_parent=lambda: request("a", "2"))
    assert this_run().replaces(first)


def test_the_real_ipykernel_hands_out_the_request():
    # Not in this process, which would be taken for a notebook from then on.
    code = "from ipykernel.zmqshell import ZMQInteractiveShell as shell; print(shell.get_parent)"
    assert b"get_parent" in subprocess.check_output([sys.executable, "-c", code])


@pytest.fixture
def often():
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_all_are_stopped_while_more_are_started(often):
    lanes, is_over = [Lane("here before", print) for _ in range(100)], threading.Event()
    for each in lanes:
        each.do(lambda _: None)

    def start_more():
        while not is_over.is_set():
            lanes.append(Lane("started meanwhile", print))
            lanes[-1].do(lambda _: None)

    starting = threading.Thread(target=start_more)
    starting.start()
    try:
        while len(lanes) < 300:
            stop_all()
    finally:
        is_over.set()
        starting.join()
    stop_all()
    assert not any(each.is_busy for each in lanes)
