"""`python -m benchmarks`: measure the chosen peers in the chosen scenarios, side by side.

Runs are interleaved, scenario by scenario, round by round, peer after peer, so that whatever else
the machine does meets all peers alike. Every run starts a fresh server.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import inprocess, machine, measure, probes, quiet, readme, report, results, table
from benchmarks.load import LoadError
from benchmarks.measure import Cores, Sample
from benchmarks.peers import PEERS, Peer
from benchmarks.process import ROOT, ServerError, have, raise_descriptor_limit
from benchmarks.results import Cell, Record
from benchmarks.scenarios import QUICK, SCENARIOS, Load, Scenario

if TYPE_CHECKING:
    from collections.abc import Iterable

RESULTS = Path(__file__).parent / "results"
PUBLISHED = (5, 3)
"""Rounds and seconds of figures that others will see, at the least."""
PAGE = ROOT / "docs" / "benchmarks.md"
README = ROOT / "README.md"


class Progress:
    """One line on standard error: what runs, how far, how long still."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._start = time.monotonic()

    def step(self, what: str) -> None:
        elapsed = time.monotonic() - self._start
        left = elapsed / self._done * (self._total - self._done) if self._done else 0.0
        self._done += 1
        line = f"[{self._done}/{self._total}, {left / 60:.0f} min left] {what}"
        end = "\r" if sys.stderr.isatty() else "\n"
        print(f"{line:<79}", end=end, file=sys.stderr, flush=True)


def measure_scenario(
    scenario: Scenario,
    peers: list[Peer],
    cores: Cores,
    options: argparse.Namespace,
    progress: Progress,
) -> dict[str, Cell]:
    """All rounds of one scenario: a cell for each peer, and for the in-process loop."""
    wrong = {peer.name: probes.wrong(peer, scenario.probes) for peer in peers}
    samples: dict[str, list[Sample]] = {peer.name: [] for peer in peers}
    failures: dict[str, str] = {}
    for number in range(1, options.rounds + 1):
        for peer in peers:
            progress.step(f"{scenario.name}, round {number}: {peer.name}")
            try:
                samples[peer.name].append(measure.measure(scenario, peer, options.seconds, cores))
            except (ServerError, LoadError) as error:
                failures[peer.name] = str(error)
    cells = {
        name: results.disqualify(results.summarise(runs, failures.get(name)), wrong[name])
        for name, runs in samples.items()
    }
    if options.syscalls and scenario.load is Load.WRK:
        for peer in peers:
            if cells[peer.name].failure is None:
                progress.step(f"{scenario.name}, system calls: {peer.name}")
                try:
                    counted = measure.count_syscalls(scenario, peer, cores)
                except (ServerError, LoadError) as error:
                    print(f"system calls of {peer.name}: {error}", file=sys.stderr)
                else:
                    cells[peer.name].stats["syscalls"] = results.stat([counted])
    if scenario.name in inprocess.CALLS:
        cells[inprocess.NAME] = inprocess.measure(scenario.name, options.rounds, cores.server)
    return cells


def choose(wanted: list[str] | None, known: Iterable[str], default: Iterable[str]) -> list[str]:
    """The names wanted, apart by commas or spaces, in the known order.

    Raises:
        SystemExit: A name is not known; the message lists those that are.
    """
    names = ",".join(wanted).replace(",", " ").split() if wanted else list(default)
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise SystemExit(f"unknown: {', '.join(unknown)}; known: {', '.join(known)}")
    return [name for name in known if name in names]


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--peers", nargs="+", metavar="A,B", help=f"of {', '.join(PEERS)}")
    parser.add_argument("--scenarios", nargs="+", metavar="A,B", help=f"of {', '.join(SCENARIOS)}")
    parser.add_argument("--rounds", type=int, metavar="N", help="runs per cell (3; to publish 5)")
    parser.add_argument(
        "--seconds", type=int, metavar="N", help="length of a run (2; to publish 3)"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--pinned", action="store_true", help="server on one core, load on another (the default)"
    )
    where.add_argument("--free", action="store_true", help="let the kernel place both")
    parser.add_argument("--quick", action="store_true", help="a sanity table within 3 minutes")
    parser.add_argument(
        "--publish", action="store_true", help="keep the figures, write docs/benchmarks.md"
    )
    parser.add_argument(
        "--noisy", action="store_true", help="publish from a busy machine, marked as worthless"
    )
    parser.add_argument(
        "--page-only",
        action="store_true",
        help="write it, and the README's lines, from kept figures",
    )
    return parser


def default_rounds(options: argparse.Namespace) -> None:
    """How long to measure, where nothing was said.

    Raises:
        SystemExit: It is too short for figures that others will see.
    """
    usual = PUBLISHED if options.publish else (1, 1) if options.quick else (3, 2)
    options.rounds = options.rounds or usual[0]
    options.seconds = options.seconds or usual[1]
    least = "{} rounds of {} s".format(*PUBLISHED)
    if options.publish and (options.rounds < PUBLISHED[0] or options.seconds < PUBLISHED[1]):
        raise SystemExit(f"published figures are of at least {least}")


def fit(options: argparse.Namespace) -> quiet.Check:
    """Look at tree and machine before a run.

    Raises:
        SystemExit: Figures of these are not to be published.
    """
    if options.publish and (altered := machine.altered()):
        raise SystemExit(machine.DIRTY.format(altered))
    checked = quiet.check()
    for reason in checked.reasons():
        print(f"worthless: {reason}", file=sys.stderr)
    if options.publish and checked.reasons() and not options.noisy:
        raise SystemExit("nothing is published from a busy machine; --noisy marks it instead")
    return checked


def worthless(checked: quiet.Check, before: quiet.Clocks) -> list[str]:
    """Why what was measured since `before` says nothing; nothing if it does."""
    shares = quiet.between(before, quiet.clocks(), os.cpu_count() or 1)
    drifted = quiet.drift(checked.loop_us, quiet.loop_us())
    return [*checked.reasons(), *shares.reasons("during the run"), *drifted]


def main() -> None:
    options = arguments().parse_args()
    if options.page_only:
        write_pages()
        return
    if not have("wrk"):
        raise SystemExit("wrk is not installed (Debian: apt-get install wrk)")
    default_rounds(options)
    options.syscalls = not options.quick and measure.can_count_syscalls()
    raise_descriptor_limit()

    defaults = [name for name, peer in PEERS.items() if peer.default]
    chosen = [PEERS[name] for name in choose(options.peers, PEERS, defaults)]
    absent = {peer.name: reason for peer in chosen if (reason := peer.missing())}
    for name, reason in absent.items():
        print(f"skipped {name}: {reason}", file=sys.stderr)
    present = [peer for peer in chosen if peer.name not in absent]
    scenarios = [
        SCENARIOS[name]
        for name in choose(options.scenarios, SCENARIOS, QUICK if options.quick else SCENARIOS)
    ]
    work = {s.name: [peer for peer in present if peer.serves(s.name)] for s in scenarios}
    runs = sum(
        len(work[s.name]) * (options.rounds + (options.syscalls and s.load is Load.WRK))
        for s in scenarios
    )
    progress = Progress(runs)
    mode = "free" if options.free else "pinned"
    kept = RESULTS / (f"{mode}.json" if options.publish else f"last-{mode}.json")
    cores = Cores(None, None) if options.free else machine.pinned_cores()
    # Once, since writing the results alters the working tree.
    circumstances = machine.describe()
    checked = fit(options)
    circumstances |= checked.facts()
    for scenario in scenarios:
        peers = work[scenario.name]
        before = quiet.clocks()
        cells = measure_scenario(scenario, peers, cores, options, progress)
        record = Record(
            cells=cells,
            circumstances=circumstances,
            versions={peer.name: peer.version() for peer in peers},
            absent={name: why for name, why in absent.items() if PEERS[name].serves(scenario.name)},
            rounds=options.rounds,
            seconds=options.seconds,
            answers=probes.answers(peers) if scenario.probes else {},
            worthless=worthless(checked, before),
        )
        results.save(kept, {scenario.name: record})
        print(table.console(scenario, record), flush=True)
        for reason in record.worthless:
            print(f"worthless: {reason}", flush=True)
    if options.publish:
        write_pages()


def write_pages() -> None:
    """Write what is made of the kept figures."""
    report.write(PAGE, RESULTS)
    readme.write(README, RESULTS)


if __name__ == "__main__":
    main()
