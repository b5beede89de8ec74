"""capture(partitions=): a stream in several files of about equal size."""

import os

import pytest
import redis

from redisnb import RedisnbWarning, Stream, capture, frames, load
from redisnb.captures import reader
from tests.stream.test_partitions import NOW, at, fill

pytestmark = pytest.mark.slow


def files(directory) -> list[list[bytes]]:
    """Return the IDs in each file, in the order of their names."""
    return [
        [id for page in reader.open_capture(directory / name) for _, id, _ in page]
        for name in sorted(os.listdir(directory))
    ]


@pytest.mark.parametrize("n", [1, 4, 30, 500])
def test_every_entry_is_in_one_file_and_in_order(conn, raw, tmp_path, has_schema, n):
    ids = fill(raw, at([*range(200), *range(50_000, 400_000, 2_000)]))
    frame = capture(Stream(conn, "s"), tmp_path / "c", partitions=n)
    found = files(tmp_path / "c")
    assert [id for part in found for id in part] == ids
    assert len(found) == min(n, len(ids))
    assert max(map(len, found)) - min(map(len, found)) <= 1
    assert has_schema(frame, frames.CAPTURED)
    assert frame["entries"].tolist() == [len(ids)]
    assert frame["first_id"].tolist() == [ids[0].decode()]
    assert len(load(tmp_path / "c")) == len(ids)


def test_a_directory_in_an_object_store(conn, raw):
    fill(raw, at(range(100)))
    capture(Stream(conn, "s"), "memory://partitions/c", partitions=3)
    assert len(load("memory://partitions/c")) == 100


def test_a_range_and_a_choice(conn, raw, tmp_path):
    stream = Stream(conn, "s", format="fields")
    fill(raw, at(range(100)))
    raw.xadd("s", {"x": "no"}, id=f"{NOW + 100}-0")
    where = {"x": "x"}
    capture(stream, tmp_path / "c", start=NOW + 50, where=where, partitions=3)
    assert list(map(len, files(tmp_path / "c"))) == [17, 17, 16]


def test_the_end_is_that_of_the_call(conn, raw, tmp_path, monkeypatch):
    fill(raw, at(range(10)))
    plan = Stream.partitions

    def slow(self, *args):
        found = plan(self, *args)
        raw.xadd("s", {"x": 1})
        return found

    monkeypatch.setattr(Stream, "partitions", slow)
    assert capture(Stream(conn, "s"), tmp_path / "c", partitions=2)["entries"].tolist() == [10]
    assert list(map(len, files(tmp_path / "c"))) == [5, 5]


def test_without_entries_there_is_an_empty_file(conn, raw, tmp_path):
    raw.xadd("orders", {"x": 1})
    with pytest.warns(RedisnbWarning, match="'order': no such stream") as caught:
        frame = capture(Stream(conn, "order"), tmp_path / "c", partitions=3)
    assert len(caught) == 1
    assert frame["entries"].tolist() == [0]
    assert files(tmp_path / "c") == [[]]
    with pytest.warns(RedisnbWarning, match="exchange them") as caught:
        capture(Stream(conn, "orders"), tmp_path / "d", start=9, end=1, partitions=3)
    assert len(caught) == 1


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"partitions": 0}, "partitions=0; it is a number of files, at least 1"),
        ({"partitions": "a"}, "partitions='a'; it is a number of files, at least 1"),
        ({"partitions": 2, "follow": True}, "leave out follow=True"),
        ({"partitions": 2, "rows": 10}, "leave out rows=10"),
        ({"partitions": 2, "every": "1h"}, "leave out every='1h'"),
        ({"partitions": 2, "limit": 5}, "leave out limit=5"),
        ({"partitions": 2, "resume": True}, "leave out resume=True"),
        ({"partitions": 2, "format": "parquet"}, "partitions= are for a directory of files"),
    ],
)
def test_what_does_not_go_with_it_is_refused(conn, raw, tmp_path, options, error):
    raw.xadd("s", {"x": 1})
    with pytest.raises(ValueError, match=error):
        capture(Stream(conn, "s"), tmp_path / "c", **options)
    assert not os.listdir(tmp_path)


def test_one_stream_into_one_directory(conn, raw, tmp_path):
    raw.xadd("a", {"x": 1})
    raw.xadd("b", {"x": 1})
    with pytest.raises(ValueError, match=r"partitions=2 is for one stream"):
        capture(conn, tmp_path / "c", partitions=2)
    with pytest.raises(ValueError, match=r"partitions= are for a directory of files, not for"):
        capture(Stream(conn, "a"), tmp_path / "c.parquet", partitions=2)
    raw.set("text", "x")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        capture(Stream(conn, "text"), tmp_path / "c", partitions=2)
    capture(Stream(conn, "a"), tmp_path / "c", partitions=2)
    with pytest.raises(FileExistsError, match="choose a new directory"):
        capture(Stream(conn, "a"), tmp_path / "c", partitions=2)
