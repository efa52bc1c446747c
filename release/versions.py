"""Whether a tag fits the checkout: its version, and what the changelog says of it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


class Unfit(Exception):
    """The tag cannot be released; the message says why."""


def version() -> str:
    """The version of the workspace, which is that of the package."""
    text = (ROOT / "Cargo.toml").read_text(encoding="utf-8")
    found = re.search(r'(?ms)^\[workspace\.package\].*?^version = "(.+?)"', text)
    assert found, "Cargo.toml has no version"
    return found[1]


def notes(changelog: str, of: str) -> str:
    """The section of ``changelog`` about the version ``of``.

    Raises:
        Unfit: There is none, or it is empty.
    """
    sections = re.split(r"(?m)^## ", changelog)[1:]
    for section in sections:
        title, _, text = section.partition("\n")
        if title.split()[:1] == [of]:
            if not text.strip():
                raise Unfit(f"CHANGELOG.md says nothing about {of}")
            return text.strip() + "\n"
    raise Unfit(f"CHANGELOG.md has no section '## {of}'")


def check(tag: str) -> str:
    """The notes of a release with this tag.

    Raises:
        Unfit: The tag is not that of the version, or the changelog does not know the version.
    """
    if tag != f"v{version()}":
        raise Unfit(f"the tag {tag} is not v{version()}, the version in Cargo.toml")
    return notes((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), version())
