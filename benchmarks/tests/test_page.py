"""The generated page and its charts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from benchmarks import readme, report, results, table
from benchmarks.__main__ import RESULTS
from benchmarks.process import ROOT
from benchmarks.results import Cell, Record, Stat
from benchmarks.scenarios import SCENARIOS
from benchmarks.svg import CUT, Bar, chart

if TYPE_CHECKING:
    from pathlib import Path

SVG = "{http://www.w3.org/2000/svg}"


def cell(cpu_us: float, **more: float) -> Cell:
    stats = {"cpu_us": Stat(cpu_us, 0.5), "rps": Stat(1e6 / cpu_us, 10.0)}
    stats.update({name: Stat(value, 0.0) for name, value in more.items()})
    return Cell(stats)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A directory with figures of two scenarios."""
    hello = Record(
        cells={
            "headwaiter": cell(7.0, errors=0.0),
            "waitress": cell(70.0, errors=3.0, requests=100.0),
            "bjoern": Cell(failure="no request was answered"),
            "raw": cell(5.0),
        },
        circumstances={"date": "2026-01-01 00:00 UTC", "kernel": "Linux"},
        versions={"headwaiter": "0.1.0", "waitress": "3.0.2", "raw": "12"},
        absent={"granian4": "granian is not installed"},
        rounds=3,
        seconds=2,
    )
    idle = Record(
        cells={"headwaiter": cell(7.5, held=5000.0, connection_bytes=400.0)},
        circumstances=hello.circumstances,
        versions=hello.versions,
        absent={},
        rounds=3,
        seconds=2,
    )
    results.save(tmp_path / "pinned.json", {"hello-c64": hello, "idle5000": idle})
    return tmp_path


def test_the_page_names_everything_that_was_measured_or_was_not(kept: Path) -> None:
    page = kept / "docs" / "benchmarks.md"
    page.parent.mkdir()
    report.write(page, kept)
    text = page.read_text()
    assert "| 7.00 ± 7 % | waitress 70.0 | 0.10 | 0.90 | 1.40 of raw |" in text
    assert "- hello-c64, bjoern: no request was answered" in text
    assert "- hello-c64, waitress: 3 errors beside 100 answers" in text
    assert "Not measured: granian4 (granian is not installed)." in text
    assert "| 5,000 | 400 B |" in text
    assert "- rounds: 3 of 2 s" in text


def test_every_chart_is_linked_and_every_link_leads_to_a_chart(kept: Path) -> None:
    page = kept / "benchmarks.md"
    stale = kept / "benchmarks" / "pinned-gone.svg"
    stale.parent.mkdir()
    stale.touch()
    report.write(page, kept)
    linked = set(re.findall(r"\]\((benchmarks/[^)]+\.svg)\)", page.read_text()))
    written = {str(path.relative_to(kept)) for path in kept.glob("benchmarks/*.svg")}
    assert (
        linked
        == written
        == {
            "benchmarks/pinned-hello-c64.svg",
            "benchmarks/pinned-idle5000.svg",
        }
    )


def test_without_figures_there_is_no_page(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="run with --publish first"):
        report.write(tmp_path / "benchmarks.md", tmp_path)
    assert not (tmp_path / "benchmarks.md").exists()


def test_a_chart_is_a_bar_a_peer_in_the_given_order() -> None:
    bars = [Bar("a<b", 10.0, 1.0, "10.0"), Bar("ours", 20.0, 0.0, "20.0", "ours")]
    drawn = ET.fromstring(chart("CPU & more", bars))
    widths = [float(bar.attrib["width"]) for bar in drawn.iter(f"{SVG}rect")]
    assert widths[1] == pytest.approx(2 * widths[0], abs=0.2)
    texts = [text.text for text in drawn.iter(f"{SVG}text")]
    assert texts == ["CPU & more", "a<b", "10.0", "ours", "20.0"]
    assert [path.attrib["class"] for path in drawn.iter(f"{SVG}path")] == ["whisker"]


def test_a_bar_that_would_dwarf_the_others_is_cut() -> None:
    bars = [Bar(str(n), 10.0, 0.0, "10") for n in range(3)]
    drawn = ET.fromstring(chart("t", [*bars, Bar("far", 1000.0, 0.0, "1,000")]))
    widths = [float(bar.attrib["width"]) for bar in drawn.iter(f"{SVG}rect")]
    assert widths[3] == pytest.approx(CUT * widths[0], abs=0.2)
    assert [path.attrib["class"] for path in drawn.iter(f"{SVG}path")] == ["cut"]


def test_the_console_table_ends_with_the_standing(kept: Path) -> None:
    seen = results.load(kept / "pinned.json")["hello-c64"]
    lines = table.console(SCENARIOS["hello-c64"], seen).splitlines()
    assert lines[-1] == "headwaiter: 0.10 of waitress (CPU µs/request), goal 0.90"
    assert any(line.split(maxsplit=1) == ["bjoern", "no request was answered"] for line in lines)


def test_the_readme_has_the_figures_that_are_kept() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = readme.LINES.search(text)
    assert found
    written = readme.lines(results.load(RESULTS / "pinned.json"))
    assert text[found.end(1) : found.start(2)] == written


def test_the_readme_says_where_others_need_less(kept: Path) -> None:
    flask = Record(
        cells={"headwaiter": cell(65.0), "bjoern": cell(60.0), "raw": cell(5.0)},
        circumstances={},
        versions={},
        absent={},
        rounds=3,
        seconds=2,
    )
    text = readme.lines({**results.load(kept / "pinned.json"), "flask": flask}).replace("\n", " ")
    assert "bjoern 60.0, headwaiter 65.0]" in text
    assert "gunicorn took no part in this run." in text
    assert (
        "in one, and more than the best of them in one, 1.08 times as much at most: `flask`" in text
    )


def test_without_figures_the_readme_stays_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="run with --publish first"):
        readme.write(tmp_path / "README.md", tmp_path)
