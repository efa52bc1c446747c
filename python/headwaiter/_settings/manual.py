"""The manual page ``headwaiter(1)``, made from the tables.

``python -m headwaiter._settings.manual > PAGE`` writes it, where ``PAGE`` is
``python/headwaiter.data/data/share/man/man1/headwaiter.1``. A test fails while the page differs
from this module's output. A wheel installs it as ``share/man/man1/headwaiter.1``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from headwaiter._settings.entries import Entry, entries, plain
from headwaiter._settings.help import EXAMPLES
from headwaiter._settings.options import COMMANDS, EXIT_STATUSES
from headwaiter._settings.variables import FOREIGN, OTHERS

DESCRIPTION = """\
headwaiter serves WSGI applications. An event loop reads and sends; a fixed number of threads runs
the application. MODULE is the Python module, and OBJECT the application in it.

Each adjustment below is an option, an environment variable (--threads: HEADWAITER_THREADS), a line
of a configuration file (threads = 8) and an argument of headwaiter.serve(). An option beats the
environment, which beats the file.

Times may have a unit (500ms, 30s, 5m, 2h, 1d). Sizes may have one, too: 10kB and 10MB are powers of
1000, 64KiB and 1GiB powers of 1024.
"""
FILES = {
    "headwaiter.toml": "The configuration file, if it is in the current directory.",
    "pyproject.toml": "Read in its place if it has a table [tool.headwaiter].",
}


def page() -> str:
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield '.\\" Made by `python -m headwaiter._settings.manual`.'
    yield '.TH HEADWAITER 1 "" headwaiter "User Commands"'
    yield from (".SH NAME", r"headwaiter \- serve a WSGI application")
    yield ".SH SYNOPSIS"
    yield r".B headwaiter"
    yield r"[\fIOPTIONS\fR] \fIMODULE\fR:\fIOBJECT\fR"
    for command in COMMANDS:
        yield from (".br", ".B headwaiter", _text(command))
    yield ".SH DESCRIPTION"
    for number, paragraph in enumerate(DESCRIPTION.split("\n\n")):
        yield from ([".PP"] if number else [])
        yield from map(_text, paragraph.splitlines())
    yield ".SH COMMANDS"
    for command, text in COMMANDS.items():
        yield from _item(_bold(command), text)
    yield ".SH OPTIONS"
    group = ""
    for entry in entries():
        if entry.group != group:
            group = entry.group
            yield f".SS {group}"
        yield from _item(_usage(entry), entry.help)
    yield ".SH ENVIRONMENT"
    for name, text in {**FOREIGN, **OTHERS}.items():
        yield from _item(_bold(name), text)
    yield ".SH FILES"
    for name, text in FILES.items():
        yield from _item(_bold(name), text)
    yield ".SH EXIT STATUS"
    for status, text in EXIT_STATUSES.items():
        yield from _item(_bold(str(status)), text)
    yield ".SH EXAMPLES"
    for command, text in EXAMPLES.items():
        yield from _item(_bold(command), text)


def _item(head: str, text: str) -> Iterator[str]:
    yield from (".TP", head)
    # A line for each sentence, as is usual; it also keeps the lines short.
    yield from map(_text, re.split(r"(?<=[.;:]) ", plain(text)))


def _usage(entry: Entry) -> str:
    flags = ", ".join(map(_bold, entry.all_flags))
    return f"{flags} \\fI{_escaped(entry.metavar)}\\fR" if entry.metavar else flags


def _bold(text: str) -> str:
    return f"\\fB{_escaped(text)}\\fR"


def _text(line: str) -> str:
    """A line of text: what begins with a control character is none of roff's commands."""
    escaped = _escaped(line)
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


def _escaped(text: str) -> str:
    return text.replace("\\", "\\e").replace("-", "\\-")


if __name__ == "__main__":
    print(page(), end="")
