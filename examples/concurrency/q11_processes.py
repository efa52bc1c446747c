"""Threads or processes?"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

from helpers import Command, answer, ask, at_once, load

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

lock = threading.Lock()
counter = 0


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    global counter
    path = environ["PATH_INFO"]
    if path == "/waits":
        time.sleep(0.02)
    elif path == "/computes":
        sum(n * n for n in range(100_000))
    elif path == "/counts":
        with lock:
            counter += 1
            return answer(start_response, f"{os.getpid()} {counter}")
    return answer(start_response, "done")


def main() -> None:
    for flags in (["--threads=8"], ["--threads=4", "--processes=2"]):
        with Command("q11_processes:app", *flags) as server:
            ask(server.address)
            waits = load(server.address, "/waits", clients=8, seconds=0.5)
            computes = load(server.address, "/computes", clients=8, seconds=1.0)
            print(
                f"{' '.join(flags)}: {waits:.0f} replies per second of a view that waits, "
                f"{computes:.0f} of a view that computes"
            )
            counts: dict[str, int] = {}
            for reply in at_once(server.address, ["/counts"] * 40):
                process, count = reply.text.split()
                counts[process] = max(int(count), counts.get(process, 0))
            each = " + ".join(map(str, counts.values()))
            print(f"  40 requests to a counter of the module: {each} = {sum(counts.values())}")


if __name__ == "__main__":
    main()
