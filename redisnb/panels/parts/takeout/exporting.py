"""Export: a form that writes what a panel shows into a file, here or on the user's machine."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Callable, Mapping
from typing import IO, Any, Protocol

import pandas as pd

from redisnb import cards
from redisnb.panels.parts.controls import Action, Choices, Input
from redisnb.panels.parts.lane import Lane, Task
from redisnb.panels.parts.part import Act, Box, Label, Strip
from redisnb.panels.parts.takeout.files import (
    EXPORTED,
    ending_of,
    save_frame,
    write_frame,
)
from redisnb.panels.parts.takeout.variables import frame_size

__all__ = ["Download", "ExportForm", "Reports"]

#: How much a page is given at once, and at most: it keeps the file in memory until it is whole.
_PIECE_BYTES, _LARGEST_DOWNLOAD = 2 << 20, 200_000_000


class Reports(Protocol):
    """What shows an error: the panel's trouble."""

    def report(self, error: BaseException, again: Callable[[], object] | None = None) -> None:
        """Show an error; with `again`, offer to do that."""


class Download(Action):
    """A button that saves a file on the machine of the user whose page it is.

    `on` is called when it is pressed, and calls `give` at any time later. The page then asks for
    the pieces, one after the other.
    """

    kind = "download"

    def __init__(self, label: str, on: Act, *, on_progress: Act) -> None:
        super().__init__(label, on)
        self._on_progress = on_progress
        self._file: IO[bytes] | None = None
        self.name, self.size, self.sent = "", 0, 0

    def give(self, file: IO[bytes], name: str) -> None:
        """Begin to send a file; it is closed at the end."""
        self._file, self.name, self.size, self.sent = file, name, file.tell(), 0
        self._send(0)

    def heard(self, act: str, message: Mapping[str, Any]) -> None:
        """Begin, or send the piece that the page asks for."""
        if act == "press":
            super().heard(act, message)
            return
        self._send(int(message["at"]))
        self._on_progress()

    def _send(self, at: int) -> None:
        file = self._file
        if file is None:
            return
        file.seek(at)
        piece = base64.b64encode(file.read(_PIECE_BYTES)).decode()
        self.sent = min(self.size, at + _PIECE_BYTES)
        if self.sent == self.size:
            file.close()
            self._file = None
        assert self.channel is not None
        about = {"name": self.name, "size": self.size, "at": at}
        self.channel.send({"part": self.id, "piece": piece, **about})


class ExportForm(Box):
    """A file name and its format, and the buttons that save or download it."""

    def __init__(
        self, frame: Callable[[], pd.DataFrame], name: str, said: Label, trouble: Reports
    ) -> None:
        self._frame, self._said, self._trouble = frame, said, trouble
        formats = list(EXPORTED.items())
        self._format = Choices("Format", formats, on=self._name_ending)
        self._file = Input("File", f"{name}.csv", on=self.save, size=24)
        self._stop = Action("Stop", self.stop)
        self._stop.set(hidden=True)
        self._download = Download("Download", self.download, on_progress=self._show_sent)
        here = Action("Save", self.save, tip="Save it beside the notebook")
        super().__init__(
            Strip(self._file, self._format, self._download, here, self._stop),
            look="form",
            hidden=True,
        )
        self._lane = Lane("export", self._failed)

    def save(self) -> None:
        """Write a new file beside the notebook, in the background."""

        def job(task: Task) -> None:
            frame = self._begin(task)
            path, notes = save_frame(frame, self._name(), self._step(task, len(frame)))
            size = cards.amount(path.stat().st_size)
            self._end(task, f"Saved {path}: {size}, {frame_size(frame)}.", notes)

        self._do(job)

    def download(self) -> None:
        """Save a file through the browser; it is written here first, in the background."""

        def job(task: Task) -> None:
            frame, name = self._begin(task), self._name()
            # Not closed here, unless it fails: the page asks for it piece by piece.
            file = tempfile.TemporaryFile()  # noqa: SIM115 - see above
            try:
                step = self._step(task, len(frame))
                notes = write_frame(frame, file, ending_of(name), step)
                if file.tell() > _LARGEST_DOWNLOAD:
                    raise ValueError(
                        f"{name} has {cards.amount(file.tell())}, and a page takes "
                        f"{cards.amount(_LARGEST_DOWNLOAD)} at once: save it beside the notebook."
                    )
                self._end(task, f"Sending {name}", notes)
            except BaseException:
                file.close()
                raise
            self._download.give(file, name)

        self._do(job)

    def stop(self) -> None:
        """Call off what is being written; nothing of it stays."""
        self._lane.cancel()
        self._stop.set(hidden=True)
        self._said.set(text="Stopped: nothing was saved.", tone="")

    def _do(self, job: Callable[[Task], object]) -> None:
        self._file.set(error="")
        try:
            self._file.set(value=self._name())
        except ValueError as error:
            self._file.set(error=str(error))
            return
        self._stop.set(hidden=False)
        self._said.set(text="Writing", tone="")
        self._lane.do(job)

    def _begin(self, task: Task) -> pd.DataFrame:
        frame = self._frame()
        task.check()
        return frame

    def _step(self, task: Task, rows: int) -> Callable[[int], None]:
        def step(n: int) -> None:
            with task.show():
                self._said.set(text=f"Writing: {n:,} of {rows:,} rows")

        return step

    def _end(self, task: Task, text: str, notes: list[str]) -> None:
        with task.show():
            self._stop.set(hidden=True)
            self._said.set(text="\n".join([text, *notes]))

    def _show_sent(self) -> None:
        it = self._download
        if it.sent < it.size:
            self._said.set(text=f"Sending {it.name}: {it.sent / it.size:.0%}")
        else:
            self._said.set(text=f"Downloaded {it.name}: {cards.amount(it.size)}.")

    def _name(self) -> str:
        """Return the name of the file; without a known ending it gets that of the format."""
        name: str = self._file["value"].strip()
        if not name:
            raise ValueError("Type a file name, such as entries.csv.")
        try:
            self._format.set(value=ending_of(name))
        except ValueError:
            name += self._format["value"]
        return name

    def _name_ending(self) -> None:
        name: str = self._file["value"].strip()
        for ending in EXPORTED:
            name = name.removesuffix(ending)
        self._file.set(value=name + self._format["value"])

    def _failed(self, error: Exception, job: Callable[[Task], object]) -> None:
        self._stop.set(hidden=True)
        self._said.set(text="")
        if isinstance(error, FileExistsError | FileNotFoundError):
            self._file.set(error=str(error))
        else:
            self._trouble.report(error, lambda: self._do(job))
