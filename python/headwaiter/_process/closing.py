"""The last line of a server's log: how long it ran, and what became of the requests.

``server.py`` says it for one process, ``_parent/`` for several: a child tells its parent the counts
when it ends, and the parent adds them up in a :class:`Tally`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MINUTE, HOUR, DAY = 60, 3600, 86400


@dataclass
class Counts:
    """What became of requests."""

    requests: int = 0
    """All that were recorded, also those that the application never saw."""
    errors: int = 0
    """Replies with a status of 5xx."""
    cut: int = 0
    """Requests that did not end before the server did."""

    def add(self, other: Counts) -> None:
        self.requests += other.requests
        self.errors += other.errors
        self.cut += other.cut


def of_status(status: Mapping[str, Any], cut: int) -> Counts:
    """The counts of a server, from its ``stats()``."""
    totals = status["totals"]
    return Counts(sum(totals["ends"].values()), totals["requests"].get("5xx", 0), cut)


class Tally:
    """The counts of child processes that have ended."""

    def __init__(self, state: Mapping[str, int] | None = None) -> None:
        """``state`` is that of a tally of an earlier version of the program."""
        state = state or {}
        known = {name: int(state.get(name, 0)) for name in vars(Counts())}
        self.counts = Counts(**known)
        self.missing = int(state.get("missing", 0))
        """Processes that served and ended without a word: they crashed or were killed."""

    def state(self) -> dict[str, int]:
        return {**vars(self.counts), "missing": self.missing}

    def hear(self, figures: str) -> None:
        """A process tells its final figures, in the form that versions of the extension tell each
        other: what a version does not know it leaves out.

        Raises:
            ValueError: The figures are not from us.
        """
        try:
            told = json.loads(figures)["figures"]
            ends, statuses, rules = (told.get(name, {}) for name in ("ends", "statuses", "rules"))
            cut = rules.get("shutdown-timeout", 0)
            self.counts.add(Counts(sum(ends.values()), statuses.get("5xx", 0), cut))
        except (AttributeError, LookupError, TypeError) as error:
            raise ValueError(str(error)) from None


def line(seconds: float, counts: Counts, missing: int = 0) -> str:
    """Such as ``stopped after 2 h 3 min: 18,231 requests, 3 errors, 0 cut``."""
    text = (
        f"stopped after {_lasted(seconds)}: {_counted(counts.requests, 'request')},"
        f" {_counted(counts.errors, 'error')}, {counts.cut:,} cut"
    )
    if missing:
        text += f"; without the counts of {_counted(missing, 'process', 'processes')} that died"
    return text


def _lasted(seconds: float) -> str:
    """The two largest units of a duration."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for unit, name, smaller, smaller_name in (
        (DAY, "d", HOUR, "h"),
        (HOUR, "h", MINUTE, "min"),
        (MINUTE, "min", 1, "s"),
    ):
        if whole >= unit:
            return f"{whole // unit} {name} {whole % unit // smaller} {smaller_name}"
    return f"{whole} s"


def _counted(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
