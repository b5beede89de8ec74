"""Captures: entries of streams in files, read page by page.

A capture is a Parquet file (described in `parquet`), a directory of them, or JSON Lines (described
in `json_lines`), plain or compressed by gzip or zstd. `writer` writes them.
"""

from __future__ import annotations

import gzip
import os
import shutil
import sys
import weakref
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from io import BufferedReader, FileIO, TextIOBase
from typing import Any, BinaryIO, Literal, TypeAlias, cast

import pyarrow as pa

from redisnb.captures import json_lines, parquet, parquet_seal
from redisnb.captures.json_lines import CapturedEntry, Order, UnusableError
from redisnb.captures.naming import CapturePath, refuse_bytes
from redisnb.captures.remote import Place, copy_folder, is_remote
from redisnb.entries import Layout
from redisnb.errors import ReplayError, option, warn

__all__ = ["OnError", "Recording", "open_capture"]

OnError: TypeAlias = Literal["raise", "skip"]

#: How many bytes are read at once, and the longest line; Redis takes no command beyond 1 GB.
CHUNK_BYTES, LONGEST_LINE = 256 * 1024, 2 * 1024**3
#: The longest compressed line: bytes, or a multiple of its compressed size if that is more.
SAFE_LINE, SAFE_RATIO = 64 * 1024**2, 200
#: How many rows are read at once, and about how many bytes.
READ_ROWS, READ_BYTES = 5_000, 16 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"
_GZIP, _ZSTD, _PARQUET = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PAR1"
# What gzip and Arrow raise for a file that is cut off or damaged.
_DAMAGE_ERRORS = (EOFError, zlib.error, OSError, pa.ArrowException)
_READ_ERRORS = (OSError, pa.ArrowException, UnicodeDecodeError)


def open_capture(path: CapturePath, *, on_error: OnError = "raise") -> Recording:
    """Open a capture, or a file of JSON Lines with the user's own events.

    Parameters
    ----------
    path : str, path or binary file
        The format is detected from the content. "-" is standard input, as JSON Lines, without
        what `sys.stdin` has already read.
    on_error : {"raise", "skip"}
        What to do with a line or a row without an entry.

    Raises
    ------
    ReplayError
        If it is not a capture.
    FileNotFoundError
        If the file does not exist.
    """
    if on_error not in ("raise", "skip"):
        raise ValueError(f"{option('on_error', on_error)}; choose 'raise' or 'skip'")
    if is_remote(path):
        return _remote(Place(path), on_error)
    if path == "-":
        # Not sys.stdin: Python closes it at exit, and aborts if a thread is reading from it then.
        return _LineRecording("standard input", FileIO(sys.stdin.fileno(), closefd=False), on_error)
    if not isinstance(path, str | os.PathLike):
        refuse_bytes(path)
        if isinstance(path, TextIOBase):
            raise TypeError("a capture is read as bytes: sys.stdin.buffer, or open(..., 'rb')")
        if not callable(getattr(path, "read", None)):
            raise TypeError(f"a capture is a path or a binary file, not {type(path).__name__}")
        shown = str(getattr(path, "name", "the file"))
        file: Any = path if hasattr(path, "peek") else _UnclosedReader(cast("Any", path))
        if file.peek(len(_PARQUET)).startswith(_PARQUET):
            with copy_folder() as folder:
                copy = os.path.join(folder, "copy")
                with open(copy, "wb") as written:
                    shutil.copyfileobj(file, written)
                return _own_copy(_TableRecording(copy, [copy], on_error), folder, shown)
        return _LineRecording(shown, file, on_error)
    name = os.fsdecode(path)
    if os.path.isdir(name):
        return _TableRecording(name, _part_paths(name), on_error)
    with open(name, "rb") as file:
        head = file.read(len(_PARQUET))
    if head == _PARQUET or (head and name.removesuffix(".part").endswith(".parquet")):
        return _TableRecording(name, [name], on_error)
    return _LineRecording(name, None, on_error)


def _remote(place: Place, on_error: OnError) -> Recording:
    """Open a local copy of a remote capture."""
    with copy_folder() as folder:
        local = place.copy(folder)
        try:
            return _own_copy(open_capture(local, on_error=on_error), folder, place.url)
        except ReplayError as error:
            message = str(error).replace(local, place.url)
            raise ReplayError(message, path=place.url, line=error.line) from None


def _own_copy(recording: Recording, folder: str, path: str) -> Recording:
    """Name a recording after the original, and remove its copy once it is no longer used."""
    recording.path = path
    weakref.finalize(recording, shutil.rmtree, folder, ignore_errors=True)
    return recording


def _part_paths(directory: str) -> list[str]:
    # As pandas reads a directory; files that are still being written begin with a dot.
    names = sorted(name for name in os.listdir(directory) if name.endswith(".parquet"))
    paths = [os.path.join(directory, name) for name in names if name[0] not in "._"]
    if not paths:
        raise ReplayError(f"{directory}: no file in it is named *.parquet", path=directory)
    return paths


class Recording(ABC):
    """An open capture; iterating reads it page by page, oldest first.

    A page is a list of (stream, ID, fields). The IDs of one stream ascend.

    Attributes
    ----------
    path : str
        Its name.
    streams : dict of str to Layout
        Its streams, as far as they are known before reading.
    has_ids : bool
        False for the user's own events; their streams are "" and their IDs "0-0".
    entries : int or None
        The number of entries, if known before reading.
    repeatable : bool
        Whether it can be read more than once.
    skipped : int
        How many lines or rows were skipped when it was last read.
    missed : int
        How many entries were removed before they could be captured, as far as it was read.
    is_cut_off : bool
        Whether it turned out to have no end.
    """

    def __init__(self, path: str, on_error: OnError) -> None:
        self.path, self._on_error = path, on_error
        # The file to open: a copy if `path` is not a file of this machine.
        self.local = path
        self.streams: dict[str, Layout] = {}
        self.has_ids = self.repeatable = True
        self.entries: int | None = None
        self.skipped = self.missed = 0
        self.is_cut_off = False

    def __iter__(self) -> Iterator[list[CapturedEntry]]:
        """Yield pages of entries.

        Raises
        ------
        ReplayError
            At the first line or row without an entry, with its number; if it is not a capture, or
            is damaged.
        """
        return self._pages()

    def warn_if_cut_off(self) -> None:
        """Warn if it turned out to have no end."""
        if self.is_cut_off:
            warn(f"{self.path}: it has no last line: it was cut off, or its capture was broken off")

    def check(self) -> None:
        """Read all of it, if it can be read again, so that errors come before anything else."""
        if self.repeatable:
            for _ in self:
                pass

    @abstractmethod
    def _pages(self) -> Iterator[list[CapturedEntry]]:
        """Yield pages of entries from the beginning."""

    def _skip_or_raise(
        self, line: int, why: str, what: str = "line", path: str | None = None
    ) -> None:
        if self._on_error == "raise":
            raise self._error(why, f", {what} {line:,}", line, path)
        self.skipped += 1

    def _error(
        self, why: str, where: str = "", line: int | None = None, path: str | None = None
    ) -> ReplayError:
        path = (path or self.local).replace(self.local, self.path)
        return ReplayError(f"{path}{where}: {why}", path=path, line=line)


class _LineRecording(Recording):
    """A capture in JSON Lines."""

    def __init__(self, path: str, file: BinaryIO | None, on_error: OnError) -> None:
        super().__init__(path, on_error)
        self.repeatable = file is None
        self._file = file
        # The first lines tell `streams` and `has_ids`, which must be known before reading.
        self._first_pages: tuple[list[CapturedEntry], Iterator[list[CapturedEntry]]] | None = (
            self._begin()
        )

    def _pages(self) -> Iterator[list[CapturedEntry]]:
        begun, self._first_pages = self._first_pages, None
        if begun is None and not self.repeatable:
            raise self._error("it has been read, and can be read only once")
        first, rest = begun or self._begin()
        if first:
            yield first
        yield from rest

    def _begin(self) -> tuple[list[CapturedEntry], Iterator[list[CapturedEntry]]]:
        parser = json_lines.LineParser()
        pages = self._parsed(parser)
        first = next(pages, [])
        self.streams, self.has_ids = parser.streams, parser.has_ids is not False
        return first, pages

    def _parsed(self, parser: json_lines.LineParser) -> Iterator[list[CapturedEntry]]:
        """Yield the entries of each chunk; those of the first even if it has only a header."""
        self.skipped = number = 0
        parse = parser.parse
        for chunk in self._chunks():
            page = []
            for line in chunk:
                number += 1
                try:
                    entry = parse(line.removeprefix(_BOM) if number == 1 else line)
                except UnusableError as error:
                    raise self._error(str(error), f", line {number:,}", number) from None
                except ValueError as error:
                    self._skip_or_raise(number, str(error))
                else:
                    if entry is not None:
                        page.append(entry)
            if page or number == len(chunk):
                yield page
            self.missed = parser.missed
        if parser.has_ids is None:
            raise self._error("no line of it is an entry" if number else "it is empty")
        self.is_cut_off = parser.is_open and not self.skipped

    def _chunks(self) -> Iterator[list[bytes]]:
        """Yield lines as they come: those of a pipe must not wait for more."""
        pieces: list[bytes] = []
        size = lines = 0
        with self._opened() as (file, stored):
            while True:
                try:
                    chunk = file.read1(CHUNK_BYTES)
                except _DAMAGE_ERRORS as error:
                    # An error of the disk has a number, damaged data has none.
                    if getattr(error, "errno", None) is not None:
                        raise
                    self._skip_or_raise(
                        lines + 1, f"the compressed data are cut off or damaged ({error})"
                    )
                    return
                pieces.append(chunk)
                size += len(chunk)
                if chunk and b"\n" not in chunk:
                    if size > LONGEST_LINE:
                        raise self._error(f"it has a line of more than {LONGEST_LINE:,} bytes")
                    if stored is not None and size > max(SAFE_LINE, SAFE_RATIO * stored.size):
                        raise self._error(
                            f"a line of it has {size:,} bytes and more, out of {stored.size:,}, "
                            "as if it were to fill the memory; if it is right, uncompress it first"
                        )
                    continue
                *whole, rest = b"".join(pieces).split(b"\n")
                if not chunk and rest:
                    # The last line has no line end: parsing it shows whether it is complete.
                    whole.append(rest)
                if whole:
                    yield whole
                if not chunk:
                    return
                pieces, size = [rest], len(rest)
                lines += len(whole)

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        """Open the file; yield its content uncompressed, and the file itself if compressed."""
        with ExitStack() as stack:
            file: Any = self._file
            if file is None:
                file = stack.enter_context(open(self.local, "rb"))
            elif not hasattr(file, "peek"):
                file = _UnclosedReader(file)
            head = file.peek(len(_ZSTD))
            stored: Any = _CountedFile(file) if head.startswith((_GZIP, _ZSTD)) else None
            if head.startswith(_GZIP):
                file = stack.enter_context(gzip.GzipFile(fileobj=stored))
            elif head.startswith(_ZSTD):
                file = pa.CompressedInputStream(stored, "zstd")
            yield file, stored


class _UnclosedReader(BufferedReader):
    """A buffer around the caller's open file, which stays open."""

    def close(self) -> None:
        """Leave it open."""


class _CountedFile:
    """A file that stays open, and counts the bytes read from it."""

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.size = file, 0

    def read(self, size: int = -1) -> bytes:
        chunk = self._file.read(size)
        self.size += len(chunk)
        return chunk

    def close(self) -> None:
        pass


class _TableRecording(Recording):
    """A capture in one Parquet file or several."""

    def __init__(self, path: str, parts: Sequence[str], on_error: OnError) -> None:
        super().__init__(path, on_error)
        self._paths = parts
        self.entries = 0
        for part in parts:
            with self._opened(part) as file:
                self.streams |= parquet.streams_in(file.schema_arrow)
                self.entries += file.metadata.num_rows
                self.missed += parquet.missed_in(file.metadata.metadata)

    def _pages(self) -> Iterator[list[CapturedEntry]]:
        self.skipped = 0
        order = Order()
        for part in self._paths:
            before, skipped = 0, self.skipped
            with self._opened(part) as file:
                for i in range(file.num_row_groups):
                    yield from self._group(file, i, part, before, order)
                    before += file.metadata.row_group(i).num_rows
            # A damaged page was reported above. Damage elsewhere may concern any row.
            if self.skipped == skipped and parquet_seal.is_damaged(part):
                raise self._error(
                    "it is not what was captured: it is damaged, or was changed", path=part
                )

    def _group(
        self, file: Any, i: int, part: str, before: int, order: Order
    ) -> Iterator[list[CapturedEntry]]:
        group = file.metadata.row_group(i)
        rows = max(1, min(READ_ROWS, group.num_rows * READ_BYTES // max(1, group.total_byte_size)))
        read = before

        def wrong(row: int, why: str) -> None:
            self._skip_or_raise(read + row + 1, why, "row", part)

        try:
            for batch in file.iter_batches(rows, row_groups=[i], columns=parquet.READ_COLUMNS):
                page = parquet.entries_in(batch, order, wrong)
                read += len(batch)
                if page:
                    yield page
        except _READ_ERRORS as error:
            wrong(0, f"the data are damaged ({error})")
            self.skipped += before + group.num_rows - read - 1

    @contextmanager
    def _opened(self, part: str) -> Iterator[Any]:
        # Slow to import, and not every session reads a capture.
        from pyarrow.parquet import ParquetFile

        try:
            # Arrow takes a name that is not UTF-8 only as bytes.
            with (
                pa.OSFile(os.fsencode(part)) as source,
                ParquetFile(source, page_checksum_verification=True) as file,
            ):
                yield file
        except UnusableError as error:
            raise self._error(str(error), path=part) from None
        except _READ_ERRORS as error:
            if getattr(error, "errno", None) is not None:
                raise
            raise self._error(f"it is no Parquet file, or damaged ({error})", path=part) from None
