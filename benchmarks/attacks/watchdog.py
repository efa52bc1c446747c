"""An honest client with a clock: `python -m benchmarks.attacks.watchdog PID PORT ADMIN PROBES`.

Asks at fixed times until its standard input ends, then prints one line of JSON. While one request
waits no other is sent; those that fall due meanwhile count as waiting with it, so a server cannot
hide behind requests that were not sent. How late the watchdog itself woke up is kept apart.
PID is the server's: how much CPU it used while a client waited shows what a wait would
have been on a core of its own, whatever else the machine does.
"""

from __future__ import annotations

import http.client
import json
import socket
import sys
import threading
import time
from dataclasses import asdict, dataclass

from benchmarks.clients.paced import percentile
from benchmarks.process import cpu_seconds

HOST = "127.0.0.1"
PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Kind:
    """What is asked for, how often, and whether each time on a connection of its own."""

    path: str
    pause: float
    fresh: bool = False
    admin: bool = False


KINDS = {
    "health": Kind("/healthz", 0.02),
    "view": Kind("/", 0.02),
    "admin": Kind("/live", 0.05, fresh=True, admin=True),
    "visit": Kind("/visit", 0.05, fresh=True),
}
"""`visit` takes two descriptors: one for its connection, one for the file that its view opens."""


@dataclass(frozen=True)
class Seen:
    """What one probe saw. Times are in microseconds."""

    asked: int
    failed: int
    """Requests refused, broken off, answered by an error, or not answered in 30 seconds."""
    p50_us: float
    p99_us: float
    worst_us: float
    cpu_us: float
    """The most CPU time that the server used between a request and its answer."""
    late_us: float
    """The most by which the watchdog itself woke up too late."""


class Shift:
    """When the watchdog may go home."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.end = float("inf")

    def finish(self) -> None:
        self.end = time.monotonic()
        self.over.set()


class Probe:
    """Asks for one thing, on a thread of its own."""

    def __init__(self, kind: Kind, port: int, shift: Shift, pid: int) -> None:
        self._kind = kind
        self._shift = shift
        self._pid = pid
        self._connection = http.client.HTTPConnection(HOST, port, PATIENCE_SECONDS)
        self._latencies: list[float] = []
        self._asked = self._failed = 0
        self._late = self._cpu = 0.0

    def run(self) -> None:
        due = time.monotonic()
        while not self._asked or due < self._shift.end:
            if (wait := due - time.monotonic()) > 0 and self._shift.over.wait(wait):
                break
            woken = time.monotonic()
            self._late = max(self._late, woken - due)
            due = woken
            counts = self._ask()
            ended = time.monotonic()
            # What falls due while one request waits would have waited for the same moment.
            while due < ended:
                if counts:
                    self._latencies.append(ended - due)
                due += self._kind.pause
        self._connection.close()

    def seen(self) -> Seen:
        ranked = [1e6 * latency for latency in self._latencies]
        return Seen(
            self._asked,
            self._failed,
            percentile(ranked, 0.50),
            percentile(ranked, 0.99),
            max(ranked, default=0.0),
            1e6 * self._cpu,
            1e6 * self._late,
        )

    def _ask(self) -> bool:
        """Ask once; whether it has a latency: neither refused nor broken off."""
        self._asked += 1
        began = time.monotonic()
        used = self._cpu_seconds()
        ok = self._try()
        self._cpu = max(self._cpu, self._cpu_seconds() - used)
        self._failed += not ok
        return ok or time.monotonic() - began >= PATIENCE_SECONDS

    def _try(self) -> bool:
        # A kept connection may have been closed while it was idle: clients ask again on a new one.
        for _ in range(1 if self._connection.sock is None else 2):
            try:
                self._connection.request("GET", self._kind.path)
                reply = self._connection.getresponse()
                reply.read()
            except socket.timeout:
                break
            except (OSError, http.client.HTTPException):
                self._connection.close()
            else:
                if self._kind.fresh:
                    self._connection.close()
                return reply.status == 200
        self._connection.close()
        return False

    def _cpu_seconds(self) -> float:
        try:
            return cpu_seconds(self._pid)
        except OSError:
            return 0.0


def main(pid: int, port: int, admin: int, names: list[str]) -> None:
    shift = Shift()
    probes = {
        name: Probe(KINDS[name], admin if KINDS[name].admin else port, shift, pid) for name in names
    }
    threads = [threading.Thread(target=probe.run) for probe in probes.values()]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    shift.finish()
    for thread in threads:
        thread.join()
    print(json.dumps({name: asdict(probe.seen()) for name, probe in probes.items()}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4].split(","))
