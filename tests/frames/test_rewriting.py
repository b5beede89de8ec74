"""The effect of a transform on one entry, which does not depend on the others."""

import warnings

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from redisnb.entries import AUTO, Layout, load_objects
from redisnb.errors import EncodeError, RedisnbWarning
from redisnb.frames import Selection
from redisnb.frames.conditions.reading import is_missing
from tests.frames.test_decoder import LAYOUTS, bodies

pytestmark = pytest.mark.filterwarnings("ignore::redisnb.errors.RedisnbWarning")


def transformed(bodies, transform, layout=AUTO):
    page = [("s", b"%d-0" % i, fields) for i, fields in enumerate(bodies, 1)]
    found = Selection(None, transform, layout, AUTO).of_page(page, many=False)
    return {int(id[:-2]): list(fields) for _, id, fields in found}


def one(fields, transform, layout=AUTO):
    return transformed([fields], transform, layout)[1]


def payload(text):
    return [b"payload", text.encode()]


TEXT = '{"user":{"name":"ann","id":7},"p":1.50,"n":NaN,"big":1180591620717411303424,"r":1,"r":2}'
FLAT = [b"x", b"1.50", b"y", b"007", b"z", b"\xff"]
DATA = Layout("auto", b"value", (b"key",))


def assign(**columns):
    return lambda frame: frame.assign(**columns)


def drop(*names):
    return lambda frame: frame.drop(columns=[*names], errors="ignore")


@pytest.mark.parametrize(
    ("fields", "transform", "expected"),
    [
        # Nothing is changed.
        (payload(TEXT), lambda f: f, payload(TEXT)),
        (payload(TEXT), lambda f: f.reset_index(), payload(TEXT)),
        (payload(TEXT), lambda f: f.astype({"p": "float32"}), payload(TEXT)),
        (payload(TEXT), lambda f: f.assign(p=f["p"].astype(object)), payload(TEXT)),
        (FLAT, lambda f: f, FLAT),
        ([b"order_created", b'{"id":1}'], lambda f: f, [b"order_created", b'{"id":1}']),
        (payload("ping"), lambda f: f, payload("ping")),
        # One cell of JSON, at its place.
        (payload(TEXT), assign(p=2), payload(TEXT.replace("1.50", "2"))),
        (payload(TEXT), assign(**{"user.name": "bob"}), payload(TEXT.replace("ann", "bob"))),
        (payload(TEXT), assign(r=3), payload(TEXT.replace('"r":2', '"r":3'))),
        (payload(TEXT), assign(p=None), payload(TEXT.replace("1.50", "null"))),
        (payload(TEXT), assign(n=1), payload(TEXT.replace("NaN", "1"))),
        (payload('{"t":[1,{"a":2}]}'), assign(t=[[1, {"a": 2.0}]]), payload('{"t":[1,{"a":2}]}')),
        (payload('{"t":true}'), assign(t=1), payload('{"t":1}')),
        (payload('{"i":2}'), lambda f: f.assign(i=f["i"] * 1.5), payload('{"i":3}')),
        (payload('{"i":2}'), lambda f: f.assign(i=f["i"] / 4), payload('{"i":0.5}')),
        (
            payload('{"at":"x"}'),
            assign(at=pd.Timestamp("2024-05-01", tz="UTC")),
            payload('{"at":"2024-05-01T00:00:00+00:00"}'),
        ),
        # Fields.
        (FLAT, assign(x="2"), [b"x", b"2", *FLAT[2:]]),
        (FLAT, assign(x=2), [b"x", b"2", *FLAT[2:]]),
        (FLAT, assign(x=None), FLAT[2:]),
        (FLAT, assign(z=b"\xfe"), [*FLAT[:4], b"z", b"\xfe"]),
        (
            [b"a", b"1", b"b", b"2", b"a", b"3"],
            assign(a=[["1", "4"]]),
            [b"a", b"1", b"b", b"2", b"a", b"4"],
        ),
        ([b"a", b"1", b"b", b"2", b"a", b"3"], assign(a="9"), [b"a", b"9", b"b", b"2"]),
        # Columns that go, come, and get another name.
        (payload(TEXT), drop("user.id"), payload(TEXT.replace(',"id":7', ""))),
        (payload(TEXT), drop("r"), payload(TEXT.replace(',"r":1,"r":2', ""))),
        (payload('{"a":1,"z":null}'), drop("z"), payload('{"a":1}')),
        (FLAT, drop("y"), [*FLAT[:2], *FLAT[4:]]),
        (payload('{"a":1}'), assign(new="v"), payload('{"a":1,"new":"v"}')),
        (payload('{"a":1}'), assign(new=None), payload('{"a":1}')),
        (payload('{"a":1}'), assign(**{"u.v": 1}), payload('{"a":1,"u":{"v":1}}')),
        (payload('{"u":{"v":1}}'), assign(**{"u.w": 2}), payload('{"u":{"v":1,"w":2}}')),
        (
            payload('{"u":{"v":1}}'),
            lambda f: f.assign(u="x").drop(columns="u.v"),
            payload('{"u":"x"}'),
        ),
        (FLAT, assign(new=True), [*FLAT, b"new", b"true"]),
        (payload('{"a":1}'), lambda f: f.rename(columns={"a": "b"}), payload('{"b":1}')),
        (FLAT, lambda f: f.rename(columns={"x": "w"}), [*FLAT[2:], b"w", b"1.50"]),
        # Fields beside JSON, and a name that both have.
        (
            [*payload('{"a":1}'), b"type", b"t"],
            assign(type="u"),
            [*payload('{"a":1}'), b"type", b"u"],
        ),
        ([b"a", b"2", *payload('{"a":1}')], assign(a_field="3"), [b"a", b"3", *payload('{"a":1}')]),
        ([b"a", b"2", *payload('{"a":1}')], assign(a=4), [b"a", b"2", *payload('{"a":4}')]),
        (
            [b"payload", b"ping", *payload('{"a":1}')],
            assign(a=2),
            [b"payload", b"ping", *payload('{"a":2}')],
        ),
        (payload("ping"), assign(payload="pong"), payload("pong")),
    ],
)
def test_what_becomes_of_an_entry(fields, transform, expected):
    assert one(fields, transform) == expected


@pytest.mark.parametrize(
    ("fields", "transform", "expected"),
    [
        (
            [b"key", b'{"id":1}', b"value", b'{"a":1}'],
            assign(**{"key.id": 2, "a": 3}),
            [b"key", b'{"id":2}', b"value", b'{"a":3}'],
        ),
        (
            [b"key", b"null", b"value", b'{"a":1}'],
            assign(**{"key.id": 2}),
            [b"key", b'{"id":2}', b"value", b'{"a":1}'],
        ),
        (
            [b"value", b'{"a":1}'],
            assign(**{"key.id": 2}),
            [b"value", b'{"a":1}', b"key", b'{"id":2}'],
        ),
        ([b"key", b"5", b"value", b'{"a":1}'], drop("key"), [b"value", b'{"a":1}']),
        (
            [b"key", b"5", b"value", b'{"a":1}'],
            assign(key=[[1]]),
            [b"key", b"[1]", b"value", b'{"a":1}'],
        ),
    ],
)
def test_members_with_a_field_of_their_own(fields, transform, expected):
    assert one(fields, transform, DATA) == expected


def test_raw_pairs_are_replaced_whole():
    pairs = [[(b"a", b"2"), (b"\xff", b"")]]
    assert one(FLAT, lambda f: f.assign(fields=pairs), Layout("raw")) == [b"a", b"2", b"\xff", b""]
    assert one(FLAT, lambda f: f, Layout("raw")) == FLAT
    with pytest.raises(EncodeError, match="the column 'fields' alone"):
        one(FLAT, assign(x=1), Layout("raw"))


@pytest.mark.parametrize(
    ("fields", "transform", "message"),
    [
        (payload('{"u":5}'), assign(**{"u.z": 1}), "entry 1-0: 'u' is no object here"),
        (
            payload('{"u":{"v":1}}'),
            assign(u=1),
            r"entry 1-0: 'u' is an object here; drop its columns u\.\*",
        ),
        (payload('{"a":1}'), assign(a=float("inf")), "entry 1-0: 'a': inf is not a JSON number"),
        (FLAT, assign(x=[[{"a": 1}]]), "entry 1-0: 'x': a field is text"),
        (FLAT, drop("x", "y", "z"), "entry 1-0: an entry has at least one field"),
        (FLAT, assign(entry_field="x"), "made a column 'entry_field'"),
        (FLAT, assign(stream="x"), "made a column 'stream'"),
        ([b"o", b'{"a":1}'], assign(entry_field="x"), "changed 'entry_field'"),
        (FLAT, lambda f: f.shift(freq="1s"), "changed 'entry_time'"),
        (FLAT, lambda f: f.reset_index().assign(entry_time=None), "changed 'entry_time'"),
        (FLAT, lambda f: pd.concat([f, f[["x"]]], axis=1), "gave the column 'x' twice"),
        (FLAT, lambda f: f.rename(columns={"x": 5}), "a column's name is text, not 5"),
    ],
)
def test_what_cannot_be_written_back(fields, transform, message):
    with pytest.raises(ValueError, match=message):
        one(fields, transform)


def test_a_list_that_is_changed_in_place_is_changed():
    def append(frame):
        frame["t"].iloc[0].append(3)
        return frame

    assert one(payload('{"t":[1,2],"p":1.50}'), append) == payload('{"t":[1,2,3],"p":1.50}')


def doubled(value):
    return value * 2 if isinstance(value, int | float | str) else value


ROW_BY_ROW = {
    "same": lambda frame: frame,
    "text": lambda frame: frame.assign(new="v"),
    "one": lambda frame: frame.assign(a="w"),
    "gone": lambda frame: frame.drop(columns=["a", "s", "u.i"], errors="ignore"),
    "renamed": lambda frame: frame.rename(columns={"a": "w", "n": "m"}),
    "nothing": lambda frame: frame.assign(**{name: None for name in ("b", "n") if name in frame}),
    # As objects: pandas 2 maps integers with missing ones as floats.
    "twice": lambda frame: (
        frame.assign(n=frame["n"].astype(object).map(doubled, na_action="ignore"))
        if "n" in frame
        else frame
    ),
}


def in_order(entries):
    """Entries with their fields, and the members of their JSON, in the order of their names."""
    found = {}
    for id, fields in entries.items():
        pairs = zip(fields[::2], map(sorted_json, fields[1::2]), strict=True)
        found[id] = sorted(pairs, key=lambda pair: pair[0])
    return found


def sorted_json(text):
    found = load_objects([text])[0]
    if found is None:
        return text
    known = {name: value for name, value in found.items() if not is_missing(value)}
    for name in known.keys() & {"w", "m"}:
        # A new column is written from the frame, where 1 beside 1.5 is 1.0.
        if isinstance(known[name], float) and known[name].is_integer():
            known[name] = int(known[name])
    return repr(sorted(known.items()))


@pytest.mark.slow
@example([payload('{"a":1}'), payload('{"a":1.0}')], AUTO, "renamed")
@example([payload('{"n":0}'), payload("{}"), payload('{"n":9007199254740993}')], AUTO, "twice")
@settings(max_examples=100)  # each makes a frame of every entry
@given(bodies=bodies, layout=LAYOUTS, what=st.sampled_from(sorted(ROW_BY_ROW)))
def test_an_entry_is_transformed_as_if_it_were_alone(bodies, layout, what):
    bodies = [fields for fields in bodies if fields]
    if layout.format == "raw":
        what = "same"

    def become(fields):
        try:
            return transformed(fields, ROW_BY_ROW[what], layout)
        except ValueError as error:
            return str(error).partition("entry ")[0]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RedisnbWarning)
        alone = [become([fields]) for fields in bodies]
        together = become(bodies)
    if any(isinstance(each, str) for each in alone):
        assert isinstance(together, str)
        return
    expected = {i: each[1] for i, each in enumerate(alone, 1) if each}
    if what in ("renamed", "gone"):
        # New members stand in the order of the frame's columns, which depends on all entries; and a
        # null where others have an object has no column.
        together, expected = in_order(together), in_order(expected)
    assert together == expected
    if what == "same":
        assert together == {i: list(fields) for i, fields in enumerate(bodies, 1)}
