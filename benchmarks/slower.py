"""Writes `docs/slower.md`: where headwaiter is not ahead, and why, from the kept figures.

Which rows are on the page follows from the figures alone; only the reasons are written by hand, one
for each kind of work. A row without a reason says that none is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from benchmarks import results, table
from benchmarks.scenarios import SCENARIOS
from benchmarks.table import CEILINGS, OURS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.results import Record
    from benchmarks.scenarios import Scenario

EVEN = 0.005
"""A ratio this near to 1 is neither."""

INTRODUCTION = """\
# When headwaiter is not faster, and why

Written by `python -m benchmarks --publish` from the figures of [benchmarks.md](benchmarks.md); do
not edit. The tables name every row in which another server is ahead by the median, and how many
are. `within the spread` means that the rounds of the two overlap: another run may turn the order
around.
"""

REASONS = {
    "hello-c1": (
        "One request at a time leaves nothing to share: each pays for a poll, a read and a "
        "write of its own. What is left to differ is code, and headwaiter's counts, times and "
        "bounds every request ([instructions](benchmarks/instructions.md))."
    ),
    "hello-c64": (
        "The application does nothing, so only the server is left. Servers of one thread "
        "never hand a request to another thread; headwaiter also counts, times and bounds "
        "each one."
    ),
    "hello-c256": (
        "As hello-c64. Probably also that headwaiter keeps more about each connection "
        "(deadlines, what was sent, its place in the queue) than fits into the nearest "
        "caches."
    ),
    "headers": ("Every field is checked, limited and counted before the application sees it."),
    "json": ("Half of the time is the application's; see hello-c64 for the rest."),
    "flask": (
        "Two thirds of the time are Flask. What differs is how often threads meet at the "
        "interpreter; in a server of one thread they never do."
    ),
    "django": (
        "Nine tenths of the time are Django and SQLite. In a process with threads their locks "
        "cost more (malloc, SQLite, the interpreter), and the I/O thread runs between the views; "
        "a server of one thread has neither."
    ),
    "post10k": (
        "headwaiter reads a body whole before a thread is given to it, so that a slow upload "
        "holds nobody up, and counts it against limits of memory."
    ),
    "post1m": ("As post10k."),
    "gilfree": (
        "The hash runs without the interpreter's lock. Pinned, there is one core for it: "
        "threads only switch more often there. Free, servers with threads use both, and "
        "differ by little."
    ),
    "sleep50": ("Four threads that sleep allow 80 requests a second, whoever serves them."),
    "sleep2": (
        "Four threads that sleep allow 2,000 requests a second; the difference is what a "
        "wake-up takes."
    ),
    "mixed": (
        "A view that computes keeps the interpreter for five milliseconds before CPython lets "
        "another thread have it (`sys.getswitchinterval()`), so that servers with threads "
        "meet this limit."
    ),
    "idle5000": ("Each idle connection has a deadline, kept in order. See hello-c64 for the rest."),
    "drip500": (
        "Each byte of a slow client is read, and its head looked at, under a deadline of its own."
    ),
    "slowread100": ("See hello-c64; the slow readers themselves cost little."),
    "download1m": (
        "Most of it is the kernel's copying, charged to whoever sends. What differs is how "
        "much of the object one call takes."
    ),
    "stream1m": ("Chunks go from the worker to the I/O thread, which sends them in batches."),
    "close": ("For each request a connection is accepted, registered, given deadlines and closed."),
}
"""What the design and the profiles say; where it is a guess, the sentence says so."""

AFTER = """\
## What to make of it

- Five microseconds are one percent of a view that takes half a millisecond. Measure your own
  application; `headwaiter advise` says what would help it.
- Servers of one thread stop for everybody while one view waits for a database, another service or
  a disk: compare them in `sleep2` and `sleep50`.
- Some of the quicker servers do less. [benchmarks.md](benchmarks.md) shows what the application
  gets of an encoded path, a long field and a chunked body, once figures have been published with
  these probes.
- headwaiter speaks WSGI and HTTP/1.1 only. For ASGI, HTTP/2 or WebSockets, use another server.
"""


class Row(NamedTuple):
    """One scenario in which somebody else is ahead."""

    mode: str
    scenario: Scenario
    record: Record
    rival: str
    ratio: float
    overlap: bool
    ahead: int
    """How many servers are."""


def write(page: Path, kept: Path) -> None:
    """Write the page from the figures in `kept`."""
    parts = [INTRODUCTION]
    for mode in ("pinned", "free"):
        records = results.load(kept / f"{mode}.json")
        if records:
            parts.append(_section(mode, records))
    parts.append(AFTER)
    page.write_text("\n".join(parts), encoding="utf-8")


def behind(mode: str, records: dict[str, Record]) -> Iterator[Row]:
    """The rows in which another server's median is better, the worst first."""
    found = []
    for name, scenario in SCENARIOS.items():
        record = records.get(name)
        figure, higher = scenario.figure.value, scenario.higher_is_better
        if record is None:
            continue
        rival = results.best(record, figure, higher, CEILINGS, but=OURS)
        ratio = results.ratio(record, scenario, OURS, CEILINGS)
        if rival is None or ratio is None or _loss(ratio, higher) < EVEN:
            continue
        ours, theirs = (record.cells[who].stats[figure] for who in (OURS, rival[0]))
        overlap = abs(ours.median - theirs.median) <= ours.spread + theirs.spread
        ahead = sum(
            _loss(share, higher) >= EVEN
            for other in record.cells
            if other not in CEILINGS and not other.startswith(OURS)
            if (share := results.against(record, figure, OURS, other)) is not None
        )
        found.append(Row(mode, scenario, record, rival[0], ratio, overlap, ahead))
    yield from sorted(found, key=lambda row: -_loss(row.ratio, row.scenario.higher_is_better))


def _loss(ratio: float, higher: bool) -> float:
    return (1 / ratio if higher and ratio else ratio) - 1


def _section(mode: str, records: dict[str, Record]) -> str:
    rows = list(behind(mode, records))
    measured = sum(OURS in record.cells for record in records.values())
    lines = [f"## {mode.capitalize()}: {len(rows)} of {measured} rows\n"]
    if rows:
        lines += [
            "| scenario | figure | headwaiter | the best | ratio | ahead | |",
            "| --- | --- | ---: | ---: | ---: | ---: | --- |",
        ]
        lines += [_line(row) for row in rows]
        lines.append("")
        lines += [f"- **{row.scenario.name}**: {_reason(row)}" for row in rows]
        lines.append("")
    return "\n".join(lines)


def _line(row: Row) -> str:
    figure = row.scenario.figure
    ours, theirs = (table.figure(row.record.cells[who], figure.value) for who in (OURS, row.rival))
    remarks = ["within the spread"] if row.overlap else []
    if row.record.worthless:
        remarks.append("the machine was busy")
    cells = [
        row.scenario.name,
        figure.title,
        ours,
        f"{row.rival} {theirs}",
        f"{row.ratio:.2f}",
        str(row.ahead),
        ", ".join(remarks),
    ]
    return f"| {' | '.join(cells)} |"


def _reason(row: Row) -> str:
    reason = REASONS.get(row.scenario.name, "No reason is known.")
    stats = row.record.cells[row.rival].stats
    errors = stats.get("errors")
    if errors is None or not errors.median:
        return reason
    answered = table.figure(row.record.cells[row.rival], "requests")
    lost = f"{errors.median:,.0f}"
    return f"{reason} ({row.rival} had {lost} errors beside {answered} answers.)"
