"""Tables of polars, DuckDB, ibis and pyarrow: taken, and made of streams."""

import datetime as dt
import decimal
import subprocess
import sys

import duckdb
import ibis
import pandas as pd
import pandas.testing as pdt
import polars as pl
import pyarrow as pa
import pytest
from polars.io.plugins import register_io_source

import redisnb as rnb
from redisnb import frames

pytestmark = pytest.mark.slow

NEW_YEAR = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
ROWS = [
    {"order": 1, "item": "tea", "price": 1.5, "paid": True, "tags": ["a", "b"], "at": NEW_YEAR},
    {"order": 2, "item": None, "price": None, "paid": None, "tags": None, "at": None},
    {"order": 2**60, "item": "größe", "price": 2.0, "paid": False, "tags": [], "at": NEW_YEAR},
]
EVENTS = [{**row, "at": None if row["at"] is None else "2024-01-01T00:00:00+00:00"} for row in ROWS]


def tables():
    """Return the rows as a table of each library."""
    table = pa.Table.from_pylist(ROWS)
    return {
        "polars": pl.DataFrame(ROWS),
        "pyarrow": table,
        "reader": table.to_reader(),
        "batch": table.to_batches()[0],
        "duckdb": duckdb.from_arrow(table),
        "pandas": table.to_pandas(types_mapper=pd.ArrowDtype),
    }


@pytest.fixture
def stream(conn):
    return rnb.Stream(conn, "s")


@pytest.mark.parametrize("library", tables())
def test_a_table_is_published(stream, library):
    if library == "duckdb":
        # Its sessions have time zones of their own.
        duckdb.execute("SET TimeZone = 'UTC'")
    added = stream.add_many(tables()[library], label="order")
    assert added["status"].tolist() == ["added"] * 3
    assert added["order"].tolist() == [1, 2, 2**60]
    assert [entry.event for entry in stream.follow("all", timeout=0.05)] == EVENTS


@pytest.mark.parametrize("library", sorted({*tables()} - {"pandas"}))
def test_a_table_is_cached(conn, library):
    cache = rnb.Cache(conn)
    cache.set("table", tables()[library])
    found = cache.get("table")
    assert found["order"].tolist() == [1, 2, 2**60]
    assert found["item"].fillna("-").tolist() == ["tea", "-", "größe"]
    assert found["at"].dropna().tolist() == [NEW_YEAR] * 2


@pytest.mark.parametrize("library", ["polars", "pyarrow", "reader", "duckdb"])
def test_a_table_is_replayed(conn, stream, library):
    stream.add_many(EVENTS, ids=["1-0", "2-0", "2-1"])
    read = pa.table(stream)
    given = {
        "polars": lambda: pl.DataFrame(stream),
        "pyarrow": lambda: read,
        "reader": read.to_reader,
        "duckdb": lambda: duckdb.from_arrow(read),
    }[library]()
    target = rnb.Stream(conn, "t")
    report = rnb.replay(given, target, speed=None, ids="keep")
    assert report.added == 3
    assert target.range()["entry_id"].tolist() == ["1-0", "2-0", "2-1"]
    # What is missing in an entry is missing, and not null.
    assert "item" not in target["2-0"].event
    assert target["2-1"].event["order"] == 2**60


def test_a_stream_is_a_table(stream):
    stream.add_many(EVENTS, ids=["1-0", "2-0", "2-1"])
    table = pa.table(stream)
    assert table.column_names == ["entry_time", "entry_id", *EVENTS[0]]
    assert table.schema.field("entry_time").type == pa.timestamp("ms", "UTC")
    assert table.schema.metadata is None
    assert table["order"].to_pylist() == [1, 2, 2**60]
    found = pl.DataFrame(stream)
    assert found["entry_time"].dt.epoch("ms").to_list() == [1, 2, 2]
    assert found["price"].to_list() == [1.5, None, 2.0]
    assert found["tags"].to_list() == [["a", "b"], None, []]
    assert duckdb.from_arrow(stream).filter('"order" > 1').fetchall()[0][1] == "2-0"
    assert duckdb.sql("SELECT count(*) FROM stream").fetchall() == [(3,)]
    ordered = ibis.memtable(found).order_by(ibis.desc("entry_id")).limit(1)
    assert ordered.to_polars()["entry_id"].to_list() == ["2-1"]


def scan(stream):
    """Return a LazyFrame of a stream, of which only the columns that are needed are decoded."""
    schema = stream.infer_schema()

    def read(columns, predicate, limit, _):
        wanted = [name for name in columns or schema if name in schema]
        for frame in stream.frames(columns=wanted, schema=schema):
            part = pl.from_pandas(frame, include_index=True)[:limit]
            limit = None if limit is None else limit - len(part)
            part = part if columns is None else part.select(columns)
            yield part if predicate is None else part.filter(predicate)
            if limit == 0:
                return

    empty = stream.range(limit=0, schema=schema)
    return register_io_source(read, schema=pl.from_pandas(empty, include_index=True).schema)


def test_a_lazy_frame(stream):
    stream.add_many([{"n": i, "kind": "ab"[i % 2], "x": {"y": i / 2}} for i in range(25_000)])
    lazy = scan(stream)
    assert lazy.collect_schema().names() == ["entry_time", "entry_id", "n", "kind", "x.y"]
    chosen = lazy.filter(pl.col("kind") == "b").select(pl.col("n").sum(), pl.len()).collect()
    assert chosen.rows() == [(sum(range(1, 25_000, 2)), 12_500)]
    assert lazy.select("x.y").head(12_000).collect()["x.y"].to_list()[-1] == 11_999 / 2
    assert lazy.collect().height == 25_000


def test_there_and_back(conn, stream):
    stream.add_many([{"user": {"id": i}, "n": i / 4} for i in range(100)])
    copy = rnb.Stream(conn, "copy")
    copy.add_many(pl.DataFrame(stream).filter(pl.col("n") < 5))
    assert [entry.event for entry in copy.follow("all", timeout=0.05)] == [
        {"user": {"id": i}, "n": i / 4} for i in range(20)
    ]


def test_without_an_entry(conn, stream):
    assert pl.DataFrame(stream).columns == ["entry_time", "entry_id"]
    assert stream.add_many(pl.DataFrame()).empty
    assert stream.add_many(pl.DataFrame({"a": []})).empty


def test_values_of_several_kinds(stream):
    values = [1, "1", None, [1, {"a": 2}], 1.5, True, {"q": 1}]
    stream.add_many([{"k": value} for value in values])
    with pytest.warns(rnb.RedisnbWarning, match="JSON text in the Arrow table: 'k'"):
        found = pl.DataFrame(stream)
    assert found["k"].to_list() == ["1", '"1"', None, '[1,{"a":2}]', "1.5", "true", None]
    assert found["k.q"].to_list() == [None] * 6 + [1]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([2**64 - 1, 5], pa.uint64()),
        ([2**63, None], pa.uint64()),
        ([2**64], pa.string()),
        ([-1, 2**63], pa.string()),
        ([True, None], pa.bool_()),
        ([[1], [2, 3]], pa.list_(pa.int64())),
    ],
)
@pytest.mark.filterwarnings("ignore:.*of several kinds")
def test_types_of_columns(stream, values, kind):
    stream.add_many([{"k": value} for value in values])
    table = pa.table(stream)
    assert table.schema.field("k").type == kind
    texts = kind == pa.string()
    assert table["k"].to_pylist() == [str(value) if texts else value for value in values]


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        (
            pl.DataFrame({"d": [None, decimal.Decimal("1.5")]}),
            rnb.EncodeError,
            "row 1: 'd': .*Deci",
        ),
        (pl.DataFrame({"b": [b"x"]}), rnb.EncodeError, "row 0: 'b': .*bytes; .decode"),
        (pl.DataFrame({"t": [dt.timedelta(1)]}), rnb.EncodeError, "row 0: 't'"),
        (pl.Series("s", [1]), TypeError, r"polars.Series is no table .*with named columns"),
        (pa.table([[1], [2]], ["a", "a"]), rnb.EncodeError, "two columns are named 'a'"),
    ],
)
def test_what_cannot_be_carried(stream, raw, table, error, message):
    with pytest.raises(error, match=message):
        stream.add_many(table)
    assert not raw.exists("s")


def test_dictionaries_and_times_of_day(stream):
    table = pl.DataFrame(
        {
            "category": pl.Series(["x", None, "x"], dtype=pl.Categorical),
            "enum": pl.Series(["y", "y", None], dtype=pl.Enum(["x", "y"])),
            "day": [dt.date(2024, 1, 1), None, dt.date(2024, 1, 2)],
            "time": [dt.time(1, 2), None, None],
            "point": [{"x": 1, "y": [{"z": None}]}, None, None],
        }
    )
    stream.add_many(table)
    first, second, _ = stream.follow("all", timeout=0.05)
    assert first.event == {
        "category": "x",
        "enum": "y",
        "day": "2024-01-01",
        "time": "01:02:00",
        "point": {"x": 1, "y": [{"z": None}]},
    }
    assert second.event["point"] is None


def test_an_index_of_pandas():
    frame = pd.DataFrame({"a": [1, 2]}, index=[5, 6])
    pdt.assert_frame_equal(
        frames.from_arrow(pa.Table.from_pandas(frame)), frame.reset_index(drop=True)
    )
    named = frame.rename_axis("n")
    assert frames.from_arrow(pa.Table.from_pandas(named)).columns.tolist() == ["a", "n"]
    assert frames.to_arrow(named).column_names == ["n", "a"]


def test_nothing_of_them_is_imported():
    code = "import redisnb, sys; sys.exit(bool({'polars', 'duckdb', 'ibis'} & {*sys.modules}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
