"""Payloads that stand for JSON, and how they become JSON."""

import gzip
import json
import sys
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from redisnb.entries import Layout, coding, load_json, make_entry
from redisnb.entries.coding import Coding
from redisnb.errors import EncodeError

BUILT_IN = ["gzip", "zstd", "msgpack", "cbor"]
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("name", BUILT_IN)
@given(event=st.dictionaries(st.text(), values, max_size=4))
def test_what_is_written_is_read(name, event):
    both = Coding.of((name, name))
    payload = both.write(json.dumps(event).encode())
    assert load_json(both.read(payload)) == event


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize("payload", [b"", b"ping", b'{"a":1', b"\xff\xff", b"\x1f\x8b\x08\x00"])
def test_what_is_none_of_it_cannot_be_read(name, payload):
    text = Coding.of(name).read(payload)
    # Every few bytes may be a number in a binary format; none of these is an object.
    assert text is None or text[:1] != b"{"


@pytest.mark.parametrize("name", ["gzip", "zstd", "msgpack"])
def test_what_is_cut_off_cannot_be_read(name):
    payload = Coding.of((name, name)).write(b'{"a":"%b"}' % (b"xyz" * 50))
    assert Coding.of(name).read(payload)
    for end in range(1, len(payload)):
        assert Coding.of(name).read(payload[:end]) is None


def test_several_gzip_members_are_one_text():
    assert Coding.of("gzip").read(gzip.compress(b'{"a":') + gzip.compress(b"1}")) == b'{"a":1}'


@pytest.mark.parametrize(
    "payload", [gzip.compress(b" " * 1_000_000), pa.compress(b" " * 1_000_000, "zstd").to_pybytes()]
)
def test_a_small_payload_cannot_fill_the_memory(monkeypatch, payload):
    name = "gzip" if payload[:2] == b"\x1f\x8b" else "zstd"
    assert len(Coding.of(name).read(payload)) == 1_000_000
    monkeypatch.setattr(coding, "LARGEST", 999_999)
    assert Coding.of(name).read(payload) is None


class OddError(Exception):
    pass


def failing(payload):
    raise OddError(payload)


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (lambda payload: {"a": 1}, b'{"a":1}'),
        (lambda payload: '{"a":1.50}', b'{"a":1.50}'),
        (lambda payload: b"ping", b"ping"),
        (lambda payload: memoryview(b"{}"), b"{}"),
        (lambda payload: None, None),
        (lambda payload: 5, None),
        (lambda payload: [{"a": 1}], None),
        (lambda payload: {"a": object()}, None),
        (failing, None),
        # What `add` refuses is read all the same.
        (lambda payload: {"a": float("nan"), "b": 2**70}, b'{"a": NaN, "b": %d}' % 2**70),
        (lambda payload: {"a": b"x", b"b": b"\xff"}, b'{"a": "x", "b": "/w=="}'),
        (lambda payload: {5: {2.5: {7}}, None: (1,)}, b'{"5": {"2.5": [7]}, "null": [1]}'),
        (
            lambda payload: {
                "at": datetime(2026, 11, 28, tzinfo=UTC),
                "d": Decimal("1.50"),
                "u": UUID(int=5),
            },
            b'{"at": "2026-11-28T00:00:00+00:00", "d": "1.50", '
            b'"u": "00000000-0000-0000-0000-000000000005"}',
        ),
    ],
)
def test_what_a_function_may_give(read, text):
    assert Coding.of(read).read(b"...") == text


def test_an_interrupt_is_no_odd_entry():
    def interrupted(payload):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Coding.of(interrupted).read(b"")


@pytest.mark.parametrize(
    ("decode", "message"),
    [
        ("gzip", "decode='gzip' only reads; to write, give Stream a pair"),
        (failing, "decode=failing only reads"),
        ((failing, failing), "cannot write this event: OddError$"),
        (("gzip", str), "writes bytes, not str"),
    ],
)
def test_what_cannot_write(decode, message):
    with pytest.raises(EncodeError, match=message):
        Coding.of(decode).write(b'{"a":1}')


@pytest.mark.parametrize(
    ("decode", "error", "message"),
    [
        ("xz", ValueError, "decode='xz'; choose one of gzip, zstd, msgpack, cbor"),
        (5, TypeError, "a name, a function .* or a pair of those, not int"),
        (("gzip", 5), TypeError, "not int"),
        ((), ValueError, "a reader and a writer, not 0"),
        (("gzip",) * 3, ValueError, "a reader and a writer, not 3"),
    ],
)
def test_what_is_no_coding(decode, error, message):
    with pytest.raises(error, match=message):
        Coding.of(decode)


def test_a_library_that_is_not_there(monkeypatch):
    monkeypatch.setitem(sys.modules, "cbor2", None)
    with pytest.raises(ModuleNotFoundError, match=r"needs cbor2: pip install 'redisnb\[cbor\]'"):
        Layout.of("auto", decode="cbor")


@pytest.mark.parametrize("format", ["fields", "raw"])
def test_there_must_be_something_to_read(format):
    with pytest.raises(ValueError, match=f"format='{format}' has no field for decode= to read"):
        Layout.of(format, decode="gzip")


@pytest.mark.parametrize(
    ("decode", "saved"),
    [
        ("gzip", "gzip"),
        (("zstd", "gzip"), ["zstd", "gzip"]),
        (("gzip", failing), "gzip"),
        (failing, None),
        ((failing, "gzip"), None),
    ],
)
def test_a_file_keeps_what_has_a_name(decode, saved):
    layout = Layout.of("json", decode=decode)
    kept = {"format": "json", "decode": saved} if saved else "json"
    assert layout.saved() == kept
    assert Layout.read(kept) == Layout.of("json", decode=saved)
    assert eval(f"dict(x=0{layout.arguments()})") == {"x": 0, "format": "json", "decode": decode}


def test_an_entry_that_cannot_be_read_is_its_fields():
    layout = Layout.of("auto", "data", ["more"], "msgpack")
    packed = msgspec.msgpack.encode({"a": 1})
    good = make_entry(b"1-0", [b"data", packed, b"more", packed, b"x", b"1"], "s", layout)
    assert (good.event, good.field) == ({"a": 1, "more": {"a": 1}, "x": "1"}, "data")
    half = make_entry(b"1-0", [b"data", packed, b"more", b"\xc1"], "s", layout)
    assert (half.event, half.field) == ({"a": 1, "more": "�xc1"}, "data")
    # Plain JSON is no MessagePack.
    plain = make_entry(b"1-0", [b"data", b'{"a":1}'], "s", layout)
    assert (plain.event, plain.field) == ({"data": '{"a":1}'}, None)
    only = make_entry(b"1-0", [b"created", packed], "s", layout)
    assert (only.event, only.field) == ({"a": 1}, "created")
