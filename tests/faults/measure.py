"""Latencies, and how they are shown."""

from __future__ import annotations

import time
from typing import Callable


def timed(action: Callable[[], object]) -> float:
    """Seconds that ``action`` takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


class Latencies:
    """Durations of one kind; printed, so that ``pytest -s`` shows the distribution."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seconds: list[float] = []

    def measure(self, action: Callable[[], object]) -> None:
        self.seconds.append(timed(action))

    def quantile(self, share: float) -> float:
        ordered = sorted(self.seconds)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)]

    def __str__(self) -> str:
        shown = ", ".join(
            f"{label} {self.quantile(share) * 1000:.2f} ms"
            for label, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
        )
        return f"{self.name}: {len(self.seconds)} times, {shown}"
