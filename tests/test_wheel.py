"""The published wheel, in a fresh environment and an empty folder, without the tree."""

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from tests.deadlines import deadline

ROOT = Path(__file__).parents[1]

pytestmark = [pytest.mark.slow, pytest.mark.long]


def run(*command: object, **options) -> str:
    done = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        timeout=deadline(100),
        check=False,
        **options,
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """The wheel and the sdist, made by the backend that pyproject.toml names, if it is here."""
    pytest.importorskip("hatchling", reason="hatchling, which builds the wheel, is not installed")
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-d", folder, cwd=ROOT)
    return folder


def test_the_wheel_has_the_package_and_nothing_else(built):
    (wheel,) = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    tree = {path for path in (ROOT / "redisnb").rglob("*") if path.is_file()}
    there = {str(path.relative_to(ROOT)) for path in tree if "__pycache__" not in path.parts}
    notebooks = {f"redisnb/notebooks/{path.name}" for path in ROOT.glob("notebooks/*.ipynb")}
    found = {name for name in names if ".dist-info/" not in name}
    assert found == there | notebooks
    assert "redisnb/py.typed" in found


def test_the_sdist_builds_the_same(built):
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "redisnb/__init__.py"} <= names


def test_the_wheel_runs_the_demo_from_an_empty_folder(built, server, raw, tmp_path):
    """And on a server of its own, wherever the environment points."""
    raw.flushall()
    (wheel,) = built.glob("*.whl")
    home, empty = tmp_path / "venv", tmp_path / "empty"
    empty.mkdir()
    venv.create(home, with_pip=False)
    # What the wheel needs is here; the package itself, which may be linked to the tree, is not.
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(home)}))
    run(sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", packages, wheel)
    (packages / "here.pth").write_text(
        "\n".join(path for path in sys.path if "site-packages" in path)
    )
    python = home / "bin" / "python"
    environment = {**os.environ, "REDISNB_URL": server.url}
    environment.pop("PYTHONPATH", None)
    where = run(python, "-c", "import redisnb; print(redisnb.__file__)", cwd=empty, env=environment)
    assert Path(where.strip()).is_relative_to(packages)
    said = run(python, "-m", "redisnb", "demo", cwd=empty, env=environment)
    assert "checks passed" in said
    assert list(empty.iterdir()) == []
    assert raw.dbsize() == 0
