"""What a chart and a histogram are given, and what a field offers while a filter is typed."""

import pandas as pd
import pytest

from redisnb.panels.parts import Chart, Histogram, Input, filter_terms

SECONDS = [pd.Timestamp(n, unit="s", tz="UTC") for n in range(3)]


def test_lines_are_times_and_values():
    chart = Chart("Rate")
    chart.show(SECONDS, {"all": [1200.0, 1.25004, float("nan")], "matching": [0, None, 3]})
    assert chart["times"] == [0, 1000, 2000]
    assert chart["lines"] == [["all", [1200, 1.25, None]], ["matching", [0, None, 3]]]
    chart.show([], {})
    assert chart["lines"] == []
    with pytest.raises(ValueError, match=r"\['all'\]: there are 3 times"):
        chart.show(SECONDS, {"all": [1]})


def test_edges_are_times_or_texts():
    bars = Histogram("Entries over time")
    bars.show([4, 0], SECONDS)
    assert bars["edges"] == [0, 1000, 2000]
    bars.show([4, 0], ["a", "b", "c"], ticks=3)
    assert bars["ticks"] == ["a", "b", "c"]
    bars.show([], [])
    assert bars["counts"] == []


def test_a_position_moves_over_the_bars():
    bars = Histogram("Entries over time")
    bars.show([4, 0], SECONDS)
    assert bars["position"] is None
    bars.move(SECONDS[1])
    assert bars["position"] == 1000
    bars.move(1500)
    assert bars["position"] == 1500
    bars.move(None)
    assert bars["position"] is None


def test_columns_are_offered_with_their_values_if_they_are_few():
    frame = pd.DataFrame(
        {
            "carrier": ["it's", "UA", None],
            "ok": [True, False, None],
            "n": pd.array([1, 2, None], dtype="Int64"),
            "x": [1.5, 2.5, float("inf")],
            "tags": [["a"], None, "b"],
            "long": ["x" * 40, None, None],
            "nothing": [None, None, None],
        },
        index=pd.DatetimeIndex(SECONDS, name="entry_time"),
    )
    assert filter_terms(frame) == {
        "entry_time": [],
        "carrier": ["'it''s'", "'UA'"],
        "ok": ["true", "false"],
        "n": ["1", "2"],
        "x": [],
        "tags": [],
        "long": [],
        "nothing": [],
    }
    assert filter_terms(pd.DataFrame({"id": map(str, range(100))})) == {"id": []}
    assert len(filter_terms(pd.DataFrame([range(300)]))) == 200
    wide = filter_terms(pd.DataFrame([[f"{n}{'x' * 25}"] * 200 for n in range(20)]))
    assert 0 < sum(len(each) for values in wide.values() for each in values) < 10_000


def test_a_field_offers_texts_or_terms():
    field = Input("Where")
    assert field["offers"] == []
    field.offer(("a", "b"))
    assert field["offers"] == ["a", "b"]
    field.offer({"a": ("1",)})
    assert field["offers"] == {"a": ["1"]}
