"""read_stream: what each partition reads, without workers."""

import dask
import dask.dataframe as dd
import pandas as pd
import pytest
import redis

import redisnb as rnb
from redisnb.dask import read_stream
from redisnb.frames import ENTRIES

pytestmark = pytest.mark.slow

MS = 1_700_000_000_000


@pytest.fixture(autouse=True)
def in_this_thread():
    with dask.config.set(scheduler="synchronous"):
        yield


def whole(stream, **options) -> pd.DataFrame:
    return stream.range(limit=None, schema=stream.infer_schema(), **options)


def test_it_is_what_range_returns(flights):
    frame = read_stream("flights")
    assert isinstance(frame, dd.DataFrame)
    assert frame.npartitions == 16
    pd.testing.assert_frame_equal(frame.compute(), whole(flights))
    assert len(frame) == 3_000
    lengths = frame.map_partitions(len).compute()
    assert lengths.sum() == 3_000
    assert lengths.max() < 1.5 * 3_000 / 16


def test_every_partition_has_the_columns_and_dtypes_of_all(address):
    with rnb.connect() as conn:
        stream = rnb.Stream(conn, "s")
        events = (
            [{"a": 1}] * 50 + [{"a": 2, "b": [1, 2]}] * 50 + [{"c": "x", "d": {"e": True}}] * 50
        )
        stream.add_many(events, ids=[f"{MS + i}-0" for i in range(150)])
    frame = read_stream("s", partitions=5)
    expected = {"entry_id": "str", "a": "Int64", "b": "object", "c": "str", "d.e": "boolean"}
    assert frame.dtypes.astype(str).to_dict() == expected
    for part in frame.partitions:
        assert part.compute().dtypes.astype(str).to_dict() == expected
    # Dask would make text of lists.
    assert frame.compute()["b"].dropna().tolist() == [[1, 2]] * 50


def test_divisions_are_the_times_of_the_first_entries(flights):
    frame = read_stream("flights", partitions=7)
    assert frame.known_divisions
    for i, part in enumerate(frame.partitions):
        found = part.compute()
        assert found.index[0] == frame.divisions[i]
        assert i == 6 or found.index[-1] < frame.divisions[i + 1]
    assert found.index[-1] == frame.divisions[-1]
    expected = whole(flights)
    for times in (
        slice("2013-01-02", "2013-01-03"),
        slice("2013-01-02 12:00", None),
        slice(frame.divisions[2], frame.divisions[3]),
    ):
        pd.testing.assert_frame_equal(frame.loc[times].compute(), expected.loc[times])


def test_a_millisecond_is_in_one_partition(address):
    with rnb.connect() as conn:
        stream = rnb.Stream(conn, "s")
        ids = [f"{ms}-{seq}" for ms in (5, 6, 9) for seq in range(400)]
        stream.add_many([{"n": i} for i in range(1_200)], ids=ids)
        frame = read_stream("s", partitions=50)
        assert frame.npartitions == 3
        assert [time.value // 10**6 for time in frame.divisions] == [5, 6, 9, 9]
        pd.testing.assert_frame_equal(frame.compute(), whole(stream))
        assert len(frame.loc["1970-01-01 00:00:00.006":"1970-01-01 00:00:00.006"]) == 400
        assert read_stream("s", partitions=50, start="6-0", end="6-399").npartitions == 1


def test_without_a_time_divisions_are_unknown(address):
    with rnb.connect() as conn:
        stream = rnb.Stream(conn, "s")
        last = f"{2**64 - 1}-{2**64 - 1}"
        stream.add_many([{"n": i} for i in range(3)], ids=["5-0", "9-0", last])
        frame = read_stream("s", partitions=3)
        assert not frame.known_divisions
        pd.testing.assert_frame_equal(frame.compute(), whole(stream))


def test_without_entries_there_is_an_empty_partition(address):
    frame = read_stream("none")
    assert (frame.npartitions, len(frame)) == (1, 0)
    assert frame.dtypes.astype(str).to_dict() == ENTRIES
    assert frame.compute().index.name == "entry_time"
    frame = read_stream("none", schema={"a": "int64"})
    assert frame.dtypes.astype(str).to_dict() == {"entry_id": "str", "a": "Int64"}


def test_a_range_ends_with_the_entries_that_there_are(flights):
    frame = read_stream("flights", start="2013-01-02", end="2013-01-02 23:59")
    flights.add({"carrier": "XX"}, id=f"{2 * MS}-0")
    expected = whole(flights).loc["2013-01-02":"2013-01-02"]
    pd.testing.assert_frame_equal(frame.compute(), expected)
    later = read_stream("flights", partitions=2)
    flights.add({"carrier": "YY"})
    assert later.compute()["carrier"].iloc[-1] == "XX"


def test_only_the_selected_columns_are_read(flights, monkeypatch):
    asked = []
    read = rnb.Stream.range
    monkeypatch.setattr(
        rnb.Stream,
        "range",
        lambda *args, **options: asked.append(options) or read(*args, **options),
    )
    frame = read_stream("flights", partitions=2)
    totals = frame.groupby("carrier")["dep_delay"].sum().compute()
    assert {tuple(sorted(options["columns"])) for options in asked} == {("carrier", "dep_delay")}
    expected = whole(flights).groupby("carrier")["dep_delay"].sum()
    pd.testing.assert_series_equal(totals.sort_index(), expected)
    chosen = read_stream("flights", columns=["origin", "flight"])
    assert list(chosen.columns) == ["entry_id", "origin", "flight"]
    pd.testing.assert_frame_equal(
        chosen.compute(), whole(flights)[["entry_id", "origin", "flight"]]
    )


def test_a_schema_sets_the_dtypes(flights):
    schema = {"flight": "str", "dep_delay": "float32", "none": "boolean"}
    frame = read_stream("flights", schema=schema)
    pd.testing.assert_frame_equal(frame.compute(), flights.range(limit=None, schema=schema))
    assert list(read_stream("flights", schema=schema, columns=["flight"]).columns) == [
        "entry_id",
        "flight",
    ]


def test_other_layouts(address):
    def read(payload: bytes) -> dict:
        return {"n": int(payload)}

    with rnb.connect() as conn:
        conn.client.xadd("s", {"data": "7"}, id="5-0")
        rnb.Stream(conn, "f", format="fields").add({"payload": 1}, id="5-0")
    assert read_stream("s", field="data", decode=read).compute()["n"].tolist() == [7]
    assert read_stream("f", format="fields").compute()["payload"].tolist() == [1]
    assert read_stream("f").compute()["payload"].tolist() == [1]


# -- nothing is silent


@pytest.fixture
def numbers(address):
    with rnb.connect() as conn:
        stream = rnb.Stream(conn, "numbers")
        events = [{"n": i} for i in range(1_000)]
        stream.add_many(events, ids=[f"{MS + i}-0" for i in range(1_000)])
        yield stream


def counted(frame: pd.DataFrame) -> pd.DataFrame:
    misfits = sum(frame.attrs["misfits"].values())
    return pd.DataFrame({"missed": [frame.attrs["missed"]], "misfits": [misfits]})


@pytest.mark.parametrize("gone", [1, 30, 1_000])
def test_a_partition_that_was_trimmed_meanwhile_fails(numbers, raw, gone):
    frame = read_stream("numbers", partitions=4)
    raw.xtrim("numbers", maxlen=1_000 - gone, approximate=False)
    with pytest.raises(rnb.RedisnbError, match=r"'numbers', from .*removed.* strict=False"):
        frame.compute()
    left = read_stream("numbers", partitions=4, strict=False)
    assert len(left.compute()) == 1_000 - gone


def test_without_strict_partitions_have_what_is_left_and_say_so(numbers, raw):
    frame = read_stream("numbers", partitions=4, strict=False)
    raw.xtrim("numbers", maxlen=990, approximate=False)
    assert len(frame) == 990
    marks = frame.map_partitions(counted, meta={"missed": "int64", "misfits": "int64"}).compute()
    assert marks["missed"].tolist() == [1, 0, 0, 0]


def test_values_that_do_not_fit_fail(numbers):
    # Behind the 5,000 entries of each partition that are looked at.
    values = [*range(6_000), "x", *range(12_000), "y"]
    # Evenly, so that the partitions are equal.
    ids = [f"{MS + i}-0" for i in range(1_000, 1_000 + len(values))]
    numbers.add_many([{"n": n} for n in values], ids=ids)
    strict = read_stream("numbers", partitions=2)
    assert str(strict.dtypes["n"]) == "Int64"
    with pytest.raises(rnb.DecodeError, match=r"1 of 'n'; .*schema=\{'n': 'object', \.\.\.\}"):
        strict.compute()
    frame = read_stream("numbers", partitions=2, strict=False)
    assert frame["n"].isna().sum().compute() == 2
    marks = frame.map_partitions(counted, meta={"missed": "int64", "misfits": "int64"}).compute()
    assert marks["misfits"].sum() == 2
    kept = read_stream("numbers", partitions=2, schema={"n": "object"})
    assert kept["n"].compute().tolist()[-1] == "y"


def test_wrong_input(numbers, raw):
    for n in (0, True, 2.5):
        with pytest.raises(ValueError, match=f"partitions={n}; it is a number, at least 1"):
            read_stream("numbers", partitions=n)
    with pytest.raises(ValueError, match=r"none of 1,000 entries has it; .*did you mean 'n'\?"):
        read_stream("numbers", columns=["N"])
    with pytest.raises(ValueError, match="the schema does not have it"):
        read_stream("numbers", columns=["m"], schema={"n": "Int64"})
    with pytest.raises(TypeError, match="columns='n'; it is a list of names"):
        read_stream("numbers", columns="n")
    with pytest.raises(TypeError, match="has no argument partition=; did you mean partitions="):
        read_stream("numbers", partition=3)
    with pytest.raises(ValueError, match="format='xml'; choose one of"):
        read_stream("numbers", format="xml")
    with pytest.raises(TypeError, match=r"json='key'; give a list"):
        read_stream("numbers", json="key")
    with pytest.raises(ValueError, match="name of an environment variable") as caught:
        read_stream("numbers", env="redis://:geheim@localhost")
    assert "geheim" not in str(caught.value)
    raw.set("text", "x")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        read_stream("text")


def test_raw_pairs(numbers):
    frame = read_stream("numbers", format="raw", partitions=2).compute()
    assert frame["fields"].iloc[0] == [(b"payload", b'{"n":0}')]


# -- addresses


def test_a_process_without_an_address_says_which_variable_it_lacks(address, monkeypatch):
    monkeypatch.delenv("REDISNB_URL")
    with pytest.raises(
        rnb.ConnectError, match=r"process \d+ on .* has no \$REDISNB_URL or \$REDIS"
    ):
        read_stream("s")
    with pytest.raises(rnb.ConnectError, match=r"has no \$ORDERS_URL; each of Dask's workers"):
        read_stream("s", env="ORDERS_URL")
    monkeypatch.setenv("ORDERS_URL", address)
    assert len(read_stream("s", env="ORDERS_URL")) == 0


def test_a_server_that_is_away_is_named_with_the_variable(address, monkeypatch, closed_port):
    monkeypatch.setenv("REDISNB_URL", f"redis://:geheim@127.0.0.1:{closed_port}")
    with pytest.raises(rnb.ConnectError, match=f"127.0.0.1:{closed_port}") as caught:
        read_stream("s")
    assert "the address is that of $REDISNB_URL" in caught.value.__notes__[-1]
    assert "geheim" not in str(caught.value) + str(caught.value.__notes__)


def test_the_connection_is_one_and_only_reads(flights, raw):
    from redisnb.dask.workers import worker_connection

    read_stream("flights").compute(scheduler="threads")
    conn = worker_connection(None)
    assert conn is worker_connection(None)
    assert conn.read_only


def test_without_dask_the_error_has_the_line_to_type(flights, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "dask", None)
    with pytest.raises(rnb.MissingExtraError, match=r"pip install 'redisnb\[dask\]'"):
        read_stream("flights")
