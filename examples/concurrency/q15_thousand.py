"""Would a thousand threads help?"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from helpers import Command, answer, ask, load

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/threads":
        names = [thread.name for thread in threading.enumerate()]
        workers = sum(name.startswith("headwaiter-") and name[11:].isdigit() for name in names)
        return answer(start_response, str(workers))
    sum(n * n for n in range(30_000))
    return answer(start_response, "done")


def main() -> None:
    for threads in (4, 1000):
        with Command("q15_thousand:app", f"--threads={threads}") as server:
            workers = 0
            while workers < threads:  # the first request may come before the last thread
                workers = int(ask(server.address, "/threads").text)
            rate = load(server.address, "/computes", clients=16)
        print(f"{workers} threads: {rate:.0f} replies per second of a view that computes")


if __name__ == "__main__":
    main()
