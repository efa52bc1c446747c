"""Why is one core busy, the others idle, and latency rising?"""

from __future__ import annotations

import resource
import time
from typing import TYPE_CHECKING

from helpers import Command, answer, load

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    sum(n * n for n in range(200_000))
    return answer(start_response, "done")


def cpu_of_ended_servers() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measured(*flags: str) -> tuple[float, float]:
    """Cores that the server uses, and seconds that a client waits for a reply, with 8 clients."""
    before = cpu_of_ended_servers()
    with Command("q10_one_core:app", *flags) as server:
        began = time.monotonic()
        rate = load(server.address, clients=8, seconds=1.5)
        took = time.monotonic() - began
    return (cpu_of_ended_servers() - before) / took, 8 / rate


def main() -> None:
    for flags in (["--threads=8"], ["--threads=4", "--processes=2"]):
        cores, wait = measured(*flags)
        print(f"{' '.join(flags):<28}{cores:.1f} cores in use, a reply takes {wait * 1000:.0f} ms")
    print("One process has one GIL: with any number of threads, its Python code uses one core.")


if __name__ == "__main__":
    main()
