"""A server: the engine, its worker threads, and the life between ``run`` and ``close``.

``serve`` is for a process that does nothing else: it also sets up logging and signals and prints
the start banner. ``create_server`` is for everything else. Rules: workers are ordinary Python
threads, started once by ``run``; ``run`` works on any thread and ``close`` from any thread; no wait
here wakes up unless something happened. What happens on sockets is the extension's business.
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import platform
import socket
import sys
import sysconfig
import threading
import time
from typing import TYPE_CHECKING, Any

from headwaiter import _headwaiter
from headwaiter._process import forks, logs, shutdown, signals, stacks, systemd
from headwaiter._settings.adjustments import Adjustments
from headwaiter._settings.casts import thread_bounds
from headwaiter._settings.listen import bracketed

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from _typeshed.wsgi import WSGIApplication
    from typing_extensions import Self, Unpack

    from headwaiter._settings.types import ServerKeywords

# How long workers that are past their last request may take to return, and then, where the process
# is the server's, what comes after it: threads and ``atexit`` functions of the application.
JOIN_SECONDS = 5.0


class Server:
    """An application bound to its sockets, which accept from :meth:`run` on.

    ``effective_listen`` holds a ``(host, port)`` pair of strings per address that was bound, as in
    Waitress, and ``("unix", path)`` for a Unix socket; ``effective_host`` and ``effective_port``
    are those of the first. A server runs once.

    Raises:
        OSError: An address could not be bound; none is then.
        ValueError: A setting that only the engine can judge is wrong.
        RuntimeError: A library has replaced Python's threads by its own.
    """

    def __init__(self, application: WSGIApplication, adj: Adjustments) -> None:
        if application is None:
            raise ValueError("the application is None: is a return missing where it is made?")
        if not callable(application):
            raise TypeError(f"a WSGI application is callable, {type(application).__name__} is not")
        _check_threads()
        self.application = application
        self.adj = adj
        self._engine = _headwaiter.Server(
            application, adj.engine_settings(logs.logger_name()), adj.listeners()
        )
        self.effective_listen = [_address(item) for item in self._engine.listening]
        self.admin_listen = [_address(item) for item in self._engine.admin_listening]
        self.effective_host, self.effective_port = self.effective_listen[0]
        self._workers: list[threading.Thread] = []
        self._runner: threading.Thread | None = None
        self._state = threading.RLock()  # reentrant: signal handlers stop the server
        self._stopped = False
        self._stopped_at = 0.0
        # Workers that could not begin, and what ended the server if none could.
        self._failures = 0
        self._failure: RuntimeError | None = None
        # A server that has been run belongs to the process that ran it.
        self._process = 0
        self._interrupted = 0.0
        # Of the command line and ``serve``: signals that stop, and whether nothing comes after.
        self._stops: signals.Stops | None = None
        self._ends_process = False
        self._ended = threading.Event()

    def run(self) -> None:
        """Serve until :meth:`close` or :meth:`stop`, then let what was received finish and return.

        ``KeyboardInterrupt`` and ``SystemExit`` raised by a signal handler stop the server, too,
        and end here; a second one cuts what is left. Returns at once if the server has been
        stopped.
        """
        if self._runner is not None:
            raise RuntimeError("this server has been run already")
        self._process = os.getpid()
        shutdown.servers.add(self)
        try:
            with logs.pumping():
                self._serve()
        finally:
            self._ended.set()
            if not any(worker.is_alive() for worker in self._workers):
                shutdown.servers.discard(self)

    def stop(self) -> None:
        """Begin to drain and return at once; from any thread, any number of times."""
        if self._is_the_parents():
            return
        with self._state:
            if not self._stopped:
                self._stopped_at = time.monotonic()
            self._stopped = True
        self._engine.stop()
        for sock in self.adj.sockets:  # the engine has closed its own duplicates
            sock.close()

    def abort(self) -> None:
        """:meth:`stop`, and cut everything that is still in flight."""
        self.stop()
        if not self._is_the_parents():
            self._engine.abort()

    def close(self) -> None:
        """:meth:`stop`, and return when the server has drained.

        Called by the application itself, from a worker, it only stops: the request that calls it is
        one of those that the drain waits for. In a child that the application forked it does
        nothing: the server is the parent's.
        """
        self.stop()
        if self._is_the_parents():
            return
        own = threading.current_thread()
        if self._runner is not None and own is not self._runner and own not in self._workers:
            self._ended.wait()

    @property
    def unfinished(self) -> int:
        """Requests that were cut by ``shutdown_timeout`` or :meth:`abort`."""
        return self._engine.unfinished

    @property
    def urls(self) -> list[str]:
        return [_url(host, port) for host, port in self.effective_listen]

    def stats(self) -> dict[str, Any]:
        """What the server has done and is doing now: what ``/status.json`` of ``admin`` shows.

        Raises:
            RuntimeError: This is a child that the application forked.
        """
        if self._is_the_parents():
            raise RuntimeError("the server is the parent process's, which alone knows its figures")
        status: dict[str, Any] = json.loads(self._engine.status())
        return status

    def reopen_logs(self) -> None:
        """Open the access log anew, as after it was renamed."""
        if not self._is_the_parents():
            self._engine.reopen_logs()

    def print_listen(self, format_str: str) -> None:
        """Log ``format_str``, filled with host and port, once per address."""
        for host, port in self.effective_listen:
            logs.logger().info("%s", format_str.format(bracketed(host), port))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _is_the_parents(self) -> bool:
        """Whether this is a child of the process that ran the server. What is in memory then is a
        copy, whose locks may be held by threads that do not exist here."""
        return self._process not in (0, os.getpid())

    def _serve(self) -> None:
        done, done_engine = socket.socketpair()
        # Before the first connection is accepted, which might take the last descriptor.
        with done, done_engine, signals.watching(done, self._engine, self._stops) as waits:
            over, watch = waits
            try:
                self._serve_until(over, done_engine)
                if watch is not None:
                    watch.extend(JOIN_SECONDS)
                self._join()
                if self._ends_process:
                    shutdown.end_by(self._leave_by())
            finally:
                if watch is not None:
                    watch.close()
        if self.unfinished:
            logs.post(logging.WARNING, f"requests that had to be cut: {self.unfinished}")

    def _serve_until(self, over: Callable[[], bool], done_engine: socket.socket) -> None:
        with self._state:
            if self._stopped:
                return
            self._runner = threading.current_thread()
            self._engine.start(done_engine.fileno())
        try:
            self._start_workers()
            while not self._wait_once(over):
                pass
        except BaseException:  # out of threads, say: nobody would be left to stop the engine
            self.abort()
            raise
        self._engine.join()
        if self._failure is not None:
            raise self._failure

    def _start_workers(self) -> None:
        least, most = thread_bounds(self.adj.threads)
        threads = [self._new_worker(number) for number in range(least)]
        if most > least or self.adj.slow_request_log or self.adj.stuck_after:
            name = "headwaiter-overseer"
            threads.append(threading.Thread(target=self._oversee, name=name, daemon=True))
        if self.adj.admin:  # first: it is to see what the others do to the GIL
            watch = threading.Thread(target=self._watch, name="headwaiter-watch", daemon=True)
            threads.insert(0, watch)
        for worker in threads:
            self._workers.append(worker)  # before it runs: its first task may call close()
            try:
                worker.start()
            except (KeyboardInterrupt, SystemExit):  # while waiting for it to come up
                self._interrupt()

    def _new_worker(self, number: int) -> threading.Thread:
        return threading.Thread(target=self._work, name=f"headwaiter-{number}", daemon=True)

    def _oversee(self) -> None:
        self._engine.oversee(self._start_another, stacks.of_thread)

    def _start_another(self) -> None:
        """Start one more worker, under the first name that is free."""
        self._workers[:] = [worker for worker in self._workers if worker.is_alive()]
        taken = {worker.name for worker in self._workers}
        numbers = itertools.count()
        worker = self._new_worker(next(n for n in numbers if f"headwaiter-{n}" not in taken))
        self._workers.append(worker)
        worker.start()

    def _work(self) -> None:
        process = os.getpid()
        error: BaseException | None = None
        try:
            self._engine.work()
        except BaseException as raised:
            error = raised
        if os.getpid() != process:
            forks.leave(error)
        if error is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        """A worker could not begin. Without any, requests would wait for ever."""
        with self._state:
            self._failures += 1
            if self._failures >= thread_bounds(self.adj.threads)[0]:
                self._failure = RuntimeError(f"no worker thread could begin: {error!r}")
        logs.post(logging.ERROR, f"a worker thread could not begin: {error!r}")
        if self._failure is not None:
            self.abort()

    def _watch(self) -> None:
        self._engine.watch(stacks.collect)

    def _leave_by(self) -> float:
        """Until when the process may take to end, where it is this server's."""
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
        """Stop, or abort if that was asked for before: what a person means who interrupts twice."""
        if self._stops is not None and signals.stop_came():
            return  # a handler of the application's raised; the engine says so first, and stops
        now = time.monotonic()
        if not self._stopped:
            self._interrupted = now
            self.stop()
        elif now - self._interrupted >= _headwaiter.SAME_STOP:
            self.abort()

    def _join(self) -> None:
        """Workers end with the drain; one that is stuck in the application may never."""
        end = time.monotonic() + (0 if self.unfinished else JOIN_SECONDS)
        for worker in self._workers:
            if worker.ident is not None:  # else interrupted before it started
                worker.join(max(0.0, end - time.monotonic()))


def create_server(application: WSGIApplication, **adjustments: Unpack[ServerKeywords]) -> Server:
    """Bind the sockets for ``application`` and return the server, ready to :meth:`Server.run`.

    Args:
        application: The WSGI callable to serve.
        **adjustments: See ``docs/adjustments.md``; ``config`` names a TOML file with more of them.

    Raises:
        ValueError: An adjustment is unknown, malformed, or at odds with another one.
        TypeError: An adjustment has a type that it cannot have.
        OSError: An address could not be bound.
    """
    return Server(application, Adjustments(**adjustments))


def serve(
    application: WSGIApplication, *, _quiet: bool = False, **adjustments: Unpack[ServerKeywords]
) -> None:
    """Serve ``application`` until SIGINT or SIGTERM, then let running requests finish and return.

    Blocks the calling thread; ``application`` runs on ``threads`` worker threads at once (PEP
    3333). On the main thread a first signal drains the server and a second one cuts what is left;
    on any other thread signals are left alone.

    Args:
        application: The WSGI callable to serve.
        _quiet: Neither set up logging nor print the start banner (as in Waitress).
        **adjustments: As for :func:`create_server`, which also says what is raised.
    """
    if not _quiet:
        logs.configure_unless_configured()
    run_until_signalled(create_server(application, **adjustments), quiet=_quiet)


def run_until_signalled(server: Server, *, quiet: bool = False, ends_process: bool = False) -> None:
    """Run ``server`` as the purpose of this process: banner, signals, word to the service
    manager.

    With ``ends_process`` nothing comes after it: a process that cannot end by itself is made to.
    """

    def stopping() -> None:
        # The engine has been told, and has told the log; here follows Python's part.
        server.stop()
        systemd.notify("STOPPING=1")

    server._ends_process = ends_process
    reopening = server.adj.access_log not in {None, "-", "logger"}
    taken = signals.stop_signals(stopping, reopening=reopening, ends_process=ends_process)
    with server, taken as stops:
        server._stops = stops
        if not quiet:
            _log_banner(server, stops)
        systemd.notify("READY=1")
        server.run()


def _check_threads() -> None:
    """Workers have to be threads. Green ones would share one, which waits in native code."""
    for library, module, question, threads in (
        ("gevent", "gevent.monkey", "is_module_patched", "_thread"),
        ("eventlet", "eventlet.patcher", "is_monkey_patched", "thread"),
    ):
        ask = getattr(sys.modules.get(module), question, None)
        if ask is not None and ask(threads):
            raise RuntimeError(
                f"{library} has replaced Python's threads, on which the application is to run: "
                f"patch without threads (thread=False), or use {library}'s own server"
            )


def python_build() -> str:
    """Such as ``CPython 3.14.0 (free-threaded)``: the first thing to know about concurrency."""
    gil = "with the GIL"
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        enabled = getattr(sys, "_is_gil_enabled", lambda: True)()
        gil = "free-threaded, but the GIL is on" if enabled else "free-threaded"
    return f"{platform.python_implementation()} {platform.python_version()} ({gil})"


def _log_banner(server: Server, stops: signals.Stops | None) -> None:
    threads = server.adj.threads
    lines = [f"Serving on {url}" for url in server.urls]
    lines += [f"Showing what happens on {_url(*address)}" for address in server.admin_listen]
    lines.append(
        f"{threads} worker thread{'' if threads == 1 else 's'}, {python_build()}, "
        f"process {os.getpid()}{f'; stop with {stops.keys()}' if stops else ''}"
    )
    for line in lines:
        logs.post(logging.INFO, line)


def _address(item: tuple[Any, ...]) -> tuple[str, str]:
    kind, *rest = item
    return ("unix", rest[0]) if kind == "unix" else (rest[0], str(rest[1]))


def _url(host: str, port: str) -> str:
    return f"unix:{port}" if host == "unix" else f"http://{bracketed(host)}:{port}"
