"""The upgrade of headwaiter in a running server, on the side of the old version.

The installed version is tried by a process that does not serve. If that succeeds, the parent
executes the new version in its own place: the process id, the sockets and the children stay.
``_upgraded.py`` is the new version's side. Rules: until the call that executes, any failure leaves
everything as it was; signals that come in between wait for the new version.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, NoReturn

from headwaiter._parent.children import environment
from headwaiter._parent.listening import Listening
from headwaiter._parent.state import write
from headwaiter._process import logs, systemd

PATIENCE = 30.0
"""Seconds for the trial of a version."""
LONGEST_TEXT = 16384


class Outcome(NamedTuple):
    """The end of a trial: what the new version says of itself, or why it cannot be used."""

    is_good: bool
    text: str


class Trial:
    """A process that tries the new version."""

    def __init__(self, command: Sequence[str], directory: str, passed: Sequence[int]) -> None:
        self._output = tempfile.TemporaryFile()  # noqa: SIM115
        self._end = time.monotonic() + PATIENCE
        self.popen = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            pass_fds=passed,
            cwd=directory,
            env=environment(),
        )

    def next_time(self) -> float:
        """When :meth:`poll` is due, unless the process ends before."""
        return self._end

    def poll(self) -> Outcome | None:
        """How it ended, if it did."""
        code = self.popen.poll()
        if code is None and time.monotonic() < self._end:
            return None
        if code is None:
            self.close()
            return Outcome(False, f"the new version did not answer within {PATIENCE:.0f} s")
        self._output.seek(0)
        text = self._output.read().decode("utf-8", "replace")[-LONGEST_TEXT:].strip()
        self.close()
        if code:
            return Outcome(False, text or f"the trial of the new version ended with status {code}")
        return Outcome(True, text.rpartition("\n")[2])

    def close(self) -> None:
        """End the process, if it lives."""
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait()
        self._output.close()


class Upgrade:
    """Starts the next version, with the ``arguments`` of the server and its state.

    ``command`` runs ``_upgraded.py``. ``fixed`` is the part of the state that does
    not change while the server runs: its files, and the descriptors of its admin endpoint.
    """

    def __init__(
        self,
        command: Sequence[str],
        arguments: Sequence[str],
        directory: str,
        fixed: dict[str, Any],
        listening: Listening,
    ) -> None:
        self._command = list(command)
        self._arguments = list(arguments)
        self._directory = directory
        self._fixed = fixed
        self._listening = listening

    def trial(self, state: dict[str, Any], page: int) -> Trial:
        """Begin to try the new version with the server's ``state``.

        Raises:
            OSError: The process cannot be started.
        """
        descriptor = self._written(state, [])
        try:
            command = self._line(["--check"], descriptor)
            return Trial(command, self._directory, [descriptor, page])
        finally:
            os.close(descriptor)

    def execute(self, state: dict[str, Any], kept: Sequence[int]) -> NoReturn:
        """Become the new version, with the server's ``state`` and the descriptors ``kept``.

        Raises:
            OSError: It cannot be executed.
        """
        kept = [*kept, *self._listening.filenos(), *self._fixed["admin"]]
        descriptor = self._written(state, kept)
        passed = [*kept, descriptor]
        try:
            os.chdir(self._directory)
            logs.flush()
            if systemd.watchdog_seconds() is not None:
                systemd.notify("WATCHDOG=1")
            for each in passed:
                os.set_inheritable(each, True)
            os.execve(sys.executable, self._line([], descriptor), os.environ)
        finally:
            for each in passed:
                os.set_inheritable(each, False)
            os.close(descriptor)

    def _written(self, state: dict[str, Any], kept: Sequence[int]) -> int:
        fixed = {**self._fixed, **self._listening.state()}
        own = {"directory": self._directory, "descriptors": kept}
        return write({**state, **fixed, **own})

    def _line(self, flags: Sequence[str], descriptor: int) -> list[str]:
        return [*self._command, *flags, f"--state={descriptor}", "--", *self._arguments]


@contextmanager
def signals_held(numbers: Iterable[int]) -> Iterator[None]:
    """Signals wait during the block, or until the new version takes them."""
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
