"""Where to listen: every form of an address, what it stands for, and servers that use them."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headwaiter import Adjustments, create_server
from headwaiter._settings import addresses
from headwaiter._settings.addresses import Descriptor, Tcp, Unix
from tests.support.http import Client
from tests.support.process import start_server

UNIX = pytest.mark.skipif(sys.platform == "win32", reason="no Unix sockets there")

FORMS: list[tuple[str, addresses.Address]] = [
    ("8000", Tcp("", "8000")),
    (":8000", Tcp("", "8000")),
    (":http", Tcp("", "http")),
    ("127.0.0.1:8000", Tcp("127.0.0.1", "8000")),
    ("localhost", Tcp("localhost", "8080")),
    ("[::1]:8000", Tcp("::1", "8000")),
    ("[::1]", Tcp("::1", "8080")),
    ("::1:80", Tcp("::1", "80")),  # as Waitress
    ("*:8000", Tcp("*", "8000")),
    ("unix:/run/x", Unix("/run/x")),
    ("unix:///run/x", Unix("/run/x")),
    ("unix:x", Unix("x")),
    ("fd://3", Descriptor(3)),
]
MISTAKES = [
    ("http://localhost:8000/", "this is a URL; write localhost:8000"),
    ("http://", "this is a URL; write HOST:PORT"),
    ("/run/x", "this is a path; write unix:/run/x"),
    ("unix:", "the path is missing; write unix:/run/site.sock"),
    ("fd://", "the number of the descriptor is missing; write fd://3"),
    ("fd://x", "the number of the descriptor is missing; write fd://3"),
    (":", "the port is missing"),
    ("99999", "port out of range"),
]


@pytest.mark.parametrize(("text", "expected"), FORMS)
def test_forms(text: str, expected: addresses.Address) -> None:
    assert addresses.parse(text) == expected


@pytest.mark.parametrize(("text", "message"), MISTAKES)
def test_mistakes(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^cannot listen on '{text}': .*{message}$"):
        Adjustments(listen=text)


def test_what_looks_like_an_address() -> None:
    words = ["8000", ":80", "a.b:80", "[::1]:80", "unix:x", "fd://3", "pkg:app", "pkg", "a2:b3"]
    assert [*filter(addresses.looks_like_address, words)] == words[:6]


def test_a_port_alone_is_one_of_every_ipv4_address() -> None:
    assert Adjustments(listen="8433").listeners() == [("inet", "0.0.0.0", 8433)]
    assert Adjustments(listen=["8000 :8001"]).listeners() == [
        ("inet", "0.0.0.0", 8000),
        ("inet", "0.0.0.0", 8001),
    ]


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_a_port_alone_without_ipv4() -> None:
    assert Adjustments(listen="8000", ipv4=False).listeners() == [("inet6", "::", 8000, 0, 0)]


@UNIX
def test_all_forms_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = Adjustments(listen="127.0.0.1:1 unix:s unix:s fd://3 127.0.0.1:1 fd://3")
    assert found.listeners() == [("inet", "127.0.0.1", 1), ("unix", f"{tmp_path}/s"), ("fd", 3)]


def test_host_and_port_are_no_forms_of_listen() -> None:
    with pytest.raises(ValueError, match="cannot listen on 'unix:x:8080'"):
        Adjustments(host="unix:x")


@UNIX
def test_reuse_port_is_for_tcp_alone() -> None:
    for other in ("unix:/run/x", "fd://3"):
        with pytest.raises(ValueError, match=r"^reuse_port: only for TCP addresses"):
            Adjustments(listen=f"127.0.0.1:0 {other}", reuse_port=True)


@pytest.mark.parametrize("text", ["9090", ":9090", "127.0.0.1:9090"])
@pytest.mark.parametrize("public", [False, True])
def test_a_port_alone_is_one_of_the_loopback_for_admin(text: str, public: bool) -> None:
    settings = Adjustments(admin=text, admin_public=public).engine_settings("headwaiter")
    assert settings["admin"] == [("inet", "127.0.0.1", 9090)]


@UNIX
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("unix:/run/x", ("unix", "/run/x")),
        ("unix:x", ("unix", "{cwd}/./x")),
        ("/run/x", ("unix", "/run/x")),
        ("./x", ("unix", "{cwd}/./x")),
        ("fd://4", ("fd", 4)),
    ],
)
def test_other_forms_of_admin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, expected: tuple[str, Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    kind, where = expected
    where = where.format(cwd=tmp_path) if isinstance(where, str) else where
    settings = Adjustments(admin=text).engine_settings("headwaiter")
    assert settings["admin"] == [(kind, where)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nowhere", "expected HOST:PORT or a path with a slash, got 'nowhere'"),
        ("http://127.0.0.1:9090", "this is a URL; write 127.0.0.1:9090"),
        ("unix:", "expected an address or a path"),
        ("0.0.0.0:9090", "is not loopback; set admin_public to allow that"),
        ("127.0.0.1:99999", "port out of range"),
    ],
)
def test_mistakes_of_admin(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=rf"^admin: .*{message}"):
        Adjustments(admin=text)


@contextlib.contextmanager
def passed(*hosts: str) -> Iterator[list[int]]:
    """Descriptors of bound sockets, as a program inherits them."""
    numbers = []
    for host in hosts:
        with socket.create_server((host, 0)) as sock:
            numbers.append(sock.detach())
    try:
        yield numbers
    finally:
        for number in numbers:
            with contextlib.suppress(OSError):
                os.close(number)


@UNIX
def test_a_descriptor_is_closed_once_the_server_has_its_duplicate() -> None:
    with passed("127.0.0.1") as (number,):
        server = create_server(lambda _environ, _start: [], listen=f"fd://{number}")
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(number)
        os.dup2(0, number)  # somebody else's file has the number now
        server.adj.close_descriptors()
        os.fstat(number)
        address = (server.effective_host, int(server.effective_port))
        running = threading.Thread(target=server.run)
        running.start()
        socket.create_connection(address).close()
        server.close()
        running.join()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)


@UNIX
def test_descriptors_that_are_no_sockets(tmp_path: Path) -> None:
    def application(_environ: Any, _start: Any) -> list[bytes]:
        return []

    with pytest.raises(ValueError, match=r"^listen: fd://9999: Bad file descriptor; who starts"):
        create_server(application, listen="fd://9999")
    number = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(ValueError, match=rf"^listen: fd://{number}: .*non-socket"):
        create_server(application, listen=f"fd://{number}")
    os.close(number)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram:
        number = datagram.fileno()
        with pytest.raises(ValueError, match=rf"^listen: fd://{number}: only .* stream sockets"):
            create_server(application, listen=f"fd://{number}")
    with passed("0.0.0.0") as (number,), pytest.raises(ValueError, match="is not loopback"):
        create_server(application, listen="127.0.0.1:0", admin=f"fd://{number}")


def held(pid: int, number: int) -> int:
    """How many descriptors the process has of the socket that is ``number`` here."""
    folder = f"/proc/{pid}/fd"
    found = [os.readlink(os.path.join(folder, name)) for name in os.listdir(folder)]
    return found.count(f"socket:[{os.fstat(number).st_ino}]")


@UNIX
@pytest.mark.parametrize("processes", [1, 2])
def test_a_server_on_all_kinds_of_addresses(tmp_path: Path, processes: int) -> None:
    with passed("127.0.0.1", "127.0.0.1") as (serving, admin):
        listen = ["127.0.0.1:0", f"unix:{tmp_path / 'socket'}", f"fd://{serving}"]
        with start_server(
            listen=listen,
            admin=f"fd://{admin}",
            processes=processes,
            addresses=4,
            pass_fds=(serving, admin),
        ) as server:
            for address in server.addresses[:3]:
                with Client(address) as client:
                    assert client.ask("/").status == 200
            with Client(server.addresses[3]) as client:
                assert client.ask("/live", headers=[("Host", "127.0.0.1")]).status == 200
            assert server.addresses[1] == str(tmp_path / "socket")
            if sys.platform == "linux":
                # A second descriptor would keep the port open while the server drains.
                assert [held(server.pid, number) for number in (serving, admin)] == [1, 1]
            server.stop()
        assert not (tmp_path / "socket").exists()


@UNIX
def test_a_reload_goes_on_with_the_inherited_socket() -> None:
    """In the new processes its number belongs to something else."""
    with contextlib.ExitStack() as stack:
        (number,) = stack.enter_context(passed("127.0.0.1"))
        given: dict[str, Any] = {"listen": f"fd://{number}", "max_requests": 1000}
        server = stack.enter_context(start_server(pass_fds=(number,), **given))
        first = server.ask("/").status
        server.signal(signal.SIGHUP)
        server.wait_for_log("every process is new")
        server.disconnect()
        assert (first, server.ask("/").status) == (200, 200)
        server.stop()
