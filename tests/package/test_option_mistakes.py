"""What newcomers get wrong with options, variables and configuration files: one message for each,
which names the thing and what to do, and the exit status of wrong usage."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

import pytest

from headwaiter import cli
from headwaiter._process.exits import USAGE

from .command import run

OPTIONS: list[tuple[str, str]] = [
    ("--thraeds=8", "no such option: --thraeds; did you mean '--threads'?"),
    ("-bind=8000", "no such option: -bind; did you mean '--bind'?"),
    ("-j 4", "no such option: -j"),
    ("--daemon", "--daemon: headwaiter stays in the foreground, so that whoever starts it sees"),
    ("--body-size=1", "no such option: --body-size; did you mean '--max-request-body-size'?"),
    ("--keep=1", "no such option: --keep"),
    (
        "--limit=100",
        "no such option: --limit; there are --connection-limit, --spool-limit and --queue-limit",
    ),
    ("--lo=info", "ambiguous option: --lo"),
    ("--bind", "argument -b/--bind/--listen: expected one argument"),
    (
        "--bind=http://localhost:8000/",
        "cannot listen on 'http://localhost:8000/': this is a URL; write localhost:8000",
    ),
    (
        "--bind=/run/site.sock",
        "cannot listen on '/run/site.sock': this is a path; write unix:/run/site.sock",
    ),
    ("--bind=localhost:80000", "cannot listen on 'localhost:80000': port out of range"),
    ("-b fd://99", "listen: fd://99: Bad file descriptor; who starts the server has to pass a"),
    ("--bind=", "listen names no address"),
    (
        "--bind=8000 --port=8000",
        "--port may not be set if --bind is set; --bind takes HOST:PORT",
    ),
    (
        "-b 8000 --unix-socket=s",
        "--unix-socket may not be set if -b is set; -b takes unix:PATH, too",
    ),
    ("--admin=0.0.0.0:9090", "admin: '0.0.0.0:9090' is not loopback; set admin_public to allow"),
    ("--reload=true", "--reload or --no-reload: takes no value, got 'true'"),
    (
        "--threads=many",
        "threads: expected a whole number, bounds such as 4-64, or auto, got 'many' (from --thre",
    ),
    ("-w 0", "processes: expected a whole number or auto, from 1 to 63, got '0' (from -w)"),
    (
        "--max-request-body-size=10M",
        "max_request_body_size: expected a whole number of bytes, got '10M'; units are kB, MB, GB"
        " (powers of 1000) and KiB, MiB, GiB (powers of 1024) (from --max-request-body-size)",
    ),
    (
        "--header-timeout=5min",
        "header_timeout: expected a number of seconds, got '5min'; units are ms, s, m, h and d",
    ),
    (
        "--trusted-proxy-headers=x-forwarded-for",
        "trusted_proxy_headers has no meaning without trusted_proxy",
    ),
    (
        "--unix-socket-perms=999",
        "unix_socket_perms: expected octal digits as a string, got '999' (from --unix-s",
    ),
    (
        "--log-level=loud",
        "log_level: expected one of debug, info, warning, error, critical, got 'loud' (from --log",
    ),
    ("--config=absent.toml", "absent.toml: No such file or directory"),
    ("-c my.toml --no-config", "--config and --no-config exclude each other"),
    ("--chdir=absent", "--chdir: absent: No such file or directory"),
    ("--env=DEBUG", "--env: expected NAME=VALUE, got 'DEBUG'"),
    ("--completion=tcsh", "argument --completion: invalid choice: 'tcsh'"),
]
WORDS: list[tuple[str, str]] = [
    (
        "project:app 8000",
        "one application only, not project:app and 8000; to listen on 8000, write --bind=8000",
    ),
    (
        "run project:app",
        "one application only, not run and project:app; there is no command 'run': write"
        " headwaiter project:app",
    ),
    ("project:app project:make", "one application only, not project:app and project:make\n"),
]
VARIABLES: list[tuple[str, str, str]] = [
    ("PORT", "http", "port: expected a whole number, got 'http' (from PORT)"),
    ("WEB_CONCURRENCY", "many", "processes: expected a whole number or auto, got 'many' (from WEB"),
    ("HEADWAITER_THREADS", "x", "threads: expected a whole number, bounds such as 4-64, or auto"),
    (
        "HEADWAITER_PORT",
        "tcp://10.0.0.1:80",
        "port: expected a whole number, got 'tcp://10.0.0.1:80' (from HEADWAITER_PORT, which"
        " Kubernetes sets for a service of this name; see enableServiceLinks)",
    ),
    ("HEADWAITER_CONFIG", "absent.toml", "absent.toml: No such file or directory"),
]
FILES: list[tuple[str, str, str]] = [
    ("headwaiter.toml", "threads =", "headwaiter.toml: TOML parse error at line 1, column 10"),
    (
        "headwaiter.toml",
        "workers = 2",
        "headwaiter.toml: unknown adjustment 'workers'; did you mean 'processes'?",
    ),
    (
        "headwaiter.toml",
        "max-requests = 2",
        "headwaiter.toml: unknown adjustment 'max-requests'; did you mean 'max_requests'?",
    ),
    (
        "headwaiter.toml",
        "header_timeout = '30sec'",
        "header_timeout: expected a number of seconds, got '30sec'; units are ms, s, m, h and d"
        " (from headwaiter.toml)",
    ),
    (
        "headwaiter.toml",
        "listen = '8000'\nport = 8000",
        "port (in headwaiter.toml) may not be set if listen (in headwaiter.toml) is set; listen",
    ),
    ("headwaiter.toml", "application = 5", "headwaiter.toml: application: expected text, got 5"),
    ("headwaiter.toml", "pythonpath = [5]", "headwaiter.toml: pythonpath: expected text, got [5]"),
    (
        "headwaiter.toml",
        "env = 'A=B'",
        'headwaiter.toml: env: expected a table, such as env = { NAME = "text" }',
    ),
    (
        "headwaiter.toml",
        "env = { DEBUG = true }",
        "headwaiter.toml: env: DEBUG: expected text, got true",
    ),
    ("headwaiter.toml", "chdir = 'absent'", "chdir of {cwd}/headwaiter.toml: absent: No such file"),
    (
        "pyproject.toml",
        "[tool.headwaiter]\nthraeds = 1",
        "pyproject.toml: unknown adjustment 'thraeds'; did you mean 'threads'?",
    ),
    (
        "pyproject.toml",
        "[tool.headwaiter\nthreads = 1",
        "pyproject.toml: TOML parse error at line 1",
    ),
]
Check = Callable[..., None]


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str], project: Path) -> Check:
    def checked(message: str, *arguments: str) -> None:
        status, out, err = run(capsys, "--check-config", *arguments)
        assert (status, out) == (USAGE, "")
        assert err.startswith(f"headwaiter: {message.format(cwd=project)}"), err
        assert err.endswith("\nSee headwaiter --help.\n")
        assert "\n\n" not in err

    return checked


@pytest.mark.parametrize(("arguments", "message"), OPTIONS)
def test_options(check: Check, arguments: str, message: str) -> None:
    check(message, "project:app", *arguments.split(" "))


@pytest.mark.parametrize(("arguments", "message"), WORDS)
def test_words(check: Check, arguments: str, message: str) -> None:
    check(message, *arguments.split(" "))


@pytest.mark.parametrize(("name", "value", "message"), VARIABLES)
def test_variables(
    check: Check, monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    check(message, "project:app")


@pytest.mark.parametrize(("name", "text", "message"), FILES)
def test_files(check: Check, project: Path, name: str, text: str, message: str) -> None:
    (project / name).write_text(text)
    check(message.replace("{ ", "{{ ").replace(" }", " }}"), "project:app")


def test_a_named_pyproject_without_our_table(check: Check, project: Path) -> None:
    (project / "pyproject.toml").write_text("[project]\n")
    check("pyproject.toml: there is no table [tool.headwaiter]", "--config=pyproject.toml")


def test_nothing_to_serve(check: Check) -> None:
    status = cli.run([])
    assert status == USAGE


def test_an_option_of_another_server(check: Check) -> None:
    """The tables of other servers' options are asked before the likeness of names is."""
    check(
        "no such option: --worker-class; it is gunicorn's: use --threads. Every process has",
        *("--worker-class", "gevent"),
    )
    check("no such option: --thraeds; did you mean '--threads'?", "--thraeds=3")
