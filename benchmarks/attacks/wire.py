"""A client of an attack: it sends what its plan yields, and reads or does not."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = "127.0.0.1"
CONNECT_SECONDS = 2.0
READ_AT_ONCE = 256 * 1024
STATUS = b"HTTP/1.1 2"


def connect(port: int, window: int | None = None) -> socket.socket:
    """A connection that does not block; `window` is the size of its receive buffer.

    Raises:
        OSError: The server does not take it within two seconds.
    """
    connection = socket.socket()
    try:
        if window is not None:
            # Must precede connect, which announces the window.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        connection.settimeout(CONNECT_SECONDS)
        connection.connect((HOST, port))
        connection.setblocking(False)
    except BaseException:
        connection.close()
        raise
    return connection


def reset(connection: socket.socket) -> None:
    """Close it by RST rather than by FIN."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def head(method: str, path: str, *fields: bytes) -> bytes:
    """A request's head, for a connection that stays open."""
    first = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n".encode()
    return first + b"".join(field + b"\r\n" for field in fields) + b"\r\n"


class Client:
    """One connection. `plan` yields what is to be sent, piece by piece, for as long as it likes."""

    def __init__(
        self, port: int, plan: Iterator[bytes], *, reads: bool = True, window: int | None = None
    ) -> None:
        self.connection = connect(port, window)
        self.reads = reads
        self.replies = 0
        """Replies with a status of 2xx whose first bytes have come."""
        self.tail = b""
        """The last bytes that have come."""
        self._plan: Iterator[bytes] | None = plan
        self._left = memoryview(b"")
        self._fetch()

    def events(self) -> int:
        """What it waits for; nothing once it is closed, or has sent all and does not read."""
        if self.connection.fileno() < 0:
            return 0
        reading = selectors.EVENT_READ if self.reads else 0
        return reading | (selectors.EVENT_WRITE if self._left else 0)

    def send(self) -> int:
        """Send what the kernel takes of the present piece."""
        try:
            sent = self.connection.send(self._left)
        except BlockingIOError:
            return 0
        self._left = self._left[sent:]
        if not self._left:
            self._fetch()
        return sent

    def ask(self, sent: bytes) -> None:
        """Put another piece behind a plan that is through."""
        self._left = memoryview(bytes(self._left) + sent)

    def silence(self) -> None:
        """Send nothing more."""
        self._plan, self._left = None, memoryview(b"")

    def receive(self) -> int:
        """Read once.

        Raises:
            OSError: The server has closed the connection.
        """
        try:
            data = self.connection.recv(READ_AT_ONCE)
        except BlockingIOError:
            return 0
        if not data:
            raise ConnectionResetError("closed by the server")
        # What was seen of a status line that came in two halves is one byte too short to match.
        seen = self.tail[1 - len(STATUS) :] + data
        self.replies += seen.count(STATUS)
        self.tail = seen[-len(STATUS) :]
        return len(data)

    def close(self) -> None:
        self.connection.close()

    def _fetch(self) -> None:
        self._left = memoryview(next(self._plan, b"") if self._plan else b"")
