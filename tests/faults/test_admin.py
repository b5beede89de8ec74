"""A server that is looked after: links killed, clients paused, commands refused for a while."""

import threading
import time

import pytest
import redis

import redisnb
from tests.deadlines import deadline, until
from tests.faults.scene import FAILING_RATE, IDLE_RATE, ends, rate, shows


def asked(scene):
    """Count what the scene's server was asked."""
    return lambda: scene.server.commands().total()


# CLIENT KILL and CLIENT PAUSE


def kill_links(scene) -> int:
    links = scene.server.links()
    for link in links:
        scene.raw.client_kill_filter(_id=link["id"])
    return len(links)


def test_client_kill_under_load(scene):
    consumer = scene.consumer(min_idle=60).start()
    stop, one_at_a_time = threading.Event(), threading.Lock()

    def publish():
        while not stop.wait(0.002):
            with one_at_a_time:
                scene.publish(5)

    publisher = threading.Thread(target=publish)
    publisher.start()
    killed = 0
    for n in range(1, 9):
        until(lambda n=n: scene.handled(40 * n))
        # A new link of the oracle's has no name for a moment.
        with one_at_a_time:
            killed += kill_links(scene)
    stop.set()
    publisher.join()
    assert killed >= 4
    scene.settles(killed)
    shows(consumer, "running")
    assert ends(consumer)


def test_client_kill_of_a_quiet_consumer(scene):
    consumer = scene.consumer().start()
    until(scene.server.blocked)
    kill_links(scene)
    scene.works_again()
    assert (consumer.state, consumer.error) == ("running", None)
    assert ends(consumer)


@pytest.mark.parametrize("error", [False, True])
def test_client_unblock(scene, error):
    consumer = scene.consumer(min_idle=60).start()
    until(scene.server.blocked)
    for link in scene.server.links():
        scene.raw.client_unblock(int(link["id"]), error=error)
    scene.works_again()
    scene.settles(0)
    shows(consumer, "running")
    assert ends(consumer)


@pytest.mark.parametrize("seconds", [0.4, 2.5])
def test_client_pause(scene, seconds):
    """The one is shorter than the timeout of 1 s, the other longer."""
    consumer = scene.consumer(min_idle=60).start()
    scene.publish(5)
    scene.settles()
    until(scene.server.blocked)
    scene.raw.execute_command("CLIENT", "PAUSE", int(seconds * 1000))
    end = time.monotonic() + seconds
    if seconds > 1.5:
        shows(consumer, "stalled")
    scene.raw.ping()
    scene.works_again(end)
    scene.settles(0)
    assert ends(consumer)


# Refused for a while


def refuse_writes(scene, why: str) -> None:
    """Make the server refuse what a consumer does."""
    if why == "READONLY":
        # A replica whose primary is away keeps its data.
        scene.raw.execute_command("REPLICAOF", "127.0.0.1", 1)
    elif why == "MISCONF":
        # Where it wants to write its dump, there is a directory.
        dump = scene.server.data / "dump.rdb"
        (dump / "in the way").mkdir(parents=True, exist_ok=True)
        scene.raw.config_set("save", "3600 100000")
        scene.raw.bgsave()
        until(lambda: scene.raw.info("persistence")["rdb_last_bgsave_status"] == "err")
    elif why == "NOREPLICAS":
        scene.raw.config_set("min-replicas-to-write", 1)


def allow_writes(scene) -> None:
    """Undo it."""
    scene.raw.execute_command("REPLICAOF", "NO", "ONE")
    scene.raw.config_set("save", "")
    scene.raw.config_set("min-replicas-to-write", 0)


def words(error) -> str:
    """Return an error's text with its code and notes."""
    code = getattr(error, "status_code", None) or ""
    return f"{code} {error} {getattr(error, '__notes__', '')}"


REFUSED = ["READONLY", "MISCONF", "NOREPLICAS"]


@pytest.mark.parametrize("why", REFUSED)
def test_writes_are_refused_while_a_consumer_waits(scene, why):
    consumer = scene.consumer().start()
    scene.publish(5)
    scene.settles()
    refuse_writes(scene, why)
    shows(consumer, "stalled")
    # A read that is under way may be sent back with another reason.
    until(lambda: why in words(consumer.error))
    assert 0 < rate(asked(scene)) <= FAILING_RATE
    assert consumer.state == "stalled"
    allow_writes(scene)
    scene.works_again()
    shows(consumer, "running")
    scene.settles(0)
    assert ends(consumer)


@pytest.mark.parametrize("why", REFUSED)
def test_writes_are_refused_when_it_wants_to_acknowledge(scene, why):
    waits, go_on = threading.Event(), threading.Event()

    def handler(entry):
        waits.set()
        assert go_on.wait(20)

    consumer = scene.consumer(handler=handler, min_idle=60).start()
    scene.publish(5)
    assert waits.wait(deadline(10))
    refuse_writes(scene, why)
    go_on.set()
    until(lambda: scene.handled(5))
    shows(consumer, "stalled")
    assert len(scene.pending()) == 5
    allow_writes(scene)
    # It remembers what it has handled: acknowledged late, and not handled again.
    scene.settles(0, seconds=3)
    assert ends(consumer)


@pytest.mark.alone
@pytest.mark.parametrize("why", REFUSED)
def test_publishing_is_refused(scene, why):
    refuse_writes(scene, why)
    with pytest.raises(redis.ResponseError) as refused:
        scene.stream.add({"event": "one"})
    assert why == "NOREPLICAS" or refused.value.__notes__
    with pytest.warns(redisnb.RedisnbWarning, match=why):
        added = scene.stream.add_many([{"event": n} for n in range(3)])
    assert added["status"].tolist() == ["failed"] * 3
    assert added["error"].str.startswith(why).all()
    assert len(scene.stream) == 0, "certain: nothing is there"
    allow_writes(scene)
    assert scene.stream.add({"event": "one"})


def fill(scene) -> None:
    """Leave the server no memory for writes."""
    scene.raw.config_set("maxmemory", 1)


def make_room(scene) -> None:
    """Undo it."""
    scene.raw.config_set("maxmemory", 0)


@pytest.mark.alone
def test_a_full_server_refuses_events(scene):
    fill(scene)
    with pytest.raises(redis.ResponseError) as refused:
        scene.stream.add({"event": "one"})
    assert any("maxmemory" in note for note in refused.value.__notes__)
    with pytest.warns(redisnb.RedisnbWarning, match="OOM"):
        added = scene.stream.add_many([{"event": n} for n in range(3)])
    assert added["status"].tolist() == ["failed"] * 3
    make_room(scene)
    assert len(scene.stream) == 0
    assert scene.stream.add({"event": "one"})


def test_a_full_server_is_consumed(scene):
    scene.publish(30)
    fill(scene)
    consumer = scene.consumer().start()
    scene.settles()
    assert (consumer.state, consumer.error) == ("running", None)
    assert ends(consumer)


def test_a_full_server_takes_no_dead_letter(scene):
    """The entry stays pending until there is room for it."""
    scene.publish(3)
    poison = scene.published.pop(1)

    def handler(entry):
        if entry.id == poison:
            fill(scene)
            raise ValueError("poison")

    consumer = scene.consumer(handler=handler, max_deliveries=1, min_idle=60).start()
    shows(consumer, "stalled")
    assert "OOM" in words(consumer.error)
    # The server counts what the script that moves it asks for, too.
    assert 0 < rate(scene.proxy.counts.total) <= FAILING_RATE
    assert poison in scene.pending()
    make_room(scene)
    scene.works_again()
    scene.settles(0)
    [(_, dead)] = scene.raw.xrange(f"{scene.key}:dead")
    assert dead["dead:id"] == poison
    assert ends(consumer)


@pytest.mark.parametrize("why", ["OOM", *REFUSED])
def test_stop_while_the_server_refuses(scene, why):
    waits = threading.Event()

    def handler(entry):
        fill(scene) if why == "OOM" else refuse_writes(scene, why)
        waits.set()
        raise ValueError("poison")

    consumer = scene.consumer(handler=handler, max_deliveries=1, min_idle=60).start()
    scene.publish(1)
    assert waits.wait(deadline(10))
    shows(consumer, "stalled")
    assert ends(consumer)
    assert consumer.state == "stopped"
    assert scene.pending() == scene.published
    scene.published.clear()


# Refused for good


def test_noauth(scene):
    """Somebody sets a password; links that are open live on, new ones do not."""
    secret = "hunter2"
    consumer = scene.consumer().start()
    scene.publish(5)
    scene.settles()
    scene.server.require(secret)
    kill_links(scene)
    until(lambda: "password" in words(consumer.error), 10)
    assert secret not in str(consumer.error)
    assert rate(asked(scene)) <= FAILING_RATE
    with pytest.raises((redisnb.ConnectError, redis.RedisError)) as refused:
        scene.stream.add({"event": "one"})
    assert "password" in words(refused.value)
    scene.server.require("")
    if consumer.state == "failed":
        consumer.start()
    scene.works_again()
    scene.settles()
    assert ends(consumer)


@pytest.mark.parametrize("command", ["xreadgroup", "xack", "xautoclaim"])
def test_noperm(scene, command):
    scene.raw.execute_command(
        "ACL", "SETUSER", "bob", "on", ">secret", "~*", "+@all", *(["-" + command])
    )
    url = scene.proxy.url.replace("//", "//bob:secret@")
    scene.publish(5)
    with redisnb.connect(url) as conn:
        consumer = scene.consumer(source=scene.group(conn=conn)).start()
        shows(consumer, "failed", "stalled")
        assert "NOPERM" in words(consumer.error)
        assert "ACL" in words(consumer.error), "how to mend it"
        assert "secret" not in words(consumer.error)
        assert rate(asked(scene)) <= FAILING_RATE
        ends(consumer)
    # Nothing is lost: a consumer that may do it gets them.
    consumer = scene.consumer().start()
    scene.settles(1)
    assert ends(consumer)


def test_the_user_is_removed(scene):
    """That cuts the user's links, too."""
    scene.raw.execute_command("ACL", "SETUSER", "bob", "on", ">secret", "~*", "+@all")
    url = scene.proxy.url.replace("//", "//bob:secret@")
    with redisnb.connect(url) as conn:
        consumer = scene.consumer(source=scene.group(conn=conn)).start()
        scene.publish(5)
        scene.settles()
        scene.raw.acl_deluser("bob")
        shows(consumer, "failed")
        assert "password" in words(consumer.error)
        assert "secret" not in words(consumer.error)
        assert ends(consumer)


def test_too_many_clients(scene):
    consumer = scene.consumer(min_idle=60).start()
    scene.publish(5)
    scene.settles()
    until(scene.server.blocked)
    # The oracle stays; what is cut does not come in again.
    scene.raw.config_set("maxclients", 1)
    scene.proxy.cut_links()
    shows(consumer, "stalled")
    until(lambda: "max number of clients" in words(consumer.error))
    assert rate(lambda: scene.proxy.connections) <= FAILING_RATE
    scene.raw.config_set("maxclients", 100)
    scene.works_again()
    scene.settles(0)
    assert ends(consumer)


def slow_loading(place):
    """Make a scene on a server that takes 2 s to read its data when it starts."""
    place = place.another("--key-load-delay", "10000")
    scene = place.scene()
    place.server.fill(200)
    return scene


def test_loading(place):
    """A server that reads its data for a second after a crash."""
    scene = slow_loading(place)
    consumer = scene.consumer(min_idle=60).start()
    scene.publish(5)
    scene.settles()
    scene.server.kill()
    shows(consumer, "stalled")
    scene.server.start(wait=False)
    seen = set()

    def said_that_it_loads() -> bool:
        seen.add(type(consumer.error))
        return redis.BusyLoadingError in seen or consumer.state == "running"

    until(said_that_it_loads)
    assert redis.BusyLoadingError in seen
    until(scene.server.answers)
    scene.works_again()
    scene.settles(1)
    assert ends(consumer)


def test_connecting_and_publishing_while_it_loads(place):
    scene = slow_loading(place)
    scene.server.kill()
    scene.server.start(wait=False)
    until(scene.server.is_loading)
    with pytest.raises((redisnb.ConnectError, redis.RedisError), match=r"(?i)loading"):
        scene.stream.add({"event": "one"})
    with pytest.raises((redisnb.ConnectError, redis.RedisError), match=r"(?i)loading"):
        redisnb.connect(scene.proxy.url)
    until(scene.server.answers)
    assert len(scene.stream) == 0
    assert scene.stream.add({"event": "one"})


def test_the_idle_rate_of_three_consumers(scene):
    consumers = [scene.consumer(f"c{n}", min_idle="1min").start() for n in range(3)]
    until(lambda: scene.server.blocked() == 3)
    assert 0 < rate(asked(scene), 5) <= 3 * IDLE_RATE
    assert all(ends(consumer) for consumer in consumers)
