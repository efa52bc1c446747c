"""Does `threads` limit threads that my view starts?"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from helpers import Gate, answer, ask, serving

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

gate = Gate()


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    threading.Thread(target=gate.wait, name="mine").start()
    return answer(start_response, "started")


def main() -> None:
    with serving(app, threads=1) as server:
        done = [ask(server.address).status for _ in range(10)]
        gate.until_inside(10)
        busy = server.now()["workers_busy"]
        mine = sum(thread.name == "mine" for thread in threading.enumerate())
        print(f"threads=1: {done.count(200)} requests are answered, {busy} workers are busy")
        print(f"threads that the view has started and that still run: {mine}")
        gate.open()


if __name__ == "__main__":
    main()
