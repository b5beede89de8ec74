"""What was really handled, by the handlers' own account, and how it compares with what was sent."""

import os
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple


class Line(NamedTuple):
    """One call of a handler that got as far as its work."""

    entry_id: str
    consumer: str
    at: float


class Ledger:
    """A file that handlers of any process add a line to, each with one write."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_APPEND | os.O_CREAT | os.O_RDWR, 0o600)
        self._read, self._lines = 0, list[Line]()
        self._lock = threading.Lock()

    def note(self, entry_id: str, consumer: str = "-") -> None:
        """Note that an entry has been handled now."""
        os.write(self._file, f"{entry_id} {consumer} {time.time()}\n".encode())

    def lines(self) -> list[Line]:
        """Return what was handled, in order."""
        with self._lock:
            # Only what is new is read, up to the last line that is whole.
            data = os.pread(self._file, 1 << 24, self._read)
            data = data[: data.rfind(b"\n") + 1]
            self._read += len(data)
            for line in data.decode().splitlines():
                entry_id, consumer, at = line.split(" ")
                self._lines.append(Line(entry_id, consumer, float(at)))
            return list(self._lines)

    def ids(self) -> list[str]:
        """Return the IDs of what was handled, in order, repeats too."""
        return [line.entry_id for line in self.lines()]

    def close(self) -> None:
        """Close the file; it stays."""
        os.close(self._file)


@dataclass(frozen=True)
class Account:
    """Lost, doubled and stuck entries.

    `lost` were published, the publisher knows it, and no handler has had them; `repeats` is how
    many calls of a handler were not the first for their entry; `stuck` are still pending.
    """

    lost: list[str]
    repeats: int
    stuck: list[str] = field(default_factory=list)


def account(published: Iterable[str], handled: Iterable[str], stuck: Iterable[str] = ()) -> Account:
    """Compare what was published with what was handled."""
    counts = Counter(handled)
    lost = [entry_id for entry_id in published if entry_id not in counts]
    return Account(lost, counts.total() - len(counts), list(stuck))
