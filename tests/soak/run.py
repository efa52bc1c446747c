"""The crowd of actors, what is measured meanwhile, and the verdict.

``Soak.run`` starts the server, lets ``actors`` threads go through weighted scenarios until the time
is over, and returns the report. Every actor's dice come from the seed and its number, so the same
seed sends the same traffic; how it interleaves is up to the machine.
"""

from __future__ import annotations

import json
import random
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.support import procfs
from tests.support.http import TIMEOUT
from tests.support.process import ServerProcess, start_server

from . import hostile, scenarios
from .scenarios import Actor, Scenario
from .tally import Tally

# Small, so that bodies go through temporary files and workers meet the watermark.
SETTINGS: dict[str, Any] = {
    "threads": 4,
    "inbuf_overflow": 16 << 10,
    "outbuf_overflow": 64 << 10,
    "outbuf_high_watermark": 1 << 20,
    "shutdown_timeout": 20,
}
# A run must be this long before memory is judged: caches and arenas fill up first.
JUDGE_MEMORY_AFTER = 300.0
GROWTH = 1.05
UNEXPECTED_LOG = re.compile(r"panick|ResourceWarning|Fatal Python|(?m:^(?!.*Intended)\w+Error\b)")
SHOWN_ERRORS = 20


@dataclass
class Sample:
    """The server process at one moment."""

    rss: int
    descriptors: int

    @classmethod
    def of(cls, pid: int) -> Sample:
        return cls(procfs.rss(pid), len(procfs.descriptors(pid)))

    def __str__(self) -> str:
        return f"RSS {self.rss / 2**20:6.1f} MiB, {self.descriptors:3d} descriptors"


@dataclass
class Report:
    """What a run found; ``failures`` is empty if all went well."""

    counts: dict[str, int]
    start: Sample
    warm: Sample
    end: Sample
    failures: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        counts = dict(self.counts)
        checked = counts.pop("bytes", 0)
        shown = [
            f"{counts.pop('requests', 0)} requests over {counts.pop('connections', 0)} connections"
        ]
        shown += [f"  {number:8d} {what}" for what, number in sorted(counts.items())]
        shown.append(f"{checked / 2**20:.0f} MiB of reply bodies compared")
        shown.append(f"at the start     {self.start}")
        shown.append(f"after warming up {self.warm}")
        shown.append(f"in the end       {self.end}")
        shown.append(f"unexplained errors: {len(self.failures)}")
        shown += [f"--- {failure}" for failure in self.failures[:SHOWN_ERRORS]]
        return shown


class Soak:
    """One run."""

    def __init__(
        self, seconds: float, seed: int, actors: int, say: Callable[[str], object] = print
    ) -> None:
        self.seconds, self.seed, self.actors, self.say = seconds, seed, actors, say
        self.tally = Tally()
        self._over = threading.Event()

    def run(self) -> Report:
        flags = ("-W", "error::ResourceWarning")
        with start_server(
            "tests.soak.app:application", interpreter_flags=flags, **SETTINGS
        ) as server:
            server.ask("/counts")
            start = self._rested(server)
            warm = self._crowd(server)
            end = self._rested(server)
            self._judge_application(server)
        self._judge_log(server.log)
        report = Report(self.tally.snapshot(), start, warm, end, self.tally.unexplained)
        self._judge_process(report)
        return report

    def _crowd(self, server: ServerProcess) -> Sample:
        """Lets the actors run until the time is over; returns the sample after warming up."""
        threads = [
            threading.Thread(target=self._act, args=(server, number), name=f"actor-{number}")
            for number in range(self.actors)
        ]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        try:
            warm = self._watch(server, began)
        finally:
            self._over.set()
            for thread in threads:
                thread.join()
        return warm

    def _watch(self, server: ServerProcess, began: float) -> Sample:
        """A line now and then; ends with the time, with the server, or with too many errors."""
        warm: Sample | None = None
        step, shown = min(10.0, max(1.0, self.seconds / 5)), 0.0
        while (passed := time.monotonic() - began) < self.seconds:
            self._over.wait(min(1.0, self.seconds - passed))
            passed = time.monotonic() - began
            if server.process.poll() is not None:
                self.tally.wrong(f"the server left with status {server.process.returncode}")
                break
            sample = Sample.of(server.pid)
            if self.seconds / 5 <= passed < self.seconds * 2 / 5:
                warm = max(warm or sample, sample, key=lambda one: one.rss)
            if passed < shown + step:
                continue
            shown += step
            wrong = len(self.tally.unexplained)
            requests = self.tally.count("requests")
            self.say(f"{passed:6.0f} s  {requests:8d} requests  {wrong} unexplained  {sample}")
            if wrong >= SHOWN_ERRORS:
                break
        return warm or Sample.of(server.pid)

    def _act(self, server: ServerProcess, number: int) -> None:
        """One actor: scenario after scenario."""
        source = random.Random(f"{self.seed}/{number}")
        kinds = scenarios.SCENARIOS + hostile.SCENARIOS
        names: list[Scenario] = [scenario for scenario, _ in kinds]
        weights = [weight for _, weight in kinds]
        round_ = 0
        while not self._over.is_set():
            round_ += 1
            scenario = source.choices(names, weights)[0]
            actor = Actor(server.address, source, self.tally)
            try:
                scenario(actor)
            except Exception as error:
                where = traceback.extract_tb(sys.exc_info()[2])[-1]
                self.tally.wrong(
                    f"{scenario.__name__} (actor {number}, round {round_}, seed {self.seed}): "
                    f"{type(error).__name__}: {error} [{where.name}, line {where.lineno}]"
                )
                if server.process.poll() is not None:
                    return
            finally:
                actor.close_all()
            self.tally.add("scenarios")

    def _rested(self, server: ServerProcess) -> Sample:
        """The server at rest: nothing tells that the last connection is closed, or that the first
        request overtook the end of the start, but that the number of descriptors stands still."""
        until = time.monotonic() + TIMEOUT
        before, sample = -1, Sample.of(server.pid)
        while sample.descriptors != before and time.monotonic() < until:
            before = sample.descriptors
            time.sleep(0.5)
            sample = Sample.of(server.pid)
        return sample

    def _judge_application(self, server: ServerProcess) -> None:
        """Every iterable that the server was given has been closed, and only once."""
        until = time.monotonic() + TIMEOUT
        while True:
            counts = json.loads(server.ask("/counts").body)
            if counts.get("opened") == counts.get("closed") or time.monotonic() > until:
                break
            time.sleep(0.05)
        if counts.get("opened", 0) != counts.get("closed", 0) or counts.get("twice", 0):
            self.tally.wrong(f"iterables of the application: {counts}")
        self.tally.add("iterables closed once", counts.get("closed", 0))

    def _judge_log(self, log: str) -> None:
        """Nothing may be on stderr that neither the application nor a client is to blame for."""
        for line in log.splitlines():
            if UNEXPECTED_LOG.search(line):
                self.tally.wrong(f"in the log: {line}")

    def _judge_process(self, report: Report) -> None:
        if report.end.descriptors > report.start.descriptors:
            report.failures.append("descriptors are left over")
        if self.seconds >= JUDGE_MEMORY_AFTER and report.end.rss > GROWTH * report.warm.rss:
            report.failures.append("memory has grown by more than 5 % since warming up")
