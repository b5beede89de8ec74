"""What mends a finding, what is worst, and what is kept of the looks."""

from datetime import timedelta

import pandas as pd
import pytest

from redisnb import frames
from redisnb.entries import EntryId
from redisnb.panels.consumer_groups.mending import mend_of
from redisnb.panels.consumer_groups.seeing import GroupName
from redisnb.panels.consumer_groups.seeing.history import Backlogs
from redisnb.panels.consumer_groups.seeing.ranking import ranked_groups
from tests.stream.test_why import HOUR, NOW, found

NAMES = ["ann", "bo'b", 'a"b', "a), min_idle='1d'", "\\", "�"]


@pytest.mark.parametrize("name", NAMES)
def test_a_consumer_is_told_from_the_remedy_whatever_its_name(name):
    ((_, _, _, remedy),) = found(consumers=[(name, 3, HOUR, None)], pending=[], oldest_pending=1)
    mend = mend_of(remedy)
    assert (mend.kind, mend.arguments) == ("claim", (name, "60min"))


def test_every_remedy_has_its_button():
    """A remedy of another form than the panel knows would leave its finding without a button."""
    many = [(f"c{n}", n, HOUR, None) for n in range(1, 6)]
    waiting = EntryId(f"{NOW - HOUR}-0")
    full = {b"length": 20_000, b"entries-added": 20_000}
    asking = [("ann", 3, 1, 1)]
    remedies = [
        *(row[3] for row in found(consumers=many, pending=[])),
        *(row[3] for row in found(consumers=[], waiting=waiting, lag=2, pending=[])),
        *(row[3] for row in found(waiting=waiting, lag=None, lag_unknown="trimmed")),
        *(row[3] for row in found(consumers=asking, pending=[(b"1-0", b"ann", HOUR, 9)])),
        *(row[3] for row in found(bodiless=[b"1-0"], letters=(4, 4, 4), stream=full)),
        *(row[3] for row in found(consumers=[("old", 0, 48 * HOUR, None)], pending=[])),
    ]
    mends = [mend_of(each) for each in remedies]
    kinds = {each.kind for each in mends if each is not None}
    assert kinds == {
        *("claim", "autoclaim", "next", "lag", "show", "bury", "ack", "redrive", "trim", "remove")
    }
    assert [r for r, mend in zip(remedies, mends, strict=True) if mend is None] == []
    assert {each.kind for each in mends if not each.writes} == {"next", "show", "lag"}
    assert mend_of("group.info()") is None


def rows(*groups):
    made = [
        ("s", name, consumers, pending, "1-0", None, lag, oldest, idle, None)
        for name, consumers, pending, lag, oldest, idle in groups
    ]
    return frames.table(frames.GROUPS, made)


def test_the_worst_group_comes_first():
    groups = rows(
        ("fine", 1, 5, 5, 1_000, 1_000),
        ("old", 2, 9, 0, HOUR, 1_000),
        ("stuck", 2, 3, 0, HOUR, HOUR),
        ("unread", 0, 0, 700, None, None),
        ("unknown", 1, 0, None, None, None),
    )
    ranks = ranked_groups(groups)
    assert [(each.name.group, each.tone) for each in ranks] == [
        ("unread", "bad"),
        ("stuck", "bad"),
        ("old", "warn"),
        ("fine", "good"),
        ("unknown", "good"),
    ]
    assert ranks[1].why == "3 pending, idle for up to 1 h"


def test_the_lines_of_a_group():
    backlogs = Backlogs()
    name = GroupName("s", "etl")
    assert backlogs.lines(name).times == []
    for lag, waited in ((5, timedelta(minutes=2)), (None, None), (7, timedelta(hours=3))):
        ranks = ranked_groups(rows(("etl", 1, 2, lag, 1_000, 1_000)))
        backlogs.add(ranks, name, {"oldest_pending": pd.Timedelta("30min")}, waited)
    lines = backlogs.lines(name)
    assert lines.entries == {"lag": [5, None, 7], "pending": [2, 2, 2]}
    assert lines.unit == "h"
    assert lines.spans == {"next entry": [0.03, None, 3.0], "oldest pending": [0.5, 0.5, 0.5]}
    assert backlogs.points(name) == [7, 2, 9]
