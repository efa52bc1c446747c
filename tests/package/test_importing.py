"""Where modules of an application come from, and what is said of one that is not found."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from headwaiter import _importing
from headwaiter._process.interpreter import command, is_of_python
from tests.support.process import environment

LIBRARY = sysconfig.get_path("stdlib")


@pytest.fixture(autouse=True)
def _in_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["/first", LIBRARY, f"{LIBRARY}/lib-dynload", "/installed"])


def test_the_current_directory_comes_after_pythons_own_and_before_others(tmp_path: Path) -> None:
    for _ in range(2):
        _importing.put_current_directory()
        own = ["/first", LIBRARY, f"{LIBRARY}/lib-dynload"]
        assert sys.path == [*own, str(tmp_path), "/installed"]


def test_where_it_has_been_put_before_it_stays(tmp_path: Path) -> None:
    sys.path[0] = str(tmp_path)
    before = sys.path[:]
    main = sys.modules["__main__"]
    spec, main.__spec__ = main.__spec__, None  # not by `python -m`
    try:
        _importing.put_current_directory()
    finally:
        main.__spec__ = spec
    assert sys.path == before


def test_without_a_standard_library_it_comes_last(tmp_path: Path) -> None:
    sys.path[:] = ["/bundle", "/bundle/base_library.zip"]
    _importing.put_current_directory()
    assert sys.path[-1] == str(tmp_path)


def test_pythonpath_comes_first(tmp_path: Path) -> None:
    _importing.put_first([f"lib{os.pathsep}/installed", "more,/first"])
    first = [str(tmp_path / "lib"), "/installed", str(tmp_path / "more"), "/first"]
    assert sys.path[:4] == first
    assert len(sys.path) == 6
    before = sys.path[:]
    _importing.put_first([])
    assert sys.path == before


@pytest.mark.parametrize(
    ("path", "is_own"),
    [
        (LIBRARY, True),
        (os.path.join(LIBRARY, "lib-dynload"), True),
        (os.path.join(LIBRARY, "json", "__init__.py"), True),
        (os.path.join(LIBRARY, "site-packages"), False),
        (os.path.join(LIBRARY, "site-packages", "flask"), False),
        (LIBRARY + "x", False),
        ("<frozen importlib._bootstrap>", True),
        ("<string>", False),
        ("", False),
    ],
)
def test_what_is_pythons_own(path: str, is_own: bool) -> None:
    assert is_of_python(path) is is_own


@pytest.mark.parametrize("name", ["json", "site", "sys", "_json", "calendar"])
def test_a_module_that_hides_one_of_the_project(tmp_path: Path, name: str) -> None:
    assert _importing.hidden(name) == ""
    (tmp_path / f"{name}.py").touch()
    assert _importing.hidden(name).startswith(f"{name!r} is Python's own module (")
    assert f"), which hides {tmp_path / name}.py: rename yours" in _importing.hidden(name)


def test_a_package_is_hidden_too(tmp_path: Path) -> None:
    (tmp_path / "email").mkdir()
    (tmp_path / "email/__init__.py").touch()
    assert f"hides {tmp_path / 'email/__init__.py'}" in _importing.hidden("email")


@pytest.mark.parametrize("name", ["pytest", "nonesuch", "headwaiter"])
def test_other_modules_hide_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.py").touch()
    assert _importing.hidden(name) == ""


@pytest.mark.parametrize(
    ("file", "name", "advice"),
    [
        ("shop.py", "sop", "; did you mean 'shop'?"),
        ("src/shop.py", "shop", "; there is src/shop.py: write --chdir src shop:app"),
        ("src/shop/__init__.py", "shop", "; there is src/shop/__init__.py: write --chdir src shop"),
        ("../shop.py", "shop", "; there is ../shop.py: write --chdir .. shop:app"),
        ("a/b/shop.py", "shop", "; there is a/b/shop.py: write --chdir a/b shop:app"),
        ("a/b/c/shop.py", "shop", ""),
        (".venv/shop.py", "shop", ""),
        ("node_modules/shop.py", "shop", ""),
    ],
)
def test_a_missing_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, name: str, advice: str
) -> None:
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    path = tmp_path / "in" / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    text = f"no module named {name!r} (searched from {tmp_path / 'in'})"
    found = _importing.missing(name, f"{name}:app")
    assert found == text + advice if not advice else found.startswith(text + advice)


def test_a_module_of_a_package(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    for name in ("__init__.py", "web.py"):
        (tmp_path / "own" / name).touch()
    sys.path.insert(0, str(tmp_path))
    __import__("own")
    try:
        assert _importing.missing("own.wbe", "own.wbe").endswith("; did you mean 'web'?")
        assert _importing.submodule("own", "web") == "own.web"
        assert _importing.submodule("own", "absent") == ""
        assert _importing.submodule("sys", "web") == ""
    finally:
        del sys.modules["own"]


def test_processes_of_the_server_import_nothing_from_the_current_directory(tmp_path: Path) -> None:
    for name in ("json", "signal", "runpy", "headwaiter"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('caught')", encoding="utf-8")
    argv = command("headwaiter._upgraded")
    ran = subprocess.run(argv, cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert ran.returncode == 2
    assert "the following arguments are required: --state" in ran.stderr
