"""The Python threads of one server: its workers, and two threads that look after them.

``server.py`` makes one :class:`Workers` per server. What a worker does between its start and its
end is the extension's work. Rules: every thread is a daemon thread; a thread is in the list before
it runs, since its first request may call ``Server.close``.
"""

from __future__ import annotations

import itertools
import logging
import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from headwaiter import _headwaiter
from headwaiter._process import forks, logs, routes, stacks
from headwaiter._settings.adjustments import Adjustments
from headwaiter._settings.casts import thread_bounds

if TYPE_CHECKING:
    from headwaiter._process.clocks import Clock
    from headwaiter._process.looks import Looks


class Workers:
    """The threads that run the application, ``headwaiter-0`` and so on.

    ``headwaiter-overseer`` starts further workers and logs slow requests. ``headwaiter-watch``
    measures how long a thread waits for the GIL, and collects stacks for the admin endpoint.
    """

    def __init__(self, engine: _headwaiter.Server, adj: Adjustments) -> None:
        self.threads: list[threading.Thread] = []
        self.failure: RuntimeError | None = None
        """Why no worker could begin, once that is so."""
        self._engine = engine
        self._adj = adj
        self._lock = threading.Lock()
        self._failed = 0

    def start(self, abort: Callable[[], None], interrupted: Callable[[], None]) -> None:
        """Start the least number of workers and the threads that look after them.

        A worker calls ``abort`` if none can begin. ``interrupted`` is called for each
        ``KeyboardInterrupt`` and ``SystemExit`` meanwhile. Only the threads keep ``abort``, so that
        a server that has ended is not part of a reference cycle.
        """
        least, most = thread_bounds(self._adj.threads)
        threads = [self._new_worker(number, abort) for number in range(least)]
        if most > least or self._adj.slow_request_log or self._adj.stuck_after:
            threads.append(_daemon("headwaiter-overseer", self._oversee, abort))
        if self._adj.is_observed:  # first, so that it sees what the others do to the GIL
            # What it needs takes time to load, and a request may take the GIL.
            from headwaiter._process import clocks, looks

            may_look = self._adj.wait_profile and looks.are_safe()
            look = looks.Looks(Workers._work.__code__) if may_look else None
            threads.insert(0, _daemon("headwaiter-watch", self._watch, look, clocks.read))
        for thread in threads:
            self.threads.append(thread)
            try:
                thread.start()
            except (KeyboardInterrupt, SystemExit):  # raised while this waits for the new thread
                interrupted()

    def join(self, seconds: float) -> None:
        """Wait for all threads, ``seconds`` at most: one that is stuck in the application may never
        end."""
        end = time.monotonic() + seconds
        for thread in self.threads:
            if thread.ident is not None:  # else an interrupt came before it started
                thread.join(max(0.0, end - time.monotonic()))

    def _new_worker(self, number: int, abort: Callable[[], None]) -> threading.Thread:
        return _daemon(f"headwaiter-{number}", self._work, abort)

    def _start_another(self, abort: Callable[[], None]) -> None:
        """Start one more worker, under the first name that is free."""
        self.threads[:] = [thread for thread in self.threads if thread.is_alive()]
        taken = {thread.name for thread in self.threads}
        numbers = itertools.count()
        number = next(n for n in numbers if f"headwaiter-{n}" not in taken)
        worker = self._new_worker(number, abort)
        self.threads.append(worker)
        worker.start()

    def _work(self, abort: Callable[[], None]) -> None:
        process = os.getpid()
        error: BaseException | None = None
        try:
            self._engine.work()
        except BaseException as raised:
            error = raised
        if os.getpid() != process:
            forks.leave(error)
        if error is not None:
            self._fail(error, abort)

    def _fail(self, error: BaseException, abort: Callable[[], None]) -> None:
        """A worker could not begin. If none can, requests would wait for ever: abort."""
        with self._lock:
            self._failed += 1
            if self._failed >= thread_bounds(self._adj.threads)[0]:
                self.failure = RuntimeError(f"no worker thread could begin: {error!r}")
        logs.post(logging.ERROR, f"a worker thread could not begin: {error!r}")
        if self.failure is not None:
            abort()

    def _oversee(self, abort: Callable[[], None]) -> None:
        self._engine.oversee(
            lambda: self._start_another(abort),
            lambda ident, environ: (
                stacks.of_thread(ident, Workers._work.__code__),
                routes.of_thread(ident, environ),
            ),
        )

    def _watch(self, look: Looks | None, read_clocks: Callable[[], list[Clock]]) -> None:
        code = Workers._work.__code__
        self._engine.watch(look, read_clocks, lambda: stacks.collect(code))


def _daemon(name: str, target: Callable[..., None], *args: Any) -> threading.Thread:
    return threading.Thread(target=target, args=args, name=name, daemon=True)
