"""Is that what gunicorn's `gthread` worker does?"""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from helpers import Address, answer, ask, request, serving, until

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

HALF = request("/", "POST", bytes(1000))[:-500]
THREADS = 4


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    return answer(start_response, "hello")


def read_in_the_pool(listener: socket.socket, pool: ThreadPoolExecutor, reading: list[int]) -> None:
    """A server of the other kind: a thread of the pool reads the request from the socket."""

    def serve(connection: socket.socket) -> None:
        with connection:
            reading.append(1)
            while connection.recv(65536):
                pass

    while True:
        try:
            connection, _ = listener.accept()
        except OSError:  # the listener is closed
            return
        pool.submit(serve, connection)


def half_sent(address: Address, count: int) -> list[socket.socket]:
    clients = [socket.create_connection(address) for _ in range(count)]
    for client in clients:
        client.sendall(HALF)
    return clients


def main() -> None:
    reading: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(THREADS) as pool:
        threading.Thread(target=read_in_the_pool, args=(listener, pool, reading)).start()
        slow = half_sent(listener.getsockname(), THREADS)
        until(lambda: len(reading) == THREADS, "every thread reads a request")
        print(f"threads that read the socket: 4 half-sent requests occupy {len(reading)} of 4")
        for client in slow:
            client.close()
        listener.shutdown(socket.SHUT_RDWR)

    with serving(app, threads=THREADS) as server:
        slow = half_sent(server.address, 20)
        until(lambda: server.now()["channels"]["receiving"] == 20, "20 requests are half received")
        busy, status = server.now()["workers_busy"], ask(server.address).status
        print(f"headwaiter: 20 half-sent requests occupy {busy} of 4; a visitor gets {status}")
        for client in slow:
            client.close()


if __name__ == "__main__":
    main()
