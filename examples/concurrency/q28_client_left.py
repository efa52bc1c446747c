"""What if the client has left?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from helpers import Gate, answer, ask, send, serving, until

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

gate = Gate()
ran: list[str] = []


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    ran.append(f"{environ['REQUEST_METHOD']} {path}")
    if path == "/running":
        gate.wait()
        until(environ["headwaiter.client_disconnected"], "the view is told that its client left")
        ran.append("the view noticed it")
    return answer(start_response, "done")


def main() -> None:
    with serving(app, threads=1, health_path="/healthz") as server:
        running = send(server.address, "/running")
        gate.until_inside(1)
        waiting = [send(server.address, "/waiting") for _ in range(3)]
        waiting.append(send(server.address, "/waiting", "POST", b"an order"))
        server.until_waiting(4)
        for client in [running, *waiting]:
            client.leave()
        ask(server.address, "/healthz")  # answered after the I/O thread has seen who left
        gate.open()
        ask(server.address, "/last")
    print(f"a running view whose client left: {'the view noticed it' in ran}")
    print(f"3 waiting GETs whose clients left: {ran.count('GET /waiting')} ran")
    print(f"1 waiting POST whose client left: {ran.count('POST /waiting')} ran")


if __name__ == "__main__":
    main()
