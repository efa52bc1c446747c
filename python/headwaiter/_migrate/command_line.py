"""Reads a command line of another server: which server, its options, its application.

Rules: words are taken as the shell would hand them over; what the shell fills in at the start
(``$PORT``) is a :class:`Shell`.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from typing import NamedTuple

from headwaiter._migrate.rows import Given, Option, Server, Shell, found

SHELL = re.compile(r"\$(?:\w|\{|\()")
SPECIFIER = re.compile(r"%[a-zA-Z]")
"""What systemd fills in, in a unit."""
_PYTHON = re.compile(r"python[\d.]*t?$|pypy[\d.]*$")
_SHELLS = ("sh", "bash", "dash", "ash", "zsh")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")


class Command(NamedTuple):
    """A command, taken apart. ``prefix`` stands before the server, ``program`` in its place."""

    server: Server
    prefix: list[str]
    program: str
    words: list[str]


class Line(NamedTuple):
    """The options of a command, its other words, and flags that the server does not have."""

    given: list[Given]
    rest: list[str]
    unknown: list[str]


def split(text: str) -> list[str]:
    """The words of a line of a shell.

    Raises:
        ValueError: A quote is not closed.
    """
    try:
        return shlex.split(text.replace("\\\n", " "))
    except ValueError as error:
        raise ValueError(f"{text.strip()[:60]!r}: {error}") from None


def command(words: list[str], servers: tuple[Server, ...]) -> Command | None:
    """The command of a server among ``words``; ``None`` if there is none.

    Commands before it may be those of a server for development, such as ``manage.py migrate``.
    """
    real = tuple(server for server in servers if server.page)
    return _command(words, real) or _command(words, servers)


def _command(words: list[str], servers: tuple[Server, ...]) -> Command | None:
    for part in _parts(words):
        for at, word in enumerate(part):
            server = _served_by(os.path.basename(word), servers)
            if server is not None and not _ASSIGNMENT.match(word):
                program = os.path.join(os.path.dirname(word), "headwaiter")
                return Command(server, part[:at], program, part[at + 1 :])
            if _PYTHON.match(os.path.basename(word)) and part[at + 1 : at + 2] == ["-m"]:
                server = _served_by(part[at + 2] if part[at + 2 :] else "", servers)
                if server is not None:
                    program = f"{word} -m headwaiter"
                    return Command(server, part[:at], program, part[at + 3 :])
    return None


def _parts(words: list[str]) -> Iterator[list[str]]:
    """The commands that ``words`` run one after another, those inside ``sh -c`` among them."""
    for at, word in enumerate(words):
        if (
            os.path.basename(word) in _SHELLS
            and words[at + 1 : at + 2]
            and (re.fullmatch(r"-\w*c", words[at + 1]))
        ):
            yield from _parts(split(" ".join(words[at + 2 : at + 3])))
            return
    part: list[str] = []
    for word in words:
        if word in ("&&", ";", "|", "||", "&"):
            yield part
            part = []
        elif word.endswith(";"):
            yield [*part, word[:-1]]
            part = []
        else:
            part.append(word)
    yield part


def _served_by(program: str, servers: tuple[Server, ...]) -> Server | None:
    for server in servers:
        if program in server.programs:
            return server
    return None


def read(words: list[str], server: Server, *, is_unit: bool = False) -> Line:
    """Take ``words`` apart by the table of ``server``; in a unit ``%`` is special."""
    given: list[Given] = []
    rest: list[str] = []
    unknown: list[str] = []
    ahead = list(words)
    while ahead:
        word = ahead.pop(0)
        if word == "--":
            rest += ahead
            break
        if not word.startswith("-") or word == "-":
            rest.append(word)
            continue
        flag, equals, attached = (
            word.partition("=") if word.startswith("--") else (word[:2], "", "")
        )
        row = found(server, flag)
        if row is None:
            unknown.append(word)
            continue
        if not word.startswith("--") and len(word) > 2:
            equals, attached = "=", word[2:].lstrip("=")
            if _takes(server, row, flag) == 0:  # switches in one word
                ahead.insert(0, f"-{attached}")
                equals, attached = "", ""
        if equals:
            values = [attached]
        else:
            values = [ahead.pop(0) for _ in range(_takes(server, row, flag)) if ahead]
        given.append(_given(row, flag, values, is_unit))
    return Line(given, rest, unknown)


def _takes(server: Server, row: Option, flag: str) -> int:
    full = next((name for name in row.names if name == flag or name.startswith(flag)), flag)
    return 0 if full in server.switches or full in server.optional else row.takes


def _given(row: Option, flag: str, values: list[str], is_unit: bool) -> Given:
    shown = " ".join([flag, *values])
    if not values:
        is_negative = flag.startswith("--no-") and f"--{flag[5:]}" in row.names
        return Given(row, not is_negative, shown)
    if len(values) > 1:
        return Given(row, tuple(values), shown)
    value = values[0]
    if is_unit:
        if SPECIFIER.search(value.replace("%%", "")):
            return Given(row, Shell(value), shown)
        value = value.replace("%%", "%").replace("$$", "$")
    return Given(row, Shell(value) if SHELL.search(value) else value, shown)
