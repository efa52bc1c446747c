"""Stands in for the service that an agent sends to: takes everything and keeps it."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support.waiting import eventually


class Collector:
    def __init__(self, url: str) -> None:
        self.url = url
        self._taken: list[tuple[str, bytes]] = []

    def take(self, path: str, body: bytes) -> None:
        self._taken.append((path, body))

    def bodies(self, path: str) -> list[bytes]:
        """What has come to addresses that end with ``path``."""
        return [body for at, body in self._taken if at.endswith(path)]

    def wait_for(self, path: str, *parts: bytes) -> bytes:
        """Waits for a body that has all of ``parts``."""
        found: list[bytes] = []

        def has_come() -> bool:
            found[:] = [body for body in self.bodies(path) if all(part in body for part in parts)]
            return bool(found)

        eventually(has_come, f"{parts} at {path}", timeout=30)
        return found[0]


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector that listens in the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self._body()
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            collector.take(self.path.rstrip("/"), body)
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        do_GET = do_POST = do_PUT = answer  # noqa: N815

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            chunks = []
            while size := int(self.rfile.readline(), 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)

        def log_message(self, *_line: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        collector = Collector(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, name="collector")
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()
