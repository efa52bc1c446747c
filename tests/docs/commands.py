"""Runs commands of the pages in a scratch directory, in which the modules that they name exist.

What differs from the pages: the system chooses the ports, and files of the system are in the
scratch directory. A command that serves is asked for a page and stopped; one that asks a running
server gets one.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.support.process import ROOT, ServerProcess, environment
from tests.support.waiting import eventually

from . import table
from .blocks import Block
from .checks import EXAMPLES, SUBCOMMANDS, check, check_flags
from .plans import CHECKED, RUN, Command, commands, plan_of

BOUND = 60.0
OVER_SOON = {"--help", "--help-all", "-h", "--version", "--check-config", "--print-config"}
LISTENING = re.compile(r"--?(listen|bind|b|host|port|unix-socket)\b")
ADDRESS = re.compile(r"(?<![\d.])(\d+\.\d+\.\d+\.\d+|localhost|\[[\da-f:]+\])?:\d{2,5}\b")
OF_SYSTEM = re.compile(r"(^|[=:])(/(?:run|var|etc|srv|tmp|opt)/)")
QUIET = re.compile(r"--log-level=(warning|error|critical)|--log-config")
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


def write_files(folder: Path) -> None:
    """Writes the files that the pages name without showing them."""
    for name, text in table.FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    for name in ("development.ini", "production.ini"):
        shutil.copy(EXAMPLES / "pyramid_app" / "development.ini", folder / name)
    # Those of the other servers, where there is an example of one.
    for file in (ROOT / "tests").glob("from_elsewhere/projects/*/*"):
        if file.is_file() and not (folder / file.name).exists():
            shutil.copy(file, folder)


class Scratch:
    """Where the commands of one block run, one after the other."""

    def __init__(self, folder: Path, block: Block) -> None:
        self.folder = folder
        self.root = folder / "root"
        self.cwd = folder / "work"
        self.cwd.mkdir()
        write_modules(self.cwd)
        write_files(self.cwd)
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
        subcommand = words[0] if words and words[0] in SUBCOMMANDS else ""
        if subcommand == "ctl":
            self._control(words)
        elif subcommand in ("top", "advise"):
            with self.serving(["--admin=127.0.0.1:0", "mysite:app"], addresses=2) as server:
                admin = ":".join(map(str, server.addresses[1]))
                once = ["--once"] if words[0] == "top" and "--once" not in words else []
                asked = [_asks(word, admin) for word in words[1:]] + once
                self._end([*HEADWAITER, words[0], *asked], command, HEADWAITER_ADMIN=admin)
        elif subcommand == "migrate":  # 1: something of that server has no counterpart
            self._end([*HEADWAITER, *command.words[1:]], command, good={0, 1})
        elif OVER_SOON & set(words) or "--completion" in words:
            self._end([*HEADWAITER, *words], command, HEADWAITER_LISTEN="127.0.0.1:0")
        else:
            with self.serving(words, given=command.environment) as server:
                assert server.ask("/").status < 500

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
        given = {**self.environment, **(given or {})}
        port = 0
        if any(QUIET.match(word) for word in words) or "HEADWAITER_LOG_CONFIG" in given:
            # The banner does not say where it is.
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
            words = [word.replace("127.0.0.1:0", f"127.0.0.1:{port}") for word in words]
        server = ServerProcess([*HEADWAITER, *words], given, self.cwd, ())
        with server:
            if port:
                eventually(lambda: _accepts(port), f"it listens on {port}", BOUND)
                server.addresses.append(("127.0.0.1", port))
            else:
                server.wait_for_addresses(addresses)
            yield server

    def _here(self, word: str) -> str:
        """``word`` with ports of the system's choice and files of the scratch directory."""
        names_file = word.rpartition("=")[2].endswith(".toml") and "log-config" not in word
        if names_file and self.cwd == self.folder / "work":
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

    def _end(
        self,
        argv: list[str],
        command: Command | None,
        good: Iterable[int] = (0,),
        **more: str,
    ) -> None:
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
        assert done.returncode in good, f"{argv}: {done.returncode}\n{done.stdout}{done.stderr}"


HEADWAITER = [sys.executable, "-m", "headwaiter"]


def _asks(word: str, admin: str) -> str:
    """``word`` of ``top`` or ``advise``, with the address of a running server."""
    if word.startswith("-") and "=" not in word:
        return word
    is_socket = word.endswith(".sock")
    return admin if is_socket else re.sub(r"127\.0\.0\.1:0", admin, word)


def _accepts(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), BOUND):
        return True
    return False


def run_block(block: Block, folder: Path) -> None:
    scratch = Scratch(folder, block)
    for command in commands(block):
        scratch.do(command)


def missing_bash() -> bool:
    return shutil.which("bash") is None or os.name == "nt"
