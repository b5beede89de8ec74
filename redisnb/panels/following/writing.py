"""What a live panel says of its entries: a caption, and the calls that make the same frame."""

from __future__ import annotations

from collections.abc import Sequence

from redisnb.consumers import KEPT_ENTRIES, Consumer
from redisnb.frames import Where
from redisnb.panels.following.keeping import Kept, KeptRows
from redisnb.panels.following.sources import LiveSource
from redisnb.panels.parts import PythonCode

__all__ = ["live_caption", "live_python"]

#: Of how many entries the IDs are written.
_MOST_IDS = 1_000


def live_caption(kept: Kept, stats: dict[str, int], consumer: Consumer | None) -> str:
    """Return how many entries were read, and what has become of them."""
    if not kept.looked:
        return ""
    words = [f"{kept.looked:,} received"]
    if kept.is_filtered:
        words = [f"looked at {kept.looked:,}, {kept.matched:,} match"]
    if kept.matched > KEPT_ENTRIES:
        words.append(f"last {KEPT_ENTRIES:,} kept")
    counts = ["failed", "dead", "trimmed", "missed"]
    for name in ["handled", *counts] if consumer is not None else counts:
        if stats[name]:
            words.append(f"{stats[name]:,} {name}")
    return ", ".join(words)


def live_python(
    source: LiveSource,
    rows: KeptRows,
    filters: Sequence[Where],
    names: Sequence[str] | None,
    *,
    failed_only: bool,
) -> str:
    """Return the calls that make the frame of some rows, and, as a comment, how to go on."""
    code = PythonCode()
    conn = code.connection(source.streams[0].conn.url)
    entries = rows.entries()
    # Of a stream it is all that match, from the first to the last; else others may stand between.
    is_whole = source.consumer is None and not source.groups
    chosen = filters[0] if filters else None
    for i, stream in enumerate(source.streams):
        number = "" if not i else str(i + 1)
        made = code.call("rnb.Stream", conn, stream.key, **stream.layout.options())
        name = code.keep(f"stream{number}", made)
        ids = [id.decode() for key, id, _ in entries if key == stream.key]
        if not ids:
            continue
        by_id = not is_whole or failed_only or len(filters) > 1
        where = {"entry_id": ids} if by_id and len(ids) <= _MOST_IDS else chosen
        part = code.method(name, "range", ids[-1], ids[0], reverse=True, where=where)
        frame = code.keep(f"frame{number}", part)
        if names is not None:
            code.keep(frame, f"{frame}[{list(names)!r}]")
    code.do(f"# And as they come: {_going_on(source, chosen)}")
    return str(code)


def _going_on(source: LiveSource, where: Where | None) -> str:
    reads = f"rnb.ConsumerGroup(stream, {source.groups[0].name!r})" if source.groups else "stream"
    chosen = "" if where is None else f", where={getattr(where, '__name__', repr(where))}"
    return f"rnb.Consumer({reads}, print{chosen}).start()"
