"""The reference: each public name is on one page, and its pages are what the navigation has."""

import re
import tomllib
from collections import Counter
from importlib import util
from pathlib import Path
from types import ModuleType

import pytest

import redisnb
from redisnb import panels

ROOT = Path(__file__).parents[1]
PAGES = ROOT / ".ci/docs/pages"
# Pages that are made when the reference is built.
MADE = {"commands", "schemas"}


def test_each_public_name_is_on_one_page():
    public = {*redisnb.__all__, *(f"panels.{name}" for name in panels.__all__)}
    named = Counter(
        name
        for path in PAGES.glob("*.md")
        for name in re.findall(r"(?m)^::: redisnb\.([\w.]+)$", path.read_text())
    )
    # Not among the public names, since `from redisnb import *` would hide Dask itself.
    assert named.pop("dask.read_stream") == 1
    assert {name: n for name, n in named.items() if n > 1} == {}
    assert public - set(named) == {"__version__"}
    assert set(named) <= public
    assert "`rnb.__version__`" in (PAGES / "connect.md").read_text()


def test_each_page_is_in_the_navigation_and_in_the_index():
    pages = {path.stem for path in PAGES.glob("*.md")} | MADE
    config, index = (ROOT / ".ci/docs/mkdocs.yml").read_text(), (PAGES / "index.md").read_text()
    assert set(re.findall(r"reference/(\w+)\.md", config)) == pages
    assert set(re.findall(r"\((\w+)\.md\)", index)) == pages - {"index"}


def test_it_is_built_where_everything_is_tested():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "docs" in extras["optional-dependencies"]
    assert ".ci/reference" in (ROOT / ".ci/run").read_text()


@pytest.fixture(scope="module")
def pages() -> ModuleType:
    spec = util.spec_from_file_location("redisnb_pages", ROOT / ".ci/docs/pages.py")
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_a_notebook_becomes_a_page_without_checks_and_with_folded_solutions(pages, tmp_path):
    # It takes seconds to import.
    import nbformat
    from nbformat import v4

    picture = v4.new_markdown_cell("# Read\n\n![A stream](attachment:picture.png)")
    picture["attachments"] = {"picture.png": {"image/png": "cG5n"}}
    answer = v4.new_output("execute_result", {"text/plain": "3", "text/html": "<b>3</b>\n\n<i/>"})
    cells = [
        picture,
        v4.new_code_cell("len(orders)", outputs=[answer]),
        v4.new_code_cell("assert True", metadata={"tags": ["check"]}),
        v4.new_code_cell("fill()", metadata={"jupyter": {"source_hidden": True}}),
        v4.new_code_cell(
            "print(3)",
            metadata={"tags": ["solution"]},
            outputs=[v4.new_output("stream", text="3\n")],
        ),
    ]
    path = tmp_path / "02-read.ipynb"
    nbformat.write(v4.new_notebook(cells=cells), path)
    assert list(pages.notebook(path, tmp_path)) == [
        "# Read\n\n![A stream](02-read-0-picture.png)",
        '```python\nlen(orders)\n```\n\n<div class="nb-output">\n<b>3</b>\n<i/>\n</div>',
        '??? note "Code"\n\n    ```python\n    fill()\n    ```',
        '??? note "Solution"\n\n    ```python\n    print(3)\n    ```\n\n'
        "    ```text\n    3\n    ```",
    ]
    assert (tmp_path / "02-read-0-picture.png").read_bytes() == b"png"


def test_the_files_that_are_pages_are_in_the_navigation(pages):
    config = (ROOT / ".ci/docs/mkdocs.yml").read_text()
    there = {name for name in pages.FILES if (ROOT / name).exists()}
    assert {name for name in there if f": {name}\n" not in config} == set()


def test_links_lead_to_pages_or_to_the_project(pages):
    text = "[a](tests/benchmarks/README.md) [b](notebooks/01-cache.ipynb#x) [c](LICENSE) [d](#e)"
    assert pages.linked(text, ROOT / "README.md") == (
        "[a](tests/benchmarks/README.md) [b](notebooks/01-cache.md#x) "
        "[c](https://github.com/redisnb/redisnb/blob/main/LICENSE) [d](#e)"
    )
    beside = pages.linked("[02](02-publish.ipynb)", ROOT / "notebooks/01-cache.ipynb")
    assert beside == "[02](02-publish.md)"


def test_each_schema_has_its_columns(pages):
    text = pages.schemas()
    assert "## PENDING\n\nIndex: entry_time." in text
    assert "| `deliveries` | `int64` |" in text


def test_each_command_has_its_help(pages):
    text = pages.commands()
    assert [f"## redisnb {name}" in text for name in ("demo", "capture", "doctor")] == [True] * 3
