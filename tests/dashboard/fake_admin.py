"""An admin endpoint without a server behind it: the dashboard's file and a scripted status.

``python -m tests.dashboard.fake_admin SCENARIO [PORT]`` shows the dashboard of that scenario in a
browser, and ``headwaiter top PORT`` shows it in a terminal.
"""

from __future__ import annotations

import json
import socket
import socketserver
import sys
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from .scenarios import SCENARIOS, Story

DASHBOARD = Path(__file__).resolve().parents[2] / "crates/engine/src/observe/admin/dashboard.html"


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    admin: FakeAdmin

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Browsers hang up when they please; everything else is the test's to notice."""


class _UnixServer(_Server):
    address_family = socket.AF_UNIX


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def address_string(self) -> str:
        return "local"

    def log_request(self, *_args: object) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        status, kind, body = self.server.admin.answer(self.path)
        if status == 0:
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class FakeAdmin:
    """Serves until closed. ``story`` says what is shown; a test may change it meanwhile."""

    def __init__(self, scenario: str, port: int = 0, path: str | None = None) -> None:
        self.story = Story(scenario)
        self.silent = False
        self.raw: bytes | None = None  # told instead of the story's status
        self.polls = 0
        self._news = threading.Condition()
        self.address = path or ""
        # The module's stubs know addresses of TCP only.
        where: Any = path or ("127.0.0.1", port)
        self._server = (_UnixServer if path else _Server)(where, _Handler)
        if not path:
            self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self._server.admin = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://{self.address}/"

    def __enter__(self) -> FakeAdmin:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Status, media type and body; status 0 hangs up instead."""
        if path.partition("?")[0] == "/":
            return 200, "text/html; charset=utf-8", DASHBOARD.read_bytes()
        if path == "/profile":
            return 200, "text/plain; charset=utf-8", self.story.folded().encode()
        if path != "/status.json":
            return 404, "text/plain", b"not here\n"
        with self._news:
            self.polls += 1
            self._news.notify_all()
            if self.silent:
                return 0, "", b""
            body = self.raw or json.dumps(self.story.advance()).encode()
        return 200, "application/json", body

    def wait_for_polls(self, more: int, timeout: float = 30.0) -> None:
        """Wait until the status was asked for ``more`` times from now on."""
        with self._news:
            goal = self.polls + more
            assert self._news.wait_for(lambda: self.polls >= goal, timeout), "nobody asks"


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in SCENARIOS:
        raise SystemExit(f"one of: {' '.join(SCENARIOS)}")
    admin = FakeAdmin(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 9090)
    print(admin.url, flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        admin.close()


if __name__ == "__main__":
    main()
