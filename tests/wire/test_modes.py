"""Servers that are no database, or a part of one, and clients that lead elsewhere."""

import subprocess
from contextlib import contextmanager

import pytest
import redis
import redis.asyncio

import redisnb as rnb
from redisnb import wire
from redisnb.errors import ConnectError
from redisnb.wire.server import find_executable
from tests.deadlines import until
from tests.faults.servers import ENVIRONMENT, reserve_port


@contextmanager
def running(tmp_path, *lines, sentinel=False):
    """A server on a port of its own, with these lines of configuration."""
    port, reservation = reserve_port()
    file = tmp_path / f"{port}.conf"
    file.write_text("\n".join([f"port {port}", "bind 127.0.0.1", f"dir {tmp_path}", *lines, ""]))
    command = [find_executable(), str(file), *(["--sentinel"] if sentinel else [])]
    process = subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        with redis.Redis(host="127.0.0.1", port=port) as client:
            until(lambda: answers(client), what="the server answers")
            yield client, port
    finally:
        process.terminate()
        process.wait(10)
        reservation.close()


def answers(client):
    try:
        return client.ping()
    except redis.ConnectionError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("protocol", [2, 3])
def test_a_node_of_a_cluster_is_no_database(tmp_path, missing, server, protocol):
    with running(tmp_path, "cluster-enabled yes") as (client, port):
        for target in (f"redis://127.0.0.1:{port}", client):
            with pytest.raises(ConnectError, match=r"a cluster node, .* only the keys of this"):
                rnb.connect(target, protocol=protocol)
        path = str(tmp_path / "c.parquet")
        client.execute_command("CLUSTER", "ADDSLOTS", *range(16384))
        until(lambda: client.cluster("INFO")["cluster_state"] == "ok")
        with (
            redis.RedisCluster(host="127.0.0.1", port=port) as cluster,
            pytest.raises(ConnectError, match="cannot use RedisCluster: it is a cluster node"),
        ):
            rnb.connect(cluster)
        environment = {**ENVIRONMENT, "REDIS_URL": f"redis://127.0.0.1:{port}"}
        command = ["redisnb", "capture", "--match", "*", path]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert ended.returncode == 1
        assert "a cluster node" in ended.stderr


@pytest.mark.parametrize("protocol", [2, 3])
def test_a_sentinel_leads_to_a_database(tmp_path, server, protocol):
    with (
        running(tmp_path) as (data, port),
        running(tmp_path, f"sentinel monitor mine 127.0.0.1 {port} 1", sentinel=True) as (_, asked),
    ):
        with pytest.raises(ConnectError, match=r"it is a sentinel, .*\.master_for\(name\)"):
            rnb.connect(f"redis://127.0.0.1:{asked}", protocol=protocol)
        sentinel = redis.Sentinel([("127.0.0.1", asked)])
        with rnb.connect(sentinel.master_for("mine", db=3), protocol=protocol) as conn:
            assert conn.url == f"redis://127.0.0.1:{port}/3"
            rnb.Stream(conn, "s").add({"a": 1})
        assert data.info("keyspace")["db3"]["keys"] == 1
        # Without a replica, redis-py takes the server itself.
        with rnb.connect(sentinel.slave_for("mine", db=3)) as conn:
            assert len(rnb.Stream(conn, "s")) == 1
        with pytest.raises(ConnectError, match="cannot use service 'other'"):
            rnb.connect(sentinel.master_for("other"))


def test_a_client_for_asyncio_is_taken(server, tmp_path):
    with rnb.connect(redis.asyncio.Redis.from_url(server.url)) as conn:
        rnb.Stream(conn, "of-asyncio").add({"a": 1})
        assert wire.ask(conn, "XLEN", "of-asyncio", key="") == 1
        conn.client.delete("of-asyncio")


class Client:
    """An object with the name and nothing else."""


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (5, r"a URL or a client of redis-py, not builtins\.int"),
        (b"redis://127.0.0.1", r"not builtins\.bytes"),
        (Client(), r"not tests\.wire\.test_modes\.Client"),
    ],
)
def test_what_is_no_client(target, message):
    with pytest.raises(TypeError, match=message):
        rnb.connect(target)
