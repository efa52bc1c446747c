"""What the command line says of itself: the two helps and the manual page."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from headwaiter._settings import help as helps
from headwaiter._settings import manual
from headwaiter._settings.flags import make_parser, parse

from .command import run

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "python/headwaiter.data/data/share/man/man1/headwaiter.1"


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_the_short_help_fits_a_terminal(capsys: pytest.CaptureFixture[str], flag: str) -> None:
    status, out, _ = run(capsys, flag)
    lines = out.splitlines()
    assert (status, out) == (0, helps.short())
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 80


def test_the_short_help_names_fifteen_options_that_exist() -> None:
    named = re.findall(r"^  (?:-\w, )?(--[a-z-]+)", helps.short(), re.MULTILINE)
    assert len(named) == sum(map(len, helps.USUAL.values())) == 15
    assert set(named) <= set(make_parser()._option_string_actions)


def test_examples_are_command_lines() -> None:
    for command in helps.EXAMPLES:
        assert parse(command.split()[1:]).application.startswith("mysite")


def test_the_whole_help_has_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "--help-all")
    assert status == 0
    assert max(map(len, out.splitlines())) <= 80
    heads = re.findall(r"^  (-.*)$", out, re.MULTILINE)
    heads = [head.replace("[no-]", mark) for mark in ("", "no-") for head in heads]
    shown = {flag for head in heads for flag in re.findall(r"(?<!\S)-{1,2}[a-z][a-z0-9-]*", head)}
    assert shown == set(make_parser()._option_string_actions) - {"--daemon"}
    for word in ("HEADWAITER_THREADS", "headwaiter top", "64KiB", "3 requests"):
        assert word in out
    assert "](" not in out


def test_the_manual_page_is_made_from_the_table() -> None:
    assert PAGE.read_text(encoding="utf-8") == manual.page(), (
        f"run: python -m headwaiter._settings.manual > {PAGE.relative_to(ROOT)}"
    )


def test_the_manual_page_has_every_option() -> None:
    text = manual.page().replace("\\-", "-")
    for flag in set(make_parser()._option_string_actions) - {"--daemon"}:
        assert f"\\fB{flag}\\fR" in text
    for name in ("HEADWAITER_AS_WAITRESS", "WEB_CONCURRENCY", "headwaiter.toml", "EXIT STATUS"):
        assert name in text


def test_lines_of_the_manual_page_are_no_commands_by_mistake() -> None:
    assert manual._text(".env and -x") == "\\&.env and \\-x"
    assert manual._text("'x' \\") == "\\&'x' \\e"


def test_the_manual_page_is_clean_roff() -> None:
    groff = shutil.which("groff")
    if groff is None:
        pytest.skip("no groff here")
    command = [groff, "-man", "-Tascii", "-ww"]
    done = subprocess.run(
        command, input=manual.page(), capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr == ""
    plain = re.sub("(\x1b\\[[0-9;]*m|.\x08)", "", done.stdout)
    assert "--max-request-body-size BYTES" in plain
    assert "headwaiter - serve a WSGI application" in plain
