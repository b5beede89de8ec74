import pytest

import redisnb as rnb
from redisnb.dask import workers

dask = pytest.importorskip("dask")


@pytest.fixture
def address(server, raw, monkeypatch):
    """The server's URL, as this process's environment has it; the server is empty."""
    raw.flushall()
    monkeypatch.setenv("REDISNB_URL", server.url)
    yield server.url
    for conn in workers._connections.values():
        conn.close()
    workers._connections.clear()


@pytest.fixture
def flights(address) -> rnb.Stream:
    """A stream of 3,000 flights, several in some minutes."""
    with rnb.connect() as conn:
        stream = rnb.Stream(conn, "flights")
        departures = rnb.flights(3_000)
        stream.add_many(departures, ids=departures.index)
        yield stream
