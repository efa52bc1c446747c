"""The order of the pages, read from ``docs/index.md``: each of its headings is a part of the site.

The index is the entrance on a code host, too, so its tables of links are the one place where the
order stands. A page that the index does not link has a place all the same:

- below the page of its folder (``README.md`` or ``index.md``), if there is one;
- else in the part that ``UNLISTED`` names for it, so that a new page is never lost.

Pure functions of names and texts; ``__init__.py`` gives them to Sphinx.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import NamedTuple

ROOT = "docs/index"
FOLDER_PAGES = ("README", "index")

UNLISTED = (
    ("docs/tutorial*", "Tutorial"),
    ("docs/from/*", "How-to guides"),
    ("docs/recipes/*", "How-to guides"),
    ("docs/deploying*", "How-to guides"),
    ("docs/logging*", "How-to guides"),
    ("docs/errors*", "Reference"),
    ("docs/what-happens/*", "Explanation"),
    ("docs/*", "Explanation"),
    ("examples/*", "Tutorial"),
    ("*", "The project"),
)
"""Patterns of pages, and the part of the site in which they are if the index does not say."""

HEADING = re.compile(r"(?m)^## +(.+)$")
LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")


class Entry(NamedTuple):
    """A page in the navigation; without a title it is called as its heading."""

    page: str
    title: str = ""


def parts(index: str, pages: Iterable[str]) -> dict[str, list[Entry]]:
    """The parts of the site in their order, each with its pages, from the text of the index."""
    pages = set(pages)
    found: dict[str, list[Entry]] = {}
    listed = {ROOT}
    headings = HEADING.split(index)
    for title, text in zip(headings[1::2], headings[2::2]):
        entries = [entry for entry in _linked(ROOT, text, pages) if entry.page not in listed]
        entries = list({entry.page: entry for entry in reversed(entries)}.values())[::-1]
        listed |= {entry.page for entry in entries}
        if entries:
            found[title.strip()] = entries
    below = {entry.page for page in pages for entry in children(page, "", pages)}
    for page in sorted(pages - listed - below):
        part = next(part for pattern, part in UNLISTED if fnmatchcase(page, pattern))
        found.setdefault(part, []).append(Entry(page))
    return found


def children(page: str, text: str, pages: Iterable[str], listed: Iterable[str] = ()) -> list[Entry]:
    """The pages below ``page``, if it is the page of a folder: in the order of its links, then by
    name. ``listed`` are elsewhere already.
    """
    folder, name = posixpath.split(page)
    if name not in FOLDER_PAGES or folder in ("", "docs"):
        return []
    own = {other for other in pages if _is_below(other, folder)} - {page, *listed}
    linked = [entry for entry in _linked(page, text, own) if entry.page in own]
    entries = {entry.page: entry for entry in reversed(linked)}
    return [*reversed(list(entries.values())), *(Entry(o) for o in sorted(own - set(entries)))]


def _is_below(page: str, folder: str) -> bool:
    """Whether ``page`` lies in ``folder``, or is the page of a folder in it."""
    own, name = posixpath.split(page)
    return own == folder or (name in FOLDER_PAGES and posixpath.dirname(own) == folder)


def _linked(page: str, text: str, pages: set[str]) -> Iterator[Entry]:
    folder = posixpath.dirname(page)
    for title, target in LINK.findall(text):
        path = posixpath.normpath(posixpath.join(folder, target.partition("#")[0]))
        name, extension = posixpath.splitext(path)
        if extension == ".md" and name in pages:
            yield Entry(name, title.replace("`", "").strip())
