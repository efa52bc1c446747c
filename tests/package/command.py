"""The command line in this process, for tests of what ends before serving."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from headwaiter import cli


class Ended(NamedTuple):
    """How a command ended, and what it wrote."""

    status: int
    out: str
    err: str


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> Ended:
    status = cli.run(arguments)
    captured = capsys.readouterr()
    return Ended(status, captured.out, captured.err)
