"""The benchmarks run, and their results are right; how fast they are is not judged here."""

import functools
import json
import math
from dataclasses import replace

import hiredis
import pandas as pd
import pytest

import redisnb
from tests.benchmarks import entries, report, timing
from tests.benchmarks.__main__ import WORKLOADS, main
from tests.benchmarks.figures import (
    Row,
    added,
    ceiling,
    frames,
    idiom,
    late,
    megabytes,
    of_frame,
    polars,
    size_of_idiom,
    slower_than_idiom,
    wire,
)
from tests.benchmarks.wire import PAGE, BareWire
from tests.benchmarks.workload import Bench, LeftOut, Measured, Variant, Workload

pytestmark = pytest.mark.benchmark

# More than a page of the wire, and not a multiple of it.
ENTRIES = PAGE + 50


@pytest.fixture(scope="module")
def bench(server):  # `server` skips where there is none
    with redisnb.Server() as own:
        yield Bench(own.url, ENTRIES)


@pytest.fixture
def empty(bench):
    bench.empty()
    return bench


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_variant_gives_the_right_result(name, empty):
    try:
        with WORKLOADS[name](empty) as workload:
            # What is checked is what is timed: one run of each will do.
            variants = [replace(v, run=functools.cache(v.run)) for v in workload.variants]
            workload = replace(workload, variants=variants)
            rows = timing.measure(name, workload, repeat=1)
    except LeftOut as reason:
        pytest.skip(str(reason))

    assert {row.workload for row in rows} == {name}
    assert "ours" in {row.role for row in rows}
    compared = {row.role for row in rows} & {"idiom", "frames", "add-many"}
    assert compared or name in {"frames-memory", "capture-memory"}
    for row in rows:
        assert row.time > 0
        # Each target finds what it needs, also where a program to compare with is missing.
        for target in row.targets:
            figure, met = target.judge(row, report.beside(row, rows))
            assert met is None or math.isfinite(figure)


def row(role, seconds, **more):
    return Row("reading", role, role, 100, tuple(seconds), **more)


def test_the_least_time_stands_for_the_runs_or_the_median():
    assert row("ours", [3, 1, 2, 9]).rate == 100
    assert row("ours", [3, 1, 2], by_median=True).rate == 50


@pytest.mark.parametrize(
    ("target", "figure", "met"),
    [
        (idiom(4), 4, True),
        (idiom(4.1), 4, False),
        (wire(2), 2, True),
        (wire(1.9), 2, False),
        (ceiling(0.5), 0.5, True),
        (ceiling(0.6), 0.5, False),
        (frames(2), 2, True),
        (frames(2.1), 2, False),
        (added(1), 1, True),
        (added(1.1), 1, False),
        (slower_than_idiom(0.25), 0.25, True),
        (slower_than_idiom(0.2), 0.25, False),
        (of_frame(3), 3, True),
        (of_frame(2.9), 3, False),
        (megabytes(6), 6, True),
        (megabytes(5), 6, False),
        (size_of_idiom(0.5), 0.5, True),
        (size_of_idiom(0.4), 0.5, False),
    ],
)
def test_targets(target, figure, met):
    ours = row("ours", [1.0], size=6_000_000, frame=2_000_000)
    beside = {"idiom": row("idiom", [4.0], size=12_000_000), "wire": row("wire", [0.5])}
    beside |= {"frames": row("frames", [2.0]), "add-many": row("add-many", [1.0])}

    assert target.judge(ours, beside) == (figure, met)
    assert target.judge(row("ours", [1.0]), {}) == (None, None)


def test_a_lateness_needs_nothing_beside_it():
    assert late(1000).judge(row("ours", [1.0]), {}) == (1000, True)
    assert late(999).judge(row("ours", [1.0]), {}) == (1000, False)


def test_without_polars_redis_its_figure_comes_of_the_idiom():
    ours, slow = row("ours", [1.0]), row("idiom", [18.3])

    assert polars(5).judge(ours, {"idiom": slow}) == (pytest.approx(6.9), True)
    assert polars(5).judge(ours, {"idiom": slow, "polars-redis": row("polars-redis", [4.0])}) == (
        4.0,
        False,
    )


def test_variants_take_turns_and_are_checked_first():
    calls = []

    def variant(name):
        return Variant(
            name,
            run=lambda: calls.append(f"run {name}"),
            check=lambda _: calls.append(f"check {name}"),
            entries=1,
            before=lambda: calls.append(f"before {name}"),
        )

    timing.measure("turns", Workload([variant("a"), variant("b")]), repeat=2)

    run = {name: [f"before {name}", f"run {name}"] for name in "ab"}
    checked = [*run["a"], "check a", *run["b"], "check b"]
    assert calls == [*checked, *(run["a"] + run["b"]) * 2]


def test_a_run_may_bring_its_own_figures():
    sizes = iter([100, 7, 9])
    variant = Variant(
        "child", lambda: Measured(0.5, next(sizes), frame=3), check=lambda _: None, entries=10
    )

    [row] = timing.measure("children", Workload([variant]), repeat=2)

    assert (row.seconds, row.size, row.frame) == ((0.5, 0.5), 9, 3)


def test_a_wrong_frame_is_not_timed(empty):
    with empty.connections() as (conn, client):
        stream = entries.fill(conn, "events", 10, entries.json_bodies)
        entries.check(entries.json_frame(10))(stream.range())
        entries.check_idiom(entries.json_frame(10))(entries.json_idiom(client, "events"))
        client.xdel("events", f"{entries.FIRST + 3}-0")
        ours = Variant("ours", stream.range, entries.check(entries.json_frame(10)), 10)

        with pytest.raises(AssertionError):
            timing.measure("wrong", Workload([ours]), repeat=1)
        with pytest.raises(AssertionError):
            entries.check_idiom(entries.json_frame(10))(entries.json_idiom(client, "events"))


def test_the_wire_gets_every_byte(empty):
    with empty.connections() as (conn, _):
        entries.fill(conn, "flat", ENTRIES, entries.flat_bodies)
    bare = BareWire(empty.url, "flat")

    assert bare.entries == ENTRIES
    assert bare.drop() == bare.drop() == bare.size > 50 * ENTRIES


def test_the_wire_says_what_is_wrong(empty):
    with empty.connections() as (_, client):
        client.set("text", "x")

    with pytest.raises(hiredis.ReplyError, match="WRONGTYPE"):
        BareWire(empty.url, "text")


def test_the_command_prints_one_table(tmp_path, capsys):
    file = tmp_path / "figures.json"

    assert main(["--entries", "20", "--only", "keys", "values", "--json", str(file)]) == 0

    out, err = capsys.readouterr()
    assert "cores" in out.splitlines()[0]
    assert "Unix socket" in out.splitlines()[1]
    assert "pandas" in out.splitlines()[2]
    lines = [line for line in out.splitlines() if line.startswith("|")]
    assert len({len(line) for line in lines}) == 1
    assert lines[0].split("|")[1].strip() == "workload"
    assert ">= 4x idiom" in lines[2]
    assert err.splitlines() == ["keys ...", "values ..."]
    saved = json.loads(file.read_text())
    assert saved["rows"][0]["workload"] == "keys"
    assert len(saved["rows"][0]["seconds"]) == 3
    assert saved["rows"][0]["targets"][0]["target"] == ">= 4x idiom"
    # No secret: the server's password is in its URL.
    assert "unix://" not in out + file.read_text()


def test_a_wrong_result_is_said_and_the_rest_goes_on(monkeypatch, capsys):
    monkeypatch.setattr(redisnb, "keys", lambda *_, **__: pd.DataFrame())

    assert main(["--entries", "20", "--only", "keys", "cache-get"]) == 1

    out = capsys.readouterr().out
    assert "keys: WRONG RESULT" in out
    assert "Cache.get" in out


@pytest.mark.parametrize("arguments", [["--repeat", "2"], ["--entries", "0"], ["--only", "x"]])
def test_options_that_make_no_sense(arguments, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    assert arguments[0] in capsys.readouterr().err
