"""Does Python without the GIL help?"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from helpers import Command, answer, ask, at_once

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def gil_is_on() -> bool:
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    sum(n * n for n in range(2_000_000))
    return answer(start_response, f"the GIL is {'on' if gil_is_on() else 'off'}")


def main() -> None:
    with Command("q12_without_gil:app", "--threads=2") as server:
        one = ask(server.address)
        two = max(reply.seconds for reply in at_once(server.address, ["/", "/"]))
    print(f"Python {sys.version.split()[0]}, in the server {one.text}")
    print(f"one computing view: {one.seconds:.2f} s, two at once: {two:.2f} s")
    if gil_is_on():
        print("Run this with a free-threaded Python (3.14t): there two take as long as one.")


if __name__ == "__main__":
    main()
