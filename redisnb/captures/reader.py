"""Captures: entries of streams in files, read page by page.

A capture is a Parquet file (`parquet` says what is in it), a directory of them, or JSON Lines
(`json_lines`), also compressed by gzip or zstd; `writer` writes it.
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

#: How much is read at once, and the longest line; Redis takes no command of more than 1 GB.
CHUNK_BYTES, LONGEST_LINE = 256 * 1024, 2 * 1024**3
#: How long a line may be that is compressed: so many bytes, or so many times what it is stored in.
SAFE_LINE, SAFE_RATIO = 64 * 1024**2, 200
#: How many rows are read at once, and how many bytes of them, about.
READ_ROWS, READ_BYTES = 5_000, 16 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"
_GZIP, _ZSTD, _PARQUET = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PAR1"
# What a file that ends early, or is damaged, makes gzip and Arrow raise.
_DAMAGE_ERRORS = (EOFError, zlib.error, OSError, pa.ArrowException)
_READ_ERRORS = (OSError, pa.ArrowException, UnicodeDecodeError)


def open_capture(path: CapturePath, *, on_error: OnError = "raise") -> Recording:
    """Open a capture, or a file of JSON Lines that are somebody's own events.

    Parameters
    ----------
    path : str, path or binary file
        What it is, is told by its content; "-" is standard input, JSON Lines, without what
        `sys.stdin` has read before.
    on_error : {"raise", "skip"}
        What to do with a line, or a row, that holds no entry.

    Raises
    ------
    ReplayError
        If it is no capture.
    FileNotFoundError
        If there is no such file.
    """
    if on_error not in ("raise", "skip"):
        raise ValueError(f"{option('on_error', on_error)}; choose 'raise' or 'skip'")
    if is_remote(path):
        return _remote(Place(path), on_error)
    if path == "-":
        # Not through sys.stdin, which Python closes at its end: it aborts if a thread waits in it.
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
    """Open a copy of what is elsewhere."""
    with copy_folder() as folder:
        local = place.copy(folder)
        try:
            return _own_copy(open_capture(local, on_error=on_error), folder, place.url)
        except ReplayError as error:
            said = str(error).replace(local, place.url)
            raise ReplayError(said, path=place.url, line=error.line) from None


def _own_copy(recording: Recording, folder: str, path: str) -> Recording:
    """Name a recording after the original, and remove its copy once nobody uses it."""
    recording.path = path
    weakref.finalize(recording, shutil.rmtree, folder, ignore_errors=True)
    return recording


def _part_paths(directory: str) -> list[str]:
    # As pandas reads a directory; what is still being written begins with a dot.
    names = sorted(name for name in os.listdir(directory) if name.endswith(".parquet"))
    found = [os.path.join(directory, name) for name in names if name[0] not in "._"]
    if not found:
        raise ReplayError(f"{directory}: no file in it is named *.parquet", path=directory)
    return found


class Recording(ABC):
    """What is known of a capture; to iterate reads it, page by page, oldest first.

    A page is a list of (stream, ID, fields). Of one stream, the IDs ascend.

    Attributes
    ----------
    path : str
        Its name.
    streams : dict of str to Layout
        Its streams, as far as they are known before it is read.
    has_ids : bool
        False for somebody's own events: their streams are then "" and their IDs "0-0".
    entries : int or None
        How many there are, if that is known before it is read.
    repeatable : bool
        Whether it can be read more than once.
    skipped : int
        How many lines or rows were skipped when it was last read.
    missed : int
        How many entries were removed before they could be captured, by what was read of it.
    is_cut_off : bool
        Whether it was found to have no end.
    """

    def __init__(self, path: str, on_error: OnError) -> None:
        self.path, self._on_error = path, on_error
        # What is opened: a copy, where `path` is none of this machine's files.
        self.local = path
        self.streams: dict[str, Layout] = {}
        self.has_ids = self.repeatable = True
        self.entries: int | None = None
        self.skipped = self.missed = 0
        self.is_cut_off = False

    def __iter__(self) -> Iterator[list[CapturedEntry]]:
        """Give the entries.

        Raises
        ------
        ReplayError
            At the first line or row that holds none, with its number; if it is no capture, or is
            damaged.
        """
        return self._pages()

    def warn_if_cut_off(self) -> None:
        """Warn if it was found to have no end."""
        if self.is_cut_off:
            warn(f"{self.path}: it has no last line: it was cut off, or its capture was broken off")

    def check(self) -> None:
        """Read all of it, if it can be read again, so that an error comes before anything else."""
        if self.repeatable:
            for _ in self:
                pass

    @abstractmethod
    def _pages(self) -> Iterator[list[CapturedEntry]]:
        """Give the entries from the beginning on."""

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
    """JSON Lines."""

    def __init__(self, path: str, file: BinaryIO | None, on_error: OnError) -> None:
        super().__init__(path, on_error)
        self.repeatable = file is None
        self._file = file
        # What the first lines say has to be known before a page is asked for.
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
        """Give the entries of each chunk; of the first also if there are none, but a header."""
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
        """Give lines as they come, so that those of a pipe need not wait for more of them."""
        pieces: list[bytes] = []
        size = lines = 0
        with self._opened() as (file, stored):
            while True:
                try:
                    chunk = file.read1(CHUNK_BYTES)
                except _DAMAGE_ERRORS as error:
                    # Not one of the disk, which has a number.
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
                    # Nothing ends the last line: it is whole, or shows that it is not.
                    whole.append(rest)
                if whole:
                    yield whole
                if not chunk:
                    return
                pieces, size = [rest], len(rest)
                lines += len(whole)

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        """Open the file, and what is compressed in it; give that, and the file itself if it is."""
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
    """Buffer an open file of the caller's, and leave it open."""

    def close(self) -> None:
        """Leave it open."""


class _CountedFile:
    """Lend a file, and count what is read of it."""

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.size = file, 0

    def read(self, size: int = -1) -> bytes:
        found = self._file.read(size)
        self.size += len(found)
        return found

    def close(self) -> None:
        pass


class _TableRecording(Recording):
    """One Parquet file or several."""

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
            # A page that is damaged was named above. Damage elsewhere may concern any row.
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
        # It takes a while to import, and not every session reads a capture.
        from pyarrow.parquet import ParquetFile

        try:
            # Arrow takes a name that is no UTF-8 as bytes alone.
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
