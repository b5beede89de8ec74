"""The house: imports only go left and through a face, files stay small, the core stays light."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.by_file import FILES, PACKAGE, for_each, nodes, tree

GROUND = "cards errors durations hints lookup patience background progress samples startup"
# Each imports from the ground, from itself, and from what stands left of it.
TOWER = "entries frames wire stream keyspace consumers captures replays dask explore panels cli"
# The same among the panels; those between the first and the last do not know each other.
NEIGHBOURS = "browsing following consumer_groups publishing replaying finding inspecting"
PANELS = ("parts", "widgets", "timespans", "details", NEIGHBOURS, "board")

MOST_MODULES, MOST_LINES, LONGEST_CONSTRUCTOR = 12, 400, 60

by_file = for_each(FILES)


def dotted(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {dotted(path): path for path in FILES}


def folder(module: str) -> str:
    """Return the package that a module stands in; of a package, itself."""
    is_package = MODULES[module].name == "__init__.py"
    return module if is_package else module.rpartition(".")[0]


def uses(path: Path) -> list[tuple[str, str]]:
    """Return what a file takes from redisnb, also inside functions, as (module, name)."""
    found = []
    whole = {}
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found += [(each.name, "") for each in node.names if each.name.startswith("redisnb.")]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("redisnb"):
            for each in node.names:
                inner = f"{node.module}.{each.name}"
                if inner in MODULES:
                    found.append((inner, ""))
                    whole[each.asname or each.name] = inner
                else:
                    found.append((node.module, each.name))
    # `frames.table(...)` takes the name `table`.
    for node in nodes(path):
        if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name):
            continue
        if node.value.id in whole:
            found.append((whole[node.value.id], node.attr))
    return found


def exported(module: str) -> set[str]:
    for node in tree(MODULES[module]).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


def room(module: str) -> str:
    return module.partition(".")[2].partition(".")[0]


def test_the_folder_has_the_ground_and_the_tower():
    assert {path.stem for path in PACKAGE.glob("*.py")} == {*GROUND.split(), "__init__", "__main__"}
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert rooms == set(TOWER.split())


@by_file
def test_imports_only_go_left(path):
    floors = dict.fromkeys(GROUND.split(), 0)
    floors |= {name: 1 + n for n, name in enumerate(TOWER.split())}
    here = floors.get(room(dotted(path)), len(floors))
    assert {module for module, _ in uses(path) if floors.get(room(module), 0) > here} == set()


@for_each(path for path in FILES if path.parts[-3] == "panels")
def test_panels_know_what_they_share_and_not_each_other(path):
    floors = {name: n for n, names in enumerate(PANELS) for name in names.split()}
    mine = path.parent.name
    others = {module.split(".")[2] for module, _ in uses(path) if room(module) == "panels"} - {mine}
    assert {other for other in others if floors[other] >= floors[mine]} == set()


@by_file
def test_of_another_package_only_what_its_face_hands_on(path):
    here = folder(dotted(path))
    inside = {(module, name) for module, name in uses(path) if room(module) in TOWER.split()}
    past = set()
    for module, name in inside:
        if f"{here}.".startswith(f"{folder(module)}."):
            continue  # its own package, or one around it
        if dotted(path) == folder(module).rpartition(".")[0] and module == folder(module):
            continue  # a face hands on what the faces below it do
        if module != folder(module) or (name and name not in exported(module)):
            past.add((module, name))
    assert past == set()


def test_the_imports_have_no_circle():
    left = {}
    for module, path in MODULES.items():
        used = {each for each, _ in uses(path)} - {module}
        # A module inside a package takes modules of it; a face is for the others.
        left[module] = {each for each in used if not f"{module}.".startswith(f"{each}.")}
    while free := {name for name, names in left.items() if not names}:
        left = {name: names - free for name, names in left.items() if name not in free}
    assert left == {}


@pytest.mark.parametrize("module", [each for each in MODULES if folder(each) == each])
def test_no_exported_name_is_also_a_submodule(module):
    submodules = {each.rpartition(".")[2] for each in MODULES if each.rpartition(".")[0] == module}
    # The panels are handed on as the package that they are.
    assert exported(module) & submodules == ({"panels"} if module == "redisnb" else set())


@by_file
def test_entries_and_frames_are_pure(path):
    if room(dotted(path)) not in ("entries", "frames"):
        return
    outside = {"asyncio", "multiprocessing", "redis", "select", "selectors", "signal", "socket"}
    outside |= {"subprocess", "threading", "time"}
    if path.name != "json_queue.py":
        outside |= {"concurrent"}
    found = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found |= {each.name.split(".")[0] for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
        elif isinstance(node, ast.Attribute) and node.attr in ("now", "today", "utcnow"):
            found.add("time")
    assert found & outside == set()


@pytest.mark.parametrize("package", [path.parent for path in FILES if path.name == "__init__.py"])
def test_a_folder_can_be_read_at_a_glance(package):
    modules = [path.name for path in package.glob("*.py") if path.name != "__init__.py"]
    assert len(modules) <= MOST_MODULES, modules


def examples(path: Path) -> int:
    """Return how many lines the examples in a file's docstrings take, with their heading."""
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    texts = [ast.get_docstring(node) or "" for node in nodes(path) if isinstance(node, kinds)]
    parts = [text.partition("\n\nExamples\n--------\n")[2] for text in texts]
    return sum(4 + len(part.splitlines()) for part in parts if part)


@by_file
def test_a_file_is_short_enough_to_be_read(path):
    # Examples stand where their call is; a file is not split for them.
    assert len(path.read_text().splitlines()) - examples(path) <= MOST_LINES


def constructors(path: Path) -> list[int]:
    return [
        node.end_lineno - node.lineno + 1
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef) and node.name == "__init__"
    ]


@by_file
def test_a_constructor_is_short(path):
    assert [lines for lines in constructors(path) if lines > LONGEST_CONSTRUCTOR] == []


@by_file
def test_replies_become_frames_in_one_place(path):
    makers = {
        node.func.attr
        for node in nodes(path)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if node.func.attr in {"DataFrame", "from_records"}
    }
    if room(dotted(path)) != "frames":
        assert makers == set()


@pytest.mark.slow
def test_importing_redisnb_loads_no_notebook_and_no_plots():
    code = "import sys, json, redisnb; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(subprocess.check_output([sys.executable, "-c", code]))
    heavy = {"ipywidgets", "IPython", "matplotlib", "jupyterlab", "dask", "tqdm", "anywidget"}
    assert heavy & set(loaded) == set()


def test_names_of_modules_say_what_is_in_them():
    vague = {"utils", "util", "common", "base", "types", "helpers", "misc"}
    assert {part for module in MODULES for part in module.split(".")} & vague == set()
