"""The scripts that complete command lines, read by the shells that they are for."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from headwaiter._settings import completion
from headwaiter._settings.options import SHELLS

from .command import run

BOUND = 60.0


def needed(shell: str) -> str:
    """The path of a shell; without it the test is skipped."""
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"no {shell} here")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory with modules, a package and files."""
    for name in ("site.toml", "project.py", "other.py", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "package").mkdir()
    for name in ("__init__.py", "wsgi.py"):
        (tmp_path / "package" / name).touch()
    return tmp_path


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_can_read_its_script(capsys: pytest.CaptureFixture[str], shell: str) -> None:
    status, out, err = run(capsys, "--completion", shell)
    assert (status, err) == (0, "")
    assert not re.search("@[A-Z]+@", out)
    subprocess.run([needed(shell), "-n"], input=out, text=True, check=True, timeout=BOUND)


def bash(folder: Path, *words: str) -> list[str]:
    """What bash offers for the last of ``words``, as it has split them."""
    script = f"""
{completion.script("bash")}
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_headwaiter
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(
        [needed("bash"), "--norc", "-c", script, "bash", "headwaiter", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        timeout=BOUND,
    )
    return sorted(filter(None, done.stdout.splitlines()))


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["--print"], ["--print-config"]),
        (["--bi"], ["--bind"]),
        (["--no-i"], ["--no-ipv4", "--no-ipv6"]),
        (["--log-level", ""], ["critical", "debug", "error", "info", "warning"]),
        (["--log-level", "=", "w"], ["warning"]),
        (["--log-level", "="], ["critical", "debug", "error", "info", "warning"]),
        (["--abandoned-requests", "drop-"], ["drop-safe"]),
        (["--config", "s"], ["site.toml"]),
        (["-c", "s"], ["site.toml"]),
        (["--chdir", ""], ["package"]),
        (["--threads", ""], []),
        (["--bind", ""], []),
        (["pro"], ["project"]),
        (["package."], ["package.wsgi"]),
        (["-t", "3", ""], ["other", "package", "project"]),
        ([""], ["advise", "ctl", "migrate", "other", "package", "project", "top"]),
        (["project", ":", ""], []),
        (["--nonesuch"], []),
    ],
    ids=" ".join,
)
def test_bash(folder: Path, words: list[str], offered: list[str]) -> None:
    assert bash(folder, *words) == offered


def test_bash_offers_every_option(folder: Path) -> None:
    offered = bash(folder, "-")
    assert {"-b", "--listen", "--max-request-body-size", "--help-all"} <= set(offered)
    assert len(offered) == len(set(offered))


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("--print", ["--print-config"]),
        ("--log-level ", ["critical", "debug", "error", "info", "warning"]),
        ("--log-level=w", ["--log-level=warning"]),
        ("-c si", ["site.toml"]),
        ("--chdir ", ["package/"]),
        ("-t ", []),
        ("pro", ["project"]),
        ("to", ["top"]),
    ],
)
def test_fish(folder: Path, line: str, offered: list[str]) -> None:
    command = f"{completion.script('fish')}\ncomplete -C 'headwaiter {line}'"
    done = subprocess.run(
        [needed("fish"), "--no-config", "-c", command],
        cwd=folder,
        env={**os.environ, "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=True,
        timeout=BOUND,
    )
    found = sorted(line.partition("\t")[0] for line in done.stdout.splitlines())
    assert found == offered, done.stderr


# zsh, whose terminal it controls.
IN_CONTROL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], ["zsh", "-f", "-i"])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no terminals of this kind")
def test_zsh(folder: Path) -> None:
    """Types into a real zsh, since only its line editor completes."""
    path = needed("zsh")
    (folder / "script").write_text(completion.script("zsh"), encoding="utf-8")
    import pty

    terminal, other = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", IN_CONTROL, path],
        stdin=other,
        stdout=other,
        stderr=other,
        cwd=folder,
        env={**os.environ, "TERM": "dumb", "HOME": str(folder)},
        start_new_session=True,
    )
    try:
        send(terminal, "autoload -U compinit; compinit -u -D; . ./script; echo REA''DY\n")
        until(terminal, "READY")
        send(terminal, "headwaiter() { echo \"GO\"T: $* '!' }\n")
        for typed, completed in (
            ("--print-co", "--print-config"),
            ("--log-level=deb", "--log-level=debug"),
            ("-c sit", "-c site.toml"),
            ("--chdir pack", "--chdir package"),
            ("proj", "project:"),
            ("adv", "advise"),
        ):
            send(terminal, f"headwaiter {typed}\t\n")
            assert f"GOT: {completed} !" in until(terminal, "!\r\n")
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
        os.close(other)


def send(terminal: int, text: str) -> None:
    os.write(terminal, text.encode())


def until(terminal: int, end: str) -> str:
    """What the shell writes up to ``end``."""
    text = ""
    while end not in text:
        text += os.read(terminal, 4096).decode(errors="replace")
    return text
