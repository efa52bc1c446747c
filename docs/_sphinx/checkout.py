"""Links to files of the checkout that are no pages: each such file gets a page that shows it.

A link to ``../examples/deploy/nginx.conf`` shows the file on a code host. In the site it leads to
a page with the highlighted text, and a link to a folder to a list of its files. Pictures and other
binary files stay what Sphinx makes of them: downloads.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from docutils import nodes
from pygments.lexers import TextLexer, get_lexer_for_filename
from pygments.util import ClassNotFound
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform

REFERENCE = "checkout"
UNSHOWN = {"__pycache__", "var", "node_modules"}
PICTURES = {".png", ".svg", ".jpg", ".ico", ".gif", ".webp"}


class LinksToFiles(SphinxTransform):
    """Marks the links whose targets are files or folders of the checkout and no pages."""

    default_priority = 50

    def apply(self, **_more: Any) -> None:
        downloads = [*self.document.findall(addnodes.download_reference)]
        # With a domain the target is a page, which MyST has found.
        unknown = [
            node
            for node in self.document.findall(addnodes.pending_xref)
            if node.get("reftype") == "myst" and not node.get("refdomain")
        ]
        for link in (*downloads, *unknown):
            self._mark(link)

    def _mark(self, node: nodes.Element) -> None:
        path = self._path(node["reftarget"])
        if path is None:
            return
        link = addnodes.pending_xref("", *node.children, refdomain="", reftype=REFERENCE)
        link["reftarget"], link["refdoc"] = path, self.env.docname
        node.replace_self(link)

    def _path(self, target: str) -> str | None:
        """The path in the checkout that ``target`` of this page names, if it is to be shown."""
        folder = posixpath.dirname(self.env.docname)
        path = posixpath.normpath(posixpath.join(folder, unquote(target.partition("#")[0])))
        full = Path(self.env.srcdir, path)
        if not target or path.startswith("..") or (not full.is_dir() and not _is_shown(full)):
            return None
        return path


def resolve(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, content: nodes.TextElement
) -> nodes.reference | None:
    """The reference that a marked link becomes."""
    if node["reftype"] != REFERENCE:
        return None
    path = node["reftarget"]
    page = _page(env, path)
    if page not in env.found_docs:
        _wanted(env).add(path)
    uri = app.builder.get_relative_uri(node["refdoc"], page)
    return nodes.reference("", "", content, internal=True, refuri=uri)


def pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """The pages of all files that are linked, and of those in the folders that are linked."""
    checkout = Path(app.srcdir)
    files = set()
    for path in sorted(_wanted(app.env)):
        full = checkout / path
        if not full.is_dir():
            files.add(path)
            continue
        inside = [str(file.relative_to(checkout)) for file in _files(full)]
        files |= set(inside)
        yield _page(app.env, path), {"title": path, "body": _list(path, inside)}, "page.html"
    for path in sorted(files):
        yield path, {"title": path, "body": _file(app, path)}, "page.html"


def _wanted(env: BuildEnvironment) -> set[str]:
    if not hasattr(env, "linked_files"):
        env.linked_files = set()  # type: ignore[attr-defined]
    found: set[str] = env.linked_files  # type: ignore[attr-defined]
    return found


def _page(env: BuildEnvironment, path: str) -> str:
    """The page that shows ``path``. Of a folder: its own page, or else a list of its files."""
    if not Path(env.srcdir, path).is_dir():
        return path
    own = f"{path}/README"
    return own if own in env.found_docs else f"{path}/index"


def _is_shown(file: Path) -> bool:
    return file.is_file() and file.suffix != ".md" and file.suffix not in PICTURES


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name in UNSHOWN or path.name.startswith("."):
            continue
        if path.is_dir():
            yield from _files(path)
        elif _is_shown(path) and path.stat().st_size:
            yield path


def _list(folder: str, files: list[str]) -> str:
    items = "".join(
        f'<li><a href="{quote(posixpath.relpath(file, folder))}.html">'
        f"<code>{escape(posixpath.relpath(file, folder))}</code></a></li>"
        for file in files
    )
    return f"<h1><code>{escape(folder)}</code></h1><ul>{items}</ul>"


def _file(app: Sphinx, path: str) -> str:
    text = Path(app.srcdir, path).read_text(encoding="utf-8")
    try:
        lexer = get_lexer_for_filename(path, text)
    except ClassNotFound:
        lexer = TextLexer()
    highlighter = app.builder.highlighter  # type: ignore[attr-defined]
    # By force: a template is not quite HTML.
    shown = highlighter.highlight_block(text, lexer.aliases[0], force=True)
    return f'<h1><code>{escape(path)}</code></h1><div class="source">{shown}</div>'
