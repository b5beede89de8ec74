"""What a user of the dashboard does, in any host, by mouse or by keyboard. See `airport`."""

from __future__ import annotations

import json
from collections.abc import Callable

import redis

from tests.browser.airport import PER_MINUTE
from tests.browser.users import Mouse

Seen = Callable[[str], None]


def free_the_stuck_group(user: Mouse, raw: redis.Redis, seen: Seen) -> None:
    """The list says which stream needs a look; its group is freed of what fails, and goes on."""
    cell, expect = user.cell, user.expect
    user.line("Needs a look", "check-in")
    expect(cell.get_by_text("12 pending", exact=False).first).to_be_visible()
    seen("a1-needs-a-look")
    user.press("Show them")
    expect(cell.get_by_role("heading", name="board")).to_be_visible()
    user.press("1 more")
    expect(cell.get_by_text("3 entries were delivered up to 7 times")).to_be_visible()
    seen("a2-why")
    user.press("To the dead letters")
    expect(user.button("3 to the dead letters")).to_be_visible()
    seen("a3-question")
    user.press("3 to the dead letters")
    expect(cell.get_by_text("3 of 3 moved to the dead letters")).to_be_visible()
    expect(user.rows("Pending entries")).to_have_count(9)
    user.all_rows("Pending entries")
    user.press("Claim 9")
    expect(cell.get_by_text("9 of 9 claimed")).to_be_visible()
    seen("a4-free")
    held = raw.xpending_range("check-in", "board", "-", "+", 20)
    assert len(held) == 9
    assert all(each["consumer"] != b"ann" for each in held)


def mend_a_guilty_entry(user: Mouse, raw: redis.Redis, seen: Seen) -> None:
    """A dead letter is opened from the list, edited, and published to its stream."""
    cell, expect = user.cell, user.expect
    user.wait_for(lambda: raw.exists("check-in:dead"))
    user.line("Dead letters", "check-in")
    user.row("Dead letters", 0)
    expect(user.button("Edit and publish")).to_be_visible()
    seen("b1-dead-letter")
    user.press("Edit and publish")
    expect(cell.get_by_text("The event: it is that of", exact=False)).to_be_visible()
    # Without what a dead letter has besides.
    event = cell.get_by_label("Event", exact=True).filter(visible=True)
    expect(event).to_have_value('{\n  "passenger": "p-4",\n  "gate": null\n}')
    user.write("Event", '{"passenger": "p-4", "gate": "C4"')
    expect(cell.get_by_text("line 1,", exact=False)).to_be_visible()
    seen("b2-wrong")
    user.write("Event", '{"passenger": "p-4", "gate": "C4"}')
    user.press("Publish")
    expect(cell.get_by_text("published 1")).to_be_visible()
    seen("b3-published")
    [(_, fields)] = raw.xrevrange("check-in", count=1)
    assert json.loads(fields[b"payload"]) == {"passenger": "p-4", "gate": "C4"}


def replay_an_hour(user: Mouse, raw: redis.Redis, seen: Seen) -> None:
    """An hour goes into a test stream at 60x, while another stream is looked at."""
    cell, expect = user.cell, user.expect
    user.line("Streams", "flights")
    user.tab("Browse")
    user.write("To", "2013-01-01 10:59:59")
    user.press("Read")
    n = 60 * PER_MINUTE
    expect(cell.get_by_text(f"{n} entries", exact=False).first).to_be_visible()
    seen("c1-an-hour")
    user.press("Replay this range")
    user.write("Replay into", "flights:test")
    seen("c2-into")
    user.press("Use this stream")
    expect(cell.get_by_text(f"{n} entries to send")).to_be_visible()
    user.write("or", "60x")
    user.press("Start")
    user.wait_for(lambda: raw.xlen("flights:test"))
    seen("c3-running")
    user.line("Streams", "orders")
    user.tab("Live")
    expect(cell.get_by_role("heading", name="orders")).to_be_visible()
    user.press("Start")
    expect(cell.get_by_text("reading", exact=True).filter(visible=True).first).to_be_visible()
    raw.xadd("orders", {"payload": json.dumps({"item": "coffee", "n": 5})})
    expect(user.rows("Entries").first).to_contain_text("coffee")
    # It goes on, and the list says so.
    before = raw.xlen("flights:test")
    user.wait_for(lambda: raw.xlen("flights:test") > before)
    expect(user.listed("Streams", "flights").get_by_text("replaying")).to_be_visible()
    seen("c4-another-stream")
    user.line("Streams", "flights")
    user.tab("Replay")
    expect(cell.get_by_text("running", exact=False).first).to_be_visible()
    user.press("Stop")
    expect(cell.get_by_text("stopped", exact=True).filter(visible=True)).to_be_visible()
    seen("c5-stopped")
    [(_, fields)] = raw.xrange("flights:test", count=1)
    assert json.loads(fields[b"payload"])["flight"] == 1000


def find_what_takes_the_memory(user: Mouse, raw: redis.Redis, seen: Seen) -> None:
    """The list says which prefix has how much, and opens its keys."""
    cell, expect = user.cell, user.expect
    user.line("Keys by prefix", "report:")
    expect(cell.get_by_role("textbox", name="Pattern")).to_have_value("report:*")
    seen("d1-prefix")
    user.row("Keys", 0)
    expect(cell.get_by_text("hash of 2,000 fields", exact=False)).to_be_visible()
    seen("d2-key")
    user.tab("Server")
    expect(cell.get_by_text("watching")).to_be_visible()
    seen("d3-server")


STORIES = [
    free_the_stuck_group,
    mend_a_guilty_entry,
    replay_an_hour,
    find_what_takes_the_memory,
]
