"""Are pipelined requests run in parallel?"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from helpers import Client, answer, request, serving

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

inside = 0
most = 0
order: list[str] = []


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    global inside, most
    inside += 1
    most = max(most, inside)
    order.append(environ["PATH_INFO"][1:])
    time.sleep(0.05)
    inside -= 1
    return answer(start_response, f"[{environ['PATH_INFO'][1:]}]")


def main() -> None:
    with serving(app, threads=4) as server:
        client = Client(server.address, b"".join(request(f"/{n}") for n in range(1, 6)))
        received = b""
        while b"[5]" not in received:
            received += client.socket.recv(65536)
        client.leave()
    replies = [n for n in order if f"[{n}]".encode() in received]
    print(f"5 requests behind one another on a connection, threads=4: {most} ran at a time")
    print(f"they ran in this order: {' '.join(order)}; answered: {' '.join(replies)}")


if __name__ == "__main__":
    main()
