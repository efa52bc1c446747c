"""What the suite is made of: rows, the sections that count them, and verdicts.

A row's check either returns (passed), or raises :class:`Failed` or :class:`Skipped` with one
sentence. Anything else a check raises is a bug of the suite and is let through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conformance.process import Server


class Failed(Exception):
    """The server did not do what the row demands; the text says what it did."""


class Skipped(Exception):
    """The row does not apply to this server (an optional feature it does not offer)."""


class Verdict(Enum):
    """How a row ended. The values are what tables show."""

    PASSED = "passed"
    FAILED = "failed"
    CRASHED = "crashed"  # the server process, or the worker process that held the application
    HUNG = "hung"  # the server no longer answered a plain request after the row
    SKIPPED = "skipped"


# Section names in the order tables show them, with the sentence the documentation page gives each.
SECTIONS: dict[str, str] = {
    "framing": "Bytes the standards forbid a server to serve: refused, connection closed, and a "
    "request behind them never served. Each is sent whole, cut at byte boundaries and dripped.",
    "hardening": "Bytes the standards let a server repair, but which attacks have used: refused "
    "in the same way.",
    "accepts": "Valid requests, cut and dripped in the same way: served once, as sent.",
    "environ": "What the application is told about the request (PEP 3333, RFC 3875).",
    "input": "`wsgi.input`, by every method PEP 3333 names.",
    "start_response": "`start_response`, its `write` callable and `exc_info`.",
    "replies": "Bodies of every kind and length, and the framing of replies.",
    "headers": "Reply headers that must not reach the wire as given, and those that must.",
    "errors": "Exceptions at every moment, and `close()` in every exit.",
    "file_wrapper": "`wsgi.file_wrapper`.",
    "persistence": "Keep-alive after every kind of reply, pipelining, `Expect: 100-continue`.",
    "clients": "Clients that are slow, silent, half-closed, many, greedy or gone.",
    "differential": "Heads that both h11 and the server accept: both must see the same request.",
}


@dataclass(frozen=True)
class Row:
    """One demand. ``id`` is unique and stable: it names the pytest test and the page's entry."""

    id: str
    section: str
    says: str
    source: str
    check: Callable[[Server], None]
    quick: bool = False  # part of `--quick`


@dataclass(frozen=True)
class Result:
    """What came of one row on one server."""

    row: Row
    verdict: Verdict
    detail: str = ""
    seconds: float = 0.0

    @property
    def bad(self) -> bool:
        return self.verdict in (Verdict.FAILED, Verdict.CRASHED, Verdict.HUNG)


class Registry:
    """Collects the rows of one module, either by decorator or as data."""

    def __init__(self, section: str) -> None:
        if section not in SECTIONS:
            raise ValueError(f"unknown section {section!r}")
        self.section = section
        self.rows: list[Row] = []

    def row(
        self, name: str, says: str, source: str, *, quick: bool = False
    ) -> Callable[[Callable[[Server], None]], Callable[[Server], None]]:
        """Decorates a check; the row's id is the section and ``name``."""

        def add(check: Callable[[Server], None]) -> Callable[[Server], None]:
            self.add(name, says, source, check, quick=quick)
            return check

        return add

    def add(
        self,
        name: str,
        says: str,
        source: str,
        check: Callable[[Server], None],
        *,
        quick: bool = False,
    ) -> None:
        self.rows.append(Row(f"{self.section}.{name}", self.section, says, source, check, quick))


def unique(rows: Iterable[Row]) -> list[Row]:
    """The rows as a list; two rows with one id are a bug of the suite."""
    seen: dict[str, Row] = {}
    for row in rows:
        if row.id in seen:
            raise ValueError(f"two rows are called {row.id}")
        seen[row.id] = row
    return list(seen.values())


def require(condition: object, problem: str) -> None:
    """Fails the row with ``problem`` unless ``condition`` holds."""
    if not condition:
        raise Failed(problem)
