"""A server: the engine, its worker threads, and the life between ``run`` and ``close``.

``serve`` is for a process that does nothing else: it also sets up logging and signals and logs the
start banner. ``create_server`` is for every other program. Rules: ``run`` works on any thread,
``close`` from any thread; no wait here wakes up unless something happened. The extension does
everything that concerns sockets, ``_workers.py`` what concerns threads.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import threading
import time
from itertools import repeat
from typing import TYPE_CHECKING, Any

from headwaiter import _headwaiter, _inspection
from headwaiter._process import (
    closing,
    loading,
    log_config,
    logs,
    pauses,
    pid_file,
    shutdown,
    signals,
    systemd,
)
from headwaiter._process.interpreter import check_threads, python_build
from headwaiter._process.others import Others
from headwaiter._settings.adjustments import Adjustments
from headwaiter._settings.listen import bracketed, with_name
from headwaiter._workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from _typeshed.wsgi import WSGIApplication
    from typing_extensions import Self, Unpack

    from headwaiter._settings.types import ServerKeywords
    from headwaiter.status import Status

# How long threads may take to end after the last request, and then, where the process ends with the
# server, how long threads and ``atexit`` functions of the application may take.
JOIN_SECONDS = 5.0


class Server:
    """An application bound to its sockets, which accept from :meth:`run` on.

    :func:`create_server` makes one. As a context manager it is closed at the end of the block. A
    server runs once.

    ``effective_listen`` holds a ``(host, port)`` pair of strings per address that was bound, as in
    Waitress, and ``("unix", path)`` for a Unix socket; ``effective_host`` and ``effective_port``
    are those of the first address. ``admin_listen`` has the addresses of the admin endpoint in the
    same form.

    >>> import threading
    >>> from urllib.request import urlopen
    >>> from headwaiter import create_server
    >>> def app(environ, start_response):
    ...     start_response("200 OK", [("Content-Type", "text/plain")])
    ...     return [b"Hello\\n"]
    >>> with create_server(app, listen="127.0.0.1:0") as server:
    ...     threading.Thread(target=server.run).start()
    ...     with urlopen(server.urls[0]) as reply:
    ...         reply.read()
    b'Hello\\n'

    Raises:
        OSError: An address could not be bound; then no address is bound.
        ValueError: A setting that only the engine can check is wrong.
        RuntimeError: A library has replaced Python's threads by its own.
    """

    def __init__(
        self,
        application: WSGIApplication,
        adj: Adjustments,
        control: _headwaiter.Control | None = None,
        listeners: _headwaiter.Listeners | None = None,
    ) -> None:
        """``listeners`` are those of ``adj`` if they are bound already."""
        if application is None:
            raise ValueError("the application is None: is a return missing where it is made?")
        if not callable(application):
            raise TypeError(f"a WSGI application is callable, {type(application).__name__} is not")
        fault = _inspection.fault(application)
        if fault is not None:
            raise TypeError(f"the application {fault.text}")
        check_threads()
        self.application = application
        self.adj = adj
        settings = adj.engine_settings(logs.logger_name())
        settings["application"] = adj.application or _name(application)
        self._engine = _headwaiter.Server(
            application, settings, listeners or adj.listeners(), control
        )
        adj.close_descriptors()
        self.control = control
        """The control socket, if this is the server of a child process."""
        self.effective_listen = [_address(item) for item in self._engine.listening]
        self.admin_listen = [_address(item) for item in self._engine.admin_listening]
        self.effective_host, self.effective_port = self.effective_listen[0]
        self._workers = Workers(self._engine, adj)
        self._ended = threading.Event()
        self._at_exit = shutdown.Running(self._ended, self._workers.threads)
        self._runner: threading.Thread | None = None
        self._state = threading.RLock()  # reentrant: signal handlers stop the server
        self._stopped = False
        self._began_at = self._stopped_at = 0.0
        self._interrupted_at = 0.0
        # The process that ran the server, to which it belongs. 0: nobody has run it.
        self._process = 0
        self._stops: signals.Stops | None = None

    def run(self) -> None:
        """Serve until :meth:`close` or :meth:`stop`, then let what was received finish and return.

        ``KeyboardInterrupt`` and ``SystemExit`` raised by a signal handler stop the server, too,
        and are not raised further; a second one cuts the requests that are left. Returns at once if
        the server was stopped before.
        """
        self._run(None, ends_process=False, quiet=True)

    def _run(self, stops: signals.Stops | None, *, ends_process: bool, quiet: bool) -> None:
        """:meth:`run`, stopped by the signals in ``stops`` as well.

        With ``ends_process`` nothing comes after the server: a process that does not end by itself
        is ended. Unless ``quiet``, the last record says what became of the requests.
        """
        if self._runner is not None:
            raise RuntimeError("this server has been run already")
        self._process = os.getpid()
        self._stops = stops
        self._at_exit.begin(self.abort)
        measured = pauses.measured(self._engine.note_collection)
        try:
            with logs.pumping(), measured if self.adj.gc_pauses else contextlib.nullcontext():
                self._serve(ends_process)
                if not quiet:
                    self._log_end()
        finally:
            self._at_exit.end()

    def stop(self) -> None:
        """Begin to drain and return at once; from any thread, any number of times."""
        if self._belongs_to_parent():
            return
        with self._state:
            if not self._stopped:
                self._stopped_at = time.monotonic()
            self._stopped = True
        self._engine.stop()
        for sock in self.adj.sockets:  # the engine has closed its own duplicates
            sock.close()

    def abort(self) -> None:
        """:meth:`stop`, and cut every request in flight: its client gets no more bytes.

        A view that runs goes on to its end, as no thread can be killed; its reply is dropped.
        :attr:`unfinished` counts such requests.
        """
        self.stop()
        if not self._belongs_to_parent():
            self._engine.abort()

    def close(self) -> None:
        """:meth:`stop`, and return when the server has drained.

        On a worker, called by the application, it does not wait: the drain waits for the request
        that calls it. In a child that the application forked it does nothing: the server belongs to
        the parent.
        """
        self.stop()
        if self._belongs_to_parent():
            return
        own = threading.current_thread()
        if self._runner is not None and own not in (self._runner, *self._workers.threads):
            self._ended.wait()

    @property
    def unfinished(self) -> int:
        """Requests that were cut by ``shutdown_timeout`` or :meth:`abort`."""
        return self._engine.unfinished

    @property
    def urls(self) -> list[str]:
        """The addresses as URLs, such as ``http://127.0.0.1:8080``; ``unix:PATH`` for a Unix
        socket.
        """
        return [_url(host, port) for host, port in self.effective_listen]

    def stats(self) -> Status:
        """The server's figures: what ``/status.json`` of ``admin`` shows, also without ``admin``.

        :class:`headwaiter.status.Status` names every key.

        >>> from headwaiter import create_server
        >>> with create_server(lambda environ, start_response: [], listen="127.0.0.1:0") as server:
        ...     server.stats()["totals"]["requests"]["5xx"]
        0

        Raises:
            RuntimeError: This is a child that the application forked.
        """
        if self._belongs_to_parent():
            raise RuntimeError("the server is the parent process's, which alone knows its figures")
        status: Status = json.loads(self._engine.status())
        return status

    def reopen_logs(self) -> None:
        """Reopen the access log, for example after it was renamed.

        For programs that handle SIGUSR1 themselves, and for Windows. The writer's thread does it.
        If the file cannot be opened, the log says so, and the old file is kept.
        """
        if not self._belongs_to_parent():
            self._engine.reopen_logs()

    def print_listen(self, format_str: str) -> None:
        """Log ``format_str``, filled with host and port, once per address."""
        for host, port in self.effective_listen:
            logs.say(logging.INFO, format_str.format(bracketed(host), port))

    def __enter__(self) -> Self:
        """The server itself; the end of the block calls :meth:`close`."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _belongs_to_parent(self) -> bool:
        """Whether this process is a child of the one that ran the server.

        A child has a copy of the server, whose locks may be held by threads that it does not have.
        """
        return self._process not in (0, os.getpid())

    def _serve(self, ends_process: bool) -> None:
        done, done_engine = socket.socketpair()
        # Opened before the first connection is accepted, which might take the last descriptor.
        with done, done_engine, signals.watching(done, self._engine, self._stops) as waits:
            over, watch = waits
            try:
                self._serve_until(over, done_engine)
                if watch is not None:
                    watch.extend(JOIN_SECONDS)
                self._workers.join(0 if self.unfinished else JOIN_SECONDS)
                if ends_process:
                    shutdown.end_by(self._leave_by())
            finally:
                if watch is not None:
                    watch.close()
        if self.unfinished:
            logs.post(logging.WARNING, f"requests that had to be cut: {self.unfinished}")

    def _log_end(self) -> None:
        seconds = time.monotonic() - self._began_at if self._began_at else 0.0
        counts = closing.of_status(self.stats(), self.unfinished)
        logs.announce(closing.line(seconds, counts))

    def _serve_until(self, over: Callable[[], bool], done_engine: socket.socket) -> None:
        with self._state:
            if self._stopped:
                return
            self._runner = threading.current_thread()
            self._began_at = time.monotonic()
            self._engine.start(done_engine.fileno())
        try:
            self._workers.start(self.abort, self._interrupt)
            if self.control is not None:
                self.control.ready()
            while not self._wait_once(over):
                pass
        except BaseException:  # such as no more threads: nobody would be left to stop the engine
            self.abort()
            raise
        self._engine.join()
        if self._workers.failure is not None:
            raise self._workers.failure

    def _leave_by(self) -> float:
        """The time by which a process that ends with this server has to be gone."""
        now = time.monotonic()
        timeout = 0.0 if self.unfinished else self.adj.shutdown_timeout
        return max(now, self._stopped_at + timeout) + JOIN_SECONDS

    def _wait_once(self, over: Callable[[], bool]) -> bool:
        try:
            return over()
        except (KeyboardInterrupt, SystemExit):
            self._interrupt()
            return False

    def _interrupt(self) -> None:
        """Stop; abort if an earlier interrupt has stopped the server already."""
        if self._stops is not None and signals.stop_came():
            return  # a signal handler of the application raised; the engine stops by itself
        now = time.monotonic()
        if not self._stopped:
            self._interrupted_at = now
            self.stop()
        elif now - self._interrupted_at >= _headwaiter.SAME_STOP:
            self.abort()


def _name(application: Any) -> str:
    """What an application without a name is called: its function, or its class."""
    named = application if hasattr(application, "__qualname__") else type(application)
    return f"{getattr(named, '__module__', '')}:{named.__qualname__}"


def create_server(application: WSGIApplication, **adjustments: Unpack[ServerKeywords]) -> Server:
    """Bind the sockets for ``application`` and return the server, ready to :meth:`Server.run`.

    For programs that do other things, too: signals are not touched, and logging only if
    ``log_config`` or ``log_level`` asks for it.

    >>> from headwaiter import create_server
    >>> from wsgiref.simple_server import demo_app
    >>> with create_server(demo_app, listen="127.0.0.1:0", threads=8) as server:
    ...     server.effective_host, server.adj.threads
    ('127.0.0.1', 8)

    Args:
        application: The WSGI callable to serve.
        **adjustments: See ``docs/adjustments.md``; ``config`` names a TOML file with more of them.

    Raises:
        ValueError: An adjustment is unknown, malformed, or at odds with another one.
        TypeError: An adjustment has a type that it cannot have, or the application cannot be one.
        OSError: An address could not be bound.
    """
    return Server(application, _prepared(adjustments))


def _prepared(keywords: ServerKeywords) -> Adjustments:
    """The adjustments of a server of one process. Logging is set up as they say."""
    adj = Adjustments(**keywords)
    adj.check_descriptors()
    if adj.supervised_by():
        raise ValueError(
            f"{adj.supervised_by()} asks for more than this process: "
            "start the command line, headwaiter MODULE:OBJECT, instead"
        )
    if adj.given_for_process():
        raise ValueError(
            f"{adj.given_for_process()}: only for the command line. A program changes its process"
            " itself, between create_server(), which binds, and Server.run()"
        )
    log_config.set_up(adj.log_config, adj.log_level)
    return adj


def serve(
    application: WSGIApplication, *, _quiet: bool = False, **adjustments: Unpack[ServerKeywords]
) -> None:
    """Serve ``application`` until SIGINT or SIGTERM, then let running requests finish and return.

    Blocks the calling thread; ``application`` runs on ``threads`` worker threads at once (PEP
    3333). On the main thread a first signal drains the server and a second one cuts what is left;
    on any other thread signals are left alone.

    Args:
        application: The WSGI callable to serve.
        _quiet: Do not set up logging, unless ``log_config`` asks for it, and log neither the start
            banner nor how the server ended.
        **adjustments: As for :func:`create_server`, which raises the same exceptions.
    """
    loading.refuse()
    adj = _prepared(adjustments)
    if not _quiet:
        logs.configure_unless_configured()
    server = Server(application, adj)
    with pid_file.held(server.adj.pid_file):
        run_until_signalled(server, quiet=_quiet)


def run_until_signalled(server: Server, *, quiet: bool = False, ends_process: bool = False) -> None:
    """Run ``server`` as the purpose of this process: with a banner and a last word, signals, and
    messages to the service manager.

    With ``ends_process`` nothing comes after it: a process that does not end by itself is ended.
    """

    def stopping() -> None:
        # The engine has stopped and logged the signal already; Python's part follows.
        server.stop()
        systemd.notify("STOPPING=1")

    is_alone = ends_process and server.control is None
    others = Others(server.stop) if is_alone else None
    taken = signals.stop_signals(
        stopping,
        reopening=server.adj.access_log not in {None, "-", "logger"},
        ends_process=ends_process,
        control=server.control,
        others=others.numbers() if others else (),
        heard=others.heard if others else None,
    )
    with server, taken as stops:
        if not quiet:
            _log_banner(server, stops)
        systemd.notify("READY=1")
        server._run(stops, ends_process=ends_process, quiet=quiet)


def _log_banner(server: Server, stops: signals.Stops | None) -> None:
    threads = server.adj.threads
    named = zip(server.urls, server.adj.socket_names or repeat(""))
    lines = [f"Serving on {with_name(url, name)}" for url, name in named]
    lines += [f"Showing what happens on {_url(*address)}" for address in server.admin_listen]
    lines += [f"Settings are from {server.adj.config_file}"] if server.adj.config_file else []
    lines.append(
        f"{threads} worker thread{'' if threads == 1 else 's'}, {python_build()}, "
        f"process {os.getpid()}{f'; stop with {stops.keys()}' if stops else ''}"
    )
    for line in lines:
        logs.announce(line)


def _address(item: tuple[Any, ...]) -> tuple[str, str]:
    kind, *rest = item
    return ("unix", rest[0]) if kind == "unix" else (rest[0], str(rest[1]))


def _url(host: str, port: str) -> str:
    return f"unix:{port}" if host == "unix" else f"http://{bracketed(host)}:{port}"
