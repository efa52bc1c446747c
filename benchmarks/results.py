"""Figures of a whole run: medians and spread over rounds, kept as JSON scenario by scenario.

One file holds one mode (pinned or free). A scenario's record is complete in itself, with machine,
versions and settings, since its peers were interleaved with each other and are to be compared with
each other only; measuring some scenarios again replaces their records and leaves the others.
"""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from benchmarks.measure import Sample

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.scenarios import Scenario

FORMAT = 1


@dataclass(frozen=True)
class Stat:
    """One figure over the rounds of a cell."""

    median: float
    spread: float
    """Half of the distance from the lowest to the highest round."""


@dataclass
class Cell:
    """One peer in one scenario."""

    stats: dict[str, Stat] = field(default_factory=dict)
    failure: str | None = None
    """Why there is nothing to show; the last round's reason."""
    aside: dict[str, Stat] = field(default_factory=dict)
    """Figures of a peer that does not do the scenario's work right: never shown as fast."""


@dataclass
class Record:
    """One scenario: all its peers and the circumstances."""

    cells: dict[str, Cell]
    circumstances: dict[str, str]
    versions: dict[str, str]
    absent: dict[str, str]
    """Peers that were asked for and could not run here, with the reason."""
    rounds: int
    seconds: int
    answers: dict[str, dict[str, str]] = field(default_factory=dict)
    """What `probes.py` found, by peer and probe; none where the scenario asks for none."""
    worthless: list[str] = field(default_factory=list)
    """Why the machine was not fit to measure on (`quiet.py`); empty if it was."""


def summarise(samples: list[Sample], failure: str | None) -> Cell:
    """Medians over the rounds that succeeded.

    A cell without any answered request failed, whatever else was counted.
    """
    answered = [sample for sample in samples if sample.requests]
    if not answered:
        return Cell(failure=failure or "no request was answered")
    cell = Cell()
    for wanted in fields(Sample):
        values = [getattr(sample, wanted.name) for sample in answered]
        numbers = [float(value) for value in values if value is not None]
        if numbers:
            cell.stats[wanted.name] = stat(numbers)
    return cell


def disqualify(cell: Cell, reason: str | None) -> Cell:
    """The cell of a peer that is wrong for `reason`, if there is one: its figures are put aside."""
    return cell if reason is None or not cell.stats else Cell({}, reason, cell.stats)


def stat(numbers: list[float]) -> Stat:
    return Stat(statistics.median(numbers), (max(numbers) - min(numbers)) / 2)


def best(
    record: Record, figure: str, higher: bool, ceilings: set[str], but: str
) -> tuple[str, float] | None:
    """The best peer by the median of `figure`; ceilings and `but` do not compete."""
    ranked = [
        (value, name)
        for name, cell in record.cells.items()
        if (value := comparable(cell, figure)) is not None
        and name not in ceilings
        and not name.startswith(but)
    ]
    if not ranked:
        return None
    value, name = max(ranked) if higher else min(ranked)
    return name, value


def ratio(record: Record, scenario: Scenario, ours: str, ceilings: set[str]) -> float | None:
    """Our figure divided by the best peer's; below 1 is better for CPU time and latency."""
    figure = scenario.figure.value
    rival = best(record, figure, scenario.higher_is_better, ceilings, ours)
    return None if rival is None else against(record, figure, ours, rival[0])


def against(record: Record, figure: str, ours: str, other: str) -> float | None:
    """Our figure divided by that of `other`; `None` unless both have one to compare."""
    cells = (record.cells.get(name, Cell()) for name in (ours, other))
    mine, theirs = (comparable(cell, figure) for cell in cells)
    return mine / theirs if mine is not None and theirs else None


def comparable(cell: Cell, figure: str) -> float | None:
    """The median of `figure`, if the cell has one that says something.

    A request without an answer has waited for ever, so a p99 says nothing where more than one in a
    hundred got none.
    """
    if figure not in cell.stats:
        return None
    lost, answered = (cell.stats.get(name) for name in ("errors", "requests"))
    if figure == "p99_us" and lost and answered and lost.median * 99 > answered.median:
        return None
    return cell.stats[figure].median


def save(path: Path, records: dict[str, Record]) -> None:
    """Write `records`, replacing those of the same name in the file and keeping the rest."""
    kept = {**load(path), **records}
    write(path, FORMAT, "scenarios", {name: asdict(kept[name]) for name in kept})


def write(path: Path, version: int, what: str, entries: dict[str, Any]) -> None:
    """Write a file of results, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps({"format": version, what: entries}, indent=1) + "\n")
    partial.replace(path)


def read(path: Path, version: int, what: str) -> dict[str, Any]:
    """What `write` wrote; nothing if there is no such file or it has another format."""
    document: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    return dict(document[what]) if document.get("format") == version else {}


def load(path: Path) -> dict[str, Record]:
    """What `save` wrote; nothing if there is no such file or an older format."""
    return {name: _record(data) for name, data in read(path, FORMAT, "scenarios").items()}


def _stats(data: dict[str, Any]) -> dict[str, Stat]:
    return {name: Stat(**value) for name, value in data.items()}


def _record(data: dict[str, Any]) -> Record:
    cells = {
        name: Cell(_stats(cell["stats"]), cell["failure"], _stats(cell.get("aside", {})))
        for name, cell in data.pop("cells").items()
    }
    return Record(cells=cells, **data)
