"""`python -m benchmarks.advice.ranges`: what ``threads=4-64`` does of itself.

Before a lock it must stay at four and say why; where requests sleep it must come to 90 % of what
64 threads give; beside long requests it must not take threads away while others wait.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection

from benchmarks.advice.cases import Case, kinds
from benchmarks.advice.measure import HOST, Load, ask, run, server

RANGE = "4-64"
SECONDS = 20.0
ENOUGH = 0.9
LONG_REQUESTS = 8
BETWEEN = 2.0
"""Seconds between two of the long requests."""
PATIENCE = 1.0
"""No page may take longer, in seconds."""


@dataclass
class Seen:
    """What the server did under load."""

    rate: float = 0.0
    """Replies a second in the last quarter."""
    threads: list[int] = field(default_factory=list)
    """How many it had, looked at four times a second."""
    shrunk: int = 0
    """How many times there were fewer than at the look before, though requests waited."""
    said: list[str] = field(default_factory=list)
    """What it logged of its threads."""


def watch(case: Case, seconds: float) -> Seen:
    seen = Seen()
    with tempfile.NamedTemporaryFile("r", suffix=".log") as log:
        with server(case.app, {}, RANGE, log=log.name) as (port, admin):
            load = Load(case, port)
            last = look(seen, load, admin, 0.75 * seconds)
            seen.rate = (look(seen, load, admin, 0.25 * seconds) - last) / (0.25 * seconds)
            load.stop()
        lines = log.read().splitlines()
    seen.said = [line for line in lines if "threads: " in line]
    return seen


def look(seen: Seen, load: Load, admin: int, seconds: float) -> int:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        status = ask(admin)
        threads = len(status["workers"])
        waits = bool(seen.threads) and status["now"]["queue_depth"] > 0
        seen.shrunk += waits and threads < seen.threads[-1]
        seen.threads.append(threads)
        time.sleep(0.25)
    return load.counted


def lock() -> bool:
    seen = watch(Case("lock", kinds()), SECONDS)
    print(f"lock: at most {max(seen.threads)} threads, {seen.rate:.0f} requests a second")
    print(*(f"  {line}" for line in seen.said), sep="\n")
    return max(seen.threads) == 4 and bool(seen.said)


def sleeping() -> bool:
    case = Case("sleeping", kinds(), clients={"/": 64})
    best = run(case, SECONDS / 4, 64).rate
    seen = watch(case, SECONDS)
    share = seen.rate / best
    print(
        f"sleeping: {seen.rate:.0f} requests a second, {100 * share:.0f} % of the {best:.0f} of 64 "
        "threads"
    )
    print(*(f"  {line}" for line in seen.said), sep="\n")
    return share >= ENOUGH


def patient() -> bool:
    worst: list[float] = []
    over = threading.Event()

    def visit(port: int) -> None:
        connection = HTTPConnection(HOST, port)
        while not over.is_set():
            begun = time.monotonic()
            connection.request("GET", "/")
            connection.getresponse().read()
            worst.append(time.monotonic() - begun)

    def wait_long(port: int) -> None:
        connection = HTTPConnection(HOST, port)
        connection.request("GET", "/long")
        connection.getresponse().read()

    seen = Seen()
    with tempfile.NamedTemporaryFile("r", suffix=".log") as log:
        with server("patient", {}, RANGE, log=log.name) as (port, admin):
            load = Load(Case("patient", kinds(), clients={}), port)
            visitors = [threading.Thread(target=visit, args=(port,)) for _ in range(6)]
            for visitor in visitors:
                visitor.start()
            look(seen, load, admin, 3.0)
            longs = [threading.Thread(target=wait_long, args=(port,)) for _ in range(LONG_REQUESTS)]
            for long in longs:
                long.start()
                look(seen, load, admin, BETWEEN)
            while any(long.is_alive() for long in longs):
                look(seen, load, admin, 0.5)
            over.set()
            for visitor in visitors:
                visitor.join()
        lines = [line for line in log.read().splitlines() if "threads: " in line]
    print(
        f"long requests: {len(worst)} pages, the slowest took {max(worst):.2f} s; threads "
        f"{seen.threads[0]} to {max(seen.threads)}, taken away while requests waited: {seen.shrunk}"
    )
    print(*(f"  {line}" for line in lines), sep="\n")
    return max(worst) < PATIENCE and not seen.shrunk


if __name__ == "__main__":
    results = [lock(), sleeping(), patient()]
    sys.exit(0 if all(results) else 1)
