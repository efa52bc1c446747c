"""Requests at fixed times, whatever the server does: an open loop, for latency under mixed work.

`python -m benchmarks.clients.paced PORT SECONDS` sends 200 trivial requests a second and ten to
`/burn`, each on a connection that is free at that moment or on a new one, and prints one line of
JSON. So what is sent when does not depend on the server, and one that falls behind cannot hide it.
A latency runs from the moment the request was sent: on two cores, one of which computes, the client
itself is late by up to a tick of the kernel. Only trivial requests count.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from collections import deque
from typing import NamedTuple

from benchmarks.apps.plain import GREETING

TRIVIAL_PER_SECOND = 200
TRIVIAL_PER_BURN = 20
GRACE_SECONDS = 2.0
MAX_CONNECTIONS = 900
"""Stays below what select() can watch; it is used since its timeout counts in microseconds."""


class Due(NamedTuple):
    """One request of the plan."""

    at: float
    path: str


def plan(start: float, seconds: float) -> deque[Due]:
    """All requests in order; burns fall between two trivial ones."""
    due = deque[Due]()
    for number in range(int(seconds * TRIVIAL_PER_SECOND)):
        at = start + number / TRIVIAL_PER_SECOND
        due.append(Due(at, "/"))
        if number % TRIVIAL_PER_BURN == 0:
            due.append(Due(at + 0.5 / TRIVIAL_PER_SECOND, "/burn"))
    return due


class Client:
    """Sends what is due, reads what comes, remembers how long it took."""

    def __init__(self, port: int) -> None:
        self.latencies: list[float] = []
        self.answered = 0
        self.errors = 0
        self._port = port
        self._free: list[socket.socket] = []
        self._busy: dict[socket.socket, Due] = {}
        """Requests on their way; `at` is when each was sent."""
        self._received: dict[socket.socket, bytes] = {}

    def run(self, seconds: float) -> None:
        start = time.monotonic() + 0.1
        due = plan(start, seconds)
        end = start + seconds + GRACE_SECONDS
        while (due or self._busy) and (now := time.monotonic()) < end:
            while due and due[0].at <= now:
                self._send(due.popleft())
            wait = max(0.0, (due[0].at if due else end) - time.monotonic())
            readable, _, _ = select.select([*self._busy, *self._free], [], [], wait)
            for connection in readable:
                self._receive(connection)
        self.errors += len(due) + len(self._busy)

    def _send(self, request: Due) -> None:
        if len(self._busy) >= MAX_CONNECTIONS:
            self.errors += 1
            return
        head = f"GET {request.path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()
        sent = time.monotonic()
        try:
            if self._free:
                connection = self._free.pop()
            else:
                connection = socket.create_connection(("127.0.0.1", self._port), 1.0)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(head)
        except OSError:
            self.errors += 1
            return
        self._busy[connection] = request._replace(at=sent)
        self._received[connection] = b""

    def _receive(self, connection: socket.socket) -> None:
        try:
            chunk = connection.recv(65536)
        except OSError:
            chunk = b""
        if not chunk:
            # An idle connection that the server closes is no error; an unanswered request is.
            if self._busy.pop(connection, None) is not None:
                self.errors += 1
            if connection in self._free:
                self._free.remove(connection)
            connection.close()
            return
        self._received[connection] += chunk
        if connection in self._busy and self._received[connection].endswith(GREETING):
            request = self._busy.pop(connection)
            self.answered += 1
            if request.path == "/":
                self.latencies.append(time.monotonic() - request.at)
            self._free.append(connection)


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least `share` of all values do not exceed."""
    ranked = sorted(values)
    return ranked[max(0, -int(-share * len(ranked) // 1) - 1)] if ranked else 0.0


def main(port: int, seconds: float) -> None:
    client = Client(port)
    client.run(seconds)
    figures = {
        "requests": client.answered,
        "seconds": seconds,
        "errors": client.errors,
        "p50_us": 1e6 * percentile(client.latencies, 0.50),
        "p99_us": 1e6 * percentile(client.latencies, 0.99),
        "max_us": 1e6 * max(client.latencies, default=0.0),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
