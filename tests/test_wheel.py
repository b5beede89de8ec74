"""The published wheel, in a fresh environment and an empty folder, without the tree."""

import email
import os
import shutil
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


@pytest.fixture(scope="module")
def unpacked(built, tmp_path_factory) -> Path:
    """What is in the sdist."""
    (archive,) = built.glob("*.tar.gz")
    folder = tmp_path_factory.mktemp("sdist")
    with tarfile.open(archive) as sdist:
        sdist.extractall(folder, filter="data")
    (inside,) = folder.iterdir()
    return inside


def test_the_sdist_has_what_the_repository_has(unpacked):
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("this is no checkout")
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    tracked = {name for name in run(*listed, cwd=ROOT).splitlines() if (ROOT / name).is_file()}
    files = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if path.is_file()}
    assert files == tracked | {"PKG-INFO"}


def test_the_sdist_builds_the_same_wheel(built, unpacked, tmp_path):
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path, cwd=unpacked)
    (again,), (wheel,) = tmp_path.glob("*.whl"), built.glob("*.whl")
    assert again.name == wheel.name
    with zipfile.ZipFile(again) as one, zipfile.ZipFile(wheel) as other:
        assert {each: one.read(each) for each in one.namelist()} == {
            each: other.read(each) for each in other.namelist()
        }


def test_the_metadata_have_what_a_package_index_shows(built):
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as content:
        (name,) = [each for each in content.namelist() if each.endswith(".dist-info/METADATA")]
        found = email.message_from_bytes(content.read(name))
    urls = dict(line.split(", ") for line in found.get_all("Project-URL"))
    assert sorted(urls) == ["Changelog", "Documentation", "Issues", "Source"]
    assert all(url.startswith(urls["Source"]) for url in urls.values())
    assert found["Description-Content-Type"] == "text/markdown"
    assert found.get_payload().lstrip().startswith("# redisnb")


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
