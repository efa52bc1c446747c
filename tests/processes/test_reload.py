"""``--reload``: files change under a server that runs, as a developer changes them."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from tests.support.http import Reply
from tests.support.process import ServerProcess, environment, flags, start_server
from tests.support.procfs import children
from tests.support.waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="one process there")
APP = """\
from pathlib import Path

def app(environ, start_response):
    start_response("200 OK", [])
    return [{body!r}.encode()]
"""
HIDDEN = "raise ImportError('a test hides it')\n"
has_watchfiles = importlib.util.find_spec("watchfiles") is not None
BY = "watchfiles" if has_watchfiles else "polling"
watchers = pytest.mark.parametrize("by", sorted({BY, "polling"}))
Start = Callable[..., ServerProcess]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The directory of an application ``site_app:app`` that answers ``one``."""
    directory = tmp_path / "site"
    directory.mkdir()
    edit(directory, "one")
    return directory


@pytest.fixture
def start(site: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts a server in ``site``; returns when the files are watched."""
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "watchfiles.py").write_text(HIDDEN, encoding="ascii")

    def starter(by: str, **settings: Any) -> ServerProcess:
        env = {"PYTHONPATH": str(hidden)} if by == "polling" else {}
        server = start_server("site_app:app", cwd=site, env=env, reload=True, **settings)
        servers.append(server)
        server.wait_for_log(rf"watching files \({by}\)")
        return server

    servers: list[ServerProcess] = []
    yield starter
    for server in servers:
        server.kill()


def write(path: Path, text: str) -> None:
    """Write a file at once, as an editor does."""
    new = path.with_name("a new file")
    new.write_text(text, encoding="utf-8")
    os.replace(new, path)


def edit(site: Path, body: str) -> None:
    """Let the application answer ``body``."""
    write(site / "site_app.py", APP.format(body=body))


def asked(server: ServerProcess) -> Reply | None:
    """The reply on a new connection. A server that reloads may close it before the request comes,
    as it closes idle ones: then there is none."""
    with server.connect() as client:
        try:
            client.request("/any/path")
            if client.sock.recv(1, socket.MSG_PEEK):
                return client.reply()
        except ConnectionError:
            pass
    return None


def answers(server: ServerProcess, text: str, status: int = 200) -> Reply:
    """Wait for a reply with this text and status."""
    found: list[Reply] = []

    def matches() -> bool:
        found[:] = filter(None, [asked(server)])
        return bool(found) and found[0].status == status and text in found[0].text

    try:
        eventually(matches, text)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{found and found[0].text}\n{server.log}") from None
    return found[0]


def changed(server: ServerProcess) -> str:
    """The files that have changed, as the log names them."""
    return " ".join(re.findall(r"changed: (.*)", server.log))


@watchers
def test_an_edit_is_served_and_the_port_answers_all_the_time(
    site: Path, start: Start, by: str
) -> None:
    with start(by) as server:
        over, failures = threading.Event(), list[str]()

        def ask_on() -> None:
            while not over.is_set():
                try:
                    reply = asked(server)
                    assert reply is None or reply.status == 200
                except (AssertionError, OSError) as error:
                    failures.append(repr(error))

        thread = threading.Thread(target=ask_on)
        thread.start()
        try:
            for body in ("two", "six", "ten"):  # of one size, within a second
                edit(site, body)
                answers(server, body)
        finally:
            over.set()
            thread.join()
        assert failures == []
        assert changed(server).split().count("site_app.py") == 3
        server.stop()


def test_an_application_that_cannot_be_loaded_is_shown(site: Path, start: Start) -> None:
    file = site / "site_app.py"
    write(file, "import nothing_of_this_name\n")
    with start(BY) as server:
        answers(server, "No module named &#x27;nothing_of_this_name&#x27;", 500)
        write(file, "def app(:  # <script>\n")
        reply = answers(server, "SyntaxError: invalid syntax", 500)
        assert "Fix the file and save it" in reply.text
        assert reply.header("Content-Type") == "text/html; charset=utf-8"
        assert "&lt;script&gt;" in reply.text
        assert "<script>" not in reply.text
        server.wait_for_log(r"(?s)site_app.py.*SyntaxError: invalid syntax")
        write(file, "import sys\nsys.exit(7)\n")
        answers(server, "sys.exit(7)", 500)
        file.unlink()
        answers(server, "no module named &#x27;site_app&#x27;", 500)
        write(file, "import os\nos._exit(7)\n")  # waits for the next change
        server.wait_for_log("exited with status 7 while it started")
        edit(site, "two")
        answers(server, "two")
        assert server.log.count("exited with status 7") == 1
        server.stop()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_the_page_of_a_failure_needs_no_standard_error() -> None:
    program = (
        "from headwaiter import _child\n"
        "application, _ = _child._load(['--reload', 'nothing_of_this_name:app'])\n"
        "print(b''.join(application({}, lambda *_: None)).decode())"
    )
    with open("/dev/full", "wb") as full:
        argv = [sys.executable, "-c", program]
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=full, check=False)
    assert b"no module named &#x27;nothing_of_this_name&#x27;" in done.stdout


@watchers
def test_which_files_count(site: Path, start: Start, by: str) -> None:
    for directory in ("templates", "data", "node_modules", "static", "kept"):
        (site / directory).mkdir()
    write(site / "data/x.json", "")
    with start(by, reload_include=["data/*.json", "*.js"], reload_exclude=["kept"]) as server:
        for name in ("x.log", "x.sqlite3", "node_modules/x.py", "kept/x.py", ".site_app.py.swp"):
            write(site / name, "not watched")
        for name in (".env", "templates/mail.txt", "static/x.js", "data/x.json", "x.html"):
            write(site / name, "watched")
            server.wait_for_log(rf"changed: (.*, )?{re.escape(name)}\b")
        (site / "data/x.json").unlink()
        server.wait_for_log(r"(?s)changed: (.*, )?data/x.json.*changed: data/x.json")
        answers(server, "one")
        for name in ("log", "sqlite3", "node_modules", "kept", "swp"):
            assert name not in changed(server)
        server.stop()


def test_a_package_that_goes_and_comes_back(site: Path, start: Start) -> None:
    package, away = site / "package", site.parent / "away"
    package.mkdir()
    write(package / "__init__.py", APP.format(body="two"))
    write(site / "site_app.py", "from package import app\n")
    with start(BY) as server:
        answers(server, "two")
        package.replace(away)
        answers(server, "No module named &#x27;package&#x27;", 500)
        away.replace(package)
        answers(server, "two")
        server.stop()


@watchers
def test_the_current_directory_is_made_anew(site: Path, start: Start, by: str) -> None:
    with start(by) as server:
        shutil.rmtree(site)
        server.wait_for_log("changed: site_app.py")
        site.mkdir()
        edit(site, "two")
        answers(server, "two")
        server.stop()


def test_an_upgrade_and_a_reload(site: Path, start: Start) -> None:
    with start(BY) as server:
        server.signal(signal.SIGUSR2)
        server.wait_for_log(r"(?s)runs headwaiter.*watching files")
        edit(site, "two")
        answers(server, "two")
        if sys.platform == "linux":
            # The watcher of the earlier version is gone.
            eventually(lambda: len(children(server.pid)) == 2, "one watcher and one process")
        server.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_reload_starts_a_watcher_that_has_died(site: Path, start: Start) -> None:
    with start(BY) as server:
        [watcher] = (
            pid
            for pid in children(server.pid)
            if b"headwaiter._watch" in Path(f"/proc/{pid}/cmdline").read_bytes()
        )
        os.kill(watcher, signal.SIGKILL)
        server.wait_for_log("files are not watched")
        server.signal(signal.SIGHUP)
        server.wait_for_log(r"(?s)files are not watched.*watching files")
        edit(site, "two")
        answers(server, "two")
        server.stop()


def test_the_watcher_ends_with_the_parent(start: Start) -> None:
    with start(BY) as server:
        server.process.kill()
        server.wait()  # the pipe of standard error ends with the last process
        assert server._ended


def test_dev_on_a_terminal(site: Path, tmp_path: Path) -> None:
    # With nohup, or in a job that was started by it, a server outlives its terminal.
    program = "import os, pty, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_DFL); "
    program += "os.dup2(2, 1); pty.spawn(sys.argv[1:])"
    pid_file = tmp_path / "pid"
    dev = flags({"dev": True, "listen": "127.0.0.1:0", "pid_file": pid_file})
    argv = [sys.executable, "-c", program, sys.executable, "-m", "headwaiter", *dev, "site_app:app"]
    with ServerProcess(argv, environment(), site, ()) as server:
        server.wait_for_addresses(1)
        assert server.ask("/").text == "one"
        server.wait_for_log(r"\x1b\[32m200\x1b\[0m GET / HTTP/1.1 \d+ ms")
        write(site / "site_app.py", "def app(environ, start_response): raise ValueError('oh')\n")
        answers(server, "ValueError: oh", 500)
        pid = int(pid_file.read_text())
        server.process.kill()  # the terminal is closed
        server.wait()
        try:
            eventually(lambda: not pid_file.exists(), "the end of the server")
        except AssertionError as error:
            left = children(pid) if sys.platform == "linux" else "?"
            os.kill(pid, signal.SIGTERM)
            raise AssertionError(f"left of {pid}: {left}\n{server.log}") from error
