"""Finds changes by looking at every file again and again, where ``watchfiles`` is not installed."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence

from headwaiter._watch.patterns import Patterns

EVERY = 0.5
"""Seconds between two looks; more in a large tree, so that a look takes a fifth of the time."""
SETTLE = 0.05
"""Files that change together, such as by a checkout, are one change."""
MOST_LOOKS = 20

State = dict[str, tuple[int, int, int]]
"""Of each file: when it changed, its size, its number."""


def changes(directories: Sequence[str], patterns: Patterns) -> Iterator[set[str]]:
    """The files that have changed, come or gone, each time that there are some; at first none."""
    before = look(directories, patterns)
    yield set()
    took = 0.0
    while True:
        time.sleep(max(EVERY, 4 * took))
        began = time.monotonic()
        now = look(directories, patterns)
        took = time.monotonic() - began
        if now != before:
            now = _settled(now, directories, patterns)
            yield {path for path, _ in before.items() ^ now.items()}
            before = now


def _settled(seen: State, directories: Sequence[str], patterns: Patterns) -> State:
    """The files once they do not change any more, or after a while."""
    for _ in range(MOST_LOOKS):
        time.sleep(SETTLE)
        earlier, seen = seen, look(directories, patterns)
        if seen == earlier:
            break
    return seen


def look(directories: Sequence[str], patterns: Patterns) -> State:
    """The files that count, below all directories."""
    state: State = {}
    for directory in directories:
        _look_into(directory, "", patterns, state)
    return state


def _look_into(directory: str, way: str, patterns: Patterns, state: State) -> None:
    with contextlib.suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            path = way + entry.name
            with contextlib.suppress(OSError):  # it may be gone
                if entry.is_dir(follow_symlinks=False):
                    if patterns.enters(path):
                        _look_into(entry.path, f"{path}/", patterns, state)
                elif patterns.takes(path):
                    found = entry.stat()
                    state[entry.path] = (found.st_mtime_ns, found.st_size, found.st_ino)
