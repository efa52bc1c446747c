"""What the commands of frameworks make of their arguments for the command line."""

from __future__ import annotations

import pytest

from headwaiter import _frameworks
from tests.support.target import headwaiter_only

pytestmark = headwaiter_only("the commands are headwaiter's")

SITE = _frameworks.Site("manage.py headwaiter", "site:app")


@pytest.mark.parametrize(
    ("arguments", "made"),
    [
        ([], []),
        (["8000"], ["--listen=8000"]),
        ([":8000", "--threads=8"], ["--threads=8", "--listen=:8000"]),
        (["[::1]:8000"], ["--listen=[::1]:8000"]),
        (["localhost:http"], ["--listen=localhost:http"]),
        (["unix:/run/site.sock"], ["--listen=unix:/run/site.sock"]),
        (["--threads", "8", "127.0.0.1:0"], ["--threads", "8", "--listen=127.0.0.1:0"]),
        # The first 8 is a number of threads, the second one a port.
        (["--threads", "8", "8"], ["--threads", "8", "--listen=8"]),
        (["8", "--threads", "8"], ["--threads", "8", "--listen=8"]),
    ],
)
def test_an_address_is_told_from_values(arguments: list[str], made: list[str]) -> None:
    assert _frameworks.command_line(arguments, SITE) == [*made, "site:app"]


def test_a_factory_is_called() -> None:
    site = SITE._replace(is_factory=True)
    assert _frameworks.command_line(["8000"], site)[-2:] == ["--factory", "site:app"]
