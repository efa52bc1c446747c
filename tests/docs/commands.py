"""Runs commands of the pages in a scratch directory, in which the modules that they name exist.

What differs from the pages: the system chooses the ports, and files of the system are in the
scratch directory. A command that serves is asked for a page and stopped; one that asks a running
server gets one.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tests.support.process import ROOT, ServerProcess, environment, run_cli

from . import table
from .blocks import Block, Inline
from .plans import CHECKED, RUN, Command, commands, plan_of

BOUND = 60.0
SUBCOMMANDS = {"top", "advise", "ctl", "migrate"}
OVER_SOON = {"--help", "--help-all", "-h", "--version", "--check-config", "--print-config"}
LISTENING = re.compile(r"--?(listen|bind|b|host|port|unix-socket)\b")
ADDRESS = re.compile(r"(?<![\d.])(\d+\.\d+\.\d+\.\d+|localhost|\[[\da-f:]+\])?:\d{2,5}\b")
OF_SYSTEM = re.compile(r"(^|[=:])(/(?:run|var|etc|srv|tmp|opt)/)")
EXAMPLES = ROOT / "examples"
HELLO = """\
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


application = app


def create_app(*_arguments, **_more):
    return app
"""
MOCK = "from unittest import mock\n\n{} = mock.MagicMock()\n"


def write_modules(folder: Path) -> None:
    """Writes the modules that the pages invent."""
    for name, contents in table.STUBS.items():
        is_package = any(other.startswith(f"{name}.") for other in table.STUBS)
        path = folder.joinpath(*name.split("."))
        file = path / "__init__.py" if is_package else path.with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        mocks = [word for word in contents if word not in ("app", "application", "create_app")]
        file.write_text(HELLO + "".join(map(MOCK.format, mocks)))


class Scratch:
    """Where the commands of one block run, one after the other."""

    def __init__(self, folder: Path, block: Block) -> None:
        self.folder = folder
        self.root = folder / "root"
        self.cwd = folder / "work"
        self.cwd.mkdir()
        write_modules(self.cwd)
        if block.page.startswith("examples/"):
            shutil.copytree(EXAMPLES, folder / "examples", ignore=shutil.ignore_patterns("var"))
            self.cwd = folder / Path(block.page).parent
        self.block = block
        self.environment = environment(
            DJANGO_SITE_VAR=str(folder / "django_site"),
            CELERY_SITE_VAR=str(folder / "celery_site"),
            HEADWAITER_SHUTDOWN_TIMEOUT="10",
        )

    def do(self, command: Command) -> None:
        """Runs or checks a command, as its plan says."""
        kind = plan_of(self.block, command).kind
        if kind == CHECKED:
            check(command.words, self.cwd)
        elif kind == RUN and command.program in ("cd", "export"):
            self._change(command)
        elif kind == RUN and command.program == "headwaiter":
            self._headwaiter(command, command.words[1:])
        elif kind == RUN and command.words[1:3] == ["-m", "headwaiter"]:
            self._headwaiter(command, command.words[3:])
        elif kind == RUN and command.program in ("python", "python3"):
            self._end([sys.executable, *command.words[1:]], command)
        elif kind == RUN and command.program == "mkdir":
            # The page's own folder may be there already, as a module that it invents.
            self._end(["mkdir", "-p", *command.words[1:]], command)
        elif kind == RUN:
            self._end(["bash", "-c", command.text], command)

    def _change(self, command: Command) -> None:
        self.environment |= command.environment
        if command.program == "export":
            pairs = (word.partition("=") for word in command.words[1:])
            self.environment |= {name: value for name, _, value in pairs}
            return
        target = self.cwd / command.words[1]
        assert target.is_dir(), f"{command.words[1]} is not a folder"
        self.cwd = target

    def _headwaiter(self, command: Command, words: list[str]) -> None:
        check_flags(words)
        words = [self._here(table.PLACEHOLDERS.get(word, word)) for word in words]
        if words[:1] == ["ctl"]:
            self._control(words)
        elif words[0] in ("top", "advise"):
            with self.serving(["--admin=127.0.0.1:0", "mysite:app"], addresses=2) as server:
                admin = ":".join(map(str, server.addresses[1]))
                once = ["--once"] if words[0] == "top" and "--once" not in words else []
                asked = [_asks(word, admin) for word in words[1:]] + once
                self._end([*HEADWAITER, words[0], *asked], command, HEADWAITER_ADMIN=admin)
        elif words[0] in SUBCOMMANDS or OVER_SOON & set(words) or "--completion" in words:
            self._end([*HEADWAITER, *words], command, HEADWAITER_LISTEN="127.0.0.1:0")
        else:
            with self.serving(words, given=command.environment) as server:
                assert server.ask("/").status < 600

    def _control(self, words: list[str]) -> None:
        """``ctl`` with a server of its own, which it may stop."""
        control = str(self.folder / "ctl")
        served = ["--processes=1", f"--control={control}", "mysite:app"]
        words = [word for word in words[1:] if not word.startswith(("--control", "--config"))]
        with self.serving(served) as server:
            self._end([*HEADWAITER, "ctl", f"--control={control}", *words], None)
            if "stop" in words:
                assert server.wait() == 0

    @contextmanager
    def serving(
        self, words: list[str], addresses: int = 1, given: Mapping[str, str] | None = None
    ) -> Iterator[ServerProcess]:
        """A server started by these words, which is stopped at the end and has answered."""
        if not any(LISTENING.match(word) for word in words):
            words = ["--listen=127.0.0.1:0", *words]
        argv = [*HEADWAITER, *words]
        server = ServerProcess(argv, {**self.environment, **(given or {})}, self.cwd, ())
        with server:
            server.wait_for_addresses(addresses)
            yield server

    def _here(self, word: str) -> str:
        """``word`` with ports of the system's choice and files of the scratch directory."""
        if self.cwd == self.folder / "work" and word.rpartition("=")[2].endswith(".toml"):
            name = OF_SYSTEM.sub(rf"\1{self.root}\2", word).rpartition("=")[2]
            path = self.cwd / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("threads = 4\n")
        word = OF_SYSTEM.sub(rf"\1{self.root}\2", word)
        named = word.rpartition("=")[2].rpartition(":")[2]
        if named.startswith(str(self.root)):
            Path(named).parent.mkdir(parents=True, exist_ok=True)
        word = ADDRESS.sub(lambda found: "127.0.0.1:0", word)
        return re.sub(r"^(--port=|--listen=|--bind=|--admin=)\d+$", r"\g<1>0", word)

    def _end(self, argv: list[str], command: Command | None, **more: str) -> None:
        """Runs a program to its end, which has to be a good one."""
        given = command.environment if command else {}
        done = subprocess.run(
            argv,
            cwd=self.cwd,
            env={**self.environment, **given, **more},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=BOUND,
            check=False,
        )
        assert done.returncode == 0, f"{argv}: {done.returncode}\n{done.stdout}{done.stderr}"


HEADWAITER = [sys.executable, "-m", "headwaiter"]


def _asks(word: str, admin: str) -> str:
    """``word`` of ``top`` or ``advise``, with the address of a running server."""
    if word.startswith("-") and "=" not in word:
        return word
    is_socket = word.endswith(".sock")
    return admin if is_socket else re.sub(r"127\.0\.0\.1:0", admin, word)


def run_block(block: Block, folder: Path) -> None:
    scratch = Scratch(folder, block)
    for command in commands(block):
        scratch.do(command)


# --- What is checked without being run ---


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


def missing_bash() -> bool:
    return shutil.which("bash") is None or os.name == "nt"
