"""What a panel has a group do with entries, and what it says of the outcome."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from redisnb.durations import Duration, duration, milliseconds
from redisnb.entries import Position
from redisnb.stream import ConsumerGroup

__all__ = [
    "GroupResult",
    "acked",
    "autoclaimed",
    "buried",
    "entries_claimed",
    "position_moved",
    "redriven",
    "released",
    "trimmed",
    "without_consumers",
]


class GroupResult(NamedTuple):
    """How many, the sentence that says it, and the call that did it."""

    n: int
    text: str
    call: str


def entries_claimed(group: ConsumerGroup, ids: Sequence[str], min_idle: Duration) -> GroupResult:
    """Take entries over for the group's consumer."""
    n = len(group.claim(list(ids), min_idle=min_idle))
    why = f"delivered less than {_written_span(min_idle)} ago, no longer pending, or trimmed"
    text = _result_text(n, len(ids), f"claimed for {group.consumer!r}", why)
    return GroupResult(n, text, _settling_call("claim", ids, min_idle=min_idle))


def autoclaimed(
    group: ConsumerGroup, min_idle: Duration, held_by: str | None = None
) -> GroupResult:
    """Take over what is idle for long, of one consumer or of all."""
    if held_by is None:
        n = len(group.autoclaim(min_idle=min_idle))
        call = f"group.autoclaim(min_idle={min_idle!r})"
        return GroupResult(n, f"{n:,} claimed for {group.consumer!r}", call)
    held = group.pending(consumer=held_by)
    n = len(group.claim(held, min_idle=min_idle))
    call = f"group.claim(group.pending(consumer={held_by!r}), min_idle={min_idle!r})"
    why = f"delivered less than {_written_span(min_idle)} ago, no longer pending, or trimmed"
    return GroupResult(n, _result_text(n, len(held), f"claimed for {group.consumer!r}", why), call)


def acked(group: ConsumerGroup, ids: Sequence[str]) -> GroupResult:
    """Acknowledge entries."""
    n = group.ack(list(ids))
    return GroupResult(
        n,
        _result_text(n, len(ids), "acknowledged", "no longer pending"),
        _settling_call("ack", ids),
    )


def released(group: ConsumerGroup, ids: Sequence[str]) -> GroupResult:
    """Give back entries that the group's consumer holds."""
    n = group.release(list(ids))
    why = f"{group.consumer!r} does not hold them; claim them first"
    what = "released, for any consumer to claim (they count as idle for a day)"
    return GroupResult(n, _result_text(n, len(ids), what, why), _settling_call("release", ids))


def buried(group: ConsumerGroup, ids: Sequence[str], min_idle: Duration) -> GroupResult:
    """Move entries to the dead letters."""
    rows = group.bury(list(ids), min_idle=min_idle)
    text = _result_text(
        _count_moved(rows), len(ids), "moved to the dead letters", _first_error(rows)
    )
    return GroupResult(_count_moved(rows), text, _settling_call("bury", ids, min_idle=min_idle))


def redriven(group: ConsumerGroup, ids: Sequence[str]) -> GroupResult:
    """Send dead letters back to the group."""
    rows = group.redrive(list(ids))
    what = "sent back, for any consumer of the group to claim"
    text = _result_text(_count_moved(rows), len(ids), what, _first_error(rows))
    return GroupResult(_count_moved(rows), text, _settling_call("redrive", ids))


def trimmed(group: ConsumerGroup, maxlen: int) -> GroupResult:
    """Delete the oldest entries of the stream that every group has acknowledged."""
    n = group.stream.trim(maxlen=maxlen, only="acked")
    return GroupResult(n, f"{n:,} entries deleted", f"group.stream.trim({maxlen=}, only='acked')")


def without_consumers(group: ConsumerGroup, names: Sequence[str]) -> GroupResult:
    """Remove consumers that hold nothing."""
    n = sum(group.remove_consumer(name) for name in names)
    calls = "; ".join(f"group.remove_consumer({name!r})" for name in names)
    text = f"{n:,} of {len(names):,} consumers removed"
    if len(names) == 1:
        name = names[0]
        text = f"removed consumer {name!r}" if n else f"there is no consumer {name!r}"
    return GroupResult(n, text, calls)


def position_moved(
    group: ConsumerGroup, start: Position, *, dry_run: bool
) -> tuple[pd.DataFrame, GroupResult]:
    """Move a group to another position, or tell what that would do."""
    position = group.set_position(start, dry_run=dry_run)
    row = position.iloc[0]
    goes, skips, repeats = (
        ("would go", "would skip", "repeat") if dry_run else ("went", "skips", "repeats")
    )
    text = (
        f"{row['group']!r} {goes} from {row['before']} to {row['after']}: {skips} "
        f"{row['skipped']:,} and {repeats} {row['repeated']:,}. What is pending stays pending."
    )
    call = "" if dry_run else f"group.set_position({start!r})"
    return position, GroupResult(int(row["skipped"] + row["repeated"]), text, call)


def _result_text(n: int, all: int, what: str, why: str) -> str:
    rest = f"; {all - n:,} left alone: {why}" if n < all else ""
    return f"{n:,} of {all:,} {what}{rest}"


def _settling_call(verb: str, ids: Sequence[str], **options: Any) -> str:
    arguments = [repr(list(ids)), *(f"{name}={value!r}" for name, value in options.items())]
    return f"group.{verb}({', '.join(arguments)})"


def _written_span(value: Duration) -> str:
    return duration(pd.Timedelta(milliseconds(value, "min_idle"), "ms"))


def _count_moved(rows: pd.DataFrame) -> int:
    return int((rows["status"] == "added").sum())


def _first_error(rows: pd.DataFrame) -> str:
    failed = rows["error"].dropna()
    return "" if failed.empty else str(failed.iloc[0])
