"""Imports only go down the floors, frames are made in one place, and the core stays light."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import redisnb

PACKAGE = Path(redisnb.__file__).parent
FLOORS = [
    "errors durations backoff entries frames",
    "progress samples wire",
    "stream keyspace captures",
    "background consumers replays",
    "panels",
    "cli",
]
FLOOR = {name: floor for floor, names in enumerate(FLOORS) for name in names.split()}
SOURCES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def module(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Return the names of redisnb's modules that a file imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("redisnb.")}
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_only_go_down(path):
    here = FLOOR[module(path)]
    up = {name for name in imported(path) if name in FLOOR and FLOOR[name] > here}
    assert up == set()


def test_the_imports_have_no_circle():
    uses = {}
    for path in SOURCES:
        uses.setdefault(module(path), set()).update(imported(path) - {module(path)})
    left = {name: {use for use in names if use in FLOOR} for name, names in uses.items()}
    while free := {name for name, names in left.items() if not names}:
        left = {name: names - free for name, names in left.items() if name not in free}
    assert left == {}


def test_every_module_has_a_floor():
    assert {module(path) for path in SOURCES} == set(FLOOR)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_replies_become_frames_in_one_place(path):
    makers = {
        node.attr
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in {"DataFrame", "from_records"}
        if isinstance(node.ctx, ast.Load)
    }
    calls = {
        node.func.attr
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    # The demo shows a counter; nothing else builds a frame.
    if module(path) not in {"frames", "cli"}:
        assert makers & calls == set()


def test_importing_redisnb_loads_no_notebook_and_no_plots():
    code = "import sys, json, redisnb; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(subprocess.check_output([sys.executable, "-c", code]))
    heavy = {"ipywidgets", "IPython", "matplotlib", "jupyterlab", "dask", "tqdm", "anywidget"}
    assert heavy & set(loaded) == set()


def test_names_of_modules_say_what_is_in_them():
    vague = {"utils", "util", "common", "base", "types", "helpers", "misc"}
    assert {module(path) for path in SOURCES} & vague == set()
