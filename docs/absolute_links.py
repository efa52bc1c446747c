"""Makes the links of the README absolute, for places that show it alone, such as a package index.

``python docs/absolute_links.py URL REVISION README.md`` rewrites the file. ``URL`` is that of the
repository; whoever publishes knows it (a workflow has it in its environment), and the checkout
need not. In the repository the links stay relative, so that they are right in every copy of it.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

PICTURE = re.compile(r"(!\[[^\[\]]*\])\(([^)\s]+)\)")
LINK = re.compile(r"(\])\(([^)\s]+)\)")
FENCE = re.compile(r"(?ms)^```.*?^```$")


def absolute(text: str, repository: str, revision: str) -> str:
    """``text`` with every link to a file of the checkout as a URL; code stays as it is."""
    base = repository.rstrip("/")

    def link_to(kind: str, words: str, target: str) -> str:
        is_ours = ":" not in target and not target.startswith("#")
        return f"{words}({base}/{kind}/{revision}/{target})" if is_ours else f"{words}({target})"

    def rewritten(prose: str) -> str:
        # A picture may be the text of a link. Its own link is absolute when that one's turn comes.
        prose = PICTURE.sub(lambda found: link_to("raw", *found.groups()), prose)
        return LINK.sub(lambda found: link_to("blob", *found.groups()), prose)

    parts, end = [], 0
    for code in FENCE.finditer(text):
        parts += [rewritten(text[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*parts, rewritten(text[end:])])


def main(arguments: list[str]) -> int:
    if len(arguments) != 3:
        print("usage: python docs/absolute_links.py URL REVISION FILE", file=sys.stderr)
        return 2
    repository, revision, name = arguments
    file = Path(name)
    text = absolute(file.read_text(encoding="utf-8"), repository, revision)
    file.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
