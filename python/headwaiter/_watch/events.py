"""Looks at the files when the system reports changes, by ``watchfiles``.

A report is a reason to look, not the truth: what is written into a new directory before the system
watches it is not reported. Linux watches each directory by itself, so those that are excluded, such
as ``node_modules``, cost nothing; when directories come or go it watches anew. Nobody reports that
a watched directory is back: there is a look at that from time to time.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from headwaiter._watch.tree import Tree

DEBOUNCE = 400
STEP = 50
"""Milliseconds: a change is told when nothing has changed for a step, or after the debounce."""
QUIET = 500
"""Milliseconds without a report, after which there is a first look at what is newly watched."""
EACH = sys.platform == "linux"


def changes(tree: Tree, since: int) -> Iterator[set[str]]:
    """The files that have changed; none after :data:`QUIET`. Ends when no directory is left.

    Raises:
        ImportError: ``watchfiles`` is not installed.
        OSError, RuntimeError: The system refuses, such as for its limit of watches.
    """
    import watchfiles

    yield tree.changed(since)
    while entered := tree.entered:
        reports = watchfiles.watch(
            *(entered if EACH else tree.directories),
            watch_filter=lambda _, path: tree.may_show(path),
            debounce=DEBOUNCE,
            step=STEP,
            rust_timeout=QUIET,
            yield_on_timeout=True,
            recursive=not EACH,
            ignore_permission_denied=True,
        )
        try:
            with contextlib.closing(reports):
                next(reports)
                yield tree.changed()
                while not EACH or tree.entered == entered:
                    yield tree.changed() if next(reports) or tree.is_back() else set()
        except FileNotFoundError:  # a directory is gone since the look
            yield tree.changed()
