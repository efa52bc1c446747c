"""A folder imports only from folders before it, and files that import each other lie in one folder.

Each table below gives the folders of one tree in the order of their imports; `ARCHITECTURE.md` says
what each folder is for. A file at the top of a tree counts as a folder of its name. Rust's imports
in tests (`#[cfg(test)]`, `model/`) are free.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENGINE = ROOT / "crates/engine/src"
BINDING = ROOT / "crates/python/src"
PACKAGE = ROOT / "python/headwaiter"

ORDER = {
    ENGINE: [
        *("sys", "net", "store", "record", "settings", "exchange", "queue", "siblings"),
        *("shared", "io", "worker", "observe", "signals", "control", "server"),
    ],
    BINDING: [
        *("process", "errors", "current", "site", "settings", "listeners", "overview", "wsgi"),
        *("worker", "server"),
    ],
    PACKAGE: [
        *("_headwaiter", "exceptions", "_process", "_settings", "_migrate", "adjustments"),
        *("settings", "status", "_inspection"),
        *("_workers", "server", "_top", "_watch", "_parent", "_spec", "_importing"),
        *("_application", "_beginning", "_hints", "_startup", "_template", "_privileges", "_alone"),
        *("cli", "__main__", "_failure_page", "_child", "_upgraded"),
        *("_frameworks", "django", "flask", "paste", "_waitress", "__init__", "_as_waitress"),
        "_pyinstaller",
    ],
}
MOST_IN_A_CIRCLE = 4

# Not `pub(in crate::io)`, which imports nothing.
IMPORT = re.compile(r"(?<!in )\bcrate::([a-z_0-9]+(?:::[a-z_0-9]+)*)")
TESTS = re.compile(
    r"^#\[cfg\((?:test|all\(test\b).*?\)\]\n(?:pub\(crate\) )?(?:mod|use) ", re.MULTILINE
)

Imports = dict[str, set[str]]


def read(source: Path) -> Imports:
    """Which modules each module under ``source`` names, as paths such as ``io/h1/receive``."""
    files = modules(source)
    imports = {}
    for name, path in files.items():
        named = rust_names(path) if path.suffix == ".rs" else python_names(path, source)
        found = {nearest(parts, files) for parts in named}
        imports[name] = found - {name, ""}
    return imports


def modules(source: Path) -> dict[str, Path]:
    """Files by their modules: a `mod.rs` or an `__init__.py` is its folder."""
    files = {}
    for path in sorted(source.rglob("*.*")):
        parts = path.relative_to(source).with_suffix("").parts
        if path.suffix not in (".rs", ".py", ".pyi") or parts[0] in ("lib", "model"):
            continue
        is_folder = len(parts) > 1 and parts[-1] in ("mod", "__init__")
        files["/".join(parts[:-1] if is_folder else parts)] = path
    return files


def nearest(parts: list[str], files: dict[str, Path]) -> str:
    """The module that ``parts`` begin with: the rest are names in there."""
    while parts and "/".join(parts) not in files:
        parts = parts[:-1]
    return "/".join(parts) or ("__init__" if "__init__" in files else "")


def rust_names(path: Path) -> list[list[str]]:
    code = TESTS.split(path.read_text(encoding="utf-8"), maxsplit=1)[0]
    code = re.sub(r"^\s*//.*", "", code, flags=re.MULTILINE)
    return [imported.split("::") for imported in IMPORT.findall(code)]


def python_names(path: Path, source: Path) -> Iterator[list[str]]:
    package = [source.name, *path.relative_to(source).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            named = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base = base + (node.module.split(".") if node.module else [])
            named = [[*base, alias.name] for alias in node.names]
        else:
            continue
        yield from (parts[1:] for parts in named if parts[0] == source.name)


def folder(module: str) -> str:
    return module.split("/")[0]


def backward(imports: Imports, order: list[str]) -> list[str]:
    """Every import of a folder that comes after the importer's own."""
    place = {name: at for at, name in enumerate(order)}
    return sorted(
        f"{module} imports {imported}"
        for module, named in imports.items()
        for imported in named
        if place[folder(imported)] > place[folder(module)]
    )


def circles(imports: Imports) -> list[set[str]]:
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


trees = pytest.mark.parametrize("source", ORDER, ids=lambda path: str(path.relative_to(ROOT)))


@trees
def test_every_folder_has_its_place(source: Path) -> None:
    assert {folder(module) for module in read(source)} == set(ORDER[source])


@trees
def test_no_import_goes_to_a_later_folder(source: Path) -> None:
    assert backward(read(source), ORDER[source]) == []


@trees
def test_circles_are_small_and_stay_in_one_folder(source: Path) -> None:
    for circle in circles(read(source)):
        assert len({folder(module) for module in circle}) == 1, circle
        assert len(circle) <= MOST_IN_A_CIRCLE, circle
