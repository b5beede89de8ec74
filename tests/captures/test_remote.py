"""Captures in object stores, in open files, and in directories that grow from run to run."""

import gc
import glob
import io
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid

import fsspec
import pandas.testing as pdt
import pytest
import redis

from redisnb import (
    MissingExtraError,
    RedisnbWarning,
    ReplayError,
    Stream,
    capture,
    load,
    replay,
)
from redisnb.captures import naming
from tests.consuming import in_xread
from tests.deadlines import deadline
from tests.stores import BUCKET, object_store

pytestmark = pytest.mark.slow

ENDINGS = [".parquet", ".jsonl", ".jsonl.gz", ".jsonl.zst", "", "/"]


@pytest.fixture(scope="module")
def store():
    with object_store() as environment:
        yield environment


@pytest.fixture(params=["s3", "memory", "local"])
def place(request, tmp_path) -> str:
    """The URL of an empty folder: in an object store, and in another file system."""
    name = uuid.uuid4().hex
    if request.param == "s3":
        request.getfixturevalue("store")
        return f"s3://{BUCKET}/{name}"
    if request.param == "memory":
        return f"memory://{name}"
    return f"local://{tmp_path}/{name}"


@pytest.fixture
def stream(conn):
    stream = Stream(conn, "s")
    stream.add_many([{"i": i, "text": "größe"} for i in range(300)])
    return stream


@pytest.fixture(autouse=True)
def no_copies(monkeypatch, tmp_path_factory):
    """Check that temporary files are removed."""
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    gc.collect()
    # What lives on, such as the store that is tested with, is not looked at again.
    gc.freeze()
    assert glob.glob(f"{folder}/redisnb-*") == []


def found(place):
    files, path = fsspec.core.url_to_fs(place)
    files.invalidate_cache()
    above, _, name = path.rpartition("/")
    return sorted(each for each in files.find(above) if name in each)


@pytest.mark.parametrize("ending", ENDINGS)
def test_there_and_back(conn, stream, place, ending):
    path = f"{place}/x{ending}"
    several = {"rows": 100} if ending in ("", "/") else {}
    captured = capture(stream, path, **several)
    assert captured[["entries", "path"]].values.tolist() == [[300, path]]
    pdt.assert_frame_equal(load(path), stream.range(), check_like=False)
    assert len(found(place)) == (3 if several else 1)
    target = Stream(conn, "t")
    assert replay(path, target, speed=None).added == 300
    assert target.range()["i"].tolist() == list(range(300))
    # Once more only where it is said.
    with pytest.raises(FileExistsError, match=r"overwrite=True|resume=True"):
        capture(stream, path)
    if not several:
        assert capture(stream, path, limit=5, overwrite=True)["entries"].tolist() == [5]
        assert len(load(path)) == 5


def test_it_is_there_when_it_is_whole(stream, place, raw, wait_until):
    path, stop = f"{place}/x.jsonl", threading.Event()
    thread = threading.Thread(
        target=capture, args=(stream, path), kwargs={"follow": True, "stop": stop}
    )
    thread.start()
    wait_until(lambda: in_xread(raw))
    assert found(place) == []
    stream.add({"i": 300})
    wait_until(lambda: in_xread(raw))
    stop.set()
    thread.join(deadline(10))
    assert len(load(path)) == 301


def test_what_goes_wrong_leaves_nothing_there(stream, place, no_copies):
    with pytest.raises(ValueError, match="no entry has this column") as caught:
        capture(stream, f"{place}/x.jsonl", where={"nonsense": 1})
    assert found(place) == []
    (note,) = (note for note in caught.value.__notes__ if "what was captured" in note)
    left = note.partition(" is in ")[2]
    assert os.path.exists(left)
    os.remove(left)
    os.rmdir(os.path.dirname(left))


@pytest.mark.parametrize("ending", [".parquet", ".jsonl", ".jsonl.zst"])
def test_half_of_it(stream, place, ending):
    path = f"{place}/x{ending}"
    capture(stream, path)
    with fsspec.open(path, "rb") as file:
        content = file.read()
    middle = len(content) // 2
    if b"\n" in content[middle - 1 : middle + 1]:
        # Half of the lines would be a capture that was cut off, and not a damaged one.
        middle -= 3
    with fsspec.open(f"{place}/half{ending}", "wb") as file:
        file.write(content[:middle])
    fsspec.core.url_to_fs(place)[0].invalidate_cache()
    with pytest.raises(ReplayError) as caught:
        load(f"{place}/half{ending}")
    assert f"{place}/half{ending}" in str(caught.value)
    assert caught.value.path == f"{place}/half{ending}"


def test_what_is_not_there(stream, place):
    with pytest.raises(FileNotFoundError):
        load(f"{place}/none.parquet")


def test_a_bucket_that_is_not_there_is_not_made(stream, store):
    with pytest.raises(OSError, match=r"bucket does not exist|not exist") as caught:
        capture(stream, "s3://nobodys/x.jsonl")
    assert fsspec.filesystem("s3").ls("") == [BUCKET]
    left = "".join(caught.value.__notes__).partition(" is in ")[2]
    assert len(load(left)) == 300
    os.remove(left)
    os.rmdir(os.path.dirname(left))


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        ("nonsense://a/x.parquet", ValueError, "Protocol not known: nonsense"),
        ("gs://a/x.parquet", MissingExtraError, r"gcsfs.* pip install 'redisnb\[remote\]'"),
    ],
)
def test_an_address_that_nobody_knows(stream, url, error, message):
    for use in (lambda: capture(stream, url), lambda: load(url)):
        with pytest.raises(error, match=message):
            use()


def test_without_the_package(stream, monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    for use in (lambda: capture(stream, "s3://a/x.parquet"), lambda: load("memory://x.jsonl")):
        with pytest.raises(MissingExtraError, match=r"fsspec .* 'redisnb\[remote\]'"):
            use()


# Open files


@pytest.mark.parametrize("format", [None, *naming.FORMATS])
def test_an_open_file(conn, stream, format, tmp_path):
    file = io.BytesIO()
    assert capture(stream, file, format=format)["entries"].tolist() == [300]
    content = file.getvalue()
    assert content.startswith(b"PAR1") is (format == "parquet")
    for opened in (io.BytesIO(content), io.BufferedReader(io.BytesIO(content))):
        pdt.assert_frame_equal(load(opened), stream.range())
        assert not opened.closed
    target = Stream(conn, f"t{format}")
    assert replay(io.BytesIO(content), target, speed=None).added == 300
    # One with a name needs no format.
    if format is not None:
        with open(tmp_path / f"x.{format}", "w+b") as named:
            capture(stream, named)
            assert not named.closed
        assert (tmp_path / f"x.{format}").read_bytes()[:4] == content[:4]
        assert len(load(tmp_path / f"x.{format}")) == 300


def test_a_name_without_a_kind(stream, tmp_path):
    path = tmp_path / "today.capture"
    with pytest.raises(ValueError, match="format='parquet' says it for any name"):
        capture(stream, path)
    capture(stream, path, format="jsonl.gz")
    assert path.read_bytes()[:2] == b"\x1f\x8b"
    assert len(load(path)) == 300


@pytest.mark.parametrize(
    ("path", "options", "error", "message"),
    [
        ("x.parquet", {"format": "jsonl"}, ValueError, r"the name .*x\.parquet says parquet"),
        ("x.jsonl.gz", {"format": "jsonl"}, ValueError, r"says jsonl\.gz"),
        ("x", {"format": "csv"}, ValueError, "format='csv'; choose 'parquet' or 'jsonl'"),
        ("x.jsonl", {"resume": True}, ValueError, "resume=True is for a directory"),
        ("-", {"resume": True}, ValueError, "resume=True is for a directory"),
        (io.StringIO(), {}, TypeError, r"a capture is bytes: .*open\(..., 'wb'\)"),
    ],
)
def test_what_contradicts_itself(stream, tmp_path, monkeypatch, path, options, error, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        capture(stream, path, **options)
    assert os.listdir(tmp_path) == []


def test_what_was_opened_for_text(tmp_path):
    (tmp_path / "x").write_text("{}\n")
    with open(tmp_path / "x") as file, pytest.raises(TypeError, match="read as bytes"):
        load(file)


# Directories that grow


def test_one_run_after_the_other(conn, stream, place):
    other = Stream(conn, "other")
    both, path = [stream, other], f"{place}/day"
    assert capture(both, path, rows=120, resume=True)["entries"].tolist() == [300, 0]
    assert capture(both, path, rows=120, resume=True)["entries"].tolist() == [0, 0]
    assert len(found(path)) == 3
    stream.add_many([{"i": i} for i in range(300, 310)])
    other.add({"i": -1})
    captured = capture(both, path, follow=True, timeout=0.05, resume=True)
    assert captured["entries"].tolist() == [10, 1]
    assert sorted(load(path)["i"]) == [-1, *range(310)]
    assert [path.rpartition("-")[2] for path in found(path)] == [
        f"{i:05}.parquet" for i in range(4)
    ]


def test_a_directory_with_a_name_like_that_of_a_file(stream, tmp_path):
    folder = tmp_path / "day.parquet"
    folder.mkdir()
    for _ in range(2):
        capture(stream, folder, resume=True)
    assert len(load(folder)) == 300
    assert os.listdir(folder) == ["part-00000.parquet"]


def test_what_does_not_say_how_far_it_has_come(stream, place):
    capture(stream, f"{place}/day/odd.parquet")
    with pytest.raises(ValueError, match=r"odd\.parquet does not say how far it has come"):
        capture(stream, f"{place}/day", resume=True)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("where", ["s3", "here"])
def test_a_service_that_is_killed_and_started_again(
    conn, server, raw, store, where, tmp_path, wait_until
):
    """It rotates, is killed at any moment, goes on, and ends in order: each entry is there once."""
    path = f"s3://{BUCKET}/service" if where == "s3" else str(tmp_path / "service")
    command = [
        *(sys.executable, "-m", "redisnb", "capture", "events", path),
        *("--follow", "--every", "1s", "--rows", "70", "--resume", "--quiet"),
    ]
    environment = {**os.environ, **store, "REDISNB_URL": server.url}
    stop = threading.Event()

    def publish():
        with redis.Redis.from_url(server.url) as client:
            n = 0
            while not stop.wait(0.005):
                client.xadd("events", {"payload": f'{{"n":{n}}}'})
                n += 1

    def begun():
        """Start it, and wait until it has finished a file."""
        before = len(found(path))
        process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        wait_until(lambda: len(found(path)) > before, 30)
        return process

    publisher = threading.Thread(target=publish)
    publisher.start()
    try:
        for pause in (0, 0.2, 0.5):
            process = begun()
            time.sleep(pause)
            process.kill()
            process.communicate()
        process = begun()
    finally:
        stop.set()
        publisher.join()
    wait_until(lambda: in_xread(raw), 30)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=deadline(20))
    assert (process.returncode, said) == (0, "")
    last = raw.xrevrange("events", count=1)[0][0].decode()
    captured = load(path)
    assert captured["entry_id"].is_unique
    assert captured["n"].tolist() == list(range(raw.xlen("events")))
    assert captured["entry_id"].iloc[-1] == last
    assert len(found(path)) >= 5


def test_a_warning_names_the_place(stream, place):
    capture(stream, f"{place}/x.jsonl")
    with fsspec.open(f"{place}/x.jsonl", "rb") as file:
        lines = file.read().splitlines(keepends=True)
    with fsspec.open(f"{place}/cut.jsonl", "wb") as file:
        file.write(b"".join(lines[:-1]))
    fsspec.core.url_to_fs(place)[0].invalidate_cache()
    with pytest.warns(RedisnbWarning, match=f"^{place}/cut.jsonl: it has no last line"):
        assert len(load(f"{place}/cut.jsonl")) == 300
