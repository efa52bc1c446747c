"""Runs `raw/pace.c`, an open loop, and reads what it reports.

Latency counts from the moment when a request was due. `late` is how much later the
client noticed: the part of a latency that is certainly not the server's.
"""

from __future__ import annotations

import bisect
import itertools
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks import raw
from benchmarks.clients.paced import percentile
from benchmarks.load import LoadError

if TYPE_CHECKING:
    from benchmarks.measure import Cores

SPARE_SECONDS = 15.0
NANOS = 1_000_000_000
MARGIN = NANOS // 2000
"""The watching thread sleeps this long at most between two looks; a notice may be as much off."""


@dataclass(frozen=True)
class Request:
    """One request of the plan; all times in nanoseconds."""

    due: int
    """Since the start."""
    late: int
    latency: int | None
    """`None`: it was not answered, or not with 200."""


@dataclass(frozen=True)
class Notice:
    """On the server's core somebody who wanted to run at `at` had to wait for `late`."""

    at: int
    late: int


@dataclass(frozen=True)
class Run:
    """All that one run of the client saw."""

    requests: list[Request]
    notices: list[Notice]

    def latencies(self) -> list[float]:
        """In microseconds; a request without an answer took for ever."""
        return [r.latency / 1000 if r.latency is not None else float("inf") for r in self.requests]

    def errors(self) -> int:
        return sum(request.latency is None for request in self.requests)

    def latency_us(self, share: float) -> float:
        return percentile(self.latencies(), share)

    def late_us(self, share: float) -> float:
        """How late the client was: a latency of that size says nothing of the server."""
        return percentile([request.late / 1000 for request in self.requests], share)

    def slow(self, limit: int) -> list[Request]:
        """Requests that took longer than `limit`, in nanoseconds, or for ever."""
        return [r for r in self.requests if r.latency is None or r.latency > limit]

    def unexplained(self, limit: int) -> list[Request]:
        """Those that would have been slow, too, had client and core been there when wanted."""
        return [r for r in self.slow(limit) if r.latency is None or self._rest(r) > limit]

    def _rest(self, request: Request) -> int:
        """The latency less what the machine took: the client's own delay, and that of the core."""
        assert request.latency is not None
        first = request.due
        last = request.due + request.latency
        at = [notice.at for notice in self.notices]
        # A notice is in order of its time, and may have begun a step before the request.
        begin = max(0, bisect.bisect_left(at, first) - 1)
        taken = 0
        for notice in itertools.islice(self.notices, begin, None):
            if notice.at > last + MARGIN:
                break
            taken += max(0, min(notice.at + notice.late, last) - max(notice.at, first))
        return request.latency - request.late - taken


def parse(report: str) -> Run:
    """Read the lines that `pace` prints.

    Raises:
        LoadError: It printed none.
    """
    requests, notices = [], []
    for line in report.splitlines():
        kind, *numbers = line.split()
        first, second, third = map(int, numbers)
        if kind == "R":
            requests.append(Request(first, second, third if third >= 0 else None))
        else:
            notices.append(Notice(first, second))
    if not requests:
        raise LoadError("pace reported nothing")
    return Run(requests, notices)


def run(
    port: int,
    rate: float,
    seconds: float,
    connections: int,
    cores: Cores,
    *,
    path: str = "/",
    watch: bool = False,
) -> Run:
    """Send `rate` requests a second for so long; with `watch` also look at the server's core.

    Raises:
        LoadError: The client failed.
    """
    watched = cores.server if watch and cores.server is not None else "-1"
    pinned = ["taskset", "--cpu-list", cores.load] if cores.load is not None else []
    command = [
        *(*pinned, str(raw.build("pace")), str(port), path),
        *(f"{rate:.3f}", f"{seconds:.3f}", str(connections), watched),
    ]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=seconds + SPARE_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise LoadError("pace did not end") from error
    except subprocess.CalledProcessError as error:
        raise LoadError(error.stderr.strip()[-200:] or "pace failed") from error
    return parse(done.stdout)
