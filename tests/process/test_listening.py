"""Where a server can listen, and what it says when it cannot."""

from __future__ import annotations

import os
import re
import shutil
import socket
import stat
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Serve
from tests.support.apps import hello
from tests.support.http import TIMEOUT, Client
from tests.support.live import LiveServer, create
from tests.support.process import ROOT, flags, run_cli, start_server
from tests.support.target import IS_WAITRESS, headwaiter_only
from tests.support.wsgi import Environ, StartResponse

APP = "tests.support.apps:hello"
unix_only = pytest.mark.skipif(sys.platform == "win32", reason="Unix sockets")


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")


@needs_ipv6
def test_ipv6(serve: Serve) -> None:
    seen: list[Environ] = []

    def app(environ: Environ, start_response: StartResponse) -> Any:
        seen.append(dict(environ))
        return hello(environ, start_response)

    server = serve(app, listen="[::1]:0")
    assert server.ask().body == b"hello"
    assert seen[0]["REMOTE_ADDR"] == "::1"
    assert seen[0]["SERVER_PORT"] == str(server.address[1])


def test_several_addresses(serve: Serve) -> None:
    server = serve(hello, listen="127.0.0.1:0 127.0.0.2:0 127.0.0.1:0")
    assert len(server.addresses) == 3
    assert len(set(server.addresses)) == 3
    for address in server.addresses:
        with Client(address) as client:
            assert client.ask().body == b"hello"


@needs_ipv6
@headwaiter_only("a name with port 0 gets one port per family and is not compared here")
def test_a_name_stands_for_all_its_addresses(serve: Serve) -> None:
    server = serve(hello, listen="localhost:0")
    for address in server.addresses:
        with Client(address) as client:
            assert client.ask().body == b"hello"


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Names and the addresses that they stand for, until the test is over."""
    known: dict[str, list[str]] = {}
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *more: Any) -> Any:
        return [info for name in known.get(host, [host]) for info in resolve(name, *more)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return known


ABSENT = ["192.0.2.1", "2001:db8::1"]  # for documentation only: no machine has them


@headwaiter_only("it binds every address or fails")
@pytest.mark.parametrize("absent", ABSENT)
def test_a_name_with_an_address_that_this_machine_lacks(
    serve: Serve, names: dict[str, list[str]], absent: str
) -> None:
    """A host name that stands for a gateway's address, too, or ``localhost`` without IPv6."""
    names["somewhere"] = [absent, "127.0.0.1"]
    server = serve(hello, listen="somewhere:0", admin="127.0.0.1:0")
    assert [host for host, _ in server.server.effective_listen] == ["127.0.0.1"]
    assert server.ask().body == b"hello"


@headwaiter_only("it has no admin endpoint")
def test_the_admin_endpoint_on_such_a_name(serve: Serve, names: dict[str, list[str]]) -> None:
    names["somewhere"] = [ABSENT[0], "127.0.0.1"]
    server = serve(hello, admin="somewhere:0", admin_public=True)
    assert [host for host, _ in server.server.admin_listen] == ["127.0.0.1"]


@pytest.mark.parametrize("addresses", [ABSENT[:1], ABSENT])
def test_a_name_without_any_address_that_this_machine_has(
    names: dict[str, list[str]], addresses: list[str]
) -> None:
    names["elsewhere"] = addresses
    with pytest.raises(OSError, match=r"(?i)cannot assign"):
        create(hello, listen="elsewhere:0")


def test_an_address_in_use_is_not_left_out(names: dict[str, list[str]]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        names["somewhere"] = ["127.0.0.2", "127.0.0.1"]
        with pytest.raises(OSError, match=r"(?i)in use"):
            create(hello, listen=f"somewhere:{port}")


@pytest.mark.skipif(sys.platform != "linux", reason="namespaces of Linux")
@headwaiter_only("it binds every address or fails")
def test_localhost_without_ipv6(tmp_path: Path) -> None:
    """The real thing: a network of its own, in which IPv6 is off."""
    hosts = tmp_path / "hosts"
    hosts.write_text("::1 localhost\n127.0.0.1 localhost\n")
    without_ipv6 = (
        f"set -e; mount --bind {hosts} /etc/hosts; ip link set lo up;"
        " echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6"
    )
    command = [sys.executable, "-m", "headwaiter", "--check-config", "--listen=localhost:80", APP]
    argv = ["unshare", "-mn", "sh", "-c", f'{without_ipv6}; exec "$@"', "sh"]
    if shutil.which("unshare") is None or run(*argv, "true").returncode:
        pytest.skip("may not make namespaces")
    done = run(*argv, *command)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^listen +127\.0\.0\.1:80 ", done.stdout, re.MULTILINE), done.stdout


def run(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )


def test_listen_repeated_on_the_command_line() -> None:
    with start_server(APP, listen=["127.0.0.1:0", "127.0.0.1:0"], addresses=2) as server:
        assert len(set(server.addresses)) == 2
        for address in server.addresses:
            with Client(address) as client:
                assert client.ask().body == b"hello"


def test_host_and_port(serve: Serve) -> None:
    server = serve(hello, host="127.0.0.1", port=0)
    assert server.ask().body == b"hello"


@pytest.mark.parametrize("listening", [False, True], ids=["bound", "listening"])
def test_a_socket_passed_in(serve: Serve, listening: bool) -> None:
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    if listening:
        sock.listen()
    port = sock.getsockname()[1]
    server = serve(hello, sockets=[sock])
    assert int(server.server.effective_port) == port
    with Client(("127.0.0.1", port)) as client:
        assert client.ask().body == b"hello"


def test_several_sockets_passed_in(serve: Serve) -> None:
    socks = [socket.socket(), socket.socket()]
    for sock in socks:
        sock.bind(("127.0.0.1", 0))
    addresses = [sock.getsockname() for sock in socks]
    serve(hello, sockets=socks)
    for address in addresses:
        with Client(address) as client:
            assert client.ask().body == b"hello"


def test_port_in_use() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=r"(?i)in use"):
            create(hello, listen=f"127.0.0.1:{port}")


@headwaiter_only("a traceback")
def test_port_in_use_on_the_command_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run_cli(f"--listen=127.0.0.1:{port}", APP)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert str(port) in done.stderr


@headwaiter_only("the first socket stays open")
def test_all_addresses_or_none() -> None:
    """The second of two addresses fails: nothing of the first is left."""
    with socket.socket() as free, socket.socket() as taken:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{port} 127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OSError, match=r"(?i)in use"):
            create(hello, listen=listen)
        with socket.socket() as again:
            again.bind(("127.0.0.1", port))


def test_a_port_can_be_taken_again_at_once() -> None:
    """Connections in TIME_WAIT do not stand in the way of a restart."""
    port = 0
    for _ in range(3):
        with LiveServer(hello, listen=f"127.0.0.1:{port}") as server:
            port = int(server.server.effective_port)
            assert server.ask(headers=[("Connection", "close")]).body == b"hello"


@unix_only
class TestUnixSocket:
    """Rows of the section on Unix sockets, each with a path of its own."""

    def test_serves(self, serve: Serve, tmp_path: Path) -> None:
        seen: list[Environ] = []

        def app(environ: Environ, start_response: StartResponse) -> Any:
            seen.append(dict(environ))
            return hello(environ, start_response)

        server = serve(app, unix_socket=str(tmp_path / "s"))
        assert server.ask().body == b"hello"
        assert type(seen[0]["REMOTE_ADDR"]) is str
        assert seen[0]["SERVER_NAME"]
        assert type(seen[0]["SERVER_PORT"]) is str

    @pytest.mark.parametrize("perms", ["600", "660", "777"])
    def test_permissions(self, serve: Serve, tmp_path: Path, perms: str) -> None:
        path = tmp_path / "s"
        serve(hello, unix_socket=str(path), unix_socket_perms=perms)
        assert stat.S_IMODE(path.stat().st_mode) == int(perms, 8)

    def test_permissions_by_default(self, serve: Serve, tmp_path: Path) -> None:
        serve(hello, unix_socket=str(tmp_path / "s"))
        assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o600

    def test_a_stale_file_is_replaced(self, serve: Serve, tmp_path: Path) -> None:
        path = tmp_path / "s"
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(path))
        assert path.exists()
        assert serve(hello, unix_socket=str(path)).ask().body == b"hello"

    @headwaiter_only("it takes the address away from the running server")
    def test_a_live_one_is_refused(self, serve: Serve, tmp_path: Path) -> None:
        path = tmp_path / "s"
        server = serve(hello, unix_socket=str(path))
        with pytest.raises(OSError, match=r"(?i)in use"):
            create(hello, unix_socket=str(path))
        assert server.ask().body == b"hello"

    @headwaiter_only("it takes the address away from whoever has it")
    @pytest.mark.parametrize("kind", ["datagram", "full", "stuck"])
    def test_only_a_refusal_makes_a_file_stale(self, tmp_path: Path, kind: str) -> None:
        """The socket of another type, and of a server that accepts nobody, belong to somebody."""
        path = tmp_path / "s"
        type_ = socket.SOCK_DGRAM if kind == "datagram" else socket.SOCK_STREAM
        with ExitStack() as stack:
            owner = stack.enter_context(socket.socket(socket.AF_UNIX, type_))
            owner.bind(str(path))
            if kind != "datagram":
                owner.listen(0)
            if kind == "full":
                for _ in range(3):
                    waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
                    waiting.setblocking(False)
                    waiting.connect_ex(str(path))
            inode = path.stat().st_ino
            with pytest.raises(OSError, match=r"(?i)in use"):
                create(hello, unix_socket=str(path))
            assert path.stat().st_ino == inode

    def test_a_file_that_is_no_socket_is_left_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "s"
        path.write_text("precious")
        with pytest.raises(OSError, match=r"."):
            create(hello, unix_socket=str(path))
        assert path.read_text() == "precious"

    @headwaiter_only("the file stays")
    def test_it_is_removed_in_the_end(self, tmp_path: Path) -> None:
        path = tmp_path / "s"
        with LiveServer(hello, unix_socket=str(path)) as server:
            assert server.ask().body == b"hello"
        assert not path.exists()

    @headwaiter_only("the file stays")
    def test_another_ones_is_not_removed(self, tmp_path: Path) -> None:
        """The path was taken over by a newer server meanwhile."""
        path = tmp_path / "s"
        with LiveServer(hello, unix_socket=str(path)):
            path.unlink()
            with socket.socket(socket.AF_UNIX) as newer:
                newer.bind(str(path))
        assert path.exists()

    @headwaiter_only("no handler for SIGTERM")
    def test_on_the_command_line(self, tmp_path: Path) -> None:
        path = tmp_path / "s"
        with start_server(APP, unix_socket=str(path)) as server:
            assert server.address == str(path)
            assert server.ask().body == b"hello"
            server.stop()
        assert not path.exists()

    def test_a_path_that_is_too_long(self, tmp_path: Path) -> None:
        with pytest.raises((OSError, ValueError)):
            create(hello, unix_socket=str(tmp_path / ("x" * 200)))

    def test_a_folder_that_does_not_exist(self, tmp_path: Path) -> None:
        with pytest.raises(OSError, match=r"."):
            create(hello, unix_socket=str(tmp_path / "no" / "s"))


@unix_only
@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="needs another user")
@headwaiter_only("a traceback")
def test_no_permission_is_one_message(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o700)
    program = (
        "import os, runpy, sys; os.setuid(65534); sys.argv = sys.argv[1:];"
        " runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"
    )
    argv = [sys.executable, "-c", program, "headwaiter"]
    done = subprocess.run(
        [*argv, *flags({"unix_socket": str(folder / "s")}), APP],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    if "No module named" in done.stderr or "can't open" in done.stderr:
        pytest.skip("the other user cannot read this interpreter")
    assert done.returncode == 1
    assert "ermission denied" in done.stderr
    assert "Traceback" not in done.stderr


def test_effective_addresses(serve: Serve) -> None:
    server = serve(hello, listen="127.0.0.1:0")
    assert server.server.effective_host == "127.0.0.1"
    port = server.server.effective_port
    assert 0 < int(port) < 65536
    if not IS_WAITRESS:
        assert len(server.server.effective_listen) == 1
