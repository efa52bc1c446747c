"""What ``docs/recipes/bottle.md`` says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.process import ROOT
from tests.support.target import headwaiter_only

from .projects import start

pytest.importorskip("bottle")
pytestmark = headwaiter_only("the recipe is for headwaiter")


def test_bottle_runs_the_server_of_the_recipe(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "recipes" / "bottle.md").read_text(encoding="utf-8")
    _, program = re.findall(r"(?s)```python\n(.*?)```", page)
    routes = "import bottle\n\n@bottle.get('/')\ndef index():\n    return 'here'\n\n"
    (tmp_path / "site_.py").write_text(
        routes + program.replace("port=8000", "port=0"), encoding="utf-8"
    )
    # Bottle names the port that it was told.
    with start("site_.py", cwd=tmp_path, addresses=2) as server:
        server.addresses.reverse()
        assert server.ask("/").text == "here"
        server.wait_for_log("8 worker threads")
