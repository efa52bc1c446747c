"""The tables in ``docs/from/``, made from the rows.

``python -m headwaiter._migrate.pages`` writes them between their marks in the pages, in the current
directory's ``docs/from``. A test fails while a page has another table than the rows.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

from headwaiter._migrate import cherrypy, granian, gunicorn, mod_wsgi, uwsgi, waitress
from headwaiter._migrate.rows import Option

MARK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
TABLES: dict[str, tuple[Option, ...]] = {
    "gunicorn": gunicorn.OPTIONS,
    "uwsgi": uwsgi.OPTIONS,
    "waitress": waitress.OPTIONS,
    "granian": granian.OPTIONS,
    "mod_wsgi": mod_wsgi.OPTIONS,
    "directives": mod_wsgi.DIRECTIVES,
    "cheroot": (*cherrypy.COMMAND, *cherrypy.ARGUMENTS),
    "cherrypy": cherrypy.CHERRYPY,
}


def filled(page: str) -> str:
    """``page`` with every table as the rows have it."""
    return MARK.sub(lambda found: f"{found[1]}{table(TABLES[found[2]])}{found[3]}", page)


def table(options: Iterable[Option]) -> str:
    lines = ["| theirs | headwaiter | |", "| --- | --- | --- |"]
    for row in options:
        names = ", ".join(f"`{name}`" for name in _names(row))
        text = row.text.replace("|", "\\|")
        lines.append(f"| {names} | {row.ours or 'none'} | {text} |")
    return "\n".join(lines) + "\n"


def _names(row: Option) -> list[str]:
    """Those of the files, and flags that are not the same word with hyphens."""
    plain = [name for name in row.names if not name.startswith("-")]
    spelled = {f"--{name}" for name in plain}
    return plain + [name for name in row.names if name.startswith("-") and name not in spelled]


def main(folder: Path) -> int:
    for path in sorted(folder.glob("*.md")):
        path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path("docs/from")))
