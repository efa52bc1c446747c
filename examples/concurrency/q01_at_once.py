"""How many requests run at once?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from helpers import Gate, answer, send, serving

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

gate = Gate()


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    gate.wait()
    return answer(start_response, "done")


def main() -> None:
    with serving(app, threads=4) as server:
        clients = [send(server.address) for _ in range(10)]
        gate.until_inside(4)
        server.until_waiting(6)
        print("10 requests, 4 threads: 4 are inside the application, 6 wait in the queue")
        gate.open()
        done = [client.reply().status for client in clients]
    print(f"then all are answered: {done.count(200)} replies with status 200")
    print(f"inside at once, at most: {gate.most_inside}")


if __name__ == "__main__":
    main()
