"""headwaiter as the server class that Django's ``runserver`` uses.

``django.core.servers.basehttp.run`` makes one, tells the address, hands over the application and
calls ``serve_forever``. Rules: what is wrong is an ``OSError``, which ``runserver`` shows as one
line; settings come from ``HEADWAITER_*`` variables, beside those of ``--dev``.
"""

from __future__ import annotations

import functools
import socket
import threading
from typing import TYPE_CHECKING, Any, Callable

from headwaiter import _headwaiter
from headwaiter._settings.casts import thread_bounds
from headwaiter._settings.listen import bracketed
from headwaiter.server import create_server, run_until_signalled

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


class DevelopmentServer:
    def __init__(
        self, address: tuple[str, int], _handler: Any, *, ipv6: bool, settings: dict[str, Any]
    ) -> None:
        family = socket.AF_INET6 if ipv6 else socket.AF_INET
        self._socket = socket.create_server(address, family=family, backlog=128)
        self._settings = settings
        self.server_port: int = self._socket.getsockname()[1]

    def set_app(self, application: WSGIApplication) -> None:
        # Django reloads: a process of ours that does so as well would be one too many.
        settings = {"dev": True, "reload": False, **self._settings}
        try:
            self._server = create_server(application, sockets=[self._socket], **settings)
        except (ValueError, TypeError, RuntimeError) as error:
            self._socket.close()
            raise OSError(str(error)) from None

    def serve_forever(self) -> None:
        server = self._server
        least, most = thread_bounds(server.adj.threads)
        threads = f"{least} to {most} threads" if most > least else f"threads={least}"
        version = _headwaiter.__version__
        print(f"Served by headwaiter {version} on {server.urls[0]}, {threads}.", flush=True)
        for host, port in server.admin_listen:
            shown = f"unix:{port}" if host == "unix" else f"http://{bracketed(host)}:{port}/"
            print(f"Showing what happens on {shown}", flush=True)
        # With the reload this is not the main thread, which handles signals: Django ends.
        if threading.current_thread() is threading.main_thread():
            run_until_signalled(server, quiet=True)
        else:
            server.run()


def server_class(**settings: Any) -> Callable[..., DevelopmentServer]:
    """What ``runserver`` takes for a server class, with these settings."""
    return functools.partial(DevelopmentServer, settings=settings)
