"""The command line when its output goes nowhere: a reader that has left, a full disk."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the shell's redirections")


def run(arguments: str, stdout: int = subprocess.DEVNULL, *, buffered: bool) -> tuple[int, str]:
    """The exit status and what was said on standard error."""
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" -m headwaiter {arguments}', sys.executable],
        env={**os.environ, "PYTHONUNBUFFERED": "" if buffered else "1"},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("buffered", [False, True])
@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        ("--version", 0, ""),
        ("--version >&-", 0, ""),
        # A failure stays one, whoever has read what.
        ("--check-config nowhere:app", 1, "headwaiter: no module named 'nowhere'"),
        ("--threads=0", 2, "headwaiter: "),
    ],
)
def test_a_reader_that_has_left_changes_nothing(
    arguments: str, status: int, says: str, buffered: bool
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    got, said = run(arguments, writer, buffered=buffered)
    os.close(writer)
    assert (got, said[: len(says)]) == (status, says)
    assert "BrokenPipe" not in said


@pytest.mark.parametrize("buffered", [False, True])
@pytest.mark.parametrize("arguments", ["--version", "--help", "--check-config --threads=3"])
def test_an_output_that_is_lost_is_a_failure(arguments: str, buffered: bool) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no such device")
    says = "headwaiter: the output cannot be written: No space left on device\n"
    assert run(f"{arguments} >/dev/full", buffered=buffered) == (1, says)
