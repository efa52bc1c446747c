"""When does something block?"""

from __future__ import annotations

import ctypes
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from helpers import Command, ask, send

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

PHASES = ("queue", "gil", "app", "flush")
SECOND = 1_000_000


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    print(f"began {path}\n", end="", file=environ["wsgi.errors"], flush=True)
    if path == "/keeps-the-gil":
        ctypes.PyDLL(None).usleep(SECOND)  # C code that sleeps, and does not release the GIL
    elif path == "/waits-in-the-application":
        time.sleep(1)
    size = 32 << 20 if path == "/waits-for-its-client" else 5
    start_response("200 OK", [("Content-Length", str(size))])
    return [bytes(size)]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "access.log")
        form = "--access-log-format=%(U)s " + " ".join(f"%({phase})s" for phase in PHASES)
        flags = "--threads=2", f"--access-log={log}", form
        with Command("q02_where:app", *flags) as server:
            slow_reader = send(server.address, "/waits-for-its-client")
            ask(server.address, "/waits-in-the-application")
            slow_reader.reply()

            holder = send(server.address, "/keeps-the-gil")
            server.until_logged("began /keeps-the-gil")
            ask(server.address, "/waits-for-the-gil")
            holder.reply()

            both = [send(server.address, "/waits-in-the-application") for _ in range(2)]
            server.until_logged(r"(?s)(began /waits-in-the-application.*){3}")
            ask(server.address, "/waits-in-the-queue")
            for client in both:
                client.reply()
        for line in log.read_text().splitlines():
            path, *words = line.split()
            spent = dict(zip(PHASES, map(float, words)))
            longest = max(PHASES, key=lambda phase: spent[phase])
            shown = "  ".join(f"{phase} {spent[phase]:.2f} s" for phase in PHASES)
            print(f"{path:<26}{shown}  longest: {longest}")


if __name__ == "__main__":
    main()
