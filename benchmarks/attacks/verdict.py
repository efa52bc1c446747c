"""The bounds that the suite states, and what of a result does not keep them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.table import duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.attacks.measure import Result

TIMES_CALM = 3.0
"""The worst latency under attack, as a multiple of the worst in calm."""
WORST_US = 100_000.0
"""The worst latency under attack, on a core of its own."""
GROWTH = 1.10
"""Resident memory when the attack is over, as a multiple of what it was before."""
SPARE_FILES = 8
"""Descriptors more than before when the attack is over: the watchdog's, if they still close."""


def broken(result: Result) -> Iterator[str]:
    """Every bound that is not kept, in words; nothing if all are."""
    if result.failure is not None:
        yield result.failure
    for name, during in result.during.items():
        calm = result.calm.get(name)
        if during.failed:
            yield f"{name}: {during.failed:,} of {during.asked:,} without their answer"
        if calm and during.worst_us > TIMES_CALM * calm.worst_us:
            yield f"{name}: worst is {during.worst_us / calm.worst_us:.1f} x calm"
        if during.worst_us > WORST_US:
            yield f"{name}: worst is {duration(during.worst_us)}, {duration(during.cpu_us)} of CPU"
    for name, after in result.after.items():
        if after.failed:
            yield f"{name}: {after.failed:,} of {after.asked:,} without their answer afterwards"
    if result.before and result.settled and result.settled.rss > GROWTH * result.before.rss:
        yield f"RSS stays {100 * (result.settled.rss / result.before.rss - 1):.0f} % higher"
    if result.before and result.settled:
        kept = result.settled.files - result.before.files
        if kept > SPARE_FILES:
            yield f"{kept:,} descriptors stay open"
    if (missing := missing_lines(result)) > 0:
        yield f"{missing:,} honest lines are missing in the access log"


def missing_lines(result: Result) -> int:
    """Honest visits that were answered and have no line in the access log."""
    if result.logged is None:
        return 0
    phases = (result.calm, result.during, result.after)
    visits = [seen["visit"] for seen in phases if "visit" in seen]
    return sum(visit.asked - visit.failed for visit in visits) - result.logged
