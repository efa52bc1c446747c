"""Why did more threads make it slower?"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from helpers import Command, answer, load

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/computes":
        sum(n * n for n in range(30_000))
    else:
        time.sleep(0.02)
    return answer(start_response, "done")


def main() -> None:
    print("replies per second, 16 clients   waits 20 ms   computes for some ms")
    for threads in (1, 4, 16):
        with Command("q09_more_threads:app", f"--threads={threads}") as server:
            waits = load(server.address, "/waits", clients=16, seconds=0.5)
            computes = load(server.address, "/computes", clients=16, seconds=0.5)
            print(f"threads={threads:<24}{waits:>12.0f}{computes:>14.0f}")
    print("More threads help a view that waits. They give a view that computes no second core.")


if __name__ == "__main__":
    main()
