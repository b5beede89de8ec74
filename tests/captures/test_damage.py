"""A damaged capture is named in an error, and never yields other entries than those captured."""

import base64
import gzip
import json
import random
import subprocess
import sys
import textwrap
import warnings

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import redisnb
from redisnb import RedisnbWarning, ReplayError, Stream, capture, load, replay
from redisnb.captures import json_lines

pytestmark = pytest.mark.slow

NAMES = ["c.parquet", "c.jsonl", "c.jsonl.gz", "c.jsonl.zst"]
FAST = {"speed": float("inf")}
N = 300


@pytest.fixture(scope="module")
def captured(server, tmp_path_factory):
    """A capture in each form, and its entries."""
    with redisnb.connect(server.url) as conn:
        conn.client.flushdb()
        for i in range(N):
            conn.client.xadd("ev", {"payload": json.dumps({"n": i, "who": "a b c"[: i % 6]})})
            conn.client.xadd("ev", {"kind": "x", "raw": b"\xff%d" % i})
        directory = tmp_path_factory.mktemp("captured")
        for name in NAMES:
            capture(Stream(conn, "ev", format="fields"), directory / name)
    return directory


def entries(path, on_error="raise"):
    """Return what is read, as text: a damaged number would be another number."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = load(path, types="text", on_error=on_error)
    return frame.to_csv()


def damaged(captured, tmp_path, name, change):
    found = bytearray((captured / name).read_bytes())
    path = tmp_path / name
    changed = change(found)
    path.write_bytes(found if changed is None else changed)
    return path


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["a bit", "a byte", "a stretch", "two places"])
def test_damage_anywhere(captured, tmp_path, name, kind, seed):
    right = entries(captured / name)
    chance = random.Random(f"{name} {kind} {seed}")

    def change(found):
        at = chance.randrange(len(found))
        if kind == "a bit":
            found[at] ^= 1 << chance.randrange(8)
        elif kind == "a byte":
            found[at] = chance.randrange(256)
        elif kind == "a stretch":
            found[at : at + 40] = bytes(len(found[at : at + 40]))
        else:
            other = chance.randrange(len(found))
            found[at], found[other] = found[other], found[at]

    named = set()
    for _ in range(25):
        path = damaged(captured, tmp_path, name, change)
        try:
            found = entries(path)
        except (ReplayError, RedisnbWarning) as error:
            named.add(str(path) in str(error))
        else:
            assert found == right
    assert named == {True}


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("missed", [0, 4907])
def test_damage_of_the_first_and_the_last_line(captured, tmp_path, missed):
    written = (captured / "c.jsonl").read_bytes().splitlines(keepends=True)
    crc32 = json_lines.checksum(b"".join(written[:-1]), 0)
    first, last = written[0], json_lines.seal_line(crc32, missed)
    whole = b"".join([*written[:-1], last])
    path = tmp_path / "c.jsonl"

    def found(text):
        path.write_bytes(text)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            return load(path, types="text").to_csv(), {str(each.message) for each in caught}

    right = found(whole)
    assert bool(missed) is any("4,907 entries" in text for text in right[1])
    for at in [*range(len(first)), *range(len(whole) - len(last) - 1, len(whole))]:
        for byte in b'\0\t 1"z-{':
            text = bytearray(whole)
            text[at] = byte
            try:
                assert found(text) == right, bytes(text[max(0, at - 40) : at + 40])
            except ReplayError as error:
                assert str(path) in str(error)  # noqa: PT017


def test_a_checksum_that_is_none(captured, tmp_path):
    path = damaged(
        captured,
        tmp_path,
        "c.jsonl",
        lambda found: bytes(found).replace(b'"crc32":"', b'"crc32":"O').replace(b'299"', b'298"'),
    )
    with pytest.raises(ReplayError, match="or the checksum of the lines before it: it is damaged"):
        entries(path)


def test_damage_around_the_checksum(captured, tmp_path):
    right = entries(captured / "c.parquet")
    place = (captured / "c.parquet").read_bytes().rfind(b"redisnb_crc32:")
    for at in range(place - 60, place + 60):
        path = damaged(
            captured,
            tmp_path,
            "c.parquet",
            lambda found, at=at: found[:at] + bytes(40) + found[at + 40 :],
        )
        try:
            found = entries(path)
        except (ReplayError, RedisnbWarning):
            continue
        assert found == right


@pytest.mark.parametrize("name", NAMES)
def test_what_is_cut_off(captured, tmp_path, name):
    whole = (captured / name).read_bytes()
    sizes = {0, 1, *range(10, len(whole), len(whole) // 40), len(whole) - 2}
    if name == "c.jsonl":
        # Only the line end of the last line may be missing unnoticed.
        sizes.discard(len(whole) - 1)
    for size in sorted(sizes):
        path = damaged(captured, tmp_path, name, lambda found, size=size: found[:size])
        with pytest.raises((ReplayError, RedisnbWarning)):
            entries(path)


@pytest.mark.parametrize("compressed", [bytes, gzip.compress])
@pytest.mark.parametrize(
    "change",
    [
        lambda lines: lines[:7] + lines[8:],
        lambda lines: [*lines[:-1], lines[3], lines[-1]],
        lambda lines: [lines[0].replace(b'"fields"', b'"raw"'), *lines[1:]],
        lambda lines: [
            *lines[:9],
            lines[9].replace(b'"n"', b'"N"'),
            *lines[10:],
        ],
    ],
    ids=["a line less", "a line twice", "another header", "another value"],
)
def test_lines_that_were_changed(captured, tmp_path, change, compressed):
    lines = (captured / "c.jsonl").read_bytes().splitlines()
    changed = change(lines)
    assert changed != lines
    path = tmp_path / "c.jsonl"
    path.write_bytes(compressed(b"\n".join(changed)))
    with pytest.raises(ReplayError, match=r"leave out this line|out of order"):
        load(path)
    if len(changed) <= len(lines):
        # What the error says to do.
        path.write_bytes(compressed(b"\n".join(changed[:-1])))
        with pytest.warns(RedisnbWarning, match="no last line"):
            assert len(load(path)) > 2 * N - 2


def test_lines_that_were_only_moved_about_are_as_good(captured, tmp_path):
    """Other line ends, blank lines, or a mark at the beginning; two captures in one file."""
    right = entries(captured / "c.jsonl")
    text = (captured / "c.jsonl").read_bytes()
    path = tmp_path / "c.jsonl"
    for changed in (
        text.replace(b"\n", b"\r\n"),
        text.replace(b"\n", b"\n\n"),
        b"\xef\xbb\xbf" + text,
    ):
        path.write_bytes(changed)
        assert entries(path) == right
    lines = text.splitlines(keepends=True)
    path.write_bytes(b"".join(lines[1:-1]))
    assert len(load(path)) == 2 * N
    # Grep keeps neither the first line nor the last.
    path.write_bytes(b"".join(line for line in lines if b'"event"' in line))
    assert len(load(path)) == N


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_it_is_replayed(captured, tmp_path, name, conn, raw):
    def change(found):
        found[len(found) // 2] ^= 4

    path = damaged(captured, tmp_path, name, change)
    with pytest.raises(ReplayError, match=str(path)):
        replay(path, Stream(conn, "to"), **FAST)
    assert not raw.exists("to")


def test_a_page_that_is_damaged_can_be_skipped(captured, tmp_path):
    events = pq.read_metadata(captured / "c.parquet").row_group(0).column(3)
    assert events.path_in_schema == "event"

    def change(found):
        found[events.data_page_offset + events.total_compressed_size - 1] ^= 4

    path = damaged(captured, tmp_path, "c.parquet", change)
    with pytest.warns(RedisnbWarning, match="held no entry"):
        frame = load(path, on_error="skip")
    assert frame.attrs["skipped"] == 2 * N


def test_what_other_programs_have_written_has_no_seal(captured, tmp_path):
    table = pq.read_table(captured / "c.parquet")
    path = tmp_path / "c.parquet"
    pq.write_table(table.replace_schema_metadata({}), path)
    assert entries(path).splitlines()[0]
    lines = [json.loads(line) for line in (captured / "c.jsonl").read_text().splitlines()]
    path = tmp_path / "c.jsonl"
    path.write_text("".join(f"{json.dumps(line, sort_keys=True)}\n" for line in lines))
    assert len(load(path)) == 2 * N


BOMB = """
import resource, sys, redisnb
resource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit}))
try:
    redisnb.load({path!r})
except redisnb.ReplayError as error:
    sys.exit(f"refused: {{error}}")
"""


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_a_small_file_does_not_fill_the_memory(tmp_path, kind):
    path = tmp_path / ("c.jsonl.zst" if kind == "zstd" else "c.jsonl.gz")
    zeros = bytes(1024**2)
    with open(path, "wb") as file:
        sink = pa.CompressedOutputStream(file, kind)
        for _ in range(256):
            sink.write(zeros)
        sink.close()
    code = textwrap.dedent(BOMB).format(limit=1536 * 1024**2, path=str(path))
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "refused" in ran.stderr
    assert "as if it were to fill the memory" in ran.stderr


@pytest.mark.slow
def test_a_long_line_that_is_right_is_read(tmp_path, conn, raw):
    raw.xadd("big", {"x": base64.b64encode(random.Random(1).randbytes(39 * 1024**2))})
    capture(Stream(conn, "big"), tmp_path / "c.jsonl.zst")
    assert len(load(tmp_path / "c.jsonl.zst")) == 1


@pytest.mark.long
@pytest.mark.slow
def test_what_is_missing_is_in_the_file(tmp_path, conn, raw):
    for name in NAMES:
        raw.delete("ev")
        for i in range(3000):
            raw.xadd("ev", {"n": f"n{i}"}, id=f"{i + 1}-0")

        def trim(frame):
            raw.xtrim("ev", maxlen=100, approximate=False)
            return frame["entry_id"] != ""

        with pytest.warns(RedisnbWarning, match="removed"):
            done = capture(Stream(conn, "ev", format="fields"), tmp_path / name, where=trim)
        with pytest.warns(RedisnbWarning, match="removed before they were captured"):
            frame = load(tmp_path / name)
        assert frame.attrs["missed"] == done["missed"][0] > 0
