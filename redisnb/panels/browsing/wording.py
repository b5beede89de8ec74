"""What a BrowsePanel says: how much was looked at, what is odd, and what to do without entries."""

from __future__ import annotations

from redisnb.panels.browsing.facts import StreamFacts
from redisnb.panels.browsing.reading import EntryPage
from redisnb.panels.timespans import TimeSpan, time_text

__all__ = ["caption", "empty_text", "matches_text", "notes", "progress_text", "range_text"]


def caption(page: EntryPage) -> str:
    """Return how many entries were looked at, and how many match."""
    n = len(page.frame)
    if page.request.where:
        text = f"looked at {page.looked_at:,}, {n:,} match"
    else:
        text = "1 entry" if n == 1 else f"{n:,} entries"
    if not page.more:
        return text
    way = "Older" if page.request.backwards else "Newer"
    return f"{text} on this page; {way} has more"


def matches_text(page: EntryPage) -> str:
    """Return how many entries are marked over time."""
    n = len(page.frame)
    return f"{n:,} match{' on this page' if page.more else ''}"


def progress_text(page: EntryPage, total: int) -> str:
    """Return how far a read is."""
    of = f" of about {total:,}" if total > page.looked_at else ""
    return f"looked at {page.looked_at:,}{of}, {len(page.frame):,} match so far"


def range_text(span: TimeSpan, total: int | None, *, is_exact: bool = True) -> str:
    """Return the range in force, and how many entries are in it if that is known."""
    # As bars are: up to where the next one begins.
    first, last = time_text(span.first), time_text(span.last + (span.last % 1000 == 999))
    # The day is not said twice.
    until = last[11:] if first[:10] == last[:10] and len(last) > 10 else last
    if total is None:
        return f"{first} to {until} UTC"
    entries = "1 entry" if total == 1 else f"{total:,} entries"
    return f"{first} to {until} UTC · {'' if is_exact else 'about '}{entries}"


def notes(page: EntryPage) -> str:
    """Return what is not as usual about the entries, in sentences; "" if nothing is."""
    said = []
    attrs = page.frame.attrs
    if odd := attrs.get("odd"):
        were = "1 entry is" if odd == 1 else f"{odd:,} entries are"
        said.append(f"{were} odd: without a readable event, with the fields as columns.")
    if misfits := attrs.get("misfits"):
        each = ", ".join(f"{n:,} in {name!r}" for name, n in misfits.items() if n)
        said += [f"Values that do not fit the schema are missing: {each}."] if each else []
    if page.missed:
        said.append(f"{page.missed}.")
    if page.is_large:
        said.append("This page has fewer entries than others, because they are large.")
    return "\n".join(said)


def empty_text(page: EntryPage, facts: StreamFacts, meant: str | None) -> str:
    """Return what stands there without rows: what is missing, and the next step.

    `meant` is the name of a stream that is there and like the one that is not.
    """
    if not facts.is_there:
        near = f" Is it {meant!r}?" if meant else " stream.add({...}) makes it; Read looks again."
        return f"There is no such stream.{near}"
    if facts.length == 0:
        return "The stream has no entries: stream.add({...}) adds one; Read looks again."
    if page.request.where:
        looked_at = f"None of {page.looked_at:,} entries matches"
        return f"{looked_at}: choose a wider range, or change the filter."
    return "There is no entry in this range: choose a wider one, such as All."
