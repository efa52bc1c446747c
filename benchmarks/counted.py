"""Keeps the instruction counts of `instructions.py` and writes their page from what is kept.

Each peer is kept by itself, with the circumstances under which it was counted: counts of one
machine, compiler and interpreter may be compared although they were made on different days.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Union

from benchmarks import results
from benchmarks.peers import PEERS
from benchmarks.scenarios import SCENARIOS

if TYPE_CHECKING:
    from pathlib import Path

    Found = Union[dict[str, float], str]
    """Instructions by shared object, or why there are none."""

FORMAT = 1
OWN = re.compile(
    r"_(headwaiter|bjoern|fastwsgi|fastpysgi|freastal|granian|native|parser\w*|protocol)\.cpython-"
    r"|libev\.|libBlocksRuntime|libdispatch|libKGEN|libAsyncRT|libMSupport|(uwsgi|m0serve|raw)$"
)
"""Names of what the servers bring along, and of the libraries that are there for them alone."""

INTERPRETER = re.compile(r"(lib)?python\d|.*\.cpython-\w+-[\w-]+\.so$")
LIBC = re.compile(r"(libc|libm|libpthread|libdl|librt|ld-linux[-\w]*)(\.|-\d)")

INTRODUCTION = """\
# Instructions per request

Written by `python -m benchmarks.instructions --peers all --publish`; do not edit.

How many instructions a server executes in user space for one request, counted by valgrind
(callgrind) while it serves one exchange after the other on one connection. Nothing else that the
machine does can touch these figures: two runs of one build differ by less than half a percent. What
the kernel executes, and what waiting costs, is not in them; [benchmarks.md](../benchmarks.md) has
CPU time. `own` is the server's native code with its private libraries; a server in Python
has most of its part under `Python`, together with the application's. Of uWSGI, `Python` differs
from run to run by half of it; of the others by a percent or two.
"""


def keep(
    kept: Path, peer: str, version: str, found: dict[str, Found], circumstances: dict[str, str]
) -> None:
    """Replace this peer's counts of these exchanges, leaving all others."""
    peers = results.read(kept, FORMAT, "peers")
    before = peers.get(peer, {}).get("exchanges", {})
    peers[peer] = {
        "version": version,
        "circumstances": circumstances,
        "exchanges": {**before, **found},
    }
    results.write(kept, FORMAT, "peers", peers)


def shares(found: dict[str, float]) -> dict[str, float]:
    """The counts of `found` by whose they are: the server's own, Python's, the C library's."""
    totals = {"own": 0.0, "Python": 0.0, "libc": 0.0, "other": 0.0}
    for owner, number in found.items():
        totals[_kind(owner)] += number
    return totals


def write(page: Path, kept: Path) -> None:
    """Write the page, if anything is kept."""
    peers = results.read(kept, FORMAT, "peers")
    if not peers:
        return
    names = [name for name in PEERS if name in peers]
    exchanges = [n for n in SCENARIOS if any(n in peers[name]["exchanges"] for name in names)]
    parts = [INTRODUCTION]
    for exchange in exchanges:
        parts.append(
            f"## {exchange}: {SCENARIOS[exchange].title.replace(', one connection', '')}\n"
        )
        parts.append(_table({name: peers[name] for name in names}, exchange))
    parts.append("## Circumstances\n")
    rows = {name: "; ".join(_facts(peers[name])) for name in names}
    parts.append("\n".join(f"- {name}: {facts}" for name, facts in rows.items()) + "\n")
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("\n".join(parts))


def _table(peers: dict[str, Any], exchange: str) -> str:
    rows, missing = [], []
    for name, peer in peers.items():
        found = peer["exchanges"].get(exchange)
        if isinstance(found, str):
            missing.append(f"\nNot counted: {name} ({found}).")
        elif found is not None:
            rows.append((sum(found.values()), name, shares(found)))
    lines = ["| server | all | own | Python | libc | other |", "|---|---:|---:|---:|---:|---:|"]
    for total, name, parts in sorted(rows):
        numbers = " | ".join(f"{number:,.0f}" for number in (total, *parts.values()))
        lines.append(f"| {name} | {numbers} |")
    return "\n".join([*lines, *missing]) + "\n"


def _facts(peer: dict[str, Any]) -> list[str]:
    return [peer["version"], *(f"{name} {fact}" for name, fact in peer["circumstances"].items())]


def _kind(owner: str) -> str:
    if OWN.match(owner):
        return "own"
    if INTERPRETER.match(owner):
        return "Python"
    return "libc" if LIBC.match(owner) else "other"
