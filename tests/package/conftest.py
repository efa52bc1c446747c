"""What every test of the package needs: an environment without the settings of whoever runs it."""

from __future__ import annotations

import os

import pytest

from headwaiter._settings import variables


@pytest.fixture(autouse=True)
def _no_outside_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("HEADWAITER_", "LISTEN_", "NOTIFY_")) or name in variables.FOREIGN:
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _nothing_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each warning about settings comes once in a process; here once in a test."""
    monkeypatch.setattr(variables, "_warned", set())
