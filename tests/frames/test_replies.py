"""Frames: replies to frames in their schemas, and frames to events."""

import numpy as np
import orjson
import pandas as pd
import pandas.testing as pdt
import pytest

from redisnb import frames
from redisnb.entries import Layout, events
from redisnb.entries.ids import EntryId
from redisnb.errors import EncodeError, EntryIdError, RedisnbWarning

MAY = 1714521600000  # 2024-05-01 00:00 UTC


def entries(*bodies, format="fields", **options):
    replies = [(b"%d-0" % (MAY + i), body) for i, body in enumerate(bodies)]
    return frames.entries_frame(replies, Layout(format), **options)


def dtypes(frame):
    return {name: str(dtype) for name, dtype in frame.dtypes.items()}


@pytest.mark.parametrize(
    "schema",
    [
        *("PENDING", "ADDED", "GROUPS", "CONSUMERS", "STREAMS", "KEYS", "ERRORS", "POSITION"),
        "DEAD_LETTERS",
    ],
)
def test_an_empty_table_has_its_schema(schema):
    schema = getattr(frames, schema)
    frame = frames.table(schema, [])
    assert dtypes(frame) == schema
    assert len(frame) == 0


def test_a_table_knows_durations_times_and_what_is_missing():
    schema = frames.KEYS | frames.KEY_SIZES
    rows = [("a", "string", None, None, None, "raw"), ("b", "hash", 1500, MAY, 2**53 + 1, None)]
    frame = frames.table(schema, rows)
    assert dtypes(frame) == schema
    assert frame["ttl"].tolist() == [pd.NaT, pd.Timedelta("1.5s")]
    assert frame["expires_at"].tolist() == [pd.NaT, pd.Timestamp("2024-05-01", tz="UTC")]
    assert frame["size"].tolist() == [pd.NA, 2**53 + 1]
    assert frame["encoding"].isna().tolist() == [False, True]


def test_a_row_of_the_wrong_length_is_a_bug():
    with pytest.raises(ValueError, match="zip"):
        frames.table(frames.CONSUMERS, [("a", 1)])


def test_no_entries_are_an_empty_frame_in_schema():
    frame = frames.entries_frame([])
    assert dtypes(frame) == {"entry_id": "str"}
    assert str(frame.index.dtype) == "datetime64[ms, UTC]"
    assert frame.index.name == "entry_time"
    assert frame.attrs == {"odd": 0}


def test_entries_are_rows_in_the_order_of_the_reply():
    frame = frames.entries_frame(
        [(b"2-1", [b"a", b"1"]), (b"1-0", [b"a", b"2"]), (b"2-1", [b"a", b"3"])]
    )
    assert frame["entry_id"].tolist() == ["2-1", "1-0", "2-1"]
    assert frame["a"].tolist() == [1, 2, 3]
    assert frame.index.name == "entry_time"
    assert frame.index.asi8.tolist() == [2, 1, 2]


def test_an_id_beyond_the_year_9999_keeps_its_row():
    frame = frames.entries_frame([(b"18446744073709551615-18446744073709551615", [b"a", b"1"])])
    assert frame["entry_id"].tolist() == ["18446744073709551615-18446744073709551615"]
    assert frame.index.isna().tolist() == [True]


def test_a_trimmed_entry_is_a_row_without_values_and_is_listed():
    frame = entries([b"a", b"1"], None, [b"a", b"3"])
    assert frame["a"].tolist() == [1, pd.NA, 3]
    assert frame.attrs == {"odd": 0, "trimmed": [f"{MAY + 1}-0"]}


@pytest.mark.parametrize("body", [None, []])
def test_trimmed_entries_alone_are_rows_too(body):
    frame = entries(body, body)
    assert list(frame.columns) == ["entry_id"]
    assert frame.attrs["trimmed"] == [f"{MAY}-0", f"{MAY + 1}-0"]


def test_found_entries_of_one_stream_do_not_name_it():
    some = [("s", b"2-0", [b"a", b"1"]), ("s", b"1-0", [b"a", b"2"])]
    frame = frames.keyed_entries_frame(some, Layout("fields"), many=False)
    assert dtypes(frame) == {"entry_id": "str", "a": "int64"}
    assert frame["entry_id"].tolist() == ["2-0", "1-0"]
    assert frame.index.asi8.tolist() == [2, 1]
    pdt.assert_frame_equal(
        frame, frames.entries_frame([each[1:] for each in some], Layout("fields"))
    )


def test_found_entries_of_many_streams_name_theirs():
    some = [("b", b"1-0", [b"a", b"1"]), ("a", b"1-0", [b"a", b"2"]), ("ä", b"3-0", None)]
    frame = frames.keyed_entries_frame(some, Layout("fields"), many=True)
    assert list(frame.columns) == ["entry_id", "stream", "a"]
    assert frame["stream"].dtype == "str"
    assert frame["stream"].tolist() == ["b", "a", "ä"]
    assert frame["a"].tolist() == [1, 2, pd.NA]
    assert frame.index.name == "entry_time"
    assert frame.attrs == {"odd": 0, "trimmed": ["3-0"]}


def test_an_event_does_not_overwrite_the_stream_that_it_comes_from():
    some = [("s", b"1-0", [b"payload", b'{"stream": "x", "entry_id": 7}'])]
    with pytest.warns(RedisnbWarning, match="stream_field"):
        frame = frames.keyed_entries_frame(some, Layout("auto"), many=True)
    assert list(frame.columns) == ["entry_id", "stream", "stream_field", "entry_id_field"]
    assert frame.iloc[0].tolist() == ["1-0", "s", "x", 7]


@pytest.mark.parametrize("many", [False, True])
def test_nothing_found_is_an_empty_frame_in_schema(many):
    frame = frames.keyed_entries_frame([], Layout("auto"), many=many)
    assert dtypes(frame) == frames.ENTRIES | ({"stream": "str"} if many else {})
    assert str(frame.index.dtype) == "datetime64[ms, UTC]"
    assert (frame.index.name, frame.attrs) == ("entry_time", {"odd": 0})


def test_columns_are_chosen_in_the_order_asked_for():
    frame = entries([b"a", b"1", b"b", b"2"], columns=["b", "z", "a", "entry_id", "b"])
    assert list(frame.columns) == ["entry_id", "b", "z", "a"]
    assert frame["entry_id"].tolist() == [f"{MAY}-0"]
    assert frame["z"].tolist() == [None]
    assert frame["z"].dtype == object


def test_columns_of_an_empty_frame_are_there_too():
    assert list(frames.entries_frame([], columns=["a"]).columns) == ["entry_id", "a"]


def test_types_are_passed_on():
    assert entries([b"a", b"1"], types="text")["a"].tolist() == ["1"]
    assert entries([b"a", b"1"], types={"a": "float64"})["a"].dtype == "float64"


def test_an_entry_without_an_owner_has_no_idle_time():
    # As XPENDING has it after XNACK, since Redis 8.8.
    frame = frames.pending_frame([(b"1-0", b"", -1, 2), (b"2-0", b"me", 5, 1, b"more")])
    assert frame["consumer"].tolist() == ["", "me"]
    assert frame["idle"].isna().tolist() == [True, False]
    assert frame["idle"].dtype == "timedelta64[ms]"
    assert frame["deliveries"].tolist() == [2, 1]


def test_pending_has_the_schema_and_the_times_of_the_ids():
    frame = frames.pending_frame([(b"%d-0" % MAY, b"me", 1500, 2), (b"5-0", b"\xff", 0, 1)])
    assert list(frame.columns) == list(frames.PENDING)
    assert frame.index.tolist() == [
        pd.Timestamp("2024-05-01", tz="UTC"),
        pd.Timestamp(5, unit="ms", tz="UTC"),
    ]
    assert frame["consumer"].tolist() == ["me", "�xff"]
    assert frame["idle"].tolist() == [pd.Timedelta("1.5s"), pd.Timedelta(0)]
    assert frame["deliveries"].tolist() == [2, 1]


@pytest.mark.parametrize("bodies", [None, []])
def test_no_pending_entries_are_an_empty_frame_in_schema(bodies):
    frame = frames.pending_frame([], bodies)
    assert dtypes(frame) == frames.PENDING
    assert frame.index.name == "entry_time"
    assert str(frame.index.dtype) == "datetime64[ms, UTC]"


def test_pending_takes_the_columns_of_the_events():
    rows = [(b"1-0", b"me", 0, 1), (b"2-0", b"me", 0, 1), (b"3-0", b"me", 0, 1)]
    frame = frames.pending_frame(rows, [[b"a", b"1"], None, [b"a", b"3"]])
    assert list(frame.columns) == [*frames.PENDING, "a"]
    assert frame["a"].tolist() == [1, pd.NA, 3]
    assert frame.attrs == {"trimmed": ["2-0"]}


def test_an_event_does_not_overwrite_a_column_of_pending():
    body = [b"consumer", b"x", b"idle", b"5", b"entry_id", b"7"]
    with pytest.warns(RedisnbWarning, match="'consumer' as 'consumer_field'") as caught:
        frame = frames.pending_frame([(b"1-0", b"me", 0, 1)], [body])
    assert len(caught) == 1
    assert frame["consumer"].tolist() == ["me"]
    assert frame["consumer_field"].tolist() == ["x"]
    assert frame["idle_field"].tolist() == [5]
    assert frame["entry_id_field"].tolist() == [7]


def test_records_are_the_events_of_a_frame():
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": [1.5, np.nan], b"d": [True, False]})
    assert list(frames.records(frame)) == [
        {"a": 1, "b": "x", "c": 1.5, b"d": True},
        {"a": 2, "b": None, "c": None, b"d": False},
    ]


def test_records_hold_values_of_python():
    columns = {
        "int8": np.array([1], "int8"),
        "Int64": pd.array([1], "Int64"),
        "arrow": pd.array([1], "int64[pyarrow]"),
        "float32": np.array([1.5], "float32"),
        "boolean": pd.array([True], "boolean"),
        "category": pd.Categorical(["a"]),
        "time": pd.to_datetime(["2024-05-01"], utc=True),
    }
    (record,) = frames.records(pd.DataFrame(columns))
    assert [type(value) for value in record.values()] == [
        int,
        int,
        int,
        float,
        bool,
        str,
        str,
    ]
    assert record["time"] == "2024-05-01T00:00:00+00:00"


def test_times_in_records_are_written_as_json_writes_them():
    times = pd.to_datetime(["2024-05-01 10:00:00.5", None, "2024-05-01 10:00:00.5"])
    for column in (times, times.tz_localize("Europe/Berlin"), times.as_unit("ms")):
        texts = [record["t"] for record in frames.records(pd.DataFrame({"t": column}))]
        assert texts == [None if time is pd.NaT else time.isoformat() for time in column]


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT])
def test_what_is_missing_is_none(missing):
    frame = pd.DataFrame({"a": pd.Series([missing, "x"], dtype=object)})
    assert list(frames.records(frame)) == [{"a": None}, {"a": "x"}]


def test_records_of_entries_leave_out_what_names_the_entry():
    frame = entries([b"a", b"1"], [b"a", b"2"])
    assert list(frames.records(frame)) == [{"a": 1}, {"a": 2}]
    frame.insert(1, "stream", "orders")
    assert list(frames.records(frame)) == [{"a": 1}, {"a": 2}]


def test_records_of_another_frame_leave_out_nothing():
    frame = pd.DataFrame({"entry_id": ["5-0"], "stream": ["orders"]})
    assert list(frames.records(frame)) == [{"entry_id": "5-0", "stream": "orders"}]


ROWS = [
    {"user": {"id": 7, "name": None}, "n": 1},
    {"user": 5, "list": [{"a.b": 1}]},
    {"user.id": 7, "user": "x"},
    {"user": {}, "a": {"b": {"c": 1}, "d": None}},
    {"user": None},
    {},
]


def test_a_frame_of_entries_is_nested_again_and_invents_nothing():
    frame = entries(
        *([b"payload", orjson.dumps(row)] for row in ROWS), [b"payload", b"ping"], format="auto"
    )
    expected = [
        {"user": {"id": 7}, "n": 1},
        ROWS[1],
        {"user.id": 7, "user": "x"},
        {"user": {}, "a": {"b": {"c": 1}}},
        {},
        {},
        {"payload": "ping"},
    ]
    assert list(frames.records(frame)) == expected
    # Whatever was done to its index.
    assert list(frames.records(frame.reset_index(drop=True).drop(columns="entry_id"))) != expected
    merged = frame.reset_index(drop=True)
    assert [
        {name: value for name, value in event.items() if name != "entry_id"}
        for event in frames.records(merged)
    ] == expected
    with_null = list(frames.records(frame, missing="null"))
    assert with_null[0] == {
        "user": {"id": 7, "name": None},
        "n": 1,
        "list": None,
        "payload": None,
        "a": {"b": {"c": None}, "d": None},
    }
    # Fields have no objects.
    flat = list(frames.records(frame, Layout("fields")))
    assert flat[0] == {"user.id": 7, "n": 1}
    apart = list(frames.records(frame, Layout("fields", json=(b"user",))))
    assert (apart[0], apart[3]) == ({"user": {"id": 7}, "n": 1}, {"user": {}, "a.b.c": 1})


def test_any_other_frame_is_what_it_says():
    frame = pd.DataFrame({"user.id": [7, None], "n": [None, 1]})
    assert list(frames.records(frame)) == [{"user.id": 7, "n": None}, {"user.id": None, "n": 1}]
    assert list(frames.records(frame, missing="omit")) == [{"user.id": 7}, {"n": 1}]
    with pytest.raises(ValueError, match="choose 'omit' or 'null'"):
        frames.records(frame, missing="drop")


@pytest.mark.parametrize(
    ("frame", "records"),
    [
        (pd.DataFrame({"a": [1]}, index=pd.Index(["x"], name="k")), [{"k": "x", "a": 1}]),
        (pd.DataFrame({"a": [1]}, index=["x"]), [{"a": 1}]),
        (
            pd.DataFrame({"a": [1], "b": [2], "c": [3]}).set_index(["a", "b"]),
            [{"a": 1, "b": 2, "c": 3}],
        ),
        (pd.DataFrame(index=[1, 2]), [{}, {}]),
        (pd.DataFrame(), []),
        (pd.DataFrame({"a": []}), []),
    ],
)
def test_a_named_index_is_a_member_and_an_unnamed_one_is_not(frame, records):
    assert list(frames.records(frame)) == records


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (pd.DataFrame({5: [1]}), r"column 5: .*int; frame.rename\(columns=str\)"),
        (
            pd.DataFrame({"a": [1]}, index=pd.Index([1], name=5)),
            "column 5: a name is text, not int",
        ),
        (pd.DataFrame([[1]], columns=[("a", "b")]), r"column \('a', 'b'\)"),
        (pd.DataFrame([[1]], columns=[None]), "a name is text"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "two columns are named 'a'"),
        (pd.DataFrame({"a": [1]}).set_index("a", drop=False), "two columns are named 'a'"),
    ],
)
def test_names_that_no_event_can_have_are_refused(frame, says):
    with pytest.raises(EncodeError, match=says) as caught:
        frames.records(frame)
    assert caught.value.column is not None


def test_records_leave_the_frame_as_it_was():
    frame = entries([b"a", b"1"]).set_index("a", append=True)
    before = frame.copy()
    assert list(frames.records(frame)) == [{"a": 1}]
    pdt.assert_frame_equal(frame, before)


def test_a_raw_frame_goes_back_to_the_same_bytes():
    body = [b"a", b"1", b"a", b"\xff", b"", b""]
    (record,) = frames.records(entries(body, format="raw"))
    assert events.write_event(record, Layout("raw")) == body


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("5-0", ["5-0"]),
        (b"5-0", ["5-0"]),
        (EntryId("5-0"), ["5-0"]),
        (["5-0", b"6-0"], ["5-0", "6-0"]),
        (pd.Series(["5-0"]), ["5-0"]),
        (entries([b"a", b"1"]), [f"{MAY}-0"]),
        (frames.entries_frame([]), []),
        ([], []),
    ],
)
def test_entry_ids_come_from_a_frame_or_from_ids(given, found):
    assert frames.entry_ids(given) == found


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        (pd.DataFrame({"a": [1]}), ValueError, "has no column entry_id; give a frame of entries"),
        (pd.DataFrame({"entry_id": ["5-0", None]}), EntryIdError, "(nan|None) is not an entry ID"),
        (["tea"], EntryIdError, "'tea' is not an entry ID"),
        ([5], EntryIdError, "5 is not an entry ID"),
        (5, TypeError, "give entry IDs or a frame of entries, not int"),
        (None, TypeError, "give entry IDs or a frame of entries, not NoneType"),
    ],
)
def test_what_names_no_entries_is_refused(given, error, says):
    with pytest.raises(error, match=says):
        frames.entry_ids(given)


@pytest.mark.parametrize("limit", [None, 0, 1, 10**9])
def test_a_limit_is_a_number_of_rows(limit):
    frames.check_limit(limit)


@pytest.mark.parametrize("limit", [-1, True, 1.5, "5"])
def test_what_is_no_limit_is_refused(limit):
    with pytest.raises(ValueError, match=r"^count=.*; it is a number of rows, at least 0, or None"):
        frames.check_limit(limit, "count")


def test_a_frame_cut_at_the_default_says_so():
    with pytest.warns(RedisnbWarning, match="stopped at the default limit of 1,000 rows; go on"):
        frame = frames.mark_truncated(entries(), 1000, 1000, "go on")
    assert frame.attrs["truncated"] is True


@pytest.mark.parametrize(("limit", "truncated"), [(10, True), (None, False)])
def test_a_frame_cut_at_a_limit_of_ones_own_is_only_marked(limit, truncated):
    assert frames.mark_truncated(entries(), limit, 1000, "go on").attrs["truncated"] is truncated
