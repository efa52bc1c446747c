"""Short code within text stays on one line: a browser would break ``--dev`` at its hyphens."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

LONGEST = 26
"""Characters. Longer code may have to be broken on a phone."""


class ShortCode(SphinxPostTransform):
    """Gives short code a class for the style sheet."""

    default_priority = 900

    def run(self, **_more: Any) -> None:
        for node in self.document.findall(nodes.literal):
            if len(node.astext()) <= LONGEST:
                node["classes"].append("short")
