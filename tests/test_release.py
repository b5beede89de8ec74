"""What a release depends on says the same everywhere: versions, packages, addresses."""

import json
import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

import redisnb
from tests.test_environment import CONDA_NAMES, REQUIREMENT, ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RECIPE = (ROOT / ".ci" / "conda" / "recipe.yaml").read_text()


def items(section: str) -> list[str]:
    """Return the items of a list in the recipe."""
    found = re.search(rf"^ +{section}:\n((?: +(?:-|#) .*\n)+)", RECIPE, re.MULTILINE)
    assert found, section
    lines = map(str.strip, found[1].splitlines())
    return [line.removeprefix("- ") for line in lines if line.startswith("- ")]


def value(name: str) -> str:
    """Return a value of the recipe."""
    found = re.search(rf"^ +{name}: (.*)$", RECIPE, re.MULTILINE)
    assert found, name
    return found[1].strip('"')


def test_the_version_stands_in_one_place():
    assert redisnb.__version__ == version("redisnb") == PROJECT["version"]
    code = [path.read_text() for path in Path(redisnb.__file__).parent.rglob("*.py")]
    assert not [text for text in code if f'"{PROJECT["version"]}"' in text]


def test_the_changelog_begins_with_it():
    heading = re.search(r"^## (\S+), (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert heading
    assert heading[1] == PROJECT["version"]
    assert heading[2] == "not released" or re.fullmatch(r"\d{4}-\d\d-\d\d", heading[2])


def test_the_recipe_has_the_version_and_the_addresses():
    assert value("version") == PROJECT["version"]
    assert value("homepage") == value("repository") == PROJECT["urls"]["Source"]
    assert value("documentation") == PROJECT["urls"]["Documentation"]
    assert value("url").startswith(PROJECT["urls"]["Source"])
    assert value("license") == PROJECT["license"]
    assert value("license_file") == PROJECT["license-files"][0]
    assert items("entry_points") == [f"{name} = {at}" for name, at in PROJECT["scripts"].items()]


def test_the_recipe_needs_what_the_package_needs():
    wanted = {}
    for line in PROJECT["dependencies"]:
        match = REQUIREMENT.fullmatch(line)
        assert match
        wanted[CONDA_NAMES.get(match["name"], match["name"])] = match["bounds"]
        for extra in filter(None, (match["extras"] or "").split(",")):
            wanted[extra] = ""
    listed = dict(each.partition(" ")[::2] for each in items("run"))
    assert listed.pop("__unix") == ""
    assert listed.pop("python") == ">=${{ python_min }}"
    assert f">={value('python_min')}" == PROJECT["requires-python"]
    assert listed == wanted


def test_the_recipe_builds_by_what_pyproject_names():
    system = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]
    assert system["requires"] == [each.replace(" ", "") for each in items("host")[2:]]


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_a_page_names_one_address_of_the_project(page):
    found = re.findall(r"https://github\.com/[\w-]*redisnb[\w-]*/[\w-]+", (ROOT / page).read_text())
    assert set(found) <= {PROJECT["urls"]["Source"]}


def test_the_container_installs_what_the_tests_need():
    text = (ROOT / ".devcontainer" / "devcontainer.json").read_text()
    container = json.loads(re.sub(r"^ *//.*$", "", text, flags=re.MULTILINE))
    python = re.search(r"python:(\d)\.(\d+)-", container["image"])
    assert python
    oldest = tuple(map(int, PROJECT["requires-python"].removeprefix(">=").split(".")))
    assert tuple(map(int, python.groups())) >= oldest
    installed = re.search(
        r"apt-get install -qq --no-install-recommends (.*)", (ROOT / ".ci/run").read_text()
    )
    assert installed
    assert f"--no-install-recommends {installed[1]} " in container["postCreateCommand"]
    assert container["postCreateCommand"].endswith("pip install --user -e '.[test]'")
