"""The notebooks as they are saved; nbval, which runs them, cannot see what is asked here.

A notebook that was never run has no outputs to compare, and so nbval passes it in silence.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import redis

FOLDER = Path(__file__).parents[1] / "notebooks"
NAMES = [
    "00-start-here",
    "01-cache",
    "02-publish",
    "03-consume",
    "04-consumer-groups",
    "05-capture-replay",
    "06-explore",
    "07-panels",
]

# Cells that a reader sees only when they are opened.
HIDDEN = ("check", "solution")

# The Redis command that a line sends: `# XADD nb02:flights * json ...`
SENDS = re.compile(r"(?<=# )[A-Z]{3,}(?: [A-Z]{3,})?\b")

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


def tags(cell: dict[str, Any]) -> list[str]:
    return cell["metadata"].get("tags", [])


@pytest.fixture
def taught(code) -> list[str]:
    """The lines that a reader sees."""
    seen = [cell for cell in code if not set(HIDDEN) & set(tags(cell))]
    return [line for cell in seen for line in text(cell["source"]).splitlines()]


@pytest.fixture
def outputs(code) -> list[dict[str, Any]]:
    return [output for cell in code for output in cell["outputs"]]


def test_each_notebook_is_checked_here():
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == NAMES


def test_it_begins_with_its_title_and_a_picture(notebook):
    first = notebook["cells"][0]
    assert first["cell_type"] == "markdown"
    assert text(first["source"]).startswith("# ")
    assert "](attachment:picture.png)" in text(first["source"])
    assert first["attachments"]["picture.png"]["image/png"]


def test_it_connects_first(code):
    lines = text(code[0]["source"]).splitlines()
    assert "import redisnb as rnb" in lines
    assert "conn = rnb.connect()" in lines or {*lines} >= OWN_SERVER


def test_it_was_run_from_top_to_bottom(code):
    assert [cell["execution_count"] for cell in code] == [*range(1, len(code) + 1)]


def test_it_checks_what_it_says_where_no_reader_sees_it(code, taught):
    checks = [cell for cell in code if "check" in tags(cell)]
    assert checks
    for cell in checks:
        assert cell["metadata"]["jupyter"] == {"source_hidden": True}
        assert re.search("^ *assert ", text(cell["source"]), re.MULTILINE)
        assert not cell["outputs"]
    assert not [line for line in taught if line.lstrip().startswith("assert ")]


def test_a_folded_cell_says_what_it_is(code):
    # JupyterLab shows its first line.
    folded = [cell for cell in code if cell["metadata"].get("jupyter", {}).get("source_hidden")]
    assert {*HIDDEN} <= {tag for cell in folded for tag in tags(cell)}
    for cell in folded:
        assert text(cell["source"]).startswith("# ")


def test_it_names_the_commands_of_redis(taught, server):
    with redis.Redis.from_url(server.url, decode_responses=True) as client:
        known = {name.upper() for name in client.command()}
    named = {command for line in taught for command in SENDS.findall(line)}
    assert not {command for command in named if command.split()[0] not in known}
    assert len(named) >= 3


def test_it_shows_a_mistake_and_what_it_costs(notebook):
    headings = [text(cell["source"]).partition("\n")[0] for cell in notebook["cells"]]
    assert [heading for heading in headings if re.match("##+ .*mistake", heading)]


def test_it_ends_with_three_exercises_whose_solutions_are_folded(notebook):
    cells = notebook["cells"]
    exercises = [
        i for i, cell in enumerate(cells) if text(cell["source"]).startswith("**Exercise ")
    ]
    assert len(exercises) == 3
    for i in exercises:
        assert tags(cells[i + 1]) == ["solution"]
        assert cells[i + 1]["metadata"]["jupyter"] == {
            "source_hidden": True,
            "outputs_hidden": True,
        }
    solutions = [cell for cell in cells if "solution" in tags(cell)]
    assert len(solutions) == 3


def test_it_shows_no_error_that_is_not_meant(code):
    for cell in code:
        if "raises-exception" not in tags(cell):
            assert "error" not in [output["output_type"] for output in cell["outputs"]]


def test_it_writes_nothing_to_stderr(outputs):
    assert not [output["text"] for output in outputs if output.get("name") == "stderr"]


def test_nothing_in_it_is_left_out_of_the_comparison(notebook):
    sources = " ".join(text(cell["source"]) for cell in notebook["cells"])
    tagged = {tag for cell in notebook["cells"] for tag in tags(cell)}
    assert "NBVAL" not in sources
    assert tagged <= {*HIDDEN, "raises-exception"}


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
