"""A template as a process of the parent, see ``_template.py`` for its own side."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass

from headwaiter._parent.channel import Channel


class Adopted:
    """A process that this program has not started itself, as a ``Popen``: an earlier version of it
    or a template has."""

    def __init__(self, pid: int = 0) -> None:
        self.pid = pid
        """0: the template has not said it yet."""

    def poll(self) -> int | None:
        """The exit status, negative for a signal; ``None`` while the process lives."""
        if not self.pid:
            return None
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:  # somebody else has waited for it
            return 0
        return os.waitstatus_to_exitcode(status) if pid else None

    def send_signal(self, number: int) -> None:
        if self.pid:
            os.kill(self.pid, number)


@dataclass
class TemplateProcess:
    number: int
    popen: subprocess.Popen[bytes] | Adopted
    channel: Channel
    is_lost: bool = False

    def fork(self, slot: int, passed: dict[str, int], listeners: Iterable[int]) -> Adopted:
        """Ask for a child, which gets these descriptors."""
        for name, descriptor in [*passed.items(), *(("listen", each) for each in listeners)]:
            self.channel.send({"do": "take", "name": name}, descriptor)
        self.channel.send({"do": "fork", "slot": slot})
        return Adopted()

    def dismiss(self) -> None:
        """Let it end."""
        self.channel.send({"do": "leave"})
