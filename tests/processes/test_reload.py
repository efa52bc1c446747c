"""``--reload``: files change under a server that runs, as a developer changes them."""

from __future__ import annotations

import importlib.util
import os
import re
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from tests.support.process import ServerProcess, start_server
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
Start = Callable[..., ServerProcess]


@pytest.fixture(
    params=[
        pytest.param(
            "watchfiles",
            marks=pytest.mark.skipif(not has_watchfiles, reason="watchfiles is not installed"),
        ),
        "polling",
    ]
)
def by(request: pytest.FixtureRequest) -> str:
    """Who watches."""
    return str(request.param)


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


def asked(server: ServerProcess) -> tuple[int, str]:
    """The status and the text of a reply on a new connection.

    The status is 0 if the server closed the connection before the request came: it closes idle ones
    when it reloads.
    """
    with server.connect() as client:
        try:
            client.request("/")
            if not client.sock.recv(1, socket.MSG_PEEK):
                return 0, ""
        except ConnectionError:
            return 0, ""
        reply = client.reply()
        return reply.status, reply.text


def answers(server: ServerProcess, body: str) -> None:
    """Wait until the application answers ``body``."""
    eventually(lambda: asked(server) == (200, body), f"{body}\n{server.log}")


def changed(server: ServerProcess) -> str:
    """The files that have changed, as the log names them."""
    return " ".join(re.findall(r"changed: (.*)", server.log))


def test_an_edit_is_served(site: Path, start: Start, by: str) -> None:
    with start(by) as server:
        assert server.ask("/").text == "one"
        for body in ("two", "six", "ten"):  # of one size, within a second
            edit(site, body)
            answers(server, body)
        assert changed(server).split().count("site_app.py") == 3
        server.stop()


def test_a_broken_application_is_shown_until_it_is_mended(
    site: Path, start: Start, by: str
) -> None:
    with start(by, processes=2) as server:
        write(site / "site_app.py", "def app(:  # <script>\n")
        eventually(lambda: asked(server)[0] == 500, "the page")
        reply = server.ask("/any/path", "POST", body=b"data")
        assert reply.status == 500
        assert reply.header("Content-Type") == "text/html; charset=utf-8"
        assert "SyntaxError: invalid syntax" in reply.text
        assert "Fix the file and save it" in reply.text
        assert "&lt;script&gt;" in reply.text
        assert "<script>" not in reply.text
        server.wait_for_log(r"(?s)site_app.py.*SyntaxError: invalid syntax")
        edit(site, "two")
        answers(server, "two")
        server.stop()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("import nothing_of_this_name\n", "No module named &#x27;nothing_of_this_name&#x27;"),
        ("import sys\nsys.exit(7)\n", "sys.exit(7)"),
        ("", "has no attribute &#x27;app&#x27;"),
    ],
)
def test_the_first_start_may_be_broken(site: Path, start: Start, text: str, shown: str) -> None:
    write(site / "site_app.py", text)
    with start("polling") as server:
        reply = server.ask("/")
        assert reply.status == 500
        assert shown in reply.text
        edit(site, "two")
        answers(server, "two")
        server.stop()


def test_a_process_that_dies_in_import_is_not_started_again_until_a_change(
    site: Path, start: Start
) -> None:
    with start("polling") as server:
        write(site / "site_app.py", "import os\nos._exit(7)\n")
        server.wait_for_log("exited with status 7 while it started")
        edit(site, "two")
        answers(server, "two")
        assert server.log.count("exited with status 7") == 1
        server.stop()


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


def test_the_port_answers_all_the_time(site: Path, start: Start, by: str) -> None:
    with start(by) as server:
        over, failures = threading.Event(), list[str]()
        statuses: set[int] = set()

        def ask_on() -> None:
            while not over.is_set():
                try:
                    statuses.add(asked(server)[0])
                except (AssertionError, OSError) as error:
                    failures.append(repr(error))

        thread = threading.Thread(target=ask_on)
        thread.start()
        for body in ("two", "six", "ten"):
            edit(site, body)
            answers(server, body)
        over.set()
        thread.join()
        assert failures == []
        assert statuses - {0} == {200}
        server.stop()


def test_the_watcher_ends_with_the_parent(start: Start, by: str) -> None:
    with start(by) as server:
        server.process.kill()
        server.wait()  # the pipe of standard error ends with the last process
        assert server._ended


def test_dev(site: Path, start: Start) -> None:
    write(site / "site_app.py", "def app(environ, start_response):\n    raise ValueError('oh')\n")
    with start("polling", dev=True) as server:
        reply = server.ask("/")
        assert reply.status == 500
        assert "ValueError: oh" in reply.text
        edit(site, "two")
        answers(server, "two")
        server.stop()
