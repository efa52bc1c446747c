"""Looks at the files again and again, where ``watchfiles`` is not installed."""

from __future__ import annotations

import time
from collections.abc import Iterator

from headwaiter._watch.tree import Tree

EVERY = 0.25
"""Seconds between two looks; more in a large tree, so that a look takes a fifth of the time."""
SETTLE = 0.05
"""Files that change together, such as by a checkout, are one change."""
MOST_LOOKS = 20


def changes(tree: Tree, since: int) -> Iterator[set[str]]:
    """The files that have changed, after each look."""
    changed, took = tree.changed(since), 0.0
    while True:
        yield changed
        time.sleep(max(EVERY, 4 * took))
        began = time.monotonic()
        changed = tree.changed()
        took = time.monotonic() - began
        if changed:
            changed |= _settled(tree)


def _settled(tree: Tree) -> set[str]:
    """What else changes, until nothing does for a moment."""
    changed: set[str] = set()
    for _ in range(MOST_LOOKS):
        time.sleep(SETTLE)
        more = tree.changed()
        if not more:
            break
        changed |= more
    return changed
