"""The admin endpoint in front of a real interpreter."""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Callable

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.parser import text_string_to_metric_families as plain_families

from ..conftest import Serve
from ..support.http import Client
from ..support.live import LiveServer
from ..support.process import ROOT, start_server
from ..support.waiting import eventually
from ..support.wsgi import Environ, StartResponse

ADMIN = "127.0.0.1:0"
LOCAL = [("Host", "localhost")]


def hello(_environ: Environ, start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]


def admin(server: LiveServer, path: str, fields: list[tuple[str, str]] | None = None) -> Any:
    host, port = server.server.admin_listen[0]
    with Client((host, int(port))) as client:
        return client.ask(path, headers=LOCAL + (fields or []))


def counted(server: LiveServer, requests: int) -> None:
    """Waits for the figures: a client may have its reply before whoever sent it has counted it."""

    def enough() -> bool:
        ends: dict[str, int] = server.server.stats()["totals"]["ends"]
        return sum(ends.values()) >= requests

    eventually(enough, f"{requests} requests are counted")


OPENMETRICS = [("Accept", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5")]


def families(text: bytes) -> dict[str, Any]:
    parse: Callable[[str], Iterable[Any]] = text_string_to_metric_families
    return {family.name: family for family in parse(text.decode())}


def test_metrics_parse_and_are_those_that_the_page_documents(serve: Serve) -> None:
    server = serve(hello, admin=ADMIN)
    server.ask("/")
    server.ask("/bad path")
    counted(server, 2)
    reply = admin(server, "/metrics", OPENMETRICS)
    assert reply.header("content-type").startswith("application/openmetrics-text")
    found = families(reply.body)
    page = (ROOT / "docs" / "metrics.md").read_text()
    alone, _, _ = page.partition("With [several processes]")
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", alone, re.MULTILINE)
    # The parser takes the unit for a part of the name, as the page does.
    assert {(name, family.type) for name, family in found.items()} == set(rows)

    def value(name: str, **labels: str) -> float:
        samples: list[Any] = found[name.removesuffix("_total").removesuffix("_count")].samples
        matching = (s for s in samples if s.name == name and s.labels.items() >= labels.items())
        return float(next(matching).value)

    assert value("headwaiter_requests_total", status="2xx") == 1
    assert value("headwaiter_request_ends_total", end="refused") == 1
    assert value("headwaiter_request_phase_seconds_count", phase="app") == 1
    assert value("headwaiter_request_seconds_count") == 2


def test_metrics_are_plain_text_for_who_does_not_ask_for_openmetrics(serve: Serve) -> None:
    server = serve(hello, admin=ADMIN)
    server.ask("/")
    counted(server, 1)
    reply = admin(server, "/metrics")
    assert reply.header("content-type") == "text/plain; version=0.0.4; charset=utf-8"
    parse: Callable[[str], Iterable[Any]] = plain_families
    found = {family.name: family for family in parse(reply.body.decode())}
    assert found["headwaiter_requests"].type == "counter"
    assert {s.name for s in found["headwaiter_requests"].samples} == {"headwaiter_requests_total"}
    other = families(admin(server, "/metrics", OPENMETRICS).body)
    assert len(found) == len(other)


def test_stats_are_what_status_json_shows(serve: Serve) -> None:
    server = serve(hello, admin=ADMIN)
    for _ in range(3):
        server.ask("/")
    counted(server, 3)
    shown = json.loads(admin(server, "/status.json").body)
    stats = server.server.stats()
    assert stats["totals"]["requests"] == shown["totals"]["requests"]
    assert shown["totals"]["ends"]["complete"] == 3
    assert stats.keys() == shown.keys()
    assert shown["server"]["listening"] == [f"http://{server.address[0]}:{server.address[1]}"]
    assert shown["server"]["application"] == f"{__name__}:hello"


def test_of_no_requests_there_are_no_quantiles(serve: Serve) -> None:
    server = serve(hello, admin=ADMIN)
    shown = json.loads(admin(server, "/status.json").body)["quantiles"]
    assert {value for phase in shown.values() for value in phase.values()} == {None}


def test_stats_work_without_an_admin_endpoint(serve: Serve) -> None:
    server = serve(hello)
    server.ask("/")
    counted(server, 1)
    assert server.server.stats()["totals"]["requests"]["2xx"] == 1
    assert server.server.admin_listen == []


def test_stacks_show_where_a_worker_is(serve: Serve) -> None:
    inside, leave = threading.Event(), threading.Event()

    def waits_in_this_function(_environ: Environ, start_response: StartResponse) -> list[bytes]:
        inside.set()
        leave.wait(20)
        return hello({}, start_response)

    server = serve(waits_in_this_function, admin=ADMIN, threads=2)
    eventually(lambda: server.server.stats()["now"]["workers"] == 2, "both workers are there")
    asking = threading.Thread(target=server.ask)
    asking.start()
    assert inside.wait(20)
    stacks = admin(server, "/stacks").body.decode()
    leave.set()
    asking.join()
    busy = stacks.split("\n\n")[0] if "idle" not in stacks.splitlines()[0] else stacks
    assert "waits_in_this_function" in busy
    assert stacks.count(": idle") == 1


@pytest.mark.skipif(
    not getattr(sys, "_is_gil_enabled", lambda: True)(), reason="there is no GIL to hold"
)
def test_it_answers_while_the_gil_is_held(tmp_path: Path) -> None:
    with (
        start_server("tests.observe.apps:holding", addresses=2, admin=ADMIN) as server,
        Client(server.addresses[0]) as holder,
        Client(server.addresses[1]) as watcher,
    ):
        holder.request("/hold")
        deadline, stacks = time.monotonic() + 20, ""
        while "could not be had" not in stacks:  # until then the application has not begun
            stacks = watcher.ask("/stacks", headers=LOCAL).body.decode()
            assert time.monotonic() < deadline
        assert "GET /hold for" in stacks
        took = []
        for path in ["/metrics", "/live", "/requests", "/status.json"] * 5:
            began = time.monotonic()
            assert watcher.ask(path, headers=LOCAL).status == 200
            took.append(time.monotonic() - began)
        # The GIL is held for five seconds.
        assert max(took) < 1, took
        status = json.loads(watcher.ask("/status.json", headers=LOCAL).body)
        assert status["now"]["gil_probe"] > 0.1
        assert holder.reply().status == 200


@pytest.mark.parametrize("where", ["0.0.0.0:9090", "[::]:9090"])
def test_others_than_this_machine_are_kept_out(serve: Serve, where: str) -> None:
    with pytest.raises(ValueError, match="admin_public"):
        serve(hello, admin=where)


@pytest.mark.parametrize("where", ["localhost", "127.0.0.1", "nonsense"])
def test_an_address_needs_a_port(serve: Serve, where: str) -> None:
    with pytest.raises(ValueError, match="admin: expected HOST:PORT"):
        serve(hello, admin=where)


def test_what_clients_sent_is_shown_escaped_and_in_part(serve: Serve) -> None:
    began, over = threading.Event(), threading.Event()

    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        began.set()
        assert over.wait(30)
        return hello(environ, start_response)

    server = serve(app, admin=ADMIN, threads=1)
    target = "/<b>\"'\\" + "x" * 100_000
    with server.connect() as first, server.connect() as second:
        first.request(target)
        assert began.wait(30)
        second.request(target)
        eventually(lambda: server.server.stats()["now"]["queue_depth"] == 1, "one waits")
        pages = ["/requests", "/status.json", "/stacks", "/metrics", "/advice", "/profile"]
        bodies = {page: admin(server, page).body for page in pages}
        over.set()
        assert first.reply().status == second.reply().status == 200
    for page, body in bodies.items():
        assert not re.search(rb"[^ -~\n]", body), page
        assert len(body) < 50_000, page
    requests = json.loads(bodies["/requests"])
    for (request,) in (requests["running"], requests["waiting"]):
        assert request["path"].startswith("/<b>\\\"\\'\\\\xxx")
        assert len(request["path"]) < 300


def test_it_only_shows(serve: Serve) -> None:
    host, port = serve(hello, admin=ADMIN).server.admin_listen[0]
    with Client((host, int(port))) as client:
        reply = client.ask("/metrics", method="DELETE", headers=LOCAL)
        assert (reply.status, reply.header("Allow")) == (405, "GET, HEAD")


def test_silent_connections_make_room(serve: Serve) -> None:
    server = serve(hello, admin=ADMIN)
    host, port = server.server.admin_listen[0]
    silent = [Client((host, int(port))) for _ in range(70)]
    for _ in range(5):
        assert admin(server, "/live").body == b"ok\n"
    for client in silent:
        client.close()


def test_a_unix_socket(serve: Serve, tmp_path: Path) -> None:
    path = str(tmp_path / "admin.sock")
    server = serve(hello, admin=path)
    assert server.server.admin_listen == [("unix", path)]
    with Client(path) as client:
        assert client.ask("/live").body == b"ok\n"
