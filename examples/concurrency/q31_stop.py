"""What happens to requests when the server stops?"""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from helpers import Command, answer, send

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    print(f"began {path}", file=environ["wsgi.errors"], flush=True)
    time.sleep(60 if path == "/endless" else 1)
    return answer(start_response, "done")


def main() -> None:
    with Command("q31_stop:app", "--threads=1") as server:
        running = send(server.address, "/running")
        server.until_logged("began /running")
        waiting = send(server.address, "/waiting")
        status = server.stop()
        for name, client in (("running", running), ("waiting", waiting)):
            reply = client.reply()
            how = reply.headers.get("Connection")
            print(f"the {name} request: {reply.status}, Connection: {how}")
        print(f"exit status {status}: every request was answered")

    with Command("q31_stop:app", "--shutdown-timeout=0.5") as server:
        endless = send(server.address, "/endless")
        server.until_logged("began /endless")
        server.process.send_signal(signal.SIGTERM)
        status = server.wait()
        received = len(endless.socket.recv(65536))
        endless.leave()
        print(f"shutdown_timeout=0.5, an endless request: cut, its client got {received} bytes")
        print(f"exit status {status}: a request was cut")


if __name__ == "__main__":
    main()
