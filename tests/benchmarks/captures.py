"""Writing a stream into a file, beside reading it into one frame: time and memory."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd

import redisnb
from redisnb import wire
from redisnb.captures import reader
from tests.benchmarks import entries, figures, ranges
from tests.benchmarks.workload import Bench, Variant, Workload

FILES = ("capture.parquet", "capture.jsonl", "capture.jsonl.zst", "capture.jsonl.gz")


def capture_json(bench: Bench) -> Any:
    """Capture JSON payloads of six members, one of them nested."""
    return _capture(bench, "events", entries.json_bodies, FILES)


def capture_flat(bench: Bench) -> Any:
    """Capture entries of four fields."""
    return _capture(bench, "flat", entries.flat_bodies, FILES[:3])


@contextmanager
def _capture(
    bench: Bench, key: str, bodies: Callable[[int, int], Any], names: tuple[str, ...]
) -> Iterator[Workload]:
    with tempfile.TemporaryDirectory() as directory, bench.connections() as (conn, _):
        stream = entries.fill(conn, key, bench.entries, bodies)
        yield Workload(
            [_to(stream, Path(directory, name), bench.entries) for name in names]
            + [_frames(stream, bench.entries), _range(stream, bench.entries)]
        )


def _to(stream: redisnb.Stream, path: Path, count: int) -> Variant:
    def check(frame: pd.DataFrame) -> None:
        assert frame["entries"].tolist() == [count]
        pages = wire.Pages(stream.conn, stream.key, "-", "+")
        stored = ((stream.key, id, fields) for page in pages for id, fields in page)
        for captured in chain.from_iterable(reader.open_capture(path)):
            assert captured == next(stored, None)
        assert next(stored, None) is None

    return Variant(
        f"capture(stream, '*{''.join(path.suffixes)}')",
        lambda: redisnb.capture(stream, path, overwrite=True),
        check,
        count,
        size=lambda: path.stat().st_size,
        targets=(figures.of_range(0.8),),
    )


def _frames(stream: redisnb.Stream, count: int) -> Variant:
    def check(rows: int) -> None:
        assert rows == count

    return Variant(
        "Stream.frames()",
        lambda: sum(map(len, stream.frames(types="text"))),
        check,
        count,
        targets=(figures.of_range(0.8),),
    )


def _range(stream: redisnb.Stream, count: int) -> Variant:
    def check(frame: pd.DataFrame) -> None:
        assert len(frame) == count

    return Variant(
        "Stream.range(limit=None)", lambda: stream.range(limit=None), check, count, role="range"
    )


@contextmanager
def capture_memory(bench: Bench) -> Iterator[Workload]:
    """Capture a whole stream, and read the file page by page."""
    targets = (figures.megabytes(150),)
    ranges.fill_with_warm_up(bench, "events", entries.json_bodies)
    yield Workload([ranges.peak("capture() and read, JSON", "capture", bench, "events", targets)])
