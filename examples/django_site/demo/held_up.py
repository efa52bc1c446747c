"""Views that hold each other up: for a lock, a connection, a service, the GIL.

The landing page draws them, and the server's advice names the lines below at which they wait.
"""

from __future__ import annotations

import queue
import socket
import threading
import time
from typing import TYPE_CHECKING

from django.http import HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from .work import count_in_python, seconds_asked, timed

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

LOCK = threading.Lock()
CONNECTIONS: queue.SimpleQueue[str] = queue.SimpleQueue()
for name in ("one", "two"):
    CONNECTIONS.put(name)
UPLOAD = 64 << 10
PIECES = 40
LINE_SECONDS = 10.0
"""How long the slow upload takes, and how long the thread beside the workers computes."""


@require_GET
def lock(request: HttpRequest) -> JsonResponse:
    """Sleeps for ``?seconds=`` under a lock that all requests share."""
    return timed(sleep_under_the_lock, seconds_asked(request))


@require_GET
def pool(request: HttpRequest) -> JsonResponse:
    """Uses one of two connections for ``?seconds=``."""
    return timed(use_a_connection, seconds_asked(request))


@require_GET
def service(request: HttpRequest) -> JsonResponse:
    """Asks a service that takes ``?seconds=`` for each answer, one after the other."""
    return timed(Service.shared().ask, seconds_asked(request))


@require_GET
def beside(request: HttpRequest) -> JsonResponse:
    """Computes for ``?seconds=`` while another thread computes, too."""
    start_once("demo-poller", lambda: count_in_python(LINE_SECONDS))
    return timed(count_in_python, seconds_asked(request))


@require_GET
def slow_upload(request: HttpRequest) -> JsonResponse:
    """Sleeps for ``?seconds=`` while a client, begun here, uploads over a slow line."""
    port = int(request.META["SERVER_PORT"])
    start_once("demo-slow-line", lambda: send_slowly(port))
    return timed(time.sleep, seconds_asked(request))


@csrf_exempt
@require_POST
def sink(request: HttpRequest) -> HttpResponse:
    """Takes an upload and says how much it was."""
    return HttpResponse(f"{len(request.body)} bytes\n", content_type="text/plain")


def sleep_under_the_lock(seconds: float) -> None:
    with LOCK:
        time.sleep(seconds)


def use_a_connection(seconds: float) -> None:
    connection = CONNECTIONS.get()
    try:
        time.sleep(seconds)
    finally:
        CONNECTIONS.put(connection)


def start_once(name: str, work: Callable[[], None]) -> None:
    """Start a thread of this name, unless one runs."""
    if all(thread.name != name for thread in threading.enumerate()):
        threading.Thread(target=work, name=name, daemon=True).start()


def send_slowly(port: int) -> None:
    """Upload to this site, a piece at a time."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        head = f"POST /sink/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: {UPLOAD}\r\n"
        sock.sendall(f"{head}Connection: close\r\n\r\n".encode())
        for _ in range(PIECES):
            time.sleep(LINE_SECONDS / PIECES)
            sock.sendall(bytes(UPLOAD // PIECES))
        sock.sendall(bytes(UPLOAD % PIECES))
        while sock.recv(4096):
            pass


class Service:
    """Another service, as far as the workers can tell: it answers on a socket, one at a time."""

    _shared: Service | None = None
    _making = threading.Lock()

    @classmethod
    def shared(cls) -> Service:
        """The one service, begun at the first question."""
        with cls._making:
            if cls._shared is None:
                cls._shared = cls()
            return cls._shared

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        threading.Thread(target=self._serve, name="demo-service", daemon=True).start()

    def ask(self, seconds: float) -> None:
        """Wait for an answer, which takes the service so many ``seconds``."""
        with socket.create_connection(self._listener.getsockname()) as sock:
            sock.sendall(f"{seconds}\n".encode())
            sock.recv(1)

    def _serve(self) -> None:
        while True:
            client, _ = self._listener.accept()
            with client, client.makefile("rb") as asked:
                time.sleep(float(asked.readline()))
                client.sendall(b"!")
