"""Whether an installed headwaiter serves: run by the interpreter of a fresh environment.

    python smoke.py

Needs nothing but headwaiter. Serves from code, and where there are signals from the command line,
too. Prints the version, the system and the interpreter; any failure is an error.
"""

from __future__ import annotations

import http.client
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

BODY = bytes(range(256)) * 4096
BANNER = re.compile(r"http://127\.0\.0\.1:(\d+)")
PATIENCE = 60


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answers with what it gets."""
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return [environ["REQUEST_METHOD"].encode(), b" ", body]


def ask(port: int) -> None:
    """Sends two requests on one connection."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        for method, body in (("GET", b""), ("POST", BODY)):
            client.request(method, "/", body or None)
            reply = client.getresponse()
            got = reply.read()
            assert reply.status == 200, reply.status
            assert got == method.encode() + b" " + body, len(got)
    finally:
        client.close()


def from_code() -> None:
    """``create_server`` and ``run`` in a thread."""
    import headwaiter

    server = headwaiter.create_server(app, listen="127.0.0.1:0")
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        ask(int(server.effective_port))
    finally:
        server.close()
        thread.join(PATIENCE)
    assert not thread.is_alive(), "run() did not return"


def command() -> str:
    """The installed script."""
    path = shutil.which("headwaiter", path=sysconfig.get_path("scripts"))
    assert path, "no command headwaiter"
    return path


def from_the_command_line() -> None:
    """The command, stopped by SIGTERM."""
    here = Path(__file__).resolve()
    server = subprocess.Popen(
        [command(), "--listen=127.0.0.1:0", f"{here.stem}:app"],
        cwd=here.parent,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(here.parent)},
    )
    assert server.stderr
    with server, server.stderr as log:
        port = next((found[1] for found in map(BANNER.search, log) if found), None)
        try:
            assert port, "ended without a banner"
            ask(int(port))
            server.send_signal(signal.SIGTERM)
            rest = log.read()
            status = server.wait(PATIENCE)
        finally:
            server.kill()
    assert status == 0, f"status {status}\n{rest}"


def main() -> None:
    done = subprocess.run([command(), "--version"], capture_output=True, text=True, check=True)
    from_code()
    if os.name == "posix":
        from_the_command_line()
    print(f"{done.stdout.strip()}; {platform.platform()}; {sys.version.split()[0]}: served")


if __name__ == "__main__":
    main()
