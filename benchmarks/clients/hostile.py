"""Clients that cost a server something just by being there.

`python -m benchmarks.clients.hostile KIND COUNT PORT SECONDS` opens COUNT connections, prints
`{"held": N}` when they stand, keeps them until its standard input ends (or SECONDS have passed),
and prints `{"held": N}` once more: how many the server has left open.

- `idle`: one request each, answered, then nothing: keep-alive connections of browsers gone quiet
- `drip`: a request head that never ends, one byte per connection and second
- `slowread`: a request for 10 MB through a small receive buffer, four kilobytes a second
"""

from __future__ import annotations

import contextlib
import json
import selectors
import socket
import sys
import time
from dataclasses import dataclass, field

from benchmarks.apps.plain import GREETING

SETUP_SECONDS = 10.0
SETUP_AT_ONCE = 100
SMALL_BUFFER = 4096

FIRST_BYTES = {
    "idle": b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n",
    "drip": b"GET / HTTP/1.1\r\nHost: bench\r\nX-Drip: ",
    "slowread": b"GET /big HTTP/1.1\r\nHost: bench\r\n\r\n",
}


@dataclass
class Crowd:
    """All connections of one kind."""

    kind: str
    port: int
    standing: list[socket.socket] = field(default_factory=list)

    def gather(self, count: int) -> None:
        """Open connections until `count` stand or ten seconds have passed.

        An idle one stands when its answer has come; the others once their first bytes are sent.
        """
        deadline = time.monotonic() + SETUP_SECONDS
        waiting: dict[socket.socket, bytes] = {}
        opened = 0
        with selectors.DefaultSelector() as selector:
            while (opened < count or waiting) and time.monotonic() < deadline:
                while opened < count and len(waiting) < SETUP_AT_ONCE:
                    opened += 1
                    with contextlib.suppress(OSError):
                        connection = self._open()
                        if self.kind == "idle":
                            waiting[connection] = b""
                            selector.register(connection, selectors.EVENT_READ)
                        else:
                            self.standing.append(connection)
                if not waiting:
                    continue
                for key, _ in selector.select(0.1):
                    connection = key.fileobj  # type: ignore[assignment]
                    received = _receive(connection, 65536)
                    waiting[connection] += received or b""
                    if received is None or waiting[connection].endswith(GREETING):
                        selector.unregister(connection)
                        del waiting[connection]
                        if received is not None:
                            self.standing.append(connection)

    def keep(self, seconds: float) -> None:
        """Do what this kind does until standard input ends or the time is over."""
        end = time.monotonic() + seconds
        turn = 0
        with selectors.DefaultSelector() as selector:
            selector.register(sys.stdin, selectors.EVENT_READ)
            pause = 1.0 / max(1, len(self.standing)) if self.kind != "idle" else seconds
            while time.monotonic() < end and not selector.select(pause):
                if self.standing and self.kind != "idle":
                    turn = (turn + 1) % len(self.standing)
                    self._act(self.standing[turn])

    def held(self) -> int:
        """How many the server has not closed."""
        return sum(_receive(connection, SMALL_BUFFER) is not None for connection in self.standing)

    def _open(self) -> socket.socket:
        connection = socket.socket()
        if self.kind == "slowread":
            # Must precede connect, which announces the window.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        connection.settimeout(1.0)
        connection.connect(("127.0.0.1", self.port))
        connection.sendall(FIRST_BYTES[self.kind])
        connection.setblocking(False)
        return connection

    def _act(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if self.kind == "drip":
                connection.send(b"x")
            else:
                connection.recv(SMALL_BUFFER)


def _receive(connection: socket.socket, size: int) -> bytes | None:
    """What has come, empty if nothing has, `None` if the server has closed the connection."""
    try:
        return connection.recv(size) or None
    except BlockingIOError:
        return b""
    except OSError:
        return None


def main(kind: str, count: int, port: int, seconds: float) -> None:
    crowd = Crowd(kind, port)
    crowd.gather(count)
    print(json.dumps({"held": crowd.held()}), flush=True)
    crowd.keep(seconds)
    print(json.dumps({"held": crowd.held()}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
