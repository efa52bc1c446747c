"""How figures are written, and the table that a run prints on the console."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import inprocess, results
from benchmarks.peers import PEERS
from benchmarks.scenarios import Load

if TYPE_CHECKING:
    from benchmarks.results import Cell, Record
    from benchmarks.scenarios import Scenario

OURS = "headwaiter"
CEILINGS = {name for name, peer in PEERS.items() if peer.ceiling} | {inprocess.NAME}
ABSENT = "-"


def number(value: float) -> str:
    """Three figures that matter, thousands apart."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def duration(microseconds: float) -> str:
    """In the unit that reads best."""
    if microseconds < 1000:
        return f"{microseconds:.0f} µs"
    return f"{number(microseconds / 1000)} ms"


def size(count: float) -> str:
    """Bytes in the unit that reads best."""
    for unit in ("B", "KiB", "MiB"):
        if abs(count) < 1024:
            return f"{number(count)} {unit}"
        count /= 1024
    return f"{number(count)} GiB"


def figure(cell: Cell, name: str) -> str:
    """One figure of a cell in words, `-` if it has none."""
    found = cell.stats.get(name)
    if found is None:
        return ABSENT
    if name.endswith("_us") and not name.endswith("cpu_us"):
        return duration(found.median)
    if name.endswith("_seconds"):
        return f"{found.median:.2f} s"
    if name.endswith("_bytes"):
        return size(found.median)
    if name in ("requests", "errors", "held"):
        return f"{found.median:,.0f}"
    return number(found.median)


def percent(cell: Cell, name: str) -> str:
    """The half-spread as a share of the median."""
    found = cell.stats.get(name)
    return f"{100 * found.spread / found.median:.0f} %" if found and found.median else ABSENT


COLUMNS = {
    "cpu_us": "CPU µs",
    "rps": "req/s",
    "cores": "cores",
    "p50_us": "p50",
    "p99_us": "p99",
    "switches": "switches",
    "syscalls": "syscalls",
    "peak_bytes": "peak RSS",
    "errors": "errors",
}
BESIDE_COLUMNS = {
    "calm_cpu_us": "calm CPU µs",
    "calm_rps": "calm req/s",
    "settle_seconds": "busy with arrival",
    "held": "held",
    "connection_bytes": "each",
}


def console(scenario: Scenario, record: Record) -> str:
    """The scenario's table as text, with the ratio to the best peer below it."""
    columns = COLUMNS | (BESIDE_COLUMNS if scenario.load is Load.BESIDE else {})
    head = ["", columns["cpu_us"], "+-", *(columns[name] for name in list(columns)[1:])]
    rows = [head]
    for name, cell in record.cells.items():
        if cell.failure is not None:
            rows.append([name, cell.failure])
            continue
        values = [figure(cell, column) for column in columns]
        rows.append([name, values[0], percent(cell, "cpu_us"), *values[1:]])
    full = [row for row in rows if len(row) == len(head)]
    widths = [max(len(row[column]) for row in full) for column in range(len(head))]
    widths[0] = max(len(row[0]) for row in rows)
    lines = [f"\n{scenario.name}: {scenario.title}"]
    for row in rows:
        cells = [text.rjust(width) for text, width in zip(row[1:], widths[1:])]
        lines.append("  ".join([row[0].ljust(widths[0]), *(cells if len(row) > 2 else row[1:])]))
    verdict = standing(scenario, record)
    return "\n".join([*lines, verdict] if verdict else lines)


def standing(scenario: Scenario, record: Record) -> str:
    """One sentence: headwaiter against the best peer, and against its goal."""
    best = results.best(
        record, scenario.figure.value, scenario.higher_is_better, CEILINGS, but=OURS
    )
    share = results.ratio(record, scenario, OURS, CEILINGS)
    if best is None or share is None:
        return ""
    goal = f", goal {scenario.goal:.2f}" if scenario.goal is not None else ""
    return f"headwaiter: {share:.2f} of {best[0]} ({scenario.figure.title}){goal}"
