"""``python -m tests.soak``: runs the crowd, prints the report; status 1 if anything went wrong."""

from __future__ import annotations

import argparse
import sys
import time

from .run import Soak


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the traffic lasts")
    parser.add_argument("--actors", type=int, default=24, help="clients at once")
    parser.add_argument("--seed", type=int, help="repeats the traffic of another run")
    arguments = parser.parse_args()
    seed = time.time_ns() % 1_000_000 if arguments.seed is None else arguments.seed
    print(f"seed {seed}, {arguments.actors} actors, {arguments.seconds:g} s", flush=True)
    report = Soak(
        arguments.seconds, seed, arguments.actors, lambda line: print(line, flush=True)
    ).run()
    print("\n".join(report.lines()))
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
