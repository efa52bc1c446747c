"""What the extension does most: for profile-guided optimisation.

Builds the extension with counters, has it serve each kind of request for a while, and merges what
the counters say. A build with ``-Cprofile-use=FILE`` then puts the usual way of a request in a
straight line. Needs `llvm-profdata` of the Rust toolchain: ``rustup component add llvm-tools``.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from .steps import MATURIN, ROOT, Failure, environment

BANNER = re.compile(r"http://127\.0\.0\.1:(\d+)")
ROUNDS = 400
CLIENTS = (1, 8)
"""Connections at a time: one finds the server idle, several keep it busy."""
PATIENCE = 120.0
FIELDS = (
    b"Host: localhost\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101\r\n"
    b"Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en\r\n"
    b"Accept-Encoding: gzip, deflate, br\r\nCookie: sessionid=3f2b7c0a9d8e4f1b; theme=dark\r\n"
    b"Referer: http://localhost/menu\r\nSec-Fetch-Mode: navigate\r\n"
)
BODY = b"x" * 10_000


class Kind(NamedTuple):
    """A request, and what it is answered with."""

    request: bytes
    length: int
    """Bytes of the reply's body; -1: it is chunked."""


def request(method: str, path: str, fields: bytes = b"Host: a\r\n", body: bytes = b"") -> bytes:
    length = b"Content-Length: %d\r\n" % len(body) if body else b""
    return f"{method} {path} HTTP/1.1\r\n".encode() + fields + length + b"\r\n" + body


KINDS = (
    Kind(request("GET", "/small"), 13),
    Kind(request("GET", "/small/a%20path?q=1&r=2", FIELDS), 13),
    Kind(request("POST", "/small", FIELDS, BODY), 13),
    Kind(request("GET", "/large", FIELDS), 200_000),
    Kind(request("GET", "/stream", FIELDS), -1),
)


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Reads the body, and answers with as much as the path says."""
    environ["wsgi.input"].read()
    if environ["PATH_INFO"] == "/stream":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return (b"x" * 4096 for _ in range(8))
    body = b"x" * (200_000 if environ["PATH_INFO"] == "/large" else 13)
    fields = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
    start_response("200 OK", fields)
    return [body]


def train(port: int, rounds: int = ROUNDS) -> None:
    """Every kind of request, on one connection at a time and on several.

    Raises:
        Failure: A reply is not what it should be.
    """
    for clients in CLIENTS:
        failed: list[BaseException] = []

        def client(failed: list[BaseException] = failed) -> None:
            try:
                _requests(port, rounds)
            except (OSError, ValueError) as error:
                failed.append(error)

        threads = [threading.Thread(target=client) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failed:
            raise Failure(f"the server that is measured: {failed[0]}")


def _requests(port: int, rounds: int) -> None:
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection.makefile("rb") as replies:
            for number in range(rounds):
                # Large bodies are rare: what they need is in the kernel.
                for kind in KINDS if number % 10 == 0 else KINDS[:3]:
                    connection.sendall(kind.request)
                    _reply(replies, kind)


def _reply(replies: Any, kind: Kind) -> None:
    status = replies.readline()
    if b" 200 " not in status:
        raise ValueError(f"answered {status!r}")
    while replies.readline() != b"\r\n":
        pass
    if kind.length >= 0:
        replies.read(kind.length)
        return
    while size := int(replies.readline(), 16):
        replies.read(size + 2)
    replies.readline()


@contextmanager
def serving(packages: Path) -> Iterator[int]:
    """The server that is installed in ``packages`` serves :func:`app`; yields its port.

    Raises:
        Failure: It did not start.
    """
    paths = os.pathsep.join(map(str, (packages, ROOT)))
    command = [sys.executable, "-m", "headwaiter", "--listen=127.0.0.1:0", "release.profile:app"]
    server = subprocess.Popen(
        command,
        cwd=packages,
        env={**environment(), "PYTHONPATH": paths},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stderr
    with server, server.stderr as log:
        try:
            said = []
            for line in log:
                said.append(line)
                found = BANNER.search(line)
                if found:
                    break
            else:
                raise Failure("the server that is measured did not start:\\n" + "".join(said))
            threading.Thread(target=log.read, daemon=True).start()
            yield int(found[1])
            # An orderly end: the counters are written then.
            server.send_signal(signal.SIGTERM)
            server.wait(PATIENCE)
        finally:
            server.kill()


def profdata() -> str:
    """The path of the toolchain's `llvm-profdata`.

    Raises:
        Failure: It is not installed.
    """
    asked = [["rustc", "--print", "sysroot"], ["rustc", "--print", "host-tuple"]]
    root, host = (_said(argv) for argv in asked)
    path = Path(root, "lib/rustlib", host, "bin/llvm-profdata")
    if not path.is_file():
        raise Failure("no llvm-profdata: rustup component add llvm-tools")
    return str(path)


def _said(argv: list[str]) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


def make(out: Path) -> None:
    """Write the profile to ``out``.

    Raises:
        Failure: A step failed.
    """
    merge = profdata()
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="profile-") as name:
        scratch = Path(name)
        counts = scratch / "counts"
        flags = {"RUSTFLAGS": f"-Cprofile-generate={counts}"}
        target = {"CARGO_TARGET_DIR": str(ROOT / "target/profile")}
        interpreter = ["--interpreter", sys.executable, "--out", str(scratch)]
        _run([*MATURIN, "build", "--release", *interpreter], {**flags, **target})
        (wheel,) = scratch.glob("*.whl")
        packages = scratch / "packages"
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
        _run([*install, "--target", str(packages), str(wheel)])
        # What the build itself counted, in macros and build scripts, is not of the server.
        for count in counts.glob("*.profraw"):
            count.unlink()
        with serving(packages) as port:
            train(port)
        written = sorted(map(str, counts.glob("*.profraw")))
        if not written:
            raise Failure("the server that is measured wrote no counts")
        _run([merge, "merge", "-o", str(out), *written])


def _run(argv: list[str], env: dict[str, str] | None = None) -> None:
    code = subprocess.call(argv, cwd=ROOT, env={**environment(), **(env or {})})
    if code:
        raise Failure(f"{' '.join(argv[:4])} ended with {code}")
