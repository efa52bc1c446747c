"""A server's life in this process: made, run in any thread, stopped from any thread, once."""

from __future__ import annotations

import http.client
import logging
import os
import socket
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import headwaiter
from headwaiter import Server, create_server, paste

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

BOUND = 10.0  # for what happens at once unless something is broken


def hello(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [threading.current_thread().name.encode()]


@contextmanager
def running(application: Any = hello, **adjustments: Any) -> Iterator[Server]:
    """A server that runs in a thread of its own, and has ended when the block is left."""
    if not {"listen", "sockets", "unix_socket"} & set(adjustments):
        adjustments["listen"] = "127.0.0.1:0"
    with create_server(application, **adjustments) as server:
        thread = threading.Thread(target=server.run)
        thread.start()
        yield server
    thread.join(BOUND)
    assert not thread.is_alive()


def get(server: Server, path: str = "/") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(
        server.effective_host, int(server.effective_port), timeout=BOUND
    )
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def refused(server: Server) -> bool:
    address = (server.effective_host, int(server.effective_port))
    try:
        socket.create_connection(address, timeout=BOUND).close()
    except ConnectionRefusedError:
        return True
    return False


def test_serves_on_named_threads_that_stay() -> None:
    with running(threads=2) as server:
        names = {get(server)[1].decode() for _ in range(20)}
    assert names <= {"headwaiter-0", "headwaiter-1"}


def test_addresses_are_the_effective_ones() -> None:
    with create_server(hello, listen="127.0.0.1:0 [::1]:0") as server:
        assert [host for host, _ in server.effective_listen] == ["127.0.0.1", "::1"]
        assert (server.effective_host, server.effective_port) == server.effective_listen[0]
        ports = [port for _, port in server.effective_listen]
        assert all(0 < int(port) < 65536 for port in ports)
        assert server.urls == [f"http://127.0.0.1:{ports[0]}", f"http://[::1]:{ports[1]}"]


def test_print_listen(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "headwaiter")
    with create_server(hello, listen="127.0.0.1:0 [::1]:0") as server:
        server.print_listen("on {}:{}")
    ports = [port for _, port in server.effective_listen]
    assert caplog.messages == [f"on 127.0.0.1:{ports[0]}", f"on [::1]:{ports[1]}"]


def test_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with running(unix_socket=path, unix_socket_perms="660") as server:
        assert server.effective_listen == [("unix", str(path))]
        assert server.urls == [f"unix:{path}"]
        assert path.stat().st_mode & 0o777 == 0o660
    assert not path.exists()


def test_socket_passed_in_is_closed_in_the_end() -> None:
    sock = socket.create_server(("127.0.0.1", 0))
    port = str(sock.getsockname()[1])
    with running(sockets=[sock]) as server:
        assert server.effective_port == port
        assert sock.getsockname()[1] == int(port)
        assert get(server)[0] == 200
    assert sock.fileno() == -1
    assert refused(server)


def test_closed_before_it_ran() -> None:
    server = create_server(hello, listen="127.0.0.1:0")
    server.close()
    assert refused(server)
    server.run()  # returns at once
    server.close()


def test_runs_once() -> None:
    with running() as server:
        get(server)
        with pytest.raises(RuntimeError, match="run already"):
            server.run()


def test_close_returns_when_the_running_request_is_answered() -> None:
    entered, leave = threading.Event(), threading.Event()

    def slow(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        entered.set()
        assert leave.wait(BOUND)
        return hello(environ, start_response)

    replies: list[tuple[int, bytes]] = []
    with running(slow) as server:
        client = threading.Thread(target=lambda: replies.append(get(server)))
        client.start()
        assert entered.wait(BOUND)
        closer = threading.Thread(target=server.close)
        closer.start()
        closer.join(0.05)
        assert closer.is_alive()
        leave.set()
        closer.join(BOUND)
        assert not closer.is_alive()
        client.join(BOUND)
    assert replies[0][0] == 200
    assert server.unfinished == 0
    assert refused(server)


def test_closed_by_the_application_itself() -> None:
    def closing(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        server.close()
        return hello(environ, start_response)

    with running(closing) as server:
        assert get(server)[0] == 200
        assert server._ended.wait(BOUND)


def test_abort_cuts_the_client_although_the_worker_is_stuck() -> None:
    entered, leave = threading.Event(), threading.Event()

    def stuck(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        entered.set()
        leave.wait()
        return hello(environ, start_response)

    with running(stuck) as server:
        address = (server.effective_host, int(server.effective_port))
        with socket.create_connection(address, timeout=BOUND) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert entered.wait(BOUND)
            try:
                server.abort()
                assert server._ended.wait(BOUND)
                assert server.unfinished == 1
                with suppress(ConnectionResetError):
                    assert client.recv(1) == b""
            finally:
                leave.set()
    for worker in server._workers.threads:
        worker.join(BOUND)
        assert not worker.is_alive()


def test_stats_are_plain_numbers() -> None:
    with running() as server:
        get(server)
        assert server.stats()


def test_cycles_leave_nothing_behind() -> None:
    def cycle() -> None:
        with running() as server:
            get(server)

    cycle()
    threads, descriptors = threading.active_count(), len(os.listdir("/proc/self/fd"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(20):
            cycle()
    assert threading.active_count() == threads
    assert len(os.listdir("/proc/self/fd")) == descriptors


@pytest.mark.parametrize(
    ("application", "error"), [(None, ValueError), (5, TypeError), ("m:o", TypeError)]
)
def test_not_an_application(application: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        create_server(application, listen="127.0.0.1:0")


def test_address_in_use_leaves_no_socket_behind() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        before = len(os.listdir("/proc/self/fd"))
        with pytest.raises(OSError, match="in use") as caught:
            create_server(hello, listen=f"127.0.0.1:0 127.0.0.1:{port}")
        assert len(os.listdir("/proc/self/fd")) == before
        assert caught.value.filename == f"127.0.0.1:{port}"


def test_paste_protocols(monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[Any] = []
    monkeypatch.setattr(paste, "serve", lambda app, **settings: served.append((app, settings)))
    assert paste.server_runner(hello, {"here": "/"}, threads="8") == 0
    paste.server_factory({"here": "/"}, threads="8")(hello)
    assert served == [(hello, {"threads": "8"})] * 2


def test_public_names() -> None:
    assert set(headwaiter.__all__) <= set(dir(headwaiter))


def test_a_server_ends_when_no_worker_could_begin_and_not_before() -> None:
    aborted: list[bool] = []
    with create_server(hello, listen="127.0.0.1:0", threads=2) as server:
        workers = server._workers
        workers._fail(RuntimeError("the first"), lambda: aborted.append(True))
        assert (workers.failure, aborted) == (None, [])
        workers._fail(RuntimeError("the last"), lambda: aborted.append(True))
        assert "the last" in str(workers.failure)
        assert aborted == [True]
