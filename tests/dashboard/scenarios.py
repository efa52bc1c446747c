"""Servers in trouble, as their ``/status.json`` would tell it: one second passes per answer.

The dashboard and ``headwaiter top`` are shown these. Each scenario is a row of figures per request
and per second, and :class:`Story` adds them up to the counters that a server would have.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import Any

Status = dict[str, Any]

PHASES = ("head", "body", "queue", "gil", "app", "app_cpu", "flush")
HOSTILE_PATH = "/<img src=x onerror=\"document.title='owned'\">&amp;\u202egnp.exe\x1b[31m\x07"


@dataclass(frozen=True)
class Scenario:
    """What a server is like while nothing changes. Seconds, and counts per second."""

    kind: str
    advice: str
    wanted_threads: int | None = None
    threads: int = 4
    active_limit: int | None = None
    gil: bool = True
    rates: dict[str, int] = field(default_factory=lambda: {"2xx": 10})
    refused: int = 0
    phases: dict[str, float] = field(default_factory=dict)
    depth: int = 0
    oldest: float = 0.0
    gil_share: float = 0.02
    gil_probe: float = 0.0001
    cores: float = 0.03
    sending: int = 0
    unsent: int = 0
    # Each running worker: its number, method, path, share of the time it computes, and for how
    # many seconds one request runs before the next takes its place.
    running: tuple[tuple[int, str, str, float, float], ...] = ()
    # The threads are those of so many processes, in equal parts. The last process may be silent.
    processes: int = 0
    silent: bool = False
    evidence: tuple[str, ...] = ()
    # Where the workers are: seconds of the last minute by route, frames from the outermost to the
    # innermost, and state.
    places: tuple[tuple[str, str, str, float], ...] = ()


SCENARIOS = {
    "asleep": Scenario(
        kind="threads",
        advice=(
            "4 threads are busy 99 % of the time and requests wait 1.5 s for one; "
            "CPU use is 0.1 cores: threads=16 would remove the wait."
        ),
        wanted_threads=16,
        rates={"2xx": 8},
        phases={"queue": 1.5, "gil": 0.0001, "app": 0.5, "app_cpu": 0.004, "flush": 0.0004},
        depth=12,
        oldest=1.48,
        gil_share=0.03,
        running=tuple((n, "GET", f"/orders/{100 + n}", 0.008, 0.5) for n in range(4)),
    ),
    "gil": Scenario(
        kind="gil",
        advice=(
            "The GIL is busy 98 % of the time: more threads will not help; "
            "use processes or free-threaded Python."
        ),
        active_limit=2,
        rates={"2xx": 15, "5xx": 1},
        phases={"queue": 0.58, "gil": 0.031, "app": 0.12, "app_cpu": 0.06, "flush": 0.0003},
        depth=9,
        oldest=0.61,
        gil_share=0.98,
        gil_probe=0.0102,
        cores=1.03,
        running=((0, "POST", "/render", 0.52, 0.12), (1, "GET", "/report.pdf", 0.46, 0.12)),
    ),
    "cpu": Scenario(
        kind="cpu",
        advice=(
            "All 2 cores are busy, and mostly outside the GIL: "
            "more threads will not help; a faster machine would."
        ),
        rates={"2xx": 10},
        phases={"queue": 0.81, "gil": 0.0002, "app": 0.4, "app_cpu": 0.198, "flush": 0.0003},
        depth=8,
        oldest=0.84,
        gil_share=1.0,
        gil_probe=0.0002,
        cores=1.97,
        running=tuple((n, "PUT", f"/blobs/{n}/sha256", 0.49, 0.4) for n in range(4)),
    ),
    "idle": Scenario(
        kind="idle",
        advice="Next to nothing is asked of this server.",
        rates={"2xx": 1},
        phases={"queue": 0.00005, "gil": 0.00003, "app": 0.004, "app_cpu": 0.003, "flush": 0.0002},
    ),
    "ok": Scenario(
        kind="ok",
        advice="Requests find a free thread at once; 4 threads are busy 41 % of the time.",
        rates={"2xx": 80, "3xx": 12, "4xx": 5},
        refused=1,
        phases={"queue": 0.0003, "gil": 0.0008, "app": 0.017, "app_cpu": 0.006, "flush": 0.0009},
        gil_share=0.55,
        gil_probe=0.0011,
        cores=0.62,
        running=((1, "GET", "/", 0.4, 0.02), (3, "GET", "/search?q=tables", 0.3, 0.03)),
    ),
    "slow-clients": Scenario(
        kind="slow-clients",
        advice="Clients take 4.2 s to read their replies; no thread waits for them.",
        rates={"2xx": 14},
        phases={"queue": 0.0001, "gil": 0.0001, "app": 0.03, "app_cpu": 0.01, "flush": 4.2},
        sending=61,
        unsent=183_500_800,
        gil_share=0.14,
        cores=0.21,
        running=((2, "GET", "/export.csv", 0.3, 0.03),),
    ),
    "stuck": Scenario(
        kind="ok",
        advice="Requests find a free thread at once; 4 threads are busy 31 % of the time.",
        rates={"2xx": 22},
        phases={"queue": 0.0004, "gil": 0.0001, "app": 0.021, "app_cpu": 0.004, "flush": 0.0003},
        gil_share=0.09,
        running=((2, "GET", "/report/annual", 0.0, 1e9), (0, "GET", "/", 0.2, 0.02)),
    ),
    "hostile": Scenario(
        kind="ok",
        advice="Requests find a free thread at once; <b>nothing</b> of this is markup.",
        depth=1,
        oldest=0.2,
        running=((0, "GET", HOSTILE_PATH, 0.0, 60.0),),
    ),
    "many": Scenario(
        kind="threads",
        advice="48 threads are busy 97 % of the time: threads=96 would remove the wait.",
        wanted_threads=96,
        threads=48,
        rates={"2xx": 95},
        phases={"queue": 0.4, "gil": 0.0007, "app": 0.5, "app_cpu": 0.003, "flush": 0.0004},
        depth=30,
        oldest=0.41,
        gil_share=0.3,
        cores=0.4,
        running=tuple((n, "GET", f"/tenants/{n}", 0.01 * (n % 90), 0.5) for n in range(46)),
    ),
    "free-threaded": Scenario(
        kind="ok",
        advice="Requests find a free thread at once; 4 threads are busy 60 % of the time.",
        gil=False,
        rates={"2xx": 40},
        phases={"queue": 0.0003, "app": 0.06, "app_cpu": 0.055, "flush": 0.0003},
        cores=1.8,
        running=tuple((n, "GET", "/mandelbrot", 0.95, 0.06) for n in range(3)),
    ),
}


SCENARIOS["lock"] = replace(
    SCENARIOS["asleep"],
    kind="lock",
    advice=(
        "On average 2.9 threads wait for a lock at orders/views.py:88 list_orders, and requests "
        "wait 1.5 s for a worker: more threads will not help; to hold it for less time would."
    ),
    evidence=("2.9 of 3.9 busy workers wait at orders/views.py:88 list_orders > with",),
    places=(
        (
            "GET /orders/<int>",
            "mw.py:3 call\norders/views.py:88 list_orders\nwith",
            "waiting",
            174.0,
        ),
        (
            "GET /orders/<int>",
            "mw.py:3 call\norders/views.py:89 list_orders\nsleep()",
            "waiting",
            56.0,
        ),
        ("GET /<b>nothing</b>", "mw.py:3 call\nrender.py:7 <lambda>", "computing", 10.0),
    ),
    running=tuple((n, "GET", f"/orders/{100 + n}", 0.1, 0.5) for n in range(4)),
)
SCENARIOS["processes"] = replace(SCENARIOS["ok"], threads=8, processes=2)
SCENARIOS["silent-process"] = replace(SCENARIOS["processes"], silent=True)


class Story:
    """A server's life: seconds of scenarios, one after the other."""

    def __init__(self, scenario: str, pid: int = 4711) -> None:
        self.scenario = SCENARIOS[scenario]
        self.pid = pid
        self.draining = False
        self.clocks = True  # False: a system that cannot tell CPU times, nor the process's figures
        self.uptime = 90.0
        self.totals: Status = {
            "requests": {"2xx": 1000, "3xx": 12, "4xx": 40, "5xx": 3},
            "ends": {"complete": 1010, "refused": 40, "shed": 0, "abandoned": 2, "cut": 0,
                     "app-error": 3, "disconnected": 2},
            "refusals": {"bare-lf": 33, "host": 7},
            "bytes_in": 400_000,
            "bytes_out": 9_000_000,
            "accept_pauses": 0,
            "phases": {phase: {"count": 1055, "sum": 1.0} for phase in PHASES},
        }  # fmt: skip
        self.cpu = 3.0

    def advance(self, seconds: float = 1.0) -> Status:
        """Let ``seconds`` pass in the present scenario and return what the server then says."""
        now = self.scenario
        self.uptime += seconds
        self.cpu += now.cores * seconds
        # A wave, so that charts show that they move; no randomness, so that tests can count on it.
        wave = 1 + 0.12 * ((self.uptime * 7) % 5 - 2) / 2
        for outcome, rate in now.rates.items():
            count = max(1, round(rate * seconds * wave))
            self.totals["requests"][outcome] += count
            self.totals["ends"]["app-error" if outcome == "5xx" else "complete"] += count
            self.totals["bytes_in"] += 400 * count
            self.totals["bytes_out"] += 25_000 * count
            for phase in PHASES:
                total = self.totals["phases"][phase]
                total["count"] += count
                total["sum"] += now.phases.get(phase, 0.0) * count * wave
        self.totals["requests"]["4xx"] += now.refused
        self.totals["ends"]["refused"] += now.refused
        self.totals["refusals"]["bare-lf"] += now.refused
        return self.status()

    def status(self) -> Status:
        """What the server says without time passing."""
        now = self.scenario
        workers = [self._worker(number) for number in range(now.threads)]
        waiting = [
            {"method": "GET", "path": f"/orders/{200 + n}", "client": f"10.0.0.{n}:5{n:03}",
             "age": max(0.01, now.oldest * (1 - n / now.depth))}
            for n in range(min(now.depth, 50))
        ]  # fmt: skip
        quantiles = {
            phase: {"p50": now.phases.get(phase, 0.0), "p99": 1.4 * now.phases.get(phase, 0.0)}
            for phase in ("queue", "gil", "app", "flush")
        }
        total = sum(values["p50"] for values in quantiles.values())
        quantiles["total"] = {"p50": total, "p99": 1.4 * total}
        process = {"cpu": self.cpu, "rss": 48_234_496, "fds": 31,
                   "gil_held_share": now.gil_share if now.gil else None}  # fmt: skip
        if not self.clocks:
            process = dict.fromkeys(process)
        if now.processes:
            each = now.threads // now.processes
            for worker in workers:
                worker["process"], worker["worker"] = divmod(worker["worker"], each)
        shown = copy.deepcopy({
            "server": {
                "version": "0.1.0", "pid": self.pid, "uptime": self.uptime,
                "listening": ["http://127.0.0.1:8000"],
                "python": "CPython 3.14.0" if now.gil else "CPython 3.14.0 free-threading",
                "gil": now.gil, "draining": self.draining, "threads": now.threads,
                "threads_min": now.threads, "threads_max": now.threads, "cores": 2,
            },
            "advice": {
                "kind": now.kind, "text": now.advice, "threads": now.wanted_threads,
                "evidence": list(now.evidence), "sure": True,
            },
            "now": {
                "queue_depth": now.depth, "oldest_wait": now.oldest,
                "workers_busy": len(now.running), "workers": now.threads,
                "active_limit": now.active_limit or now.threads,
                "channels": {"idle": 10, "receiving": 1, "waiting": now.depth,
                             "running": len(now.running), "sending": now.sending},
                "spool_memory": 65_536, "spool_disk": now.unsent, "unsent": now.unsent,
                "gil_probe": now.gil_probe if now.gil else None,
            },
            "totals": self.totals,
            "quantiles": quantiles,
            "process": process,
            "workers": workers,
            "waiting": waiting,
        })  # fmt: skip
        if now.places:
            shown["profile"] = self._profile()
            totals: Status = shown["totals"]  # type: ignore[assignment]
            totals["worker_seconds"] = {
                state: self.uptime * sum(spent for *_, of, spent in now.places if of == state) / 60
                for state in ("computing", "core", "gil", "waiting")
            }
        if now.processes:
            shown["processes"] = [self._process(slot) for slot in range(now.processes)]
        return shown

    def _profile(self) -> Status:
        spent = sum(seconds for *_, seconds in self.scenario.places)
        places = [
            {"route": route, "at": " > ".join(stack.split("\n")[1:]), "state": state,
             "seconds": seconds, "share": seconds / spent}
            for route, stack, state, seconds in self.scenario.places
        ]  # fmt: skip
        return {"seconds": spent, "places": places}

    def folded(self) -> str:
        """What ``/profile`` says."""
        return "".join(
            f"{route};{stack.replace(chr(10), ';')};({state}) {1000 * seconds:.0f}\n"
            for route, stack, state, seconds in self.scenario.places
        )

    def _process(self, slot: int) -> Status:
        """Each does its part; the last one may have fallen silent after half of its requests."""
        now = self.scenario
        requests = sum(self.totals["ends"].values()) // now.processes
        is_silent = now.silent and slot == now.processes - 1
        each = now.threads // now.processes
        return {
            "slot": slot, "pid": self.pid + 1 + slot, "state": "ready", "age": self.uptime - 2,
            "answered": not is_silent, "workers": each,
            "workers_busy": sum(number // each == slot for number, *_ in now.running),
            "waiting": 0, "connections": 6 + slot, "rss": 50 << 20, "cpu": 1.0,
            "requests": 400 if is_silent else requests,
        }  # fmt: skip

    def _worker(self, number: int) -> Status:
        for worker, method, path, share, length in self.scenario.running:
            if worker == number:
                age = (self.uptime - 89.93 + 0.113 * number) % length
                places = self.scenario.places
                looked = {"doing": places[0][2], "at": "orders/views.py:88"} if places else {}
                return {
                    **looked,
                    "worker": number, "state": "running", "method": method, "path": path,
                    "client": f"127.0.0.1:{50000 + number}", "age": age,
                    "cpu": age * share if self.clocks else None,
                    "phase": "app",
                }  # fmt: skip
        return {"worker": number, "state": "idle"}
