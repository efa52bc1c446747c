"""Do idle keep-alive connections hold anything?"""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

from helpers import answer, ask, request, serving, until

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    return answer(start_response, "hello")


def main() -> None:
    with serving(app, threads=1, connection_limit=100) as server:
        clients = [socket.create_connection(server.address) for _ in range(99)]
        for client in clients:
            client.sendall(request())
            client.recv(65536)
        until(lambda: server.now()["channels"]["idle"] == 99, "all connections are idle")
        now = server.now()
        busy, waiting = now["workers_busy"], now["queue_depth"]
        print(f"99 idle connections: {busy} threads busy, {waiting} requests waiting")
        print(f"a visitor gets {ask(server.address).status}")

        more = [socket.create_connection(server.address) for _ in range(10)]
        for client in more:
            client.sendall(request())
            client.recv(65536)
        closed = 0
        for client in clients:
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):  # it is still open
                closed += client.recv(1) == b""
        print("10 more, and connection_limit=100: the 9 that were idle for longest are closed")
        print(f"closed: {closed}")
        for client in clients + more:
            client.close()


if __name__ == "__main__":
    main()
