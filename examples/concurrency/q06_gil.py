"""What does the GIL do to me?"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

from helpers import Command, answer, ask, at_once

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

BLOCK = bytes(16 << 20)


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path == "/computes-in-python":
        sum(n * n for n in range(3_000_000))
    elif path == "/computes-in-c":
        for _ in range(4):
            hashlib.sha256(BLOCK)  # releases the GIL meanwhile
    elif path == "/sleeps":
        time.sleep(0.2)
    return answer(start_response, "done")


def main() -> None:
    with Command("q06_gil:app", "--threads=4") as server:
        print("seconds until the last reply   one request   four at once   ratio")
        for path in ("/sleeps", "/computes-in-c", "/computes-in-python"):
            one = ask(server.address, path).seconds
            four = max(reply.seconds for reply in at_once(server.address, [path] * 4))
            print(f"{path:<28}{one:>12.2f} s{four:>13.2f} s{four / one:>8.1f}")
    print("With a GIL, four views that compute in Python take about four times as long as one.")


if __name__ == "__main__":
    main()
