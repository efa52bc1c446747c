"""What a shared library of Linux asks of the system: the libraries, and the oldest glibc.

A wheel for musl does not run beside glibc. So where there is no interpreter for it, this is what
can be known of it.
"""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path
from typing import NamedTuple

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

GLIBC = re.compile(r"GLIBC_(\d+)\.(\d+)")


class Needs(NamedTuple):
    """What a library asks for."""

    libraries: tuple[str, ...]
    glibc: tuple[int, int] | None
    """The newest version of glibc whose symbols it uses; ``None`` if it uses none."""

    def __str__(self) -> str:
        if self.glibc:
            return "glibc " + ".".join(map(str, self.glibc))
        return " ".join(self.libraries) or "no library"


def needs(library: bytes) -> Needs:
    """What the ELF file with this content asks for."""
    elf = ELFFile(io.BytesIO(library))
    libraries: list[str] = []
    versions: set[tuple[int, int]] = set()
    for section in elf.iter_sections():
        if isinstance(section, DynamicSection):
            libraries += [str(vars(tag)["needed"]) for tag in section.iter_tags("DT_NEEDED")]
        if isinstance(section, GNUVerNeedSection):
            for _, symbols in section.iter_versions():
                names = (GLIBC.fullmatch(symbol.name) for symbol in symbols)
                versions |= {(int(name[1]), int(name[2])) for name in names if name}
    return Needs(tuple(libraries), max(versions, default=None))


def extension(wheel: Path) -> bytes:
    """The extension module in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith((".so", ".pyd"))]
        return archive.read(name)


def findings(wheel: Path, needed: Needs) -> list[str]:
    """What contradicts the tag of ``wheel``."""
    platform = wheel.stem.rsplit("-", 1)[1]
    found = []
    manylinux = re.search(r"manylinux_(\d+)_(\d+)", platform)
    if manylinux and needed.glibc and needed.glibc > (int(manylinux[1]), int(manylinux[2])):
        found.append(f"needs {needed}")
    if "musllinux" in platform and needed.glibc:
        found.append("needs glibc")
    known = MUSL if "musllinux" in platform else GNU
    found += [f"needs {name}" for name in needed.libraries if not re.fullmatch(known, name)]
    return found


GNU = r"lib(c|m|dl|rt|pthread|gcc_s)\.so\.\d|ld-linux-.*\.so\.\d"
MUSL = r"libc\.so|libc\.musl-\w+\.so\.1|libgcc_s\.so\.1"
