"""The code in the pages: every block, and every command within a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt

from tests.support.process import ROOT

PAGES = sorted(
    [
        *(path for path in ROOT.glob("*.md") if path.name != "CHANGELOG.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "examples").rglob("*.md"),
        ROOT / "benchmarks" / "README.md",
    ]
)
"""What a changelog says was true of its version."""

INLINE = re.compile(r"(headwaiter|make|python -m [\w.]+)( .*)?")


class Block(NamedTuple):
    """A block of code. ``line`` counts from 1; ``language`` is empty if the page names none."""

    page: str
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


class Inline(NamedTuple):
    """A command within a sentence."""

    page: str
    line: int
    text: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    for token in _parsed(page):
        if token.type in ("fence", "code_block") and token.map:
            language = token.info.split()[0] if token.info.strip() else ""
            yield Block(_name(page), token.map[0] + 1, language, token.content)


def inlines(page: Path) -> Iterator[Inline]:
    for token in _parsed(page):
        for child in token.children or []:
            if child.type == "code_inline" and INLINE.fullmatch(child.content):
                line = token.map[0] + 1 if token.map else 1
                yield Inline(_name(page), line, child.content)


def _parsed(page: Path) -> list:  # type: ignore[type-arg]
    return MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()
