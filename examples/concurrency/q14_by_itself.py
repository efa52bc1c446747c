"""Can the server find out by itself?"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from helpers import Command, answer, load

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    time.sleep(0.05)
    return answer(start_response, "done")


def main() -> None:
    with Command("q14_by_itself:app", "--threads=1-8") as server:
        grown = threading.Event()

        def clients() -> None:
            while not grown.is_set():
                load(server.address, clients=8, seconds=0.5)

        asking = threading.Thread(target=clients)
        asking.start()
        try:
            server.until_logged(r"threads: \d+ -> 8: ")
        finally:
            grown.set()
            asking.join()
        for line in server.lines:
            if "threads: " in line:
                print(line[line.index("threads: ") :].rstrip())


if __name__ == "__main__":
    main()
