"""The smallest application: ``python hello.py``, or ``headwaiter hello:app`` in this folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headwaiter import serve

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Greets whoever the path names."""
    name = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace").strip("/") or "world"
    body = f"Hello, {name}!\n".encode()
    start_response(
        "200 OK",
        [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))],
    )
    return [body]


if __name__ == "__main__":
    serve(app, listen="127.0.0.1:8080")
