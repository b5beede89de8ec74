"""The drawer of one entry, without a browser: against a real server."""

import gzip
import json
import threading

import pandas as pd
import pytest

from redisnb import Cache, ConsumerGroup
from redisnb.panels.details import drawer
from redisnb.panels.parts import Action, Choices, JsonTree, Label, Message
from tests.deadlines import until


def parts(part, kind):
    found = [part] if isinstance(part, kind) and not part["hidden"] else []
    return [*found, *(each for child in part.children for each in parts(child, kind))]


def text(panel):
    return "\n".join(each["text"] for each in parts(panel.details, (Label, Message)))


def button(panel, label):
    return next(each for each in parts(panel.details, Action) if each["label"] == label)


def views(panel):
    [choices] = parts(panel.details, Choices)
    return [value for value, *_ in choices["options"]]


def choose(panel, page, value):
    [choices] = parts(panel.details, Choices)
    page.act(choices, "choose", {choices: value})


def show(panel, stream, entry_id, **options):
    panel.details.show(stream, entry_id, **options)
    until(lambda: not panel.details._lane.is_busy)


def test_it_is_hidden_until_an_entry_is_shown(panel, page, stream):
    assert panel.details.entry_id is None
    id = stream.add({"carrier": "UA", "crew": ["ann", "bob"]}, id="1357037880000-0")
    show(panel, stream, id)
    assert panel.details.entry_id == id
    [tree] = parts(panel.details, JsonTree)
    assert tree["value"] == {"carrier": "UA", "crew": ["ann", "bob"]}
    assert "2013-01-01 10:58:00 UTC · 44 B" in text(panel)
    page.press(button(panel, "Copy JSON"))
    assert json.loads(page.copied()[0]) == {"carrier": "UA", "crew": ["ann", "bob"]}
    page.press(button(panel, "Close"))
    assert (panel.details.entry_id, panel.closed) == (None, 1)


def test_a_panel_may_offer_to_edit_and_publish_the_entry(panel, page, stream):
    ids = [stream.add({"n": n}) for n in range(2)]
    show(panel, stream, ids[0])
    assert "Edit and publish" not in [each["label"] for each in parts(panel.details, Action)]
    edited = []
    panel.details.offer_edit(lambda *given: edited.append(given))
    page.press(button(panel, "Edit and publish"))
    [(of, entry)] = edited
    assert (of, entry.id, entry.event) == (stream, ids[0], {"n": 0})
    stream.delete([ids[1]])
    show(panel, stream, ids[1])
    assert "Edit and publish" not in [each["label"] for each in parts(panel.details, Action)]


def test_it_tells_which_groups_have_seen_the_entry(panel, page, stream):
    ids = [stream.add({"n": n}) for n in range(3)]
    groups = {
        name: ConsumerGroup(stream, name, consumer="ann") for name in ("late", "seen", "slow")
    }
    for group in groups.values():
        group.create(start="all")
    groups["slow"].read(2)
    groups["seen"].ack(groups["seen"].read(2))
    show(panel, stream, ids[1])
    lines = text(panel)
    assert "late: not delivered yet" in lines
    assert "seen: acknowledged" in lines
    assert "slow: pending with ann, 1 delivery, idle" in lines


def test_an_entry_that_is_gone_says_so(panel, page, stream):
    id = stream.add({"n": 1})
    stream.delete([id])
    show(panel, stream, id, known={"n": 1})
    assert "This entry is gone" in text(panel)
    assert parts(panel.details, JsonTree)[0]["value"] == {"n": 1}
    assert "Compare" not in [each["label"] for each in parts(panel.details, Action)]


def test_bytes_are_shown_as_they_are_stored(panel, page, stream, raw):
    id = raw.xadd("s", {"a\n": b"\xff\x00<img src=x>"}).decode()
    show(panel, stream, id)
    choose(panel, page, "raw")
    assert "a\\n · 13 B" in text(panel)
    assert "\\xff\\x00<img src=x>" in text(panel)
    assert "ff 00 3c 69" in text(panel)
    assert "decoded" not in views(panel)


@pytest.mark.parametrize(
    ("stored", "codings", "value"),
    [
        (gzip.compress(b'{"a": [1, 2]}', mtime=0), "gzip, JSON", {"a": [1, 2]}),
        (b"\x82\xa1a\x01\xa1b\xc4\x01\xff", "MessagePack", {"a": 1, "b": "\\xff"}),
        (b"[1, 18014398509481984]", "JSON", [1, "18014398509481984"]),
    ],
    ids=["gzip", "msgpack", "json"],
)
def test_what_bytes_hold_is_decoded(panel, page, stream, raw, stored, codings, value):
    id = raw.xadd("s", {"body": stored, "other": "x"}).decode()
    show(panel, stream, id)
    choose(panel, page, "decoded")
    assert f"body · {codings}" in text(panel)
    assert parts(panel.details, JsonTree)[0]["value"] == value


def test_a_frame_of_the_cache_is_decoded(panel, page, stream, conn, raw):
    Cache(conn).set(
        "frame", pd.DataFrame({"n": [1, 2], "at": pd.Timestamp("2024-05-01", tz="UTC")})
    )
    id = raw.xadd("s", {"frame": raw.get("frame"), "other": "x"}).decode()
    show(panel, stream, id)
    choose(panel, page, "decoded")
    assert "a frame of 2 rows and 2 columns" in text(panel)
    assert [each["n"] for each in parts(panel.details, JsonTree)[0]["value"]] == [1, 2]


def test_a_bomb_stays_small(panel, page, stream, raw):
    id = raw.xadd("s", {"body": gzip.compress(bytes(50_000_000)), "other": "x"}).decode()
    show(panel, stream, id)
    choose(panel, page, "decoded")
    assert "too large to show" in text(panel)


def test_two_entries_are_compared(panel, page, stream):
    one = stream.add({"carrier": "UA", "route": {"from": "EWR", "to": "ORD"}, "ok": True, "n": 1})
    other = stream.add({"carrier": "EV", "route": {"from": "EWR", "to": "MSP"}, "ok": 1, "n": 1.0})
    show(panel, stream, one)
    page.press(button(panel, "Compare"))
    assert "Choose another entry" in text(panel)
    show(panel, stream, other)
    shown = text(panel).splitlines()
    assert [line for line in shown if line in ("carrier", "route.to", "route.from", "ok", "n")] == [
        "carrier",
        "route.to",
        "ok",
    ]
    assert '- "UA"' in shown
    assert '+ "EV"' in shown
    page.press(button(panel, "End comparison"))
    assert "difference" not in views(panel)
    [tree] = parts(panel.details, JsonTree)
    assert tree["value"]["carrier"] == "EV"


def test_an_entry_can_be_compared_before_it_was_read(panel, page, stream, monkeypatch):
    one, other = (stream.add({"carrier": name}) for name in ("UA", "EV"))
    go_on, look = threading.Event(), drawer.look_at

    def slowly(*given):
        go_on.wait(10)
        return look(*given)

    monkeypatch.setattr(drawer, "look_at", slowly)
    panel.details.show(stream, one)
    # As a user does who is faster than the server.
    page.press(button(panel, "Compare"))
    panel.details.show(stream, other)
    go_on.set()
    until(lambda: not panel.details._lane.is_busy)
    assert "difference" in views(panel)
    assert text(panel).count(one) == 1
    assert '- "UA"' in text(panel)


def test_an_error_is_shown_with_the_way_on(panel, page, stream, raw):
    raw.set("s", "text")
    panel.details.show(stream, "1-0")
    until(lambda: "WRONGTYPE" in text(panel))
    raw.delete("s")
    page.press(button(panel, "Try again"))
    until(lambda: "This entry is gone" in text(panel))
