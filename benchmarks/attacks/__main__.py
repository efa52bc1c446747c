"""`python -m benchmarks.attacks`: attack the server in every way of the suite, watched by a client.

Prints a table per attack and says which of the stated bounds it does not keep. Exits with 0 all the
same: a figure is a figure, and whether it is the machine's doing is for people to say.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks import machine
from benchmarks.__main__ import choose
from benchmarks.attacks import report
from benchmarks.attacks.kinds import ROWS
from benchmarks.attacks.measure import Plan, is_ours, measure, places
from benchmarks.peers import PEERS
from benchmarks.process import ROOT, raise_descriptor_limit

RESULTS = Path(__file__).parents[1] / "results"
PAGE = ROOT / "docs" / "attacks.md"
MINUTE = 60.0


def arguments() -> argparse.ArgumentParser:
    plan = Plan()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attacks", description=__doc__)
    parser.add_argument("--attacks", nargs="+", metavar="A,B", help=f"of {', '.join(ROWS)}")
    parser.add_argument("--peers", nargs="+", metavar="A,B", help=f"of {', '.join(PEERS)}")
    parser.add_argument("--calm", type=float, default=plan.calm, metavar="S")
    parser.add_argument(
        "--seconds", type=float, default=plan.attack, metavar="S", help="of most attacks"
    )
    parser.add_argument("--settle", type=float, default=plan.settle, metavar="S")
    parser.add_argument(
        "--full", action="store_true", help="a calm of ten seconds, and a minute to settle"
    )
    parser.add_argument(
        "--scale", type=float, default=plan.scale, metavar="X", help="a share of all counts"
    )
    parser.add_argument(
        "--before", type=Path, metavar="FILE", help="figures that an earlier run kept, to compare"
    )
    parser.add_argument(
        "--publish", action="store_true", help="keep the figures and write docs/attacks.md"
    )
    parser.add_argument(
        "--page-only", action="store_true", help="write docs/attacks.md from kept figures"
    )
    return parser


def main() -> None:
    options = arguments().parse_args()
    published = RESULTS / "attacks.json"
    before = report.load(options.before) if options.before else {}
    if options.page_only:
        report.write(PAGE, report.load(published), before)
        return
    rows = [ROWS[name] for name in choose(options.attacks, ROWS, ROWS)]
    peers = [PEERS[name] for name in choose(options.peers, PEERS, ["headwaiter"])]
    plan = Plan(options.calm, options.seconds, options.settle, options.scale)
    if options.full:
        plan = Plan(10.0, options.seconds, MINUTE, options.scale)
    raise_descriptor_limit()
    kept = published if options.publish else RESULTS / "last-attacks.json"
    where, circumstances = places(), machine.describe()
    del circumstances["wrk"]
    circumstances["settled for"] = f"{plan.settle:.0f} s"
    measured: dict[str, report.Record] = {}
    for row in rows:
        for peer in peers:
            if reason := peer.missing():
                print(f"skipped {peer.name}: {reason}", file=sys.stderr)
            elif is_ours(peer) or not row.ours:
                result = measure(row, peer, where, plan)
                name = report.key(row.name, peer.name)
                measured[name] = report.Record(result, circumstances)
                report.save(kept, {name: measured[name]})
                print(f"{row.title}\n{report.console(name, result)}", flush=True)
    if compared := report.comparison(before, measured):
        print(report.text(report.COMPARISON_HEAD, compared))
    if options.publish:
        report.write(PAGE, report.load(published), before)


if __name__ == "__main__":
    main()
