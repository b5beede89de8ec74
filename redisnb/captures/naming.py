"""What a path means: a file and its format, or a directory and how far its captures have come."""

from __future__ import annotations

import os
import re
import tempfile
from io import TextIOBase
from typing import BinaryIO, NamedTuple, TypeAlias

from redisnb.captures import parquet
from redisnb.captures.remote import Place, is_remote
from redisnb.entries import as_text
from redisnb.errors import choose, option

__all__: list[str] = []

#: A file or a directory; or an open binary file, "-" for standard input or output.
CapturePath: TypeAlias = "str | os.PathLike[str] | BinaryIO"

TABLE = ".parquet"
_LINES = (".jsonl", ".jsonl.gz", ".jsonl.zst")
#: The formats of a file, named like its ending.
FORMATS = tuple(ending[1:] for ending in (TABLE, *_LINES))
_PART_NAME = re.compile(r"part-(\d+)\.parquet")


def refuse_bytes(path: object) -> None:
    """Refuse a path in bytes, which would be taken for an open file."""
    if isinstance(path, bytes):
        raise TypeError(f"a path is text, or a pathlib.Path: os.fsdecode({path!r})")


def refuse_text(file: object) -> None:
    """Refuse a file that was opened as text."""
    if isinstance(file, TextIOBase):
        raise TypeError("a capture is bytes: sys.stdout.buffer, or open(..., 'wb')")


def format_of(path: CapturePath, format: str | None) -> str | None:
    """Return the format of a file; None for a directory, or if nothing tells.

    Raises
    ------
    ValueError
        If it is not a format, or the name says another one.
    """
    if format is not None:
        choose(format, FORMATS, "format")
    name = path if isinstance(path, str | os.PathLike) else getattr(path, "name", "")
    name = os.fsdecode(name) if isinstance(name, str | bytes | os.PathLike) else ""
    # Not by os.path.splitext: "x.jsonl.gz" ends with ".gz".
    named = next((each for each in FORMATS if name.endswith(f".{each}")), None)
    if format is not None and named not in (None, format):
        raise ValueError(f"{option('format', format)}, and the name {name} says {named}")
    return format or named


def directory_of(path: CapturePath, place: Place | None) -> str | None:
    """Return the directory that a path names, or None if it names a file."""
    if not isinstance(path, str | os.PathLike) or path == "-":
        return None
    name = os.fsdecode(path)
    if place is not None and (name.endswith("/") or place.is_folder()):
        return name
    if place is None and (os.path.isdir(name) or name.endswith(os.sep)):
        return name
    if format_of(name, None):
        return None
    base = os.path.basename(name)
    if "." in base:
        raise ValueError(
            f"{name}: the name of a capture ends with {TABLE}, {', '.join(_LINES)}, or without "
            f"an ending, for a directory; {option('format', 'parquet')} says it for any name"
        )
    return name


class ResumePoint(NamedTuple):
    """How far an earlier capture into a directory has come.

    Attributes
    ----------
    number : int
        The number of the next file.
    last_ids : dict of key to ID
        The last entry of each stream.
    """

    number: int
    last_ids: dict[str, str]


def resume_point(path: CapturePath) -> ResumePoint:
    """Return how far earlier captures into a directory have come.

    Raises
    ------
    ValueError
        If it is not a directory, or its files do not say how far their capture has come.
    """
    place = Place(path) if is_remote(path) else None
    directory = directory_of(path, place)
    if directory is None:
        raise ValueError(f"{option('resume', True)} is for a directory of files, not for {path}")
    if place is None and not os.path.isdir(directory):
        return ResumePoint(0, {})
    names = sorted(os.listdir(directory) if place is None else place.names())
    names = [name for name in names if name.endswith(TABLE) and name[0] not in "._"]
    if not names:
        return ResumePoint(0, {})
    number = _PART_NAME.fullmatch(names[-1])
    if place is None:
        last_ids = parquet.last_ids_in(os.path.join(directory, names[-1]))
    else:
        with tempfile.TemporaryDirectory(prefix="redisnb-capture-") as folder:
            copy = os.path.join(folder, "copy")
            place.fetch(copy, names[-1])
            last_ids = parquet.last_ids_in(copy)
    if number is None or last_ids is None:
        raise ValueError(f"{directory}: {names[-1]} does not say how far it has come")
    return ResumePoint(int(number[1]) + 1, last_ids)


def prepare(directory: str, place: Place | None, resume_from: ResumePoint | None) -> None:
    """Create a directory for files, or check that it has none unless it is resumed.

    Raises
    ------
    FileExistsError
        If there are Parquet files and `resume_from` is None.
    """
    if place is None:
        os.makedirs(directory, mode=0o700, exist_ok=True)
    names = os.listdir(directory) if place is None else place.names()
    if resume_from is None and any(name.endswith(TABLE) for name in names):
        raise FileExistsError(
            f"{directory} has Parquet files; choose a new directory, or say "
            f"{option('resume', True)} to go on with it"
        )


def shown_name(path: CapturePath) -> str:
    """Return the name of a file as UTF-8, which the text in a frame is and a name need not be."""
    if isinstance(path, str | os.PathLike):
        name = os.fsdecode(path)
    else:
        name = str(getattr(path, "name", path))
    return as_text(os.fsencode(name))
