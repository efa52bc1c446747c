"""``headwaiter migrate`` as a command: its output, its files, its exit statuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from headwaiter import _headwaiter, cli
from headwaiter._migrate import gunicorn, toml_text
from headwaiter._migrate.plan import Plan
from tests.support.process import environment

OUTPUT = """\
# Made by: headwaiter migrate 'gunicorn -w 2 -k gthread --threads 8 app:app'
#
# Save it as headwaiter.toml in the directory of the start.
#
# Start it by:
#
#     headwaiter
#
# What differs:
# - REMOTE_ADDR is the client's address if the proxy sends X-Forwarded-For; it was the proxy's.
#   ProxyFix and SECURE_PROXY_SSL_HEADER work as before. For two proxies in a row set
#   trusted_proxy_count = 2

# from app:app
application = "app:app"

# gunicorn's default; take the line out where the platform sets PORT
listen = "127.0.0.1:8000"

# from --threads 8
threads = 8

# from -w 2
processes = 2

# gunicorn trusts these peers by default, headwaiter trusts nobody
trusted_proxy = "127.0.0.1, ::1"

# headers that the proxy sets itself; add x-forwarded-host and x-forwarded-port only if it does,
# because otherwise clients can
trusted_proxy_headers = "x-forwarded-for x-forwarded-proto"
"""


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = cli.run(["migrate", *arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_the_file_goes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    line = "gunicorn -w 2 -k gthread --threads 8 app:app"
    assert run(capsys, line) == (0, OUTPUT, "")
    status, out, _ = run(capsys, *line.split())
    assert (status, out) == (0, OUTPUT.replace("'", "", 2))


def test_what_is_not_translated_is_told_twice(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "gunicorn --certfile x --statsd-host h:1 app:app")
    assert status == 1
    assert err.splitlines() == [
        "headwaiter migrate: not translated: --certfile x: headwaiter has no TLS: let a proxy such"
        " as nginx or Caddy end it, and trust the proxy.",
        "headwaiter migrate: not translated: --statsd-host h:1: Metrics are for Prometheus, at"
        " admin; a StatsD bridge can read them there.",
    ]
    assert "# Decide or do this first:\n# - --certfile x: " in out
    assert 'application = "app:app"\n' in out


@pytest.mark.parametrize("before", [True, False])
def test_a_file_is_written_and_kept(capsys: pytest.CaptureFixture[str], before: bool) -> None:
    Path("gunicorn.conf.py").write_text("wsgi_app = 'a:b'\nthreads = 2\n")
    to = ["-o", "x.toml"]

    def arguments(*more: str) -> list[str]:
        return [*to, *more, "gunicorn.conf.py"] if before else ["gunicorn.conf.py", *to, *more]

    said = "x.toml is written. Start: headwaiter --config x.toml\n"
    assert run(capsys, *arguments()) == (0, said, "")
    assert _headwaiter.load_toml(Path("x.toml").read_text())["threads"] == 2
    Path("gunicorn.conf.py").write_text("wsgi_app = 'a:b'\nthreads = 3\n")
    status, out, err = run(capsys, *arguments())
    assert (status, out) == (2, "")
    assert err == "headwaiter migrate: x.toml: File exists; --force overwrites it\n"
    assert _headwaiter.load_toml(Path("x.toml").read_text())["threads"] == 2
    assert run(capsys, *arguments("--force")) == (0, said, "")
    assert _headwaiter.load_toml(Path("x.toml").read_text())["threads"] == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name a file or a command line to translate"),
        (("gone.conf.py",), "gone.conf.py: No such file or directory"),
        (("-o", "no/x.toml", "gunicorn a:b"), "no/x.toml: No such file or directory"),
    ],
)
def test_wrong_usage(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    assert run(capsys, *arguments) == (2, "", f"headwaiter migrate: {message}\n")


def test_an_unknown_option_of_ours(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.run(["migrate", "--nonsense", "x"])
    assert caught.value.code == 2
    assert "headwaiter migrate: error: " in capsys.readouterr().err


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.run(["migrate", "--help"])
    assert caught.value.code == 0
    assert "SOURCE is a file or a command" in capsys.readouterr().out


TEXTS = ["", 'a"b', "a\\b", "a\nb", "\x00\x1f\x7f", "é ☃ 😀", "a # b", "'''", '"""', "\ud800"]


@pytest.mark.parametrize("text", TEXTS)
def test_any_text_is_a_value_and_a_comment(text: str) -> None:
    plan = Plan(gunicorn.SERVER, "x")
    plan.set("ident", "x", None, text)
    plan.set("env.X", text)
    plan.need(text, text)
    plan.differ(text)
    document = _headwaiter.load_toml(toml_text.text(plan, text, None))
    assert document == {"ident": "x", "env": {"X": text.replace("\ud800", "?")}}


def test_values() -> None:
    assert toml_text.value(True) == "true"
    assert toml_text.value(2.5) == "2.5"
    assert toml_text.value(["a", 1]) == '["a", 1]'


def test_a_start_does_not_import_it() -> None:
    code = "import sys, headwaiter.cli as c; c.run(['--version']); print(sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True
    )
    assert "'headwaiter.cli'" in done.stdout
    assert "_migrate" not in done.stdout
