"""What the demos share: servers, clients, and views that stay inside until a gate is opened.

Each demo starts its server on a free port of 127.0.0.1, prints what happened, and ends within a few
seconds. ``serving`` starts a server in the demo's own process, which is enough where nothing
computes. ``Command`` starts the command line, so that clients and server do not share a GIL.
"""

from __future__ import annotations

import contextlib
import http.client
import logging
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

from headwaiter import create_server

if TYPE_CHECKING:
    from types import TracebackType

    from _typeshed.wsgi import StartResponse, WSGIApplication

Address = tuple[str, int]
HERE = Path(__file__).resolve().parent
PATIENCE = 30.0
"""Seconds until a demo that waits for something gives up."""


class Reply(NamedTuple):
    status: int
    text: str
    headers: dict[str, str]
    seconds: float
    """From the first byte sent to the last byte received."""


class Client:
    """One connection that has sent one request."""

    def __init__(self, address: Address, request: bytes) -> None:
        self.began = time.monotonic()
        self.socket = socket.create_connection(address, PATIENCE)
        self.socket.sendall(request)

    def reply(self) -> Reply:
        """Wait for the whole reply, and close."""
        with self.socket, http.client.HTTPResponse(self.socket) as response:
            response.begin()
            text = response.read().decode("latin-1")
            headers = dict(response.getheaders())
            return Reply(response.status, text, headers, time.monotonic() - self.began)

    def leave(self) -> None:
        """Close at once, by a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def request(path: str = "/", method: str = "GET", body: bytes = b"") -> bytes:
    """The bytes of a request."""
    length = f"Content-Length: {len(body)}\r\n" if method == "POST" else ""
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{length}\r\n".encode() + body


def send(address: Address, path: str = "/", method: str = "GET", body: bytes = b"") -> Client:
    """Send a request over a connection of its own, and do not wait for the reply."""
    return Client(address, request(path, method, body))


def ask(address: Address, path: str = "/", method: str = "GET", body: bytes = b"") -> Reply:
    """Send a request over a connection of its own, and wait for the reply."""
    return send(address, path, method, body).reply()


def at_once(address: Address, paths: Sequence[str]) -> list[Reply]:
    """Ask for all ``paths`` at the same time."""
    with ThreadPoolExecutor(len(paths)) as pool:
        return list(pool.map(lambda path: ask(address, path), paths))


def load(address: Address, path: str = "/", *, clients: int, seconds: float = 1.0) -> float:
    """Replies per second to ``clients`` that each ask again as soon as they are answered."""
    over = threading.Event()
    answered = [0] * clients

    def client(number: int) -> None:
        connection = http.client.HTTPConnection(*address, timeout=PATIENCE)
        with contextlib.closing(connection):
            while not over.is_set():
                connection.request("GET", path)
                connection.getresponse().read()
                answered[number] += 1

    with ThreadPoolExecutor(clients) as pool:
        began = time.monotonic()
        running = [pool.submit(client, number) for number in range(clients)]
        time.sleep(seconds)
        over.set()
        for one in running:
            one.result()
        return sum(answered) / (time.monotonic() - began)


def until(test: Callable[[], bool], what: str) -> None:
    """Wait until ``test`` is true."""
    end = time.monotonic() + PATIENCE
    while not test():
        if time.monotonic() > end:
            raise TimeoutError(f"{PATIENCE:g} s passed before: {what}")
        time.sleep(0.01)


def answer(
    start_response: StartResponse, text: str, status: str = "200 OK", *more: tuple[str, str]
) -> list[bytes]:
    """A whole reply of plain text."""
    body = text.encode()
    length = ("Content-Length", str(len(body)))
    start_response(status, [("Content-Type", "text/plain; charset=utf-8"), length, *more])
    return [body]


class Gate:
    """Views that call :meth:`wait` stay inside until the gate is opened."""

    def __init__(self) -> None:
        self._opened = threading.Event()
        self._lock = threading.Lock()
        self.inside = 0
        self.most_inside = 0

    def wait(self) -> None:
        with self._lock:
            self.inside += 1
            self.most_inside = max(self.most_inside, self.inside)
        self._opened.wait(PATIENCE)
        with self._lock:
            self.inside -= 1

    def open(self) -> None:
        self._opened.set()

    def until_inside(self, count: int) -> None:
        until(lambda: self.inside == count, f"{count} requests are inside the application")


class _Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.levelname} {record.name}: {record.getMessage()}")


class Serving(NamedTuple):
    """A server that runs in a thread of this process."""

    address: Address
    now: Callable[[], dict[str, Any]]
    """What the server does at this moment, such as ``queue_depth`` and ``workers_busy``."""
    log: list[str]
    close: Callable[[], None]

    def until_waiting(self, count: int) -> None:
        until(lambda: self.now()["queue_depth"] == count, f"{count} requests wait in the queue")

    def until_logged(self, text: str) -> str:
        """Wait for a line of the log that holds ``text``."""
        until(lambda: any(text in line for line in self.log), f"the log says {text!r}")
        return next(line for line in self.log if text in line)


@contextlib.contextmanager
def serving(app: WSGIApplication, **adjustments: Any) -> Iterator[Serving]:
    """Serve ``app`` in a thread of this process while the block runs."""
    collector, logger = _Collector(), logging.getLogger("headwaiter")
    logger.addHandler(collector)
    logger.setLevel(logging.INFO)
    server = create_server(app, listen="127.0.0.1:0", **adjustments)
    thread = threading.Thread(target=server.run)
    thread.start()
    address = server.effective_host, int(server.effective_port)
    try:
        yield Serving(address, lambda: dict(server.stats()["now"]), collector.lines, server.close)
    finally:
        server.close()
        thread.join()
        logger.removeHandler(collector)


class Command:
    """``headwaiter [FLAGS] MODULE:OBJECT``, which serves while the ``with`` block runs."""

    def __init__(self, target: str, *flags: str) -> None:
        argv = [sys.executable, "-m", "headwaiter", "--listen=127.0.0.1:0", *flags, target]
        self.process = subprocess.Popen(argv, cwd=HERE, stderr=subprocess.PIPE, text=True)
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        try:
            found = self.until_logged(r"http://127\.0\.0\.1:(\d+)")
        except BaseException:
            self._end()
            raise
        self.address: Address = ("127.0.0.1", int(found[1]))

    def until_logged(self, pattern: str) -> re.Match[str]:
        """Wait until the log matches ``pattern``."""

        def matches() -> bool:
            return bool(re.search(pattern, self.log)) or not self._reader.is_alive()

        until(matches, f"the log matches {pattern!r}")
        found = re.search(pattern, self.log)
        if found is None:
            raise RuntimeError(f"the server has ended:\n{self.log}")
        return found

    @property
    def log(self) -> str:
        return "".join(self.lines)

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        status = self.process.wait(PATIENCE)
        self._reader.join()
        return status

    def __enter__(self) -> Command:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.process.poll() is None and error is None:
            self.stop()
        self._end()

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self.lines.append(line)

    def _end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.wait()
        assert self.process.stderr
        self.process.stderr.close()
