"""Types that not every server has: their plain names, and the commands that describe a value.

JSON documents, vector sets, the probabilistic types, time series: some servers have them built in,
others load a module.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from redisnb import frames, wire
from redisnb.entries import as_text

__all__ = ["INFO_COMMANDS", "JSON_TYPE", "description_frame", "plain_type", "server_types"]

JSON_TYPE = "json"
# By plain name: the names that TYPE returns, and the command that describes a value.
_MODULE_TYPES: dict[str, tuple[tuple[str, ...], str]] = {
    JSON_TYPE: (("ReJSON-RL",), ""),
    "vectorset": (("vectorset",), "VINFO"),
    "bloom": (("MBbloom--", "bloomfltr"), "BF.INFO"),
    "cuckoo": (("MBbloomCF",), "CF.INFO"),
    "countmin": (("CMSk-TYPE",), "CMS.INFO"),
    "topk": (("TopK-TYPE",), "TOPK.INFO"),
    "tdigest": (("TDIS-TYPE",), "TDIGEST.INFO"),
    "timeseries": (("TSDB-TYPE",), "TS.INFO"),
    "graph": (("graphdata",), ""),
}
_PLAIN_TYPES = {
    server: plain for plain, (servers, _) in _MODULE_TYPES.items() for server in servers
}
#: The command that describes a value, by its plain type.
INFO_COMMANDS = {plain: command for plain, (_, command) in _MODULE_TYPES.items() if command}


def plain_type(type: str) -> str:
    """Return the plain name of a type as TYPE returns it."""
    return _PLAIN_TYPES.get(type, type)


def server_types(type: str) -> tuple[str, ...]:
    """Return the names that TYPE returns for a type, given by any of its names."""
    return _MODULE_TYPES[type][0] if type in _MODULE_TYPES else (type,)


def description_frame(reply: Any) -> pd.DataFrame:
    """Return a server's description of a value as a frame of one row."""
    facts = wire.mapping(reply).items()
    return frames.info_frame({as_text(name): _plain_value(value) for name, value in facts})


def _plain_value(value: Any) -> Any:
    if isinstance(value, bytes):
        return as_text(value)
    if isinstance(value, dict):
        return {_plain_value(name): _plain_value(each) for name, each in value.items()}
    return list(map(_plain_value, value)) if isinstance(value, Iterable) else value
