"""The call that does without a panel what a replaying panel does."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from redisnb.panels.parts import PythonCode
from redisnb.panels.replaying.course import Settings
from redisnb.stream import Stream
from redisnb.wire import Connection

__all__ = ["replay_python"]


def replay_python(
    sources: Sequence[Any], target: Any, settings: Settings, begins: str, options: Mapping[str, Any]
) -> str:
    """Return the call of `redisnb.replay` with these sources and settings, as a script."""
    code = PythonCode()
    to = _target(code, target)
    given = [
        _source_name(code, each, "source" if len(sources) == 1 else f"source{i}")
        for i, each in enumerate(sources, 1)
    ]
    source = given[0] if len(given) == 1 else code.keep("sources", f"[{', '.join(given)}]")
    speed: Any = None if settings.speed == 1 else settings.speed
    if speed == math.inf:
        speed = code.keep("speed", 'float("inf")')
    chosen = {name: each for name, each in options.items() if (name, each) != ("ids", "new")}
    call = code.call(
        "rnb.replay",
        source,
        to,
        start=begins or settings.first or None,
        end=settings.last or None,
        speed=speed,
        max_gap=settings.pace["max_gap"],
        **chosen,
    )
    code.keep("report", call)
    return str(code)


def _stream_call(code: PythonCode, stream: Stream) -> str:
    conn = code.connection(stream.conn.url)
    return code.call("rnb.Stream", conn, stream.key, **stream.layout.options())


def _source_name(code: PythonCode, each: Any, name: str) -> str:
    if isinstance(each, Stream):
        return code.keep(name, _stream_call(code, each))
    if isinstance(each, str | os.PathLike):
        return code.keep(name, repr(os.fspath(each)))
    # It has no name here: the one that it has in the notebook belongs there.
    return code.keep(name, "frame" if isinstance(each, pd.DataFrame) else "table")


def _target(code: PythonCode, target: Any) -> str:
    if isinstance(target, Stream):
        return code.keep("target", _stream_call(code, target))
    if isinstance(target, Connection):
        return code.connection(target.url)
    pairs = (f"{key!r}: {_stream_call(code, each)}" for key, each in target.items())
    return code.keep("target", f"{{{', '.join(pairs)}}}")
