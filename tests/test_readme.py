"""README.md and its neighbours: their Python runs, their tests exist, they leave nothing out."""

import re
from pathlib import Path

import pandas as pd
import pytest

import redisnb
from redisnb import frames
from redisnb.cli.program import _parser
from tests.readme import README, render
from tests.test_notebooks import NAMES

TEXT = README.read_text()
CONTRIBUTING = (README.parent / "CONTRIBUTING.md").read_text()
SECURITY = (README.parent / "SECURITY.md").read_text()


@pytest.mark.slow
@pytest.mark.skipif(pd.__version__ < "3", reason="pandas 2 prints frames otherwise")
def test_the_blocks_give_what_stands_behind_them(monkeypatch):
    with redisnb.Server() as server:
        monkeypatch.setenv("REDISNB_URL", server.url)
        assert render() == TEXT


def test_the_two_commands_are_there():
    assert '    python -m pip install -e ".[lab]" && redisnb demo\n' in TEXT
    assert '    python -m pip install -e ".[test]" && python -m pytest\n' in TEXT


@pytest.mark.parametrize(
    "notebook", sorted(path.stem for path in (README.parent / "notebooks").glob("*.ipynb"))
)
def test_each_notebook_is_named(notebook):
    assert f"`{notebook}`" in TEXT


def test_each_command_is_named():
    commands = _parser()._subparsers._group_actions[0].choices
    assert set(commands) == {"capture", "dashboard", "demo", "doctor", "lab", "replay"}
    assert all(f"redisnb {command}" in TEXT for command in commands)


PROVEN_BY = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", TEXT + SECURITY)))


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (TEXT[TEXT.index("## Promises") : TEXT.index("## Speed")], 20),
        (SECURITY[SECURITY.index("## What is promised") : SECURITY.index("## What is not")], 9),
    ],
    ids=["README", "SECURITY"],
)
def test_promises_have_their_tests(text, count):
    promises = [line for line in text.splitlines() if line.startswith("- **")]
    assert len(promises) == count
    assert all("`tests/" in line for line in promises)


def test_what_a_newcomer_asks_comes_before_the_tables():
    begins = TEXT[: TEXT.index("## I want to")]
    questions = re.findall(r"^\*\*(?:How|Which|What) .*\?\*\*\n\n```python\n", begins, re.MULTILINE)
    assert len(questions) == 5


@pytest.mark.parametrize(("path", "name"), PROVEN_BY)
def test_the_test_of_a_promise_is_there(path, name):
    assert f"\ndef {name}(" in (README.parent / path).read_text()


# The columns of KEY_SIZES stand with those of KEYS.
SCHEMAS = [name for name in frames.__all__ if name.isupper() and name not in ("KEY_SIZES", "STR")]


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_schema_names_its_columns(name):
    row = next(line for line in TEXT.splitlines() if line.startswith(f"| {name} |"))
    schema = getattr(frames, name)
    assert [column for column in schema if f"`{column}`" not in row] == []


def test_each_room_is_in_the_table():
    package = Path(redisnb.__file__).parent
    rooms = {path.parent.name for path in package.glob("*/__init__.py")}
    table = CONTRIBUTING[: CONTRIBUTING.index("## Rules")]
    assert [room for room in sorted(rooms) if f"| `{room}` |" not in table] == []


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_what_a_page_links_is_there(page):
    text = (README.parent / page).read_text()
    places = re.findall(r"\]\(([^)\s:#]+)\)|(?:src|srcset)=\"([^\"]+)\"", text)
    # tests/test_notebooks.py says which notebooks there are.
    known = {f"notebooks/{name}.ipynb" for name in NAMES}
    wanted = set(map("".join, places)) - known
    assert {place for place in wanted if not (README.parent / place).exists()} == set()
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    assert set(re.findall(r"\]\(#([\w-]+)\)", text)) <= anchors
