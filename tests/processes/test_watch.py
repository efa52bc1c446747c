"""The parts of the process that watches files."""

from __future__ import annotations

import errno
import os
import selectors
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Callable, NoReturn

import pytest

from headwaiter._parent.watcher import SETTLED, Watcher
from headwaiter._process import logs
from headwaiter._process.interpreter import command
from headwaiter._watch import events
from headwaiter._watch.__main__ import named, watched
from headwaiter._watch.patterns import Patterns
from headwaiter._watch.tree import Tree
from tests.support.http import TIMEOUT


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


@pytest.fixture
def site(tmp_path: Path) -> Path:
    directory = tmp_path / "site"
    (directory / "package").mkdir(parents=True)
    (directory / "node_modules").mkdir()
    for name in ("old.py", "gone.py", "package/module.py", "node_modules/x.py", "x.log"):
        (directory / name).write_text("1")
    return directory


def test_a_look_finds_what_came_changed_and_went(site: Path) -> None:
    tree = Tree([str(site)], Patterns())
    assert tree.changed(since=time.time_ns() + 10**9) == set()
    (site / "old.py").write_text("22")
    (site / "gone.py").unlink()
    (site / "new.py").write_text("1")
    (site / "node_modules/x.py").write_text("22")
    (site / "package/module.py").replace(site / "package/other.py")
    names = ("old.py", "gone.py", "new.py", "package/module.py", "package/other.py")
    assert tree.changed() == {str(site / name) for name in names}
    assert tree.changed() == set()


def test_the_first_look_finds_what_has_changed_meanwhile(site: Path) -> None:
    os.utime(site / "old.py", ns=(0, 1_000))
    tree = Tree([str(site)], Patterns())
    assert tree.changed(since=1_000) == {str(site / "gone.py"), str(site / "package/module.py")}


def test_which_reports_are_a_reason_to_look(site: Path) -> None:
    (site / "node_modules/inner").mkdir()
    tree = Tree([str(site)], Patterns())
    for path in ("old.py", "package", "package/module.py", "no_more", "package/no_more"):
        assert tree.may_show(str(site / path)), path
    for path in ("x.log", "x.log-journal", "node_modules", "node_modules/inner", "../site_2/a.py"):
        assert not tree.may_show(os.path.normpath(site / path)), path


def test_names_for_the_log() -> None:
    assert named(["/site/b/c.py", "/site_/a.py"], "/site") == "b/c.py, /site_/a.py"
    assert named("dcbae", "/site") == "a, b, c and 2 more"
    assert named(["a\n\x1b[2J", "b\udcff"], "/site") == r"'a\n\x1b[2J', 'b\udcff'"


def test_a_watcher_that_dies_is_started_again(site: Path) -> None:
    (site / "sitecustomize.py").write_text("print('said by the user')")
    watcher = Watcher(command("headwaiter._watch"), str(site), include=[], exclude=[])
    changes: list[int] = []
    with selectors.DefaultSelector() as selector:

        def turn(body: Callable[[], object]) -> None:
            body()
            for key, _ in selector.select(TIMEOUT):
                key.data(0)

        watcher.begin(selector, lambda: changes.append(1))
        turn(lambda: None)
        watcher._began -= SETTLED
        assert watcher._popen
        turn(watcher._popen.kill)
        turn(lambda: None)  # the new one watches
        assert not changes
        turn(lambda: (site / "old.py").write_text("22"))
        assert changes
        turn(watcher._popen.kill)  # too soon
        assert not selector.get_map()
        turn(watcher.start)
        [key] = selector.get_map().values()
        watcher.start()  # it lives
        assert [*selector.get_map().values()] == [key]
        watcher.stop()


def test_no_descriptor_is_left_for_a_watcher(
    site: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse() -> NoReturn:
        raise OSError(errno.EMFILE, "Too many open files")

    watcher = Watcher(command("headwaiter._watch"), str(site), include=[], exclude=[])
    with selectors.DefaultSelector() as selector, logs.pumping():
        monkeypatch.setattr(socket, "socketpair", refuse)
        watcher.begin(selector, lambda: None)
    assert "files are not watched: cannot start a process: [Errno 24]" in caplog.text


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_watchfiles_fails_and_nobody_hears_why(site: Path) -> None:
    (site / "watchfiles.py").write_text("raise OSError('the limit of watches')")
    own, its = socket.socketpair()
    with own, its, open("/dev/full", "wb") as full:
        argv = [sys.executable, "-m", "headwaiter._watch", f"--parent={its.fileno()}", "--since=0"]
        with subprocess.Popen(argv, cwd=site, stderr=full, pass_fds=[its.fileno()]):
            its.close()
            told = own.recv(1024)
            own.close()  # which ends the process
    assert told[4:].startswith(b'{"by": "polling"}')


def report(found: Iterator[set[str]], site: Path, *names: str) -> None:
    """Wait until these files have been reported."""
    missing = {str(site / name) for name in names}
    end = time.monotonic() + TIMEOUT
    while missing and time.monotonic() < end:
        missing -= next(found)
    assert not missing


def test_a_watched_directory_that_goes_and_comes_back(site: Path, tmp_path: Path) -> None:
    pytest.importorskip("watchfiles")
    other = tmp_path / "other"
    other.mkdir()
    tree = Tree([str(other), str(site)], Patterns())
    found = events.changes(tree, since=time.time_ns() + 10**9)
    next(found)
    next(found)  # the directories are watched
    site.replace(tmp_path / "away")
    report(found, site, "old.py")
    assert not next(found)  # the other one is watched
    (tmp_path / "away").replace(site)
    report(found, site, "old.py")
    (site / "old.py").write_text("22")
    report(found, site, "old.py")


def test_new_directories_are_watched(site: Path) -> None:
    pytest.importorskip("watchfiles")
    found = events.changes(Tree([str(site)], Patterns()), since=time.time_ns() + 10**9)
    next(found)
    next(found)  # the directories are watched
    (site / "new/inner").mkdir(parents=True)
    (site / "new/inner/a.py").write_text("1")
    report(found, site, "new/inner/a.py")
    (site / "new/inner/a.py").write_text("22")
    report(found, site, "new/inner/a.py")
    shutil.rmtree(site)
    report(found, site, "old.py", "package/module.py", "new/inner/a.py")
    assert not any(found)  # no directory is left
