"""Applications without a framework, one callable per scenario.

Bodies are constants where the scenario is about the server: what is left then is the price of the
server itself. Every reply names its length except `stream`, whose framing is the server's choice.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

MIB = 1024 * 1024

GREETING = b"Hello, world!"
DOWNLOAD = bytes(range(256)) * (MIB // 256)
CHUNK = DOWNLOAD[: 16 * 1024]
STREAM_CHUNKS = 64
HOSTAGE = b"x" * (10 * MIB)
"""What the slow readers ask for: one bytes object, so a server that copies it per client shows."""

FILE_SIZE = 16 * MIB
BURN_SECONDS = 0.05
JSON_KEYS = (
    *("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "SERVER_PROTOCOL"),
    *("SERVER_PORT", "wsgi.url_scheme", "HTTP_HOST", "HTTP_ACCEPT", "HTTP_ACCEPT_ENCODING"),
    *("HTTP_ACCEPT_LANGUAGE", "HTTP_CACHE_CONTROL", "HTTP_COOKIE", "HTTP_DNT", "HTTP_REFERER"),
    *("HTTP_SEC_FETCH_DEST", "HTTP_SEC_FETCH_MODE", "HTTP_SEC_FETCH_SITE"),
    *("HTTP_UPGRADE_INSECURE_REQUESTS", "HTTP_USER_AGENT"),
)
"""Named one by one: how many strings an environ has besides differs from server to server, and
PEP 3333 lets a server leave out those that are empty."""


def hello(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """Thirteen bytes: the cost of the server and nothing else."""
    return _plain(start_response, GREETING)


def dump(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """Twenty environ values as JSON: a small API's answer."""
    body = json.dumps({key: environ.get(key, "") for key in JSON_KEYS}).encode()
    return _plain(start_response, body, "application/json")


def count(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """Read the whole request body, answer with its length."""
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    return _plain(start_response, b"%d" % len(body))


def download(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """One bytes object of 1 MiB."""
    return _plain(start_response, DOWNLOAD, "application/octet-stream")


def stream(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    """The same 1 MiB from a generator, 16 KiB at a time, length unknown beforehand."""
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    for _ in range(STREAM_CHUNKS):
        yield CHUNK


def file(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """A 16 MiB file through `wsgi.file_wrapper`, or a plain loop where a server has none."""
    opened = file_path().open("rb")
    start_response(
        "200 OK",
        [("Content-Type", "application/octet-stream"), ("Content-Length", str(FILE_SIZE))],
    )
    wrapper = environ.get("wsgi.file_wrapper")
    if wrapper is not None:
        wrapped: Iterable[bytes] = wrapper(opened, 64 * 1024)
        return wrapped
    return _blocks(opened)


def digest(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """SHA-256 of 1 MiB: work that `hashlib` does without the GIL."""
    return _plain(start_response, hashlib.sha256(DOWNLOAD).hexdigest().encode())


def sleep50(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """A view that waits 50 ms for something else."""
    time.sleep(0.05)
    return _plain(start_response, GREETING)


def sleep2(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """A view that waits 2 ms, as for a near database."""
    time.sleep(0.002)
    return _plain(start_response, GREETING)


def mixed(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """`/burn` computes in Python for 50 ms of its own CPU time; every other path greets."""
    if environ["PATH_INFO"] == "/burn":
        done = time.thread_time() + BURN_SECONDS
        while time.thread_time() < done:
            sum(range(100))
    return _plain(start_response, GREETING)


def hostage(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """`/big` is 10 MiB for clients that read slowly; every other path greets."""
    return _plain(start_response, HOSTAGE if environ["PATH_INFO"] == "/big" else GREETING)


def file_path() -> Path:
    """The 16 MiB file, made by whoever asks first and left in the temporary directory."""
    path = Path(tempfile.gettempdir()) / f"headwaiter-bench-{os.getuid()}" / "16m.bin"
    if not path.is_file() or path.stat().st_size != FILE_SIZE:
        path.parent.mkdir(mode=0o755, exist_ok=True)
        path.write_bytes(DOWNLOAD * (FILE_SIZE // MIB))
    return path


def _blocks(opened: BinaryIO) -> Iterator[bytes]:
    with opened:
        while block := opened.read(64 * 1024):
            yield block


def _plain(
    start_response: StartResponse, body: bytes, content_type: str = "text/plain"
) -> list[bytes]:
    headers = [("Content-Type", content_type), ("Content-Length", str(len(body)))]
    start_response("200 OK", headers)
    return [body]
