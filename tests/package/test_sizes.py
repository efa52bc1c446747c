"""No object of the Rust crates has more than 700 lines of `impl`, no function more than 60 lines.

An object counts all its `impl` blocks, also those of traits, in all files of its crate: it does not
become smaller when it is spread over many files. Types of one crate with the same name count as
one. Tests are free.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOST_OF_AN_OBJECT = 700
MOST_OF_A_FUNCTION = 60

TESTS = re.compile(r"^#\[cfg\((?:all\()?test\b.*\]\n(?:pub\(crate\) )?mod \w+ \{", re.MULTILINE)
IMPL = re.compile(r" *(?:unsafe )?impl\b")
FUNCTION = re.compile(r' *(?:pub(?:\(.*?\))? )?(?:(?:const|unsafe|extern "C") )*fn (\w+)')
# What comes before the type: generics, and the trait.
BEFORE_THE_TYPE = re.compile(r"^.* for (?!<)|^ *(?:unsafe )?impl(?:<.*?>)? (?!.* for )")
TYPE = re.compile(r"(?:&(?:'\w+ )?(?:mut )?|dyn )*(?:\w+::)*(\w+)")

crates = pytest.mark.parametrize("crate", ["engine", "http", "python"])


def sources(crate: str) -> dict[str, str]:
    """The files of ``crate`` without their tests, by their paths."""
    source = ROOT / "crates" / crate / "src"
    return {
        str(path.relative_to(source)): TESTS.split(path.read_text(encoding="utf-8"), maxsplit=1)[0]
        for path in sorted(source.rglob("*.rs"))
        if path.name != "tests.rs" and "model" not in path.parts
    }


def items(code: str, start: re.Pattern[str]) -> Iterator[list[str]]:
    """The items that begin as ``start`` says. The formatter ends each at its own indentation."""
    lines = code.splitlines()
    for at, line in enumerate(lines):
        if not start.match(line):
            continue
        indentation = line[: len(line) - len(line.lstrip())]
        item = []
        for line in lines[at:]:
            item.append(line)
            # The end of a signature may be the end of the item.
            ends_signature = len(item) == 1 or line.startswith(indentation + ")")
            if line == indentation + "}" or (ends_signature and line.endswith((";", "}"))):
                break
        yield item


def type_of(block: list[str]) -> str:
    """The name of the type that an `impl` block is for."""
    until = next(n for n, line in enumerate(block, 1) if "{" in line)
    header = " ".join(line.strip() for line in block[:until])
    found = TYPE.match(BEFORE_THE_TYPE.sub("", header))
    assert found, header
    return found[1]


def objects(files: dict[str, str]) -> dict[str, int]:
    """Lines of `impl` by the names of the types."""
    sizes: dict[str, int] = {}
    for code in files.values():
        for block in items(code, IMPL):
            name = type_of(block)
            sizes[name] = sizes.get(name, 0) + len(block)
    return sizes


def functions(files: dict[str, str]) -> Iterator[tuple[str, int]]:
    """The functions with their lines."""
    for path, code in files.items():
        for function in items(code, FUNCTION):
            found = FUNCTION.match(function[0])
            assert found
            yield f"{path}: {found[1]}", len(function)


@crates
def test_no_object_is_large(crate: str) -> None:
    sizes = objects(sources(crate))
    assert {name: size for name, size in sizes.items() if size > MOST_OF_AN_OBJECT} == {}


@crates
def test_no_function_is_long(crate: str) -> None:
    long = {name: size for name, size in functions(sources(crate)) if size > MOST_OF_A_FUNCTION}
    assert long == {}


def test_an_object_is_counted_over_all_its_blocks_and_files() -> None:
    one = """\
impl Loop {
    fn new() -> Self {
        Self
    }

    fn now(&self) {}
}
"""
    other = """\
impl<T: Into<u8>> Drop for io::Loop<'_, T>
where
    T: Copy,
{
    fn drop(
        &mut self,
    ) {
    }
}
"""
    tests = "#[cfg(all(test, unix))]\nmod tests {\n    impl Loop {\n    }\n}\n"
    files = {"one.rs": one, "other.rs": TESTS.split(other + tests)[0]}
    assert objects(files) == {"Loop": 16}
    assert dict(functions(files)) == {"one.rs: new": 3, "one.rs: now": 1, "other.rs: drop": 4}
