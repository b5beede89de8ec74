"""What holds up a group: each finding, with a remedy that runs."""

import pytest

import redisnb as rnb
from redisnb import frames
from redisnb.entries import EntryId
from redisnb.stream.groups import why
from tests.readme import README

HOUR = 3_600_000
NOW = 1_700_000_000_000


@pytest.fixture
def stream(conn):
    return rnb.Stream(conn, "orders")


@pytest.fixture
def group(stream):
    """A group in which ann has just received 3 of 5 entries."""
    stream.add_many([{"n": n} for n in range(5)])
    group = rnb.ConsumerGroup(stream, "etl", consumer="ann")
    group.create("all")
    group.read(3)
    return group


@pytest.fixture
def impatient(monkeypatch):
    """Have a consumer count as silent at once."""
    monkeypatch.setattr(why, "STUCK_AFTER", 0)


def run_all(remedies, group):
    for remedy in remedies:
        exec(remedy, {"group": group})


def rows(found, about):
    return found[found["finding"].str.contains(about)].to_dict("records")


def seen(**different):
    """A group of which nothing is wrong: ann holds 3 of 5 entries, since a second."""
    group = {
        "group": "etl",
        "pending": 3,
        "last_delivered_id": "1-0",
        "lag": 0,
        "lag_unknown": None,
        "oldest_pending": 1_000,
    }
    own = group.keys() & different.keys() - {"pending"}
    group |= {name: different.pop(name) for name in own}
    state = {
        "now": NOW,
        "group": group,
        "others": [group],
        "stream": {b"length": 5, b"entries-added": 5},
        "consumers": [("ann", 3, 1_000, 1_000)],
        "pending": [(b"1-0", b"ann", 1_000, 1)],
        "waiting": None,
        "bodiless": [],
        "letters": (0, 0, 0),
    }
    return why.GroupSeen(**state | different)


def found(**different):
    return [row for check in why.GROUP_CHECKS for row in check(seen(**different))]


# -- what is found, by literals


def test_nothing_is_found_of_a_healthy_group():
    assert found() == []


def test_who_holds_what_and_since_when():
    ann, bob = ("ann", 120, 43 * 60_000 + 59_000, None), ("bo'b", 3, 3 * HOUR, None)
    errors = found(consumers=[bob, ann], pending=[], oldest_pending=2 * HOUR)
    assert errors[0] == (
        "error",
        "'ann' holds 120 and has not asked for 43 min 59 s",
        "120 of 3 pending entries; the oldest was added 2 h ago",
        "group.claim(group.pending(consumer='ann'), min_idle='43min')",
    )
    assert errors[1][3] == "group.claim(group.pending(consumer=\"bo'b\"), min_idle='3h')"


def test_only_the_worst_are_named():
    consumers = [(f"c{n}", n, (50 + n) * HOUR, None) for n in range(1, 8)]
    errors = found(consumers=consumers)
    assert [row[1].partition(" holds ")[0] for row in errors] == [
        "'c7'",
        "'c6'",
        "'c5'",
        "each of 4 others",
    ]
    assert errors[-1][3] == "group.autoclaim(min_idle='2d')"


@pytest.mark.parametrize(
    ("consumers", "age", "severity", "finding"),
    [
        ([], 0, "error", "entries wait, and the group has no consumer"),
        ([("a", 0, HOUR, None)], 0, "error", "entries wait, and no consumer has asked for 1 h"),
        ([("a", 0, 0, None)], HOUR, "warning", "the group is behind"),
        ([("a", 0, 0, None)], 1_000, None, None),
        ([("a", 0, 0, None)], -HOUR, None, None),
    ],
)
def test_entries_that_wait(consumers, age, severity, finding):
    waiting = EntryId(f"{NOW - age}-0")
    said = found(consumers=consumers, waiting=waiting, lag=2, pending=[])
    assert [row[:2] for row in said] == ([(severity, finding)] if severity else [])
    for row in said:
        assert row[2].startswith("2 still to be delivered")
        assert row[3] == "group.stream.range('(1-0', limit=10)"


def test_an_id_far_in_the_future_waits_without_an_age():
    (row,) = found(consumers=[], waiting=EntryId(f"{2**64 - 1}-{2**64 - 1}"), lag=1, pending=[])
    assert row[2] == "1 still to be delivered"


def test_a_lag_that_is_unknown():
    said = found(waiting=EntryId(f"{NOW}-0"), lag=None, lag_unknown="it was trimmed")
    assert said == [("note", "lag unknown: it was trimmed", "", "group.lag()")]


def test_a_consumer_that_asks_and_does_not_acknowledge():
    (row,) = found(pending=[(b"1-0", b"ann", HOUR, 1), (b"2-0", b"ann", 0, 1)])
    assert row[:2] == (
        "warning",
        "'ann' asks for more, and holds 1 that are idle for up to 1 h",
    )


def test_entries_that_every_group_has_acknowledged():
    stream = {b"length": 20_000, b"entries-added": 20_000}
    other = {"lag": 6_000, "pending": 1_000}
    (row,) = found(stream=stream)
    assert row[1] == "19,997 entries were acknowledged by every group, and are still there"
    assert found(stream=stream, others=[seen().group, other])[0][1].startswith("12,997")
    assert found(stream=stream, others=[seen().group, {"lag": 11_000, "pending": 0}]) == []
    assert found(stream=stream, others=[seen().group, {"lag": None, "pending": 0}]) == []
    # Something bounds it, or it is unknown.
    assert found(stream=stream | {b"entries-added": 10**9}) == []
    assert found(stream={b"length": 20_000}) == []
    assert found(stream=None) == []


def test_consumers_that_are_gone():
    gone = [(f"host-{n}", 0, 30 * HOUR, None) for n in range(5)]
    (row,) = found(consumers=[("ann", 3, 0, 0), *gone])
    assert row[:2] == ("note", "5 of 6 consumers are gone")
    assert row[2].endswith("'host-0', 'host-1', 'host-2' and 2 more")


def test_what_was_not_looked_at(monkeypatch):
    monkeypatch.setattr(why, "PENDING_SEEN", 1)
    assert [row[1] for row in found()] == ["not looked at: pending entries after the oldest 1"]
    assert found(letters="NOPERM")[0] == ("note", "not looked at: dead letters", "NOPERM", "")


# -- on a server


def test_a_group_of_which_nothing_is_wrong(group, has_schema):
    said = group.why()
    assert has_schema(said, frames.FINDINGS)
    assert said["finding"].tolist()[-1] == "nothing holds the group up"
    assert said["evidence"].iloc[-1].startswith("3 pending, ")
    assert set(said["about"]) == {"group 'etl' of 'orders'"}


def test_a_stream_without_entries(stream):
    group = rnb.ConsumerGroup(stream, "etl")
    group.create()
    assert group.why()["finding"].tolist() == [
        "the group has no consumer",
        "nothing holds the group up",
    ]


def test_all_that_can_be_wrong_and_the_remedies(stream, group, raw, impatient):
    bob = rnb.ConsumerGroup(stream, "etl", consumer="bob")
    bob.read(1)
    bob.bury(bob.pending(consumer="bob"), min_idle=0)
    first = stream.head(1)["entry_id"].item()
    raw.xclaim("orders", "etl", "ann", 0, [first], retrycount=7)
    second = stream.head(2)["entry_id"].tolist()[1]
    raw.xdel("orders", second)
    said = group.why()
    assert said["severity"].tolist() == ["error", "error", "warning", "warning", "warning"] + (
        ["note"] if rows(said, "lag unknown") else []
    )
    assert rows(said, "'ann' holds 3")
    assert rows(said, "no consumer has asked")
    assert first in rows(said, "delivered up to 7 times")[0]["evidence"]
    assert second in rows(said, "1 entry was trimmed or deleted while pending")[0]["evidence"]
    assert rows(said, "1 dead letter")
    # Each is code that runs.
    with pytest.warns(rnb.RedisnbWarning, match="1 failed"):  # it was claimed just now
        run_all(said["remedy"], group)
    assert raw.xlen("orders:dead") == 0
    assert not rows(group.why(), "trimmed")


@pytest.mark.parametrize("trim", ["xtrim", "xdel"])
def test_pending_entries_without_a_body(stream, group, raw, trim):
    ids = stream.head(3)["entry_id"].tolist()
    if trim == "xtrim":
        raw.xtrim("orders", maxlen=2, approximate=False)
    else:
        raw.xdel("orders", *ids)
    (row,) = rows(group.why(), "3 entries were trimmed or deleted while pending")
    assert row["evidence"] == ", ".join(ids)
    exec(row["remedy"], {"group": group})
    assert rows(group.why(), "trimmed") == []


def test_consumers_that_are_gone_are_removed(group, raw, monkeypatch):
    monkeypatch.setattr(why, "GONE_AFTER", 0)
    raw.execute_command("XGROUP", "CREATECONSUMER", "orders", "etl", "old")
    (row,) = rows(group.why(), "consumers are gone")
    exec(row["remedy"].replace("'24h'", "'0h'"), {"group": group})
    assert group.consumers()["consumer"].tolist() == ["ann"]


def test_acknowledged_entries_are_trimmed(stream, group, raw, monkeypatch, knows_lag):
    if not knows_lag:
        pytest.skip("this server does not count what was added")
    monkeypatch.setattr(why, "PILE", 3)
    group.ack(group.pending())
    (row,) = rows(group.why(), "3 entries were acknowledged by every group")
    exec(row["remedy"].replace("1000", "0"), {"group": group})
    assert raw.xlen("orders") == 2


def test_a_group_at_the_largest_id(stream, raw, has_schema):
    raw.xadd("orders", {"a": 1}, id=f"{2**64 - 1}-{2**64 - 1}")
    group = rnb.ConsumerGroup(stream, "etl", consumer="ann")
    group.create("all")
    group.read()
    assert has_schema(group.why(), frames.FINDINGS)
    group.ack(group.pending())
    assert rows(group.why(), "nothing holds the group up")


def test_a_group_that_is_not_there(stream, group):
    for other in (rnb.ConsumerGroup(stream, "elt"), rnb.ConsumerGroup(stream, "x")):
        with pytest.raises(rnb.GroupMissingError):
            other.why()
    with pytest.raises(rnb.GroupMissingError):
        rnb.ConsumerGroup(rnb.Stream(stream.conn, "none"), "etl").why()


def test_names_that_are_no_utf_8(conn, raw, impatient):
    raw.xadd(b"s:\xff", {"a": "<b>\n"})
    raw.xgroup_create(b"s:\xff", b"g'\xfe", "0")
    raw.xreadgroup(b"g'\xfe", b"c\n\xfd", {b"s:\xff": ">"})
    (name,) = rnb.streams(conn)["stream"]
    group = rnb.ConsumerGroup(rnb.Stream(conn, name), "g'�xfe", consumer="me")
    said = group.why()
    (row,) = rows(said, "holds 1")
    exec(row["remedy"], {"group": group})
    assert group.pending()["consumer"].tolist() == ["me"]
    assert "\n\x00" not in repr(said)
    assert "'c\\n�xfd' holds 1" in repr(said)


def test_on_a_read_only_connection(server, group, impatient):
    with rnb.connect(server.url, read_only=True) as conn:
        said = rnb.ConsumerGroup(rnb.Stream(conn, "orders"), "etl").why()
    assert rows(said, "'ann' holds 3")


# -- how findings are shown


def test_findings_are_shown_in_full(group, impatient):
    said = group.why()
    assert "group.claim(group.pending(consumer='ann'), min_idle='0min')" in repr(said)
    assert "2 errors" in repr(said).splitlines()[-1]
    assert "<code>group.claim(" in said._repr_html_()
    # Of a part of its rows too; what has other columns is an ordinary frame.
    assert repr(said[said["severity"] == "error"]).endswith("[2 errors]")
    assert "holds 3" in repr(said["finding"])
    assert repr(said[["about", "finding"]]).startswith("  ")
    assert "dataframe" in said[["about", "finding"]]._repr_html_()


def test_content_is_text_in_findings():
    frame = frames.findings_frame([("error", "<a>", "<b>&", "<i>" * 99, "<code>'")])
    shown = frame._repr_html_()
    assert "&lt;a&gt;" in shown
    assert "&lt;code&gt;&#x27;" in shown
    assert "<i>" not in shown
    assert repr(frames.findings_frame([])) == "[no findings]"


def test_the_thresholds_are_documented():
    text = rnb.ConsumerGroup.why.__doc__
    assert (why.STUCK_AFTER, why.GONE_AFTER) == (5 * 60_000, 24 * HOUR)
    assert "has not asked for 5 minutes" in text
    assert f"{why.OFTEN} times or more" in text
    assert f"{why.PILE:,} entries" in text
    assert f"the oldest {why.PENDING_SEEN:,} pending" in " ".join(text.split())
    assert f"the bodies of {why.BODIES_SEEN}" in text
    assert "group.why()" in README.read_text()
