"""Entry IDs: text and numbers, times, and the bounds of a range."""

import copy
import pickle
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest

from redisnb.entries import ids
from redisnb.entries.ids import EntryId
from redisnb.errors import EntryIdError

MAY = 1714521600000  # 2024-05-01 00:00 UTC
NOON = datetime(2024, 5, 1, 12, tzinfo=timezone(timedelta(hours=5)))  # 07:00 UTC
# Neither an ID nor a time.
NEVER = [
    "",
    "-",
    "5-",
    "-5",
    "a-b",
    "+5",
    "$",
    "*",
    "1" * 5000,
    b"\xff-0",
    "\N{ARABIC-INDIC DIGIT ONE}",
]
EASTERN = timezone(timedelta(hours=-4))


def now() -> datetime:
    return NOON


def no_clock() -> datetime:
    raise AssertionError("the clock must not be read")


@pytest.mark.parametrize(
    ("given", "text", "ms", "seq"),
    [
        ("1700000000000-3", "1700000000000-3", 1700000000000, 3),
        (b"5-0", "5-0", 5, 0),
        ("5", "5-0", 5, 0),
        ("007-01", "7-1", 7, 1),
        (EntryId("5-1"), "5-1", 5, 1),
        ("18446744073709551615-18446744073709551615", None, 2**64 - 1, 2**64 - 1),
    ],
)
def test_an_id_is_parsed(given, text, ms, seq):
    id = EntryId(given)
    assert (id, id.ms, id.seq) == (text or given, ms, seq)


@pytest.mark.parametrize(
    "given", [*NEVER, "5-0-0", " 5-0", "5-0\n", "1_0", "5.0", "1" * 128, 5, None, 5.0]
)
def test_what_is_no_id_is_refused_with_an_example(given):
    with pytest.raises(EntryIdError, match="is not an entry ID; one looks like '17") as caught:
        EntryId(given)
    assert caught.value.value is given


@pytest.mark.parametrize("given", ["18446744073709551616-0", "0-18446744073709551616", "1" * 127])
def test_an_id_beyond_64_bits_is_refused(given):
    with pytest.raises(EntryIdError, match=r"each part of an entry ID is below 2\*\*64"):
        EntryId(given)


def test_ids_order_as_numbers():
    texts = ["10-0", "9-0", "9-10", "9-9", "100-0"]
    assert sorted(map(EntryId, texts)) == ["9-0", "9-9", "9-10", "10-0", "100-0"]
    assert max(map(EntryId, texts)) == "100-0"


@pytest.mark.parametrize("other", ["10-0", EntryId("10-0")])
def test_an_id_compares_with_text_as_with_an_id(other):
    id = EntryId("9-0")
    assert id < other
    assert id <= other
    assert not id > other
    assert not id >= other
    assert other > id
    assert other >= id


@pytest.mark.parametrize("same", ["5", "05-0", "5-0"])
def test_an_id_is_neither_above_nor_below_another_writing_of_itself(same):
    id = EntryId("5-0")
    assert id <= same
    assert id >= same
    assert not id < same
    assert not id > same


def test_an_id_does_not_compare_with_what_is_none():
    with pytest.raises(EntryIdError):
        _ = EntryId("5-0") < "yesterday"
    for compare in (EntryId.__lt__, EntryId.__gt__, EntryId.__le__, EntryId.__ge__):
        assert compare(EntryId("5-0"), 5) is NotImplemented


def test_an_id_is_text_wherever_text_is_wanted():
    id = EntryId("5-0")
    assert id == "5-0"
    assert {id: 1}["5-0"] == 1
    assert f"{id}" == "5-0"
    assert pd.Series([id]).dtype == pd.Series(["5-0"]).dtype


@pytest.mark.parametrize(
    "twin", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_an_id_can_be_copied(twin):
    id = twin(EntryId("5-7"))
    assert (type(id), id, id.ms, id.seq) == (EntryId, "5-7", 5, 7)


def test_an_id_has_the_time_of_its_first_part():
    assert EntryId(f"{MAY}-5").time == pd.Timestamp("2024-05-01", tz="UTC")
    assert str(EntryId("253402300799999-0").time) == "9999-12-31 23:59:59.999000+00:00"
    assert EntryId("253402300800000-0").time is pd.NaT


def test_a_time_index_has_one_dtype_and_nat_for_what_is_no_time():
    index = ids.time_index([MAY, 0, 2**64 - 1, 253402300799999])
    assert index.dtype == "datetime64[ms, UTC]"
    assert index.name == "entry_time"
    assert index.isna().tolist() == [False, False, True, False]
    assert index[0] == pd.Timestamp("2024-05-01", tz="UTC")
    assert ids.time_index([]).dtype == index.dtype


@pytest.mark.parametrize(
    ("moment", "down", "up"),
    [
        (datetime(2024, 5, 1, tzinfo=UTC), MAY, MAY),
        (datetime(2024, 5, 1, 0, 0, 0, 1, tzinfo=UTC), MAY, MAY + 1),
        (datetime(2024, 4, 30, 20, tzinfo=EASTERN), MAY, MAY),
        (pd.Timestamp("2024-05-01T00:00:00.000000001Z"), MAY, MAY + 1),
        (pd.Timestamp("2024-05-01", tz="Europe/Berlin"), MAY - 7_200_000, MAY - 7_200_000),
        (datetime(1970, 1, 1, tzinfo=UTC), 0, 0),
        (datetime(3000, 1, 1, tzinfo=UTC), 32503680000000, 32503680000000),
        (datetime.max.replace(tzinfo=UTC), 253402300799999, 253402300800000),
    ],
)
def test_a_time_becomes_milliseconds_rounded_to_the_asked_side(moment, down, up):
    assert ids.time_to_ms(moment) == down
    assert ids.time_to_ms(moment, up=True) == up


@pytest.mark.parametrize(
    ("moment", "says"),
    [
        (datetime(2024, 5, 1), "has no time zone.*tz_localize"),  # noqa: DTZ001 - that is the test
        (pd.Timestamp("2024-05-01"), "has no time zone"),
        (pd.NaT, "NaT is not a time"),
        (datetime(1969, 12, 31, tzinfo=UTC), "before 1970"),
        (datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), "before 1970"),
    ],
)
def test_a_time_that_is_no_place_in_a_stream_is_refused(moment, says):
    with pytest.raises(EntryIdError, match=says):
        ids.time_to_ms(moment)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("5-3", "5-3"),
        (" 5-3 ", "5-3"),
        (b"5-3", "5-3"),
        (EntryId("5-3"), "5-3"),
        ("5", "5"),  # the server completes it at the right end
        ("2024-05-01", str(MAY)),
        ("20240501T00", str(MAY)),
        ("2024/05/01", str(MAY)),
        ("2024-05-01 10:30", str(MAY + 37_800_000)),
        ("2024-05-01T10:30:00.5+02:00", str(MAY + 30_600_500)),
        ("9999-12-31 23:59:59.999", "253402300799999"),
        (datetime(2024, 5, 1, tzinfo=UTC), str(MAY)),
        (pd.Timestamp("2024-05-01", tz="UTC"), str(MAY)),
    ],
)
def test_an_id_or_a_full_time_is_resolved_without_a_clock(given, text):
    assert ids.resolve_position(given, no_clock) == text


@pytest.mark.parametrize(
    ("given", "ms"),
    [
        ("-5min", MAY + 25_200_000 - 300_000),
        ("- 1.5 h", MAY + 25_200_000 - 5_400_000),
        ("10:30", MAY + 37_800_000),
        ("9:05:00.25", MAY + 32_700_250),
    ],
)
def test_a_relative_time_and_one_of_today_are_read_in_utc(given, ms):
    assert ids.resolve_position(given, now) == str(ms)


def test_today_is_the_day_in_utc():
    early = datetime(2024, 5, 2, 2, tzinfo=timezone(timedelta(hours=5)))
    assert ids.resolve_position("00:00", lambda: early) == str(MAY)


@pytest.mark.parametrize(
    "given", [*NEVER, "--5min", "5min", "+5min", "NaT", "25:00", "24:00", "2024-13-01", "-1000000D"]
)
def test_a_text_that_is_neither_id_nor_time_is_refused_with_examples(given):
    with pytest.raises(EntryIdError, match="neither an entry ID nor a time") as caught:
        ids.resolve_position(given, now)
    assert "'2024-05-01 10:30' (UTC), '10:30' (today, UTC) or '-5min'" in str(caught.value)


@pytest.mark.parametrize(
    "given", ["now", "today", "10pm", "10:30 pm", "10:30Z", "May", "01/05/2024", "5 May 2024"]
)
def test_a_time_that_pandas_would_guess_or_take_from_this_machine_is_refused(given):
    with pytest.raises(EntryIdError, match="neither an entry ID nor a time"):
        ids.resolve_position(given, now)


@pytest.mark.parametrize("given", [True, None, 5.0, date(2024, 5, 1), np.datetime64("2024-05-01")])
def test_a_value_that_is_no_text_and_no_time_is_refused(given):
    with pytest.raises(EntryIdError, match="neither an entry ID nor a time; write '17") as caught:
        ids.resolve_position(given, no_clock)
    assert caught.value.value is given


@pytest.mark.parametrize(
    ("start", "end", "bounds"),
    [
        (None, None, ("-", "+")),
        ("-", "+", ("-", "+")),
        ("5", "5", ("5", "5")),
        ("(5-0", "(7-0", ("(5-0", "(7-0")),
        (EntryId("5-1"), EntryId("7-2"), ("5-1", "7-2")),
        ("-1h", "10:30", (str(MAY + 21_600_000), str(MAY + 37_800_000))),
        ("(2024-05-01", "(2024-05-01", (f"({MAY}-{2**64 - 1}", f"({MAY}-0")),
        # A start between two milliseconds begins with the later one, an end with the earlier one.
        (
            datetime(2024, 5, 1, 0, 0, 0, 1, tzinfo=UTC),
            datetime(2024, 5, 1, 0, 0, 0, 1, tzinfo=UTC),
            (str(MAY + 1), str(MAY)),
        ),
    ],
)
def test_the_bounds_of_a_range_are_what_xrange_takes(start, end, bounds):
    assert ids.range_bounds(start, end, now) == bounds


@pytest.mark.parametrize(("start", "end"), [("+", None), (None, "-"), ("(", None), ("((5", None)])
def test_bounds_that_would_be_upside_down_are_refused(start, end):
    with pytest.raises(EntryIdError, match="neither an entry ID nor a time"):
        ids.range_bounds(start, end, now)


@pytest.mark.parametrize(
    ("given", "numbered"),
    [
        ([], []),
        (["5", "5", "5", "6", "6"], ["5-0", "5-1", "5-2", "6-0", "6-1"]),
        (["5-3", "5", "6-0"], ["5-3", "5-4", "6-0"]),
        (["5-3", "4-1"], ["5-3", "4-1"]),  # the server's to refuse
        (
            [datetime(2024, 5, 1, 0, 0, 0, n, tzinfo=UTC) for n in (0, 500, 999)],
            [f"{MAY}-0", f"{MAY}-1", f"{MAY}-2"],
        ),
        (["2024-05-01", "2024-05-01"], [f"{MAY}-0", f"{MAY}-1"]),
    ],
)
def test_positions_become_full_ids(given, numbered):
    assert ids.full_ids(given) == numbered


@pytest.mark.parametrize("given", ["-5min", "10:30"])
def test_an_id_of_its_own_needs_no_clock(given):
    with pytest.raises(EntryIdError, match="cannot be an entry's own ID; use an ID or a datetime"):
        ids.full_ids([given])
