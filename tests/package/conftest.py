"""What every test of the package needs: an environment without the settings of whoever runs it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from headwaiter._settings import variables


@pytest.fixture(autouse=True)
def _no_outside_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("HEADWAITER_", "LISTEN_", "NOTIFY_")) or name in variables.FOREIGN:
            monkeypatch.delenv(name)


APPLICATION = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


def make():
    return app
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with an application that no test before has imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PWD", str(tmp_path))
    monkeypatch.setattr("sys.path", sys.path[:])
    (tmp_path / "project.py").write_text(APPLICATION)
    monkeypatch.delitem(sys.modules, "project", raising=False)
    return tmp_path


@pytest.fixture(autouse=True)
def _nothing_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each warning about settings comes once in a process; here once in a test."""
    monkeypatch.setattr(variables, "_warned", set())
