"""The files below the watched directories, and which have changed since the last look at them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence

from headwaiter._watch.patterns import Patterns

State = dict[str, tuple[int, int, int]]
"""Of each file: when it changed in nanoseconds, its size, its number."""


class Tree:
    """``directories`` do not contain one another."""

    def __init__(self, directories: Sequence[str], patterns: Patterns) -> None:
        self.directories = directories
        self._patterns = patterns
        self._before: State | None = None
        self.entered: list[str] = []
        """The directories with files that may count, by the last look."""

    def changed(self, since: int = 0) -> set[str]:
        """The files that have changed, come or gone since the last call.

        The first look has nothing to compare with: its changes are those ``since`` a time in
        nanoseconds.
        """
        before, now = self._before, self._look()
        self._before = now
        if before is None:
            return {path for path, (modified, *_) in now.items() if modified > since}
        return {path for path, _ in before.items() ^ now.items()}

    def may_show(self, path: str) -> bool:
        """Whether a look may show a change, if the system reports one of ``path``: a file that
        counts, or a directory that may be gone by now."""
        for directory in self.directories:
            if is_in(path, directory):
                way = os.path.relpath(path, directory)
                may_be_directory = self._patterns.enters_all(way) and not os.path.isfile(path)
                return may_be_directory or self._patterns.counts(way)
        return False

    def is_back(self) -> bool:
        """Whether a watched directory can be entered that was not there at the last look."""
        return any(
            directory not in self.entered and os.access(directory, os.R_OK | os.X_OK)
            for directory in self.directories
        )

    def _look(self) -> State:
        state: State = {}
        self.entered = []
        for directory in self.directories:
            self._look_into(directory, "", state)
        return state

    def _look_into(self, directory: str, way: str, state: State) -> None:
        with contextlib.suppress(OSError), os.scandir(directory) as entries:
            self.entered.append(directory)
            for entry in entries:
                path = way + entry.name
                with contextlib.suppress(OSError):  # it may be gone
                    if entry.is_dir(follow_symlinks=False):
                        if self._patterns.enters(path):
                            self._look_into(entry.path, f"{path}/", state)
                    elif self._patterns.takes(path):
                        found = entry.stat()
                        state[entry.path] = (found.st_mtime_ns, found.st_size, found.st_ino)


def is_in(path: str, directory: str) -> bool:
    return path == directory or path.startswith(os.path.join(directory, ""))
