"""Files that appear under their name only when they are complete."""

from __future__ import annotations

import fcntl
import os

from redisnb.errors import RedisnbError, option

__all__: list[str] = []


class PartFile:
    """A new file that is written under another name and renamed at the end.

    Parameters
    ----------
    path : str
        Its final name.
    part : str
        Its name until then. What an earlier attempt left there is overwritten.
    overwrite : bool
        Whether an existing file at `path` is replaced at the end.

    Raises
    ------
    FileExistsError
        If a file exists that may not be replaced, now or at the end.
    RedisnbError
        If another process is writing it now.
    """

    def __init__(self, path: str, part: str, *, overwrite: bool) -> None:
        self.path, self.part, self._overwrite = path, part, overwrite
        self._refuse_existing()
        # Readable by this user alone, and not through a symbolic link that another user made.
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self.file = os.fdopen(os.open(part, flags, 0o600), "wb", buffering=1024 * 1024)
        try:
            self._lock()
        except BaseException:
            self.file.close()
            raise

    def _lock(self) -> None:
        descriptor = self.file.fileno()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_ours = os.path.samestat(os.fstat(descriptor), os.stat(self.part))
        except (BlockingIOError, FileNotFoundError):
            is_ours = False
        if not is_ours:
            raise RedisnbError(f"{self.part}: another capture is writing it now")
        os.fchmod(descriptor, 0o600)
        os.ftruncate(descriptor, 0)

    def commit(self) -> None:
        """Flush it to the disk, and rename it to its final name."""
        self.file.flush()
        os.fsync(self.file.fileno())
        self._refuse_existing()
        os.rename(self.part, self.path)
        self.file.close()
        # The directory has the new name, and must be on the disk as well.
        directory = os.open(os.path.dirname(self.path) or ".", os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def abandon(self) -> None:
        """Close it, and leave what was written under the other name."""
        self.file.close()

    def _refuse_existing(self) -> None:
        if os.path.lexists(self.path) and not self._overwrite:
            raise FileExistsError(f"{self.path} exists; {option('overwrite', True)} replaces it")
