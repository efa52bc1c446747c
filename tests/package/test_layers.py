"""A folder imports only from folders above it, and files that import each other lie in one folder.

The order of the folders is the order of imports; `ARCHITECTURE.md` says what each of them is for. Imports of
tests (`#[cfg(test)]`, `model/`) are free.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

ENGINE = """sys net store record settings exchange queue shared io worker observe signals
server""".split()

MOST_IN_A_CIRCLE = 4

IMPORT = re.compile(r"\bcrate::([a-z_0-9]+(?:::[a-z_0-9]+)*)")
TESTS = re.compile(r"^#\[cfg\((?:test|all\(test\b).*?\)\]\n(?:pub\(crate\) )?(?:mod|use) ", re.MULTILINE)


def rust_files(source: Path) -> dict[str, Path]:
    """Files by the paths of their modules: `io::h1::receive`; a `mod.rs` is its folder."""
    files = {}
    for path in sorted(source.rglob("*.rs")):
        parts = path.relative_to(source).with_suffix("").parts
        name = "::".join(parts[:-1] if parts[-1] == "mod" else parts)
        if parts[0] not in ("lib", "model"):
            files[name] = path
    return files


def rust_imports(source: Path) -> dict[str, set[str]]:
    """Which modules each module names, in code that is not a test's."""
    files = rust_files(source)
    imports = {}
    for name, path in files.items():
        code = TESTS.split(path.read_text(), maxsplit=1)[0]
        code = re.sub(r"^\s*//.*", "", code, flags=re.MULTILINE)
        named = set()
        for imported in IMPORT.findall(code):
            while imported not in files and "::" in imported:
                imported = imported.rpartition("::")[0]
            if imported in files and imported != name:
                named.add(imported)
        imports[name] = named
    return imports


def upward(imports: dict[str, set[str]], order: list[str]) -> list[str]:
    """Every import of a folder that stands below the importer's own."""
    place = {folder: at for at, folder in enumerate(order)}
    folder = lambda module: module.split("::")[0]  # noqa: E731
    return sorted(
        f"{module} imports {imported}"
        for module, named in imports.items()
        for imported in named
        if place[folder(imported)] > place[folder(module)]
    )


def circles(imports: dict[str, set[str]]) -> list[set[str]]:
    """The groups of modules that import each other, directly or by way of others."""

    def reachable(start: str) -> set[str]:
        found: set[str] = set()
        ahead = [start]
        while ahead:
            for module in imports[ahead.pop()] - found:
                found.add(module)
                ahead.append(module)
        return found

    beyond = {module: reachable(module) for module in imports}
    groups = {
        frozenset(other for other in beyond[module] if module in beyond[other])
        for module in imports
        if module in beyond[module]
    }
    return [set(group) for group in groups]


def test_every_folder_has_its_place() -> None:
    assert {name.split("::")[0] for name in rust_imports(ROOT / "crates/engine/src")} == set(ENGINE)


def test_no_import_goes_downwards() -> None:
    assert upward(rust_imports(ROOT / "crates/engine/src"), ENGINE) == []


def test_circles_are_small_and_stay_in_one_folder() -> None:
    for circle in circles(rust_imports(ROOT / "crates/engine/src")):
        assert len({module.split("::")[0] for module in circle}) == 1, circle
        assert len(circle) <= MOST_IN_A_CIRCLE, circle
