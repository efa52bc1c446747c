"""What if my application has threads of its own?"""

from __future__ import annotations

import os
import signal
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from helpers import Command, answer, ask

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

PIPE = "END_WHEN_WRITTEN"


def work() -> None:
    with open(os.environ[PIPE], "rb") as pipe:  # blocks until somebody writes
        pipe.read()


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    is_daemon = environ["PATH_INFO"] == "/daemon"
    threading.Thread(target=work, name="my-poller", daemon=is_daemon).start()
    return answer(start_response, "started")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ[PIPE] = str(Path(folder, "pipe"))
        os.mkfifo(os.environ[PIPE])
        with Command("q32_own_thread_at_end:app") as server:
            ask(server.address, "/daemon")
            print(f"a daemon thread: the process ends without it, exit status {server.stop()}")
        with Command("q32_own_thread_at_end:app") as server:
            ask(server.address, "/not-a-daemon")
            server.process.send_signal(signal.SIGTERM)
            found = server.until_logged(r"waiting .* for threads to end: .*")
            print(f"another thread: the log says {found[0]!r}")
            with open(os.environ[PIPE], "wb"):
                pass
            print(f"the thread has ended: exit status {server.wait()}")


if __name__ == "__main__":
    main()
