"""Captures, written page by page into files that appear when they are complete."""

from __future__ import annotations

import contextlib
import gzip
import os
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, Self

import pyarrow as pa

from redisnb.captures import json_lines, parquet, parquet_seal
from redisnb.captures.json_lines import CapturedEntry
from redisnb.captures.naming import (
    TABLE,
    CapturePath,
    ResumePoint,
    directory_of,
    format_of,
    prepare,
    refuse_bytes,
    refuse_text,
)
from redisnb.captures.part_file import PartFile
from redisnb.captures.remote import ForwardedFile, Place, RemoteFile, is_remote
from redisnb.entries import IdPair, Layout, order_of
from redisnb.errors import option

__all__: list[str] = []

#: How many rows of a Parquet file, or about how many bytes, are written at once.
GROUP_ROWS, GROUP_BYTES = 65_536, 16 * 1024 * 1024


class CaptureWriter:
    """The writer of a capture; a with-block finishes it.

    Until it is complete, a file is called ``<path>.part``. If the block raises, it keeps that name
    and can be read under it; an existing file at `path` is then left as it is.

    Parameters
    ----------
    path : str, path or binary file
        The name, also that of an open file, tells the format: ``*.parquet``; ``*.jsonl``,
        ``*.jsonl.gz`` or ``*.jsonl.zst``; without an ending a directory of Parquet files. "-" is
        standard output, as JSON Lines; an open file without such a name gets JSON Lines too. A URL
        is opened by fsspec.
    streams : mapping of str to Layout
        All streams that entries may come from.
    overwrite : bool
        Replace an existing file. A directory must be new, or have no Parquet file.
    format : str, optional
        One of `FORMATS`, if the name does not tell.
    resume_from : ResumePoint, optional
        What `resume_point` returned for the directory.
    rows, every : int, optional
        In a directory: the maximum number of entries, and the longest time in ms, of one file. A
        new file begins at each multiple of `every` since 1970.
    cuts : sequence of IdPair, optional
        In a directory: IDs, ascending, at which a new file begins.

    Attributes
    ----------
    paths : list of str
        The files that are complete.
    part_path : str or None
        The incomplete file that an error left.
    missed : int
        How many entries are missing; it is written at the end, for readers to see.

    Raises
    ------
    FileExistsError
        If a file exists that may not be replaced.
    ValueError
        If the name has another ending, or `rows`, `every` and `cuts` do not apply to it.
    TypeError
        If the path is bytes.
    """

    def __init__(
        self,
        path: CapturePath,
        streams: Mapping[str, Layout],
        *,
        overwrite: bool = False,
        rows: int | None = None,
        every: int | None = None,
        cuts: Sequence[IdPair] | None = None,
        format: str | None = None,
        resume_from: ResumePoint | None = None,
    ) -> None:
        self.paths: list[str] = []
        self.part_path: str | None = None
        self.missed = 0
        self._streams, self._overwrite = streams, overwrite
        self._rows, self._every, self._cuts = rows, every, list(cuts or ())
        self._file: PartFile | None = None
        self._entry_count, self._file_end = 0, 0
        _check_part_limit(rows, "rows")
        _check_part_limit(every, "every")
        self._number, self._last_ids = (
            (0, {}) if resume_from is None else (resume_from.number, resume_from.last_ids)
        )
        self._place = Place(path) if is_remote(path) else None
        self._directory = None if format else directory_of(path, self._place)
        self._format = None if self._directory is not None else format_of(path, format)
        if self._directory is None and any(each is not None for each in (rows, every, cuts)):
            raise ValueError(
                f"{option('rows')}, {option('every')} and {option('partitions')} are for a "
                f"directory of files, not for {path}"
            )
        self._sink: _Sink | None = None
        if self._directory is not None:
            prepare(self._directory, self._place, resume_from)
            if not self._number:
                self._begin()
        elif self._place is not None:
            self._open(RemoteFile(self._place, "", overwrite=overwrite))
        elif isinstance(path, str | os.PathLike) and path != "-":
            name = os.fsdecode(path)
            self._open(PartFile(name, f"{name}.part", overwrite=overwrite))
        else:
            refuse_bytes(path)
            refuse_text(path)
            file = sys.stdout.buffer if path == "-" else path
            if self._format == "parquet":
                self._open(ForwardedFile(file, str(getattr(path, "name", path))))
            else:
                self._sink = _LineSink(file, streams, self._format or "")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._finish()
        else:
            self._abandon()

    def write(self, page: Sequence[CapturedEntry]) -> None:
        """Add entries; those of one stream in ascending order."""
        while page:
            fits = self._fits(page)
            if fits:
                if self._sink is None:
                    self._begin()
                assert self._sink is not None
                self._sink.write(page[:fits])
                if self._directory is not None:
                    last = {key: id for key, id, _ in page[:fits]}
                    self._last_ids |= {key: id.decode() for key, id in last.items()}
                self._entry_count += fits
                page = page[fits:]
            if page:
                self._finish()

    def turn(self, now: int) -> None:
        """Finish the file if its time has passed; `now` is in ms since 1970."""
        if self._entry_count and self._every is not None and now >= self._file_end:
            self._finish()

    def _fits(self, page: Sequence[CapturedEntry]) -> int:
        """Return how many of these entries still fit into the file."""
        fits = len(page) if self._rows is None else min(len(page), self._rows - self._entry_count)
        if not self._entry_count:
            del self._cuts[: bisect_right(self._cuts, order_of(page[0]))]
        if self._cuts:
            fits = bisect_left(page, self._cuts[0], hi=fits, key=order_of)
        if self._every is None:
            return fits
        times = [int(entry[1].partition(b"-")[0]) for entry in page[:fits]]
        if not self._entry_count:
            self._file_end = times[0] - times[0] % self._every + self._every
        return next((i for i, ms in enumerate(times) if ms >= self._file_end), fits)

    def _begin(self) -> None:
        assert self._directory is not None
        name = f"part-{self._number:05}{TABLE}"
        self._number += 1
        if self._place is not None:
            self._open(RemoteFile(self._place, name, overwrite=self._overwrite))
            return
        # pandas reads every file in a directory unless its name begins with a dot.
        path, part = (os.path.join(self._directory, each) for each in (name, f".{name}.part"))
        self._open(PartFile(path, part, overwrite=self._overwrite))

    def _open(self, file: PartFile) -> None:
        self._file = file
        self._entry_count = 0
        if self._is_table():
            self._sink = _TableSink(file.file, self._streams)
        else:
            self._sink = _LineSink(file.file, self._streams, self._format or "")

    def _is_table(self) -> bool:
        return self._directory is not None or self._format == "parquet"

    def _finish(self) -> None:
        if self._sink is None:
            return
        try:
            self._sink.seal(self.missed, self._last_ids if self._directory is not None else None)
            self._sink.close()
            if self._file is not None:
                if self._is_table():
                    parquet_seal.seal(self._file.part)
                self._file.commit()
                self.paths.append(self._file.path)
        except BaseException:
            self._abandon()
            raise
        self._sink = self._file = None
        self._entry_count = 0

    def _abandon(self) -> None:
        # An error is being raised already; this saves what it can.
        with contextlib.suppress(OSError, pa.ArrowException):
            if self._sink is not None:
                self._sink.close()
        if self._file is not None:
            self.part_path = self._file.part
            with contextlib.suppress(OSError):
                self._file.abandon()
        self._sink = self._file = None


def _check_part_limit(most: int | None, name: str) -> None:
    if most is not None and most < 1:
        raise ValueError(
            f"{option(name, most)}; a file holds at least one entry, and a millisecond"
        )


class _Sink(Protocol):
    def write(self, page: Sequence[CapturedEntry]) -> None: ...
    def seal(self, missed: int, last_ids: Mapping[str, str] | None) -> None: ...
    def close(self) -> None: ...


class _LineSink:
    """JSON Lines in an open file, compressed as its name says."""

    def __init__(self, file: Any, streams: Mapping[str, Layout], name: str) -> None:
        self._file, self._inner = file, None
        if name.endswith(".gz"):
            self._inner = gzip.GzipFile("", "wb", 4, file)
        elif name.endswith(".zst"):
            self._inner = pa.CompressedOutputStream(_UnclosedFile(file), "zstd")
        self._crc32 = 0
        self._put(json_lines.header(streams))

    def write(self, page: Sequence[CapturedEntry]) -> None:
        self._put(json_lines.lines(page))

    def seal(self, missed: int, last_ids: Mapping[str, str] | None) -> None:
        self._put(json_lines.seal_line(self._crc32, missed))

    def _put(self, text: bytes) -> None:
        self._crc32 = json_lines.checksum(text, self._crc32)
        if self._inner is not None:
            self._inner.write(text)
        else:
            self._file.write(text)
            # Another program may be reading, and this process may be killed.
            self._file.flush()

    def close(self) -> None:
        if self._inner is not None:
            self._inner.close()
        self._file.flush()


class _UnclosedFile:
    """A file that Arrow writes into and does not close."""

    closed = False

    def __init__(self, file: Any) -> None:
        self.write, self.flush = file.write, file.flush

    def close(self) -> None:
        pass


class _TableSink:
    """The rows of a Parquet file."""

    def __init__(self, file: Any, streams: Mapping[str, Layout]) -> None:
        # Slow to import, and not every session writes a capture.
        from pyarrow.parquet import ParquetWriter

        self._writer = ParquetWriter(
            file,
            parquet.SCHEMA.with_metadata(parquet.metadata(streams)),
            compression="zstd",
            # A dictionary of values that do not repeat would cost as much as all the rest.
            use_dictionary=["stream", "fields.list.element.name"],
            column_encoding={"entry_time": "DELTA_BINARY_PACKED", "entry_id": "DELTA_BYTE_ARRAY"},
            write_page_checksum=True,
        )
        self._file = file
        self._codes = {key: code for code, key in enumerate(streams)}
        self._batches: list[pa.RecordBatch] = []
        self._rows = self._bytes = 0

    def write(self, page: Sequence[CapturedEntry]) -> None:
        for batch in parquet.record_batches(page, self._codes):
            self._batches.append(batch)
            self._rows += len(batch)
            self._bytes += batch.nbytes
            if self._rows >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
                self._flush()

    def _flush(self) -> None:
        if self._batches:
            waiting, self._batches = self._batches, []
            self._rows = self._bytes = 0
            self._writer.write_table(pa.Table.from_batches(waiting))

    def seal(self, missed: int, last_ids: Mapping[str, str] | None) -> None:
        if last_ids is not None:
            self._writer.add_key_value_metadata(parquet.last_ids_metadata(last_ids))
        self._writer.add_key_value_metadata(parquet_seal.seal_metadata(missed))

    def close(self) -> None:
        self._flush()
        self._writer.close()
        self._file.flush()
