"""What of a result does not keep the bounds, and the page that says so."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from benchmarks.attacks import report
from benchmarks.attacks.kinds import ROWS
from benchmarks.attacks.measure import Result, Weight
from benchmarks.attacks.report import Record
from benchmarks.attacks.verdict import broken
from benchmarks.attacks.watchdog import Seen

if TYPE_CHECKING:
    from pathlib import Path

CALM = Seen(
    asked=100, failed=0, p50_us=200.0, p99_us=900.0, worst_us=1000.0, cpu_us=700.0, late_us=50.0
)
KEPT = Result(
    calm={"health": CALM, "visit": CALM},
    during={"health": replace(CALM, worst_us=3000.0), "visit": CALM},
    after={"health": CALM, "visit": CALM},
    before=Weight(20 << 20, 19),
    peak=Weight(900 << 20, 800),
    settled=Weight(22 << 20, 19),
    tally={"connections": 4, "bytes sent": 1_000_000},
    logged=300,
)
LOST = Result(calm={"health": CALM}, failure="the server ended: memory allocation failed")


def test_what_keeps_every_bound_is_not_blamed() -> None:
    assert list(broken(KEPT)) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"during": {"health": replace(CALM, worst_us=3100.0)}}, "health: worst is 3.1 x calm"),
        (
            {
                "calm": {"health": replace(CALM, worst_us=90_000.0)},
                "during": {"health": replace(CALM, worst_us=101_000.0)},
            },
            "health: worst is 101 ms, 700 µs of CPU",
        ),
        ({"during": {"visit": replace(CALM, failed=7)}}, "visit: 7 of 100 without their answer"),
        (
            {"after": {"visit": replace(CALM, failed=7)}, "logged": None},
            "visit: 7 of 100 without their answer afterwards",
        ),
        ({"settled": Weight(30 << 20, 19)}, "RSS stays 50 % higher"),
        ({"settled": Weight(20 << 20, 28)}, "9 descriptors stay open"),
        ({"logged": 290}, "10 honest lines are missing in the access log"),
        ({"failure": "attackers did not end"}, "attackers did not end"),
    ],
)
def test_each_bound_that_is_not_kept_is_said(changed: dict[str, object], said: str) -> None:
    result = Result(**{**vars(KEPT), **changed})
    assert list(broken(result)) == [said]


def test_a_line_of_a_visit_that_was_not_answered_is_not_missed() -> None:
    during = {**KEPT.during, "visit": replace(CALM, failed=100)}
    assert "missing" not in "".join(broken(replace(KEPT, during=during, logged=200)))


@pytest.fixture
def kept(tmp_path: Path) -> dict[str, Record]:
    """Two attacks, as they come back from the disk."""
    path = tmp_path / "attacks.json"
    here = {"processor": "2 x Something", "load before the run": "0.00"}
    report.save(path, {"slow-loris headwaiter": Record(KEPT, here)})
    report.save(path, {"tiny-chunks-4 headwaiter": Record(LOST, here)})
    return report.load(path)


def test_figures_survive_the_disk(kept: dict[str, Record]) -> None:
    assert kept["slow-loris headwaiter"].result == KEPT
    assert kept["tiny-chunks-4 headwaiter"].result == LOST


def test_nothing_is_read_from_another_format(tmp_path: Path) -> None:
    path = tmp_path / "attacks.json"
    assert report.load(path) == {}
    path.write_text('{"format": 0, "attacks": {"x": 1}}')
    assert report.load(path) == {}


def test_the_page_says_what_was_measured_and_what_is_not_kept(
    kept: dict[str, Record], tmp_path: Path
) -> None:
    page = tmp_path / "attacks.md"
    report.write(page, kept)
    text = page.read_text()
    assert "at most 3 times the worst in calm" in text
    assert "never above 100 ms" in text
    assert "| `slow-loris headwaiter` | kept |" in text
    lost = "the server ended: memory allocation failed"
    assert f"| `tiny-chunks-4 headwaiter` | {lost} |" in text
    assert (
        "| slow-loris headwaiter | health | 200 µs | 900 µs | 1.00 ms | 200 µs | 900 µs | 3.00 ms"
        " | 3.0 | 700 µs | 1.00 ms | 0 of 100 | 50 µs |" in text
    )
    assert "| slow-loris headwaiter | 20.0 MiB | 900 MiB | 22.0 MiB | 19 | 800 | 19 |" in text
    assert "- processor: 2 x Something" in text
    assert text.index("`tiny-chunks-4") < text.index("`slow-loris")


def test_what_was_measured_twice_is_compared(kept: dict[str, Record], tmp_path: Path) -> None:
    slower = replace(KEPT, during={"visit": replace(CALM, worst_us=2e6, failed=3)})
    page = tmp_path / "attacks.md"
    report.write(page, kept, {"slow-loris headwaiter": Record(slower, {})})
    assert (
        "| slow-loris headwaiter | - → 3.00 ms (700 µs CPU) | - | -"
        " | 2,000 ms (700 µs CPU, 3 lost) → 1.00 ms (700 µs CPU)"
        " | 900 MiB → 900 MiB | 22.0 MiB → 22.0 MiB | 3 → 0 |" in page.read_text()
    )
    report.write(page, kept)
    assert "Before and now" not in page.read_text()


def test_without_figures_there_is_no_page(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="run with --publish first"):
        report.write(tmp_path / "attacks.md", {})


def test_the_console_has_the_same_figures() -> None:
    text = report.console("slow-loris", replace(KEPT, logged=290))
    assert "3.00 ms" in text
    assert "\nRSS before: 20.0 MiB, peak: 900 MiB, after: 22.0 MiB, files before: 19" in text
    assert "connections 4, bytes sent 1,000,000" in text
    assert text.endswith("not kept: 10 honest lines are missing in the access log\n")


def test_attacks_have_names_of_their_own() -> None:
    assert len({row.title for row in ROWS.values()}) == len(ROWS)
