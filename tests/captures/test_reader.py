"""Captures are read back byte for byte, and damage is named in an error."""

import fcntl
import gzip
import io
import json
import os
import stat
import subprocess
import sys
import textwrap
from itertools import chain

import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from redisnb.captures import json_lines, parquet, reader
from redisnb.captures import writer as recorder
from redisnb.entries import AUTO, Layout
from redisnb.entries.order import merge_by_id
from redisnb.errors import RedisnbError, ReplayError

NAMES = ["c.parquet", "c.jsonl", "c.jsonl.gz", "c.jsonl.zst", "c"]
STREAMS = {"s": AUTO, "t": Layout("fields")}
LARGEST = 2**64 - 1

ODD = [
    ("s", b"1-0", [b"payload", b'{"i":1}']),
    ("t", b"1-0", [b"a", b"1", b"a", b"2", b"", b"", b"\xff\x00", b"\xfe"]),
    ("s", b"1-1", [b"payload", b'{"i" : 1}']),
    ("s", b"2-0", [b"payload", b'{"i":1}\n']),
    ("s", b"2-1", [b"payload", b'{\r\n"i":1}']),
    ("s", b"2-2", [b"payload", b'{"i":1}}']),
    ("s", b"2-3", [b"payload", b'{"i":1},"event":{"i":2}']),
    (
        "s",
        b"2-4",
        [b"payload", b'{"i":1,"i":2,"n":1e400,"m":-0.0,"l":123456789012345678901}'],
    ),
    ("s", b"2-5", [b"payload", b""]),
    ("s", b"2-6", [b"payload", b"\xff"]),
    ("s", b"2-7", [b"payload", b"plain text"]),
    ("s", b"2-8", [b"payload", b'{"i":"\xff"}']),
    ("s", b"2-9", [b"payload", b'{"i":1}', b"payload", b'{"i":1}']),
    ("s", b"3-0", [b"other", b'{"i":1}']),
    ("s", b"3-1", [b"payload", b'{"i":"\xe2\x80\xa8\\u2028\\ud800 \xf0\x9f\x98\x80"}']),
    ("s", b"3-2", [b"payload", b'{"a":' * 1000 + b"1" + b"}" * 1000]),
    ("s", b"3-3", [b"payload", b'{"a":' * 5000 + b"1" + b"}" * 5000]),
    ("s", b"4-0", [b"x", b"1" * 70_000]),
    ("s", b"253402300800000-0", [b"payload", b"{}"]),
    ("s", b"%d-%d" % (LARGEST, LARGEST), [b"quote", b'"\\\x01']),
]


def write(path, page=ODD, streams=STREAMS, **options):
    with recorder.CaptureWriter(path, streams, **options) as writer:
        writer.write(page)
    return path


def read(path, **options):
    return [entry for page in reader.open_capture(path, **options) for entry in page]


@pytest.fixture(params=NAMES)
def path(request, tmp_path):
    return str(tmp_path / request.param)


# Round trips


def test_every_entry_comes_back_byte_for_byte(path):
    assert read(write(path)) == ODD


def test_what_is_known_of_a_capture(path):
    found = reader.open_capture(write(path))

    assert found.streams == STREAMS
    assert found.has_ids
    assert found.repeatable
    assert found.entries == (None if ".jsonl" in path else len(ODD))
    assert [sum(map(len, found)) for _ in range(2)] == [len(ODD)] * 2
    assert found.skipped == 0


part = st.one_of(st.binary(max_size=9), st.text(max_size=5).map(str.encode))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
payload = st.one_of(
    part,
    json_values.map(lambda value: json.dumps({"a": value}).encode()),
    json_values.map(lambda value: json.dumps({"a": value}, ensure_ascii=False, indent=1)).map(
        lambda text: text.encode(errors="surrogatepass")
    ),
    st.text(alphabet='{}[]",:\\ \n\r"eventa1', max_size=24).map(str.encode),
)
fields = st.one_of(
    payload.map(lambda value: [b"payload", value]),
    st.lists(st.tuples(part, part), min_size=1, max_size=4).map(
        lambda pairs: [each for pair in pairs for each in pair]
    ),
)
number = st.one_of(st.integers(0, 5), st.integers(0, LARGEST))
pages = st.lists(
    st.tuples(st.sampled_from(["", 'q"\\\n', "é"]), number, number, fields),
    max_size=8,
    unique_by=lambda each: each[:3],
).map(
    lambda entries: [
        (key, b"%d-%d" % (ms, seq), body)
        for key, ms, seq, body in sorted(entries, key=lambda each: each[1:3])
        if ms or seq
    ]
)


@pytest.mark.slow
@given(pages)
def test_lines_give_back_any_bytes(page):
    parser = json_lines.LineParser()
    found = [parser.parse(line + b"\r") for line in json_lines.lines(page).split(b"\n")]
    assert [entry for entry in found if entry is not None] == page


@given(pages)
def test_lines_are_json_whatever_is_in_them(page):
    for line, (key, id, body) in zip(json_lines.lines(page).splitlines(), page, strict=False):
        found = orjson.loads(line)
        assert (found["stream"], found["id"]) == (key, id.decode())
        assert ("event" in found) or len(found["fields"]) == len(body) // 2


@st.composite
def alike(draw):
    """Return entries that all have the same names, mostly with simple values."""
    simple = st.sampled_from([b"", b"1", b"tea", "\u00e9".encode(), b"{}", b'{"a":1}', b"\x7f"])
    value = draw(st.sampled_from([simple, simple | part, payload, st.just(b"{}")]))
    names = draw(st.just([b"payload"]) | st.lists(simple | part, min_size=1, max_size=3))
    bodies = draw(st.lists(st.lists(value, min_size=len(names), max_size=len(names)), max_size=4))
    return [
        (
            draw(st.sampled_from(["s", 'q"\\\n', "\u00e9"])),
            b"%d-1" % i,
            [*chain(*zip(names, body, strict=True))],
        )
        for i, body in enumerate(bodies, 1)
    ]


@given(alike() | pages)
def test_the_lines_of_a_page_are_those_of_its_entries(page):
    quoted = {key: orjson.dumps(key) for key, _, _ in page}
    expected = b"".join(json_lines._entry_line(entry, quoted) for entry in page)
    assert json_lines.lines(page) == expected


@given(pages)
def test_tables_give_back_any_bytes(page):
    wrong = []
    codes = {'q"\\\n': 0, "é": 1, "": 2}
    found = [
        entry
        for batch in parquet.record_batches(page, codes)
        for entry in parquet.entries_in(batch, json_lines.Order(), lambda *why: wrong.append(why))
    ]
    assert found == page
    assert not wrong


@given(pages)
def test_what_a_table_shows_of_other_fields_is_json(page):
    for batch in parquet.record_batches(page, {'q"\\\n': 0, "é": 1, "": 2}):
        for event, pairs in zip(batch["event"].to_pylist(), batch["fields"], strict=True):
            if pairs.is_valid:
                assert isinstance(orjson.loads(event), dict)


@pytest.mark.parametrize("error", [pa.ArrowInvalid, OverflowError])
def test_a_page_of_more_than_an_array_holds_is_cut(monkeypatch, error):
    content = parquet._content_columns

    def full(bodies):
        if len(bodies) > most:
            raise error("offset overflow")
        return content(bodies)

    monkeypatch.setattr(parquet, "_content_columns", full)
    page = [("s", b"%d-0" % i, [b"x", b"1234567"]) for i in range(1, 6)]
    most = 2
    assert [len(batch) for batch in parquet.record_batches(page, {"s": 0})] == [2, 1, 2]
    most = 0
    with pytest.raises(error):
        list(parquet.record_batches(page, {"s": 0}))


@pytest.mark.slow
def test_20000_entries_in_many_pages(path):
    page = [("s", b"%d-0" % i, [b"payload", b'{"i":%d}' % i]) for i in range(1, 20_001)]
    with recorder.CaptureWriter(path, {"s": Layout("json")}) as writer:
        for i in range(0, 20_000, 700):
            writer.write(page[i : i + 700])
    found = reader.open_capture(path)

    assert [entry for page in found for entry in page] == page
    assert len(list(found)) > 1


def test_a_group_of_rows_has_a_bounded_size(tmp_path, monkeypatch):
    monkeypatch.setattr(recorder, "GROUP_BYTES", 100_000)
    path = write(tmp_path / "c.parquet", [])
    page = [("s", b"%d-0" % i, [b"x", os.urandom(10_000)]) for i in range(1, 51)]
    with recorder.CaptureWriter(path, STREAMS, overwrite=True) as writer:
        for entry in page:
            writer.write([entry])
    monkeypatch.setattr(reader, "READ_BYTES", 20_000)

    assert pq.ParquetFile(path).num_row_groups >= 5
    assert max(map(len, reader.open_capture(path))) <= 2
    assert read(path) == page


def test_no_entry_at_all(path):
    write(path, [])
    assert read(path) == []
    assert reader.open_capture(path).streams == STREAMS


# What other programs see


def test_pandas_reads_a_parquet_file(tmp_path):
    frame = pd.read_parquet(write(tmp_path / "c.parquet", ODD[:2] + ODD[-2:]))

    assert frame.columns.tolist() == ["entry_time", "stream", "entry_id", "event", "fields"]
    assert str(frame["entry_time"].dtype) == "datetime64[ms, UTC]"
    assert frame["entry_time"].isna().tolist() == [False, False, True, True]
    assert frame["entry_time"][0] == pd.Timestamp(1, unit="ms", tz="UTC")
    assert frame["stream"].tolist() == ["s", "t", "s", "s"]
    assert frame["event"].map(json.loads).tolist() == [
        {"i": 1},
        {"a": ["1", "2"], "": "", "�xff\x00": "�xfe"},
        {},
        {"quote": '"\\\x01'},
    ]
    assert frame["fields"][0] is None
    assert frame["fields"][3][0] == {"name": b"quote", "value": b'"\\\x01'}


def test_pandas_reads_a_directory_while_it_is_written(tmp_path):
    with recorder.CaptureWriter(tmp_path / "c", STREAMS, rows=2) as writer:
        writer.write(ODD[:3])
        assert len(pd.read_parquet(tmp_path / "c")) == 2
        assert read(tmp_path / "c") == ODD[:2]


def test_a_capture_that_pandas_has_written_anew(tmp_path):
    path = write(tmp_path / "c.parquet")
    pd.read_parquet(path).to_parquet(tmp_path / "d.parquet")
    pd.read_parquet(path).iloc[[0]].to_parquet(tmp_path / "e.parquet")

    assert read(tmp_path / "d.parquet") == ODD
    assert read(tmp_path / "e.parquet") == ODD[:1]
    assert reader.open_capture(tmp_path / "d.parquet").streams == {}


def test_lines_that_another_program_has_written_anew(tmp_path):
    path = write(tmp_path / "c.jsonl", ODD[:2])
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(f"{json.dumps(line, sort_keys=True)}\n\n" for line in lines))

    assert read(path) == ODD[:2]


def test_a_number_keeps_its_digits_when_a_line_was_written_anew(tmp_path):
    (tmp_path / "c.jsonl").write_text(
        '{"id": "1-0", "event": {"n": 123456789012345678901}, "stream": "s"}'
    )
    assert read(tmp_path / "c.jsonl")[0][2] == [b"payload", b'{"n":123456789012345678901}']


def test_lines_without_their_header_and_two_captures_in_one(tmp_path):
    path = write(tmp_path / "c.jsonl", ODD[:2])
    header, *lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines))
    assert read(path) == ODD[:2]

    path.write_bytes(b"".join([header, lines[0], header, lines[1]]))
    assert read(path) == ODD[:2]


def test_lines_as_they_are_documented(tmp_path):
    page = [("s", b"1-0", [b"payload", b'{"i": 1}']), ("s", b"1-1", [b"a", b"1", b"b", b"\xff"])]
    assert write(tmp_path / "c.jsonl", page, {"s": AUTO}).read_text() == (
        '{"redisnb":1,"streams":{"s":"auto"},"sealed":true}\n'
        '{"stream":"s","id":"1-0","event":{"i": 1}}\n'
        '{"stream":"s","id":"1-1","fields":[["a","1"],["b",{"base64":"/w=="}]]}\n'
        '{"redisnb":1,"crc32":"88d4679a"}\n'
    )


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_line_ends_and_a_byte_order_mark(tmp_path, end, bom):
    path = write(tmp_path / "c.jsonl", ODD[:5])
    path.write_text(bom + path.read_text().replace("\n", end), newline="")
    assert read(path) == ODD[:5]


def test_events_of_ones_own(tmp_path):
    (tmp_path / "c.jsonl").write_text('\ufeff{"i": 1}\r\n\r\n{"i": 2, "redisnb": "x"}')
    found = reader.open_capture(tmp_path / "c.jsonl")

    assert not found.has_ids
    assert [entry for page in found for entry in page] == [
        ("", b"0-0", [b"payload", b'{"i": 1}']),
        ("", b"0-0", [b"payload", b'{"i": 2, "redisnb": "x"}']),
    ]


# Pipes


class Pipe(io.RawIOBase):
    """A file that returns lines one by one, and counts the reads."""

    def __init__(self, lines):
        self.lines, self.given = lines, 0

    def readable(self):
        return True

    def readinto(self, buffer):
        if self.given == len(self.lines):
            return 0
        line = self.lines[self.given]
        self.given += 1
        buffer[: len(line)] = line
        return len(line)


def test_a_pipe_gives_each_entry_when_it_comes():
    pipe = Pipe([json_lines.header(STREAMS), *(json_lines.lines([entry]) for entry in ODD[:3])])
    found = reader.open_capture(pipe)
    assert found.streams == STREAMS
    assert not found.repeatable
    found.check()
    pages = iter(found)

    for i in range(3):
        assert next(pages) == [ODD[i]]
        assert pipe.given == i + 2
    assert list(pages) == []
    with pytest.raises(ReplayError, match="only once"):
        list(found)


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_standard_input(monkeypatch, tmp_path, compress):
    path = tmp_path / "stdin"
    path.write_bytes(compress(json_lines.header(STREAMS) + json_lines.lines(ODD)))
    with path.open() as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        assert read("-") == ODD
        # Reading it to its end has not closed it.
        assert os.fstat(stdin.fileno()).st_size


def test_standard_output(capfdbinary):
    write("-", ODD[:2])
    out = capfdbinary.readouterr().out
    assert read(io.BytesIO(out)) == ODD[:2]


def test_an_open_file_stays_open():
    file = io.BytesIO()
    write(file)
    file.seek(0)
    assert read(file) == ODD
    assert not file.closed
    with pytest.raises(TypeError, match="as bytes"):
        reader.open_capture(io.StringIO("{}"))


# What is no capture


GOOD = json_lines.header(STREAMS) + json_lines.lines(ODD[:3])


def change(text, line, new):
    lines = text.splitlines()
    lines[line - 1] = new
    return b"\n".join(lines) + b"\n"


BAD_LINES = {
    "cut": (GOOD[:-9], 4, "not JSON, or cut off"),
    "cut in the middle": (change(GOOD, 3, b'{"stream":"s","id'), 3, "not JSON, or cut off"),
    "not an object": (change(GOOD, 3, b"[1]"), 3, "not a JSON object"),
    "not an entry": (change(GOOD, 3, b'{"i":1}'), 3, "no entry"),
    "more than an entry": (
        change(GOOD, 3, b'{"stream":"s","id":"1-1","event":{},"x":1}'),
        3,
        "no entry",
    ),
    "no ID": (change(GOOD, 3, b'{"stream":"s","id":"x","event":{}}'), 3, "'x' is not the ID"),
    "zeros": (change(GOOD, 3, b'{"stream":"s","id":"01-1","event":{}}'), 3, "'01-1' is not"),
    "zero": (change(GOOD, 3, b'{"stream":"u","id":"0-0","event":{}}'), 3, "'0-0' is not"),
    "large ID": (
        change(GOOD, 3, b'{"stream":"s","id":"18446744073709551616-0","event":{}}'),
        3,
        "'18446744073709551616-0' is not",
    ),
    "ID of another type": (change(GOOD, 3, b'{"stream":"s","id":1,"event":{}}'), 3, "not text"),
    "event of another type": (
        change(GOOD, 3, b'{"stream":"s","id":"1-1","event":[]}'),
        3,
        "not a JSON object",
    ),
    "no fields": (change(GOOD, 3, b'{"stream":"s","id":"1-1","fields":[]}'), 3, "not pairs"),
    "odd fields": (change(GOOD, 3, b'{"stream":"s","id":"1-1","fields":["ab"]}'), 3, "not pairs"),
    "number": (change(GOOD, 3, b'{"stream":"s","id":"1-1","fields":[["a",1]]}'), 3, "a text, or"),
    "base64": (
        change(GOOD, 3, b'{"stream":"s","id":"1-1","fields":[["a",{"base64":"x"}]]}'),
        3,
        "base64 is damaged",
    ),
    "out of order": (
        change(GOOD, 3, json_lines.lines([ODD[0]])[:-1]),
        3,
        "out of order, after 1-0",
    ),
    "no UTF-8": (change(GOOD, 3, b'{"stream":"s","id":"1-1","event":{"\xff":1}}'), 3, "not JSON"),
    "junk": (b"\x00\x01\x02\xff\n" * 3, 1, "not JSON"),
    "text": (b"a,b\n1,2\n", 1, "not JSON"),
    "own event, cut": (b'{"a":1}\n{"a":', 2, "not JSON"),
    "own event, not an object": (b'{"a":1}\n7\n', 2, "not a JSON object"),
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_a_line_that_is_no_entry(tmp_path, name):
    text, line, reason = BAD_LINES[name]
    path = str(tmp_path / "c.jsonl")
    with open(path, "wb") as file:
        file.write(text)

    with pytest.raises(ReplayError, match=reason) as caught:
        read(path)
    assert (caught.value.path, caught.value.line) == (path, line)
    assert f"{path}, line {line}: " in str(caught.value)


@pytest.mark.parametrize("name", [name for name in BAD_LINES if BAD_LINES[name][1] > 1])
def test_bad_lines_are_skipped_and_counted(tmp_path, name):
    text = BAD_LINES[name][0]
    (tmp_path / "c.jsonl").write_bytes(text)
    found = reader.open_capture(tmp_path / "c.jsonl", on_error="skip")

    lines = text.count(b"\n") + (not text.endswith(b"\n")) - text.startswith(b'{"redisnb"')
    for _ in range(2):
        assert sum(map(len, found)) == lines - 1
        assert found.skipped == 1


@pytest.mark.parametrize("on_error", ["raise", "skip"])
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "is empty"),
        (gzip.compress(b"", mtime=0), "is empty"),
        (b"\n\n", "no line of it"),
        (json_lines.header({}).replace(b":1", b":2"), "version 2; this redisnb reads version 1"),
        (b'{"redisnb":"1"}\n', "version '1'"),
    ],
)
def test_no_capture_at_all(tmp_path, text, reason, on_error):
    (tmp_path / "c.jsonl").write_bytes(text)
    with pytest.raises(ReplayError, match=reason):
        read(tmp_path / "c.jsonl", on_error=on_error)


def test_junk_is_no_capture_also_where_bad_lines_are_skipped(tmp_path):
    (tmp_path / "c.jsonl").write_bytes(b"\xff\n" * 9)
    with pytest.raises(ReplayError, match="no line of it is an entry"):
        read(tmp_path / "c.jsonl", on_error="skip")


def test_a_line_without_an_end(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "CHUNK_BYTES", 8)
    monkeypatch.setattr(reader, "LONGEST_LINE", 100)
    (tmp_path / "c.jsonl").write_bytes(b"x" * 1000)
    with pytest.raises(ReplayError, match="a line of more than 100 bytes"):
        read(tmp_path / "c.jsonl")


@pytest.mark.slow
@pytest.mark.parametrize("on_error", ["raise", "skip"])
@pytest.mark.parametrize("name", ["c.jsonl.gz", "c.jsonl.zst"])
@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_compressed_data_that_are_damaged(tmp_path, name, damage, on_error):
    page = [("s", b"%d-0" % i, [b"x", os.urandom(99)]) for i in range(1, 20_000)]
    path = write(tmp_path / name, page)
    text = bytearray(path.read_bytes())
    if damage == "cut":
        del text[-len(text) // 3 :]
    else:
        text[len(text) // 2 : len(text) // 2 + 400] = os.urandom(400)
    path.write_bytes(text)

    if on_error == "raise":
        with pytest.raises(ReplayError, match=r"line [0-9,]+: ") as caught:
            read(path)
        assert caught.value.line > 1
    else:
        found = reader.open_capture(path, on_error="skip")
        entries = [entry for page in found for entry in page]
        assert found.skipped >= 1
        assert entries[:1000] == page[: len(entries)][:1000]


def test_a_missing_file_and_an_unknown_wish(tmp_path):
    with pytest.raises(FileNotFoundError):
        reader.open_capture(tmp_path / "c.parquet")
    with pytest.raises(ValueError, match="choose 'raise' or 'skip'"):
        reader.open_capture("-", on_error="ignore")


def table(**columns):
    rows = len(next(iter(columns.values())))
    found = {
        "stream": ["s"] * rows,
        "entry_id": [f"{i}-0" for i in range(1, rows + 1)],
        "event": ["{}"] * rows,
        "fields": pa.nulls(rows),
    }
    return pa.table(found | columns)


PAIR = pa.list_(pa.struct([("name", pa.binary()), ("value", pa.binary())]))
BAD_ROWS = {
    "no ID": (table(entry_id=["1-0", "x", "3-0"]), "'x' is not the ID"),
    "large ID": (table(entry_id=["1-0", "99999999999999999999-0", "3-0"]), "is not the ID"),
    "null ID": (table(entry_id=["1-0", None, "3-0"]), "no stream, no entry ID or no fields"),
    "null stream": (table(stream=["s", None, "s"]), "no stream"),
    "null event": (table(event=["{}", None, "{}"]), "no fields"),
    "out of order": (table(entry_id=["1-0", "1-0", "3-0"]), "out of order, after 1-0"),
    "sequence": (table(entry_id=["1-1", "1-0", "3-0"]), "out of order, after 1-1"),
    "no fields": (
        table(fields=pa.array([[(b"a", b"1")], [], [(b"a", b"")]], PAIR)),
        "no fields",
    ),
    "null value": (
        table(fields=pa.array([[(b"a", b"1")], [(b"a", None)], None], PAIR)),
        "no fields",
    ),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_a_row_that_is_no_entry(tmp_path, name):
    bad, reason = BAD_ROWS[name]
    path = str(tmp_path / "c.parquet")
    pq.write_table(bad, path)

    with pytest.raises(ReplayError, match=reason) as caught:
        read(path)
    assert (caught.value.path, caught.value.line) == (path, 2)
    assert f"{path}, row 2: " in str(caught.value)

    found = reader.open_capture(path, on_error="skip")
    assert [entry[1] for page in found for entry in page][1:] == [b"3-0"]
    assert found.skipped == 1


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (pa.table({"a": [1]}), "not a capture: it has no column 'stream'"),
        (table(event=[1]), "not a capture"),
        (table(fields=pa.array([[1]])), "not a capture"),
        (table(event=["{}"]).replace_schema_metadata({"redisnb": '{"version":2}'}), "version 2"),
        (table(event=["{}"]).replace_schema_metadata({"redisnb": "{"}), "metadata are damaged"),
        (table(event=["{}"]).replace_schema_metadata({"redisnb": "[]"}), "metadata are damaged"),
    ],
)
def test_a_table_that_is_no_capture(tmp_path, bad, reason):
    path = tmp_path / "c.parquet"
    if "event" in bad.column_names and bad["event"].type == pa.int64():
        bad = bad.set_column(2, "event", pa.array([{"a": 1}]))
    pq.write_table(bad, path)
    for on_error in ("raise", "skip"):
        with pytest.raises(ReplayError, match=reason):
            read(path, on_error=on_error)


@pytest.mark.parametrize("text", [b"", b"PAR1", b"junk" * 9, b"PAR1" + b"junk" * 9 + b"PAR1"])
def test_no_parquet_file(tmp_path, text):
    (tmp_path / "c.parquet").write_bytes(text)
    with pytest.raises(ReplayError, match=r"is empty|is no Parquet file, or damaged"):
        reader.open_capture(tmp_path / "c.parquet")


def test_a_parquet_file_that_is_cut(tmp_path):
    path = write(tmp_path / "c.parquet")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ReplayError, match="no Parquet file, or damaged"):
        reader.open_capture(path)


@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_a_damaged_group_of_rows(tmp_path, monkeypatch, on_error):
    monkeypatch.setattr(recorder, "GROUP_ROWS", 100)
    page = [("s", b"%d-0" % i, [b"x", os.urandom(99)]) for i in range(1, 301)]
    path = tmp_path / "c.parquet"
    with recorder.CaptureWriter(path, STREAMS) as writer:
        for i in range(0, 300, 100):
            writer.write(page[i : i + 100])
    text = bytearray(path.read_bytes())
    offset = pq.ParquetFile(path).metadata.row_group(1).column(1).data_page_offset
    text[offset : offset + 60] = os.urandom(60)
    path.write_bytes(text)

    if on_error == "raise":
        with pytest.raises(ReplayError, match="row 101: the data are damaged") as caught:
            read(path)
        assert caught.value.line == 101
    else:
        found = reader.open_capture(path, on_error="skip")
        assert [entry for each in found for entry in each] == page[:100] + page[200:]
        assert found.skipped == 100


def test_a_directory_without_a_capture(tmp_path):
    with pytest.raises(ReplayError, match=r"no file in it is named \*\.parquet"):
        reader.open_capture(tmp_path)


def test_order_goes_on_over_the_files_of_a_directory(tmp_path):
    write(tmp_path / "c", ODD[:3], rows=2)
    os.rename(tmp_path / "c/part-00001.parquet", tmp_path / "c/part-.parquet")
    with pytest.raises(ReplayError, match="out of order") as caught:
        read(tmp_path / "c")
    assert caught.value.path == str(tmp_path / "c/part-00000.parquet")


def test_check_finds_what_is_wrong_before_anything_is_used(tmp_path):
    path = write(tmp_path / "c.jsonl")
    reader.open_capture(path).check()
    with path.open("ab") as file:
        file.write(b"{")
    with pytest.raises(ReplayError, match=f"line {len(ODD) + 3}"):
        reader.open_capture(path).check()


# How it is written


def test_it_appears_when_it_is_whole_and_for_this_user_alone(path):
    with recorder.CaptureWriter(path, STREAMS) as writer:
        writer.write(ODD)
        assert not any(name.endswith(("jsonl", "gz", "zst", "parquet")) for name in left(path))
    for file in writer.paths:
        assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    assert not [name for name in left(path) if name.endswith(".part")]
    assert writer.part_path is None


def left(path):
    directory = path if os.path.isdir(path) else os.path.dirname(path)
    return os.listdir(directory)


@pytest.mark.parametrize("name", NAMES[:-1])
def test_an_existing_file_is_kept_unless_asked(tmp_path, name):
    path = str(tmp_path / name)
    write(path, ODD[:1])
    with pytest.raises(FileExistsError, match="overwrite=True"):
        write(path)
    assert read(path) == ODD[:1]
    write(path, overwrite=True)
    assert read(path) == ODD


def test_a_file_that_comes_meanwhile_is_kept(tmp_path):
    path = tmp_path / "c.jsonl"
    writer = recorder.CaptureWriter(path, STREAMS)
    writer.write(ODD)
    path.write_text("mine")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        writer.__exit__(None)
    assert path.read_text() == "mine"
    assert read(f"{path}.part") == ODD


def test_a_directory_has_to_be_new(tmp_path):
    write(tmp_path / "c")
    for overwrite in (False, True):
        with pytest.raises(FileExistsError, match="choose a new directory"):
            write(tmp_path / "c", overwrite=overwrite)
    assert read(tmp_path / "c") == ODD


@pytest.mark.parametrize("name", NAMES)
def test_an_error_leaves_the_old_file_and_what_was_written(tmp_path, name):
    path = str(tmp_path / name)
    if name != "c":
        write(path, ODD[:1])
    writer = recorder.CaptureWriter(path, STREAMS, overwrite=True)
    writer.write(ODD)
    writer.__exit__(KeyboardInterrupt)
    assert writer.paths == []
    assert read(writer.part_path) == ODD
    if name != "c":
        assert writer.part_path == f"{path}.part"
        assert read(path) == ODD[:1]
        # The next writer starts over.
        write(path, ODD[:2], overwrite=True)
        assert read(path) == ODD[:2]


def test_two_writers_of_one_file(tmp_path):
    path = tmp_path / "c.jsonl"
    with recorder.CaptureWriter(path, STREAMS) as writer:
        with pytest.raises(RedisnbError, match="another capture is writing it"):
            recorder.CaptureWriter(path, STREAMS)
        writer.write(ODD)
    assert read(path) == ODD


def test_a_part_that_was_renamed_meanwhile(tmp_path, monkeypatch):
    path = tmp_path / "c.jsonl"
    monkeypatch.setattr(fcntl, "flock", lambda *_: os.rename(f"{path}.part", tmp_path / "other"))
    with pytest.raises(RedisnbError, match="another capture"):
        recorder.CaptureWriter(path, STREAMS)


def test_no_writing_through_a_link(tmp_path):
    (tmp_path / "c.jsonl.part").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic links"):
        recorder.CaptureWriter(tmp_path / "c.jsonl", STREAMS)
    assert not (tmp_path / "victim").exists()


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES[:-1])
def test_a_full_disk(tmp_path, name):
    path = str(tmp_path / name)
    write(path, ODD[:1])
    code = f"""
        import os, resource
        from redisnb.captures import writer as recording
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
        writer = recording.CaptureWriter({path!r}, {{"s": recording.Layout()}}, overwrite=True)
        try:
            with writer:
                for i in range(1, 50):
                    page = [("s", b"%d-%d" % (i, n), [b"x", os.urandom(1000)]) for n in range(99)]
                    writer.write(page)
        except OSError as error:
            print(error.strerror, "|", writer.part_path)
    """
    out = subprocess.check_output(
        [sys.executable, "-c", textwrap.dedent(code)], text=True, stderr=subprocess.STDOUT
    )
    assert out == f"File too large | {path}.part\n"
    assert read(path) == ODD[:1]


# Directories


def files(directory):
    return [
        [entry[1] for page in reader.open_capture(directory / name) for entry in page]
        for name in sorted(os.listdir(directory))
    ]


def test_a_new_file_after_so_many_rows(tmp_path):
    page = [("s", b"%d-0" % i, [b"x", b""]) for i in range(1, 8)]
    with recorder.CaptureWriter(tmp_path / "c", STREAMS, rows=3) as writer:
        writer.write(page[:2])
        writer.write(page[2:])

    assert writer.paths == [str(tmp_path / f"c/part-0000{i}.parquet") for i in range(3)]
    assert files(tmp_path / "c") == [
        [b"1-0", b"2-0", b"3-0"],
        [b"4-0", b"5-0", b"6-0"],
        [b"7-0"],
    ]
    assert read(tmp_path / "c") == page
    assert reader.open_capture(tmp_path / "c").entries == 7


def test_no_empty_file_at_the_end(tmp_path):
    write(tmp_path / "c", ODD[:4], rows=2)
    assert len(files(tmp_path / "c")) == 2


def test_a_new_file_for_each_hour(tmp_path):
    times = [1000, 1999, 2000, 2500, 7000, 7001]
    page = [("s", b"%d-0" % ms, [b"x", b""]) for ms in times]
    write(tmp_path / "c", page, every=1000)
    assert files(tmp_path / "c") == [
        [b"1000-0", b"1999-0"],
        [b"2000-0", b"2500-0"],
        [b"7000-0", b"7001-0"],
    ]


def test_rows_and_time_together(tmp_path):
    times = [1000, 1100, 1200, 2000, 2100]
    page = [("s", b"%d-0" % ms, [b"x", b""]) for ms in times]
    write(tmp_path / "c", page, every=1000, rows=2)
    assert list(map(len, files(tmp_path / "c"))) == [2, 1, 2]


def test_a_file_ends_when_its_time_has_passed_without_an_entry(tmp_path):
    with recorder.CaptureWriter(tmp_path / "c", STREAMS, every=1000) as writer:
        writer.turn(10**13)
        writer.write([("s", b"1500-0", [b"x", b""])])
        writer.turn(1999)
        assert writer.paths == []
        writer.turn(2000)
        assert len(writer.paths) == 1
        writer.turn(3000)
    assert len(writer.paths) == 1


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("c.csv", {}, "the name of a capture ends with"),
        ("c.parquet", {"rows": 5}, "for a directory of files"),
        ("c.jsonl", {"every": 5}, "for a directory of files"),
        ("c", {"rows": 0}, "rows=0"),
        ("c", {"every": 0}, "every=0"),
    ],
)
def test_a_name_that_says_nothing(tmp_path, name, options, reason):
    with pytest.raises(ValueError, match=reason):
        recorder.CaptureWriter(tmp_path / name, STREAMS, **options)
    assert os.listdir(tmp_path) == []


def test_a_directory_by_its_slash(tmp_path):
    write(f"{tmp_path}/c.2024/")
    assert read(f"{tmp_path}/c.2024") == ODD


# Merging


def entries(*ids):
    return [("s", id.encode()) for id in ids]


@given(st.lists(st.lists(st.lists(st.integers(1, 9), max_size=4), max_size=4), max_size=4))
def test_merged_series_lose_nothing_and_ascend(numbers):
    series = []
    for i, pages in enumerate(numbers):
        ascending = iter(sorted(n for page in pages for n in page))
        series.append([[(i, b"%d-0" % next(ascending)) for _ in page] for page in pages])

    found = [entry for page in merge_by_id([iter(pages) for pages in series]) for entry in page]

    everything = [entry for pages in series for page in pages for entry in page]
    assert found == sorted(everything, key=lambda entry: int(entry[1].partition(b"-")[0]))


@given(st.lists(st.lists(st.lists(st.integers(1, 9), max_size=4), max_size=4), max_size=4))
def test_a_series_that_goes_back_stays_in_its_own_order(numbers):
    series = [
        [[(i, b"%d-0" % n) for n in page] for page in pages] for i, pages in enumerate(numbers)
    ]
    found = [entry for page in merge_by_id([iter(pages) for pages in series]) for entry in page]

    for i, pages in enumerate(series):
        assert [entry for entry in found if entry[0] == i] == [e for page in pages for e in page]


def test_ids_are_merged_as_numbers():
    found = list(merge_by_id([iter([entries("9-0", "10-9")]), iter([entries("9-1", "10-10")])]))
    assert [id for page in found for _, id in page] == [b"9-0", b"9-1", b"10-9", b"10-10"]
