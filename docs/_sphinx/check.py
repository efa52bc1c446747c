"""Checks the finished site: ``python -m _sphinx.check site`` says what is wrong with it.

Sphinx has found broken references already. This looks at what readers get:

- each link leads to a file of the site, and to an element with that name in it;
- each page can be reached from the entrance;
- each picture exists and says what it shows to whoever does not see it;
- a link to elsewhere has the form of an address (nothing is fetched);
- no page loads anything from elsewhere;
- no Markdown is left in the text, as where a link was not recognised.

Standard library only.
"""

from __future__ import annotations

import posixpath
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ENTRANCE = "index.html"
OF_SPHINX = {"genindex.html", "search.html", "py-modindex.html"}
LOADED = {"img": "src", "script": "src", "link": "href", "iframe": "src", "source": "srcset"}
LEFT_MARKDOWN = re.compile(r"\]\(|^```|^#{2,6} ")
CODE = {"code", "pre", "script", "style"}


@dataclass
class Page:
    """What is of interest in one HTML file."""

    names: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    nameless: list[str] = field(default_factory=list)
    """Pictures without a text."""
    leftovers: list[str] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self._code = 0

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        self.page.names |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag in CODE:
            self._code += 1
        if tag == "a" and "href" in given:
            self.page.links.append(given["href"])
        if tag in LOADED and given.get(LOADED[tag]) and given.get("rel") != "canonical":
            self.page.loaded.append(given[LOADED[tag]])
        if tag == "img" and not given.get("alt"):
            self.page.nameless.append(given.get("src", ""))
        if tag == "meta" and given.get("http-equiv") == "refresh":
            self.page.links.append(given.get("content", "").partition("url=")[2])

    def handle_endtag(self, tag: str) -> None:
        if tag in CODE:
            self._code -= 1

    def handle_data(self, data: str) -> None:
        if not self._code and LEFT_MARKDOWN.search(data.strip()):
            self.page.leftovers.append(data.strip()[:60])


def read(text: str) -> Page:
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return reader.page


def problems(site: Path) -> Iterator[str]:
    """What is wrong, one line each."""
    pages = {name: read((site / name).read_text(encoding="utf-8")) for name in html(site)}
    if ENTRANCE not in pages:
        yield f"{ENTRANCE}: there is no entrance"
    for name, page in pages.items():
        for link in page.links:
            if trouble := _trouble_of(link, name, site, pages):
                yield f"{name}: {link!r} {trouble}"
        for address in page.loaded:
            if urlsplit(address).netloc:
                yield f"{name}: loads {address!r} from elsewhere"
            elif not address.startswith("data:") and not (site / _target(name, address)).is_file():
                yield f"{name}: {address!r} is missing"
        yield from (f"{name}: the picture {picture!r} has no text" for picture in page.nameless)
        yield from (f"{name}: Markdown is left: {text!r}" for text in page.leftovers)
    reached = _reached(pages)
    for name in sorted(set(pages) - reached - OF_SPHINX):
        yield f"{name}: no link leads here"


def html(site: Path) -> list[str]:
    """The pages of the site, without what Sphinx keeps for itself."""
    files = (file.relative_to(site).as_posix() for file in site.rglob("*.html"))
    return sorted(name for name in files if not name.startswith("_"))


def _trouble_of(link: str, page: str, site: Path, pages: dict[str, Page]) -> str:
    parts = urlsplit(link)
    if parts.scheme in ("http", "https"):
        return "" if re.fullmatch(r"[\w.-]+(:\d+)?", parts.netloc) else "is no address"
    if parts.scheme:
        return "" if parts.scheme == "mailto" and "@" in parts.path else "has an unknown scheme"
    target = _target(page, link)
    if not (site / target).is_file():
        return "leads nowhere"
    if not parts.fragment or target not in pages:
        return ""
    is_there = unquote(parts.fragment) in pages[target].names
    return "" if is_there else "leads to a place that is not on that page"


def _target(page: str, link: str) -> str:
    """The file that ``link`` of ``page`` names."""
    path = unquote(urlsplit(link).path)
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), path)) if path else page


def _reached(pages: dict[str, Page]) -> set[str]:
    reached: set[str] = set()
    ahead = [ENTRANCE] if ENTRANCE in pages else []
    while ahead:
        name = ahead.pop()
        if name in reached:
            continue
        reached.add(name)
        own = (link for link in pages[name].links if not urlsplit(link).scheme)
        ahead += [target for link in own if (target := _target(name, link)) in pages]
    return reached


def main(arguments: list[str]) -> int:
    site = Path(arguments[0])
    found = list(problems(site))
    print("\n".join(found[:100]), end="\n" if found else "")
    count = len(found)
    print(f"{len(html(site))} pages in {site}, {count} problem{'' if count == 1 else 's'}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
