"""An entry stands on its own: what it means is the same at every door, whatever is beside it."""

import gzip
import json
import warnings

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import redisnb as rnb
from redisnb import wire
from redisnb.cli import main
from redisnb.entries import AUTO
from redisnb.entries.events import read_event
from redisnb.errors import RedisnbWarning
from redisnb.frames.conditions import chooses, condition_of
from redisnb.frames.decoding.columns import RESERVED, read_entry
from tests.deadlines import until

pytestmark = pytest.mark.slow


EXTRA = [b"n", b"3"]


def payload(event):
    return [b"payload", json.dumps(event).encode()]


carriers = st.sampled_from(["UA", "AA", None, 5, True, {"id": 1}, ["UA"], float("nan")])
healthy = st.fixed_dictionaries({"carrier": st.just("UA") | st.just("AA"), "n": st.integers(0, 9)})
odd_events = st.fixed_dictionaries(
    {},
    optional={
        "carrier": carriers,
        "n": st.sampled_from([1, 1.5, "1", None, 2**70, float("inf")]),
        "user": st.sampled_from([{"id": 7}, {}, None, {"id": None}, 3]),
        "user.id": st.integers(0, 3),
        "s": st.sampled_from(["x", "\ud83d", "ü"]),
    },
)
texts = st.sampled_from(
    [b"ping", b"[1]", b"{", b'{"carrier":"UA"', b"\xff", b'{"n":"\xff"}', b" {}"]
)
entries = st.one_of(
    healthy.map(payload),
    healthy.map(payload),
    healthy.map(lambda event: [b"created", json.dumps(event).encode()]),
    healthy.map(lambda event: [*payload(event), b"carrier", b"UA"]),
    healthy.map(lambda event: [b"carrier", event["carrier"].encode(), b"n", b"%d" % event["n"]]),
    healthy.map(lambda event: [b"payload", gzip.compress(json.dumps(event).encode())]),
    odd_events.map(lambda event: [b"created", gzip.compress(json.dumps(event).encode()), *EXTRA]),
    odd_events.map(payload),
    texts.map(lambda text: [b"payload", text]),
    st.sampled_from([[b"n", b"007"], [b"n", b"1", b"n", b"2"], [b"", b""], [b"\xff", b"1"]]),
)
filters = st.sampled_from(
    [
        {"carrier": "UA"},
        {"carrier": ["AA", 5], "n": range(8)},
        {"n": None},
        "carrier != 'UA'",
        "n >= 1 and not n > 5",
        "n = 1 or n = '1'",
        "user.id = 7 or user is null",
        "payload = 'ping'",
        "entry_field = 'created' or carrier contains 'UA'",
    ]
)


layouts = st.sampled_from(
    [
        {},
        {},
        {"format": "json"},
        {"field": "created"},
        {"format": "json", "field": "carrier", "json": ["payload"]},
        {"json": ["created", "n"]},
        {"format": "fields", "json": ["payload"]},
        {"decode": "gzip"},
        {"decode": "gzip", "json": ["created"]},
    ]
)


def alone(fields, layout):
    """Return what one entry has in a frame, from nothing but itself."""
    cells = read_entry(fields, layout, RESERVED).cells
    return {name: (origin, value) for name, origin, value in cells}


def is_wanted(fields, where, layout):
    reading = read_entry(fields, layout, RESERVED)
    cells = alone(fields, layout)
    if reading.parts.carrier is not None:
        cells["entry_field"] = "json", reading.parts.carrier.decode()
    objects = [
        name for name, value in reading.parts.members.items() if isinstance(value, dict) and value
    ]
    return chooses(condition_of(where), cells, objects)


def same(cell, origin, value):
    if value is None:
        return pd.api.types.is_scalar(cell) and pd.isna(cell)
    if origin == "field" and isinstance(value, str) and not isinstance(cell, str):
        return float(cell) == float(value)  # a column all of such text
    if isinstance(value, bool) or isinstance(cell, bool):
        return cell is value
    return (type(cell) is type(value) and cell == value) or (cell == value and cell is not True)


def check(frame, stored, layout):
    """A row for each entry, and in it what the entry has, and nothing else."""
    found = dict(zip(frame["entry_id"], frame.to_dict("records"), strict=True))
    assert list(found) == list(stored)
    for id, fields in stored.items():
        cells = alone(fields, layout)
        for name in frame.columns:
            if name not in ("entry_id", "entry_field", "stream", "consumer", "idle", "deliveries"):
                assert same(found[id][name], *cells.get(name, ("json", None))), (id, name)
        for name, (_, value) in cells.items():
            assert value is None or name in frame.columns


@pytest.fixture(scope="module")
def conn(server):
    with rnb.connect(server.url) as conn:
        yield conn


def fill(stream, bodies):
    stream.conn.client.delete(stream.key)
    stored = {}
    for i, fields in enumerate(bodies):
        id = f"{1700000000000 + i}-0"
        stream.conn.client.execute_command("XADD", stream.key, id, *fields)
        stored[id] = fields
    return stored


def consume(consumer, n):
    """Have so many entries read, and handled where they are chosen."""
    with consumer:
        until(lambda: sum(consumer.stats[name] for name in ("handled", "skipped")) >= n)
    return consumer


everywhere = settings(
    max_examples=30,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@everywhere
@given(bodies=st.lists(entries, min_size=1, max_size=12), options=layouts, size=st.integers(1, 5))
def test_an_entry_is_read_alike_at_every_door(conn, tmp_path_factory, bodies, options, size):
    stream = rnb.Stream(conn, "alone", **options)
    layout, stored = stream.layout, fill(stream, bodies)
    backwards = dict(reversed(stored.items()))
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore", RedisnbWarning)
        patch.setattr("redisnb.wire.paging.PAGE", size)
        check(stream.range(), stored, layout)
        check(stream.range(reverse=True), backwards, layout)
        for part, ids in zip(stream.frames(count=size), chunks(stored, size), strict=True):
            check(part, ids, layout)
        group = rnb.ConsumerGroup(stream, "g", consumer="c")
        group.create("all")
        check(group.read(100), stored, layout)
        check(group.pending(payload=True), stored, layout)
        check(rnb.preview(stream.conn, stream.key), stored, AUTO)
        for entry in stream.follow("all", timeout=0.001):
            pairs = list(zip(stored[entry.id][::2], stored[entry.id][1::2], strict=True))
            assert list(entry.fields) == pairs
            assert (entry.field is None) is (
                read_entry(stored[entry.id], layout, RESERVED).parts.carrier is None
            )
        folder = tmp_path_factory.mktemp("captures")
        for ending in (".jsonl", ".jsonl.gz", ".jsonl.zst", ".parquet"):
            path = folder / f"c{ending}"
            rnb.capture(stream, path)
            check(rnb.load(path), stored, layout)


def chunks(stored, size):
    items = list(stored.items())
    return [dict(items[i : i + size]) for i in range(0, len(items), size)]


@everywhere
@given(
    bodies=st.lists(entries, min_size=1, max_size=12),
    options=layouts,
    where=filters,
    size=st.integers(1, 5),
)
def test_an_entry_is_chosen_alike_at_every_door(
    server, conn, tmp_path_factory, bodies, options, where, size
):
    stream = rnb.Stream(conn, "alone", **options)
    layout, stored = stream.layout, fill(stream, bodies)
    wanted = {id: fields for id, fields in stored.items() if is_wanted(fields, where, layout)}
    names = {name for fields in bodies for name in alone(fields, layout)}
    known = names | {"entry_field"} | {name.partition(".")[0] for name in names if "." in str(name)}
    folder = tmp_path_factory.mktemp("captures")
    target = rnb.Stream(stream.conn, "alone:target")
    target.conn.client.delete(target.key)
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore", RedisnbWarning)
        patch.setattr("redisnb.wire.paging.PAGE", size)
        assert [entry.id for entry in stream.follow("all", timeout=0.001, where=where)] == [*wanted]
        if not condition_of(where).compared <= known:
            with pytest.raises(ValueError, match="no entry has this column"):
                stream.range(where=where)
            return
        assert stream.range(where=where)["entry_id"].tolist() == [*wanted]
        backwards = stream.range(where=where, reverse=True)
        assert backwards["entry_id"].tolist() == [*wanted][::-1]
        group = rnb.ConsumerGroup(stream, "g", consumer="c")
        group.create("all")
        assert group.read(100, where=where)["entry_id"].tolist() == [*wanted]
        assert group.pending(where=where)["entry_id"].tolist() == [*wanted]
        seen = []
        patch.setattr("redisnb.consumers.loop.BLOCK", 1)
        consume(
            rnb.Consumer(stream, lambda entry: seen.append(entry.id), where=where, start="all"),
            len(stored),
        )
        assert seen == [*wanted]
        parts = stream.frames(count=size, where=where)
        assert [id for part in parts for id in part["entry_id"]] == [*wanted]
        for ending in (".jsonl", ".parquet"):
            path = folder / f"c{ending}"
            rnb.capture(stream, path, overwrite=True)
            assert rnb.load(path, where=where)["entry_id"].tolist() == [*wanted]
            rnb.capture(stream, path, where=where, overwrite=True)
            assert rnb.load(path)["entry_id"].tolist() == [*wanted]
            if isinstance(where, str) and "json" not in options:
                patch.setenv("REDIS_URL", server.url)
                given = [f"--{name}={value}" for name, value in options.items()]
                given += ["--where", where, "--overwrite", "--quiet"]
                assert main(["capture", stream.key, str(path), *given]) == 0
                assert rnb.load(path)["entry_id"].tolist() == [*wanted]
        if wanted:
            rnb.replay(stream, target, speed=float("inf"), where=where, ids="keep")
            pages = wire.Pages(target.conn, target.key, "-", "+")
            read = {id.decode(): list(fields) for page in pages for id, fields in page}
            assert read == wanted


@everywhere
@given(
    bodies=st.lists(
        entries.filter(lambda fields: len({*fields[::2]}) == len(fields) // 2),
        min_size=1,
        max_size=8,
    )
)
def test_a_value_is_read_alike_whatever_is_beside_it(conn, bodies):
    """Strings for entries of one field, hashes for the others."""
    raw = conn.client
    raw.delete(*[f"alone:v:{i}" for i in range(9)])
    for i, fields in enumerate(bodies[:9]):
        if len(fields) == 2:
            raw.set(f"alone:v:{i}", fields[1])
        else:
            raw.hset(f"alone:v:{i}", mapping=dict(zip(fields[::2], fields[1::2], strict=True)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RedisnbWarning)
        together = rnb.values(conn, "alone:v:*", types="text")
        rows = dict(zip(together["key"], together.to_dict("records"), strict=True))
        for key, row in rows.items():
            one = rnb.values(conn, key, types="text").to_dict("records")[0]
            # Where others have an object, a null is one without members.
            assert {name for name, cell in one.items() if not same(cell, "json", None)} <= {*row}
            for name, cell in row.items():
                assert same(cell, "json", one.get(name)), (key, name)


@everywhere
@given(bodies=st.lists(entries, min_size=1, max_size=8), options=layouts, size=st.integers(1, 5))
def test_an_entry_is_handed_over_alike(conn, bodies, options, size):
    stream = rnb.Stream(conn, "alone", **options)
    layout, stored = stream.layout, fill(stream, bodies)
    seen, parts = [], []
    group = rnb.ConsumerGroup(stream, "g", consumer="c")
    group.create("all")
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore", RedisnbWarning)
        patch.setattr("redisnb.consumers.loop.BLOCK", 1)
        one = consume(rnb.Consumer(stream, seen.append, start="all", count=size), len(stored))
        consume(rnb.Consumer(group, on_frame=parts.append, count=size), len(stored))
        # What its panel shows.
        check(one.frame(), stored, layout)
    assert [entry.id for entry in seen] == [*stored]
    for entry in seen:
        assert [part for pair in entry.fields for part in pair] == list(stored[entry.id])
        assert same_event(entry.event, read_event(stored[entry.id], layout))
    assert [id for part in parts for id in part["entry_id"]] == [*stored]
    for part in parts:
        check(part, {id: stored[id] for id in part["entry_id"]}, layout)


def same_event(one, other):
    """Return whether two events are equal; NaN is NaN, and 1 is 1.0."""
    if isinstance(one, float) and isinstance(other, float) and one != one:
        return other != other
    if isinstance(one, dict) and isinstance(other, dict):
        return {*one} == {*other} and all(same_event(one[name], other[name]) for name in one)
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return one == other


def number(text):
    """The number that a text is: in a column beside 1.5, the 0 of JSON is 0.0, as in pandas."""
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return found if isinstance(found, int | float) and not isinstance(found, bool) else text


def twice(value):
    return value * 2 if isinstance(value, int | float | str) else value


TRANSFORMS = {
    "same": lambda frame: frame,
    "new": lambda frame: frame.assign(new="v"),
    "less": lambda frame: frame.drop(columns=["carrier", "user.id"], errors="ignore"),
    "twice": lambda frame: (
        frame.assign(n=frame["n"].map(twice, na_action="ignore")) if "n" in frame else frame
    ),
    "part": lambda frame: frame[[id.endswith(("0-0", "2-0", "3-0")) for id in frame["entry_id"]]],
}


def what_comes(call, target):
    """The entries that a call writes, by ID, or the message of what it raises."""
    target.conn.client.delete(target.key)
    try:
        call()
    except ValueError as error:
        return str(error).partition(": ")[2]
    pages = wire.Pages(target.conn, target.key, "-", "+")
    return {id.decode(): list(fields) for page in pages for id, fields in page}


@everywhere
@given(
    bodies=st.lists(entries, min_size=1, max_size=6),
    options=layouts,
    what=st.sampled_from(sorted(TRANSFORMS)),
    where=st.none() | filters,
)
def test_an_entry_is_written_back_alike(conn, tmp_path_factory, bodies, options, what, where):
    stream = rnb.Stream(conn, "alone", **options)
    target = rnb.Stream(conn, "alone:target")
    stored, path = fill(stream, bodies), tmp_path_factory.mktemp("captures") / "c.parquet"
    how = {"transform": TRANSFORMS[what], "speed": float("inf"), "ids": "keep"}
    if where is not None:
        # Whether there is a column is a matter of all entries, whether one is wanted is not.
        wanted = [id for id in stored if is_wanted(stored[id], where, stream.layout)]
        where = {"entry_id": wanted}
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore", RedisnbWarning)
        alone = []
        for id in stored:
            how_one = {**how, "where": where, "start": id, "end": id}
            alone.append(what_comes(lambda: rnb.replay(stream, target, **how_one), target))  # noqa: B023
        rnb.capture(stream, path)
        # A page, and so a frame that the transform sees, has two entries.
        patch.setattr("redisnb.wire.paging.FIRST_PAGE", 2)
        patch.setattr("redisnb.wire.paging.PAGE", 2)
        for source in (stream, path):
            found = what_comes(lambda: rnb.replay(source, target, where=where, **how), target)  # noqa: B023
            if any(isinstance(each, str) for each in alone):
                assert isinstance(found, str)
            else:
                assert found == {id: fields for each in alone for id, fields in each.items()}


@everywhere
@given(
    bodies=st.lists(entries, min_size=1, max_size=6),
    options=layouts,
    written=st.sampled_from(["json", "fields"]),
)
def test_an_entry_of_a_frame_is_published_alike(conn, bodies, options, written):
    stream = rnb.Stream(conn, "alone", **options)
    target = rnb.Stream(conn, "alone:target", format=written)
    stored = fill(stream, bodies)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RedisnbWarning)
        alone = []
        for id in stored:
            one = stream.range(id, id, types="text")
            alone.append(what_comes(lambda: target.add_many(one, ids=[id]), target))  # noqa: B023
        frame = stream.range(types="text")
        for call in (
            lambda: target.add_many(frame, ids=[*stored]),
            lambda: rnb.replay(frame, target, speed=float("inf"), ids="keep"),
        ):
            found = what_comes(call, target)
            if any(isinstance(each, str) for each in alone):
                assert isinstance(found, str)
                continue
            expected = {id: fields for each in alone for id, fields in each.items()}
            assert [*found] == [*expected]
            for id, fields in found.items():
                events = [read_event(each, target.layout) for each in (fields, expected[id])]
                if written == "fields":
                    events = [{name: number(text) for name, text in e.items()} for e in events]
                assert same_event(*events), events
