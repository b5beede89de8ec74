"""What is wrong with the streams of a database and their groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from redis.exceptions import ResponseError

from redisnb import cards, frames, wire
from redisnb.errors import GroupMissingError
from redisnb.explore.examination import Examination, Finding, counted
from redisnb.stream import (
    STREAM_QUESTIONS,
    STUCK_AFTER,
    ConsumerGroup,
    Stream,
    dead_letters_key,
    look,
    rows_of_groups,
    rows_of_streams,
)
from redisnb.wire import Connection

__all__ = ["check_all_streams"]

#: The shares of the time that may have passed when the streams are found, and when all are asked.
FOUND_SHARE, ASKED_SHARE = 0.8, 0.9
#: From how many entries, or bytes, on it matters that a stream grows without a bound.
LONG, LARGE = 10_000, 10 * 1024 * 1024
#: How many groups, those that are worst off, are asked why.
GROUPS_SEEN = 10
#: How many streams of a kind are named.
_STREAMS_NAMED = 5

StateRow = Mapping[str, Any]


def check_all_streams(exam: Examination) -> None:
    """Add what the streams of the database are, and what is wrong with them and their groups."""
    conn, on = exam.conn, "rnb.streams(conn)"
    try:
        pages = exam.within(FOUND_SHARE, wire.scan(conn, "*", "stream"), "more streams", on)
        keys = [key for page in pages for key in page]
        asked = ((part, _answers(conn, part)) for part in wire.batches(keys))
        seen = look(exam.within(ASKED_SHARE, asked, f"some of {len(keys):,} streams", on))
        rows = [dict(zip(frames.STREAMS, row, strict=True)) for row in rows_of_streams(conn, seen)]
        groups = [dict(zip(frames.GROUPS, row, strict=True)) for row in rows_of_groups(conn, seen)]
    except ResponseError as error:
        exam.refused("streams", error)
        return
    if not rows:
        return
    exam.found.append(_summary(rows, groups))
    added = {
        each.key: each.state.get(b"entries-added") for each in seen if isinstance(each.state, dict)
    }
    exam.found += _growing(rows, added)
    if unknown := [row for row in _large(rows) if row["rate"] and not added.get(row["stream"])]:
        what = f"whether something bounds the growth of {counted(len(unknown), 'stream')}"
        exam.skip(what, "this server does not count what was added", "rnb.streams(conn)")
    told = _check_groups(exam, groups)
    exam.found += _dead(rows, told)


def _answers(conn: Connection, keys: Sequence[bytes]) -> list[Any]:
    commands = ((*question, key) for key in keys for question in STREAM_QUESTIONS)
    return list(wire.ask_many(conn, commands))


def _summary(rows: Sequence[StateRow], groups: Sequence[StateRow]) -> Finding:
    length = sum(row["length"] or 0 for row in rows)
    size = cards.amount(sum(row["size"] or 0 for row in rows))
    growing = sum(1 for row in rows if row["rate"])
    evidence = f"{length:,} entries, {size}; {counted(growing, 'stream')} growing"
    finding = f"{counted(len(rows), 'stream')} and {counted(len(groups), 'group')}"
    return "note", "streams", finding, evidence, "rnb.streams(conn)"


def _large(rows: Sequence[StateRow]) -> list[StateRow]:
    return [row for row in rows if (row["length"] or 0) >= LONG or (row["size"] or 0) >= LARGE]


def _growing(rows: Sequence[StateRow], added: Mapping[str, int | None]) -> Iterator[Finding]:
    """Find streams that grow and from which nothing was ever removed."""
    growing = [r for r in _large(rows) if r["rate"] and added.get(r["stream"]) == r["length"]]
    growing.sort(key=lambda row: -(row["size"] or 0))
    for row in growing[:_STREAMS_NAMED]:
        size, rate = row["size"] or 0, row["rate"]
        daily = f", {cards.amount(size / row['length'] * rate * 86_400)} a day" if size else ""
        yield (
            "warning",
            f"stream {row['stream']!r}",
            "it grows, and nothing was ever removed from it",
            f"{row['length']:,} entries, {cards.amount(size)}; {rate:,.1f} more a second{daily}",
            f"stream = rnb.Stream(conn, {row['stream']!r}); "
            f"stream.trim(maxlen={LONG}, only='acked')",
        )
    if more := growing[_STREAMS_NAMED:]:
        evidence = f"{cards.amount(sum(row['size'] or 0 for row in more))} together"
        finding = f"{len(more):,} more grow, and nothing was ever removed from them"
        yield "warning", "streams", finding, evidence, "rnb.streams(conn)"


def _check_groups(exam: Examination, groups: Sequence[StateRow]) -> set[str]:
    """Ask the groups that are worst off why; return the streams whose dead letters they told of."""
    told: set[str] = set()
    ranked = sorted(groups, key=_trouble, reverse=True)
    for n, row in enumerate(ranked):
        if n == GROUPS_SEEN or exam.is_over():
            left = ranked[n:]
            late = sum(1 for each in left if each["pending"] or each["lag"] != 0)
            stuck = sum(1 for each in left if _trouble(each)[0] >= STUCK_AFTER)
            why = f"{late:,} of them have pending entries or a lag, {stuck:,} seem to be stuck"
            what = counted(len(left), "more group" if n else "group")
            exam.skip(what, why, "rnb.groups(conn)")
            break
        key, name = row["stream"], row["group"]
        try:
            found = ConsumerGroup(Stream(exam.conn, key), name).why()
        except (GroupMissingError, ResponseError) as error:
            exam.skip(f"group {name!r} of {key!r}", str(error))
            continue
        begin = f"group = rnb.ConsumerGroup(rnb.Stream(conn, {key!r}), {name!r}); "
        for severity, about, finding, evidence, remedy in found.itertuples(index=False, name=None):
            if "dead letter" in finding:
                told.add(key)
            # `groups` has the reasons for unknown lags, often the same for all.
            if not finding.startswith(("nothing holds the group up", "lag unknown")):
                code = f"{begin}{remedy}" if remedy else ""
                exam.found.append((severity, about, finding, evidence, code))
    return told


def _trouble(row: StateRow) -> tuple[int, int, int]:
    waits = row["lag"] != 0 and not row["consumers"]
    return (
        max(row["longest_idle"] or 0, 2**62 if waits else 0),
        row["pending"],
        1 if row["lag"] is None else row["lag"],
    )


def _dead(rows: Sequence[StateRow], told: set[str]) -> Iterator[Finding]:
    dead = [row for row in rows if row["dead_letters"] and row["stream"] not in told]
    dead.sort(key=lambda row: -row["dead_letters"])
    for row in dead[:_STREAMS_NAMED]:
        name = dead_letters_key(row["stream"])
        finding = f"it has {counted(row['dead_letters'], 'dead letter')}"
        remedy = f"rnb.Stream(conn, {name!r}).head()"
        yield "warning", f"stream {row['stream']!r}", finding, f"in {name!r}", remedy
    if more := dead[_STREAMS_NAMED:]:
        letters = sum(row["dead_letters"] for row in more)
        finding = f"{len(more):,} more have dead letters"
        yield "warning", "streams", finding, f"{letters:,} in all", "rnb.streams(conn)"
