"""``install_as_waitress``: programs that import Waitress run on headwaiter, unchanged.

Puts stand-ins for ``waitress`` and those of its modules that programs use into ``sys.modules``.
Rules: a name is here only if it does for a caller what Waitress' name does. The parts of Waitress'
own loop (channels, tasks, buffers) have no counterpart: importing them fails as for any missing
module. ``docs/waitress.md`` lists the names.

Test tools such as WebTest subclass ``TcpWSGIServer`` and run its loop themselves. So that class has
the few attributes of the loop that they use.
"""

from __future__ import annotations

import logging
import os
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

from headwaiter._process import logs
from headwaiter._settings.adjustments import Adjustments
from headwaiter.exceptions import ClientDisconnected
from headwaiter.paste import server_runner
from headwaiter.server import Server, serve

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

NAME = "waitress"


def install_as_waitress() -> None:
    """Make ``import waitress`` mean headwaiter, and its loggers ``waitress`` and
    ``waitress.queue``.

    Call it before anything imports Waitress; a second call does nothing. With
    ``HEADWAITER_AS_WAITRESS=1`` in the environment Python calls it at its start (the ``.pth`` file
    beside the package).

    Raises:
        RuntimeError: Waitress itself has been imported already.
    """
    present = sys.modules.get(NAME)
    if isinstance(present, _StandIn):
        return
    if present is not None:
        raise RuntimeError("install_as_waitress() must come before the first import of waitress")
    logs.rename(NAME)
    for module in _modules():
        sys.modules[module.__name__] = module


class TcpWSGIServer(Server):
    """A server made from the application and its adjustments, as Waitress' class of this name."""

    def __init__(
        self,
        application: WSGIApplication,
        map: Any = None,  # noqa: A002 - Waitress' name
        _start: bool = True,
        _sock: Any = None,
        dispatcher: Any = None,
        adj: Adjustments | None = None,
        **adjustments: Any,
    ) -> None:
        super().__init__(application, Adjustments(**adjustments) if adj is None else adj)
        self.logger = logs.logger()
        self.asyncore = _Loop()
        self.task_dispatcher = _Dispatcher(self)
        # The sockets that the loop watches: this server, until it is closed.
        self._map: dict[int, TcpWSGIServer] = _Map(self)

    def handle_close(self) -> None:
        self._map.clear()
        self.close()

    def maintenance(self, now: float) -> None:
        """Nothing to do: the engine closes idle channels when they are due."""


class _Map(dict[int, TcpWSGIServer]):
    """A socket map that still knows its server after it was emptied."""

    def __init__(self, server: TcpWSGIServer) -> None:
        super().__init__({0: server})
        self.server = server


class _Loop:
    """``asyncore.loop`` with the map of a server runs that server."""

    def loop(self, timeout: float = 30.0, use_poll: bool = False, map: Any = None) -> None:  # noqa: A002
        Server.run(map.server)


class _Dispatcher:
    def __init__(self, server: Server) -> None:
        self._server = server

    def shutdown(self, cancel_pending: bool = True, timeout: float = 5) -> bool:
        self._server.close()
        return True


def create_server(
    application: WSGIApplication,
    map: Any = None,  # noqa: A002
    _start: bool = True,
    _sock: Any = None,
    _dispatcher: Any = None,
    **adjustments: Any,
) -> TcpWSGIServer:
    return TcpWSGIServer(application, **adjustments)


class _StandIn(ModuleType):
    """A module made from the names it offers."""

    def __init__(self, name: str, is_package: bool = False, **names: Any) -> None:
        super().__init__(name, f"headwaiter in the place of {name}.")
        self.__spec__ = ModuleSpec(name, None, is_package=is_package)
        if is_package:
            # Where runpy finds ``__main__`` for ``python -m``; nothing else is there.
            self.__path__ = [os.path.join(os.path.dirname(__file__), "_as_waitress")]
            self.__spec__.submodule_search_locations = self.__path__
        self.__dict__.update(names)


def _run_command_line(argv: list[str] | None = None) -> int:
    from headwaiter.__main__ import main

    return main((sys.argv if argv is None else argv)[1:])


def _modules() -> list[ModuleType]:
    parts: dict[str, dict[str, Any]] = {
        "adjustments": {"Adjustments": Adjustments},
        "channel": {"ClientDisconnected": ClientDisconnected},
        "runner": {"run": _run_command_line},
        "server": {
            "BaseWSGIServer": TcpWSGIServer,
            "MultiSocketServer": TcpWSGIServer,
            "TcpWSGIServer": TcpWSGIServer,
            "UnixWSGIServer": TcpWSGIServer,
            "WSGIServer": TcpWSGIServer,
            "create_server": create_server,
        },
        "utilities": {
            "logger": logging.getLogger(NAME),
            "queue_logger": logging.getLogger(f"{NAME}.queue"),
        },
    }
    modules = {name: _StandIn(f"{NAME}.{name}", **names) for name, names in parts.items()}
    package = _StandIn(
        NAME,
        is_package=True,
        serve=serve,
        create_server=create_server,
        serve_paste=server_runner,
        **modules,
    )
    return [package, *modules.values()]
