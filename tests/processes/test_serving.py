"""Several processes that serve an application, through the command line."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.processes.load import Load
from tests.support.http import Client
from tests.support.process import ROOT, ServerProcess, run_cli, start_server
from tests.support.waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="one process there")
APP = "tests.processes.apps:who"
LOADED = "tests.processes.loaded:application"


def start(app: str = APP, processes: int = 2, **settings: Any) -> ServerProcess:
    """A server whose processes are all ready."""
    server = start_server(app, processes=processes, **settings)
    ready_pids(server, processes)
    return server


def ready_pids(server: ServerProcess, count: int) -> list[int]:
    """Wait until ``count`` processes were ready since the start; return their ids."""
    server.wait_for_log(rf"(?s)(pid \d+\) is ready.*){{{count}}}")
    return [int(pid) for pid in re.findall(r"pid (\d+)\) is ready", server.log)]


def who(server: ServerProcess) -> dict[str, Any]:
    """Which process answers a new connection."""
    with server.connect() as client:
        reply = client.ask("/")
    assert reply.status == 200
    found: dict[str, Any] = json.loads(reply.body)
    return found


@contextmanager
def loaded(server: ServerProcess) -> Iterator[None]:
    """Clients that keep a connection, and clients that make new ones, lose nothing meanwhile."""
    with Load(server.address, {"keep_alive": 1, "newcomers": 1}) as load:
        yield
    assert load.failures == []
    assert load.counts["replies"] > 0


def test_start_serve_and_stop() -> None:
    with start() as server:
        pids = ready_pids(server, 2)
        found = who(server)
        assert found["pid"] in pids
        assert found["multiprocess"] is True
        assert found["slot"] in ("0", "1")
        assert server.log.count("Serving on") == 1
        server.stop()
        with pytest.raises(ConnectionRefusedError):
            server.connect()


def test_a_reload_under_load_loses_nothing() -> None:
    with start(LOADED) as server:
        before = ready_pids(server, 2)
        with loaded(server):
            for count in (1, 2, 3):
                server.signal(signal.SIGHUP)
                server.wait_for_log(rf"(?s)(every process is new.*){{{count}}}")
        after = ready_pids(server, 8)[6:]
        assert int(server.ask("/pid").body) in after
        assert not set(before) & set(after)
        server.stop()


def test_more_and_fewer_under_load() -> None:
    with start(LOADED) as server:
        with loaded(server):
            for count in range(3):
                server.signal(signal.SIGTTIN)
                ready_pids(server, 3 + count)
                server.signal(signal.SIGTTOU)
                server.wait_for_log(rf"(?s)(exited with status 0.*){{{count + 1}}}")
        server.stop()


def test_a_killed_process_is_named_with_what_it_was_running(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with start() as server:
        with server.connect() as client:
            victim = json.loads(client.ask("/").body)["pid"]
            client.request(f"/slow?fifo={fifo}")
            gate = os.open(fifo, os.O_WRONLY)  # returns when the request runs
            os.kill(victim, signal.SIGKILL)
            client.expect_cut()
            os.close(gate)
        server.wait_for_log(r"process \d was ended by SIGKILL, running GET /slow.* \(\d+\.\d s\)")
        ready_pids(server, 3)
        assert who(server)["pid"] != victim
        server.stop()


def test_the_children_finish_without_their_parent(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with start() as server, server.connect() as client:
        client.request(f"/?fifo={fifo}")
        gate = os.open(fifo, os.O_WRONLY)
        server.process.kill()
        os.close(gate)
        assert client.reply().status == 200
        server.wait()  # the pipe of standard error ends with the last child
        assert server._ended
        with pytest.raises(ConnectionRefusedError):
            server.connect()


def test_an_application_that_cannot_be_loaded(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("raise RuntimeError('no database')\n", encoding="ascii")
    ended = run_cli("--listen=127.0.0.1:0", "--processes=2", "broken:app", PYTHONPATH=str(tmp_path))
    assert ended.returncode == 1
    assert ended.stderr.count("RuntimeError: no database") == 1
    assert "broken.py" in ended.stderr


def test_an_address_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = run_cli(f"--listen=127.0.0.1:{port}", "--processes=2", APP)
    assert ended.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in ended.stderr


def test_a_reload_of_a_broken_application(tmp_path: Path) -> None:
    module = tmp_path / "site_app.py"
    module.write_text("from tests.processes.apps import who as app\n", encoding="ascii")
    control = tmp_path / "ctl"
    env = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"}
    with start("site_app:app", control=control, env=env) as server:
        before = ready_pids(server, 2)
        module.write_text("import nothing_of_this_name\n", encoding="ascii")
        failed = run_cli("ctl", f"--control={control}", "reload")
        assert failed.returncode == 1
        assert "Traceback" in failed.stderr
        assert "No module named 'nothing_of_this_name'" in failed.stderr
        assert who(server)["pid"] in before
        module.write_text("from tests.processes.apps import who as app\n", encoding="ascii")
        assert run_cli("ctl", f"--control={control}", "reload").returncode == 0
        assert who(server)["pid"] not in before
        server.stop()


def test_recycling_under_load() -> None:
    with start(LOADED, max_requests=20) as server:
        with loaded(server):
            ready_pids(server, 6)
        server.stop()


def test_readiness_ends_before_the_port_closes() -> None:
    with start(processes=1, drain_delay=2, health_path="/health") as server:
        assert server.ask("/health").status == 200
        server.signal(signal.SIGTERM)
        eventually(lambda: server.ask("/health").status == 503, "readiness ends")
        assert who(server)["pid"]
        assert server.wait() == 0


def requests_counted(server: ServerProcess) -> int:
    with Client(server.addresses[1]) as client:
        text = client.ask("/metrics", headers=[("Host", "127.0.0.1")]).text
    found = re.search(r'^headwaiter_requests_total{status="2xx"} (\d+)', text, re.MULTILINE)
    assert found, text
    return int(found[1])


def test_figures_of_all_processes_never_fall() -> None:
    with start(admin="127.0.0.1:0", addresses=2) as server:
        for _ in range(10):
            who(server)
        # A request is counted a moment after its client has the reply.
        eventually(lambda: requests_counted(server) == 10, "ten are counted")
        server.signal(signal.SIGHUP)
        server.wait_for_log("every process is new")
        assert requests_counted(server) == 10
        who(server)
        eventually(lambda: requests_counted(server) == 11, "so is the eleventh")
        server.stop()


def test_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "serving"
    with start(unix_socket=path) as server:
        assert who(server)["multiprocess"] is True
        server.signal(signal.SIGHUP)
        server.wait_for_log("every process is new")
        assert who(server)["multiprocess"] is True
        server.stop()
        assert not path.exists()
