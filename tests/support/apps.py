"""Applications that server processes load by name. Each says what it is there to show."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import parse_qs

from .wsgi import App, Environ, StartResponse

PLAIN = ("Content-Type", "text/plain; charset=utf-8")
BLOCK = bytes(range(256)) * 256  # 64 KiB in which a byte out of place shows


def query(environ: Environ, name: str, default: str = "") -> str:
    """One value of the query string."""
    fields: str = environ.get("QUERY_STRING", "")
    return parse_qs(fields).get(name, [default])[0]


def hello(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [PLAIN, ("Content-Length", "5")])
    return [b"hello"]


def sleepy(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """``/?seconds=1``: says on stderr when it began, sleeps without the GIL, then answers.

    ``/?until=FILE`` sleeps until there is such a file.
    """
    errors = environ["wsgi.errors"]
    errors.write(f"began {environ['PATH_INFO']}\n")
    errors.flush()
    began = time.monotonic()
    time.sleep(float(query(environ, "seconds", "0")))
    until = query(environ, "until")
    while until and not os.path.exists(until):
        time.sleep(0.01)
    span = {
        "began": began,
        "ended": time.monotonic(),
        "thread": threading.current_thread().name,
        "ident": threading.get_ident(),
    }
    body = json.dumps(span).encode()
    start_response("200 OK", [PLAIN, ("Content-Length", str(len(body)))])
    return [body]


def bulk(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Uploads and downloads of any size.

    POST counts the body; ``/stream?mib=64`` yields, ``/whole?mib=64`` returns a list;
    ``/file?path=`` goes through ``wsgi.file_wrapper``.
    """
    if environ["REQUEST_METHOD"] == "POST":
        total, body = 0, environ["wsgi.input"]
        while data := body.read(65536):
            total += len(data)
        start_response("200 OK", [PLAIN])
        return [str(total).encode()]
    if environ["PATH_INFO"] == "/stream":
        size = int(query(environ, "mib", "1")) << 20
        start_response("200 OK", [PLAIN, ("Content-Length", str(size))])
        return blocks(size)
    if environ["PATH_INFO"] == "/whole":
        start_response("200 OK", [PLAIN])
        return [BLOCK * (int(query(environ, "mib", "1")) * 16)]
    if environ["PATH_INFO"] == "/file":
        path = query(environ, "path")
        start_response("200 OK", [PLAIN, ("Content-Length", str(os.path.getsize(path)))])
        file = Path(path).open("rb")  # noqa: SIM115 - closed by the wrapper, which the server closes
        wrapper: Iterable[bytes] = environ["wsgi.file_wrapper"](file, 65536)
        return wrapper
    return hello(environ, start_response)


def crumbs(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """``/crumbs?pieces=1000`` yields 8 MiB, which no socket takes at once, then as many numbers of
    eight digits, and says on stderr when it is through."""
    if environ["PATH_INFO"] != "/crumbs":
        return hello(environ, start_response)
    start_response("200 OK", [PLAIN])

    def pieces() -> Iterator[bytes]:
        yield BLOCK * 128
        for n in range(int(query(environ, "pieces"))):
            yield b"%08d" % n
        environ["wsgi.errors"].write("all is yielded\n")
        environ["wsgi.errors"].flush()

    return pieces()


def blocks(size: int) -> Iterator[bytes]:
    """``size`` bytes in blocks of 64 KiB."""
    while size > 0:
        yield BLOCK[:size]
        size -= len(BLOCK)


def gil(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """``/hold?seconds=5`` sleeps in C *with* the GIL held; ``/spin?seconds=`` burns in Python."""
    import ctypes

    seconds = float(query(environ, "seconds", "0"))
    environ["wsgi.errors"].write(f"began {environ['PATH_INFO']}\n")
    environ["wsgi.errors"].flush()
    if environ["PATH_INFO"] == "/hold":
        ctypes.PyDLL(None).usleep(int(seconds * 1e6))
    elif environ["PATH_INFO"] == "/spin":
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pass
    return hello(environ, start_response)


def build(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Says which interpreter serves, and echoes a body."""
    import sys

    about = {
        "version": list(sys.version_info[:3]),
        "gil": getattr(sys, "_is_gil_enabled", lambda: True)(),
        "echo": environ["wsgi.input"].read(1 << 20).decode(),
        "thread": threading.current_thread().name,
    }
    body = json.dumps(about).encode()
    start_response("200 OK", [PLAIN, ("Content-Length", str(len(body)))])
    return [body]


def validated(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """``build`` behind ``wsgiref.validate``."""
    from wsgiref.validate import validator

    checked: App = validator(build)  # type: ignore[arg-type]
    return checked(environ, start_response)


def lasting(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Says of its connection what recipes for server-sent events say."""
    lasts = [("Connection", "keep-alive"), ("Keep-Alive", "timeout=5")]
    start_response("200 OK", [("Content-Type", "text/event-stream"), *lasts])
    return [b"data: hello\n\n"]
