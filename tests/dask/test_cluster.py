"""read_stream on a cluster of processes: each has its address from its own environment."""

import faulthandler
import pickle
from collections.abc import Iterator
from multiprocessing import resource_tracker

import cloudpickle
import pandas as pd
import pytest

import redisnb as rnb
from redisnb.dask import read_stream

distributed = pytest.importorskip("distributed")

pytestmark = [pytest.mark.slow, pytest.mark.long]


@pytest.fixture(scope="module")
def client(server):
    """Two worker processes that know the server, also as a user of few rights, and wrongly."""
    limited = server.url.replace("://:", "://limited:").replace(_password(server), "pw")
    wrong = server.url.replace(_password(server), "geheim")
    # It keeps the environment that there is when it starts.
    resource_tracker.ensure_running()
    variables = {"REDISNB_URL": server.url, "LIMITED_URL": limited, "WRONG_URL": wrong}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        cluster = distributed.LocalCluster(
            n_workers=2, threads_per_worker=2, processes=True, dashboard_address=None
        )
    with cluster, distributed.Client(cluster) as client:
        yield client


@pytest.fixture(autouse=True)
def stacks(client) -> Iterator[None]:
    """Have the workers print where they are if a test takes too long."""
    client.run(faulthandler.dump_traceback_later, 90)
    yield
    client.run(faulthandler.cancel_dump_traceback_later)


def _password(server) -> str:
    return server.url.partition("://:")[2].partition("@")[0]


def test_it_is_what_range_returns(client, flights):
    frame = read_stream("flights", partitions=6)
    expected = flights.range(limit=None, schema=flights.infer_schema())
    pd.testing.assert_frame_equal(frame.compute(), expected)
    assert len(frame) == 3_000
    totals = frame.groupby("carrier")["distance"].sum().compute()
    pd.testing.assert_series_equal(
        totals.sort_index(), expected.groupby("carrier")["distance"].sum()
    )
    times = slice("2013-01-02 06:00", "2013-01-02 18:00")
    pd.testing.assert_frame_equal(frame.loc[times].compute(), expected.loc[times])
    assert frame["entry_id"].nunique().compute() == 3_000


def test_each_process_has_one_connection_that_reads(client, flights):
    def connections() -> list[tuple[str, bool]]:
        from redisnb.dask import workers

        return [(conn.url, conn.read_only) for conn in workers._connections.values()]

    read_stream("flights", partitions=8).compute()
    found = client.run(connections)
    assert len(found) == 2
    assert all(each == [(flights.conn.url, True)] for each in found.values())


def test_no_secret_is_in_the_graph(client, flights, server):
    frame = read_stream("flights", partitions=4)
    for graph in (frame, frame.dask, frame.optimize().dask, frame.to_delayed()):
        sent = cloudpickle.dumps(graph)
        assert b"flights" in sent
        for secret in (_password(server), server.url, server.url.partition("@")[2]):
            assert secret.encode() not in sent


def test_functions_are_sent_to_the_workers(client, address):
    with rnb.connect() as conn:
        conn.client.xadd("coded", {"data": "7"}, id="5-0")
    frame = read_stream("coded", field="data", decode=lambda payload: {"n": int(payload)})
    assert frame.compute()["n"].tolist() == [7]


def test_a_worker_without_the_variable_says_so(client, flights, monkeypatch, server):
    monkeypatch.setenv("ORDERS_URL", server.url)
    frame = read_stream("flights", env="ORDERS_URL", partitions=2)
    with pytest.raises(rnb.ConnectError, match=r"process \d+ on .* has no \$ORDERS_URL"):
        frame.compute()


def test_a_worker_without_access_says_so(client, flights, monkeypatch, server, raw):
    raw.acl_setuser("limited", enabled=True, passwords=["+pw"], keys=["*"], commands=["+ping"])
    monkeypatch.setenv("LIMITED_URL", server.url)
    frame = read_stream("flights", env="LIMITED_URL", partitions=2)
    with pytest.raises(Exception, match="xrange") as caught:
        frame.compute()
    assert "in this user's ACL allows it" in caught.value.__notes__[0]
    raw.acl_deluser("limited")
    monkeypatch.setenv("WRONG_URL", server.url)
    frame = read_stream("flights", env="WRONG_URL", partitions=3)
    with pytest.raises(rnb.ConnectError, match="refused the user name or password") as caught:
        frame.compute()
    assert "the address is that of $WRONG_URL" in caught.value.__notes__[0]
    assert "geheim" not in str(caught.value)


def test_a_partition_that_was_trimmed_meanwhile_fails(client, flights, raw):
    frame = read_stream("flights", partitions=4)
    raw.xtrim("flights", maxlen=2_990, approximate=False)
    with pytest.raises(rnb.RedisnbError, match="entries were removed after read_stream"):
        frame.compute()
    # The others are whole.
    assert len(frame.partitions[1:].compute()) < 2_990


def test_a_later_call_reads_again(client, flights, raw):
    departures = rnb.flights(3_000)
    earlier = read_stream("flights", partitions=4).persist()
    assert len(earlier) == 3_000
    raw.delete("flights")
    flights.add_many(departures.assign(distance=1), ids=departures.index)
    later = read_stream("flights", partitions=4)
    assert later.divisions == earlier.divisions
    assert later.compute()["distance"].sum() == 3_000
    assert earlier.compute()["distance"].sum() == departures["distance"].sum()


def test_a_stream_itself_is_not_sent(client, flights):
    with pytest.raises(TypeError) as caught:
        client.submit(len, flights).result()
    errors = [str(caught.value), str(caught.value.__cause__)]
    assert any("redisnb.dask.read_stream" in error for error in errors)
    assert pickle.loads(pickle.dumps(flights.head(3))).equals(flights.head(3))
