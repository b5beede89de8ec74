"""Remote captures: in object stores, and wherever else fsspec has a file system for.

A file is written locally and uploaded when it is complete; it is read from a local copy.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeGuard

from redisnb.captures.part_file import PartFile
from redisnb.errors import MissingExtraError, option

__all__: list[str] = []

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
# These show an object only when it is complete. Other stores get it under another name first.
_OBJECT_STORES = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss"}


def is_remote(path: object) -> TypeGuard[str]:
    """Return whether a path is a URL, and not a file of this machine."""
    return isinstance(path, str) and _URL.match(path) is not None


class Place:
    """A remote file or folder, by its URL.

    Raises
    ------
    MissingExtraError
        If fsspec, or the package that it needs for this URL, is not installed.
    ValueError
        If fsspec does not know such URLs.
    """

    def __init__(self, url: str) -> None:
        try:
            import fsspec  # type: ignore[import-untyped]  # it ships no types
        except ImportError:
            raise MissingExtraError("fsspec", "remote") from None
        self.url = url.rstrip("/")
        try:
            self._files, self._path = fsspec.core.url_to_fs(self.url)
        except ImportError as error:
            raise MissingExtraError(f"a package for {url} ({error})", "remote") from None
        except ValueError as error:
            raise ValueError(f"{url}: {error}") from None
        # fsspec caches listings, which may have changed.
        self._files.invalidate_cache()

    def is_folder(self) -> bool:
        """Return whether there are files below it, and no file of its name."""
        return bool(self._files.isdir(self._path))

    def names(self) -> list[str]:
        """Return the names of the files in the folder."""
        if not self._files.isdir(self._path):
            return []
        paths = self._files.ls(self._path, detail=False)
        return sorted(path.rstrip("/").rpartition("/")[2] for path in paths)

    def exists(self, name: str = "") -> bool:
        """Return whether the file exists, or one of this name in the folder."""
        return bool(self._files.exists(self._path_of(name)))

    def fetch(self, local: str, name: str = "") -> None:
        """Copy a file to this machine."""
        self._files.get_file(self._path_of(name), local)

    def copy(self, folder: str) -> str:
        """Copy the file, or all Parquet files of the folder, to this machine; return its path."""
        local = os.path.join(folder, self.url.rpartition("/")[2] or "file")
        if not self.is_folder():
            self.fetch(local)
            return local
        os.mkdir(local)
        for name in self.names():
            # Files that are still being written begin with a dot.
            if name.endswith(".parquet") and name[0] not in "._":
                self.fetch(os.path.join(local, name), name)
        return local

    def put(self, local: str, name: str = "") -> None:
        """Upload a file, which appears when it is complete."""
        path = self._path_of(name)
        protocols = self._files.protocol
        protocols = {protocols} if isinstance(protocols, str) else {*protocols}
        if protocols & _OBJECT_STORES:
            # A folder is only part of a name there, and a bucket must not be created by mistake.
            self._files.put_file(local, path)
            return
        self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
        self._files.put_file(local, f"{path}.part")
        self._files.mv(f"{path}.part", path)

    def _path_of(self, name: str) -> str:
        return f"{self._path}/{name}" if name else str(self._path)


@contextmanager
def copy_folder() -> Iterator[str]:
    """Make a folder for a copy; it is kept unless an error is raised."""
    folder = tempfile.mkdtemp(prefix="redisnb-capture-")
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


class RemoteFile(PartFile):
    """A file that is written locally and uploaded when it is complete.

    Parameters
    ----------
    place : Place
        The remote file, or its folder.
    name : str
        Its name in the folder.
    overwrite : bool
        Whether an existing file is replaced at the end.
    """

    def __init__(self, place: Place, name: str, *, overwrite: bool) -> None:
        self._place, self._name = place, name
        self._folder = tempfile.mkdtemp(prefix="redisnb-capture-")
        path = f"{place.url}/{name}" if name else place.url
        try:
            super().__init__(path, os.path.join(self._folder, "part"), overwrite=overwrite)
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    def commit(self) -> None:
        """Upload it."""
        self.file.flush()
        self._refuse_existing()
        self._place.put(self.part, self._name)
        self.file.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _refuse_existing(self) -> None:
        if not self._overwrite and self._place.exists(self._name):
            raise FileExistsError(f"{self.path} exists; {option('overwrite', True)} replaces it")


class ForwardedFile(PartFile):
    """A file that is written locally, and copied into an open file when it is complete."""

    def __init__(self, target: Any, name: str) -> None:
        self._target = target
        self._folder = tempfile.mkdtemp(prefix="redisnb-capture-")
        super().__init__(name, os.path.join(self._folder, "part"), overwrite=True)

    def commit(self) -> None:
        """Copy it into the open file."""
        self.file.flush()
        with open(self.part, "rb") as written:
            shutil.copyfileobj(written, self._target)
        self._target.flush()
        self.file.close()
        shutil.rmtree(self._folder, ignore_errors=True)
