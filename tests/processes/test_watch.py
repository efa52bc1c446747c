"""The parts of the process that watches files."""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path

import pytest

from headwaiter._watch import polling
from headwaiter._watch.__main__ import watched
from headwaiter._watch.patterns import Patterns


@pytest.mark.parametrize(
    ("path", "counts"),
    [
        ("app.py", True),
        ("package/inner/module.py", True),
        ("app.pyc", False),
        (".env", True),
        (".env.local", True),
        (".env.swp", False),
        ("environment", False),
        ("pyproject.toml", True),
        ("package/templates/mail.txt", True),
        ("templates/mail.txt", True),
        ("mail.txt", False),
        (".#app.py", False),  # a lock of Emacs
        ("#app.py#", False),
        ("app.py~", False),
        (".git/hooks/x.py", False),
        ("deep/.venv/lib/x.py", False),
        ("deep/node_modules/x/x.html", False),
        ("node_modules.py", True),
        ("server.log", False),
        ("db.sqlite3", False),
        ("data/x.json", True),
        ("other/data/x.json", False),
        ("static/site.js", True),
        ("data/app.py", True),
        ("generated/app.py", False),
        ("data/big/app.py", False),
        ("data/big/inner/app.py", False),
    ],
)
def test_patterns(path: str, counts: bool) -> None:
    patterns = Patterns(["data/*.json", "*.js"], ["generated", "data/big"])
    assert patterns.counts(path) is counts


def test_what_is_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site, other = tmp_path / "site", tmp_path / "other"
    for directory in (site / "inner", other, tmp_path / "lib/site-packages"):
        directory.mkdir(parents=True)
    monkeypatch.chdir(site)
    path = ["", str(site / "inner"), str(other), str(tmp_path / "absent"), str(tmp_path / "x.zip")]
    path += [sysconfig.get_path("stdlib"), str(tmp_path / "lib/site-packages")]
    assert watched(path) == [os.path.realpath(other), os.path.realpath(site)]


def test_polling_finds_what_came_changed_and_went(tmp_path: Path) -> None:
    site = tmp_path / "site"
    (site / "node_modules").mkdir(parents=True)
    old, gone, new = site / "old.py", site / "gone.py", site / "new.py"
    for path in (old, gone):
        path.write_text("1")
    found = polling.changes([str(site)], Patterns())
    assert next(found) == set()
    old.write_text("22")
    gone.unlink()
    new.write_text("1")
    (site / "node_modules/x.py").write_text("1")
    assert next(found) == {str(old), str(gone), str(new)}
