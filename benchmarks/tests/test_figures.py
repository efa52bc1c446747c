"""Numbers: parsing, medians, ranking, and how they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks import instructions, load, results, table
from benchmarks.clients import paced
from benchmarks.measure import Sample
from benchmarks.process import status_number
from benchmarks.results import Cell, Record, Stat
from benchmarks.scenarios import SCENARIOS

if TYPE_CHECKING:
    from pathlib import Path

WRK_LINE = (
    '{"requests": 100, "seconds": 2.0, "bytes": 9, "connect": 1, "read": 2, "write": 3,'
    ' "status": 4, "timeout": 5, "p50_us": 70, "p99_us": 700, "max_us": 900}'
)
HELLO = SCENARIOS["hello-c64"]
GILFREE = SCENARIOS["gilfree"]


def sample(requests: int = 100, cpu_us: float | None = 10.0, rps: float = 50.0) -> Sample:
    return Sample(requests, 0, rps, cpu_us, 1.0, 2.0, 0.5, 1024)


def record(**medians: float) -> Record:
    """A record in which each peer has the same number for CPU time and throughput."""
    cells = {
        name: Cell({"cpu_us": Stat(value, 0.0), "rps": Stat(value, 0.0)})
        for name, value in medians.items()
    }
    return Record(cells, {"date": "2026-01-01"}, {}, {}, rounds=3, seconds=2)


def test_wrk_errors_of_every_kind_are_added_up() -> None:
    assert load.parse_wrk(WRK_LINE) == load.Outcome(100, 2.0, 15, 70, 700)


def test_wrk_latencies_of_pipelined_requests_are_left_out() -> None:
    outcome = load.parse_wrk(WRK_LINE, pipelined=True)
    assert (outcome.p50_us, outcome.p99_us) == (None, None)


def test_spread_is_half_the_range() -> None:
    assert results.stat([9.0, 10.0, 13.0]) == Stat(median=10.0, spread=2.0)


def test_rounds_without_an_answer_do_not_count() -> None:
    cell = results.summarise([sample(cpu_us=8.0), sample(0, None, 0.0), sample(cpu_us=10.0)], None)
    assert cell.stats["cpu_us"] == Stat(9.0, 1.0)
    assert cell.failure is None


def test_a_cell_without_any_answer_is_a_failure_with_its_reason() -> None:
    assert results.summarise([], "ended at start: boom").failure == "ended at start: boom"
    assert results.summarise([sample(0, None, 0.0)], None).failure == "no request was answered"


def test_absent_figures_stay_absent() -> None:
    cell = results.summarise([sample()], None)
    assert "calm_rps" not in cell.stats
    assert table.figure(cell, "calm_rps") == table.ABSENT


def test_ceilings_and_our_own_variants_are_not_the_best_peer() -> None:
    seen = record(headwaiter=7.0, headwaiter1=6.0, raw=5.0, fastwsgi=8.0, waitress=70.0)
    best = results.best(seen, "cpu_us", higher=False, ceilings={"raw"}, but="headwaiter")
    assert best == ("fastwsgi", 8.0)
    assert results.ratio(seen, HELLO, "headwaiter", {"raw"}) == pytest.approx(7 / 8)


def test_a_server_that_loses_requests_has_no_latency_to_compare() -> None:
    def cell(p99: float, requests: float, errors: float) -> Cell:
        figures = {"p99_us": p99, "requests": requests, "errors": errors}
        return Cell({name: Stat(value, 0.0) for name, value in figures.items()})

    seen = record()
    seen.cells = {"headwaiter": cell(6.0, 400, 0), "a": cell(8.0, 396, 4), "b": cell(1.0, 395, 5)}
    assert results.best(seen, "p99_us", False, set(), "headwaiter") == ("a", 8.0)
    assert results.against(seen, "p99_us", "headwaiter", "b") is None


def test_more_is_better_for_throughput() -> None:
    seen = record(headwaiter=30.0, waitress=10.0, granian4=20.0)
    assert results.ratio(seen, GILFREE, "headwaiter", set()) == pytest.approx(1.5)


def test_without_our_figure_there_is_no_ratio() -> None:
    assert results.ratio(record(waitress=10.0), HELLO, "headwaiter", set()) is None
    assert results.ratio(record(headwaiter=10.0), HELLO, "headwaiter", set()) is None


def test_saving_replaces_the_measured_scenarios_and_keeps_the_others(tmp_path: Path) -> None:
    kept = tmp_path / "results" / "pinned.json"
    results.save(kept, {"hello-c1": record(waitress=1.0), "json": record(waitress=2.0)})
    results.save(kept, {"json": record(waitress=3.0)})
    assert results.load(kept) == {
        "hello-c1": record(waitress=1.0),
        "json": record(waitress=3.0),
    }
    assert results.load(tmp_path / "none.json") == {}


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 50.0), (0.99, 99.0), (0.001, 1.0), (1.0, 100.0)]
)
def test_percentile_is_a_value_that_was_seen(share: float, expected: float) -> None:
    assert paced.percentile([float(n) for n in range(100, 0, -1)], share) == expected


def test_percentile_of_nothing_is_zero() -> None:
    assert paced.percentile([], 0.99) == 0.0


def test_the_plan_burns_half_of_one_core() -> None:
    due = paced.plan(start=5.0, seconds=2.0)
    burns = [request for request in due if request.path == "/burn"]
    assert len(burns) == 20
    assert len(due) - len(burns) == 400
    assert list(due) == sorted(due)
    assert due[0].at == 5.0
    assert due[-1].at < 7.0


def test_status_fields_are_found_by_their_whole_name() -> None:
    status = "VmHWMx:\t1 kB\nVmHWM:\t   204 kB\nnonvoluntary_ctxt_switches:\t7\n"
    assert status_number(status, "VmHWM") == 204
    assert status_number(status, "voluntary_ctxt_switches") == 0


def test_callees_are_counted_where_they_are() -> None:
    written = """\
ob=(1) /usr/lib/libpython3.11.so.1.0
fl=(1) ceval.c
fn=(1) eval
10 100
+2 50
cob=(2) /lib/libc.so.6
cfn=(2) memcpy
calls=3 20
12 9999
14 5
ob=(2)
fn=(2) memcpy
20 30
ob=(1)
fn=(3) free
* 7
totals: 192
"""
    assert instructions.by_object(written.splitlines(keepends=True)) == {
        "libpython3.11.so.1.0": 162,
        "libc.so.6": 30,
    }


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.456, "0.46"), (7.5, "7.50"), (9.999, "10.00"), (42.25, "42.2"), (123456.7, "123,457")],
)
def test_numbers_have_three_figures(value: float, expected: str) -> None:
    assert table.number(value) == expected


def test_units() -> None:
    assert table.duration(999) == "999 µs"
    assert table.duration(7900) == "7.90 ms"
    assert table.size(300) == "300 B"
    assert table.size(64 * 1024 * 1024) == "64.0 MiB"
    assert table.size(3 * 1024**3) == "3.00 GiB"
