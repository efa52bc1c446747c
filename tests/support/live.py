"""A server in this process, so that a test can write its application beside its assertions.

``LiveServer`` runs ``create_server(...)`` in a thread, as users do in their own test suites.
``LogCatcher`` collects what the server logs and lets a test wait for a record.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import threading
from typing import Any, Callable

from .http import TIMEOUT, Endpoint
from .target import IS_WAITRESS, NAME
from .wsgi import App


def create(app: App, name: str = NAME, **settings: Any) -> Any:
    """``create_server`` of the server called ``name``."""
    return importlib.import_module(name).create_server(app, **settings)


class LiveServer(Endpoint):
    """``app`` behind a server that runs in a thread of its own until ``close``."""

    def __init__(self, app: App, name: str = NAME, **settings: Any) -> None:
        if not {"listen", "unix_socket", "sockets", "host", "port"} & settings.keys():
            settings["listen"] = "127.0.0.1:0"
        super().__init__()
        self.name = name
        self.server = create(app, name, **settings)
        if "unix_socket" in settings:
            self.addresses = [settings["unix_socket"]]
        elif hasattr(self.server, "effective_listen"):
            self.addresses = [(host, int(port)) for host, port in self.server.effective_listen]
        else:  # a Waitress server with one socket
            self.addresses = [(self.server.effective_host, int(self.server.effective_port))]
        self.failure: BaseException | None = None
        self.closed = False
        self.thread = threading.Thread(target=self._run, name="live-server")
        self.thread.start()

    def __enter__(self) -> LiveServer:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Stops the server, waits until ``run`` returned and raises what it raised. Idempotent."""
        if self.closed:
            return
        self.closed = True
        if self.name == "waitress":
            close_waitress(self.server)
        else:
            self.server.close()
        self.thread.join(2 * TIMEOUT)
        self.disconnect()
        assert not self.thread.is_alive(), "run() did not return after close()"
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        try:
            self.server.run()
        except BaseException as error:
            self.failure = error


def close_waitress(server: Any) -> None:
    """Stops a Waitress server from another thread, which it has no method for."""
    wasyncore = importlib.import_module("waitress.wasyncore")
    listeners = importlib.import_module("waitress.server").BaseWSGIServer
    channels = server.map if hasattr(server, "map") else server._map
    listener = next(s for s in channels.values() if isinstance(s, listeners))
    with contextlib.suppress(OSError):  # its loop may close the trigger before the byte is written
        listener.trigger.pull_trigger(lambda: wasyncore.close_all(channels))
    server.task_dispatcher.shutdown()


class LogCatcher(logging.Handler):
    """Collects log records; ``wait_for`` blocks until one matches."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records: list[logging.LogRecord] = []
        self._news = threading.Condition()

    def emit(self, record: logging.LogRecord) -> None:
        with self._news:
            self.records.append(record)
            self._news.notify_all()

    def matching(self, test: Callable[[logging.LogRecord], bool]) -> list[logging.LogRecord]:
        with self._news:
            return [record for record in self.records if test(record)]

    def errors(self) -> list[str]:
        """Messages at ERROR and above, traceback included."""
        form = logging.Formatter()
        return [form.format(r) for r in self.matching(lambda r: r.levelno >= logging.ERROR)]

    def wait_for(self, text: str, level: int = logging.NOTSET) -> logging.LogRecord:
        """Waits for a record at ``level`` or above whose formatted text holds ``text``."""
        form = logging.Formatter()

        def matches(record: logging.LogRecord) -> bool:
            return record.levelno >= level and text in form.format(record)

        with self._news:
            self._news.wait_for(lambda: any(map(matches, self.records)), TIMEOUT)
            for record in self.records:
                if matches(record):
                    return record
            shown = "\n".join(map(form.format, self.records))
        raise AssertionError(f"no log record with {text!r} at level {level} or above:\n{shown}")


LOGGER = "waitress" if IS_WAITRESS else "headwaiter"
