"""The API reference: a comment of a page becomes what the docstrings say.

``<!-- docstring of autoclass headwaiter.Server: run, stop -->`` is invisible on a code host. In the
site Sphinx' directive of that name stands in its place, with the members that are named.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

COMMENT = re.compile(r"(?m)^<!-- docstring of (auto\w+) ([\w.]+)(?:: ([\w, ]+))? -->$")


def replace_comments(_app: Sphinx, _page: str, source: list[str]) -> None:
    source[0] = COMMENT.sub(_directive, source[0])


def _directive(comment: re.Match[str]) -> str:
    kind, name, members = comment.groups()
    options = [f"   :members: {members}"] if members else []
    if kind == "automodule":  # all of it
        options = ["   :members:", "   :undoc-members:"]
    return "\n".join(["```{eval-rst}", f".. {kind}:: {name}", *options, "```"])
