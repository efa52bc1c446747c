"""Why does latency grow with the number of clients, though the view always takes one second?"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from helpers import answer, at_once, serving

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    began = time.monotonic()
    time.sleep(0.25)  # a quarter of a second, so that this demo ends soon
    return answer(start_response, f"{time.monotonic() - began:.2f}")


def main() -> None:
    with serving(app, threads=4) as server:
        replies = sorted(at_once(server.address, ["/"] * 20), key=lambda reply: reply.seconds)
    print("20 clients at once, 4 threads, and a view that takes 0.25 s")
    for first in range(0, 20, 4):
        group = replies[first : first + 4]
        inside = max(float(reply.text) for reply in group)
        seen = max(reply.seconds for reply in group)
        which = f"clients {first + 1} to {first + 4}"
        print(f"{which}: {inside:.2f} s in the view, {seen:.2f} s in all")


if __name__ == "__main__":
    main()
