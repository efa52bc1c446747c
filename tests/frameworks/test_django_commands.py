"""``manage.py headwaiter`` and ``manage.py runserver --headwaiter``."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.support.process import ServerProcess
from tests.support.target import headwaiter_only
from tests.support.waiting import eventually

from .projects import django_project, run, start

pytest.importorskip("django")
pytestmark = headwaiter_only("the commands are headwaiter's")
SERVED = r"Served by headwaiter \S+ on http://(\S+):(\d+), "


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return django_project(tmp_path / "project")


def test_the_site_is_served_as_the_command_line_would(project: Path) -> None:
    with start("manage.py", "headwaiter", "127.0.0.1:0", "--threads=3", cwd=project) as server:
        assert server.ask("/").text == f"{server.pid} False"
        server.wait_for_log("3 worker threads")
        assert server.ask("/static/one.css").status == 404, "it serves no files"


def test_it_starts_from_any_folder(project: Path, tmp_path: Path) -> None:
    manage = str(project / "manage.py")
    for more in ([], ["--processes=2"]):
        with start(manage, "headwaiter", *more, "127.0.0.1:0", cwd=tmp_path) as server:
            assert server.ask("/").status == 200


def test_several_processes_are_those_of_the_command_line(project: Path) -> None:
    argv = ["manage.py", "headwaiter", "--processes", "2", "127.0.0.1:0"]
    with start(*argv, cwd=project) as server:
        process, multiprocess = server.ask("/").text.split()
        assert multiprocess == "True"
        assert int(process) != server.pid, "the parent has not loaded the site"


def test_settings_are_those_that_manage_py_was_told(project: Path) -> None:
    package = project / "site_of_test"
    (package / "other.py").write_text(
        "from .settings import *\n"
        "from django.urls import path\n"
        "from django.http import HttpResponse\n"
        "WSGI_APPLICATION, ROOT_URLCONF = None, __name__\n"
        "urlpatterns = [path('other', lambda _request: HttpResponse('other'))]\n"
    )
    for more in ([], ["--processes=2"]):
        argv = ["manage.py", "headwaiter", *more, "--settings=site_of_test.other", "127.0.0.1:0"]
        with start(*argv, cwd=project) as server:
            assert server.ask("/other").text == "other"


def test_the_project_may_be_elsewhere_on_the_path(project: Path, tmp_path: Path) -> None:
    where = [f"--pythonpath={project}", "--settings=site_of_test.settings"]
    for more in ([], ["--processes=2"]):
        argv = ["-m", "django", "headwaiter", *more, *where, "127.0.0.1:0"]
        with start(*argv, cwd=tmp_path) as server:
            assert server.ask("/").status == 200


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--thread", "4", "--chanel-timeout=3"], 2, "no such option: --chanel-timeout"),
        (["--threads=none"], 2, "threads: expected"),
        (["site_of_test.wsgi:application"], 2, "cannot listen on 'site_of_test.wsgi:application'"),
        (["8000", "8001"], 2, "one application only"),
        (["--app=site:app"], 2, "manage.py headwaiter knows its application"),
        (["127.0.0.1:99999"], 2, "port out of range"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_mistake_is_one_message(
    project: Path, arguments: list[str], status: int, said: str
) -> None:
    done = run("manage.py", "headwaiter", *arguments, cwd=project)
    assert done.returncode == status, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_site_that_django_finds_fault_with_does_not_start(tmp_path: Path) -> None:
    project = django_project(tmp_path, "ROOT_URLCONF = 'site_of_test.nowhere'")
    done = run("manage.py", "headwaiter", "127.0.0.1:0", cwd=project)
    assert done.returncode == 1
    done = run("manage.py", "headwaiter", "--skip-checks", "--check-config", cwd=project)
    assert done.returncode == 0, done.stderr


def test_debug_is_said_and_the_help_names_both_kinds_of_options(tmp_path: Path) -> None:
    project = django_project(tmp_path, "DEBUG = True")
    done = run("manage.py", "headwaiter", "--check-config", "127.0.0.1:0", cwd=project)
    assert done.returncode == 0, done.stderr
    assert "DEBUG is True" in done.stderr
    assert "127.0.0.1:0" in done.stdout
    done = run("manage.py", "headwaiter", "--help", cwd=project)
    assert "--settings" in done.stdout
    assert "headwaiter --help" in " ".join(done.stdout.split())


def runserver(project: Path, *arguments: str, **env: str) -> ServerProcess:
    argv = ["-u", "manage.py", "runserver", "--headwaiter", *arguments, "127.0.0.1:0"]
    server = start(*argv, cwd=project, addresses=0, errors=False, **env)
    try:
        meet(server, 1)
    except BaseException:
        server.kill()
        raise
    return server


def meet(server: ServerProcess, count: int) -> None:
    """Waits for the ``count``-th start; the server is asked at its address from then on."""
    server.wait_for_log(f"(?s)({SERVED}.*){{{count}}}")
    *_, (host, port) = re.findall(SERVED, server.log)
    server.addresses[:] = [(host, int(port))]


@pytest.mark.parametrize("app", ["+= [{0!r}]", "= [{0!r}, *INSTALLED_APPS]"], ids=["last", "first"])
def test_runserver_has_its_usual_face(tmp_path: Path, app: str) -> None:
    more = "INSTALLED_APPS.remove('headwaiter.django')\nINSTALLED_APPS " + app
    project = django_project(tmp_path, "DEBUG = True\n" + more.format("headwaiter.django"))
    with runserver(project, "--noreload") as server:
        server.wait_for_log("System check identified no issues")
        assert server.ask("/").status == 200
        assert server.ask("/static/one.css").text == "p { color: black }\n"
        page = server.ask("/broken/7/").text
        assert "RuntimeError" in page, "Django's own page"
        server.wait_for_log(r"500 GET /broken/7/ ")
        server.wait_for_log("4 to 64 threads")


def test_runserver_without_the_option_is_djangos_own(tmp_path: Path) -> None:
    project = django_project(tmp_path, "DEBUG = True")
    done = run("manage.py", "runserver", "--help", cwd=project)
    assert "--headwaiter" in done.stdout
    assert "--nostatic" in done.stdout
    done = run("manage.py", "runserver", "--noreload", "8000x", cwd=project)
    assert "is not a valid port number" in done.stderr


@pytest.mark.slow
def test_runserver_reloads_by_djangos_own_means(tmp_path: Path) -> None:
    project = django_project(tmp_path, "DEBUG = True")
    wsgi = project / "site_of_test" / "wsgi.py"

    def noticed() -> bool:
        os.utime(wsgi)  # again: it may have come before the first look
        return "changed, reloading" in server.log

    with runserver(project) as server:
        try:
            first = server.ask("/").text
            eventually(noticed, "Django's reload")
            meet(server, 2)
            assert server.ask("/").text != first
        finally:
            server.stop()  # by a signal, with which the process that watches ends the other


def test_runserver_says_in_one_line_what_is_wrong(tmp_path: Path) -> None:
    project = django_project(tmp_path, "DEBUG = True")
    argv = ["manage.py", "runserver", "--headwaiter", "--noreload"]
    with start("manage.py", "headwaiter", "127.0.0.1:0", cwd=project) as other:
        done = run(*argv, f"127.0.0.1:{other.address[1]}", cwd=project)
        assert done.returncode == 1
        assert "Error: That port is already in use." in done.stderr
    done = run(*argv, "127.0.0.1:0", cwd=project, HEADWAITER_PROCESSES="2")
    assert done.returncode == 1
    assert "Error: processes asks for more than this process" in done.stderr
    assert "Traceback" not in done.stderr


def test_runserver_takes_settings_of_the_environment(tmp_path: Path) -> None:
    project = django_project(tmp_path, "DEBUG = True")
    env = {"HEADWAITER_ADMIN": "127.0.0.1:0", "HEADWAITER_IDENT": "mine"}
    with runserver(project, "--noreload", "--nothreading", **env) as server:
        assert server.ask("/").header("Server") == "mine"
        server.wait_for_log("threads=1")
        server.wait_for_log(r"Showing what happens on http://127\.0\.0\.1:\d+/")
