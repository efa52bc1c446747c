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

CHANGES = {"cd", "export"}
WRITES = {"cat", "echo", "mkdir", "touch"}
CHECKED_PROGRAMS = {"make", "pip", "pip3"}
RUN_PROGRAMS = {"headwaiter", "python", "python3"}
PROGRAMS = {*CHANGES, *WRITES, *CHECKED_PROGRAMS, *RUN_PROGRAMS, *table.NOT_RUN_PROGRAMS}
LOOPS = {"for", "until", "while"}
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
    if _begins_with_a_command(block.text):
        return "sh"
    if re.match(r"[a-z_]+ = \S", block.text):
        return "toml"
    if any(re.match(output, block.text) for output in table.LOOKS_LIKE_OUTPUT):
        return "text"
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
    if program in CHANGES:
        return Plan(RUN)
    if program in WRITES:
        return Plan(CHECKED if any(word.startswith("/") for word in command.words) else RUN)
    if program == "headwaiter":
        return Plan(CHECKED if command.is_joined else RUN)
    if program in ("python", "python3"):
        return Plan(RUN if _is_run_by_python(command.words[1:]) else CHECKED)
    if program in CHECKED_PROGRAMS:
        return Plan(CHECKED)
    raise Unknown(f"{block.place}: nothing is known of the program {program!r}: see table.py")


def _is_run_by_python(words: list[str]) -> bool:
    """Whether to run it: what is over soon and changes the scratch directory only."""
    if words[:1] == ["manage.py"]:
        return words[1:2] in (["migrate"], ["check"])
    return words[:3] == ["-m", "django", "migrate"] or words[:2] == ["-m", "headwaiter"]


def _begins_with_a_command(text: str) -> bool:
    words = re.sub(r"^\$ ", "", text.lstrip()).split()
    while words and ASSIGNMENT.match(words[0]):
        words.pop(0)
    return bool(words) and words[0].rpartition("/")[2] in PROGRAMS


def commands(block: Block) -> Iterator[Command]:
    """The simple commands of a block of shell code."""
    for line in _lines(_without_output(block)):
        first = line.split()[0]
        if HERE.search(line.splitlines()[0]) or first in LOOPS:
            yield Command({}, [first if first in LOOPS else "cat"], line, is_joined=True)
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


def _without_output(block: Block) -> str:
    """The commands of a block in which output follows them.

    Where lines have a prompt, those without are output. In a block without a language, so is a
    paragraph that begins with no known program.
    """
    lines = block.text.splitlines()
    if any(line.startswith("$ ") for line in lines):
        return "\n".join(line for line in lines if line.startswith("$ "))
    if block.language:
        return block.text
    first, *others = re.split(r"\n\s*\n", block.text)
    return "\n".join([first, *(other for other in others if _begins_with_a_command(other))])


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
