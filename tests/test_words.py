"""Words and sizes: a name means one thing, sentences are plain, functions and classes short."""

import ast
import re
from collections import defaultdict
from pathlib import Path

from redisnb import panels
from tests.by_file import FILES, PACKAGE, for_each, nodes, tree

by_file = for_each(FILES)

MOST_LINES, MOST_ATTRIBUTES = 60, 20
# Type variables, and what Python itself looks for in each module.
EVERYWHERE = {"F", "P", "R", "T", "__all__", "__dir__", "__getattr__"}
# What a class is begins its docstring: a noun. What a function does begins its: a verb.
NO_BEGINNING_OF_A_CLASS = re.compile(
    r"(Add|Ask|Be|Call|Choose|Count|Give|Hold|Keep|Let|List|Look|Make|Note|Put|Read|Say|Send|Show|"
    r"Stand|Take|Tell|Walk|Write)\b"
)
NO_BEGINNING_OF_A_FUNCTION = re.compile(r"(Be|Give(?! back)|Say)\b")
ODD = re.compile(
    r"\b(who|whoever|whom|anybody|somebody|nobody|everybody|anew)\b",
    re.IGNORECASE,
)


# A panel is made by a function named as what it shows: `panels.keys` beside `keys`.
PANELS = set(panels.__all__)


def top_level_names(path: Path) -> set[str]:
    names: set[str] = set()
    for node in tree(path).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found = [each for target in targets for each in ast.walk(target)]
            names |= {each.id for each in found if isinstance(each, ast.Name)}
    return names - EVERYWHERE - (PANELS if "panels" in path.parts else set())


def test_a_top_level_name_stands_in_one_module():
    modules = defaultdict(list)
    for path in FILES:
        for name in top_level_names(path):
            modules[name].append(str(path.relative_to(PACKAGE)))
    assert {name: paths for name, paths in modules.items() if len(paths) > 1} == {}


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return how many lines a function has with its signature and without its docstring."""
    assert function.end_lineno is not None
    lines = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function) is not None:
        text = function.body[0]
        assert text.end_lineno is not None
        lines -= text.end_lineno - text.lineno + 1
    return lines


@by_file
def test_a_function_is_short(path):
    functions = [
        node for node in nodes(path) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert {each.name for each in functions if code_lines(each) > MOST_LINES} == set()


def attributes(node: ast.ClassDef) -> set[str]:
    """Return what a class sets on its instances, and what is set in the class itself."""
    names = {
        each.attr
        for each in ast.walk(node)
        if isinstance(each, ast.Attribute) and isinstance(each.ctx, ast.Store)
        if isinstance(each.value, ast.Name) and each.value.id == "self"
    }
    for each in node.body:
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
            names.add(each.target.id)
        elif isinstance(each, ast.Assign):
            names |= {target.id for target in each.targets if isinstance(target, ast.Name)}
    return names


@by_file
def test_a_class_has_few_attributes(path):
    classes = [node for node in nodes(path) if isinstance(node, ast.ClassDef)]
    assert {each.name for each in classes if len(attributes(each)) > MOST_ATTRIBUTES} == set()


@by_file
def test_a_docstring_begins_with_what_it_is_about(path):
    wrong = []
    for node in nodes(path):
        if isinstance(node, ast.ClassDef):
            beginning = NO_BEGINNING_OF_A_CLASS
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            beginning = NO_BEGINNING_OF_A_FUNCTION
        else:
            continue
        text = ast.get_docstring(node) or ""
        if beginning.match(text):
            wrong.append(f"{node.name}: {text.splitlines()[0]}")
    assert wrong == []


@by_file
def test_nobody_is_nobody(path):
    assert [line for line in path.read_text().splitlines() if ODD.search(line)] == []
