"""Faults that other WSGI servers have, each as a named test.

Nearly all of them are rows of the conformance suite, which this runs by their ids; what the suite
does not ask of every server is a test of its own below.
"""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Iterator

import pytest

from tests.conformance.catalogue import ROWS
from tests.conformance.launchers import LAUNCHERS
from tests.conformance.model import Verdict
from tests.conformance.process import Server
from tests.conformance.runner import CUTS, run_row
from tests.conftest import Serve
from tests.support.process import start_server
from tests.support.target import headwaiter_only

BY_ID = {row.id: row for row in ROWS}
INJECTIONS = tuple(row.id for row in ROWS if row.id.startswith("headers.inject-"))
# The fault, and the rows that show its absence.
FAULTS: dict[str, tuple[str, ...]] = {
    "granian: readline loses the newline": ("input.readline", "input.readline-chunked"),
    "granian: iteration stops after one line": ("input.iterate", "input.iterate-chunked"),
    "granian: read(-1) raises OverflowError": ("input.read-negative",),
    "granian: read(n) then read() loses bytes": ("input.read-some", "input.read-some-chunked"),
    "granian: no write callable": ("start_response.write", "start_response.write-only"),
    "granian, uWSGI: a second start_response is accepted": ("start_response.twice",),
    "granian, fastwsgi: reason phrases are replaced": ("start_response.reason",),
    "granian: CR LF in a value drops the header": ("headers.inject-value-crlf",),
    "granian, bjoern: a body longer than its length is sent": (
        "replies.length-200-GET-short-list",
        "replies.length-200-GET-short-generator",
    ),
    "granian: an exception ends a chunked reply as if complete": (
        "errors.late-later-1.1",
        "errors.late-write-1.1",
    ),
    "granian: no REMOTE_PORT": ("environ.remote-port",),
    "granian: no REQUEST_URI": ("environ.raw-target",),
    "gunicorn, cheroot: a short body keeps the connection": (
        "replies.length-200-GET-long-list",
        "replies.length-200-GET-long-generator",
    ),
    "gunicorn, cheroot: replaced headers are doubled": ("start_response.replace",),
    "cheroot, bjoern, fastwsgi, pyruvate, uWSGI: header injection": INJECTIONS,
    "cheroot: iterating wsgi.input hangs": ("input.iterate-empty", "input.none-given"),
    "cheroot: read(-1) hangs": ("input.read-negative-chunked", "input.read-negative-empty"),
    "bjoern, pyruvate: HEAD gets a body": (
        "replies.length-200-HEAD-none-list",
        "replies.length-200-HEAD-none-generator",
        "persistence.after-head",
    ),
    "bjoern: a POST without a length is misunderstood": ("accepts.post-without-body",),
    "fastwsgi: segmentation fault at the second start_response": ("start_response.twice",),
    "fastwsgi: PATH_INFO is not decoded": ("accepts.percent-encoded",),
    "fastwsgi: REMOTE_ADDR carries a port": ("environ.remote-addr",),
    "fastwsgi: HTTP/1.0 is served as 1.1": (
        "replies.http10-not-chunked",
        "persistence.option-default-1.0",
    ),
    "pyruvate: close is never called": tuple(i for i in BY_ID if i.startswith("errors.close-")),
    "pyruvate: chunked bodies arrive raw": ("accepts.chunked", "input.read-chunked"),
    "pyruvate: the text of a 500 inside a started reply": (
        "errors.late-sized-1.1",
        "errors.late-sized-1.0",
    ),
    "pyruvate: CONTENT_LENGTH is an int": ("environ.native-strings",),
    "pyruvate: no Date": ("headers.date",),
    "uWSGI: an application's error gives an empty reply": ("errors.early-before-ValueError",),
    "uWSGI: Content-Length wins over chunked": ("hardening.te-with-cl",),
    "Waitress: no keep-alive after a chunked reply": ("persistence.after-generator",),
    "Waitress: clients that do not read hold threads": ("clients.never-reading-generator",),
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(LAUNCHERS["headwaiter"], patience=10.0, cuts=CUTS) as running:
        yield running


@pytest.mark.parametrize("fault", FAULTS)
def test_we_do_not_have_it(server: Server, fault: str) -> None:
    assert FAULTS[fault]
    for identity in FAULTS[fault]:
        result = run_row(server, BY_ID[identity])
        assert result.verdict is Verdict.PASSED, f"{identity}: {result.detail}"


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_granian_server_protocol_is_cut_short(serve: Serve, version: str) -> None:
    def app(environ: dict[str, object], start_response: object) -> list[bytes]:
        start_response("200 OK", [])  # type: ignore[operator]
        return [str(environ["SERVER_PROTOCOL"]).encode()]

    assert serve(app).ask(version=version).text == f"HTTP/{version}"


def test_bjoern_ipv4_only(serve: Serve) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")

    def app(environ: dict[str, object], start_response: object) -> list[bytes]:
        start_response("200 OK", [])  # type: ignore[operator]
        return [str(environ["REMOTE_ADDR"]).encode()]

    assert serve(app, listen="[::1]:0").ask().text == "::1"


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@headwaiter_only("it is what Waitress does")
def test_waitress_sigterm_cuts_requests() -> None:
    with start_server("tests.support.apps:sleepy") as running, running.connect() as client:
        client.request("/?seconds=0.5")
        running.wait_for_log("began")
        running.signal(signal.SIGTERM)
        assert client.reply().status == 200
        assert running.wait() == 0
