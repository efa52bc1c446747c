"""What the figures depend on besides the servers: machine, kernel, interpreter, revision."""

from __future__ import annotations

import datetime as dt
import os
import platform
import subprocess
import sys
import sysconfig
from pathlib import Path

from benchmarks.measure import Cores
from benchmarks.process import ROOT

WRITTEN = ("benchmarks/results", "docs", "README.md")
"""Results and texts: no server's figures depend on them."""
DIRTY = "nothing is published from a tree that differs from its commit: {}"


def describe() -> dict[str, str]:
    """Name and value of everything worth stating, in the order of the report."""
    return {
        "date": dt.datetime.now(dt.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": f"{len(os.sched_getaffinity(0))} x {_processor()}",
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') >> 30} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": _python(),
        "wrk": _first_line(["wrk", "-v"]).partition(" Copyright")[0].removeprefix("wrk "),
        "revision": _revision(),
        "headwaiter is compiled": _build(),
        "load before the run": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }


def circumstances() -> dict[str, str]:
    """The part of them that a count of instructions depends on."""
    wanted = ("date", "processor", "kernel", "python", "revision", "headwaiter is compiled")
    return {name: fact for name, fact in describe().items() if name in wanted}


def altered(root: Path = ROOT) -> str:
    """Files that differ from the commit, a comma apart, besides those that publishing writes.

    Figures of such a tree are of no revision that anybody could look at.
    """
    status = ["git", "-C", str(root), "status", "--porcelain", "--", "."]
    beside = [f":(exclude){path}" for path in WRITTEN]
    asked = subprocess.run([*status, *beside], capture_output=True, text=True, check=False)
    if asked.returncode != 0:
        return "(git knows nothing of this directory)"
    return ", ".join(line[3:] for line in asked.stdout.splitlines())


def pinned_cores() -> Cores:
    """The server on the first core this process may use, the load on the second.

    Raises:
        ValueError: There is only one.
    """
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        raise ValueError("pinning needs two cores: one for the server, one for the load")
    return Cores(server=str(usable[0]), load=str(usable[1]))


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _build() -> str:
    """With a profile or without, as `make` has noted it in the environment."""
    stamp = Path(sys.prefix, ".release")
    noted = stamp.read_text().strip() if stamp.exists() else ""
    return noted or "otherwise than by make"


def _python() -> str:
    options = sysconfig.get_config_var("CONFIG_ARGS") or ""
    traits = ["optimised (PGO)" if "--enable-optimizations" in options else "built without PGO"]
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        gil = getattr(sys, "_is_gil_enabled", lambda: True)()
        traits.append("free-threaded, GIL on" if gil else "free-threaded, GIL off")
    return f"{platform.python_implementation()} {platform.python_version()}, {', '.join(traits)}"


def _revision() -> str:
    return _first_line(["git", "-C", str(ROOT), "describe", "--always", "--dirty"])


def _first_line(command: list[str]) -> str:
    try:
        asked = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return "not found"
    return next(iter((asked.stdout or asked.stderr).splitlines()), "unknown").strip()
