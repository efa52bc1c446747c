"""The process that watches files for ``reload``: how it is started, and what it says.

Watchers have threads, which the parent must not have. Rules: the process ends with its socket; the
parent waits for it in :meth:`Watcher.stop`.
"""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import subprocess
import time
from collections.abc import Sequence
from typing import Callable

from headwaiter._parent.channel import Channel
from headwaiter._parent.children import environment
from headwaiter._process import logs, signals

SETTLED = 10.0
"""A process that ends is started again if it has lived for so many seconds, else by a reload."""
PATIENCE = 1.0
"""Seconds for the process to be killed: a network mount may hold it."""


class Watcher:
    """Calls ``changed`` each time that files have changed.

    ``command`` runs ``headwaiter._watch``. ``include`` and ``exclude`` are patterns.
    """

    def __init__(
        self,
        command: Sequence[str],
        directory: str,
        *,
        include: Sequence[str],
        exclude: Sequence[str],
    ) -> None:
        patterns = [f"--include={pattern}" for pattern in include]
        patterns += [f"--exclude={pattern}" for pattern in exclude]
        self._command = [*command, *patterns]
        self._directory = directory
        self._popen: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._began = 0.0

    def begin(self, selector: selectors.BaseSelector, changed: Callable[[], object]) -> None:
        """Start the process, and hear it by ``selector``."""
        self._selector, self._changed = selector, changed
        self.start()

    def start(self) -> None:
        """Start the process, unless it lives."""
        if self._channel is not None:
            return
        try:
            own = self._spawn()
        except OSError as error:
            logs.post(logging.ERROR, f"files are not watched: cannot start a process: {error}")
            return
        self._began = time.monotonic()
        self._channel = channel = Channel(own)
        self._selector.register(own, selectors.EVENT_READ, lambda _: self._read(channel))

    def _spawn(self) -> socket.socket:
        """Start the process; return the socket on which it speaks."""
        own, its = socket.socketpair()
        with its, contextlib.ExitStack() as opened:
            opened.callback(own.close)
            with signals.held_back():  # until the process ignores them
                self._popen = subprocess.Popen(
                    [*self._command, f"--parent={its.fileno()}", f"--since={time.time_ns()}"],
                    stdin=subprocess.DEVNULL,
                    pass_fds=[its.fileno()],
                    cwd=self._directory,
                    env=environment(),
                )
            opened.pop_all()
        return own

    def _read(self, channel: Channel) -> None:
        for message in channel.receive():
            if "by" in message:
                logs.post(logging.INFO, f"watching files ({message['by']})")
            if "changed" in message:
                logs.post(logging.INFO, f"changed: {message['changed']}")
                self._changed()
        if channel.ended:
            self._ended()

    def _ended(self) -> None:
        self.stop()
        if time.monotonic() - self._began >= SETTLED:
            logs.post(logging.WARNING, "the process that watches files has ended: a new one starts")
            self.start()
        else:
            logs.post(
                logging.ERROR,
                "files are not watched: the process that did has ended; SIGHUP starts another",
            )

    def stop(self) -> None:
        """End the process, if it lives."""
        if self._channel is not None:
            self._selector.unregister(self._channel.socket)
            self._channel.close()
            self._channel = None
        if self._popen is not None:
            self._popen.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(PATIENCE)
            self._popen = None
