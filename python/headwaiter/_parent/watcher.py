"""The process that watches files for ``reload``: how it is started, and what it says.

Watchers have threads, which the parent must not have.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Sequence

from headwaiter._parent.channel import Channel

MOST_NAMED = 3
"""The most files that a log record names."""


class Watcher:
    def __init__(
        self,
        python: Sequence[str],
        directory: str,
        *,
        include: Sequence[str],
        exclude: Sequence[str],
    ) -> None:
        patterns = [f"--include={pattern}" for pattern in include]
        patterns += [f"--exclude={pattern}" for pattern in exclude]
        own, its = socket.socketpair()
        with its:
            self._popen = subprocess.Popen(
                [*python, "-m", "headwaiter._watch", *patterns],
                stdin=its.fileno(),
                stdout=its.fileno(),
                cwd=directory,
            )
        self._channel = Channel(own)
        self._directory = os.path.realpath(directory)

    def fileno(self) -> int:
        return self._channel.socket.fileno()

    @property
    def ended(self) -> bool:
        return self._channel.ended

    def receive(self) -> tuple[str, list[str]]:
        """Who watches, if that is news, and the files that have changed."""
        messages = self._channel.receive()
        by = [str(message["by"]) for message in messages if "by" in message]
        return "".join(by), [path for message in messages for path in message.get("changed", ())]

    def named(self, paths: Sequence[str]) -> str:
        """Files for the log."""
        inside = os.path.join(self._directory, "")
        shown = [path.removeprefix(inside) for path in paths]
        more = len(shown) - MOST_NAMED
        return f"{', '.join(shown[:MOST_NAMED])}{f' and {more} more' if more > 0 else ''}"

    def close(self) -> None:
        self._channel.close()  # the process ends with its socket
        self._popen.wait()
