"""``headwaiter ctl``: operates a running server by its control socket."""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
from collections.abc import Sequence
from typing import Any

from headwaiter._process import output
from headwaiter._process.exits import DONE, NOT_STARTED, USAGE
from headwaiter._settings import files
from headwaiter._settings.table import BY_NAME

VERBS = {
    "status": "show the processes",
    "reload": "replace every process by a new one, and wait until that is done",
    "upgrade": "go on with the installed version of headwaiter, and wait as for reload",
    "scale": "set the number of processes: scale N",
    "stop": "stop as SIGTERM does, and wait for the end",
    "logs": "reopen the logs",
}
EPILOG = "verbs:\n" + "".join(f"  {verb:<8}{text}\n" for verb, text in VERBS.items())
EPILOG += """
Exit status: 0 done, 1 the server could not do it or is not reached, 2 wrong usage;
of stop, the status with which the server has ended.
"""


def run(arguments: Sequence[str]) -> int:
    """Do what ``arguments`` ask for and return the exit status; ``ctl`` is not among them."""
    if sys.platform == "win32":
        return _fail("not on Windows, where the server is one process", USAGE)
    parser = argparse.ArgumentParser(
        prog="headwaiter ctl",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--control", metavar="PATH", help="the socket that --control made")
    parser.add_argument("--config", metavar="FILE", help="the TOML file that names the socket")
    parser.add_argument("verb", choices=VERBS, metavar="VERB")
    parser.add_argument("number", nargs="?", type=int, metavar="N")
    try:
        options = parser.parse_args(arguments)
    except SystemExit as error:  # argparse has written its message
        return DONE if not error.code else USAGE
    if (options.verb == "scale") is (options.number is None):
        return _fail("scale takes a number, the other verbs do not", USAGE)
    try:
        path = options.control or _configured(options.config)
    except (OSError, ValueError) as error:
        return _fail(str(error), USAGE)
    if not path:
        return _fail("name the socket: --control=PATH, or HEADWAITER_CONTROL", USAGE)
    try:
        reply = ask(path, {"do": options.verb, "number": options.number})
    except OSError as error:
        return _fail(f"{path}: {error.strerror or error}", NOT_STARTED)
    if reply["status"] == DONE:
        with output.written():
            print(reply["text"])
        return DONE
    return _fail(reply["text"], reply["status"])


def _configured(config: str | None) -> str:
    """The path from the environment or the configuration file, as the server finds it."""
    row = BY_NAME["control"]
    path = os.environ.get(row.variable)
    if not path:
        given = files.chosen(config).values.get("control")
        path = given.value if given else None
    return path or ""


def ask(path: str, request: dict[str, Any]) -> dict[str, Any]:
    """Ask the server at ``path``, and wait for its answer.

    Raises:
        OSError: Nobody answers.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.connect(path)
        sock.sendall(json.dumps(request).encode() + b"\n")
        with sock.makefile("rb") as replies:
            line = replies.readline()
    if not line:
        raise ConnectionResetError(0, "the server has ended without an answer")
    reply: dict[str, Any] = json.loads(line)
    return reply


def _fail(message: str, status: int) -> int:
    print(f"headwaiter ctl: {message}", file=sys.stderr)
    return status
