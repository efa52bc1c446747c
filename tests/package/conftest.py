"""What every test of the package needs: an environment without the settings of whoever runs it."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def _no_outside_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("HEADWAITER_", "LISTEN_", "NOTIFY_")):
            monkeypatch.delenv(name)
