"""Which interpreters there are: the supported ones of pyenv and of the path, and the free-threaded.

`.ci/run` asks too, with whatever Python a bare machine has. So this module uses only the standard
library. Each version is listed once, the oldest first, a free-threaded one after the others of its
version.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

OLDEST = (3, 9)
NAME = re.compile(r"python3\.\d+t?(\.exe)?$")
FREE_THREADED = "FREE_THREADED_PYTHON"
ROOT = Path(__file__).resolve().parents[1]
ARCHIVE = ROOT.parent / "shared/toolchains/python3.14t-linux-x86_64.tar.xz"
QUESTION = """
import ensurepip, sys, sysconfig, venv
t = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
print(sys.implementation.name, *sys.version_info[:2], t)
"""


class Python(NamedTuple):
    """An interpreter."""

    path: Path
    version: tuple[int, int]
    is_free_threaded: bool

    @property
    def name(self) -> str:
        """Such as ``3.11`` or ``3.14t``."""
        major, minor = self.version
        return f"{major}.{minor}{'t' if self.is_free_threaded else ''}"


def ask(path: Path | str) -> Python | None:
    """What the interpreter at ``path`` says about itself.

    ``None`` if it is not a CPython that runs, is supported, and makes environments.
    """
    try:
        done = subprocess.run(
            [str(path), "-c", QUESTION], capture_output=True, text=True, timeout=60, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    name, major, minor, *rest = done.stdout.split()
    version = int(major), int(minor)
    return (
        Python(Path(path), version, bool(rest)) if name == "cpython" and version >= OLDEST else None
    )


def candidates() -> Iterator[Path]:
    """Files that may be interpreters, in pyenv's folder and on the path."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    folders = [*sorted(pyenv.glob("versions/*/bin"), reverse=True)]
    folders += [Path(folder) for folder in os.get_exec_path() if not folder.startswith(str(pyenv))]
    for folder in folders:
        if folder.is_dir():
            yield from (path for path in sorted(folder.iterdir()) if NAME.match(path.name))
    named = os.environ.get(FREE_THREADED)
    if named:
        yield Path(named)


def unpacked(into: Path) -> Path | None:
    """The free-threaded interpreter that lies packed beside the checkout, unpacked below ``into``.
    ``None`` if it does not, or is made for another system, or another one is named."""
    fits = platform.system() == "Linux" and platform.machine() == "x86_64"
    if not (fits and ARCHIVE.is_file()) or os.environ.get(FREE_THREADED):
        return None
    python = into / "python3.14t/bin/python3.14t"
    if not python.exists():
        with tarfile.open(ARCHIVE) as archive:
            if hasattr(tarfile, "tar_filter"):
                archive.extractall(into, filter="tar")
            else:  # a Python that knows no filters
                archive.extractall(into)
    return python


def find(extra: Iterable[Path | None] = ()) -> list[Python]:
    """One interpreter of each supported version that can be found. ``extra`` come last."""
    found: dict[str, Python] = {}
    for path in [*candidates(), *filter(None, extra)]:
        python = ask(path)
        if python is not None:
            found.setdefault(python.name, python)
    return sorted(found.values(), key=lambda python: (python.version, python.is_free_threaded))
