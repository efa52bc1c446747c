"""Checks commands without running them: what they name exists."""

from __future__ import annotations

import importlib.util
import re
import shlex
from functools import cache
from pathlib import Path

from tests.support.process import ROOT, run_cli

from . import table
from .blocks import Inline

BOUND = 60.0
EXAMPLES = ROOT / "examples"
SUBCOMMANDS = {"top", "advise", "ctl", "migrate"}


def check_inline(inline: Inline) -> None:
    check(shlex.split(inline.text), ROOT)


def check(words: list[str], folder: Path) -> None:
    """Checks that what the words name exists."""
    program, *rest = words
    if program == "headwaiter":
        check_flags(rest)
    elif program == "make":
        # A stamp of the Makefile's, such as .venv/.release, follows from a rule for all of them.
        targets = {word for word in rest if "=" not in word and not word.startswith(("-", "."))}
        assert targets <= make_targets(), f"make knows no {targets - make_targets()}"
        variables = {word.partition("=")[0] for word in rest if "=" in word}
        assert variables <= make_variables(), f"make knows no {variables - make_variables()}"
    elif program in ("python", "python3") and rest[:1] == ["-m"]:
        name = rest[1]
        is_known = name in table.NOT_RUN_PROGRAMS or importlib.util.find_spec(name)
        assert is_known, f"no module is called {name}"
    elif program in ("python", "python3") and rest and rest[0].endswith(".py"):
        found = [folder / rest[0], ROOT / rest[0], *EXAMPLES.rglob(Path(rest[0]).name)]
        assert any(path.is_file() for path in found), f"there is no {rest[0]}"


def check_flags(words: list[str]) -> None:
    """Checks that the flags of a command line of headwaiter exist."""
    subcommand = words[0] if words and words[0] in SUBCOMMANDS else ""
    if subcommand == "migrate":
        return  # what follows is a command line of another server
    known = known_flags(subcommand)
    given = {re.split(r"[=\s]", word)[0] for word in words if re.match(r"--?[a-z]", word)}
    unknown = {flag for flag in given if flag not in known}
    assert not unknown, f"headwaiter knows no {', '.join(sorted(unknown))}"


@cache
def known_flags(subcommand: str) -> frozenset[str]:
    """The flags that the help lists."""
    wanted = [[subcommand, "--help"]] if subcommand else [["--help-all"], ["--help"]]
    for words in wanted:
        done = run_cli(*words, timeout=BOUND)
        if done.returncode == 0:
            # A boolean may be listed as --[no-]dev.
            text = re.sub(r"--\[no-\]([\w-]+)", r"--\1 --no-\1", done.stdout)
            found = re.findall(r"(?<![\w-])--?[a-z][\w-]*", text)
            return frozenset(found) | {"--help-all", "--help"}
    raise AssertionError(f"no help for {subcommand or 'headwaiter'}")


@cache
def make_targets() -> frozenset[str]:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return frozenset(re.findall(r"(?m)^([a-z-]+):", text))


@cache
def make_variables() -> frozenset[str]:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return frozenset(re.findall(r"(?m)^([A-Z_]+)\s*\?=", text))
