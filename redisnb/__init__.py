"""redisnb: Redis as DataFrames, for notebooks.

>>> import redisnb as rnb
>>> conn = rnb.connect("redis://localhost:6379/0")
>>> rnb.streams(conn)
>>> rnb.Stream(conn, "orders").tail()
"""

from typing import TYPE_CHECKING, Any

from redisnb.background import stop_all
from redisnb.captures import capture, load
from redisnb.consumers import Consumer
from redisnb.entries import Entry, EntryId, to_bytes
from redisnb.errors import (
    ConnectError,
    DecodeError,
    EncodeError,
    EntryIdError,
    GroupMissingError,
    MissingExtraError,
    ReadOnlyError,
    RedisnbError,
    RedisnbWarning,
    ReplayError,
    UncertainWriteError,
)
from redisnb.explore import clients, command, doctor, info, slowlog, watch
from redisnb.keyspace import Cache, groups, keys, preview, streams, tree, values
from redisnb.replays import Replay, Report, replay
from redisnb.samples import flights
from redisnb.stream import ConsumerGroup, Stream
from redisnb.wire import Connection, Server, connect

if TYPE_CHECKING:
    from redisnb import dask as dask
    from redisnb import panels as panels
    from redisnb.explore import plots as plots

    __version__: str

__all__ = [
    "Cache",
    "ConnectError",
    "Connection",
    "Consumer",
    "ConsumerGroup",
    "DecodeError",
    "EncodeError",
    "Entry",
    "EntryId",
    "EntryIdError",
    "GroupMissingError",
    "MissingExtraError",
    "ReadOnlyError",
    "RedisnbError",
    "RedisnbWarning",
    "Replay",
    "ReplayError",
    "Report",
    "Server",
    "Stream",
    "UncertainWriteError",
    "__version__",
    "capture",
    "clients",
    "command",
    "connect",
    "doctor",
    "flights",
    "groups",
    "info",
    "keys",
    "load",
    "panels",
    "plots",
    "preview",
    "replay",
    "slowlog",
    "stop_all",
    "streams",
    "to_bytes",
    "tree",
    "values",
    "watch",
]


if not TYPE_CHECKING:  # or type checkers would accept any name

    def __getattr__(name: str) -> Any:
        # ipywidgets takes longer to import than the rest of redisnb. `dask` is not among the public
        # names, because ``from redisnb import *`` would hide Dask itself.
        places = {name: f"redisnb.{name}" for name in ("dask", "panels")}
        places["plots"] = "redisnb.explore.plots"
        if name in places:
            import importlib

            return importlib.import_module(places[name])
        if name == "__version__":
            from importlib.metadata import version

            return version("redisnb")
        from redisnb.errors import nearest

        meant = None if name.startswith("_") else nearest(name, __all__)
        hint = "" if meant is None else f"; did you mean {meant}?"
        # Without the module, or Python would suggest similar names again.
        raise AttributeError(f"redisnb has no {name!r}{hint}", name=name, obj=None)


def load_ipython_extension(shell: Any) -> None:
    """Load ``%redis`` and ``%%redis``: ``%load_ext redisnb``."""
    from redisnb.explore import load_magics

    load_magics(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Take them away again, and close what they connected: ``%unload_ext redisnb``."""
    from redisnb.explore import unload_magics

    unload_magics(shell)


def __dir__() -> list[str]:
    # Completion shows the public names and not the subpackages.
    return __all__
