"""A child that speaks the parent's protocol and behaves as a script says; it serves nothing.

The last argument is the script: a file with a word per start, in order; the last word
is for all further starts.

- ``serve``: ready, answers pings, leaves when it is told to
- ``fail``: reports that it cannot load the application
- ``hang``: never gets ready
- ``crash``: a segmentation fault while it starts
- ``deaf``: ready, but never leaves
- ``asks``: ready, and asks to be replaced
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any


def main(argv: list[str]) -> int:
    own, script = argv[: argv.index("--")], Path(argv[-1])
    given = dict(item.removeprefix("--").split("=", 1) for item in own if "=" in item)
    word = take(script)
    say(f"fake child {given['slot']}: {word}")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=int(given["control"])) as control:
        if word == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        if word == "fail":
            send(control, did="failed", text="cannot load the application", status=1)
            return 1
        if word != "hang":
            send(control, did="ready", pid=os.getpid(), gil=True, threads=4)
        if word == "asks":
            send(control, did="asks", why="max_requests")
        return obey(control, int(given["slot"]), word)


def obey(control: socket.socket, slot: int, word: str) -> int:
    while message := receive(control):
        what = message["do"]
        if what == "ping":
            send(control, did="pong", n=message["n"])
            continue
        say(f"fake child {slot}: told {what}")
        if what == "cut":
            return 3
        if what == "drain" and word != "deaf":
            return 0
    return 0


def say(text: str) -> None:
    """By one system call, since the parent writes to the same pipe."""
    os.write(2, f"{text}\n".encode())


def take(script: Path) -> str:
    """The word for this start: every start makes the next numbered file beside the script."""
    words = script.read_text(encoding="ascii").split()
    for number in range(1000):
        with contextlib.suppress(FileExistsError):
            os.close(os.open(f"{script}.{number}", os.O_CREAT | os.O_EXCL))
            return words[min(number, len(words) - 1)]
    raise AssertionError("too many starts")


def send(control: socket.socket, **message: object) -> None:
    data = json.dumps(message).encode()
    control.sendall(len(data).to_bytes(4, "big") + data)


def receive(control: socket.socket) -> dict[str, Any]:
    """The next message; empty at the end of the socket. Descriptors are closed by the kernel."""
    head = control.recv(4, socket.MSG_WAITALL)
    if len(head) < 4:
        return {}
    message: dict[str, Any] = json.loads(
        control.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL)
    )
    return message


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
