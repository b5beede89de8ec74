"""The reference: each public name is on one page, and its pages are what the navigation has."""

import re
import tomllib
from collections import Counter
from pathlib import Path

import redisnb
from redisnb import panels

ROOT = Path(__file__).parents[1]
PAGES = ROOT / ".ci/docs/pages"
# Pages that are made when the reference is built.
MADE = {"commands", "schemas"}


def test_each_public_name_is_on_one_page():
    modules = {"panels"}  # whose names are there one by one
    public = {*redisnb.__all__, *(f"panels.{name}" for name in panels.__all__)} - modules
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
