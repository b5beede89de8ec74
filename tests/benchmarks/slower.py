"""What is slower than its aim, or than what people write without redisnb, and why."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# Why a workload takes the time that it takes.
WHY = {
    "range-json": "The wire drops its bytes; here they are cut into entries, and Arrow reads their "
    "JSON into columns, on a second thread.",
    "range-flat": "Each value is a text of its own, which is found in the reply and tried as a "
    "number, on one thread.",
    "capture-json": "Compressing comes on top of reading; and `frames` makes one frame after the "
    "other, each of 10,000 entries.",
    "capture-flat": "Parquet encodes, compresses and seals what it stores; and `frames` makes one "
    "frame after the other, each of 10,000 entries.",
    "add-many": "redis-benchmark sends one command, made in advance, again and again; here each "
    "event becomes JSON first, and an iterator is taken in parts.",
    "replay": "A replay reads its source while it writes, and adds each batch by a script (EVAL), "
    "so that nothing follows an entry that the server refuses; `add_many` sends XADD.",
    "consume": "The bare loop looks at no entry. A consumer decodes each, hands it to a thread, "
    "keeps what is in hand by a heartbeat, and acknowledges what has been handled.",
    "values": "Each key is asked for its type too, and texts become numbers; the idiom takes every "
    "key for a hash, and leaves all columns text.",
    "cache-get": "What is left is to transfer, to decompress and to copy the columns into pandas.",
    "import": "The modules of redisnb come on top of pandas, pyarrow and redis.",
}
_TARGET = re.compile(r"(?P<sign>>=|<=) (?P<bound>[\d.,]+)(?P<unit>.*)")
_SIGNS = {">=": "at least", "<=": "at most"}
# Where the seconds are no time that the work takes, or are held against the idiom's anyway.
_OTHER_SECONDS = ("ms late", "idiom's time", "s above idiom")


def slower(figures: Sequence[Mapping[str, Any]]) -> str:
    """Write what misses its aim and what the idiom does faster, an item for each workload.

    The figures are those of `report.row_figures`, of all rows.
    """
    judged = [(row, target) for row in figures for target in row["targets"]]
    known = [(row, target) for row, target in judged if target["met"] is not None]
    missed = [(row["workload"], _missed(row, each)) for row, each in known if not each["met"]]
    behind = [(row["workload"], _behind(row)) for row in figures if _is_behind(row)]
    parts = [f"{len(known) - len(missed)} of {len(known)} aims are met."]
    if missed:
        parts += ["These are not:", _items(missed)]
    if behind:
        parts += ["The idiom, which does less, is faster than these:", _items(behind)]
    return "\n\n".join(parts)


def _missed(row: Mapping[str, Any], target: Mapping[str, Any]) -> str:
    match = _TARGET.fullmatch(target["target"])
    assert match, target
    unit = "x" if match["unit"].startswith("x ") else match["unit"]
    return (
        f"`{row['variant']}` is at {target['figure']:,.2f}{match['unit']} "
        f"(the aim: {_SIGNS[match['sign']]} {match['bound']}{unit})"
    )


def _is_behind(row: Mapping[str, Any]) -> bool:
    if row["role"] != "ours" or row["x_idiom"] is None or row["x_idiom"] >= 1:
        return False
    return not any(target["target"].endswith(_OTHER_SECONDS) for target in row["targets"])


def _behind(row: Mapping[str, Any]) -> str:
    return f"`{row['variant']}` takes {1 / row['x_idiom']:.1f} times as long"


def _items(said: Iterable[tuple[str, str]]) -> str:
    by_workload = defaultdict(list)
    for workload, text in said:
        by_workload[workload].append(text)
    return "\n".join(
        f"- {workload}: {'; '.join(texts)}. {WHY.get(workload, '')}".rstrip()
        for workload, texts in by_workload.items()
    )
