"""The drawer of one entry, without a browser: against a real server."""

import gzip
import json
import threading

import numpy as np
import pandas as pd
import pytest
import redis

from redisnb import Cache, ConsumerGroup, Stream
from redisnb.panels.details import drawer
from redisnb.panels.details.decoding import plain_tree
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
    show(panel, stream, ids[2])
    assert "slow: not delivered yet" in text(panel)


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
        (b"\x91\xcb\x7f\xf0\0\0\0\0\0\0", "MessagePack", ["inf"]),
    ],
    ids=["gzip", "msgpack", "json", "infinity"],
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


@pytest.mark.parametrize(
    "stored",
    [b"\x1f\x8bno gzip", b"\x28\xb5\x2f\xfdno zstd", b"[1, 2", b"\xc1\xff", b"\xe0"],
    ids=["gzip", "zstd", "json", "msgpack", "number"],
)
def test_bytes_that_only_begin_like_something_are_bytes(panel, page, stream, raw, stored):
    id = raw.xadd("s", {"body": stored, "other": "x"}).decode()
    show(panel, stream, id)
    assert views(panel) == ["event", "raw"]


def test_what_the_cache_stored_is_decoded(panel, page, stream, conn, raw):
    cache = Cache(conn)
    cache.set("bytes", b'{"read": "as JSON"}')
    cache.set("series", pd.Series([1.5, None], name="x"))
    bytes_, series = raw.get("bytes"), raw.get("series")
    # The last one is cut off.
    id = raw.xadd("s", {"b": bytes_, "s": series, "cut": series[: len(series) // 2]}).decode()
    show(panel, stream, id)
    choose(panel, page, "decoded")
    assert "s · redisnb, a frame of 2 rows and 1 columns" in text(panel)
    assert parts(panel.details, JsonTree)[0]["value"] == [{"x": 1.5}, {"x": "nan"}]
    assert "cut · redisnb" in text(panel)
    assert "it cannot be read: " in text(panel)
    assert "b · redisnb, bytes" in text(panel)
    assert json.dumps('{"read": "as JSON"}') in text(panel)


def test_what_a_tree_can_hold():
    value = {b"\xff": np.array([1.5, np.inf]), "none": (pd.NaT, None), "n": np.int64(2**60)}
    assert plain_tree(value) == {"\\xff": [1.5, "inf"], "none": [None, None], "n": str(2**60)}


def test_nothing_happens_where_there_is_nothing(panel, page, stream):
    details = panel.details
    for act in (details.edit, details.copy_json, details.compare, details.compare):
        act()
    assert details.entry_id is None
    assert page.copied() == []
    id = stream.add({"n": 1})
    show(panel, stream, id)
    # No panel offers to edit.
    details.edit()
    details.on = None
    page.press(button(panel, "Close"))
    assert details.entry_id is None


def test_equal_events_and_what_is_too_much(panel, page, stream, raw, monkeypatch):
    one, other = (stream.add({"n": 1}) for _ in range(2))
    show(panel, stream, one)
    page.press(button(panel, "Compare"))
    show(panel, stream, other)
    assert f"Its event is equal to that of {one}." in text(panel)
    page.press(button(panel, "End comparison"))
    monkeypatch.setattr(drawer, "_SHOWN_BYTES", 5)
    show(panel, stream, one)
    assert f"It is too large to show; stream.entry('{one}') has it whole." in text(panel)
    many = raw.xadd("s", {f"f{n}": "x" for n in range(120)}).decode()
    show(panel, stream, many)
    choose(panel, page, "raw")
    assert "f99 · 1 B" in text(panel)
    assert "f100 · 1 B" not in text(panel)
    assert "120 fields; the first 100 are shown." in text(panel)


def test_groups_that_are_refused_take_nothing_from_the_entry(panel, page, stream, monkeypatch):
    id = stream.add({"n": 1})
    group = ConsumerGroup(stream, "g", consumer="ann")
    group.create("all")
    group.read(1)

    def refuse(*_, **__):
        raise redis.ResponseError("NOPERM not for you")

    monkeypatch.setattr(ConsumerGroup, "pending", refuse)
    show(panel, stream, id)
    assert "g: not known: " in text(panel)
    monkeypatch.setattr(Stream, "groups", refuse)
    show(panel, stream, id)
    assert "which groups have seen it is not known: " in text(panel)
    assert parts(panel.details, JsonTree)[0]["value"] == {"n": 1}
    monkeypatch.undo()
    for n in range(22):
        ConsumerGroup(stream, f"h{n:02}").create()
    show(panel, stream, id)
    assert "and 3 more groups" in text(panel)


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


def test_another_thread_draws_no_entry_of_before(panel, page, conn, meanwhile):
    stream = Stream(conn, "s")
    ids = stream.add_many([{"n": 1}, {"n": 2}])["entry_id"].tolist()
    details = panel.details
    details.show(stream, ids[0])
    assert details._lane.wait(10)

    def other():
        details.show(stream, ids[1])
        details._lane.wait(10)

    meanwhile(details._groups, "set", other)
    details._draw()
    meanwhile.wait()
    assert details.entry_id == ids[1]
    assert page.shown(details._content.children[0])["value"] == {"n": 2}
