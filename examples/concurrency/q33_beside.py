"""Does the server disturb the rest of my program?"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from helpers import answer, ask

from headwaiter import create_server

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    return answer(start_response, "hello")


def main() -> None:
    server = create_server(app, listen="127.0.0.1:0")
    thread = threading.Thread(target=server.run)
    thread.start()
    address = server.effective_host, int(server.effective_port)
    print(f"the server runs in a thread: a visitor gets {ask(address).status}")
    time.sleep(0.5)  # what it does after a request is over
    before = time.process_time()
    time.sleep(1)  # the program waits, and so does the server
    used = time.process_time() - before
    print(f"in an idle second the whole program used {used * 1000:.1f} ms of CPU time")
    server.close()  # from any thread
    thread.join()
    print("close() has returned, and so has run()")


if __name__ == "__main__":
    main()
