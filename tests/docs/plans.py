"""What is done with each block and command: it is run, it is checked, or a reason says why not.

Nothing is run here. :class:`Unknown` is the answer to a block of which ``table.py`` knows nothing.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import NamedTuple

from . import table
from .blocks import Block

RUN, CHECKED, NOT_RUN = "run", "checked", "not run"

SHELL = {"sh", "bash", "console", "shell"}
PYTHON = {"python", "py", "pycon"}
PARSED = {
    "caddyfile": "its braces are closed",
    "dockerfile": "its instructions exist, and the flags in its CMD",
    "haproxy": "its sections exist",
    "ini": "it is parsed, and the flags in an ExecStart exist",
    "json": "it is parsed",
    "nginx": "its braces are closed",
    "procfile": "the flags in it exist",
    "promql": "it is parsed",
    "systemd": "it is parsed, and the flags in an ExecStart exist",
    "toml": "it is loaded as a configuration, if it is one of headwaiter",
    "yaml": "it is parsed",
}
"""Languages that are read by what reads them, and what that says."""

FIRST_WORDS = {"headwaiter", "make", "pip", "python", "cd", "export", "curl"}
"""A block without a language that begins with one of these is one of commands."""
SEPARATORS = {"&&", "||", ";", "&"}
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
HERE = re.compile(r"<<-?\s*'?\"?(\w+)'?\"?")


class Unknown(Exception):
    """A block or a command that belongs to no class; the message says what to do."""


class Command(NamedTuple):
    """A simple command: assignments before it, its words, and the text it comes from."""

    environment: dict[str, str]
    words: list[str]
    text: str
    is_joined: bool
    """Part of a pipe, or with a redirection."""

    @property
    def program(self) -> str:
        return self.words[0].rpartition("/")[2]


class Plan(NamedTuple):
    kind: str
    reason: str = ""


def language_of(block: Block) -> str:
    """The language of a block; of one that names none, from its first word."""
    if block.language:
        return block.language.lower()
    words = block.text.split()
    if words and words[0] in FIRST_WORDS:
        return "sh"
    raise Unknown(f"{block.place}: the block names no language: fence it, ```text if it is output")


def plan(block: Block) -> Plan:
    language = language_of(block)
    if language in table.NOT_RUN_LANGUAGES:
        return Plan(NOT_RUN, table.NOT_RUN_LANGUAGES[language])
    if language in PYTHON:
        return Plan(RUN)
    if language in PARSED:
        return Plan(CHECKED, PARSED[language])
    if language not in SHELL:
        raise Unknown(f"{block.place}: nothing is known of the language {language!r}: see table.py")
    plans = [plan_of(block, command) for command in commands(block)]
    kinds = {found.kind for found in plans}
    kind = next((kind for kind in (RUN, CHECKED) if kind in kinds), NOT_RUN)
    reasons = {found.reason for found in plans if found.kind == NOT_RUN}
    return Plan(kind, "; ".join(sorted(reasons)))


def plan_of(block: Block, command: Command) -> Plan:
    """The plan for one command of a block."""
    for (page, beginning), reason in table.NOT_RUN_LINES.items():
        if page == block.page and command.text.startswith(beginning):
            return Plan(NOT_RUN, reason)
    program = command.program
    if program in table.NOT_RUN_PROGRAMS:
        return Plan(NOT_RUN, table.NOT_RUN_PROGRAMS[program])
    if program in ("cd", "export"):
        return Plan(RUN)
    if program in ("cat", "echo", "mkdir", "touch"):
        return Plan(CHECKED if any(word.startswith("/") for word in command.words) else RUN)
    if program == "headwaiter":
        return Plan(CHECKED if command.is_joined else RUN)
    if program in ("python", "python3"):
        return Plan(RUN if _is_run_by_python(command.words[1:]) else CHECKED)
    if program in ("flask", "make", "pip", "pserve"):
        return Plan(CHECKED)
    raise Unknown(f"{block.place}: nothing is known of the program {program!r}: see table.py")


def _is_run_by_python(words: list[str]) -> bool:
    """Whether to run it: what is over soon and changes the scratch directory only."""
    if words[:1] == ["manage.py"]:
        return words[1:2] in (["migrate"], ["check"])
    return words[:3] == ["-m", "django", "migrate"] or words[:2] == ["-m", "headwaiter"]


def commands(block: Block) -> Iterator[Command]:
    """The simple commands of a block of shell code."""
    for line in _lines(block.text):
        if HERE.search(line.splitlines()[0]):
            yield Command({}, ["cat"], line, is_joined=True)
            continue
        lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|<>")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if word in SEPARATORS:
                if words:
                    yield _command(words, line)
                words = []
            else:
                words.append(word)


def _command(words: list[str], line: str) -> Command:
    environment = {}
    while words and ASSIGNMENT.match(words[0]):
        name, _, value = words.pop(0).partition("=")
        environment[name] = value
    special = [place for place, word in enumerate(words) if set(word) <= set("|<>")]
    simple = words[: special[0]] if special else words
    return Command(environment, simple or ["export"], line, is_joined=bool(special))


def _lines(text: str) -> Iterator[str]:
    """Lines with their continuations and here-documents, without prompts and comments."""
    lines = iter(text.splitlines())
    for line in lines:
        line = re.sub(r"^\s*\$ ", "", line).strip()
        while line.endswith("\\"):
            line = f"{line[:-1]} {next(lines).strip()}"
        if found := HERE.search(line):
            body = [line]
            for more in lines:
                body.append(more)
                if more == found[1]:
                    break
            line = "\n".join(body)
        if line and not line.startswith("#"):
            yield line
