"""``make serve`` with a compiler that only says it was called: the messages and their order."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.support.process import ROOT, ServerProcess, environment
from tests.support.target import headwaiter_only
from tests.support.tools import program

from . import EXAMPLES

pytestmark = [
    headwaiter_only("the Makefile serves by headwaiter"),
    pytest.mark.skipif(sys.platform == "win32", reason="there is no make"),
]
BOUND = 120
PROGRAMS = {
    "python": f'exec {sys.executable} "$@"',
    "headwaiter": f'exec {sys.executable} -m headwaiter "$@"',
    "maturin": 'echo "maturin: $*"',
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout in which nothing has been compiled yet, with an environment of stand-ins."""
    for name in ("Makefile", "Cargo.toml", "Cargo.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "crates").mkdir()
    (tmp_path / "examples").symlink_to(EXAMPLES)
    folder = tmp_path / ".venv" / "bin"
    folder.mkdir(parents=True)
    for name, line in PROGRAMS.items():
        script = folder / name
        script.write_text(f"#!/bin/sh\n{line}\n")
        script.chmod(0o755)
    for stamp in (".build", ".examples"):
        (tmp_path / ".venv" / stamp).touch()
    return tmp_path


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another server has."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def make(checkout: Path, *words: str) -> list[str]:
    return [program("make"), "--no-print-directory", "-C", str(checkout), "serve", *words]


def clean(var: Path) -> dict[str, str]:
    """Without what a surrounding make hands down."""
    kept = environment(DJANGO_SITE_VAR=str(var), PYTHON=sys.executable)
    return {name: value for name, value in kept.items() if not name.startswith(("MAKE", "MFLAGS"))}


def test_a_taken_port_is_said_before_anything_is_built(checkout: Path, taken: int) -> None:
    done = subprocess.run(
        make(checkout, f"PORT={taken}", f"ADMIN=127.0.0.1:{taken}", f"PYTHON={sys.executable}"),
        env=clean(checkout / "var"),
        capture_output=True,
        text=True,
        timeout=BOUND,
        check=False,
    )
    assert done.returncode != 0
    assert "maturin" not in done.stdout
    assert f"127.0.0.1:{taken} is taken by another server." in done.stderr
    suggested = re.search(r"make serve PORT=(\d+) ADMIN=127\.0\.0\.1:(\d+)", done.stderr)
    assert suggested
    assert str(taken) not in suggested.groups()


def test_it_says_how_long_compiling_takes_and_where_it_is_once_it_is_there(checkout: Path) -> None:
    words = make(checkout, "PORT=0", "ADMIN=127.0.0.1:0", "PYTHON=python3")
    together = ["sh", "-c", f"exec {shlex.join(words)} 1>&2"]
    with ServerProcess(together, clean(checkout / "var"), checkout, ()) as server:
        # make itself does not hand signals on.
        serving = int(server.wait_for_log(r"process (\d+)", BOUND)[1])
        try:
            server.wait_for_addresses(2)
            with urlopen("http://{}:{}/".format(*server.address), timeout=BOUND) as reply:
                page = reply.read().decode()
        finally:
            os.kill(serving, signal.SIGTERM)
        assert server.wait() == 0
    assert "What the server says" in page
    assert "The whole dashboard" in page
    order = ["Compiling headwaiter", "minutes", "maturin: develop --release", "Ctrl-C stops it"]
    places = [server.log.index(text) for text in [*order, "Serving on http://127.0.0.1:"]]
    assert places == sorted(places)


@pytest.mark.parametrize("address", ["127.0.0.1:0", "no.such.host.invalid:8000", "nonsense"])
def test_what_the_server_itself_has_to_say_is_left_to_it(address: str) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "addresses.py"), f"PORT={address}"],
        capture_output=True,
        text=True,
        timeout=BOUND,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
