"""Instructions per request, counted by valgrind: a figure that repeats where time does not.

`python -m benchmarks.instructions [--peers headwaiter] [--exchanges hello-c1,headers,post10k]`
(`--peers all` for every peer; `--publish` keeps the figures, from which `counted.py` writes a page)
serves one exchange over one connection under callgrind twice, for few requests and for many. The
difference divided by the difference in requests leaves out start and stop. It is shown in total and
for each shared object, so that a change in the extension stands apart from one in the interpreter.

What the kernel executes is not counted, nor what waiting costs: this tells whether the code on the
way of a request became longer, not whether the server became slower. Valgrind runs one thread at a
time, so who runs when is not as on a free machine: a thread more or less that looks for work is a
percent or two.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import counted, machine
from benchmarks.peers import PEERS
from benchmarks.process import CONTENT_LENGTH, ROOT, Server, ServerError, free_port, have
from benchmarks.scenarios import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.peers import Peer
    from benchmarks.scenarios import Scenario

FEW = 2000
"""After so many, headwaiter has forgotten how long its first requests took: valgrind takes a while
for code that is new to it, and while tasks take a millisecond or more no worker leads."""

MANY = 7000

SHOWN = 6
EXCHANGES = ("hello-c1", "headers", "post10k")
"""The scenarios whose requests are counted, one at a time whatever their load is."""

KEPT = Path(__file__).parent / "results" / "instructions.json"
PAGE = ROOT / "docs" / "benchmarks" / "instructions.md"

START_SECONDS = 120.0
EXCHANGE_SECONDS = 30.0
STOP_SECONDS = 60.0
OBJECT = re.compile(r"c?ob=\((\d+)\)(?: (.*))?")


def count(
    peer: Peer, scenario: Scenario, requests: int, directory: Path
) -> collections.Counter[str]:
    """Instructions of a whole server's life with that many requests, by shared object.

    Raises:
        ServerError: It did not start or broke off the exchange.
    """
    port = free_port()
    stem = f"{peer.name}-{scenario.name}-{requests}"
    output = directory / f"{stem}.%p"
    paths = [stripped(peer.unreadable, directory)] if peer.unreadable else []
    command = [
        *("env", "PYTHONPATH=" + os.pathsep.join(map(str, [*paths, ROOT]))),
        *("valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={output}"),
        # Else a thread that spins keeps the others out for as long as it likes.
        *("--fair-sched=yes", "--trace-children=yes", *peer.command(port, scenario.app)),
    ]
    with Server(command, port, None) as server:
        _wait(server)
        _exchange(port, scenario, requests)
        _interrupt(server)
    total: collections.Counter[str] = collections.Counter()
    for written in directory.glob(f"{stem}.*"):
        with written.open(errors="replace") as lines:
            total.update(by_object(lines))
    if not total:
        raise ServerError("callgrind wrote nothing: the server did not end in time")
    return total


def stripped(package: str, directory: Path) -> Path:
    """Where a copy of an installed package lies whose native modules have no debug information.

    Their code is the same. Valgrind 3.19 gives up when it cannot read what compilers newer than
    itself wrote beside it.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ServerError(f"{package} cannot be found")
    copies = directory / "stripped"
    if not copies.is_dir():
        shutil.copytree(Path(spec.origin).parent, copies / package)
        for native in copies.rglob("*.so*"):
            subprocess.run(["objcopy", "--strip-debug", native], check=True)
    return copies


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
    """Until it accepts: what it answers is looked at later.

    Raises:
        ServerError: It ended or did not accept; the message has its last words.
    """
    deadline = time.monotonic() + START_SECONDS
    while server.processes() and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", server.port)):
            return
        time.sleep(0.1)
    raise ServerError(f"does not serve under valgrind: {server.last_words()}")


def _exchange(port: int, scenario: Scenario, requests: int) -> None:
    """So many requests, one after the other, on one connection.

    Raises:
        ServerError: It answered something else, nothing, or closed the connection.
    """
    sent = _request(scenario)
    with socket.create_connection(("127.0.0.1", port), EXCHANGE_SECONDS) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(EXCHANGE_SECONDS)
        for _ in range(requests):
            try:
                connection.sendall(sent)
                status, length = _reply(connection)
            except OSError as error:
                raise ServerError(f"{scenario.name} under valgrind: {error}") from error
            if (status, length) != (b"200", scenario.answer):
                raise ServerError(f"answers {status!r} with {length} bytes")


def _request(scenario: Scenario) -> bytes:
    fields = {"Host": "bench", **scenario.headers}
    if scenario.body_size:
        fields["Content-Length"] = str(scenario.body_size)
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    head = f"{scenario.method} {scenario.path} HTTP/1.1\r\n{lines}\r\n"
    return head.encode() + b"x" * scenario.body_size


def _reply(connection: socket.socket) -> tuple[bytes, int]:
    """Status and body length of the next reply."""
    received = b""
    while True:
        chunk = connection.recv(65536)
        if not chunk:
            raise OSError("the server closed the connection")
        received += chunk
        head, end, body = received.partition(b"\r\n\r\n")
        found = CONTENT_LENGTH.search(head + end)
        if end and found and len(body) >= int(found[1]):
            return received[9:12], len(body)


def _interrupt(server: Server) -> None:
    """Ask for an orderly end, since callgrind writes its file then."""
    for pid in server.processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT)
    deadline = time.monotonic() + STOP_SECONDS
    while server.processes() and time.monotonic() < deadline:
        time.sleep(0.05)


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.instructions", description="Instructions per request."
    )
    parser.add_argument(
        "--peers", default="headwaiter", metavar="A,B", help=f"all, or of {', '.join(PEERS)}"
    )
    parser.add_argument("--exchanges", default=",".join(EXCHANGES), metavar="A,B")
    parser.add_argument(
        "--requests", type=int, default=MANY - FEW, metavar="N", help="to average over (5000)"
    )
    parser.add_argument(
        "--publish", action="store_true", help=f"keep the figures and write {PAGE.name}"
    )
    return parser


def main() -> None:
    options = arguments().parse_args()
    if not have("valgrind"):
        raise SystemExit("valgrind is not installed (Debian: apt-get install valgrind)")
    defaults = [name for name, peer in PEERS.items() if peer.default]
    peers = defaults if options.peers == "all" else options.peers.split(",")
    exchanges = options.exchanges.split(",")
    for name in (*peers, *exchanges):
        if name not in PEERS and name not in EXCHANGES:
            raise SystemExit(f"unknown: {name}; known: {', '.join((*PEERS, *EXCHANGES))}")
    if options.publish and (altered := machine.altered()):
        raise SystemExit(machine.DIRTY.format(altered))
    # Once, since writing the results alters the working tree.
    circumstances = machine.circumstances()
    failed = False
    for name in peers:
        reason = PEERS[name].missing()
        if reason is not None:
            print(f"skipped {name}: {reason}", file=sys.stderr)
            continue
        served = [exchange for exchange in exchanges if PEERS[name].serves(exchange)]
        found = {
            exchange: _measured(PEERS[name], SCENARIOS[exchange], options.requests)
            for exchange in served
        }
        failed = failed or any(isinstance(of, str) for of in found.values())
        if options.publish and found:
            counted.keep(KEPT, name, PEERS[name].version(), found, circumstances)
    if options.publish:
        counted.write(PAGE, KEPT)
    if failed and not options.publish:
        raise SystemExit(1)


def _measured(peer: Peer, scenario: Scenario, requests: int) -> dict[str, float] | str:
    """Instructions by shared object, most first, also printed; or why there are none."""
    try:
        with tempfile.TemporaryDirectory() as directory:
            few = count(peer, scenario, FEW, Path(directory))
            many = count(peer, scenario, FEW + requests, Path(directory))
    except ServerError as error:
        print(f"{peer.name}, {scenario.name}: {error}", file=sys.stderr, flush=True)
        return str(error)
    many.subtract(few)
    total = sum(many.values()) / requests
    print(f"{peer.name}, {scenario.name}: {total:,.0f} instructions per request")
    for owner, instructions in many.most_common(SHOWN):
        print(f"  {instructions / requests:10,.0f}  {owner}", flush=True)
    return {owner: number / requests for owner, number in many.most_common() if number > 0}


if __name__ == "__main__":
    main()
