"""A program with a server, for ``test_ends``: ``python -m tests.faults.ending serve|daemon``.

It exits with 7, which is its own status and not the server's.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Iterable
from typing import Any

from tests.support.target import NAME
from tests.support.wsgi import Environ, StartResponse


def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/block":
        print("blocks", file=sys.stderr, flush=True)
        threading.Event().wait()
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return [bytes(20_000)]


def main(how: str) -> None:
    # At run time, so that the suite can be type-checked without the extension.
    server_module: Any = importlib.import_module(NAME)
    settings = {"listen": "127.0.0.1:0", "shutdown_timeout": 0.3}
    if how == "serve":
        server_module.serve(app, **settings)
    else:
        server = server_module.create_server(app, **settings)
        threading.Thread(target=server.run, daemon=True).start()
        print(server.urls[0], file=sys.stderr, flush=True)
        sys.stdin.read()
    sys.exit(7)


if __name__ == "__main__":
    main(sys.argv[1])
