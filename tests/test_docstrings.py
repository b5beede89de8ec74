"""The examples of the docstrings: they run, and each public call has one."""

import ast
import builtins
import doctest
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import redisnb
from redisnb.explore import plots
from redisnb.panels.parts.panel import open_parts_panels
from tests.by_file import FILES, PACKAGE, nodes
from tests.test_api import DOCUMENTED

pytestmark = pytest.mark.slow

BEFORE = Path(__file__).parents[1] / ".ci/docs/before.py"
# A method of redisnb's own, which users have no reason to call.
WITHOUT = {"Connection.warn_once"}
MOST_LINES_OF_THE_MAP = 45


def examples() -> Iterator[tuple[str, str]]:
    """Yield where examples are, and the docstrings that have them."""
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    # To parse all files takes a second, in each process.
    for path in [path for path in FILES if ">>> " in path.read_text()]:
        for node in nodes(path):
            if isinstance(node, kinds) and ">>> " in (text := ast.get_docstring(node) or ""):
                name = getattr(node, "name", "")
                yield f"{path.relative_to(PACKAGE)}::{name}:{getattr(node, 'lineno', 1)}", text


EXAMPLES = dict(examples())


@pytest.fixture
def before(server, raw, monkeypatch, tmp_path) -> Iterator[dict[str, Any]]:
    """What `.ci/docs/before.py` makes, on an empty server, in an empty folder."""
    pytest.importorskip("matplotlib").use("agg")
    raw.flushall()
    raw.config_resetstat()
    monkeypatch.setenv("REDISNB_URL", server.url)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(BEFORE.read_text(), str(BEFORE), "exec"), names)
    with pd.option_context("display.width", 88, "display.max_columns", 20):
        yield names
    for panel in list(open_parts_panels):
        panel.close()
    redisnb.stop_all()
    names["conn"].close()
    # The last result, as at Python's prompt.
    vars(builtins).pop("_", None)


# On a busy machine, `watch` leaves samples out.
@pytest.mark.filterwarnings("ignore:.* left out, since")
@pytest.mark.skipif(pd.__version__ < "3", reason="pandas 2 prints frames otherwise")
@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_give_what_stands_behind_them(name, before):
    test = doctest.DocTestParser().get_doctest(EXAMPLES[name], before, name, name, 0)
    said: list[str] = []
    # What a frame's index is named is followed by spaces, which no docstring can have.
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    doctest.DocTestRunner(optionflags=flags).run(test, out=said.append)
    assert not said, "".join(said)


def is_called(name: str, value: object) -> bool:
    is_error = inspect.isclass(value) and issubclass(value, BaseException)
    return callable(value) and not is_error and not name.startswith("EncodeError.")


def public_calls() -> dict[str, Any]:
    found = {name: value for name, value in DOCUMENTED.items() if is_called(name, value)}
    found |= {f"plots.{name}": getattr(plots, name) for name in plots.__all__}
    panels = pytest.importorskip("redisnb.panels")
    return found | {f"panels.{name}": getattr(panels, name) for name in panels.__all__}


def test_each_public_call_has_an_example():
    without = {
        name
        for name, value in public_calls().items()
        if ">>> " not in (inspect.getdoc(value) or "")
    }
    assert without == WITHOUT


def test_help_is_a_map():
    """``help(rnb)`` names every public name, in one screen, and no call that there is not."""
    text = redisnb.__doc__
    called = set(re.findall(r"(?<![.\w])([a-zA-Z_]+)\(", text)) - {"help", "len"}
    assert {name for name in called if not hasattr(redisnb, name)} == set()
    assert len(text.splitlines()) <= MOST_LINES_OF_THE_MAP
    words = set("".join(c if c.isalnum() or c == "_" else " " for c in text).split())
    missing = {name for name in redisnb.__all__ if name not in words and f"{name}s" not in words}
    assert missing == {"__version__"}
