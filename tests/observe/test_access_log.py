"""The access log: one line per request, whatever its end, and logrotate."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from ..conftest import Serve
from ..support.live import LogCatcher
from ..support.process import start_server
from ..support.wsgi import Environ, StartResponse

COMBINED = re.compile(
    r"127\.0\.0\.1 - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\] "
    r'"(?P<line>[^"]*)" (?P<status>\d+|-) (?P<bytes>\d+|-) "(?P<referer>[^"]*)" "(?P<agent>[^"]*)"'
)


def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
    if environ["PATH_INFO"] == "/fails":
        raise RuntimeError("on purpose")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"0123456789"]


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_combined_lines(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    with serve(app, access_log=str(path)) as server:
        server.ask("/a?b=c", headers=[("Referer", "http://from/"), ("User-Agent", 'x"\\\xe9')])
        server.ask("/fails")
        server.ask("/bad path")
        server.ask("/", method="HEAD")
    matches = [COMBINED.fullmatch(line) for line in lines(path)]
    assert all(matches), lines(path)
    # In the order in which they ended, which between connections is nobody's promise.
    found = {match["line"]: match for match in matches if match}
    assert {line: match["status"] for line, match in found.items()} == {
        "GET /a?b=c HTTP/1.1": "200",
        "GET /fails HTTP/1.1": "500",
        "GET /bad path HTTP/1.1": "400",  # as it came: it is no request line
        "HEAD / HTTP/1.1": "200",
    }
    plain = found["GET /a?b=c HTTP/1.1"]
    assert (plain["bytes"], found["HEAD / HTTP/1.1"]["bytes"]) == ("10", "-")
    assert plain["referer"] == "http://from/"
    assert plain["agent"] == r"x\x22\x5c\xe9"


def test_json_names_the_client_a_trusted_proxy_names(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    settings: dict[str, Any] = {
        "trusted_proxy": "127.0.0.1",
        "trusted_proxy_headers": "x-forwarded-for",
    }
    with serve(app, access_log=str(path), access_log_format="json", **settings) as server:
        server.ask("/", headers=[("X-Forwarded-For", "203.0.113.9")])
        server.ask("/", headers=[("X-Forwarded-For", "nonsense!")])
    good, bad = sorted(map(json.loads, lines(path)), key=lambda line: int(line["status"]))
    assert (good["client"], good["status"], good["end"]) == ("203.0.113.9", 200, "complete")
    assert (bad["status"], bad["end"], bad["reason"]) == (400, "refused", "x-forwarded-for")
    assert good["body_bytes"] == 10
    assert good["total"] >= good["app"] > 0


def test_a_reply_that_is_cut_short_is_the_applications_fault(serve: Serve, tmp_path: Path) -> None:
    def short(environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "10")])
        return [b"abc"]

    path = tmp_path / "access.log"
    server = serve(short, access_log=str(path), access_log_format="json")
    with server, server.connect() as client:
        client.request("/")
        assert client.head().status == 200
        assert client.expect_cut() == b"abc"
    (line,) = map(json.loads, lines(path))
    assert (line["status"], line["end"], line["body_bytes"]) == (200, "app-error", 3)


def test_the_logger_gets_lines(serve: Serve, logs: LogCatcher) -> None:
    server = serve(app, access_log="logger", access_log_format="%(m)s %(U)s %(s)s")
    server.ask("/logged")
    record = logs.wait_for("GET /logged 200")
    assert record.name.endswith(".access")


@pytest.mark.parametrize("text", ["%(nothing)s", "%({etag}o)s", "combind", "%s"])
def test_formats_that_cannot_be_meant_are_refused(serve: Serve, tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match="access_log_format"):
        serve(app, access_log=str(tmp_path / "log"), access_log_format=text)


def test_a_log_that_cannot_be_opened_is_an_error_at_start(serve: Serve, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file") as caught:
        serve(app, access_log=str(tmp_path / "missing" / "access.log"))
    assert "access_log" in str(caught.value)


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="no such signal")
def test_sigusr1_opens_the_file_anew(tmp_path: Path) -> None:
    path, moved = tmp_path / "access.log", tmp_path / "access.log.1"
    with start_server("tests.support.apps:hello", access_log=path) as server:
        server.ask("/before")
        while "/before" not in path.read_text():
            pass
        os.rename(path, moved)
        server.signal(signal.SIGUSR1)
        server.wait_for_log("opened the access log anew")
        server.ask("/after")
    assert "/before" in moved.read_text()
    assert "/after" in path.read_text()
