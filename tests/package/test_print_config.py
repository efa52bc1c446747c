"""``--print-config``: what differs from the defaults, as a file that means the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headwaiter import _headwaiter
from headwaiter._settings import files, flags, saving
from headwaiter._settings.adjustments import Adjustments
from headwaiter._settings.table import ADJUSTMENTS, BY_NAME
from headwaiter._settings.variables import Given

from .command import run


def test_where_each_value_comes_from(
    capsys: pytest.CaptureFixture[str], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "headwaiter.toml").write_text("max_rss = '2GB'\nbacklog = 5\nthreads = 8\n")
    monkeypatch.setenv("HEADWAITER_BACKLOG", "1024")  # the default
    monkeypatch.setenv("HEADWAITER_IDENT", "")
    monkeypatch.setenv("WEB_CONCURRENCY", "3")
    arguments = ["--bind=8000", "-b", "unix:s", "--send-timeout=120", "--no-ipv6", "--env=A=b=c"]
    status, out, err = run(capsys, "--print-config", *arguments, "project:app")
    assert (status, err) == (0, "")
    head, _, body = out.partition("\n\n")
    assert all(line.startswith("#") for line in head.splitlines())
    assert body == "".join(
        f"{line:<27}  # {origin}\n"
        for line, origin in [
            ('application = "project:app"', "argument"),
            ('env = { A = "b=c" }', "--env"),
            ('listen = ["8000", "unix:s"]', "-b"),
            ("ipv6 = false", "--no-ipv6"),
            ('ident = ""', "HEADWAITER_IDENT"),
            ("threads = 8", "headwaiter.toml"),
            ("processes = 3", "WEB_CONCURRENCY"),
            ('max_rss = "2GB"', "headwaiter.toml"),
            ('send_timeout = "2m"', "--send-timeout"),
        ]
    )


def test_nothing_differs(capsys: pytest.CaptureFixture[str], project: Path) -> None:
    status, out, _ = run(capsys, "--print-config", "--threads=4")
    assert status == 0
    assert out.endswith("\n# There is none.\n")


def test_what_dev_sets_is_a_comment(capsys: pytest.CaptureFixture[str], project: Path) -> None:
    _, out, _ = run(capsys, "--print-config", "--dev", "--threads=2")
    lines = {line.partition("  ")[0] for line in out.splitlines()}
    assert {"dev = true", "threads = 2", "# expose_tracebacks = true"} <= lines
    assert "# threads" not in out


def test_wrong_settings_are_no_file(capsys: pytest.CaptureFixture[str], project: Path) -> None:
    assert run(capsys, "--print-config", "--threads=0")[:2] == (2, "")


OTHERS: dict[str, Any] = {
    "host": "127.0.0.1",
    "port": "9",
    "ident": 'a "quoted" \\ \u00e4',
    "trusted_proxy": "10.0.0.0/8,unix",
    "trusted_proxy_headers": "x-forwarded-for x-forwarded-proto",
    "threads": "2-8",
    "processes": "auto",
    "unix_socket_perms": "660",
    "abandoned_requests": "run",
    "drain_delay": "1.25",
    "max_rss": "1000001",
    "spool_limit": "1GB",
    "reload_include": ["*.js", "*.css"],
    "access_log_format": "%(r)s\t\x7f",
}


def test_a_saved_file_means_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given: dict[str, Any] = dict(OTHERS)
    for row in ADJUSTMENTS:
        if row.is_boolean and row.name not in ("ipv4", "ipv6", "reuse_port", "dev", "preload"):
            given[row.name] = str(not row.default)
    before = Adjustments.from_flags(given)
    beginning = {
        "application": Given("a:b", "argument"),
        "env": Given(["A=1", "B.C=x=y", "A=2"], "argument"),
        "pythonpath": Given(["x", "y"], "argument"),
        "chdir": Given("/a b", "argument"),
    }
    (tmp_path / "headwaiter.toml").write_text(
        saving.text(before.given(), before.implied(), beginning), encoding="utf-8"
    )
    file = files.chosen(None)
    after = Adjustments.from_flags({}, file)
    for name in BY_NAME:
        assert getattr(after, name) == getattr(before, name), name
    assert file.beginning == {
        "application": "a:b",
        "env": ["A=2", "B.C=x=y"],
        "pythonpath": ["x", "y"],
        "chdir": "/a b",
    }


def test_every_kind_of_value_is_toml() -> None:
    for row in ADJUSTMENTS:
        if not row.keyword_only and row.default is not None:
            text = f"{row.name} = {saving._value(row, row.default)}"
            value = _headwaiter.load_toml(text)[row.name]
            assert row.cast(value) == row.default


def test_nested_values_are_toml() -> None:
    value = {"a.b": [1, 2.5, True, "x"], "c": {"d": "\u00e4\n", "e": {}}}
    assert _headwaiter.load_toml(f"value = {saving._toml(value)}") == {"value": value}


def test_flags_with_several_names_are_shown_as_they_were_typed() -> None:
    typed = flags.parse(["-t", "3", "--workers=2", "--bind=1", "--thr=4", "x:y"]).typed
    assert typed == {"threads": "--threads", "processes": "--workers", "listen": "--bind"}
