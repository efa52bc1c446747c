"""Builds a wheel for each interpreter and tries it: it has to serve in a fresh environment.

On Linux each interpreter gets two wheels, for glibc and for musl, linked by zig against the oldest
libraries that are supported. Elsewhere it gets the wheel of the system. A wheel for musl is tried
by an interpreter for musl; where none is named, its library is only inspected.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from . import elf
from .pythons import Python
from .steps import MATURIN, ROOT, Failure, environment

SMOKE = Path(__file__).with_name("smoke.py")
SHOWN = 30
"""Lines of the output of a program that failed."""


class Target(NamedTuple):
    """A kind of wheel."""

    name: str
    arguments: tuple[str, ...] = ()
    triple: str = ""
    """What rustc calls it; empty for that of the system."""

    @property
    def is_musl(self) -> bool:
        return self.name == "musllinux"


def targets() -> list[Target]:
    """What is built on this system."""
    if platform.system() != "Linux":
        return [Target("native")]
    gnu, musl = (f"{platform.machine()}-unknown-linux-{libc}" for libc in ("gnu", "musl"))
    return [
        Target("manylinux", ("--zig", "--compatibility=manylinux_2_17", f"--target={gnu}"), gnu),
        Target("musllinux", ("--zig", "--compatibility=musllinux_1_2", f"--target={musl}"), musl),
    ]


@dataclass
class Result:
    """What became of a wheel."""

    python: str
    target: str
    wheel: Path | None = None
    needs: str = "-"
    installed: str = "-"
    served: str = "-"
    failed: str = ""

    def cells(self) -> list[str]:
        if self.wheel is None:
            return [f"{self.python} {self.target}", *"-----"]
        project, version, *tag = self.wheel.name.split("-", 2)
        name = f"{project}-{version}" if tag else self.wheel.name
        size = f"{self.wheel.stat().st_size / 1e6:.2f} MB"
        tags = tag[0].replace(".whl", "") if tag else "-"
        return [name, tags, size, self.needs, self.installed, self.served]


HEADS = ("file", "tag", "size", "needs", "installed", "served")


def table(results: Iterable[Result]) -> str:
    """The results, in columns."""
    rows = [list(HEADS), *(result.cells() for result in results)]
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows
    )


def summary(results: Iterable[Result]) -> str:
    """How many were built, and how many could be tried."""
    whole = list(results)
    good = [result for result in whole if not result.failed]
    tried = [result for result in good if result.served == "yes"]
    text = f"{len(good)} of {len(whole)} built, {len(tried)} installed and served"
    if len(tried) < len(good):
        text += f"; {len(good) - len(tried)} for musl inspected only: --musl-python PATH tries them"
    return text


class Workshop:
    """Where wheels are built and tried. ``scratch`` is removed by the caller; logs stay in
    ``logs``. ``profile`` is what ``release profile`` has written, if wheels are to use one."""

    def __init__(self, out: Path, scratch: Path, logs: Path, profile: Path | None = None) -> None:
        self.out = out
        self._scratch = scratch
        self._logs = logs
        self._flags: dict[str, str] = {}
        if profile:
            self._flags["RUSTFLAGS"] = f"-Cprofile-use={profile}"
            # What was compiled with other flags stays as it is.
            self._flags["CARGO_TARGET_DIR"] = str(ROOT / "target/pgo")
        logs.mkdir(parents=True, exist_ok=True)

    def wheel(self, python: Python, target: Target, tried_by: Python | None) -> Result:
        """Builds a wheel for ``python`` and tries it with ``tried_by``."""
        result = Result(python.name, target.name)
        with self._reported(result, f"{python.name} {target.name}"):
            require_target(target)
            # The interpreter for another libc is known to maturin by its name.
            interpreter = f"python{python.name}" if target.is_musl else str(python.path)
            result.wheel = self._built(f"{python.name}-{target.name}", interpreter, target)
            if target.triple:
                needed = elf.needs(elf.extension(result.wheel))
                result.needs = str(needed)
                wrong = elf.findings(result.wheel, needed)
                if wrong:
                    raise Failure(", ".join(wrong))
            if tried_by is not None:
                self._tried(result, tried_by, ["--no-index", "--no-deps", str(result.wheel)], {})
        return result

    def sdist(self, python: Python) -> Result:
        """Builds the source distribution, and from it a wheel, as pip does."""
        result = Result(python.name, "sdist")
        with self._reported(result, f"{python.name} sdist"):
            before = self._files("*.tar.gz")
            self._run("sdist", [*MATURIN, "sdist", "--out", str(self.out)])
            result.wheel = self._newest("*.tar.gz", before)
            env = {"CARGO_TARGET_DIR": str(ROOT / "target/sdist")}
            self._tried(result, python, [str(result.wheel)], env)
        return result

    def _built(self, name: str, interpreter: str, target: Target) -> Path:
        before = self._files("*.whl")
        chosen = ["--interpreter", interpreter, *target.arguments]
        self._run(
            name, [*MATURIN, "build", "--release", "--out", str(self.out), *chosen], self._flags
        )
        return self._newest("*.whl", before)

    def _tried(
        self, result: Result, python: Python, source: list[str], env: Mapping[str, str]
    ) -> None:
        name = f"{result.python}-{result.target}"
        fresh = self._scratch / name
        self._run(f"{name}-venv", [str(python.path), "-m", "venv", "--clear", str(fresh)])
        inside = fresh / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        install = [str(inside), "-m", "pip", "--disable-pip-version-check", "install", *source]
        result.installed = "no"
        self._run(f"{name}-install", install, env)
        result.installed, result.served = "yes", "no"
        # Far from the checkout, whose package is not to be imported.
        shutil.copy(SMOKE, self._scratch)
        self._run(f"{name}-serve", [str(inside), SMOKE.name], cwd=self._scratch)
        result.served = "yes"

    def _files(self, pattern: str) -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in self.out.glob(pattern)}

    def _newest(self, pattern: str, before: Mapping[Path, int]) -> Path:
        written = [path for path, at in self._files(pattern).items() if before.get(path) != at]
        if len(written) != 1:
            raise Failure(f"{len(written)} files written")
        return written[0]

    def _run(
        self, name: str, argv: list[str], env: Mapping[str, str] | None = None, cwd: Path = ROOT
    ) -> None:
        path = self._logs / f"{name}.log"
        with path.open("w") as log:
            code = subprocess.call(
                argv,
                cwd=cwd,
                env={**environment(), **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        if code:
            lines = path.read_text(errors="replace").splitlines()[-SHOWN:]
            print("\n".join(lines), file=sys.stderr)
            raise Failure(f"{' '.join(argv[:4])} ended with {code}: {path}")

    @contextmanager
    def _reported(self, result: Result, what: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        except Failure as failure:
            result.failed = str(failure)
        seconds = time.monotonic() - began
        print(f"{what}: {result.failed or 'done'} ({seconds:.0f} s)", flush=True)


def require_target(target: Target) -> None:
    """Adds the standard library of ``target`` to the toolchain, if it is not there."""
    if not target.triple:
        return
    asked = ["rustc", "--print", "target-libdir", "--target", target.triple]
    found = subprocess.run(asked, capture_output=True, text=True, check=False, cwd=ROOT)
    if found.returncode == 0 and Path(found.stdout.strip()).is_dir():
        return
    if not shutil.which("rustup"):
        raise Failure(f"Rust has no standard library for {target.triple}, and there is no rustup")
    added = subprocess.run(
        ["rustup", "target", "add", target.triple], capture_output=True, text=True, check=False
    )
    if added.returncode:
        raise Failure(f"rustup target add {target.triple}: {added.stderr.strip()}")
