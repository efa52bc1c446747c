"""The tables of a run: text on the console, and `docs/attacks.md`.

The page is generated whole from kept figures, so that no number on it has another origin.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from benchmarks import results
from benchmarks.attacks.kinds import ROWS
from benchmarks.attacks.measure import Result, Weight
from benchmarks.attacks.verdict import GROWTH, TIMES_CALM, WORST_US, broken
from benchmarks.attacks.watchdog import KINDS, Seen
from benchmarks.table import ABSENT, duration, size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

FORMAT = 1
LATENCY_HEAD = (
    *("attack", "probe", "calm p50", "p99", "worst", "attacked p50", "p99", "worst", "x calm"),
    *("server CPU", "after: worst", "unanswered", "late"),
)
COMPARISON_HEAD = (
    *("attack", *(f"{name}, worst" for name in KINDS)),
    *("RSS, peak", "RSS, after", "bounds not kept"),
)
WEIGHT_HEAD = ("attack", "RSS before", "peak", "after", "files before", "peak", "after", "clients")

INTRODUCTION = f"""\
# Attacks

Written by `python -m benchmarks.attacks --publish`; do not edit. `make attacks` repeats it on your
machine, `make attacks ATTACKS=tiny-chunks-60,slow-loris` some of it.

**What is measured.** Each attack meets a fresh server with four workers. A watchdog, a process of
its own, asks for four things at fixed times. Fifty times a second, on kept connections: `health`,
which is `health_path`, and `view`, a view that answers thirteen bytes. Twenty times a second, on a
new connection each time: `admin`, which is `/live` of the admin endpoint, and `visit`, a view that
opens a file. It asks first in calm, then from before the attack's first connection until half a
second after its last one is closed, then while the server settles. While one request waits, those
that fall due count as waiting with it.

**The bounds.** The worst latency under attack is at most {TIMES_CALM:.0f} times the worst in calm,
and never above {WORST_US / 1000:.0f} ms on a core of its own. Everything asked for is answered by
200. Resident memory comes back to within {100 * (GROWTH - 1):.0f} % of what it was, and descriptors
are closed. No honest request is missing in the access log. The verdict names every bound that a row
does not keep.

**How to read it.** The server has one core and the attackers another, at low priority. The watchdog
shares theirs where there are only two, and goes first. Views share the GIL with the views that an
attack asks for, which no server can prevent: `health` and `admin` show the server alone.

Two columns tell the server's doing from that of other processes on the machine. `server CPU` is the
most CPU time that the server used between a request and its answer: what the wait would have been
on a core of its own, apart from the disk. `late` is the most by which the watchdog itself woke up
too late: a latency below that says nothing about the server.
"""


@dataclass
class Record:
    """One attack on one peer, and the circumstances."""

    result: Result
    circumstances: dict[str, str]


def key(attack: str, peer: str) -> str:
    return f"{attack} {peer}"


def save(path: Path, records: dict[str, Record]) -> None:
    """Write `records`, replacing those of the same key in the file and keeping the rest."""
    kept = {**load(path), **records}
    results.write(path, FORMAT, "attacks", {name: asdict(kept[name]) for name in kept})


def load(path: Path) -> dict[str, Record]:
    """What `save` wrote; nothing if there is no such file or it has another format."""
    return {name: _record(data) for name, data in results.read(path, FORMAT, "attacks").items()}


def console(title: str, result: Result) -> str:
    """One attack as text."""
    lines = [text(LATENCY_HEAD, latencies(title, result))]
    row = weights(title, result)
    lines.append(", ".join(f"{what}: {found}" for what, found in zip(WEIGHT_HEAD[1:], row[1:])))
    lines.extend(f"not kept: {what}" for what in broken(result))
    return "\n".join(lines) + "\n"


def comparison(before: dict[str, Record], now: dict[str, Record]) -> list[list[str]]:
    """A line per attack that was measured twice: worst waits and memory, then and now."""
    return [
        [name, *_both(before[name].result, record.result)]
        for name, record in now.items()
        if name in before
    ]


def _both(before: Result, now: Result) -> Iterator[str]:
    for name in KINDS:
        yield _change(*(_worst(result, name) for result in (before, now)))
    for moment in ("peak", "settled"):
        weights = (getattr(result, moment) for result in (before, now))
        yield _change(*(size(weight.rss) if weight else ABSENT for weight in weights))
    yield _change(*(f"{len(list(broken(result)))}" for result in (before, now)))


def _worst(result: Result, name: str) -> str:
    during = result.during.get(name)
    if during is None:
        return ABSENT
    lost = f", {during.failed:,} lost" if during.failed else ""
    return f"{duration(during.worst_us)} ({duration(during.cpu_us)} CPU{lost})"


def _change(before: str, now: str) -> str:
    return ABSENT if before == now == ABSENT else f"{before} → {now}"


def write(page: Path, records: dict[str, Record], before: dict[str, Record] | None = None) -> None:
    """Write `page` from the records, in the order of the attacks."""
    shown = {
        name: record
        for attack in ROWS
        for name, record in records.items()
        if name.split()[0] == attack
    }
    if not shown:
        raise SystemExit("nothing is kept: run with --publish first")
    titles = [
        [f"`{name}`", ROWS[name.split()[0]].title, _settings(name.split()[0])] for name in shown
    ]
    verdicts = [
        [f"`{name}`", "; ".join(broken(record.result)) or "kept"] for name, record in shown.items()
    ]
    tables: list[tuple[str, tuple[str, ...], list[list[str]]]] = [
        ("The attacks", ("attack", "what it is", "settings of the server"), titles),
        ("The verdict", ("attack", "bounds that are not kept"), verdicts),
        (
            "Latencies",
            LATENCY_HEAD,
            [row for name, record in shown.items() for row in latencies(name, record.result)],
        ),
        (
            "Memory and descriptors",
            WEIGHT_HEAD,
            [weights(name, record.result) for name, record in shown.items()],
        ),
    ]
    compared = comparison(before or {}, shown)
    if compared:
        tables.insert(1, ("Before and now", COMPARISON_HEAD, compared))
    parts = [INTRODUCTION]
    parts.extend(f"## {title}\n\n{markdown(head, rows)}" for title, head, rows in tables)
    parts.append("## Circumstances\n")
    parts.extend(_circumstances(shown))
    page.write_text("\n".join(parts))


def latencies(title: str, result: Result) -> Iterator[list[str]]:
    """A line per probe."""
    for name, during in result.during.items():
        calm, after = result.calm.get(name), result.after.get(name)
        late = max(seen.late_us for seen in (calm, during) if seen)
        yield [
            title,
            name,
            *(_times(calm) if calm else [ABSENT] * 3),
            *_times(during),
            f"{during.worst_us / calm.worst_us:.1f}" if calm and calm.worst_us else ABSENT,
            duration(during.cpu_us),
            duration(after.worst_us) if after else ABSENT,
            f"{during.failed:,} of {during.asked:,}",
            duration(late),
        ]


def weights(title: str, result: Result) -> list[str]:
    moments = (result.before, result.peak, result.settled)
    done = ", ".join(f"{what} {count:,}" for what, count in result.tally.items())
    return [
        title,
        *(size(weight.rss) if weight else ABSENT for weight in moments),
        *(f"{weight.files:,}" if weight else ABSENT for weight in moments),
        done or ABSENT,
    ]


def text(head: Iterable[str], rows: Iterable[list[str]]) -> str:
    """A table for the console."""
    lines = [list(head), *rows]
    widths = [max(map(len, column)) for column in zip(*lines)]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])])
        for line in lines
    )


def markdown(head: Iterable[str], rows: Iterable[list[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _times(seen: Seen) -> list[str]:
    return [duration(value) for value in (seen.p50_us, seen.p99_us, seen.worst_us)]


def _settings(attack: str) -> str:
    row = ROWS[attack]
    flags = [f"`--{name}={value}`" for name, value in row.settings.items()]
    if row.files is not None:
        flags.append(f"`ulimit -n {row.files}`")
    if row.address_space is not None:
        flags.append(f"`ulimit -v {row.address_space // 1024}`")
    return ", ".join(flags) or "defaults"


def _circumstances(records: dict[str, Record]) -> Iterator[str]:
    """Where and when, with the attacks that were measured under exactly this."""
    groups: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for name, record in records.items():
        groups.setdefault(tuple(record.circumstances.items()), []).append(name)
    for facts, names in groups.items():
        yield f"{', '.join(names)}:\n"
        yield "\n".join(f"- {name}: {value}" for name, value in facts) + "\n"


def _record(data: dict[str, Any]) -> Record:
    found = dict(data["result"])
    for phase in ("calm", "during", "after"):
        found[phase] = {name: Seen(**seen) for name, seen in found[phase].items()}
    for moment in ("before", "peak", "settled"):
        found[moment] = Weight(**found[moment]) if found[moment] else None
    return Record(Result(**found), data["circumstances"])
