"""A frame as a file: CSV, JSON, JSON Lines or Parquet, written piece by piece."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pandas as pd
import pyarrow as pa

from redisnb import frames
from redisnb.entries import dump_json
from redisnb.errors import EncodeError
from redisnb.panels.parts.writing import flat_frame, whole_text

__all__ = ["EXPORTED", "ending_of", "save_frame", "write_frame"]

#: By the ending of a file, what it is called.
EXPORTED = {".csv": "CSV", ".json": "JSON", ".jsonl": "JSON Lines", ".parquet": "Parquet"}

#: How many rows are written between two steps.
_PIECE = 20_000

#: Called with the number of rows written; it may raise, which ends the writing.
Step = Callable[[int], object]


def ending_of(name: str) -> str:
    """Return the ending of a file's name, one of `EXPORTED`.

    Raises
    ------
    ValueError
        If it has another one.
    """
    ending = Path(name).suffix.lower()
    if ending not in EXPORTED:
        raise ValueError(f"{name!r} has no known ending: it is one of {', '.join(EXPORTED)}")
    return ending


def save_frame(
    frame: pd.DataFrame, path: str | os.PathLike[str], step: Step = lambda _: None
) -> tuple[Path, list[str]]:
    """Write a frame into a new file; return its full path, and what differs from the frame.

    Raises
    ------
    FileExistsError
        If there is such a file, which stays as it is.
    ValueError
        If its name has no known ending.
    """
    target = Path(path).expanduser().absolute()
    ending = ending_of(target.name)
    with _new_file(target) as file:
        notes = write_frame(frame, file, ending, step)
    return target, notes


def write_frame(frame: pd.DataFrame, file: IO[bytes], ending: str, step: Step) -> list[str]:
    """Write a frame into an open file; return sentences on what differs from the frame.

    Parquet keeps the index and all types. The others have a named index as their first columns, and
    the whole values; in JSON times and durations are in ISO 8601.
    """
    if ending == ".parquet":
        return _write_parquet(frame, file, step)
    flat = flat_frame(frame)
    if ending == ".csv":
        _write_csv(flat, file, step)
    else:
        _write_json(flat, file, step, is_array=ending == ".json")
    return []


@contextmanager
def _new_file(target: Path) -> Iterator[IO[bytes]]:
    """Write a file that appears under its name once it is complete, and replaces none."""
    if target.exists():
        raise _taken(target)
    if not target.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {target.parent}.")
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            yield file
        _place(part, target)
    finally:
        part.unlink(missing_ok=True)


def _place(part: Path, target: Path) -> None:
    try:
        # Unlike a renaming, a link replaces nothing.
        os.link(part, target)
    except FileExistsError:
        raise _taken(target) from None
    except OSError:  # a file system without links
        if target.exists():
            raise _taken(target) from None
        part.rename(target)


def _taken(target: Path) -> FileExistsError:
    return FileExistsError(f"There is a file {target.name} already: choose another name.")


def _write_csv(flat: pd.DataFrame, file: IO[bytes], step: Step) -> None:
    for start in range(0, max(1, len(flat)), _PIECE):
        piece = flat.iloc[start : start + _PIECE].copy()
        for name, dtype in piece.dtypes.items():
            if frames.is_object(dtype):
                # Lists and objects as JSON, not as Python writes them.
                piece[name] = piece[name].map(whole_text)
        text = piece.to_csv(index=False, header=not start, lineterminator="\n")
        file.write(text.encode(errors="surrogatepass"))
        step(min(start + _PIECE, len(flat)))


def _write_json(flat: pd.DataFrame, file: IO[bytes], step: Step, *, is_array: bool) -> None:
    for name, dtype in flat.dtypes.items():
        if dtype.kind == "m":
            flat[name] = flat[name].map(pd.Timedelta.isoformat, na_action="ignore")
    rows = frames.Rows(flat, missing="null", entries=False)
    between = b",\n" if is_array else b"\n"
    file.write(b"[\n" if is_array else b"")
    for start in range(0, len(rows), _PIECE):
        stop = min(start + _PIECE, len(rows))
        members = rows.json_members(start, stop)
        try:
            lines = (
                list(map(dump_json, rows.events(start, stop)))
                if members is None
                else [b"{%b}" % each for each in members]
            )
        except EncodeError as error:
            error.add_note("CSV and Parquet carry it.")
            raise
        file.write((between if start else b"") + between.join(lines))
        step(stop)
    file.write(b"\n]\n" if is_array else b"\n" if len(rows) else b"")


def _write_parquet(frame: pd.DataFrame, file: IO[bytes], step: Step) -> list[str]:
    # Imported late: it takes a tenth of a second.
    from pyarrow import parquet

    plain = frame.copy(deep=False)
    # They may be what Parquet cannot carry.
    plain.attrs = {}
    mixed = []
    for name, dtype in frame.dtypes.items():
        if frames.is_object(dtype) and not _is_arrow_column(plain[name]):
            mixed.append(repr(name))
            plain[name] = plain[name].map(_json_text, na_action="ignore")
    table = pa.Table.from_pandas(plain)
    with parquet.ParquetWriter(file, table.schema) as writer:
        for start in range(0, max(1, len(plain)), _PIECE):
            writer.write_table(table.slice(start, _PIECE))
            step(min(start + _PIECE, len(plain)))
    if not mixed:
        return []
    return [f"Columns with values of several kinds are JSON text there: {', '.join(mixed)}."]


def _is_arrow_column(column: pd.Series[Any]) -> bool:
    try:
        pa.array(column, from_pandas=True)
    except (pa.ArrowException, OverflowError):
        return False
    return True


def _json_text(value: Any) -> str:
    return dump_json(value).decode()
