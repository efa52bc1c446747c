"""Applications of known bottleneck. Each waits or computes for some 20 ms per request."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import queue
import socket
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

Environ = dict[str, Any]
StartResponse = Callable[..., object]
SHORT = 0.02
MEGABYTE = bytes(1 << 20)


def _reply(start_response: StartResponse, status: str = "200 OK") -> Iterable[bytes]:
    start_response(status, [("Content-Length", "4")])
    return [b"done"]


def _compute(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(100))


LOCK = threading.Lock()


def lock(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """All wait for one lock, in which one sleeps."""
    with LOCK:
        time.sleep(SHORT)
    return _reply(start_response)


class Ledger:
    """Keeps its lock to itself."""

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def write(self) -> None:
        self._lock.acquire()
        try:
            time.sleep(SHORT)
        finally:
            self._lock.release()


LEDGER = Ledger()


def ledger(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """A lock in an object, taken without ``with``, after some time without it."""
    time.sleep(SHORT / 4)
    LEDGER.write()
    return _reply(start_response)


SLOTS = threading.BoundedSemaphore(2)


def semaphore(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Two at a time."""
    with SLOTS:
        time.sleep(SHORT)
    return _reply(start_response)


CONNECTIONS: queue.Queue[int] = queue.Queue()
for _number in range(2):
    CONNECTIONS.put(_number)


@contextlib.contextmanager
def connection() -> Iterator[int]:
    taken = CONNECTIONS.get()
    try:
        yield taken
    finally:
        CONNECTIONS.put(taken)


def pool(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """A pool of two connections, made of a queue."""
    with connection():
        time.sleep(SHORT)
    return _reply(start_response)


def sleeping(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Waits for something that serves any number at a time."""
    time.sleep(SHORT)
    return _reply(start_response)


def spinning(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Computes under the GIL."""
    _compute(SHORT)
    return _reply(start_response)


def hashing(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Computes without the GIL."""
    for _ in range(10):
        hashlib.sha256(MEGABYTE)
    return _reply(start_response)


def holding(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Sleeps in C and keeps the GIL."""
    ctypes.PyDLL(None).usleep(100_000)
    return _reply(start_response)


def ask_service() -> None:
    port = int(os.environ["ADVICE_SERVICE"])
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"?")
        client.recv(1)


def service(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Asks the service in `service.py`."""
    ask_service()
    return _reply(start_response)


DATABASE = os.path.join(tempfile.gettempdir(), f"headwaiter-advice-{os.getuid()}.sqlite")
LOCAL = threading.local()


def sqlite(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Each writes in a transaction that takes some time."""
    database = getattr(LOCAL, "database", None)
    if database is None:
        database = LOCAL.database = sqlite3.connect(DATABASE, timeout=60, isolation_level=None)
        database.execute("CREATE TABLE IF NOT EXISTS visits (at REAL)")
    database.execute("BEGIN IMMEDIATE")
    database.execute("INSERT INTO visits VALUES (?)", (time.time(),))
    time.sleep(SHORT)
    database.execute("COMMIT")
    return _reply(start_response)


def background(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """A thread of the application computes beside the workers, which compute a little."""
    with LOCK:
        if not any(thread.name == "recount" for thread in threading.enumerate()):
            threading.Thread(target=_compute, args=(1e9,), name="recount", daemon=True).start()
    for _ in range(4):
        _compute(0.001)
        time.sleep(0.001)
    return _reply(start_response)


def starving(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """One route takes the workers from the others."""
    time.sleep(2.0 if environ["PATH_INFO"] == "/report" else 0.005)
    return _reply(start_response)


def patient(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Pages of 50 ms, and ``/long``, which takes 20 s."""
    time.sleep(20.0 if environ["PATH_INFO"] == "/long" else 0.05)
    return _reply(start_response)


COUNT = iter(range(1 << 62))


def failing(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Most replies are errors, and nobody waits."""
    fails = next(COUNT) % 7 < 4
    return _reply(start_response, "500 Internal Server Error" if fails else "200 OK")


NEVER = threading.Event()


def stuck(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """``/hang`` does not end."""
    if environ["PATH_INFO"] == "/hang":
        NEVER.wait()
    return _reply(start_response)
