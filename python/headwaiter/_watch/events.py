"""Looks at the files when the system reports changes, by ``watchfiles``.

A report is a reason to look, not the truth: what is written into a new directory before the system
watches it is not reported.
"""

from __future__ import annotations

from collections.abc import Iterator

from headwaiter._watch.tree import Tree

DEBOUNCE = 400
STEP = 50
"""Milliseconds: a change is told when nothing has changed for a step, or after the debounce."""
QUIET = 500
"""Milliseconds without a report, after which the directories are known to be watched."""


def changes(tree: Tree, since: int) -> Iterator[set[str]]:
    """The files that have changed; none after :data:`QUIET`.

    Raises:
        ImportError: ``watchfiles`` is not installed.
        OSError, RuntimeError: The system refuses, such as for its limit of watches.
    """
    import watchfiles

    reports = watchfiles.watch(
        *tree.directories,
        watch_filter=lambda _, path: tree.may_show(path),
        debounce=DEBOUNCE,
        step=STEP,
        rust_timeout=QUIET,
        yield_on_timeout=True,
        ignore_permission_denied=True,
    )
    next(reports)
    yield tree.changed(since)
    for report in reports:
        yield tree.changed() if report else set()
