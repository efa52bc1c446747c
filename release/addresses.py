"""Where the repository is, written into what is published.

The checkout names no address of its own: links in its pages are relative, so that they work in a
clone, in a fork and after a move. A package index shows the README elsewhere, and lists the
project's addresses. So the release, which knows where it runs, writes both before it builds.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

LINK = re.compile(r"(!?\[[^\]]*\])\((?!#)([^)\s:]+)\)")
SOURCE = re.compile(r'(<(?:img|source)\b[^>]*?\b(?:src|srcset)=")([^":]+)(")')


def absolute(readme: str, repository: str, tag: str) -> str:
    """``readme`` with links to the files of ``tag`` in place of relative ones."""

    def address(path: str, *, is_image: bool) -> str:
        return f"{repository}/{'raw' if is_image else 'blob'}/{tag}/{path}"

    def link(found: re.Match[str]) -> str:
        return f"{found[1]}({address(found[2], is_image=found[1].startswith('!'))})"

    def source(found: re.Match[str]) -> str:
        return f"{found[1]}{address(found[2], is_image=True)}{found[3]}"

    return SOURCE.sub(source, LINK.sub(link, readme))


def urls(repository: str) -> dict[str, str]:
    """The project's addresses."""
    parts = urlsplit(repository)
    found = {
        "Source": repository,
        "Changelog": f"{repository}/blob/main/CHANGELOG.md",
        "Issues": f"{repository}/issues",
        "Security": f"{repository}/security/policy",
    }
    if parts.hostname == "github.com":
        owner, name = parts.path.strip("/").split("/")
        found["Documentation"] = f"https://{owner}.github.io/{name}/"
    return found


def with_urls(pyproject: str, repository: str) -> str:
    """``pyproject`` with the project's addresses.

    Raises:
        ValueError: It has some already.
    """
    if "[project.urls]" in pyproject:
        raise ValueError("pyproject.toml has [project.urls] already")
    lines = [f'{name} = "{url}"' for name, url in urls(repository).items()]
    table = "\n".join(["[project.urls]", *lines])
    return pyproject.replace("[project.scripts]", f"{table}\n\n[project.scripts]", 1)


def write(root: Path, repository: str, tag: str) -> None:
    """Writes the addresses into the checkout at ``root``."""
    readme, pyproject = root / "README.md", root / "pyproject.toml"
    text = absolute(readme.read_text(encoding="utf-8"), repository, tag)
    readme.write_text(text, encoding="utf-8")
    text = with_urls(pyproject.read_text(encoding="utf-8"), repository)
    pyproject.write_text(text, encoding="utf-8")
