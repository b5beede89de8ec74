"""The benchmarks run, and their results are right; how fast they are is not judged here."""

import contextlib
import functools
import io
import itertools
import json
import math
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import replace
from importlib.util import find_spec
from types import SimpleNamespace

import hiredis
import pandas as pd
import pytest

import redisnb
from tests.benchmarks import check, entries, memory, panels, peers, report, slower, timing
from tests.benchmarks.__main__ import WORKLOADS, main
from tests.benchmarks.figures import (
    Row,
    added,
    ceiling,
    idiom,
    late,
    megabytes,
    of_frame,
    of_range,
    peer,
    size_of_idiom,
    slower_than_idiom,
    wire,
)
from tests.benchmarks.wire import PAGE, BareWire
from tests.benchmarks.workload import Bench, Measured, Variant, Workload

pytestmark = [pytest.mark.benchmark, pytest.mark.long]

#: These open browsers, for which they have a process of their own.
IN_A_BROWSER = ("panel-painted", "panel-voila")
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


@pytest.fixture(scope="module")
def ran(server, tmp_path_factory):
    """The command, over all workloads; what is checked is what is timed, so each runs once."""
    ran = SimpleNamespace(rows=[], repeats={}, directory=tmp_path_factory.mktemp("benchmarks"))
    measure, peak = timing.measure, memory.peak

    def once(name, workload, repeat, served):
        variants = [replace(v, run=functools.cache(v.run)) for v in workload.variants]
        rows = measure(name, replace(workload, variants=variants), 1, served)
        ran.rows += rows
        ran.repeats[name] = repeat
        return rows

    def in_one_child(task, url, key):
        return (peak if task == "capture" else memory.measured)(task, url, key)

    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setattr(timing, "measure", once)
        # It steadies what is measured, and takes longer than what runs here.
        patch.setattr(timing, "gc", SimpleNamespace(collect=float))
        patch.setattr(memory, "peak", in_one_child)
        patch.setattr(panels, "TURNS", panels.TURNS // 5)
        for name, path in {"PAGE": "page.md", "README": "README.md"}.items():
            shutil.copy(getattr(report, name), ran.directory / path)
            patch.setattr(report, name, ran.directory / path)
        file = ran.directory / "figures.json"
        for name in IN_A_BROWSER:
            patch.delitem(WORKLOADS, name)
        ran.status = main(["--entries", str(ENTRIES), "--write", "--json", str(file)])
    ran.out, ran.saved = printed.getvalue(), json.loads(file.read_text())
    return ran


@pytest.mark.parametrize("name", [name for name in WORKLOADS if name not in IN_A_BROWSER])
def test_every_variant_gives_the_right_result(name, ran):
    rows = [row for row in ran.rows if row.workload == name]
    if not rows:
        [reason] = [note for note in ran.saved["notes"] if note.startswith(name)]
        assert "is left out" in reason
        pytest.skip(reason)

    assert "ours" in {row.role for row in rows}
    compared = {row.role for row in rows} & {"idiom", "range", "add-many", "wire"}
    assert compared or name.startswith("growth-") or name in {"frames-memory", "capture-memory"}
    for row in rows:
        assert row.time > 0
        # Each target finds what it needs, also where a program to compare with is missing.
        for target in row.targets:
            figure, met = target.judge(row, report.beside(row, rows))
            assert met is None or math.isfinite(figure)


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_how_soon_a_page_is_painted(missing, server):
    for package in ("jupyterlab", "playwright", "axe_playwright_python"):
        if find_spec(package) is None:
            missing("browser", f"the package {package} is not installed")
    if not (shutil.which("chromium") or shutil.which("chromium-browser")):
        missing("browser", "there is no chromium on PATH")
    command = [sys.executable, "-m", "tests.benchmarks", "--repeat", "3", "--entries", "500"]
    done = subprocess.run(
        # In Voila it is the same with kernels that take half a minute to start.
        [*command, "--only", "panel-painted"],
        capture_output=True,
        text=True,
        timeout=290,
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("| panel-")]
    assert len(lines) == 2, done.stdout


def test_the_command_prints_one_table(ran):
    assert ran.status == 0
    assert "cores" in ran.out.splitlines()[0]
    assert "Unix socket" in ran.out.splitlines()[1]
    assert "pandas" in ran.out.splitlines()[2]
    lines = [line for line in ran.out.splitlines() if line.startswith("|")]
    assert len({len(line) for line in lines}) == 1
    assert lines[0].split("|")[1].strip() == "workload"
    assert len(lines) == 2 + len(ran.rows)
    assert ran.repeats["keys"] == 3
    assert ran.repeats["import"] == 7


def test_what_it_saves(ran):
    first = ran.saved["rows"][0]
    assert (first["workload"], len(first["seconds"])) == ("range-json", 1)
    assert first["targets"][0]["target"] == ">= 8x idiom"
    assert first["client_cpu_seconds"][0] > 0
    assert first["server_cpu_seconds"][0] > 0


def test_what_it_writes(ran):
    page, readme = ((ran.directory / name).read_text() for name in ("page.md", "README.md"))

    assert ran.out[ran.out.index("| workload") : ran.out.index("\n\nbest s")] in page
    assert f"--entries {ENTRIES} --repeat 3 --write" in page
    assert report.excerpt(page) in readme
    assert "\n## What is slower, and why\n" in page
    assert report.README.read_text().replace(report.excerpt(report.PAGE.read_text()), "") == (
        readme.replace(report.excerpt(page), "")
    )
    # No secret: the server's password is in its URL.
    assert "unix://" not in ran.out + page + json.dumps(ran.saved)


def test_the_readme_has_an_excerpt_of_the_page():
    excerpt = report.excerpt(report.PAGE.read_text())
    assert excerpt.count("\n- `") == 4
    assert f"\n\n{excerpt}\n\n" in report.README.read_text()


def test_what_is_slower_has_its_reason():
    said = report.PAGE.read_text().partition("## What is slower")[2]
    items = [line for line in said.splitlines() if line.startswith("- ")]
    assert items
    for item in items:
        workload = item.removeprefix("- ").partition(":")[0]
        assert item.endswith(slower.WHY[workload])


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (
            {"target": ">= 8x idiom", "figure": 6.0, "met": False},
            "6.00x idiom (the aim: at least 8x)",
        ),
        (
            {"target": "<= 150 MB", "figure": 160.0, "met": False},
            "160.00 MB (the aim: at most 150 MB)",
        ),
        ({"target": ">= 30,000/s", "figure": 9000.0, "met": False}, "(the aim: at least 30,000/s)"),
        ({"target": ">= 8x idiom", "figure": 9.0, "met": True}, "1 of 1 aims are met."),
        ({"target": ">= 8x idiom", "figure": None, "met": None}, "0 of 0 aims are met."),
    ],
)
def test_how_it_is_said(target, said):
    row = {"workload": "w", "variant": "v", "role": "ours", "x_idiom": 2.0, "targets": [target]}
    text = slower.slower([row])
    assert said in text
    assert ("These are not" in text) is (target["met"] is False)
    assert "The idiom" not in text


def test_what_the_idiom_does_faster():
    row = {"workload": "w", "variant": "v", "role": "ours", "x_idiom": 0.5, "targets": []}
    assert slower.slower([row]).endswith("- w: `v` takes 2.0 times as long.")
    late = {"target": "<= 15 ms late", "figure": 1.0, "met": True}
    assert "takes" not in slower.slower([{**row, "targets": [late]}])
    assert "takes" not in slower.slower([{**row, "role": "peer"}])


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
        (of_range(2), 2, True),
        (of_range(2.1), 2, False),
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
    beside |= {"range": row("range", [2.0]), "add-many": row("add-many", [1.0])}

    assert target.judge(ours, beside) == (figure, met)
    assert target.judge(row("ours", [1.0]), {}) == (None, None)


def test_a_lateness_needs_nothing_beside_it():
    assert late(1000).judge(row("ours", [1.0]), {}) == (1000, True)
    assert late(999).judge(row("ours", [1.0]), {}) == (1000, False)


def test_the_fastest_peer_counts():
    ours, peers = row("ours", [1.0]), [row("peer", [4.0]), row("peer", [3.0]), row("peer", [5.0])]

    assert peer(3).judge(ours, report.beside(ours, [ours, *peers])) == (3, True)


def test_consumers_of_other_packages(empty):
    with empty.connections() as (conn, client):
        entries.fill(conn, "jobs", 250, entries.json_bodies)
        client.xgroup_create("jobs", "others", "0")
    variants = peers.consuming(empty, "jobs", 250)
    if not variants:
        pytest.skip(empty.notes[-1])

    assert len(timing.measure("peers", Workload(variants), 1, float)) == len(variants)


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

    timing.measure("turns", Workload([variant("a"), variant("b")]), 2, float)

    run = {name: [f"before {name}", f"run {name}"] for name in "ab"}
    checked = [*run["a"], "check a", *run["b"], "check b"]
    assert calls == [*checked, *(run["a"] + run["b"]) * 2]


def test_a_run_may_bring_its_own_figures():
    sizes = iter([100, 7, 9])
    variant = Variant(
        "child", lambda: Measured(0.5, size=next(sizes), frame=3), check=lambda _: None, entries=10
    )

    [row] = timing.measure("children", Workload([variant]), 2, itertools.count().__next__)

    assert (row.seconds, row.size, row.frame) == ((0.5, 0.5), 9, 3)
    assert row.server_cpu == (1, 1)


def test_cpu_seconds_are_of_threads_and_children_too():
    def work():
        thread = threading.Thread(target=sum, args=[range(3_000_000)])
        thread.start()
        subprocess.run([sys.executable, "-S", "-c", "sum(range(3_000_000))"], check=True)
        thread.join()

    def wait():
        time.sleep(0.01)

    variants = [Variant(run.__name__, run, lambda _: None, 1) for run in (work, wait)]
    works, waits = timing.measure("cpu", Workload(variants), 1, float)

    started = time.process_time()
    sum(range(3_000_000))
    one = time.process_time() - started
    assert works.client_cpu[0] > 1.3 * one
    assert waits.client_cpu[0] < waits.seconds[0]


def test_a_wrong_frame_is_not_timed(empty):
    with empty.connections() as (conn, client):
        stream = entries.fill(conn, "events", 10, entries.json_bodies)
        entries.check(entries.json_frame(10))(stream.range())
        entries.check_idiom(entries.json_frame(10))(entries.json_idiom(client, "events"))
        client.xdel("events", f"{entries.FIRST + 3}-0")
        ours = Variant("ours", stream.range, entries.check(entries.json_frame(10)), 10)

        with pytest.raises(AssertionError):
            timing.measure("wrong", Workload([ours]), 1, float)
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


def test_a_wrong_result_is_said_and_the_rest_goes_on(monkeypatch, capsys):
    monkeypatch.setattr(redisnb, "keys", lambda *_, **__: pd.DataFrame())

    assert main(["--entries", "20", "--only", "keys", "cache-get"]) == 1

    out = capsys.readouterr().out
    assert "keys: WRONG RESULT" in out
    assert "Cache.get" in out


@pytest.mark.parametrize(
    "arguments",
    [["--repeat", "2"], ["--entries", "0"], ["--only", "x"], ["--write", "--only", "keys"]],
)
def test_options_that_make_no_sense(arguments, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    assert arguments[0] in capsys.readouterr().err


def test_the_check_compares_round_by_round():
    rows = [
        row("ours", [9, 9, 9], client_cpu=(1, 2, 8)),
        row("idiom", [1, 1, 1], client_cpu=(2, 4, 4)),
        row("wire", [1, 1, 1], client_cpu=(1, 1, 1)),
    ]

    assert check.ratios(rows) == {"reading: ours": 0.5}
    assert check.ratios([rows[0], rows[2]]) == {"reading: ours": 2}
    whole = row("redis-py", [2, 2, 2], client_cpu=(4, 8, 8))
    assert check.ratios([*rows, whole]) == {"reading: ours": 0.25}


@pytest.mark.parametrize(
    ("now", "kept", "line", "is_good"),
    [
        ({"a": 0.3}, {"a": 0.2}, "ok  a: 0.300, was 0.200", True),
        ({"a": 0.31}, {"a": 0.2}, "NO  a: 0.310, was 0.200", False),
        ({"a": 0.3}, {}, "NO  a: 0.300, was unknown", False),
        ({}, {"a": 0.2}, "NO  a: unknown, was 0.200", False),
    ],
)
def test_what_the_check_says(now, kept, line, is_good):
    assert check.compare(now, kept) == ([line], is_good)


def test_the_check_knows_all_that_it_measures(ran):
    assert check.ratios([row for row in ran.rows if row.workload in check.NAMES]).keys() == (
        json.loads(check.KEPT.read_text()).keys()
    )


def test_the_check_sees_what_has_become_slower(server, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(check, "KEPT", tmp_path / "ratios.json")
    monkeypatch.setattr(check, "NAMES", ["keys"])
    monkeypatch.setattr(check, "ENTRIES", 100)
    monkeypatch.setattr(check, "REPEAT", 3)
    monkeypatch.setattr(check, "TRIES", 1)
    assert check.main(["--update"]) == 0
    keys = redisnb.keys

    def slow(*arguments, **options):
        for _ in range(4):
            keys(*arguments, **options)
        return keys(*arguments, **options)

    monkeypatch.setattr(redisnb, "keys", slow)
    assert check.main([]) == 1
    assert "NO  keys: keys(sizes=True, limit=None)" in capsys.readouterr().out


def test_the_best_try_counts(monkeypatch, tmp_path):
    kept = tmp_path / "ratios.json"
    monkeypatch.setattr(check, "KEPT", kept)
    tries = iter([{"a": 1}, {"a": 3}, {"a": 2}, *({"a": a} for a in (4, 2.9, 9, 5, 3.1, 4))])
    monkeypatch.setattr(check, "measure", lambda: next(tries))

    check.main(["--update"])
    assert json.loads(kept.read_text()) == {"a": 2}
    assert check.main([]) == 0
    assert next(tries) == {"a": 9}
    assert check.main([]) == 1
    assert next(tries, None) is None
