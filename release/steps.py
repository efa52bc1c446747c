"""How steps are run, and how one fails."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


class Failure(Exception):
    """A step failed; the message says which."""


MATURIN = (sys.executable, "-m", "maturin")


def environment() -> dict[str, str]:
    """This process' environment without what would point a program to another Python."""
    private = ("CONDA_PREFIX", "VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME")
    kept = {name: value for name, value in os.environ.items() if name not in private}
    # Programs of the environment that this interpreter is of, such as zig's wrapper.
    scripts = str(Path(sys.executable).parent)
    return {**kept, "PATH": os.pathsep.join([scripts, kept.get("PATH", os.defpath)])}
