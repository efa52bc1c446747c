"""How many should I use?"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from helpers import Command, answer, load

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

WAIT, COMPUTE = 0.045, 0.005


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    time.sleep(WAIT)
    end = time.thread_time() + COMPUTE
    while time.thread_time() < end:
        pass
    return answer(start_response, "done")


def main() -> None:
    suggested = round(1 + WAIT / COMPUTE)
    print(f"A view waits for 45 ms and computes for 5 ms: 1 + 45/5 = {suggested} threads")
    for threads in (1, 5, suggested, 2 * suggested):
        with Command("q13_how_many:app", f"--threads={threads}") as server:
            rate = load(server.address, clients=2 * suggested, seconds=0.8)
        possible = min(threads / (WAIT + COMPUTE), 1 / COMPUTE)
        print(f"threads={threads:<4}{rate:>5.0f} replies per second, {possible:.0f} at most")


if __name__ == "__main__":
    main()
