"""Paths among the settings hold from the start on, wherever the application goes meanwhile."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from headwaiter import ADJUSTMENTS, Adjustments
from headwaiter._settings import casts as kinds
from headwaiter.adjustments import Adjustment
from tests.support.http import Client
from tests.support.process import start_server
from tests.support.target import headwaiter_only
from tests.support.waiting import eventually

PATHS = [
    row for row in ADJUSTMENTS if row.kind in (kinds.OPTIONAL_PATH, kinds.ACCESS_LOG, kinds.ADMIN)
]
APP = """
import os

os.chdir(os.environ["ELSEWHERE"])


def app(environ, start_response):
    os.chdir(os.environ["ELSEWHERE"])
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Length", str(len(str(len(body)))))])
    return [str(len(body)).encode()]
"""


@pytest.mark.parametrize("row", PATHS, ids=lambda row: row.name)
def test_every_path_is_absolute(
    row: Adjustment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "some").mkdir()
    monkeypatch.chdir(tmp_path)
    given: dict[str, Any] = {row.name: "some/../some/"}
    adjustments = Adjustments(**given)
    assert getattr(adjustments, row.name) == f"{tmp_path}/some/../some/"


@pytest.mark.parametrize("word", ["-", "logger"])
def test_words_are_no_paths(word: str) -> None:
    assert Adjustments(access_log=word).access_log == word


def test_a_socket_whose_address_would_become_too_long_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.chdir(deep)
    assert Adjustments(unix_socket="s").listeners() == [("unix", "s")]


def test_a_directory_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(ValueError, match=r"^access_log: 'a[.]log' is relative"):
        Adjustments(access_log="a.log")
    assert Adjustments(access_log="/a.log").access_log == "/a.log"


@headwaiter_only("it has none of these but the socket, which it leaves behind")
def test_an_application_that_changes_the_directory_moves_nothing(tmp_path: Path) -> None:
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    (here / "spool").mkdir(parents=True)
    elsewhere.mkdir()
    (here / "moving.py").write_text(APP)
    with start_server(
        "moving:app",
        cwd=here,
        env={"ELSEWHERE": str(elsewhere)},
        addresses=2,
        spool_dir="spool",
        inbuf_overflow=0,
        access_log="access.log",
        unix_socket="served",
        admin="./shown",
    ) as server:
        for at in ("served", "shown"):
            assert (here / at).is_socket()
        server.addresses[:] = [str(here / "served")]
        # It goes to a temporary file, whose directory must be found.
        assert server.ask("/", "POST", body=bytes(100_000)).body == b"100000"
        log, old = here / "access.log", here / "access.log.1"
        eventually(lambda: log.stat().st_size > 0, "a line in the log")
        log.rename(old)
        server.signal(signal.SIGUSR1)
        eventually(log.exists, "the log is opened anew")
        with Client(str(here / "shown")) as client:
            assert client.ask("/live").status == 200
    left = set(os.listdir(here)) - {"__pycache__"}
    assert left == {"access.log", "access.log.1", "moving.py", "spool"}
    assert os.listdir(elsewhere) == []
