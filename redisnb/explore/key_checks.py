"""What is wrong with the keys of a database: what never expires, and what is huge."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import pandas as pd
from redis.exceptions import ResponseError

from redisnb import cards, wire
from redisnb.explore.examination import Examination, Finding, counted
from redisnb.keyspace import described_keys, glob

__all__ = ["check_keys"]

#: At most how many parts of 1,000 keys are looked at: SCAN goes through a database by the hashes of
#: its keys, so that the first ones are a sample of all.
PARTS_SEEN = 20
#: The share of the time that may have passed until then.
KEYS_SHARE = 0.4
#: From how many bytes on a value is huge.
HUGE = 1024 * 1024
#: How many keys of a prefix tell something about it.
TELLING = 10
#: What share of them has to expire before the others count as forgotten.
EXPIRING = 0.1
# The part of a name that says what the key is about, with its separator.
_KEY_PREFIX = r"^([^:/.|_-]*[:/.|_-])"
#: How many prefixes, and how many huge values, are named.
_MOST_NAMED = 5


def check_keys(exam: Examination) -> None:
    """Add what never expires by prefix, and values that are huge, of a sample of the keys."""
    total = exam.ask("how many keys there are (DBSIZE)", "DBSIZE")
    pages = wire.scan(exam.conn, "*")
    parts = islice((part for page in pages for part in wire.batches(page)), PARTS_SEEN)
    try:
        seen = [
            described_keys(exam.conn, part, sizes=True)
            for part in exam.within(KEYS_SHARE, parts, "more of the sample", "rnb.tree(conn)")
        ]
    except ResponseError as error:
        exam.refused("keys", error)
        return
    if not seen:
        return
    keys = pd.concat(seen, ignore_index=True)
    total = max(total or 0, len(keys))
    if len(keys) < total:
        what = f"{total - len(keys):,} of {total:,} keys"
        exam.skip(what, "those before them are a sample", "rnb.tree(conn)")
    if refused := int(keys["type"].isna().sum()):
        exam.skip(f"the values of {refused:,} keys", "this user may not read them")
    # The streams are examined on their own, and do not expire as a rule.
    keys = keys[keys["type"].notna() & (keys["type"] != "stream")]
    exam.found += _huge(keys)
    exam.found += _never_expiring(keys, total / max(1, sum(map(len, seen))))


def _huge(keys: pd.DataFrame) -> Iterator[Finding]:
    huge = keys[keys["size"] >= HUGE].sort_values("size", ascending=False)
    columns = huge[["key", "type", "size"]].head(_MOST_NAMED)
    for key, type, size in columns.itertuples(index=False, name=None):
        remedy = f"rnb.preview(conn, {key!r}, limit=10)"
        yield "warning", f"key {key!r}", f"it takes {cards.amount(size)}", f"a {type}", remedy
    if more := len(huge) - len(columns):
        evidence = f"{cards.amount(huge['size'].sum())} together with the largest"
        remedy = f"rnb.keys(conn, sizes=True).query('size >= {HUGE}')"
        yield "warning", "keys", f"{more:,} more are huge", evidence, remedy


def _never_expiring(keys: pd.DataFrame, scale: float) -> Iterator[Finding]:
    """Find prefixes of which some keys never expire while others do; and those of which none does.

    `scale` is how many keys each one in the sample stands for.
    """
    lasting = keys["ttl"].isna()
    frame = keys.assign(lasting=lasting, size=keys["size"].where(lasting))
    sums = (
        frame.groupby(keys["key"].str.extract(_KEY_PREFIX, expand=False))
        .agg(seen=("key", "size"), lasting=("lasting", "sum"), size=("size", "sum"))
        .sort_values(["size", "lasting"], ascending=False)
    )
    sums = sums[sums["seen"] >= TELLING]
    is_some = (sums["lasting"] > 0) & (sums["seen"] - sums["lasting"] >= EXPIRING * sums["seen"])
    for prefix, seen, lasting, size in sums[is_some].head(_MOST_NAMED).itertuples(name=None):
        match = f"{glob(prefix)}*"
        evidence = f"{_estimate(lasting, size, scale)}; {_estimate(seen - lasting, 0, scale)} do"
        remedy = f"keys = rnb.keys(conn, {match!r}); keys[keys.ttl.isna()]"
        some, others = ("some", "most") if 2 * lasting <= seen else ("most", "some")
        finding = f"{some} keys never expire, and {others} do"
        yield "warning", f"keys {match!r}", finding, evidence, remedy
    is_whole = ~is_some & (sums["lasting"] > 0)
    for prefix, seen, lasting, size in sums[is_whole].head(_MOST_NAMED).itertuples(name=None):
        match = f"{glob(prefix)}*"
        evidence = _estimate(lasting, size, scale)
        sep = "" if prefix.endswith(":") else f", sep={prefix[-1]!r}"
        remedy = f"rnb.tree(conn, {match!r}, depth=2{sep})"
        finding = f"{'none' if lasting == seen else 'almost none'} of them expires"
        yield "note", f"keys {match!r}", finding, evidence, remedy


def _estimate(keys: int, size: int, scale: float) -> str:
    """Write a number of keys and their memory, for all keys of which those seen are a sample."""
    about = f"about {float(f'{keys * scale:.2g}'):,.0f} keys"
    number = counted(keys, "key") if scale == 1 else about
    # Without a size, this user may not ask for it.
    return f"{number}, {cards.amount(size * scale)}" if size else number
