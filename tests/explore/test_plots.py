"""plots: what is drawn is what the frame has, in units, whatever the names and dtypes are."""

import re
import subprocess
import sys
import warnings

import matplotlib as mpl

mpl.use("Agg")

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import colors as mpl_colors
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

import redisnb as rnb
from redisnb import frames, plots
from redisnb.explore.plots import drawing, forms, writing
from redisnb.frames import table, timed_frame

pytestmark = pytest.mark.slow

NOW = 1_700_000_000_000
HOSTILE = [
    r"$\frac$",
    "$",
    r"a\$b$",
    "_x",
    "__",
    "a\u202egpj.exe",
    "line\nbreak\t\x00\x1b[31m",
    "<script>alert(1)</script>",
    "x" * 100_000,
    "%s{}",
    "",
    " ",
    "\\",
    "^_{",
    "caf�xe9",
    "-",
    "nan",
    "None",
]


@pytest.fixture(autouse=True)
def pictures():
    """Draw everything that a test has made, and leave no figure open."""
    yield
    numbers = plt.get_fignums()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")
        for number in numbers:
            plt.figure(number).canvas.draw()
    plt.close("all")


def entries(times, **columns):
    frame = frames.entries_frame([(f"{ms}-{n}".encode(), []) for n, ms in enumerate(times)])
    frame.attrs = {}
    return frame.assign(**columns)


def watched(*rows):
    """Make a WATCH frame of (second, stream, group, and what is known)."""
    whole = [
        (stream, group, *(known.get(name) for name in [*frames.WATCH][2:]))
        for _, stream, group, known in rows
    ]
    return timed_frame(frames.WATCH, [NOW + 1000 * second for second, *_ in rows], whole)


def keys(*rows):
    """Make a KEYS frame of (key, ttl in ms, size)."""
    schema = frames.KEYS | frames.KEY_SIZES
    return table(schema, [(key, "string", ttl, None, size, None) for key, ttl, size in rows])


def groups(*rows):
    """Make a GROUPS frame of (stream, group, lag, pending)."""
    blank = dict.fromkeys(frames.GROUPS)
    blank |= {"consumers": 0}
    return table(
        frames.GROUPS,
        [
            (blank | {"stream": s, "group": g, "lag": lag, "pending": pending}).values()
            for s, g, lag, pending in rows
        ],
    )


def drawn(ax):
    """Return what the lines of axes show, by label."""
    return {line.get_label(): line for line in ax.lines}


def bars(ax):
    """Return the lengths of bars, by label."""
    ax.figure.canvas.draw()
    names = [unescaped(label.get_text()) for label in ax.get_yticklabels()]
    return dict(zip(names, ends(ax), strict=True))


def ends(ax):
    lengths = {}
    for patch in ax.patches:
        place = round(patch.get_y() + patch.get_height() / 2)
        lengths[place] = lengths.get(place, 0) + patch.get_width()
    return [lengths[place] for place in sorted(lengths)]


def unescaped(text):
    return text.replace(r"\$", "$").lstrip(" ")


def said(ax):
    return " ".join(text.get_text() for text in ax.texts)


def ticks(axis):
    axis.figure.canvas.draw()
    low, high = axis.get_view_interval()
    found = zip(axis.get_majorticklocs(), axis.get_ticklabels(), strict=True)
    return [label.get_text() for place, label in found if low <= place <= high]


# -- rates


def seconds_of(line, first, last):
    """Return how long the intervals of a line are, which begin with the first entry."""
    places = line.get_xdata().astype("int64")
    # That of 1 ms begins where its middle is written.
    width = places[1] - places[0] if len(places) > 2 else 2 * (places[0] - first) or 1
    whole = [width] * (len(places) - 1)
    return np.array([*whole, max(last - first + 1, 1000 * (last == first)) - sum(whole)]) / 1000


def test_the_rate_of_entries():
    times = np.repeat(np.arange(0, 100_000, 100), 3) + NOW
    frame = entries(times.tolist())
    ax = plots.rate(frame)
    (line,) = ax.lines
    # The last interval is longer, and ends with the last entry.
    assert line.get_ydata()[:-1] == pytest.approx(30)
    lengths = seconds_of(line, times.min(), times.max())
    assert lengths.tolist() == [1.0] * 98 + [pytest.approx(1.901)]
    assert (line.get_ydata() * lengths).sum() == pytest.approx(len(frame))
    assert ax.get_ylabel() == "entries/s, mean of each 1 s"
    assert ax.get_xlabel() == "time (UTC)"
    assert ax.get_legend() is None
    x = line.get_xdata()
    assert x.min() >= np.datetime64(NOW, "ms")
    assert x.max() <= np.datetime64(int(times.max()), "ms")


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.filterwarnings("error")
@given(st.lists(st.integers(0, 253_402_300_799_999), min_size=1, max_size=60))
def test_the_rate_of_any_entries(times):
    ax = plots.rate(entries(times).sample(frac=1))
    (line,) = ax.lines
    # The area below the line is the number of entries.
    seconds = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
    per = seconds[re.match(r"entries/(\w+)", ax.get_ylabel())[1]]
    lengths = seconds_of(line, min(times), max(times))
    assert (line.get_ydata() / per * lengths).sum() == pytest.approx(len(times), rel=1e-3)
    assert len(line.get_ydata()) <= max(1, len(times) // 5)
    if len(lengths) > 1:
        assert 0.99 < lengths[-1] / lengths[0] < 2.01
    ax.figure.canvas.draw()
    plt.close(ax.figure)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("step", [0.7, pytest.param(0.1, marks=pytest.mark.long)])
def test_the_axis_of_times_has_texts_for_every_span(step):
    for exponent in np.arange(0, 14.3, step):
        span = int(10**exponent)
        ax = plots.rate(entries([NOW, NOW + span] if span < 2 * 10**14 else [0, span]))
        assert 1 <= len([text for text in ticks(ax.xaxis) if text]) <= 8
        plt.close(ax.figure)


def test_the_rate_of_several_streams():
    frame = entries(range(NOW, NOW + 10_000, 100), stream=["a", "b"] * 50)
    # Two at once: which is the highest is not left to chance.
    frame = pd.concat([frame, frame.query("stream == 'a'").iloc[:1]])
    ax = plots.rate(frame)
    assert set(drawn(ax)) == {"a", "b"}
    for line in ax.lines:
        assert line.get_ydata().mean() == pytest.approx(5, rel=0.1)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b"]
    # An event's own column is none of the stream's.
    frame.attrs["stream"] = "orders"
    ax = plots.rate(frame)
    (line,) = ax.lines
    assert ax.get_title("left") == "orders"
    assert line.get_ydata()[1:] == pytest.approx(10, rel=0.12)


@pytest.mark.parametrize(
    ("every", "unit"),
    [
        (500, "entries/s, mean of each 5 s"),
        (5_000, "entries/min, mean of each 1 min"),
        (600_000, "entries/h, mean of each 2 h"),
        (86_400_000, "entries/d, mean of each 14 d"),
    ],
)
def test_rates_are_said_in_times_in_which_something_happens(every, unit):
    ax = plots.rate(entries(range(NOW, NOW + 1000 * every, every)))
    assert ax.get_ylabel() == unit
    assert 1 <= ax.lines[0].get_ydata().max() < 60


def test_the_rate_of_a_histogram():
    frame = timed_frame(frames.HISTOGRAM, [NOW, NOW + 60_000, NOW + 120_000], [[60], [0], [120]])
    frame.attrs = {"error": 12, "exact": False}
    ax = plots.rate(frame)
    assert ax.lines[0].get_ydata().tolist() == [1, 0, 2]
    assert ax.get_ylabel() == "entries/s, mean of each 1 min"
    assert ax.get_title("left") == "each may be wrong by 12"
    # Of a single interval the length is unknown.
    ax = plots.rate(frame.iloc[:1])
    assert ax.lines[0].get_ydata().tolist() == [60]
    assert ax.get_ylabel() == "entries"


def test_the_rate_of_a_watch_counts_each_stream_once():
    frame = watched(
        (0, "a", "g", {}),
        (0, "a", "h", {}),
        (1, "a", "g", {"rate": 5.0}),
        (1, "a", "h", {"rate": 5.0}),
        (2, None, None, {}),
        (3, "a", "g", {"rate": 7.0}),
    )
    ax = plots.rate(frame)
    (line,) = ax.lines
    assert ax.get_title("left") == "a"
    assert np.nan_to_num(line.get_ydata(), nan=-1).tolist() == [-1, 5, -1, 7]
    # Without neighbors a point would not be seen.
    assert line.get_marker() == "o"
    assert line.get_markevery() == [1, 3]


def test_the_rate_of_streams_lately(conn, raw):
    raw.xadd("a", {"x": 1})
    raw.xadd("b", {"x": 1}, id="5-0")
    ax = plots.rate(rnb.streams(conn).assign(rate=pd.array([1234.5, pd.NA], "Float64")))
    assert bars(ax) == {"a": 1234.5, "b": 0}
    assert [text.get_text() for text in ax.texts] == ["1,234", "unknown"]
    assert ax.get_xlabel() == "entries/s, lately"


# -- lags and pending entries


def test_the_lag_over_time():
    frame = watched(
        *((n, "a", "g", {"lag": 1000 * n}) for n in range(5)),
        *((n, "a", "h", {"lag": None}) for n in range(5)),
        *((n, "b", None, {}) for n in range(5)),
    )
    ax = plots.lag(frame)
    lines = drawn(ax)
    assert set(lines) == {"a / g", "a / h: unknown"}
    assert lines["a / g"].get_ydata().tolist() == [0, 1000, 2000, 3000, 4000]
    assert np.isnan(lines["a / h: unknown"].get_ydata()).all()
    assert "4,000" in ticks(ax.yaxis)
    assert ax.get_ylim()[0] == 0
    legend = ax.get_legend().get_window_extent()
    assert legend.x0 >= ax.get_window_extent().x1, "it covers data"


def test_the_lag_now():
    ax = plots.lag(groups(("a", "g", 5, 0), ("a", "h", None, 0), ("b", "g", 1500, 0)))
    assert bars(ax) == {"b / g": 1500, "a / g": 5, "a / h": 0}
    assert [text.get_text() for text in ax.texts] == ["1,500", "5", "unknown"]


def test_at_most_eight_lines_and_the_rest_together():
    frame = watched(*((n, f"s{i}", "g", {"lag": i}) for i in range(20) for n in range(3)))
    ax = plots.lag(frame)
    assert len(ax.lines) == 9
    assert drawn(ax)["12 others together"].get_ydata().tolist() == [66] * 3
    assert drawn(ax)["s19 / g"].get_ydata().tolist() == [19] * 3
    styles = {(line.get_color(), line.get_linestyle()) for line in ax.lines}
    assert len(styles) == 9


def test_at_most_twenty_bars_and_the_rest_together():
    ax = plots.lag(groups(*(("s", f"g{i}", i if i > 2 else None, 0) for i in range(30))))
    found = bars(ax)
    assert len(found) == 21
    assert found["s / g29"] == 29
    assert found["10 others, 3 of them unknown"] == sum(range(3, 10))


def test_pending_entries():
    frame = watched(*((n, "a", "g", {"pending": n}) for n in range(3)))
    assert plots.pending(frame).lines[0].get_ydata().tolist() == [0, 1, 2]
    assert bars(plots.pending(groups(("a", "g", 5, 7)))) == {"a / g": 7}
    consumers = table(frames.CONSUMERS, [("ann", 3, 0, 0), ("bob", 9, 0, None)])
    assert bars(plots.pending(consumers)) == {"bob": 9, "ann": 3}


def test_pending_entries_by_consumer_and_deliveries(conn, raw):
    stream = rnb.Stream(conn, "orders")
    stream.add_many([{"n": n} for n in range(10)])
    for name, count in (("ann", 7), ("bob", 3)):
        group = rnb.ConsumerGroup(stream, "g", consumer=name)
        group.create("all")
        group.read(count)
    for _ in range(4):
        raw.xclaim("orders", "g", "bob", 0, [e["message_id"] for e in pending_of(raw, "bob")[:1]])
    frame = group.pending()
    ax = plots.pending(frame)
    assert bars(ax) == {"ann": 7, "bob": 3}
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == ["delivered once", "5 times or more"]
    assert [patch.get_width() for patch in ax.patches] == [7, 2, 0, 1]
    assert plots.pending(group.pending(payload=True)).get_xlabel() == "pending entries"


def pending_of(raw, consumer):
    return raw.xpending_range("orders", "g", "-", "+", 10, consumername=consumer)


# -- keys


def test_times_to_live():
    frame = keys(*((f"k{n}", 3_600_000, 1) for n in range(1500)), ("a", 1000, 1), ("b", None, 1))
    ax = plots.ttl(frame)
    counts, edges, _ = ax.patches[0].get_data()
    assert counts.sum() == 1501
    assert counts[[np.searchsorted(edges, each) - 1 for each in (1, 3600)]].tolist() == [1, 1500]
    assert ax.get_title("left") == "1,501 keys expire; 1 never does"
    assert ticks(ax.xaxis) == ["1 s", "10 s", "1 min", "10 min", "1 h"]
    assert "1,500" in ticks(ax.yaxis) or "1,400" in ticks(ax.yaxis)


def test_times_to_live_over_all_of_time():
    ax = plots.ttl(keys(("a", 1, 1), ("b", 2**53, 1)))
    assert {"1 s", "1 min", "1 h", "1 d", "1 y"} <= set(ticks(ax.xaxis))
    assert ax.patches[0].get_data()[0].sum() == 2


def test_a_key_that_expires_right_now_is_there():
    ax = plots.ttl(keys(("a", 0, 1)))
    assert ax.patches[0].get_data()[0].sum() == 1


def test_keys_that_never_expire_are_not_those_that_may_not_be_read():
    frame = keys(("a", None, 1), ("b", None, 1))
    frame.loc[1, "type"] = None
    frame.attrs["refused"] = 1
    ax = plots.ttl(frame)
    assert ax.get_title("left") == "0 keys expire; 1 never does; 1 unknown"
    assert said(ax) == "no key expires"


def test_sizes():
    ax = plots.sizes(keys(("a", None, 5 * 2**19), ("b", None, 999), ("c", None, None)))
    assert bars(ax) == {"a": 5 * 2**19, "b": 999, "c": 0}
    assert [text.get_text() for text in ax.texts] == ["2.5 MB", "999 B", "unknown"]
    assert ticks(ax.xaxis) == ["0 B", "512 KB", "1.0 MB", "1.5 MB", "2.0 MB", "2.5 MB"]


def test_sizes_of_prefixes_count_nothing_twice(conn, raw):
    for key in ("a", "b:1", "b:c:1", "b:c:2", "b:c:d:1", "x:1"):
        raw.set(key, "x" * 1000)
    whole = rnb.keys(conn, sizes=True)["size"].sum()
    for depth in (1, 2, 3):
        found = bars(plots.sizes(rnb.tree(conn, depth=depth)))
        assert sum(found.values()) == whole
        assert "(no prefix)" in found
    assert "b: (the rest)" in found
    assert set(bars(plots.sizes(rnb.streams(conn)))) == set()


# -- times


def test_gaps():
    ms = [0, 0, 0, 5, 5, 1005, 3_601_005]
    frame = entries([NOW + each for each in ms]).iloc[::-1]
    ax = plots.gaps(frame)
    counts = [patch.get_data()[0] for patch in ax.patches]
    assert counts[0].sum() == 3
    assert counts[1].tolist() == [3]
    assert ticks(ax.xaxis)[0] == "0" or "0" in ticks(ax.xaxis)
    longest = [line.get_xdata()[0] for line in ax.lines]
    assert longest == [3600, 1, 0.005]
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend[0] == "1 h, from\n2023-11-14 22:13:21"


def test_gaps_are_within_a_stream():
    frame = entries([NOW, NOW + 10, NOW + 1000, NOW + 1010], stream=["a", "b", "a", "b"])
    ax = plots.gaps(frame)
    assert [line.get_xdata()[0] for line in ax.lines] == [1, 1]


@pytest.mark.long
@pytest.mark.slow
@given(st.lists(st.integers(0, 253_402_300_799_999), min_size=2, max_size=30))
def test_all_gaps_are_drawn(times):
    ax = plots.gaps(entries(times))
    assert sum(patch.get_data()[0].sum() for patch in ax.patches) == len(times) - 1
    ax.figure.canvas.draw()
    plt.close(ax.figure)


def test_the_latency_of_a_watch():
    frame = watched(*((n, "a", g, {"latency": 100 * n}) for n in range(101) for g in "gh"))
    ax = plots.latency(frame)
    lines = drawn(ax)
    assert lines["round trip"].get_ydata() == pytest.approx(np.arange(101) * 1e-4)
    assert {"median: 5 ms", "99 %: 9.9 ms"} <= set(lines)
    assert lines["median: 5 ms"].get_ydata()[0] == pytest.approx(0.005)
    assert "10 ms" in ticks(ax.yaxis)


def test_the_latency_of_slow_commands():
    rows = [(n, NOW + n, 10**n, f"{'KEYS' if n % 2 else 'GET'} a", "c", "n") for n in range(6)]
    ax = plots.latency(table(frames.SLOWLOG, rows))
    assert set(drawn(ax)) == {"KEYS", "GET"}
    assert drawn(ax)["KEYS"].get_ydata() == pytest.approx([1e-5, 1e-3, 1e-1])
    assert {"1 µs", "1 ms", "100 ms"} <= set(ticks(ax.yaxis))
    many = [(n, NOW, 1, f"C{n}", "c", "n") for n in range(20)]
    assert "12 others" in drawn(plots.latency(table(frames.SLOWLOG, many)))


# -- names


@pytest.mark.long
@pytest.mark.parametrize("names", [HOSTILE[i::3] for i in range(3)], ids=repr)
def test_hostile_names_are_shown(names):
    frame = watched(
        *((n, name, "g", {"lag": 1, "rate": 1.0}) for n in range(2) for name in [*names, "other"])
    )
    for draw in (plots.lag, plots.rate):
        ax = draw(frame)
        texts = [text.get_text() for text in ax.get_legend().get_texts()]
        assert len(texts) == len(names) + 1
        # Also where the user calls it again.
        assert len(ax.legend().get_texts()) == len(names) + 1
        ax.figure.canvas.draw()
    ax = plots.lag(groups(*((name, name, 1, 1) for name in names), ("other", "g", 1, 1)))
    assert len(bars(ax)) == len(names) + 1
    for name in names:
        assert plots.lag(frame[frame["stream"] == name]).get_title("left")
    plots.sizes(keys(*((name, 1, 1) for name in names)))
    plots.rate(entries(range(len(names)), stream=names))
    plots.pending(table(frames.CONSUMERS, [(name, 1, 1, 1) for name in names]))


@given(st.lists(st.text(), min_size=1, max_size=20))
def test_labels_are_distinct_short_and_printable(names):
    found = writing.labels(names)
    assert len(set(found)) == len(names)
    for each in found:
        assert each.isprintable()
        assert len(unescaped(each)) <= 80
        assert not each.startswith("_")
        assert each.count("$") == each.count(r"\$")


def test_a_label_is_cut_in_the_middle_and_marked():
    assert writing.labels(["a" * 50 + "z"]) == [f"{'a' * 23}…{'a' * 11}z"]
    assert writing.labels(["a\u202eb\n"]) == [r"a\u202eb\n"]
    assert writing.labels(["x", "x", ("x", "y")]) == ["x", "x (2)", "x / y"]
    assert writing.labels(["", None]) == ["''", "?"]


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        (writing.seconds_text, 0, "0"),
        (writing.seconds_text, 1.5e-4, "150 µs"),
        (writing.seconds_text, 0.0009999, "1 ms"),
        (writing.seconds_text, 2.5, "2.5 s"),
        (writing.seconds_text, 59.99, "1 min"),
        (writing.seconds_text, 3700, "1 h 1 min"),
        (writing.seconds_text, 3e9, "95.1 y"),
        (writing.number_text, 1_234_567, "1,234,567"),
        (writing.number_text, 0.25, "0.25"),
        (writing.number_text, 2**60, "1,152,921,504,606,846,976"),
        (writing.rate_text, 1234.5, "1,234"),
        (writing.rate_text, 0.01234, "0.0123"),
    ],
)
def test_numbers_have_units(write, value, text):
    assert write(value) == text


# -- nothing, little, and what is not whole

EMPTY = [
    (plots.rate, entries([]), "no entries"),
    (plots.rate, timed_frame(frames.HISTOGRAM, [], []), "no entries"),
    (plots.rate, watched(), "no streams"),
    (plots.rate, table(frames.STREAMS, []), "no streams"),
    (plots.lag, watched(), "no groups"),
    (plots.lag, groups(), "no groups"),
    (plots.pending, watched(), "no groups"),
    (plots.pending, frames.pending_frame([]), "no pending entries"),
    (plots.pending, table(frames.CONSUMERS, []), "no consumers"),
    (plots.ttl, table(frames.KEYS, []), "no keys"),
    (plots.gaps, entries([]), "no entries"),
    (plots.gaps, entries([5]), "a single entry"),
    (plots.sizes, keys(), "no keys"),
    (plots.sizes, table(frames.TREE, []), "no keys"),
    (plots.latency, watched(), "no reply"),
    (plots.latency, table(frames.SLOWLOG, []), "no slow commands"),
    # There are rows, and nothing in them.
    (plots.rate, watched((0, None, None, {}), (1, None, None, {})), "no streams"),
    (plots.rate, watched((0, "a", "g", {})), "no rate is known"),
    (plots.lag, watched((0, "a", "g", {}), (1, "a", "g", {})), "no lag is known"),
    (plots.lag, watched((0, "a", None, {})), "no groups"),
    (plots.pending, watched((0, "a", "g", {})), "no number of them is known"),
    (plots.latency, watched((0, None, None, {})), "no reply"),
    (plots.lag, groups(("a", "g", None, 1)), "unknown"),
]


@pytest.mark.parametrize(("draw", "frame", "says"), EMPTY)
def test_nothing_is_said_to_be_nothing(draw, frame, says):
    ax = draw(frame)
    assert said(ax) == says
    assert isinstance(ax, Axes)
    # Rows of a frame without the dtypes that it had.
    ax = draw(frame.astype(object).iloc[:0] if says != "unknown" else frame.astype(object))
    ax.figure.canvas.draw()


def test_one_point_is_visible():
    ax = plots.rate(entries([NOW]))
    (line,) = ax.lines
    assert (line.get_marker(), line.get_ydata().tolist()) == ("o", [1])
    low, high = ax.get_xlim()
    assert (high - low) * 86_400 == pytest.approx(60)
    ax = plots.lag(watched((0, "a", "g", {"lag": 0})))
    assert ax.lines[0].get_marker() == "o"
    assert ax.get_ylim() == (0, 1)


@pytest.mark.parametrize(
    ("attrs", "says"),
    [
        ({"truncated": True}, "not all: the frame was cut at its limit"),
        ({"sampled": 1000}, "by a sample of 1,000"),
        ({"missed": 3}, "3 gone before they were read"),
        ({"failed": 2, "skipped": 5, "interrupted": True}, "2 samples failed; 5 samples left out"),
        ({"truncated": False, "sampled": None, "missed": 0, "skipped": {"a": 1}}, ""),
        ({"truncated": "yes", "sampled": True, "error": "no"}, ""),
    ],
)
def test_what_is_not_whole_says_so(attrs, says):
    frame = entries([1, 2, 3])
    frame.attrs = attrs
    title = plots.rate(frame).get_title("left")
    assert says in title
    assert bool(says) is bool(title)


def test_a_frame_that_was_cut(conn):
    stream = rnb.Stream(conn, "orders")
    stream.add_many([{"n": n} for n in range(20)])
    assert "cut at its limit" in plots.rate(stream.range(limit=5)).get_title("left")
    assert plots.rate(stream.range(limit=None)).get_title("left") == "orders"


# -- dtypes

WATCHED = watched(*((n, "a", g, {"lag": n, "rate": 2.0}) for n in range(3) for g in "gh"))


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame.astype({"lag": "float64", "rate": "float32"}),
        lambda frame: frame.astype({"lag": "int16", "stream": "category", "group": object}),
        lambda frame: frame.astype({"lag": "Float64"}),
        lambda frame: frame.convert_dtypes(dtype_backend="pyarrow"),
        lambda frame: frame.astype(object),
        lambda frame: frame.reset_index().astype(object),
        lambda frame: frame.reset_index(),
        lambda frame: frame.tz_convert("Asia/Tokyo"),
        lambda frame: frame.set_index(frame.index.as_unit("ns")),
        lambda frame: frame.sample(frac=1, random_state=1),
        lambda frame: pd.concat([frame, frame]),
        lambda frame: frame.assign(more="x")[["lag", "more", "group", "stream", "rate"]],
        lambda frame: frame.set_index(["stream", "group"], append=True),
        lambda frame: frame.assign(rate=[2, 2, 2, 2, np.inf, -np.inf]).astype({"rate": float}),
    ],
)
def test_a_frame_in_other_dtypes_and_orders(change):
    before = change(WATCHED)
    frame = before.copy()
    ax = plots.lag(frame)
    assert {label: line.get_ydata().tolist() for label, line in drawn(ax).items()} == {
        "a / g": [0, 1, 2],
        "a / h": [0, 1, 2],
    }
    times = WATCHED.index.unique().tz_localize(None)
    assert ax.lines[0].get_xdata().astype("datetime64[ms]").tolist() == times.tolist()
    plots.rate(frame)
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize(
    ("draw", "frame", "says"),
    [
        (plots.lag, WATCHED.assign(lag="5"), "and not of numbers"),
        (plots.lag, WATCHED.assign(lag=True), "the column 'lag' is bool, and not of numbers"),
        (plots.ttl, keys(("a", 1, 1)).assign(ttl=5), "is int64, and not of durations"),
        (plots.lag, WATCHED.tz_localize(None), "without a time zone; .tz_localize('UTC')"),
        (plots.rate, pd.concat([WATCHED, WATCHED[["rate"]]], axis=1), "several columns 'rate'"),
    ],
)
def test_columns_of_other_kinds(draw, frame, says):
    with pytest.raises(ValueError, match=r"^plots\.") as caught:
        draw(frame)
    assert says in str(caught.value)
    assert plt.get_fignums() == []


# -- what is drawn by mistake


@pytest.mark.parametrize(
    ("draw", "frame", "says"),
    [
        (
            plots.lag,
            entries([1]),
            "plots.lag() draws what rnb.watch(conn) or rnb.groups(conn) returns; this frame has no "
            "columns 'stream', 'group', 'lag'; did you mean plots.rate or plots.gaps?",
        ),
        (
            plots.lag,
            WATCHED.drop(columns="lag"),
            "this frame has no column 'lag'; did you mean plots.rate or plots.pending or "
            "plots.latency?",
        ),
        (plots.lag, WATCHED.rename(columns={"lag": "lags"}), "no column 'lag'"),
        (plots.sizes, keys(("a", 1, 1)).drop(columns="size"), "rnb.keys(conn, sizes=True)"),
        (plots.ttl, pd.DataFrame({"key": ["a"], "TTL": [1]}), "no column 'ttl', but 'TTL'"),
        (plots.gaps, pd.DataFrame(), "draws what stream.range() returns; this frame has no col"),
        (plots.lag, entries([1]).assign(stream="a", group="b", lag=5), "did you mean plots.rate"),
        (plots.rate, pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")])), "no c"),
    ],
)
def test_a_frame_of_something_else(draw, frame, says):
    with pytest.raises(ValueError, match=r"^plots\.") as caught:
        draw(frame)
    assert says in str(caught.value)
    assert plt.get_fignums() == []


def test_what_is_no_frame(conn):
    stream = rnb.Stream(conn, "orders")
    polars = pytest.importorskip("polars")
    for value, says in [
        (stream, "not Stream; stream.range() is a frame of its entries"),
        (rnb.ConsumerGroup(stream, "g"), "not ConsumerGroup; group.pending()"),
        (conn, "not Connection; rnb.watch(conn)"),
        (polars.DataFrame({"a": [1]}), "not DataFrame; .to_pandas() makes one of it"),
        (pd.Series([1]), "not Series; .to_frame()"),
        ([1], "not list"),
        (None, "not NoneType"),
    ]:
        for draw in (plots.rate, plots.sizes):
            with pytest.raises(TypeError, match=r"^plots\.") as caught:
                draw(value)
            assert says in str(caught.value)
    assert plt.get_fignums() == []


def test_names_that_were_meant():
    with pytest.raises(AttributeError, match=r"no 'lags'; did you mean lag\?"):
        rnb.plots.lags  # noqa: B018 - looking is the test
    with pytest.raises(AttributeError, match="there are gaps, lag"):
        rnb.plots.histogram  # noqa: B018 - looking is the test
    with pytest.raises(TypeError, match="did you mean ax="):
        plots.lag(WATCHED, axs=None)
    assert dir(rnb.plots) == sorted(forms.DRAWN) == rnb.plots.__all__


def test_axes_that_are_none():
    figure, axes = plt.subplots(1, 2)
    for wrong in (figure, axes):
        with pytest.raises(TypeError, match="ax is a matplotlib Axes, not"):
            plots.lag(WATCHED, ax=wrong)


# -- figures


def test_axes_that_were_given_are_drawn_on():
    _, (left, right) = plt.subplots(1, 2)
    left.set_title("mine", loc="left")
    assert plots.lag(WATCHED, ax=left) is left
    assert plt.gca() is right
    assert len(plt.get_fignums()) == 1
    assert left.get_title("left") == "mine"
    for draw, frame, _ in EMPTY:
        draw(frame, ax=right)


def test_a_new_figure_is_the_current_one():
    ax = plots.lag(WATCHED)
    assert plt.gca() is ax
    assert len(plt.get_fignums()) == 1


def test_a_plot_that_fails_leaves_no_figure(monkeypatch):
    def fail(*_):
        raise RuntimeError

    monkeypatch.setattr("redisnb.explore.plots.streams.draw_lines", fail)
    before, _ = plt.subplots()
    with pytest.raises(RuntimeError):
        plots.lag(WATCHED)
    assert plt.get_fignums() == [before.number]


def contrast(one, other):
    """Return the contrast of two colors, https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio"""

    def luminance(color):
        linear = (
            c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
            for c in mpl_colors.to_rgb(color)
        )
        return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_colors_can_be_seen_on_white_and_on_dark():
    for color in drawing.COLORS:
        assert contrast(color, "white") >= 3
        assert contrast(color, "#111111") >= 3


def test_a_figure_is_opaque_and_its_texts_can_be_read_on_it():
    frame = watched(*((n, f"s{i}", "g", {"lag": i}) for i in range(20) for n in range(3)))
    ax = plots.lag(frame)
    ground = ax.figure.get_facecolor()
    assert ground[3] == 1
    texts = [*ax.get_xticklabels(), *ax.get_yticklabels(), *ax.get_legend().get_texts()]
    for text in [*texts, ax.xaxis.label, ax.yaxis.label]:
        assert contrast(text.get_color(), ground) >= 4.5
    for line in ax.lines:
        share = line.get_alpha() or 1
        mixed = [share * a + (1 - share) for a in mpl_colors.to_rgb(line.get_color())]
        assert contrast(mixed, ground) >= 3


def test_the_user_s_style_is_kept():
    with plt.style.context("dark_background"):
        ax = plots.lag(WATCHED)
        assert mpl_colors.to_hex(ax.figure.get_facecolor()) == "#000000"
        own = plt.rcParams["axes.prop_cycle"].by_key()["color"]
        assert [line.get_color() for line in ax.lines] == own[:2]
        assert ax.yaxis.label.get_color() == "white"


def test_the_time_zone_of_matplotlib_changes_nothing():
    with plt.rc_context({"timezone": "Asia/Tokyo"}):
        texts = ticks(plots.lag(WATCHED).xaxis)
        assert all(each.startswith("22:13") for each in texts)


@pytest.mark.slow
def test_without_matplotlib():
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "import redisnb as rnb\n"
        "from redisnb import frames\n"
        "try: rnb.plots.lag(frames.table(frames.GROUPS, []))\n"
        "except rnb.MissingExtraError as error: print(error)"
    )
    said = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert said == (
        "matplotlib is not installed; get it with: python -m pip install 'redisnb[lab]'\n"
    )


@pytest.mark.slow
def test_matplotlib_is_imported_when_a_plot_is_drawn():
    code = (
        "import sys, redisnb as rnb; rnb.plots.lag\n"
        "assert not any(name.startswith('matplotlib') for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# -- what redisnb returns


@pytest.mark.filterwarnings("ignore:.* left out, since")
def test_each_frame_of_a_server_can_be_drawn(conn, raw):
    stream = rnb.Stream(conn, "orders")
    stream.add_many([{"n": n} for n in range(50)])
    group = rnb.ConsumerGroup(stream, "etl", consumer="ann")
    group.create("all")
    group.read(5)
    raw.set("a", "x", px=10**6)
    seen = rnb.watch(conn, every=0.01, duration=0.05)
    for draw, frame in [
        (plots.rate, stream.range()),
        (plots.rate, stream.histogram("1s")),
        (plots.rate, rnb.streams(conn)),
        (plots.rate, seen),
        (plots.lag, seen),
        (plots.lag, rnb.groups(conn)),
        (plots.lag, stream.groups()),
        (plots.pending, seen),
        (plots.pending, group.pending()),
        (plots.pending, rnb.groups(conn)),
        (plots.pending, group.consumers()),
        (plots.ttl, rnb.keys(conn)),
        (plots.ttl, rnb.Cache(conn).keys()),
        (plots.gaps, stream.range()),
        (plots.sizes, rnb.keys(conn, sizes=True)),
        (plots.sizes, rnb.tree(conn)),
        (plots.sizes, rnb.streams(conn)),
        (plots.latency, seen),
        (plots.latency, rnb.slowlog(conn)),
    ]:
        ax = draw(frame)
        ax.figure.canvas.draw()
        plt.close(ax.figure)
