"""What a process uses, read from ``/proc``. Linux only."""

from __future__ import annotations

import os
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
AVAILABLE = Path("/proc/self/status").exists()


def _status(pid: int, key: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1])
    raise KeyError(key)


def rss(pid: int) -> int:
    """Resident memory now, in bytes."""
    return _status(pid, "VmRSS") * 1024


def peak_rss(pid: int) -> int:
    """The most resident memory since the start or the last ``reset_peak``, in bytes."""
    return _status(pid, "VmHWM") * 1024


def allocated(pid: int) -> int:
    """Private memory that was asked for, whether it was touched or not, in bytes."""
    return _status(pid, "VmData") * 1024


def reset_peak(pid: int) -> None:
    """Makes ``peak_rss`` count from the present value."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads so far; exact to a clock tick (10 ms)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def writes(pid: int) -> int:
    """System calls that write to files or send them, so far; not those that send memory."""
    for line in Path(f"/proc/{pid}/io").read_text().splitlines():
        if line.startswith("syscw:"):
            return int(line.split()[1])
    raise KeyError("syscw")


def switches(pid: int) -> int:
    """Context switches of all threads so far: a thread that sleeps undisturbed adds none."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        for line in (task / "status").read_text().splitlines():
            if "ctxt_switches" in line:
                total += int(line.split()[1])
    return total


def descriptors(pid: int) -> list[str]:
    """What each open descriptor points at."""
    found = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.append(os.readlink(entry))
        except FileNotFoundError:  # closed since the listing; the listing's own one always is
            continue
    return found


def is_pending(pid: int, number: int) -> bool:
    """Whether a signal that was sent to the process waits for one of its threads to handle it."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:  # it has ended
        return False
    masks = [int(line.split()[1], 16) for line in lines if line.startswith("ShdPnd:")]
    return any(mask >> (number - 1) & 1 for mask in masks)


def is_stopped(pid: int) -> bool:
    """Whether a signal has stopped every thread of the process."""
    stats = [task / "stat" for task in Path(f"/proc/{pid}/task").iterdir()]
    return all(stat.read_text().rpartition(")")[2].split()[0] == "T" for stat in stats)


def threads(pid: int) -> int:
    """Threads of the process, Python's and native ones."""
    return _status(pid, "Threads")


def children(pid: int) -> list[int]:
    """The processes that threads of ``pid`` have made and that were not waited for."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]
