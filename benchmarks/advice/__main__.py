"""`python -m benchmarks.advice`: what the server says of applications of known bottleneck.

For each case it prints the verdict at four threads, the throughput with other numbers of threads
and with two processes, and whether following the advice reaches 90 % of the best found.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass

from benchmarks.advice import page
from benchmarks.advice.cases import CASES, Case
from benchmarks.advice.measure import Run, run

THREADS = 4
ENOUGH = 0.9
"""Following the advice must reach this part of the best throughput found."""


@dataclass(frozen=True)
class Result:
    name: str
    case: Case
    first: Run
    """With four threads: what the verdict is made from."""
    rates: dict[str, float]
    """Throughput by setting."""
    followed: str
    """The setting that the advice comes to."""

    @property
    def named(self) -> bool:
        """Whether the verdict says what is so."""
        advice = self.first.advice
        at = self.case.place in (advice["place"] or "")
        return advice["kind"] in self.case.kinds and at

    @property
    def reached(self) -> float | None:
        best = max(self.rates.values(), default=0.0)
        return self.rates[self.followed] / best if best else None

    @property
    def right(self) -> bool:
        return self.named and (self.reached is None or self.reached >= ENOUGH)

    def lines(self) -> list[str]:
        advice = self.first.advice
        sure = "sure" if advice["sure"] else "not sure"
        mark = "right" if self.right else "WRONG AND SURE" if advice["sure"] else "wrong"
        rates = ", ".join(map(self._rate, self.rates))
        lines = [f"{self.name}: {mark}", f"  {advice['kind']}, {sure}: {advice['text']}"]
        lines += [f"    {sentence}" for sentence in advice["evidence"]]
        if rates and self.reached is not None:
            reached = f"  followed: {self.followed}, {100 * self.reached:.0f} % of the best"
            lines += [f"  {rates}", reached]
        return lines

    def _rate(self, setting: str) -> str:
        shown = f"{setting} {self.rates[setting]:.0f}/s"
        name, _, number = setting.partition("=")
        expected = self.first.expected.get(int(number)) if name == "threads" else None
        return shown if expected is None else f"{shown} (expected {expected:.0f})"


def check(name: str, case: Case, seconds: float, numbers: list[int]) -> Result:
    first = run(case, max(seconds, case.seconds), THREADS)
    rates: dict[str, float] = {}
    followed = f"threads={THREADS}"
    is_compared = bool(case.clients) and not (case.pause or case.neighbours)
    if is_compared and not case.kinds & {"stuck", "errors"}:
        rates[followed] = first.rate
        threads, processes = first.advice["threads"], first.advice["processes"]
        for number in sorted({*numbers, threads or THREADS} - {THREADS}):
            rates[f"threads={number}"] = run(case, seconds, number).rate
        rates["processes=2"] = run(case, seconds, THREADS, processes=2).rate
        if threads:
            followed = f"threads={threads}"
        elif processes:
            followed = "processes=2"
        else:
            # What another process would give is not a question of settings then.
            del rates["processes=2"]
    return Result(name, case, first, rates, followed)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.advice", description=__doc__)
    parser.add_argument("--cases", nargs="+", metavar="NAME", help=f"of {', '.join(CASES)}")
    parser.add_argument("--seconds", type=float, default=8.0, metavar="S", help="of each run")
    parser.add_argument(
        "--threads", type=int, nargs="*", default=[2, 8, 16, 32], metavar="N", help="beside 4"
    )
    parser.add_argument("--publish", action="store_true", help="write docs/advice/measured.md")
    options = parser.parse_args()
    chosen = options.cases or list(CASES)
    unknown = [name for name in chosen if name not in CASES]
    if unknown:
        parser.error(f"no case is called {', '.join(unknown)}")
    results = []
    for name in chosen:
        results.append(check(name, CASES[name], options.seconds, options.threads))
        print("\n".join(results[-1].lines()), flush=True)
    right = sum(result.right for result in results)
    wrong = [r.name for r in results if not r.right and r.first.advice["sure"]]
    print(f"\n{right} of {len(results)} right; wrong and sure: {', '.join(wrong) or 'none'}")
    if options.publish:
        page.write(results, sorted({*options.threads, THREADS}))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
