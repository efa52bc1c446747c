"""Are threads reused? Is anything shared between requests?"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from helpers import answer, at_once, serving

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

local = threading.local()
three_inside = threading.Barrier(3)
lock = threading.Lock()
connections: list[object] = []
requests = 0


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    global requests
    three_inside.wait()  # so that every round of three uses all three threads
    if not hasattr(local, "connection"):
        local.connection = object()  # stands for a database connection
        connections.append(local.connection)
    with lock:  # module-level state: all workers share it
        requests += 1
    return answer(start_response, threading.current_thread().name)


def main() -> None:
    with serving(app, threads=3) as server:
        names = {reply.text for _ in range(20) for reply in at_once(server.address, ["/"] * 3)}
    print(f"{requests} requests ran on {len(names)} threads: {', '.join(sorted(names))}")
    print(f"connections in threading.local: {len(connections)}, one for each thread")
    print(f"the counter of the module, which all threads share: {requests}")


if __name__ == "__main__":
    main()
