"""The cases: an application, its load, and what a good operator would say of it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Case:
    """An application of `apps.py`, its load, and the ``kinds`` of verdict that are right."""

    app: str
    kinds: frozenset[str]
    place: str = ""
    """A part of the place that the verdict must name."""
    clients: dict[str, int] = field(default_factory=lambda: {"/": 16})
    """How many clients ask for each path, one request after the other."""
    counted: str = "/"
    """The path whose replies are the throughput."""
    seconds: float = 0.0
    """How long the verdict takes at least."""
    pause: float = 0.0
    """The load ends so many seconds before the verdict is asked for."""
    service: int = 0
    """How many at a time the service serves that the application asks; 0 if it asks none."""
    neighbours: int = 0
    """Processes that compute beside the server."""


def kinds(*names: str) -> frozenset[str]:
    return frozenset(names)


CASES = {
    "lock": Case("lock", kinds("lock"), place="lock"),
    "lock in an object": Case("ledger", kinds("lock"), place="Ledger.write"),
    "semaphore of two": Case("semaphore", kinds("pool"), place="semaphore"),
    "pool of two": Case("pool", kinds("pool"), place="connection"),
    "sleeping view": Case("sleeping", kinds("threads")),
    "computing view": Case("spinning", kinds("gil")),
    "computing without the GIL": Case("hashing", kinds("cpu")),
    "C code that keeps the GIL": Case("holding", kinds("gil")),
    "service that serves three": Case("service", kinds("service", "threads"), service=3),
    "service that serves all": Case("service", kinds("threads"), service=256),
    "SQLite's writer lock": Case("sqlite", kinds("sqlite"), place="sqlite"),
    "thread that computes beside": Case("background", kinds("background", "gil")),
    "one route that starves": Case(
        "starving", kinds("route"), clients={"/report": 4, "/": 8}, seconds=12.0
    ),
    "errors": Case("failing", kinds("errors"), clients={"/": 2}),
    "stuck workers": Case(
        "stuck", kinds("stuck"), clients={"/hang": 4, "/": 5}, seconds=15.0, place="stuck"
    ),
    "one stuck worker": Case(
        "stuck", kinds("stuck"), clients={"/hang": 1, "/": 1}, seconds=15.0, place="stuck"
    ),
    "burst that is over": Case(
        "sleeping", kinds("ok", "idle", "burst"), clients={"/": 40}, seconds=1.0, pause=14.0
    ),
    "neighbours that compute": Case("spinning", kinds("starved", "cpu"), neighbours=8),
    "no load": Case("sleeping", kinds("idle"), clients={}),
}
