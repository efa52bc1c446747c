"""The figures in `README.md`: one chart, and where others need less, written from what is kept.

So no number there can have another origin than `docs/benchmarks.md`, and whoever publishes a run
updates both.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import results, table
from benchmarks.scenarios import SCENARIOS, Figure
from benchmarks.table import CEILINGS, OURS

if TYPE_CHECKING:
    from benchmarks.results import Record

SHOWN = "flask"
"""The scenario of the chart: small, and yet with a framework in it."""
CHART = "docs/benchmarks/pinned-{}.svg"
PAGE = "docs/benchmarks.md"
LINES = re.compile(r"(?s)(<!-- figures: [^>]*-->\n).*?(<!-- end of figures -->)")
PROGRAMS = {
    "granian4": "Granian",
    "uwsgi1": "uWSGI",
    "waitress": "Waitress",
    "fastwsgi": "FastWSGI",
}
ASKED_FOR = ("gunicorn",)
"""Servers that readers look for: that one of them was not measured is said."""
WIDTH = 120
NUMBERS = (
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
)


def write(readme: Path, kept: Path) -> None:
    """Replace the lines between the two comments of `readme`."""
    records = results.load(kept / "pinned.json")
    if SHOWN not in records:
        raise SystemExit(f"{SHOWN} is not among the figures in {kept}: run with --publish first")
    text = readme.read_text(encoding="utf-8")
    readme.write_text(LINES.sub(lambda found: found[1] + lines(records) + found[2], text))


def lines(records: dict[str, Record]) -> str:
    """The chart and its sentences."""
    record = records[SHOWN]
    figure = Figure.CPU.value
    measured = {name: cell for name, cell in record.cells.items() if figure in cell.stats}
    best_first = sorted(measured, key=lambda name: measured[name].stats[figure].median)
    shown = {name: table.figure(measured[name], figure) for name in best_first}
    servers = ", ".join(f"{_called(n)} {shown[n]}" for n in best_first if n not in CEILINGS)
    absent = [name for name in ASKED_FOR if name not in measured]
    chart = CHART.format(SHOWN)
    sentences = (
        "CPU time of a request to a minimal Flask view: one process, the server on a core of its"
        f" own ([how it was measured]({PAGE})); `in-process` is the view without a server."
        f" {_absent(absent)}{_others(records)} Differences below the spread mean nothing."
    )
    parts = [
        f"![CPU time of a request to a minimal Flask view, in µs: {servers}]({chart})",
        "",
        textwrap.fill(sentences, WIDTH, break_long_words=False, break_on_hyphens=False),
        "",
    ]
    return "\n".join(parts)


def _absent(names: list[str]) -> str:
    return f"{' and '.join(names)} took no part in this run. " if names else ""


def _others(records: dict[str, Record]) -> str:
    """In which scenarios another server needs less CPU."""
    ranked = {
        name: share
        for name, scenario in SCENARIOS.items()
        if scenario.figure is Figure.CPU and (record := records.get(name))
        if (rival := results.best(record, Figure.CPU.value, False, CEILINGS, but=OURS))
        if (share := results.against(record, Figure.CPU.value, OURS, rival[0]))
    }
    more = {name: share for name, share in ranked.items() if share >= 1.005}
    less = len(ranked) - len(more)
    start = f"Of {len(ranked)} kinds of work, headwaiter needs the least CPU time of all servers"
    if not more:
        return f"{start} in each."
    most = max(more.values())
    names = ", ".join(f"`{name}`" for name in more)
    return (
        f"{start} in {_number(less)}, and more than the best of them in {_number(len(more))},"
        f" {most:.2f} times as much at most: {names} ([what they are]({PAGE}#pinned))."
    )


def _called(name: str) -> str:
    return PROGRAMS.get(name, name)


def _number(count: int) -> str:
    return NUMBERS[count] if count < len(NUMBERS) else str(count)
