"""Writes `docs/benchmarks.md` and its charts from the figures kept in `results/`.

The page is generated whole, so that no number on it can have another origin. It says what was
measured, how, on what, and names every cell that has no figure together with the reason.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import counted, inprocess, latency_page, results, slower, table
from benchmarks.peers import PEERS, Peer
from benchmarks.probes import PROBES
from benchmarks.scenarios import SCENARIOS, Figure, Load, Scenario
from benchmarks.svg import Bar, chart
from benchmarks.table import ABSENT, CEILINGS, OURS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from benchmarks.results import Cell, Record

HEADLINES = ("hello-c64", "headers", "flask", "django", "file16m", "mixed")
"""The charts on the page itself; the others are linked."""

INTRODUCTION = """\
# Benchmarks

Written by `python -m benchmarks`; do not edit. `make bench` repeats the measurements on your
machine, `make bench PEERS=waitress,bjoern SCENARIOS=flask,django` some of them, `make bench-quick`
a short version.

**What is measured.** Every run starts a fresh server, checks one answer, warms it up and loads it
over loopback with [wrk](https://github.com/wg/wrk) (with programs of our own where wrk cannot).
Runs are interleaved: scenario by scenario, round by round, peer after peer. Figures are medians
over the rounds; `±` is half the distance from the lowest round to the highest, as a share of the
median.

**Which figure to trust.** CPU microseconds per request: user and system time of the server's whole
process tree divided by the requests answered. It says how much traffic one core carries, and it
moves little with what else the machine does. Requests per second and latency do move, and the load
generator needs CPU too. Compare figures of one row; a difference below the spread means nothing.

**Pinned** is the server on one core and the load on another: no server can gain or lose by how
threads happen to be placed. **Free** is no pinning.

From the same programs: [instructions per request](benchmarks/instructions.md), which noise cannot
touch, [latency at half load and almost none](benchmarks/latency.md), and
[where headwaiter is not faster, and why](slower.md).
"""

FIGURES = (
    ("cpu_us", "CPU µs per request"),
    ("rps", "Requests per second"),
    ("cores", "Cores used, as measured"),
    ("p50_us", "Median latency"),
    ("p99_us", "99th percentile of latency"),
    ("switches", "Context switches per request"),
    ("syscalls", "System calls per request"),
    ("peak_bytes", "Peak resident memory of the process tree"),
)

WORTHLESS = " (worthless: see below)"

BESIDE = {
    "calm_cpu_us": "CPU µs before",
    "cpu_us": "CPU µs beside",
    "calm_rps": "req/s before",
    "rps": "req/s beside",
    "p99_us": "p99 beside",
    "settle_seconds": "busy with their arrival",
    "held": "connections held",
    "connection_bytes": "RSS each",
    "peak_bytes": "peak RSS",
}


@dataclass(frozen=True)
class Mode:
    """All records of one placement."""

    name: str
    records: dict[str, Record]

    def pairs(self) -> Iterator[tuple[Scenario, Record]]:
        for name, scenario in SCENARIOS.items():
            if name in self.records:
                yield scenario, self.records[name]

    def names(self) -> list[str]:
        """Whoever appears in a record: peers in their own order, then the in-process loop."""
        seen = {name for record in self.records.values() for name in record.cells}
        return [name for name in (*PEERS, inprocess.NAME) if name in seen]


def write(page: Path, kept: Path) -> None:
    """Write `page`, and its charts into a directory of the same name beside it."""
    modes = [Mode(name, results.load(kept / f"{name}.json")) for name in ("pinned", "free")]
    modes = [mode for mode in modes if mode.records]
    if not modes:
        raise SystemExit(f"nothing is kept in {kept}: run with --publish first")
    charts = page.with_suffix("")
    charts.mkdir(parents=True, exist_ok=True)
    for old in charts.glob("*.svg"):
        old.unlink()
    sections = [INTRODUCTION]
    for mode in modes:
        for scenario, record in mode.pairs():
            (charts / f"{mode.name}-{scenario.name}.svg").write_text(_chart(mode, scenario, record))
        sections.extend(_mode(mode, charts.name))
    sections.extend(part for part in (_answers(modes), _circumstances(modes)) if part)
    page.write_text("\n".join(sections))
    # What is made of the same figures, and of counts that are kept beside them.
    slower.write(page.with_name("slower.md"), kept)
    counted.write(charts / "instructions.md", kept / "instructions.json")
    latency_page.write(charts / "latency.md", kept / "latency.json")


def _mode(mode: Mode, charts: str) -> Iterator[str]:
    yield f"## {mode.name.capitalize()}\n"
    yield _standings(mode)
    shown = [name for name in HEADLINES if name in mode.records]
    yield from (f"![{name}]({charts}/{mode.name}-{name}.svg)\n" for name in shown)
    others = [scenario.name for scenario, _ in mode.pairs() if scenario.name not in shown]
    if others:
        links = (f"[{name}]({charts}/{mode.name}-{name}.svg)" for name in others)
        yield f"Charts of the other scenarios: {', '.join(links)}.\n"
    for figure, title in FIGURES:
        rows = list(_matrix(mode, figure))
        if rows:
            yield f"### {title}, {mode.name}\n"
            yield _markdown(["scenario", *mode.names()], rows)
    yield from _beside(mode)
    yield from _gaps(mode)
    yield from _worthless(mode)


def _standings(mode: Mode) -> str:
    rows = []
    for scenario, record in mode.pairs():
        figure = scenario.figure.value
        rival = results.best(record, figure, scenario.higher_is_better, CEILINGS, but=OURS)
        share = results.ratio(record, scenario, OURS, CEILINGS)
        own = record.cells.get(OURS)
        rows.append(
            [
                f"**{scenario.name}**: {scenario.title}" + (WORTHLESS if record.worthless else ""),
                scenario.figure.title,
                _with_spread(own, figure) if own else ABSENT,
                f"{rival[0]} {table.figure(record.cells[rival[0]], figure)}" if rival else ABSENT,
                f"{share:.2f}" if share is not None else ABSENT,
                _goal(scenario),
                _above_ceiling(scenario, record),
            ]
        )
    return (
        "Headwaiter against the best WSGI server of each row. A ratio below 1 is better for CPU"
        " time and latency, above 1 for requests per second; the last column is the ratio to what"
        " the machine allows.\n\n"
        + _markdown(
            ["scenario", "figure", "headwaiter", "best peer", "ratio", "goal", "of the ceiling"],
            rows,
        )
    )


def _above_ceiling(scenario: Scenario, record: Record) -> str:
    ratios = {
        name: results.against(record, scenario.figure.value, OURS, name)
        for name in record.cells
        if name in CEILINGS
    }
    return ", ".join(f"{share:.2f} of {name}" for name, share in ratios.items() if share) or ABSENT


def _goal(scenario: Scenario) -> str:
    if scenario.ideal is not None:
        return f"{scenario.ideal:,.0f} is ideal"
    return f"{scenario.goal:.2f}" if scenario.goal is not None else ABSENT


def _with_spread(cell: Cell, figure: str) -> str:
    if figure not in cell.stats:
        return ABSENT
    return f"{table.figure(cell, figure)} ± {table.percent(cell, figure)}"


def _matrix(mode: Mode, figure: str) -> Iterator[list[str]]:
    for scenario, record in mode.pairs():
        cells = [record.cells.get(name) for name in mode.names()]
        words = [table.figure(cell, figure) if cell else ABSENT for cell in cells]
        if any(word != ABSENT for word in words):
            yield [scenario.name, *words]


def _beside(mode: Mode) -> Iterator[str]:
    for scenario, record in mode.pairs():
        if scenario.load is Load.BESIDE:
            yield f"### {scenario.name}: hello {scenario.title}, {mode.name}\n"
            rows = []
            for name, cell in record.cells.items():
                rows.append([name, *(table.figure(cell, column) for column in BESIDE)])
            yield _markdown(["server", *BESIDE.values()], rows)


def _gaps(mode: Mode) -> Iterator[str]:
    """Every cell that failed, and every one in which requests went wrong."""
    lines = []
    for scenario, record in mode.pairs():
        for name, cell in record.cells.items():
            if cell.failure is not None:
                lines.append(f"- {scenario.name}, {name}: {cell.failure}{_aside(scenario, cell)}")
            elif (errors := cell.stats.get("errors")) is not None and errors.median:
                answered = table.figure(cell, "requests")
                lines.append(
                    f"- {scenario.name}, {name}: {errors.median:,.0f} errors beside {answered}"
                    " answers"
                )
    if lines:
        yield f"### Without a figure or with errors, {mode.name}\n"
        yield "\n".join(lines) + "\n"


def _worthless(mode: Mode) -> Iterator[str]:
    lines = [
        f"- {scenario.name}: {'; '.join(record.worthless)}"
        for scenario, record in mode.pairs()
        if record.worthless
    ]
    if lines:
        yield f"### Measured on a machine that was not fit for it, {mode.name}\n"
        yield "\n".join(["Figures of these rows are worthless:", "", *lines]) + "\n"


def _aside(scenario: Scenario, cell: Cell) -> str:
    found = cell.aside.get(scenario.figure.value)
    if found is None:
        return ""
    return f" ({table.number(found.median)} {scenario.figure.title} without that work)"


def _answers(modes: list[Mode]) -> str:
    """What each server does with the requests of `probes.py`."""
    found = {
        name: said
        for mode in modes
        for record in mode.records.values()
        for name, said in record.answers.items()
    }
    if not found:
        return ""
    rows = [
        [name, *(found[name].get(p, ABSENT) for p in PROBES)] for name in PEERS if name in found
    ]
    return (
        "## Right answers\n\n"
        "What the application gets of four requests. A refusal is an answer; a server that is wrong"
        " about what a scenario is about is not compared there.\n\n"
        + _markdown(["server", *(probe.title for probe in PROBES.values())], rows, left=True)
    )


def _circumstances(modes: list[Mode]) -> str:
    records = [record for mode in modes for record in mode.records.values()]
    parts = ["## Circumstances\n"]
    for facts, where in _machines(modes).items():
        parts.append(f"{', '.join(where)}:\n")
        parts.append("\n".join(f"- {name}: {value}" for name, value in facts) + "\n")
    parts.append("Every server has one process and, where it has worker threads, four of them.\n")
    rows = []
    for name, peer in PEERS.items():
        versions = {record.versions[name] for record in records if name in record.versions}
        if versions:
            rows.append([name, ", ".join(sorted(versions)), _settings(peer)])
    parts.append(_markdown(["server", "version", "settings"], rows, left=True))
    absent = {name: reason for record in records for name, reason in record.absent.items()}
    parts.extend(f"Not measured: {name} ({reason}).\n" for name, reason in absent.items())
    parts.append(
        f"`{inprocess.NAME}` is the application called in a loop in one thread, environ built in"
        " Python, no server: what the interpreter itself costs. It, `raw` and `nginx` are ceilings"
        " and take no part in the ranking.\n"
    )
    return "\n".join(parts)


def _machines(modes: list[Mode]) -> dict[tuple[tuple[str, str], ...], list[str]]:
    """Where and when: circumstances, with the scenarios measured under exactly these."""
    groups: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for mode in modes:
        for scenario, record in mode.pairs():
            facts = {**record.circumstances, "rounds": f"{record.rounds} of {record.seconds} s"}
            groups.setdefault(tuple(facts.items()), []).append(f"{mode.name} {scenario.name}")
    return groups


def _settings(peer: Peer) -> str:
    """The command line as one would type it, and what is special about it."""
    if peer.ceiling:
        return peer.note
    program, *words = peer.command(8080, "MODULE:APP")
    shown = " ".join([Path(program).name, *words]).replace(sys.prefix, "$VIRTUAL_ENV")
    return f"`{shown}`" + (f"; {peer.note}" if peer.note else "")


def _chart(mode: Mode, scenario: Scenario, record: Record) -> str:
    figure = scenario.figure.value
    bars = []
    for name, cell in record.cells.items():
        if (found := cell.stats.get(figure)) is not None:
            kind = "ours" if name.startswith(OURS) else "ceiling" if name in CEILINGS else "bar"
            bars.append(Bar(name, found.median, found.spread, table.figure(cell, figure), kind))
    bars.sort(key=lambda bar: bar.value, reverse=scenario.higher_is_better)
    better = "more is better" if scenario.figure is Figure.RPS else "less is better"
    title = f"{scenario.name}: {scenario.figure.title}, {mode.name} ({better})"
    return chart(title, bars)


def _markdown(head: list[str], rows: Iterable[list[str]], *, left: bool = False) -> str:
    rule = ["---", *("---" if left else "---:" for _ in head[1:])]
    lines = [head, rule, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
