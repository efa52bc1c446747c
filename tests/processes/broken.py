"""An application that raises while it is imported."""

from __future__ import annotations


def make() -> None:
    raise RuntimeError("no database")


make()
