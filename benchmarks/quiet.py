"""Whether the machine was fit to measure on: what others took of it, before, during and after.

Three things make a run worthless, and none can be seen in its figures: a hypervisor that takes the
cores away (steal), other programs that use them, and a clock that changes. The first two come from
`/proc/stat`; the third from a loop of known length, since a virtual machine hides its frequency.
How many cores there are is measured by the same loop on all of them at once: a quota or a busy
neighbour gives fewer than are configured.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

STEAL = 0.02
"""Of the machine's time: more of it taken by the hypervisor makes figures worthless."""
OTHERS = 0.05
"""Of the machine's time, used by programs that are not this run's."""
SLOWER = 0.10
"""By how much a loop may differ between the start and the end of a run."""
CORES = 0.85
"""Of the configured cores, that must be there at once."""

GLANCE_SECONDS = 1.0
LOOP = 300_000
LOOP_SECONDS = 0.5
"""A neighbour of the core comes and goes in tens of milliseconds, its clock does not."""
SPIN_SECONDS = 0.5
SPIN = """
import sys, time
end = time.monotonic() + float(sys.argv[1])
used = time.process_time()
while time.monotonic() < end: pass
print(time.process_time() - used)
"""


@dataclass(frozen=True)
class Clocks:
    """All counters at one moment, in seconds."""

    wall: float
    busy: float
    """Of all cores together, steal apart."""
    steal: float
    own: float
    """CPU time of this process and of the children that it has waited for, and of theirs."""


@dataclass(frozen=True)
class Shares:
    """What happened between two moments, as shares of the whole machine."""

    steal: float
    others: float

    def reasons(self, when: str) -> list[str]:
        """Why figures of this time are worthless, if they are."""
        found = []
        if self.steal > STEAL:
            found.append(f"{100 * self.steal:.0f} % of the machine's time was stolen {when}")
        if self.others > OTHERS:
            found.append(f"others used {100 * self.others:.0f} % of the machine {when}")
        return found


@dataclass(frozen=True)
class Check:
    """One look at a machine that should be idle."""

    shares: Shares
    loop_us: float
    """The quickest pass of a fixed loop: tells clock frequencies apart, and nothing else."""
    cores: float
    """As many as could be used at once."""
    configured: int

    def reasons(self) -> list[str]:
        found = self.shares.reasons("before the run")
        if self.cores < CORES * self.configured:
            found.append(f"{self.configured} cores are configured, {self.cores:.1f} could be used")
        return found

    def facts(self) -> dict[str, str]:
        return {
            "used by others before": f"{100 * self.shares.others:.0f} %",
            "stolen before": f"{100 * self.shares.steal:.1f} %",
            "cores that could be used": f"{self.cores:.2f} of {self.configured}",
            "loop": f"{self.loop_us:,.0f} µs",
        }


def check() -> Check:
    """Look for about two seconds."""
    before = clocks()
    time.sleep(GLANCE_SECONDS)
    shares = between(before, clocks(), os.cpu_count() or 1)
    usable = len(os.sched_getaffinity(0))
    return Check(shares, loop_us(), usable_cores(usable), usable)


def between(before: Clocks, after: Clocks, cores: int) -> Shares:
    """What was stolen and what others used meanwhile."""
    whole = max(after.wall - before.wall, 1e-9) * cores
    others = (after.busy - before.busy) - (after.own - before.own)
    return Shares((after.steal - before.steal) / whole, max(0.0, others) / whole)


def drift(before: float, after: float) -> list[str]:
    """Whether a loop that took `before` and now takes `after` says that the clock has changed."""
    change = after / before - 1
    if abs(change) <= SLOWER:
        return []
    way = "slower" if change > 0 else "faster"
    return [f"a loop was {100 * abs(change):.0f} % {way} after the run than before"]


def clocks(stat: str | None = None) -> Clocks:
    """Read them; `stat` stands for the text of `/proc/stat`."""
    line = (stat if stat is not None else Path("/proc/stat").read_text()).splitlines()[0]
    ticks = [int(word) for word in line.split()[1:]]
    # user, nice, system, idle, iowait, irq, softirq, steal; guests are within user.
    user, nice, system, _, _, irq, softirq, steal = ticks[:8]
    hertz = os.sysconf("SC_CLK_TCK")
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return Clocks(
        wall=time.monotonic(),
        busy=(user + nice + system + irq + softirq) / hertz,
        steal=steal / hertz,
        own=sum(usage.ru_utime + usage.ru_stime for usage in used),
    )


def loop_us() -> float:
    """The least time that a fixed loop takes now, in microseconds."""
    best = float("inf")
    start = time.perf_counter()
    end = start + LOOP_SECONDS
    while start < end:
        for _ in range(LOOP):
            pass
        passed = time.perf_counter()
        best, start = min(best, passed - start), passed
    return 1e6 * best


def usable_cores(count: int) -> float:
    """CPU seconds per second that `count` busy processes get together."""
    spinners = [
        subprocess.Popen(
            [sys.executable, "-S", "-c", SPIN, str(SPIN_SECONDS)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(count)
    ]
    return sum(float(one.communicate()[0]) for one in spinners) / SPIN_SECONDS
