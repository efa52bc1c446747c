"""Does one computing request block the others?"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from helpers import Client, Command, answer, ask, request

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

stop = threading.Event()


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path == "/computes":
        print("computing", file=environ["wsgi.errors"], flush=True)
        turns = 0
        while not stop.is_set():
            turns += sum(range(1000))
    elif path == "/stop":
        stop.set()
    return answer(start_response, "done")


def main() -> None:
    with Command("q07_computing:app", "--threads=2") as server:
        calm = sorted(ask(server.address, "/quick").seconds for _ in range(20))
        computing = Client(server.address, request("/computes"))
        server.until_logged("computing")
        beside = sorted(ask(server.address, "/quick").seconds for _ in range(20))
        print(f"beside a view that computes, {len(beside)} of 20 quick requests are answered")
        print(f"slowest before: {calm[-1] * 1000:.1f} ms, beside it: {beside[-1] * 1000:.1f} ms")
        ask(server.address, "/stop")
        print(f"the computing view ends later, with status {computing.reply().status}")


if __name__ == "__main__":
    main()
