"""What does "Task queue depth is …" in the log mean?"""

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
    with serving(app, threads=2) as server:
        running = [send(server.address) for _ in range(2)]
        gate.until_inside(2)
        waiting = [send(server.address) for _ in range(5)]
        print(server.until_logged("Task queue depth"))
        gate.open()
        done = [client.reply().status for client in running + waiting]
    print(f"no request failed: {done.count(200)} of 7 were answered with 200")


if __name__ == "__main__":
    main()
