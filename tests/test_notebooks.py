"""The notebooks as they are saved; nbval, which runs them, cannot see what is asked here.

A notebook that was never run has no outputs to compare, and so nbval passes it in silence.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"
NAMES = [
    "01-cache",
    "02-publish",
    "03-consume",
    "04-consumer-groups",
    "05-capture-replay",
    "06-explore",
    "07-panels",
]

# How a notebook begins that looks at a whole server.
OWN_SERVER = {"server = rnb.Server()", "conn = rnb.connect(server.url)"}

# What only the machine or the run that saved a notebook has: a path of it, a URL with a password,
# an address in memory.
PRIVATE = re.compile(
    r"/(?:tmp|home|root|Users|var/folders)/|ipykernel_\d|\w+://[^/\s]*@|0x[0-9a-f]{6,}"
)


def read(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))


def text(lines: str | list[str]) -> str:
    return "".join(lines)


@pytest.fixture(params=NAMES)
def notebook(request) -> dict[str, Any]:
    return read(request.param)


@pytest.fixture
def code(notebook) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


@pytest.fixture
def outputs(code) -> list[dict[str, Any]]:
    return [output for cell in code for output in cell["outputs"]]


def test_each_notebook_is_checked_here():
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == NAMES


def test_it_begins_with_its_title(notebook):
    first = notebook["cells"][0]
    assert first["cell_type"] == "markdown"
    assert text(first["source"]).startswith("# ")


def test_it_connects_first(code):
    lines = text(code[0]["source"]).splitlines()
    assert "import redisnb as rnb" in lines
    assert "conn = rnb.connect()" in lines or {*lines} >= OWN_SERVER


def test_it_was_run_from_top_to_bottom(code):
    assert [cell["execution_count"] for cell in code] == [*range(1, len(code) + 1)]


def test_it_checks_what_it_says(code):
    assert any(re.search("^ *assert ", text(cell["source"]), re.MULTILINE) for cell in code)


def test_it_shows_no_error_that_is_not_meant(code):
    for cell in code:
        if "raises-exception" not in cell["metadata"].get("tags", []):
            assert "error" not in [output["output_type"] for output in cell["outputs"]]


def test_it_writes_nothing_to_stderr(outputs):
    assert not [output["text"] for output in outputs if output.get("name") == "stderr"]


def test_nothing_in_it_is_left_out_of_the_comparison(notebook):
    sources = " ".join(text(cell["source"]) for cell in notebook["cells"])
    tags = [tag for cell in notebook["cells"] for tag in cell["metadata"].get("tags", [])]
    assert "NBVAL" not in sources
    assert not [tag for tag in tags if tag.lower().startswith("nbval")]


def test_it_runs_in_any_python_3(notebook):
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"


def test_it_holds_no_widget(notebook, outputs):
    # The state belongs to a kernel that is gone; a view without it shows as an error.
    assert "widgets" not in notebook["metadata"]
    views = [
        kind
        for output in outputs
        for kind in output.get("data", {})
        if kind.startswith("application/vnd.jupyter.widget")
    ]
    assert not views


def test_it_holds_nothing_of_the_machine_that_ran_it(outputs):
    assert not PRIVATE.findall(json.dumps(outputs))


def test_it_deletes_only_keys_of_its_own(request, notebook, code):
    prefix = f"nb{request.node.callspec.params['notebook'][:2]}:"
    source = "\n".join(text(cell["source"]) for cell in code)
    if {*source.splitlines()} >= OWN_SERVER:
        assert "unlink" not in source
        return
    assert prefix in source
    assert set(re.findall(r"\bnb\d\d:", source)) == {prefix}


def test_its_tables_are_short(outputs):
    tables = [
        text(output["data"]["text/html"])
        for output in outputs
        if "text/html" in output.get("data", {})
    ]
    assert tables
    assert max(table.count("<tr") for table in tables) <= 12
