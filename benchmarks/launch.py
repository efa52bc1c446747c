"""Start one of the peers that are set up from Python rather than from a command line.

`python -m benchmarks.launch PEER PORT THREADS MODULE:OBJECT`, run by `peers.py` in a process of its
own. Each function here is that server's recommended quick configuration: nothing is logged per
request, and no limit is lower than the scenarios need. Servers are imported by name, since none of
them need be installed, and some are published without types.
"""

from __future__ import annotations

import importlib
import logging
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed.wsgi import WSGIApplication

HOST = "127.0.0.1"
BACKLOG = 2048


def waitress(app: WSGIApplication, port: int, threads: int) -> None:
    waitress = importlib.import_module("waitress")

    # One warning per queued request costs Waitress a tenth of its CPU time at 64 connections.
    logging.getLogger("waitress.queue").setLevel(logging.CRITICAL)
    waitress.serve(
        app,
        host=HOST,
        port=port,
        threads=threads,
        backlog=BACKLOG,
        connection_limit=10_000,
        asyncore_use_poll=True,  # select() ends at 1,024 descriptors
    )


def cheroot(app: WSGIApplication, port: int, threads: int) -> None:
    wsgi = importlib.import_module("cheroot.wsgi")
    server = wsgi.Server(
        (HOST, port), app, numthreads=threads, request_queue_size=BACKLOG, timeout=60
    )
    server.start()


def bjoern(app: WSGIApplication, port: int, threads: int) -> None:
    bjoern = importlib.import_module("bjoern")

    bjoern.run(app, HOST, port)


def fastwsgi(app: WSGIApplication, port: int, threads: int) -> None:
    fastwsgi = importlib.import_module("fastwsgi")

    fastwsgi.server.backlog = BACKLOG
    # Otherwise a streamed reply waits for the client's delayed acknowledgements.
    fastwsgi.server.tcp_nodelay = 1
    fastwsgi.run(app, host=HOST, port=port, loglevel=0)


def fastpysgi(app: WSGIApplication, port: int, threads: int) -> None:
    fastpysgi = importlib.import_module("fastpysgi")

    fastpysgi.server.backlog = BACKLOG
    # As for fastwsgi.
    fastpysgi.server.tcp_nodelay = 1
    fastpysgi.run(app, host=HOST, port=port, loglevel=0)


def freastal(app: WSGIApplication, port: int, threads: int) -> None:
    freastal = importlib.import_module("freastal")

    freastal.serve(app, host=HOST, port=port, workers=1)


LAUNCHERS: dict[str, Callable[[WSGIApplication, int, int], None]] = {
    "waitress": waitress,
    "cheroot": cheroot,
    "bjoern": bjoern,
    "fastwsgi": fastwsgi,
    "fastpysgi": fastpysgi,
    "freastal": freastal,
}


def main(arguments: list[str]) -> None:
    peer, port, threads, target = arguments
    module, _, name = target.partition(":")
    app = getattr(importlib.import_module(module), name)
    LAUNCHERS[peer](app, int(port), int(threads))


if __name__ == "__main__":
    main(sys.argv[1:])
