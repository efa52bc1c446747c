"""Three projects: migrated, started, and answering as with the server that they come from."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.from_elsewhere.running import document, running
from tests.support.http import TIMEOUT
from tests.support.process import environment

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Unix sockets and processes")

PROJECTS = Path(__file__).parent / "projects"
FORM = ("Content-Type", "application/x-www-form-urlencoded")
COMPARED = ("content-type", "set-cookie", "location")


class Ask(NamedTuple):
    """A request, and the status of its reply."""

    target: str
    status: int
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None


class Project(NamedTuple):
    """A project, as its files say it, and how its own server starts."""

    name: str
    source: str
    socket: str
    program: str
    arguments: tuple[str, ...]
    asks: tuple[Ask, ...]
    settings: dict[str, Any]


PROXIED = (("X-Forwarded-For", "192.0.2.1"), ("X-Forwarded-Proto", "https"))

GUNICORN = Project(
    "gunicorn",
    "gunicorn.conf.py",
    "shop.sock",
    "gunicorn",
    (),
    (
        Ask("/", 200),
        Ask("/", 200, "HEAD"),
        Ask("/seen?q=%C3%A9&x=1", 200, headers=(("Accept", "text/html"), ("Cookie", "a=1"))),
        Ask("/seen", 200, headers=PROXIED),
        Ask("/seen", 200, "POST", (("Content-Type", "text/plain"),), b"hello"),
        Ask("/orders", 302, "POST", (FORM, *PROXIED), b"item=rose"),
        Ask("/stream", 200),
        Ask("/nothing", 404),
        Ask("/orders", 405),
    ),
    {
        "application": "shop:create_app()",
        "env": {"SHOP_NAME": "Blumen", "SHOP_CURRENCY": "EUR"},
        "unix_socket": "shop.sock",
        "unix_socket_perms": "777",
        "processes": 2,
        "threads": 4,
        "max_requests": 10000,
        "max_requests_jitter": 500,
        "shutdown_timeout": 15,
        "channel_timeout": 5,
        "access_log_format": '%(h)s "%(r)s" %(s)s',
        "pid_file": "shop.pid",
        "log_level": "info",
        "trusted_proxy": "unix",
        "trusted_proxy_headers": "x-forwarded-for x-forwarded-proto",
    },
)
UWSGI = Project(
    "uwsgi",
    "uwsgi.ini",
    "blog.sock",
    "uwsgi",
    ("uwsgi.ini",),
    (
        Ask("/", 200),
        Ask("/", 200, "HEAD"),
        Ask("/seen?q=%C3%A9&x=1", 200, headers=(("Accept", "text/html"), ("Cookie", "a=1"))),
        Ask("/seen", 200, "POST", (("Content-Type", "text/plain"),), b"hello"),
        Ask("/comments", 302, "POST", (FORM,), b"post=3"),
        Ask("/posts/3/?page=2", 200),
        Ask("/stream", 200),
        Ask("/nothing", 404),
    ),
    {
        "application": "blog.wsgi:application",
        "env": {"DJANGO_SETTINGS_MODULE": "blog.settings"},
        "unix_socket": "blog.sock",
        "unix_socket_perms": "660",
        "processes": 2,
        "threads": 2,
        "pid_file": "blog.pid",
        "max_requests": 5000,
        "max_request_body_size": 65536,
        "stuck_after": 30,
        "slow_request_log": 30,
    },
)
WAITRESS = Project(
    "waitress",
    "Procfile",
    "tasks.sock",
    "waitress-serve",
    (),
    (
        Ask("/tasks/", 200),
        Ask("/tasks/", 200, "HEAD"),
        Ask("/tasks/seen?q=%C3%A9&x=1", 200, headers=(("Accept", "text/html"), ("Cookie", "a=1"))),
        Ask("/tasks/seen", 200, "POST", (("Content-Type", "text/plain"),), b"hello"),
        Ask("/tasks/add", 302, "POST", (FORM,), b"task=water"),
        Ask("/tasks/stream", 200),
        Ask("/tasks/nothing", 404),
        Ask("/tasks/seen", 413, "POST", (("Content-Type", "text/plain"),), b"x" * 5000),
    ),
    {
        "application": "tasks:main()",
        "unix_socket": "tasks.sock",
        "unix_socket_perms": "660",
        "threads": 6,
        "url_prefix": "/tasks",
        "url_scheme": "https",
        "ident": "tasks",
        "max_request_body_size": 4096,
        "expose_tracebacks": False,
    },
)
PROJECT = pytest.mark.parametrize("project", [GUNICORN, UWSGI, WAITRESS], ids=lambda one: one.name)


def migrated(project: Project, folder: Path) -> Path:
    """A copy of the project with its ``headwaiter.toml``."""
    there = folder / "p"
    shutil.copytree(PROJECTS / project.name, there)
    done = subprocess.run(
        [sys.executable, "-m", "headwaiter", "migrate", "-o", "headwaiter.toml", project.source],
        cwd=there,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "headwaiter.toml is written. Start: headwaiter\n"
    return there


@PROJECT
def test_the_file_says_what_the_project_said(project: Project, tmp_path: Path) -> None:
    folder = migrated(project, tmp_path)
    said = document(folder / "headwaiter.toml")
    about_this_place = {"access_log", "chdir"}
    assert {k: v for k, v in said.items() if k not in about_this_place} == project.settings
    assert said.get("chdir", f"{folder}/") == f"{folder}/"


@PROJECT
def test_it_answers_as_before(project: Project, tmp_path: Path) -> None:
    folder = migrated(project, tmp_path)
    path = folder / project.socket
    with running([sys.executable, "-m", "headwaiter"], folder, path):
        ours = asked(path, project)
    assert [status for status, _, _ in ours] == [ask.status for ask in project.asks]
    program = Path(sys.executable).with_name(project.program)
    if not program.exists():
        pytest.skip(f"{project.program} is not installed: headwaiter alone was asked")
    # pyuwsgi is loaded by a Python that has read its environment before uWSGI sets `env`.
    env = project.settings.get("env", {})
    with running(original(project, program), folder, path, **env):
        theirs = asked(path, project)
    for ask, one, other in zip(project.asks, ours, theirs):
        assert one == other, ask


def original(project: Project, program: Path) -> list[str]:
    if project.source == "Procfile":
        line = (PROJECTS / project.name / "Procfile").read_text().partition("web: ")[2]
        return [str(program), *line.split()[1:]]
    return [str(program), *project.arguments]


def asked(path: Path, project: Project) -> list[tuple[int, dict[str, str], Any]]:
    return [answer(path, ask) for ask in project.asks]


def answer(path: Path, ask: Ask) -> tuple[int, dict[str, str], Any]:
    """What a client sees of a reply: not the server's name, nor how it frames the body."""
    with contextlib.closing(UnixConnection(path)) as connection:
        headers = {"Host": "example.com", **dict(ask.headers)}
        # A server that refuses a body may answer and close before it has read it.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.request(ask.method, ask.target, ask.body, headers)
        reply = connection.getresponse()
        body = reply.read()
    if reply.status == 413:  # a page of the server itself
        return reply.status, {}, None
    told = {name.lower(): value for name, value in reply.getheaders()}
    seen = {name: told[name] for name in COMPARED if name in told}
    if seen.get("content-type") != "application/json":
        return reply.status, seen, body
    environ = json.loads(body)
    if environ.get("REMOTE_ADDR") in ("", "localhost"):
        environ["REMOTE_ADDR"] = "a Unix socket"
    return reply.status, seen, environ


class UnixConnection(http.client.HTTPConnection):
    """As lenient as clients are: not every server says where a streamed body ends."""

    def __init__(self, path: Path) -> None:
        super().__init__("example.com", timeout=TIMEOUT)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(TIMEOUT)
        self.sock.connect(str(self.path))


def test_the_projects_are_whole() -> None:
    assert sorted(os.listdir(PROJECTS)) == sorted(
        project.name for project in (GUNICORN, UWSGI, WAITRESS)
    )
