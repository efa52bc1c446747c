"""How many cores this process may use: what ``processes=auto`` means."""

from __future__ import annotations

import os
from typing import NamedTuple

ROOT = "/sys/fs/cgroup"
OWN = "/proc/self/cgroup"


class Cores(NamedTuple):
    """The cores that the scheduler may choose from, and the quota of the control group."""

    affinity: int
    quota: float | None = None

    @property
    def processes(self) -> int:
        """The lesser of both, rounded down, at least 1."""
        return max(1, int(min(self.affinity, self.quota or self.affinity)))

    def __str__(self) -> str:
        quota = "no quota" if self.quota is None else f"a quota of {self.quota:g}"
        return f"{self.affinity} core{'' if self.affinity == 1 else 's'}, {quota}"


def usable() -> Cores:
    return Cores(_affinity(), quota(ROOT, OWN))


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def quota(root: str, own: str) -> float | None:
    """The least quota of the control groups that this process is in, in cores.

    A container may see its own group as the root; so the root counts, and every group on the way
    from there that can be seen.
    """
    found = [
        cores
        for line in _read(own).splitlines()
        for group in _groups(line.partition(":")[2])
        if (cores := _v2(f"{root}/{group}") or _v1(f"{root}/cpu/{group}")) is not None
    ]
    return min(found, default=None)


def _groups(entry: str) -> list[str]:
    """The groups on the way to that of a line such as ``0::/a/b``, without their leading slash."""
    controllers, _, path = entry.partition(":")
    if controllers and "cpu" not in controllers.split(","):
        return []
    parts = [part for part in path.split("/") if part not in ("", "..")]
    return ["/".join(parts[:length]) for length in range(len(parts) + 1)]


def _v2(group: str) -> float | None:
    allowed, _, period = _read(f"{group}/cpu.max").partition(" ")
    return int(allowed) / int(period) if allowed.isdigit() and period.isdigit() else None


def _v1(group: str) -> float | None:
    allowed, period = (_read(f"{group}/cpu.cfs_{name}_us") for name in ("quota", "period"))
    return int(allowed) / int(period) if allowed.isdigit() and period.isdigit() else None


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""
