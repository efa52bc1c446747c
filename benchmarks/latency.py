"""`python -m benchmarks.latency`: what operators feel, at half load, at almost none, after a rest.

- *half load*: a closed loop finds how much a server can do, then requests come at half that rate at
  fixed times, whatever the server does (an open loop, like wrk2). Each counts from when it was due.
- *low load*: a request every ten milliseconds. How many took over a millisecond, and how many of
  them the machine does not explain: the client's own wake-up was timely, and so was that of a
  thread that sleeps in short steps on the server's core.
- *after a rest*: a request a second, each the first after idleness.

`raw` is no WSGI server but a loop in C that answers without parsing: what it shows is the
machine's.

Server and client have a core each; `--publish` keeps the figures and writes the page.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import latency_page, load, machine, measure, quiet
from benchmarks.clients import schedule
from benchmarks.load import LoadError
from benchmarks.peers import PEERS, Peer
from benchmarks.process import ROOT, Server, ServerError, have
from benchmarks.scenarios import SCENARIOS

if TYPE_CHECKING:
    from benchmarks.measure import Cores

KEPT = Path(__file__).parent / "results" / "latency.json"
PAGE = ROOT / "docs" / "benchmarks" / "latency.md"
USUAL = ("headwaiter", "granian4", "peregrine4", "gunicorn", "waitress", "raw")
APPS = {"hello": "hello-c64", "flask": "flask", "django": "django"}
"""The scenarios whose applications are served."""

HALF = 0.5
CONNECTIONS = 64
CAPACITY_SECONDS = 1
REST_SECONDS = 1.0
"""Between full and half load: queues empty, and the kernel forgets how much was used."""
SECONDS = 3.0
ROUNDS = 1
JITTER_RATE = 100.0
IDLE_RATE = 1.0
IDLE_REQUESTS = 5
SLOW = 1_000_000
"""Nanoseconds: at low load no request should take longer."""


@dataclass(frozen=True)
class Half:
    """One peer with one application at half of what it can do; latencies in microseconds."""

    capacity: float
    rate: float
    p50_us: float
    p99_us: float
    p999_us: float
    late_p999_us: float
    """How late the client was: nothing below it can be told."""
    errors: int


@dataclass(frozen=True)
class Low:
    """One peer at almost no load, and after a rest."""

    p50_us: float
    p99_us: float
    slow: int
    unexplained: int
    requests: int
    first_p50_us: float
    first_max_us: float
    late_max_us: float


def half(peer: Peer, app: str, seconds: float, at_most: float, cores: Cores) -> Half:
    """Find the capacity, then measure at half of it, or at `at_most` requests a second.

    Raises:
        ServerError: It did not start or answers wrongly.
        LoadError: The load could not be made.
    """
    scenario = replace(SCENARIOS[APPS[app]], connections=CONNECTIONS)
    with measure.started(scenario, peer, cores) as server:
        most = load.wrk(scenario, server.port, CAPACITY_SECONDS, cores.load)
        if not most.requests:
            raise LoadError("no request was answered")
        capacity = most.requests / most.seconds
        rate = min(HALF * capacity, at_most)
        time.sleep(REST_SECONDS)
        seen = schedule.run(server.port, rate, seconds, CONNECTIONS, cores)
    return Half(
        capacity=capacity,
        rate=rate,
        p50_us=finite(seen.latency_us(0.5)),
        p99_us=finite(seen.latency_us(0.99)),
        p999_us=finite(seen.latency_us(0.999)),
        late_p999_us=seen.late_us(0.999),
        errors=seen.errors(),
    )


def low(peer: Peer, seconds: float, cores: Cores) -> Low:
    """Jitter at low load and the first request after a rest, of the smallest application.

    Raises:
        ServerError: It did not start or answers wrongly.
        LoadError: The load could not be made.
    """
    scenario = SCENARIOS["hello-c1"]
    with measure.started(scenario, peer, cores) as server:
        seen = schedule.run(server.port, JITTER_RATE, seconds, 1, cores, watch=True)
        first = _after_rest(server, cores)
    return Low(
        finite(seen.latency_us(0.5)),
        finite(seen.latency_us(0.99)),
        len(seen.slow(SLOW)),
        len(seen.unexplained(SLOW)),
        len(seen.requests),
        finite(first.latency_us(0.5)),
        finite(first.latency_us(1.0)),
        first.late_us(1.0),
    )


def _after_rest(server: Server, cores: Cores) -> schedule.Run:
    """A request a second; the one that follows the connection does not count."""
    seen = schedule.run(server.port, IDLE_RATE, (IDLE_REQUESTS + 1) / IDLE_RATE, 1, cores)
    return schedule.Run(seen.requests[1:], seen.notices)


def finite(number: float) -> float:
    """JSON knows no infinity; -1 stands for an answer that never came."""
    return number if number != float("inf") else -1.0


def middle(rounds: list[Half]) -> Half:
    """The median of each figure; errors add up."""
    names = [name for name in asdict(rounds[0]) if name != "errors"]
    medians = {name: statistics.median(getattr(r, name) for r in rounds) for name in names}
    return Half(**medians, errors=sum(r.errors for r in rounds))


def together(rounds: list[Low]) -> Low:
    """The median of each latency, the worst of the worst; requests add up."""

    def each(name: str) -> list[float]:
        return [getattr(one, name) for one in rounds]

    return Low(
        statistics.median(each("p50_us")),
        statistics.median(each("p99_us")),
        sum(one.slow for one in rounds),
        sum(one.unexplained for one in rounds),
        sum(one.requests for one in rounds),
        statistics.median(each("first_p50_us")),
        # An answer that never came is -1, and the worst.
        -1.0 if -1.0 in each("first_max_us") else max(each("first_max_us")),
        max(each("late_max_us")),
    )


def main() -> None:
    options = arguments().parse_args()
    for program in ("wrk", "cc", "taskset"):
        if not have(program):
            raise SystemExit(f"{program} is not installed")
    names = options.peers.split(",")
    apps = options.apps.split(",")
    for name in (*names, *apps):
        if name not in PEERS and name not in APPS:
            raise SystemExit(f"unknown: {name}; known: {', '.join((*PEERS, *APPS))}")
    if not set(options.parts.split(",")) <= {"half", "low"}:
        raise SystemExit(f"unknown: {options.parts}; known: half, low")
    if options.publish and (altered := machine.altered()):
        raise SystemExit(machine.DIRTY.format(altered))
    circumstances = machine.describe() | {"scheduling": scheduling()}
    if options.at_most != float("inf"):
        circumstances["rate"] = f"half of the capacity, {options.at_most:,.0f} a second at most"
    checked = quiet.check()
    circumstances |= checked.facts()
    if options.publish and checked.reasons() and not options.noisy:
        busy = "; ".join(checked.reasons())
        raise SystemExit(f"nothing is published from a busy machine ({busy}); --noisy marks it")
    present = []
    for peer in (PEERS[name] for name in names):
        if reason := peer.missing():
            print(f"skipped {peer.name}: {reason}", file=sys.stderr)
        else:
            present.append(peer)
    circumstances["servers"] = ", ".join(f"{peer.name} {peer.version()}" for peer in present)
    for part in options.parts.split(","):
        before = quiet.clocks()
        cells = halves(present, apps, options) if part == "half" else lows(present, options)
        shares = quiet.between(before, quiet.clocks(), os.cpu_count() or 1)
        drifted = quiet.drift(checked.loop_us, quiet.loop_us())
        found = {
            "cells": cells,
            "worthless": [*checked.reasons(), *shares.reasons("during the run"), *drifted],
            "circumstances": circumstances,
        }
        print(latency_page.tables(part, cells), flush=True)
        for reason in found["worthless"]:
            print(f"worthless: {reason}", file=sys.stderr)
        if options.publish:
            latency_page.keep(KEPT, part, found)
    if options.publish:
        latency_page.write(PAGE, KEPT)


def scheduling() -> str:
    """How the kernel treats this process and so the servers and clients that it starts."""
    if os.sched_getscheduler(0) == os.SCHED_FIFO:
        return "SCHED_FIFO for server and client alike: before whatever else ran"
    return f"nice {os.getpriority(os.PRIO_PROCESS, 0)}"


def halves(
    peers: list[Peer], apps: list[str], options: argparse.Namespace
) -> dict[str, latency_page.Part]:
    """Round by round, peer after peer, so that whatever else happens meets all alike."""
    cores = machine.pinned_cores()
    found: dict[str, latency_page.Part] = {}
    for app in apps:
        rounds: dict[str, list[Half]] = {peer.name: [] for peer in peers}
        failures: dict[str, str] = {}
        for _ in range(options.rounds):
            for peer in peers:
                if not peer.serves(APPS[app]):
                    continue
                print(f"half load, {app}: {peer.name}", file=sys.stderr, flush=True)
                try:
                    rounds[peer.name].append(
                        half(peer, app, options.seconds, options.at_most, cores)
                    )
                except (ServerError, LoadError) as error:
                    failures[peer.name] = str(error)
        found[app] = {
            name: asdict(middle(seen)) if seen else failures[name]
            for name, seen in rounds.items()
            if seen or name in failures
        }
    return found


def lows(peers: list[Peer], options: argparse.Namespace) -> dict[str, latency_page.Part]:
    """The smallest application at almost no load, round by round, too."""
    cores = machine.pinned_cores()
    rounds: dict[str, list[Low]] = {peer.name: [] for peer in peers}
    failures: dict[str, str] = {}
    for _ in range(options.rounds):
        for peer in peers:
            print(f"low load: {peer.name}", file=sys.stderr, flush=True)
            try:
                rounds[peer.name].append(low(peer, options.seconds, cores))
            except (ServerError, LoadError) as error:
                failures[peer.name] = str(error)
    return {
        name: asdict(together(seen)) if seen else failures[name] for name, seen in rounds.items()
    }


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.latency", description="Latency in an open loop."
    )
    parser.add_argument("--peers", default=",".join(USUAL), metavar="A,B")
    parser.add_argument("--apps", default=",".join(APPS), metavar="A,B")
    parser.add_argument("--parts", default="half,low", metavar="A,B", help="half load, low load")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each load (3)")
    parser.add_argument(
        "--at-most", type=float, default=float("inf"), metavar="RATE", help="requests a second"
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of each load (1)")
    parser.add_argument(
        "--publish", action="store_true", help=f"keep the figures and write {PAGE.name}"
    )
    parser.add_argument("--noisy", action="store_true", help="publish from a busy machine, marked")
    return parser


if __name__ == "__main__":
    main()
