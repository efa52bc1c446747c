"""Writes `docs/advice/measured.md`: every verdict, and expectations beside measurements."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import machine
from benchmarks.process import ROOT

if TYPE_CHECKING:
    from benchmarks.advice.__main__ import Result

PAGE = ROOT / "docs" / "advice" / "measured.md"

HEAD = """\
# Does the advice hold?

Written by `python -m benchmarks.advice --publish`. Each row is an application whose bottleneck is
known, under a load of clients that ask again when they have their reply. The server ran it with
four threads and gave its verdict, and said what it expects of other numbers of threads
([the model](README.md#what-another-number-of-threads-would-give)). Then the application ran with
these numbers.

*Right* means: the verdict is the one that a good operator would give, it names the place where
there is one, and following it reaches 90 % of the best throughput that was found. Cells are
requests a second: measured (expected).
"""
"""The page, up to the tables."""


def write(results: Sequence[Result], numbers: Sequence[int], path: Path = PAGE) -> None:
    right = sum(result.right for result in results)
    wrong = [r.name for r in results if not r.right and r.first.advice["sure"]]
    circumstances = machine.describe()
    del circumstances["wrk"]
    lines = [
        HEAD,
        f"{right} of {len(results)} right; wrong and sure: {', '.join(wrong) or 'none'}.",
    ]
    lines += [f"{', '.join(f'{name}: {what}' for name, what in circumstances.items())}.", ""]
    lines += ["| application | verdict | | followed | of the best |", "|---|---|---|---|---|"]
    lines += [_verdict(result) for result in results]
    heads = [f"threads={number}" for number in numbers]
    lines += ["", f"| application | {' | '.join(heads)} |", "|---|" + "---|" * len(heads)]
    lines += [_rates(result, numbers) for result in results if result.rates]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _verdict(result: Result) -> str:
    advice = result.first.advice
    kind = f"[`{advice['kind']}`]({advice['kind']}.md), {'sure' if advice['sure'] else 'not sure'}"
    reached = "" if result.reached is None else f"{100 * result.reached:.0f} %"
    followed = result.followed if result.rates else ""
    mark = "right" if result.right else "wrong"
    return f"| {result.name} | {kind} | {mark} | {followed} | {reached} |"


def _rates(result: Result, numbers: Sequence[int]) -> str:
    cells = []
    for number in numbers:
        measured = result.rates.get(f"threads={number}")
        expected = result.first.expected.get(number)
        shown = "" if measured is None else f"{measured:.0f}"
        cells.append(shown if expected is None else f"{shown} ({expected:.0f})")
    return f"| {result.name} | {' | '.join(cells)} |"
