"""The page of rows in which others are ahead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import results, slower
from benchmarks.results import Cell, Record, Stat
from benchmarks.scenarios import SCENARIOS

if TYPE_CHECKING:
    from pathlib import Path


def record(figure: str, spread: float, **medians: float) -> Record:
    cells = {name: Cell({figure: Stat(value, spread)}) for name, value in medians.items()}
    return Record(cells, {}, {}, {}, rounds=5, seconds=3)


def test_rows_are_those_in_which_another_is_ahead() -> None:
    records = {
        "hello-c1": record("cpu_us", 0.1, headwaiter=10.0, bjoern=11.0),
        "hello-c64": record("cpu_us", 0.1, headwaiter=10.0, bjoern=8.0, waitress=70.0, raw=5.0),
        "flask": record("cpu_us", 1.0, headwaiter=10.0, bjoern=9.5, freastal=9.0),
        # More is better here.
        "gilfree": record("rps", 1.0, headwaiter=100.0, bjoern=200.0),
        "sleep2": record("rps", 1.0, headwaiter=100.0, bjoern=50.0),
        # A hair's breadth is neither.
        "headers": record("cpu_us", 0.1, headwaiter=10.0, bjoern=9.99),
    }
    rows = list(slower.behind("pinned", records))
    assert [(row.scenario.name, row.rival, row.ahead, row.overlap) for row in rows] == [
        ("gilfree", "bjoern", 1, False),
        ("hello-c64", "bjoern", 1, False),
        ("flask", "freastal", 2, True),
    ]


def test_the_page_says_why_and_what_is_uncertain(tmp_path: Path) -> None:
    busy = record("p99_us", 0.0, headwaiter=6000.0, uwsgi1=1000.0)
    busy.cells["uwsgi1"].stats.update(errors=Stat(96.0, 0.0), requests=Stat(9600.0, 0.0))
    busy.worthless.append("others used 40 % of the machine during the run")
    flask = record("cpu_us", 1.0, headwaiter=10.0, bjoern=9.5)
    results.save(tmp_path / "pinned.json", {"flask": flask, "mixed": busy})
    slower.write(tmp_path / "slower.md", tmp_path)
    text = (tmp_path / "slower.md").read_text(encoding="utf-8")
    assert "## Pinned: 2 of 2 rows" in text
    assert "| mixed | p99 | 6.00 ms | uwsgi1 1.00 ms | 6.00 | 1 | the machine was busy |" in text
    assert "| flask | CPU µs/request | 10.0 | bjoern 9.50 | 1.05 | 1 | within the spread |" in text
    assert slower.REASONS["flask"] in text
    assert "(uwsgi1 had 96 errors beside 9,600 answers.)" in text
    assert "## Free" not in text


def test_reasons_are_of_scenarios_that_exist() -> None:
    assert set(slower.REASONS) <= set(SCENARIOS)
