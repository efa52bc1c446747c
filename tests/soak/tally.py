"""What the actors count, and what they report as wrong."""

from __future__ import annotations

import threading
from collections import Counter


class Tally:
    """Counters that all actors share; safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self.unexplained: list[str] = []

    def add(self, what: str, number: int = 1) -> None:
        with self._lock:
            self._counts[what] += number

    def wrong(self, what: str) -> None:
        """Something that no actor caused by itself."""
        with self._lock:
            self.unexplained.append(what)

    def count(self, what: str) -> int:
        with self._lock:
            return self._counts[what]

    def snapshot(self) -> dict[str, int]:
        with self._lock:
            return dict(self._counts)
