"""headwaiter and Waitress side by side: the same bytes to both, what each application saw.

Every difference that is meant stands in ``MEANT``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Optional

from .live import LiveServer
from .wsgi import Environ, StartResponse

MEANT = {
    "RAW_URI",  # Waitress has none
    "headwaiter.client_disconnected",
    "SERVER_SOFTWARE",  # the ident
    "SERVER_NAME",  # without server_name Waitress says "waitress.invalid"
}
OBJECTS = {
    "wsgi.input",
    "wsgi.errors",
    "wsgi.file_wrapper",
    "waitress.client_disconnected",
    "headwaiter.client_disconnected",
}

Seen = tuple[int, Optional[dict[str, Any]]]
"""The status, and the comparable part of the environ if the application was called."""


class Pair:
    """Both servers around one application that keeps the environs."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.meant = set(MEANT)
        if "server_name" in settings:
            self.meant.remove("SERVER_NAME")
        if "ident" in settings:
            self.meant.remove("SERVER_SOFTWARE")
        self._seen: list[Environ] = []
        self._servers = [
            LiveServer(self._app, name, **settings) for name in ("headwaiter", "waitress")
        ]

    def close(self) -> None:
        for server in self._servers:
            server.close()

    def ask(self, raw: bytes) -> tuple[Seen, Seen]:
        """What headwaiter and what Waitress made of the request ``raw``."""
        ours, theirs = (self._ask(server, raw) for server in self._servers)
        return ours, theirs

    def _ask(self, server: LiveServer, raw: bytes) -> Seen:
        self._seen.clear()
        with server.connect() as client:
            client.send(raw)
            status = client.reply(raw.split(b" ", 1)[0].decode()).status
            ports = {"SERVER_PORT": server.address[1], "REMOTE_PORT": client.sock.getsockname()[1]}
        return status, self._comparable(self._seen[0], ports) if self._seen else None

    def _comparable(self, environ: Environ, ports: dict[str, int | str]) -> dict[str, Any]:
        """What must be equal: values, and of objects only that they are there."""
        shown = {key: value for key, value in environ.items() if key not in self.meant}
        shown.update((key, "present") for key in OBJECTS & shown.keys())
        for key, port in ports.items():
            if shown.get(key) == str(port):
                shown[key] = "that of the connection"
        return shown

    def _app(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        copy = dict(environ)
        copy["(body)"] = environ["wsgi.input"].read()
        self._seen.append(copy)
        start_response("200 OK", [("Content-Length", "0")])
        return []
