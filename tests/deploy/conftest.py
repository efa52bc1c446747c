"""Fixtures of the deployment tests."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short, as the path of a Unix socket has to be."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)
