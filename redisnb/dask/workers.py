"""What runs in Dask's workers: one connection for each process, and the read of one partition."""

from __future__ import annotations

import os
import socket
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from redisnb.errors import ConnectError, DecodeError, RedisnbError
from redisnb.frames import Schema
from redisnb.stream import Stream
from redisnb.wire import Connection, connect, environment_address

__all__ = ["StreamRecipe"]

_lock = threading.Lock()
#: The connections of this process, by its number and their URLs.
_connections: dict[tuple[int, str], Connection] = {}


def worker_connection(env: str | None) -> Connection:
    """Return this process's read-only connection, by the address in its environment.

    Raises
    ------
    ConnectError
        If there is no address, or no server answers at it; it names the variable and this process.
    """
    here = f"process {os.getpid()} on {socket.gethostname()}"
    found = environment_address() if env is None else (os.environ.get(env), env)
    url, name = found or (None, "REDISNB_URL or $REDIS_URL")
    if not url:
        raise ConnectError(
            f"{here} has no ${name}; each of Dask's workers, and the process that calls "
            "read_stream(), takes the server's address from its own environment"
        )
    with _lock:
        # A forked process must not use its parent's.
        place = os.getpid(), url
        if place not in _connections:
            try:
                _connections[place] = connect(url, read_only=True)
            except ConnectError as error:
                error.add_note(f"the address is that of ${name} in {here}")
                raise
        return _connections[place]


@dataclass(frozen=True)
class StreamRecipe:
    """A stream as the graph has it: where to find its address, and how to read it; no secrets.

    Attributes
    ----------
    key : str
    env : str or None
        The environment variable with the server's URL; None for those of `connect`.
    options : mapping of str to object
        The other arguments of `Stream`.
    strict : bool
        Whether a read that would return less than there was fails.
    call : str
        Different for each call of `read_stream`. Dask takes equal tasks for one, whose result it
        may still have, and the stream may have changed since.
    """

    key: str
    env: str | None
    options: dict[str, Any]
    strict: bool
    call: str = field(default_factory=lambda: uuid.uuid4().hex)

    def stream(self, schema: Schema | None = None) -> Stream:
        """Return the stream on this process's connection."""
        return Stream(worker_connection(self.env), self.key, **self.options, schema=schema)


def read_partition(
    bounds: tuple[str, str],
    recipe: StreamRecipe,
    schema: Schema,
    columns: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return the entries of one partition: exactly these columns, in the dtypes of the schema.

    Raises
    ------
    RedisnbError
        If its first entry is gone, or others were removed while it was read.
    DecodeError
        If a value does not fit the schema.
    """
    stream = recipe.stream(schema)
    names = ["entry_id", *schema] if columns is None else list(columns)
    wanted = [name for name in names if name != "entry_id"]
    frame = stream.range(*bounds, limit=None, columns=wanted)
    first = bounds[0]
    if frame.empty or frame["entry_id"].iloc[0] != first:
        frame.attrs["missed"] = max(1, frame.attrs["missed"])
    if recipe.strict:
        _check_partition(frame, recipe.key, bounds)
    return frame[names]


def _check_partition(frame: pd.DataFrame, key: str, bounds: tuple[str, str]) -> None:
    part = f"{key!r}, from {bounds[0]} to {bounds[1].removeprefix('(')}"
    if frame.attrs["missed"]:
        raise RedisnbError(
            f"{part}: entries were removed after read_stream() was called; call it again, or with "
            "strict=False, which reads those that are left"
        )
    if misfits := frame.attrs["misfits"]:
        counts = ", ".join(f"{count:,} of {name!r}" for name, count in misfits.items())
        dtypes = ", ".join(f"{name!r}: 'object'" for name in misfits)
        raise DecodeError(
            f"{part}: values do not fit the schema: {counts}; read_stream(..., schema={{{dtypes}, "
            "...}) keeps any value, and strict=False reads them as missing"
        )
