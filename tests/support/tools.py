"""Programs of others that some tests need, such as a real nginx."""

from __future__ import annotations

import os
import shutil

import pytest

# Where Debian installs daemons; the path of a user who is not root lacks these.
PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))


def program(name: str) -> str:
    """The path of ``name``. Without it the test is skipped; in CI, which installs it, it fails."""
    path = shutil.which(name, path=PATH)
    if path is None:
        if os.environ.get("CI"):
            pytest.fail(f"{name} is missing: .ci/run installs it")
        pytest.skip(f"{name} is not installed")
    return path
