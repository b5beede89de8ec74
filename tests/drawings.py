"""Draw the picture at the head of each notebook, and put it there.

    python -m tests.drawings

A picture is an attachment of the notebook's first cell, so that a copy of the notebook has it too.
The docstring of its function is the text for who does not see it.
"""

import base64
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
WIDTH, DPI = 7.2, 130
INK, QUIET, LINE = "#1f2937", "#6b7280", "#cbd5e1"
# What an entry is: its ground and its edge.
WAITING, DONE, PENDING, BAD, KEY = (
    ("#f1f5f9", "#94a3b8"),
    ("#d1fae5", "#059669"),
    ("#fef3c7", "#d97706"),
    ("#fee2e2", "#dc2626"),
    ("#dbeafe", "#2563eb"),
)
IMAGE = re.compile(r"!\[[^\]]*\]\(attachment:picture\.png\)")

Colours = tuple[str, str]


def canvas(height: float, units: float = 72) -> tuple[Figure, Axes]:
    """Return a figure of this height in inches, with ten units to the inch from the top left."""
    figure = Figure((WIDTH, height), dpi=DPI, facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, units), ylim=(units * height / WIDTH, 0))
    axes.axis("off")
    return figure, axes


def box(
    axes: Axes, x: float, y: float, width: float, height: float, text: str, colours: Colours
) -> None:
    ground, edge = colours
    shape = "round,pad=0,rounding_size=0.5"
    axes.add_patch(
        FancyBboxPatch((x, y), width, height, shape, facecolor=ground, edgecolor=edge, lw=1)
    )
    write(axes, x + width / 2, y + height / 2, text, align="center")


def write(
    axes: Axes,
    x: float,
    y: float,
    text: str,
    *,
    size: float = 7.5,
    colour: str = INK,
    align: str = "left",
    code: bool = False,
    bold: bool = False,
) -> None:
    axes.text(
        x,
        y,
        text,
        fontsize=size,
        color=colour,
        ha=align,
        va="center_baseline",
        family="monospace" if code else "sans-serif",
        weight="bold" if bold else "normal",
        linespacing=1.5,
        parse_math=False,
    )


def arrow(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], colour: str = QUIET
) -> None:
    axes.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": colour, "lw": 1.1})


def rule(axes: Axes, x: float, top: float, bottom: float, colour: str = QUIET) -> None:
    axes.plot([x, x], [top, bottom], color=colour, lw=1.1, ls=(0, (3, 2)))


def start_here() -> Figure:
    """Keys of several types in a Redis server, and the DataFrame that a call makes of each."""
    figure, axes = canvas(2.5)
    write(axes, 3, 2, "in Redis: keys of several types", bold=True)
    write(axes, 44, 2, "in the notebook: a DataFrame", bold=True)
    rows = (
        ("flights", "stream", "stream.range(...)", "what happened, by time"),
        ("flights  check-in", "its group", "group.pending()", "taken, and not acknowledged"),
        ("report:delays", "string", "cache.get(...)", "a result, until it expires"),
        ("all keys", "", "rnb.tree(conn)", "what is stored, and how much"),
        ("the whole server", "", "rnb.doctor(conn)", "what will hurt, and what mends it"),
    )
    for i, (key, kind, call, what) in enumerate(rows):
        y = 4 + 4.1 * i
        box(axes, 3, y, 18, 3, "", KEY)
        write(axes, 4, y + 1.5, key, code=True)
        write(axes, 20.4, y + 1.5, kind, size=6.5, colour=QUIET, align="right")
        arrow(axes, (21.8, y + 1.5), (43, y + 1.5))
        write(axes, 32.2, y + 0.75, call, code=True, align="center", size=7)
        box(axes, 44, y, 25.5, 3, "", DONE)
        write(axes, 45, y + 1.5, what)
    return figure


def cache() -> Figure:
    """A value that is stored with ten minutes to live, read four times, gone, and made again."""
    figure, axes = canvas(1.75)
    write(axes, 2.5, 2, "one key over time", bold=True)
    y = 8
    axes.plot([2.5, 69.5], [y + 3, y + 3], color=LINE, lw=1)
    for start, width, text in ((5, 28, "SET report ... EX 600"), (41, 26, "SET report ... EX 600")):
        box(axes, start, y, width, 3, "", KEY)
        write(axes, start + width / 2, y + 1.5, text, code=True, align="center")
        arrow(axes, (start, y - 3.2), (start, y - 0.1), DONE[1])
        write(axes, start + 0.6, y - 2.7, "worked out, and stored", size=7, colour=DONE[1])
    for x in (19, 23.5, 26, 30.5, 56, 60, 63):
        axes.plot([x], [y + 4.5], marker="^", color=KEY[1], ms=4)
    write(axes, 24.8, y + 6.7, "read: no work", size=7, colour=KEY[1], align="center")
    write(axes, 59.6, y + 6.7, "read: no work", size=7, colour=KEY[1], align="center")
    rule(axes, 33, y - 0.6, y + 3.6, BAD[1])
    write(axes, 33.4, y + 5, "after 10 min\nit is gone", size=7, colour=BAD[1])
    return figure


def publish() -> Figure:
    """Entries in a row, each with its ID; a new one goes to the end, and an old ID is refused."""
    figure, axes = canvas(1.9)
    write(axes, 2.5, 2, "a stream: what happened, in order", bold=True)
    events = ("UA 1545", "UA 1714", "AA 1141", "B6 725", "DL 461")
    times = ("10:15", "10:29", "10:40", "10:45", "11:00")
    for i, (event, time) in enumerate(zip(events, times, strict=True)):
        x = 3 + 9.6 * i
        box(axes, x, 6, 8.6, 3.6, event, KEY)
        write(axes, x + 4.3, 10.9, time, code=True, size=7, colour=QUIET, align="center")
    write(axes, 3, 13.2, "entry ID = its time in ms, and a number", size=7, colour=QUIET)
    box(axes, 60.5, 6, 8.6, 3.6, "new event", DONE)
    arrow(axes, (60.2, 7.8), (51.4, 7.8), DONE[1])
    write(axes, 64.8, 4.6, "XADD, at the end", size=7, colour=DONE[1], align="center")
    box(axes, 31.8, 14.2, 8.6, 3.2, "10:42", BAD)
    arrow(axes, (36.1, 14), (36.1, 11.9), BAD[1])
    write(axes, 41.2, 15.8, "refused: an ID that is no larger than the last", size=7, colour=BAD[1])
    return figure


def consume() -> Figure:
    """A consumer that reads on from its position, handles each entry, and then deletes it."""
    figure, axes = canvas(2.0)
    write(axes, 2.5, 2, "a consumer without a group: handle, then delete", bold=True)
    for i in range(7):
        x = 3 + 9.4 * i
        colours = (None, None, BAD, PENDING, WAITING, WAITING, WAITING)[i]
        if colours is None:
            axes.add_patch(
                FancyBboxPatch(
                    (x, 5.6),
                    8.4,
                    3.4,
                    "round,pad=0,rounding_size=0.5",
                    facecolor="white",
                    edgecolor=LINE,
                    ls=(0, (3, 2)),
                )
            )
            write(axes, x + 4.2, 7.3, "deleted", size=7, colour=QUIET, align="center")
        else:
            text = ("failed", "handling", "next", "next", "next")[i - 2]
            box(axes, x, 5.6, 8.4, 3.4, text, colours)
    rule(axes, 40.1, 4.4, 12.4, INK)
    write(axes, 40.7, 11.4, "its position: XREAD goes on from here", size=7)
    arrow(axes, (35.4, 9.3), (35.4, 14.4), PENDING[1])
    box(axes, 26, 14.6, 18.8, 3.4, "", PENDING)
    write(axes, 35.4, 16.3, "await handler(entry)", code=True, align="center")
    arrow(axes, (25.7, 16.3), (17.2, 16.3), DONE[1])
    write(axes, 16.6, 16.3, "returned: XDEL", size=7, colour=DONE[1], align="right")
    write(axes, 25.9, 11.4, "raised: it stays", size=7, colour=BAD[1], align="center")
    return figure


def consumer_groups() -> Figure:
    """A group's position in a stream; behind it, who holds which entries, as the pending list."""
    figure, axes = canvas(2.7)
    write(axes, 2.5, 2, "one stream, one group, two consumers", bold=True)
    owners = ("", "", "ann", "ben", "", "ben", "", "")
    for i, owner in enumerate(owners):
        x = 3 + 8.4 * i
        colours = PENDING if owner else DONE if i < 6 else WAITING
        box(axes, x, 6.4, 7.4, 3.4, owner or ("acked" if i < 6 else "new"), colours)
        write(axes, x + 3.7, 11, f"{i + 1}-0", code=True, size=7, colour=QUIET, align="center")
    rule(axes, 52.9, 4, 11.8, INK)
    write(
        axes, 52.4, 4.6, "the group's position: all before it were delivered", size=7, align="right"
    )
    write(axes, 53.5, 4.6, "lag: 2 entries", size=7, colour=QUIET)
    write(axes, 3, 14.6, "the pending list: delivered, and not acknowledged", size=7.5, bold=True)
    head = ("entry_id", "consumer", "idle", "deliveries")
    rows = (("3-0", "ann", "2 s", "1"), ("4-0", "ben", "3 h", "1"), ("6-0", "ben", "3 h", "4"))
    for r, row in enumerate((head, *rows)):
        for c, cell in enumerate(row):
            colour = QUIET if r == 0 else BAD[1] if row[2] == "3 h" else INK
            write(axes, 3 + 8.4 * c, 17 + 2.3 * r, cell, code=True, size=7, colour=colour)
    arrow(axes, (37, 19.4), (42, 19.4), DONE[1])
    write(axes, 42.6, 19.4, "XACK takes an entry off the list", size=7, colour=DONE[1])
    arrow(axes, (37, 22.8), (42, 22.8), BAD[1])
    write(
        axes,
        42.6,
        22.8,
        "ben is gone: XCLAIM gives his to ann;\nwhat fails every time goes to the dead letters",
        size=7,
        colour=BAD[1],
    )
    return figure


def capture_replay() -> Figure:
    """An hour of entries above; below, the same in a minute: each gap is 60 times as short."""
    figure, axes = canvas(2.35)
    moments = (0, 4, 6, 7, 15, 22, 23, 24, 31, 38, 45, 46, 52, 58)
    write(axes, 2.5, 2, "what happened: an hour, captured in a file", bold=True)
    write(axes, 2.5, 21.6, "its replay at speed=60: a minute, into another stream", bold=True)
    top, bottom, left, wide, narrow = 7, 16, 6, 58, 23
    for y, width, start, end in ((top, wide, "08:00", "09:00"), (bottom, narrow, "0 s", "60 s")):
        axes.plot([left, left + width], [y, y], color=LINE, lw=2, zorder=0)
        write(axes, left, y + (-2 if y == top else 2), start, code=True, size=7, align="center")
        write(
            axes, left + width, y + (-2 if y == top else 2), end, code=True, size=7, align="center"
        )
    now = 38
    for moment in moments:
        x, z = left + wide * moment / 60, left + narrow * moment / 60
        sent = moment < now
        axes.plot([x, z], [top, bottom], color=LINE, lw=0.7, zorder=0)
        axes.plot([x], [top], marker="o", color=KEY[1], ms=5)
        axes.plot(
            [z],
            [bottom],
            marker="o",
            color=DONE[1] if sent else "white",
            mec=DONE[1] if sent else WAITING[1],
            ms=5,
        )
    z = left + narrow * now / 60
    rule(axes, z, bottom - 1.6, bottom + 2.8, INK)
    write(axes, z + 0.6, bottom + 2.4, "now", size=7)
    write(
        axes,
        36,
        16.6,
        "sent: each is due at its time / 60; what is late is counted.\n"
        "A bookmark says how far it came: after a crash it goes on there.",
        size=7,
        colour=QUIET,
    )
    return figure


def explore() -> Figure:
    """An unknown server, looked at from far to near: findings, prefixes, streams, one key."""
    figure, axes = canvas(2.2)
    write(axes, 2.5, 2, "an unknown server, from far to near", bold=True)
    steps = (
        ("rnb.doctor(conn)", "what is wrong?", "the call that mends it,\nworst first"),
        ("rnb.tree(conn)", "what is stored?", "prefixes, memory,\nwhat never expires"),
        ("rnb.streams(conn)", "what happens?", "streams, groups,\nwho lags behind"),
        ("rnb.preview(conn, key)", "what is in it?", "one key of any type,\nas a table"),
    )
    for i, (call, question, answer) in enumerate(steps):
        x = 2.5 + 17.2 * i
        colours = (BAD, PENDING, KEY, DONE)[i]
        box(axes, x, 5, 15.2, 14, "", colours)
        write(axes, x + 7.6, 7.6, question, align="center", bold=True)
        write(axes, x + 7.6, 11.2, call, align="center", code=True, size=6.5)
        write(axes, x + 7.6, 15.4, answer, align="center", size=7, colour=QUIET)
        if i:
            arrow(axes, (x - 1.8, 12), (x - 0.2, 12))
    return figure


def panels() -> Figure:
    """The dashboard: streams on the left, and for the chosen one a tab with each panel."""
    figure, axes = canvas(2.6)
    box(axes, 2.5, 1.5, 67, 23, "", ("white", WAITING[1]))
    axes.plot([18, 18], [1.5, 24.5], color=LINE, lw=1)
    write(axes, 4, 3.8, "needs a look", size=6.5, colour=QUIET)
    box(axes, 3.5, 5.2, 13.5, 2.8, "orders: 1 group stuck", BAD)
    write(axes, 4, 10.4, "streams", size=6.5, colour=QUIET)
    for i, name in enumerate(("flights", "payments", "clicks")):
        box(axes, 3.5, 11.8 + 3.5 * i, 13.5, 2.8, name, KEY if i == 0 else WAITING)
    tabs = (
        ("Browse", "what was in it?"),
        ("Live", "what arrives?"),
        ("Groups", "who is stuck?"),
        ("Publish", "write, and mend"),
        ("Replay", "once more, faster"),
        ("Keys", "what is largest?"),
        ("Server", "is it healthy?"),
    )
    for i, (tab, _) in enumerate(tabs):
        write(axes, 19.5 + 7.1 * i, 3.8, tab, bold=i == 0, colour=KEY[1] if i == 0 else INK)
    axes.plot([19.5, 24.6], [5.2, 5.2], color=KEY[1], lw=2)
    axes.plot([18, 69.5], [5.25, 5.25], color=LINE, lw=1, zorder=0)
    heights = (1, 2, 4, 3, 5, 6, 4, 3, 2, 4, 5, 3, 2, 1, 2, 3)
    for i, height in enumerate(heights):
        colour = KEY[1] if 5 <= i <= 9 else "#bfdbfe"
        axes.bar(20.4 + 2.9 * i, -height, 2.2, 12.6, color=colour)
    for i, (tab, question) in enumerate(tabs):
        x, y = 19.5 + 17 * (i % 3), 15.4 + 3.2 * (i // 3)
        write(axes, x, y, tab, size=7, bold=True)
        write(axes, x + 5.2, y, question, size=7, colour=QUIET)
    return figure


PICTURES: dict[str, Callable[[], Figure]] = {
    "00-start-here": start_here,
    "01-cache": cache,
    "02-publish": publish,
    "03-consume": consume,
    "04-consumer-groups": consumer_groups,
    "05-capture-replay": capture_replay,
    "06-explore": explore,
    "07-panels": panels,
}


def png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def embed(notebook: dict[str, Any], draw: Callable[[], Figure]) -> None:
    """Put a picture, and its text, where the notebook's first cell has the place for it."""
    cell = notebook["cells"][0]
    source, found = IMAGE.subn(
        f"![{draw.__doc__}](attachment:picture.png)", "".join(cell["source"])
    )
    assert found == 1, "the first cell has no place for a picture"
    cell["source"] = source.splitlines(keepends=True)
    picture = base64.b64encode(png(draw())).decode()
    cell["attachments"] = {"picture.png": {"image/png": picture}}


if __name__ == "__main__":
    for name, draw in PICTURES.items():
        path = NOTEBOOKS / f"{name}.ipynb"
        notebook = json.loads(path.read_text(encoding="utf-8"))
        embed(notebook, draw)
        text = json.dumps(notebook, indent=1, ensure_ascii=False)
        path.write_text(f"{text}\n", encoding="utf-8")
