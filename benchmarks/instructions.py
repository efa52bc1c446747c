"""Instructions per request, counted by valgrind: a figure that repeats where time does not.

`python -m benchmarks.instructions [--peers headwaiter] [--requests 1000]` serves the same hello
exchange over one connection under callgrind twice, for few requests and for many. The difference
divided by the difference in requests leaves out start and stop. It is shown in total and for each
shared object, so that a change in the extension stands apart from one in the interpreter.

What the kernel executes is not counted, nor what waiting costs: this tells whether the code on the
way of a request became longer, not whether the server became slower.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import os
import re
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.peers import PEERS
from benchmarks.process import Server, ServerError, exchange, free_port, have, request
from benchmarks.scenarios import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.peers import Peer

FEW = 200
MANY = 1200
SHOWN = 6
APP = SCENARIOS["hello-c1"].app
GET = b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n"
START_SECONDS = 120.0
STOP_SECONDS = 60.0
OBJECT = re.compile(r"c?ob=\((\d+)\)(?: (.*))?")


def count(peer: Peer, requests: int, directory: Path) -> collections.Counter[str]:
    """Instructions of a whole server's life with that many requests, by shared object.

    Raises:
        ServerError: It did not start or broke off the exchange.
    """
    port = free_port()
    output = directory / f"{peer.name}-{requests}.%p"
    command = [
        *("valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={output}"),
        *("--trace-children=yes", *peer.command(port, APP)),
    ]
    with Server(command, port, None) as server:
        _wait(server)
        _exchange(port, requests)
        _interrupt(server)
    total: collections.Counter[str] = collections.Counter()
    for written in directory.glob(f"{peer.name}-{requests}.*"):
        with written.open(errors="replace") as lines:
            total.update(by_object(lines))
    if not total:
        raise ServerError("callgrind wrote nothing: the server did not end in time")
    return total


def by_object(lines: Iterable[str]) -> collections.Counter[str]:
    """Own instructions of each shared object in a file that callgrind wrote.

    `ob=` says whose the cost lines after it are; the line after `calls=` is the cost of a callee,
    which is counted where the callee is.
    """
    names: dict[str, str] = {}
    found: collections.Counter[str] = collections.Counter()
    current, skip = "?", False
    for line in lines:
        if line.startswith(("ob=", "cob=")):
            if match := OBJECT.match(line.rstrip()):
                number, name = match.groups()
                if name:
                    names[number] = Path(name).name
                if line.startswith("ob="):
                    current = names.get(number, "?")
        elif line.startswith("calls="):
            skip = True
        elif line[:1] in "0123456789+-*":
            fields = line.split()
            if not skip and len(fields) == 2:
                found[current] += int(fields[1])
            skip = False
    return found


def _wait(server: Server) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            exchange(server.port, request("GET", "/"), timeout=START_SECONDS)
            return
        time.sleep(0.1)
    raise ServerError(f"no answer under valgrind: {server.last_words()}")


def _exchange(port: int, requests: int) -> None:
    """So many requests, one after the other, on one connection."""
    with socket.create_connection(("127.0.0.1", port), START_SECONDS) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(requests):
            connection.sendall(GET)
            received = b""
            while not received.endswith(b"Hello, world!"):
                chunk = connection.recv(65536)
                if not chunk:
                    raise ServerError("the server closed the connection")
                received += chunk


def _interrupt(server: Server) -> None:
    """Ask for an orderly end, since callgrind writes its file then."""
    for pid in server.processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT)
    deadline = time.monotonic() + STOP_SECONDS
    while server.processes() and time.monotonic() < deadline:
        time.sleep(0.05)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.instructions", description="Instructions per hello exchange."
    )
    parser.add_argument("--peers", default="headwaiter", metavar="A,B")
    parser.add_argument(
        "--requests", type=int, default=MANY - FEW, metavar="N", help="to average over (1000)"
    )
    options = parser.parse_args()
    if not have("valgrind"):
        raise SystemExit("valgrind is not installed (Debian: apt-get install valgrind)")
    for name in options.peers.split(","):
        if name not in PEERS:
            raise SystemExit(f"unknown: {name}; known: {', '.join(PEERS)}")
        reason = PEERS[name].missing()
        if reason is not None:
            print(f"skipped {name}: {reason}", file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory() as directory:
            few = count(PEERS[name], FEW, Path(directory))
            many = count(PEERS[name], FEW + options.requests, Path(directory))
        many.subtract(few)
        print(f"{name}: {sum(many.values()) / options.requests:,.0f} instructions per request")
        for owner, instructions in many.most_common(SHOWN):
            print(f"  {instructions / options.requests:10,.0f}  {owner}")


if __name__ == "__main__":
    main()
