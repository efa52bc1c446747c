"""Keeps what `latency.py` measured and writes its page from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks import results, table

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import TypeAlias

Part: TypeAlias = "Any"
"""What JSON can hold."""
FORMAT = 1

INTRODUCTION = """\
# Latency

Written by `python -m benchmarks.latency --publish`; do not edit.

**Half load.** A closed loop of 64 connections finds how much a server can do; then requests come at
half of that rate, at fixed times, whatever the server does. A latency counts from when the request
was due, so a server that falls behind cannot hide it. The rate differs from server to server: a
quick one is measured at more requests a second. `client late` is how late the client itself was in
one of a thousand requests: a p99.9 of that size says nothing of the server. `raw` is no WSGI
server, but a loop of epoll, read and write in C that answers without parsing: what it shows, here
and below, is the machine's.

**Low load.** A request of 13 bytes every ten milliseconds on one connection. A slow one took more
than a millisecond; it is explained if the client woke late, or if a thread that sleeps in short
steps on the server's core did. **After a rest**: one request a second, on the same connection.

One process each, four threads; the server on one core, the client on another.
"""


def keep(kept: Path, part: str, found: dict[str, Part]) -> None:
    """Replace one part, `half` or `low`, with its circumstances, and leave the other."""
    results.write(kept, FORMAT, "latency", {**results.read(kept, FORMAT, "latency"), part: found})


def write(page: Path, kept: Path) -> None:
    """Write the page, if anything is kept."""
    parts = [INTRODUCTION]
    for part, found in sorted(results.read(kept, FORMAT, "latency").items()):
        parts.append(tables(part, found["cells"]))
        if found["worthless"]:
            reasons = "\n".join(f"- {reason}" for reason in found["worthless"])
            parts.append(f"**Take no order from this. The machine was not fit:**\n\n{reasons}\n")
        facts = "\n".join(f"- {name}: {fact}" for name, fact in found["circumstances"].items())
        parts.append(f"Measured:\n\n{facts}\n")
    if len(parts) > 1:
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text("\n".join(parts))


def tables(part: str, cells: dict[str, Part]) -> str:
    """The figures of one part, as Markdown that can be read on a console, too."""
    if part == "low":
        head = ["server", "p50", "p99", "over 1 ms", "unexplained", "of", "after a rest", "worst"]
        rows = [[name, *_low(cell)] for name, cell in cells.items()]
        return f"## Low load, and after a rest\n\n{_aligned(head, rows)}"
    head = ["server", "at req/s", "p50", "p99", "p99.9", "client late", "errors"]
    return "\n".join(
        f"## Half load: {app}\n\n{_aligned(head, [[n, *_half(c)] for n, c in of.items()])}"
        for app, of in cells.items()
    )


def _half(cell: Part) -> list[str]:
    if isinstance(cell, str):
        return [cell, *[table.ABSENT] * 5]
    names = ("p50_us", "p99_us", "p999_us", "late_p999_us")
    return [f"{cell['rate']:,.0f}", *(_time(cell[name]) for name in names), str(cell["errors"])]


def _low(cell: Part) -> list[str]:
    if isinstance(cell, str):
        return [cell, *[table.ABSENT] * 6]
    return [
        *(_time(cell["p50_us"]), _time(cell["p99_us"])),
        *(str(cell[name]) for name in ("slow", "unexplained", "requests")),
        *(_time(cell["first_p50_us"]), _time(cell["first_max_us"])),
    ]


def _time(microseconds: float) -> str:
    return table.duration(microseconds) if microseconds >= 0 else "never"


def _aligned(head: list[str], rows: list[list[str]]) -> str:
    widths = [max(len(line[column]) for line in [head, *rows]) for column in range(len(head))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [
        " | ".join([line[0].ljust(widths[0]), *(w.rjust(n) for w, n in zip(line[1:], widths[1:]))])
        for line in [head, rule, *rows]
    ]
    return "\n".join(f"| {line} |" for line in lines) + "\n"
