"""Which files count for ``reload``.

A pattern without ``/`` is compared with the name of a file or directory, any other with its path
below the watched directory. A file counts if it is included, and neither the file nor a directory
on the way to it is excluded.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterable, Sequence

INCLUDED = (
    *("*.py", "*.html", "*.htm", "*.jinja", "*.jinja2", "*.j2", "*.mako", "*.pt"),
    *("templates/*", "*/templates/*"),
    *(".env", ".env.*", "*.toml", "*.cfg", "*.ini", "*.yaml", "*.yml"),
)
EXCLUDED = (
    *(".git", ".hg", ".svn", "__pycache__", ".venv", "venv", "node_modules", "site-packages"),
    *(".tox", ".nox", ".mypy_cache", ".pytest_cache", ".ruff_cache", "htmlcov", ".idea", ".vscode"),
    *("*.sw?", "*~", ".#*", "#*#"),  # of editors
    *("*.sqlite", "*.sqlite3", "*.db", "*-journal", "*-wal", "*-shm", "*.log"),
)

NOTHING = "(?!)"
"""Matches nothing; an empty expression would match everything."""


class Patterns:
    """``include`` and ``exclude`` are patterns besides those above."""

    def __init__(self, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        self._included = _Any((*INCLUDED, *include))
        self._excluded = _Any((*EXCLUDED, *exclude))

    def enters(self, directory: str) -> bool:
        """Whether files in a directory may count, if those beside it do."""
        return not self._excluded.matches(directory)

    def takes(self, file: str) -> bool:
        """Whether a file counts, if its directory is entered."""
        return self._included.matches(file) and not self._excluded.matches(file)

    def counts(self, path: str) -> bool:
        """Whether the file at ``path``, relative to the watched directory, counts."""
        return self.takes(path) and self.enters_all(os.path.dirname(path))

    def enters_all(self, path: str) -> bool:
        """Whether a directory and all those on the way to it are entered."""
        parts = path.split("/")
        return all(self.enters("/".join(parts[: end + 1])) for end in range(len(parts)))


class _Any:
    """Several patterns as two expressions, which are much quicker than one by one."""

    def __init__(self, patterns: Iterable[str]) -> None:
        names: list[str] = []
        paths: list[str] = []
        for pattern in patterns:
            (paths if "/" in pattern else names).append(fnmatch.translate(pattern))
        self._name = re.compile("|".join(names))
        self._path = re.compile("|".join(paths or [NOTHING]))

    def matches(self, path: str) -> bool:
        name = path.rpartition("/")[2]
        return bool(self._name.match(name) or self._path.match(path))
