"""Does `channel_timeout` limit how long a request may take?"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from helpers import Client, answer, request, serving

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    time.sleep(1)
    return answer(start_response, "done")


def main() -> None:
    with serving(app, channel_timeout=0.3) as server:
        client = Client(server.address, request())
        head = client.socket.recv(65536).split(b"\r\n", 1)[0].decode()
        took = time.monotonic() - client.began
        print(f"channel_timeout=0.3, and a view of 1 s: {head} after {took:.1f} s")
        began = time.monotonic()
        rest = client.socket.recv(1)
        idle = time.monotonic() - began
        print(f"idle after the reply: the server closes it ({rest!r}) after {idle:.1f} s")
        client.leave()


if __name__ == "__main__":
    main()
