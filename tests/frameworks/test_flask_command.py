"""``flask --app MODULE headwaiter``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.target import headwaiter_only
from tests.support.waiting import eventually

from .projects import run, start

pytest.importorskip("flask")
pytestmark = headwaiter_only("the command is headwaiter's")

SITE = """
import os, flask

def create_app(name="plain"):
    app = flask.Flask(__name__)

    @app.get("/")
    def index():
        multiprocess = flask.request.environ["wsgi.multiprocess"]
        return f"{name} {os.getpid()} {multiprocess} {app.debug}"

    @app.get("/broken")
    def broken():
        raise RuntimeError("what is shown")

    return app
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "site_of_test.py").write_text(SITE)
    return tmp_path


def flask(*options: str) -> list[str]:
    return ["-m", "flask", *options, "headwaiter"]


@pytest.mark.parametrize("app", ["site_of_test", "site_of_test.py", "site_of_test:create_app()"])
def test_a_factory_is_found_as_flask_does(folder: Path, app: str) -> None:
    argv = [*flask("--app", app), "127.0.0.1:0", "--threads", "3"]
    with start(*argv, cwd=folder) as server:
        assert server.ask("/").text == f"plain {server.pid} False False"
        server.wait_for_log("3 worker threads")


def test_a_factory_has_its_arguments_in_each_process(folder: Path) -> None:
    argv = [*flask("--app", "site_of_test:create_app('mine')"), "--processes=2", "127.0.0.1:0"]
    with start(*argv, cwd=folder) as server:
        name, process, *others = server.ask("/").text.split()
        assert (name, others) == ("mine", ["True", "False"])
        assert int(process) != server.pid


def test_without_a_name_it_is_the_usual_file(folder: Path) -> None:
    (folder / "site_of_test.py").rename(folder / "app.py")
    for more in ([], ["--processes=2"]):
        with start(*flask(), *more, "127.0.0.1:0", cwd=folder) as server:
            assert server.ask("/").text.startswith("plain ")


def test_debug_reloads_and_shows_tracebacks(folder: Path) -> None:
    argv = [*flask("--app", "site_of_test", "--debug"), "127.0.0.1:0"]
    with start(*argv, cwd=folder) as server:
        server.wait_for_log("watchfiles|polling")
        first = server.ask("/").text
        assert first.endswith(" True True")
        assert "RuntimeError: what is shown" in server.ask("/broken").text
        (folder / "site_of_test.py").write_text(SITE.replace('"plain"', '"changed"'))
        eventually(lambda: server.ask("/").text.startswith("changed "), "the reload")


def test_a_program_with_commands_of_its_own_has_it(folder: Path) -> None:
    (folder / "own.py").write_text(
        "from flask.cli import FlaskGroup\n"
        "from site_of_test import create_app\n"
        "FlaskGroup(create_app=lambda: create_app('own'))()\n"
    )
    with start("own.py", "headwaiter", "127.0.0.1:0", cwd=folder) as server:
        assert server.ask("/").text.startswith("own ")
    done = run("own.py", "headwaiter", "--processes=2", "127.0.0.1:0", cwd=folder)
    assert done.returncode == 2
    assert "processes asks for more than this process" in done.stderr


@pytest.mark.parametrize(
    ("app", "arguments", "status", "said"),
    [
        ("site_of_test", ["--thread", "4", "--chanel-timeout=3"], 2, "no such option: --chanel"),
        ("site_of_test", ["site_of_test:app"], 2, "cannot listen on 'site_of_test:app'"),
        ("site_of_test", ["--call"], 2, "flask headwaiter knows its application"),
        ("nowhere", ["127.0.0.1:0"], 1, "Could not import 'nowhere'"),
        ("site_of_test:nothing", ["127.0.0.1:0"], 1, "Failed to find attribute 'nothing'"),
        ("nowhere", ["127.0.0.1:0", "--processes=2"], 1, "Could not import 'nowhere'"),
    ],
)
def test_a_mistake_is_one_message(
    folder: Path, app: str, arguments: list[str], status: int, said: str
) -> None:
    done = run(*flask("--app", app), *arguments, cwd=folder)
    assert done.returncode == status, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_the_help_says_where_the_options_are(folder: Path) -> None:
    done = run(*flask("--app", "site_of_test"), "--help", cwd=folder)
    assert done.returncode == 0
    assert "headwaiter --help" in " ".join(done.stdout.split())
    done = run("-m", "flask", "--app", "site_of_test", "--help", cwd=folder)
    assert "Serve with headwaiter." in done.stdout
