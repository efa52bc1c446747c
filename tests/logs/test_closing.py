"""The last line: how long the server ran, and what became of the requests."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from headwaiter._process.closing import Counts, Tally, line
from tests.support.process import ServerProcess, environment, start_server
from tests.support.target import headwaiter_only
from tests.support.waiting import eventually

pytestmark = headwaiter_only("it says nothing at its end")
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
APP = "tests.logs.apps:app"
LINE = r"INFO headwaiter: stopped after [\d.]+ s: {}\n"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0.0 s"),
        (0.449, "0.4 s"),
        (9.94, "9.9 s"),
        (10, "10 s"),
        (59.4, "59 s"),
        (59.9, "1 min 0 s"),
        (725, "12 min 5 s"),
        (3600, "1 h 0 min"),
        (7385, "2 h 3 min"),
        (86399.7, "1 d 0 h"),
        (1e6, "11 d 13 h"),
    ],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert line(seconds, Counts()) == f"stopped after {words}: 0 requests, 0 errors, 0 cut"


@pytest.mark.parametrize(
    ("counts", "missing", "words"),
    [
        (Counts(18231, 3, 0), 0, "18,231 requests, 3 errors, 0 cut"),
        (Counts(1, 1, 1), 0, "1 request, 1 error, 1 cut"),
        (Counts(0, 0, 2), 1, "0 requests, 0 errors, 2 cut; without the counts of 1 process"),
        (Counts(), 1000, "cut; without the counts of 1,000 processes that died"),
    ],
)
def test_numbers_in_words(counts: Counts, missing: int, words: str) -> None:
    assert words in line(1, counts, missing)


def told(**figures: dict[str, int]) -> str:
    return json.dumps({"figures": figures, "what a later version adds": 1})


def test_a_tally_adds_up_and_outlives_the_program() -> None:
    tally = Tally()
    tally.hear(told(ends={"complete": 7, "cut": 2}, statuses={"2xx": 6, "5xx": 1}))
    tally.hear(told(ends={"cut": 3}, rules={"shutdown-timeout": 1, "header-timeout": 2}))
    tally.hear(told())
    tally.missing += 1
    assert tally.counts == Counts(12, 1, 1)
    after = Tally(json.loads(json.dumps({**tally.state(), "what an earlier version knew": 1})))
    assert (after.counts, after.missing) == (Counts(12, 1, 1), 1)
    assert Tally({}).counts == Counts()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"figures": []}', '{"figures": {"ends": [1]}}'])
def test_a_tally_takes_no_nonsense(text: str) -> None:
    tally = Tally()
    with pytest.raises(ValueError):  # noqa: PT011 - whatever the decoder says
        tally.hear(text)
    assert tally.counts == Counts()


def serve(folder: Path, **settings: Any) -> ServerProcess:
    return start_server(APP, env={"TESTED_FILE": str(folder / "running")}, **settings)


@POSIX
@pytest.mark.parametrize("processes", [1, 2])
def test_what_became_of_the_requests(processes: int, tmp_path: Path) -> None:
    with serve(tmp_path, processes=processes) as server:
        statuses = [server.ask(f"/{path}").status for path in ("", "", "missing", "fail", "teapot")]
        assert statuses == [200, 200, 404, 500, 503]
        server.stop()
        server.wait_for_log(LINE.format("5 requests, 2 errors, 0 cut"))
        assert server.log.count("stopped after") == 1


@POSIX
@pytest.mark.parametrize("processes", [1, 2])
def test_what_was_cut(processes: int, tmp_path: Path) -> None:
    with serve(tmp_path, processes=processes, shutdown_timeout=0.1) as server:
        with server.connect() as client:
            client.request("/wait")
            eventually((tmp_path / "running").exists, "the request runs")
            server.stop(expect=3)
        server.wait_for_log(LINE.format("1 request, 0 errors, 1 cut"))


@POSIX
def test_a_process_that_was_replaced_counts_and_one_that_was_killed_is_missed(
    tmp_path: Path,
) -> None:
    with serve(tmp_path, processes=2) as server:
        server.wait_for_log(r"(?s)is ready.*is ready")
        assert server.ask("/").status == 200
        server.signal(signal.SIGHUP)
        server.wait_for_log("every process is new")
        with server.connect() as client:
            client.request("/kill")
            server.wait_for_log("was ended by SIGKILL")
        server.wait_for_log(r"(?s)(\(pid \d+\) is ready.*){5}")
        assert server.ask("/").status == 200
        server.stop()
        counts = "2 requests, 0 errors, 0 cut; without the counts of 1 process that died"
        server.wait_for_log(LINE.format(counts))


@POSIX
def test_an_upgrade_goes_on_counting(tmp_path: Path) -> None:
    with serve(tmp_path, processes=2, max_requests=10_000) as server:
        server.wait_for_log(r"(?s)is ready.*is ready")
        assert server.ask("/").status == 200
        server.signal(signal.SIGHUP)  # the process that has answered tells its parent
        server.wait_for_log("every process is new")
        assert server.ask("/").status == 200  # and this one the next version
        server.signal(signal.SIGUSR2)
        server.wait_for_log("(?s)every process is new.*every process is new")
        assert server.ask("/fail").status == 500
        server.stop()
        server.wait_for_log(LINE.format("3 requests, 1 error, 0 cut"))


@POSIX
def test_a_server_that_did_not_start_says_nothing(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "headwaiter", "--listen=127.0.0.1:0", "--processes=2", "absent:a"]
    with ServerProcess(argv, environment(), tmp_path, ()) as server:
        assert server.wait() == 1
    assert "stopped after" not in server.log
