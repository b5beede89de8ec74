"""Types that are not in every server, by plain names, and what is asked about a value of one.

JSON documents, vector sets, the probabilistic types, time series: some servers have them built in,
some by a module.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from redisnb import frames, wire
from redisnb.entries import as_text

__all__ = ["INFO", "JSON", "information", "plain_type", "server_types"]

JSON = "json"
# By plain name: as TYPE has it, and the command that describes a value.
_TYPES: dict[str, tuple[tuple[str, ...], str]] = {
    JSON: (("ReJSON-RL",), ""),
    "vectorset": (("vectorset",), "VINFO"),
    "bloom": (("MBbloom--", "bloomfltr"), "BF.INFO"),
    "cuckoo": (("MBbloomCF",), "CF.INFO"),
    "countmin": (("CMSk-TYPE",), "CMS.INFO"),
    "topk": (("TopK-TYPE",), "TOPK.INFO"),
    "tdigest": (("TDIS-TYPE",), "TDIGEST.INFO"),
    "timeseries": (("TSDB-TYPE",), "TS.INFO"),
    "graph": (("graphdata",), ""),
}
_PLAIN = {server: plain for plain, (servers, _) in _TYPES.items() for server in servers}
#: What describes a value, by its plain type.
INFO = {plain: command for plain, (_, command) in _TYPES.items() if command}


def plain_type(type: str) -> str:
    """Return the plain name of a type that TYPE names."""
    return _PLAIN.get(type, type)


def server_types(type: str) -> tuple[str, ...]:
    """Return how servers call a type; as TYPE has it is as good as its plain name."""
    return _TYPES[type][0] if type in _TYPES else (type,)


def information(reply: Any) -> pd.DataFrame:
    """Return what a server tells of a value as a frame of one row."""
    told = wire.mapping(reply).items()
    return frames.info_frame({as_text(name): _plain(value) for name, value in told})


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return as_text(value)
    if isinstance(value, dict):
        return {_plain(name): _plain(each) for name, each in value.items()}
    return list(map(_plain, value)) if isinstance(value, Iterable) else value
