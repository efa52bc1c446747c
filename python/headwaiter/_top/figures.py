"""What happened between two statuses: the arithmetic behind ``headwaiter top``.

The dashboard (``dashboard.html``) computes the same figures and uses the same words. Rates and
means cover the time between the two statuses; queue and workers are those of the second.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from headwaiter._top.status import Status

CLASSES = ("2xx", "3xx", "4xx", "5xx")
PHASES = ("queue", "gil", "computing", "core", "asleep", "flush")
STATES = {"computing": "computing", "core": "core", "gil": "gil", "waiting": "asleep"}
"""What the wait profile calls the states of a busy worker, and how they are called here."""
# A request that uses the CPU for a smaller share of its time counts as asleep.
ASLEEP = 0.02


@dataclass(frozen=True)
class Worker:
    """``state``: idle, computing, asleep, sending, running, or what it waits for (gil, core)."""

    number: int
    state: str
    method: str = ""
    path: str = ""
    client: str = ""
    age: float = 0.0
    cpu: float | None = None  # None: the system does not tell the CPU time of threads
    process: int | None = None  # its slot, if there are several processes

    @property
    def name(self) -> str:
        return str(self.number) if self.process is None else f"{self.process}.{self.number}"


@dataclass(frozen=True)
class Process:
    """One of several; ``None`` is what it has not told yet."""

    slot: int
    pid: int
    state: str
    age: float
    answered: bool  # False: the figures are older
    workers: int | None
    busy: int | None
    waiting: int | None
    connections: int | None
    rss: int | None
    rate: float | None  # requests per second


@dataclass(frozen=True)
class Figures:
    """Seconds, and counts per second."""

    outcomes: Mapping[str, float]  # CLASSES, and "no reply"
    phases: Mapping[str, float] | None  # None: no request has finished
    cores: float | None
    gil_share: float | None  # None: there is no GIL, or no second has passed
    gil_bound: bool
    held_back: bool  # idle workers take no request, since they would only wait for the GIL
    workers: tuple[Worker, ...]
    processes: tuple[Process, ...]  # empty if there is one
    status: Status


def figures(before: Status | None, after: Status) -> Figures:
    """``before`` is ``None`` at first, or when it came from another process."""
    if before is None or is_other_process(before, after):
        before = {**after, "workers": []}
    seconds = after["server"]["uptime"] - before["server"]["uptime"]
    gil_share = after["process"].get("gil_held_share") if after["server"]["gil"] else None
    # C code that released the GIL uses the CPU, too. Only the probe shows who waits for the GIL.
    now = after["now"]
    probe = now.get("gil_probe") or 0.0
    gil_bound = after["advice"]["kind"] == "gil" or ((gil_share or 0.0) > 0.85 and probe > 0.002)
    was, used = before["process"]["cpu"], after["process"]["cpu"]
    cores = None if was is None or used is None else _rate(was, used, seconds)
    waits_for = "asleep"
    if gil_bound:
        waits_for = "gil"
    elif (cores or 0.0) > 0.9 * after["server"]["cores"]:
        waits_for = "core"
    earlier = {_key(worker): worker for worker in before["workers"]}
    processes = _processes(before, after, seconds)
    return Figures(
        outcomes=_outcomes(before["totals"], after["totals"], seconds),
        phases=_phases(before["totals"], after["totals"]),
        cores=cores,
        gil_share=gil_share,
        gil_bound=gil_bound,
        held_back=gil_bound and now["queue_depth"] > 0 and now["active_limit"] < now["workers"],
        workers=tuple(
            replace(
                _worker(earlier.get(_key(worker)), worker, seconds, waits_for),
                process=worker.get("process") if processes else None,
            )
            for worker in after["workers"]
        ),
        processes=processes,
        status=after,
    )


def is_other_process(before: Status, after: Status) -> bool:
    """Whether the server was restarted in between, which resets its counters."""
    was, now = before["server"], after["server"]
    return bool(was["pid"] != now["pid"] or now["uptime"] < was["uptime"])


def _rate(before: float, after: float, seconds: float) -> float:
    return max(0.0, after - before) / seconds if seconds > 0 else 0.0


def _outcomes(before: Status, after: Status, seconds: float) -> Mapping[str, float]:
    was, now = before["requests"], after["requests"]
    rates = {name: _rate(was.get(name, 0), now.get(name, 0), seconds) for name in CLASSES}
    # A request without a status has no class: its client left, or a deadline cut it.
    ended = _rate(sum(before["ends"].values()), sum(after["ends"].values()), seconds)
    rates["no reply"] = max(0.0, ended - sum(rates.values()))
    return rates


def _phases(before: Status, after: Status) -> Mapping[str, float] | None:
    app = _mean("app", before, after)
    if app is None:
        return None
    computing = (_mean("app_cpu", before, after) or 0.0) / app if app else 0.0
    parts = _shares(before, after, min(1.0, computing))
    return {
        "queue": _mean("queue", before, after) or 0.0,
        "gil": (_mean("gil", before, after) or 0.0) + app * parts["gil"],
        "computing": app * parts["computing"],
        "core": app * parts["core"],
        "asleep": app * parts["asleep"],
        "flush": _mean("flush", before, after) or 0.0,
    }


def _shares(before: Status, after: Status, computing: float) -> Mapping[str, float]:
    """What workers did between two looks, as shares of their time; without looks only that they
    were ``computing`` is known."""
    was, now = before.get("worker_seconds", {}), after.get("worker_seconds", {})
    spent = {
        name: max(0.0, now.get(state, 0.0) - was.get(state, 0.0)) for state, name in STATES.items()
    }
    every = sum(spent.values())
    if not every:
        return {"computing": computing, "core": 0.0, "gil": 0.0, "asleep": 1.0 - computing}
    return {name: part / every for name, part in spent.items()}


def _mean(phase: str, before: Status, after: Status) -> float | None:
    nothing: dict[str, float] = {"count": 0, "sum": 0.0}
    was, now = (one["phases"].get(phase, nothing) for one in (before, after))
    count = now["count"] - was["count"]
    return max(0.0, float((now["sum"] - was["sum"]) / count)) if count > 0 else None


def _processes(before: Status, after: Status, seconds: float) -> tuple[Process, ...]:
    told = after.get("processes") or []
    if len(told) < 2:
        return ()
    counted = {(one["slot"], one["pid"]): one["requests"] for one in before.get("processes") or []}

    def rate(one: dict[str, Any]) -> float | None:
        was = counted.get((one["slot"], one["pid"]))
        return None if was is None else _rate(was, one["requests"], seconds)

    return tuple(
        Process(
            slot=one["slot"],
            pid=one["pid"],
            state=one["state"],
            age=one["age"],
            answered=one["answered"],
            workers=one["workers"],
            busy=one["workers_busy"],
            waiting=one["waiting"],
            connections=one["connections"],
            rss=one["rss"],
            rate=rate(one),
        )
        for one in told
    )


def _key(worker: dict[str, Any]) -> tuple[object, object]:
    return worker.get("process"), worker["worker"]


def _worker(
    before: dict[str, Any] | None, now: dict[str, Any], seconds: float, waits_for: str
) -> Worker:
    if now["state"] != "running":
        return Worker(now["worker"], "idle")
    age, cpu = now["age"], now["cpu"]
    if cpu is None:
        share = 0.0
    elif before is not None and seconds > 0 and _is_same_request(before, now, seconds):
        share = (cpu - before["cpu"]) / seconds
    else:
        share = cpu / age if age > 0 else 0.0
    seen = STATES.get(now.get("doing", ""), "")
    if share >= 0.5:
        state = "computing"
    elif now.get("phase") == "sending":
        state = "sending"
    elif cpu is None:
        state = seen or "running"
    elif seen not in ("", "computing"):
        state = seen
    else:
        state = waits_for if share > ASLEEP else "asleep"
    return Worker(
        now["worker"], state, now["method"], now["path"], now["client"], age=age, cpu=cpu
    )  # fmt: skip


def _is_same_request(before: dict[str, Any], now: dict[str, Any], seconds: float) -> bool:
    return (
        before["state"] == "running"
        and (before["path"], before["client"]) == (now["path"], now["client"])
        and now["age"] >= before["age"] + seconds / 2
    )
