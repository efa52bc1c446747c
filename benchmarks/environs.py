"""What a worker spends on a request, by the number of header fields: the price of an environ.

`python -m benchmarks.environs` serves pipelined requests from a server in this process, with one
worker, and reads that worker's CPU clock each time the application is called. Between two calls
lies all that a worker does for a request: take it, make the environ, call, frame the reply, hand it
on. The I/O thread's work and the client's are not in it. What grows with the fields is the environ.

`--test` asks only whether it still runs: few requests, no figures.
"""

from __future__ import annotations

import argparse
import socket
import threading
import time
from typing import TYPE_CHECKING

import headwaiter
from benchmarks.scenarios import BROWSER_HEADERS

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

REQUESTS = 20_000
FEW = 200
ROUNDS = 5
TOGETHER = 16
"""Requests in one piece: enough that the worker always finds the next one."""

OWN_FIELDS = {f"X-Own-{n}": f"value-{n}" for n in range(15)}
"""Names that no server can know beforehand."""

KINDS: dict[str, dict[str, str]] = {
    "Host only": {},
    "a browser's 15": BROWSER_HEADERS,
    "15 unknown ones": OWN_FIELDS,
}


class Clocked:
    """An application that notes its thread's CPU time, in nanoseconds, whenever it is called."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.fields = 0

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        self.calls.append(time.thread_time_ns())
        if len(self.calls) == 1:
            self.fields = sum(key.startswith("HTTP_") for key in environ)
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
        return [b"ok"]


def measure(fields: dict[str, str], requests: int) -> float:
    """Microseconds of worker CPU per request with `Host` and these fields.

    Raises:
        RuntimeError: The environ does not hold what was sent.
    """
    app = Clocked()
    server = headwaiter.create_server(app, host="127.0.0.1", port=0, threads=1)
    runner = threading.Thread(target=server.run)
    runner.start()
    try:
        lines = "".join(f"{name}: {value}\r\n" for name, value in {"Host": "b", **fields}.items())
        _pipeline(int(server.effective_port), f"GET / HTTP/1.1\r\n{lines}\r\n".encode(), requests)
    finally:
        server.close()
        runner.join()
    if (len(app.calls), app.fields) != (requests, 1 + len(fields)):
        raise RuntimeError(f"{len(app.calls)} calls, {app.fields} fields")
    return (app.calls[-1] - app.calls[0]) / (requests - 1) / 1000


def _pipeline(port: int, sent: bytes, requests: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        for _ in range(requests // TOGETHER):
            connection.sendall(sent * TOGETHER)
            received = b""
            while received.count(b"\r\n\r\nok") < TOGETHER:
                chunk = connection.recv(65536)
                if not chunk:
                    raise RuntimeError("the server closed the connection")
                received += chunk


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.environs", description="Worker CPU per request, by fields."
    )
    parser.add_argument("--test", action="store_true", help="only see whether it runs")
    test = parser.parse_args().test
    requests, rounds = (FEW, 1) if test else (REQUESTS, ROUNDS)
    requests -= requests % TOGETHER
    for kind, fields in KINDS.items():
        best = min(measure(fields, requests) for _ in range(rounds))
        print(f"{kind:16} " + ("runs" if test else f"{best:6.2f} us of worker CPU"))


if __name__ == "__main__":
    main()
