"""Cards in JupyterLab: light and dark, with names that mean harm."""

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.long]

HOSTILE = (
    "$x$<img src=x onerror=window.pwned=1></dd><script>window.pwned=1</script>\u202e" + "k" * 999
)
CELLS = (
    "import redisnb as rnb\nconn = rnb.connect(read_only=True)\nconn",
    "stream = rnb.Stream(conn, 'orders')\nstream",
    "rnb.ConsumerGroup(stream, 'check-in', consumer='ann')",
    "rnb.Cache(conn, prefix='user:', ttl='1h')",
    "rnb.Consumer(stream, print)",
    "rnb.Replay(stream, rnb.Stream(rnb.connect(), 'to'), rate=100)",
    f"rnb.Stream(conn, {HOSTILE!r})",
    "conn.close()\nstream",
)


def test_cards_light_and_dark(run, expect, screen, raw):
    from tests.browser import kit

    raw.flushall()
    for i in range(1200):
        raw.xadd("orders", {"payload": "{}"}, id=f"{1_700_000_000_000 + i}-0")
    raw.xgroup_create("orders", "check-in", id="0")
    raw.xreadgroup("check-in", "ann", {"orders": ">"}, count=5)
    page = run(*CELLS)
    cards = page.locator(".rnb-card")
    expect(cards).to_have_count(len(CELLS))
    expect(cards.nth(0)).to_contain_text("connected")
    expect(page.get_by_role("group", name="Stream orders").first).to_contain_text("1,200")
    expect(cards.nth(2)).to_contain_text("entries pending")
    expect(cards.nth(6)).to_contain_text("$x$<img src=x onerror=window.pwned=1>")
    expect(cards.nth(6)).to_contain_text("no such stream yet")
    expect(cards.nth(7)).to_contain_text("closed")
    assert screen.page.evaluate("window.pwned") is None
    for card in cards.all():
        # Nothing is wider than the page has room for.
        assert card.evaluate("card => card.scrollWidth <= card.clientWidth")
    kit.check_accessibility(screen, len(CELLS))
    kit.use_theme(screen, "Dark")
    kit.check_accessibility(screen, len(CELLS))
    kit.use_theme(screen, "Light")
