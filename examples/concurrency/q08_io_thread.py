"""Does the I/O thread need the GIL to accept or to send?"""

from __future__ import annotations

import ctypes
import os
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from helpers import Client, Command, ask, request, send

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

LARGE = 8 << 20
PIPE = "HOLD_UNTIL"


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    size = LARGE if environ["PATH_INFO"] == "/large" else 0
    if environ["PATH_INFO"] == "/holds-the-gil":
        descriptor = os.open(os.environ[PIPE], os.O_RDONLY)
        # C code that blocks in read(2) and keeps the GIL: no Python code runs until a byte comes.
        ctypes.PyDLL(None).read(descriptor, ctypes.create_string_buffer(1), 1)
        os.close(descriptor)
    start_response("200 OK", [("Content-Length", str(size))])
    return [bytes(size)]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ[PIPE] = str(Path(folder, "pipe"))
        os.mkfifo(os.environ[PIPE])
        with Command("q08_io_thread:app", "--health-path=/health") as server:
            reader = send(server.address, "/large")
            reader.socket.recv(1, socket.MSG_PEEK)  # the view has returned its reply
            holder = send(server.address, "/holds-the-gil")
            with open(os.environ[PIPE], "wb", buffering=0) as pipe:  # returns when the view is here
                healthy = [ask(server.address, "/health").status for _ in range(20)]
                wrong = request().replace(b"Host", b"Bad Host")
                refused = [Client(server.address, wrong).reply().status for _ in range(20)]
                received = len(reader.reply().text)
                holder.socket.settimeout(0.1)
                try:
                    holder.socket.recv(1)
                except socket.timeout:
                    print("one view holds the GIL, so no Python code runs. Meanwhile:")
                print(f"  {healthy.count(200)} of 20 health checks on new connections got 200")
                print(f"  {refused.count(400)} of 20 malformed requests got 400")
                print(f"  {received >> 20} MiB of a reply that was finished before were sent")
                pipe.write(b"x")
            holder.socket.settimeout(30)
            print(f"then the view returns, with status {holder.reply().status}")


if __name__ == "__main__":
    main()
