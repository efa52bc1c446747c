"""Memory stays bounded by settings, not by what clients send or applications return."""

from __future__ import annotations

import contextlib
import platform
import sysconfig
from pathlib import Path
from typing import Any, Callable

import pytest

from tests.process import tight_app
from tests.support import procfs
from tests.support.apps import BLOCK
from tests.support.http import Client
from tests.support.process import ServerProcess, start_server
from tests.support.target import headwaiter_only
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.skipif(not procfs.AVAILABLE, reason="reads /proc"),
    headwaiter_only("its buffers are in Python and follow other bounds"),
]
MIB = 1 << 20
BOUND = 64 * MIB
APP = "tests.support.apps:bulk"
TIGHT = "tests.process.tight_app:app"
IS_FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
# glibc keeps freed blocks of megabytes for the thread that had them, unless it is told from which
# size on to have them from the kernel: what stays then is the server's.
FREED_AT_ONCE = {"MALLOC_MMAP_THRESHOLD_": "131072"}


def upload(client: Client, size: int, chunked: bool = False) -> None:
    """Sends ``size`` bytes in blocks of 1 MiB and checks that the application counted them."""
    block = bytes(MIB)
    if chunked:
        client.request("/", "POST", [("Transfer-Encoding", "chunked")])
        for _ in range(size // MIB):
            client.send(b"%x\r\n%s\r\n" % (MIB, block))
        client.send(b"0\r\n\r\n")
    else:
        client.request("/", "POST", [("Content-Length", str(size))])
        for _ in range(size // MIB):
            client.send(block)
    assert client.reply().body == str(size).encode()


def download(client: Client, target: str, size: int) -> None:
    """Reads ``size`` bytes without keeping them."""
    client.request(target)
    assert client.head().header("Content-Length") == str(size)
    for _ in range(size // MIB):
        assert len(client.receive(MIB)) == MIB


def growth(server: ServerProcess, before: int) -> int:
    return procfs.peak_rss(server.pid) - before


def warm(server: ServerProcess) -> int:
    """Resident memory after one request, from where growth is counted."""
    server.ask()
    procfs.reset_peak(server.pid)
    return procfs.rss(server.pid)


@pytest.mark.slow
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_an_upload_of_200_mib(chunked: bool) -> None:
    with start_server(APP) as server, server.connect() as client:
        before = warm(server)
        upload(client, 200 * MIB, chunked)
        assert growth(server, before) < BOUND


@pytest.mark.slow
def test_names_of_headers_that_nobody_will_send_again() -> None:
    with start_server("tests.support.apps:hello", threads=1) as server, server.connect() as client:
        before = warm(server)
        for number in range(400):
            assert client.ask(headers=[(f"X-{number}-" + "x" * 250_000, "")]).status == 200
        assert growth(server, before) < BOUND


@pytest.mark.slow
def test_a_reply_without_an_end_keeps_nothing_of_what_was_sent() -> None:
    """Each of its pieces is another object, and its worker takes no other task."""
    with start_server("tests.faults.apps:forking") as server, server.connect() as client:
        before = warm(server)
        client.request("/stream")
        assert client.head().status == 200
        for _ in range(300):
            client.receive(MIB)
        assert growth(server, before) < BOUND
        server.kill()


@pytest.mark.slow
def test_a_download_of_200_mib() -> None:
    with start_server(APP) as server, server.connect() as client:
        before = warm(server)
        download(client, "/stream?mib=200", 200 * MIB)
        assert growth(server, before) < BOUND


@pytest.mark.slow
def test_a_file_of_1_gib(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(1024 * MIB)
    with start_server(APP) as server, server.connect() as client:
        before = warm(server)
        download(client, f"/file?path={path}", 1024 * MIB)
        assert growth(server, before) < BOUND


@pytest.mark.slow
def test_a_high_overflow_is_not_memory_up_front() -> None:
    """``inbuf_overflow`` says how much of a body may stay in memory, not what each one costs."""
    with start_server(APP, inbuf_overflow=256 * MIB) as server:
        before = warm(server)
        for _ in range(20):
            with server.connect() as client:
                upload(client, 2 * MIB)
        assert growth(server, before) < BOUND


@pytest.mark.slow
def test_memory_after_many_bodies_is_that_after_few() -> None:
    """Bodies of all sizes over kept connections leave nothing behind."""
    with start_server(APP, env=FREED_AT_ONCE) as server, server.connect() as client:

        def mixture() -> None:
            for mib in (1, 3, 10, 1, 20):
                upload(client, mib * MIB)
                download(client, f"/stream?mib={mib}", mib * MIB)

        for _ in range(2):
            mixture()
        before = procfs.rss(server.pid)
        for _ in range(6):
            mixture()
        assert procfs.rss(server.pid) - before < 4 * MIB


def unfinished_uploads(server: ServerProcess) -> None:
    """300 clients that have sent half of an upload."""
    for _ in range(300):
        client = server.connect()
        client.request("/", "POST", [("Content-Length", str(400_000))])
        client.send(bytes(200_000))


def long_heads(server: ServerProcess) -> None:
    """200 clients that have sent most of a head of 250 kB."""
    for _ in range(200):
        server.connect().send(b"GET / HTTP/1.1\r\nX: " + b"x" * 250_000)


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="what others keep is theirs to say")
@pytest.mark.parametrize("burst", [unfinished_uploads, long_heads])
def test_memory_comes_back_after_a_burst(burst: Callable[[ServerProcess], None]) -> None:
    """Some ten seconds after it, though no request wakes the server."""
    with start_server(APP) as server:
        for _ in range(8):
            server.ask()
        before = procfs.rss(server.pid)
        burst(server)
        eventually(lambda: procfs.rss(server.pid) > before + 30 * MIB, "the burst takes memory")
        server.disconnect()
        bound = before + before // 10 + 2 * MIB
        eventually(lambda: procfs.rss(server.pid) <= bound, "its memory is back", timeout=60)


def test_whole_replies_that_nobody_reads() -> None:
    """Each is an object of its own: beyond ``outbuf_total`` they are on disk; no worker waits."""
    with start_server(APP, threads=4, outbuf_total=16 * MIB, env=FREED_AT_ONCE) as server:
        before = warm(server)
        readers = [server.connect(receive_buffer=1 << 16) for _ in range(16)]
        for reader in readers:
            reader.request("/whole?mib=16")
            assert reader.head().status == 200
        assert server.ask().body == b"hello"
        # What four views have just made is theirs until a worker lets go of it. Without the GIL,
        # Python's allocator (mimalloc) keeps freed blocks for the thread that had them. In memory
        # all would be 256 MiB.
        most = 3 * BOUND if IS_FREE_THREADED else BOUND
        assert procfs.rss(server.pid) - before < max(most, 2 * BOUND)
        eventually(lambda: procfs.rss(server.pid) - before < most, "most is on disk")
        for reader in readers[::15]:
            for _ in range(16 * 16):
                assert reader.receive(len(BLOCK)) == BLOCK
        server.disconnect()


def test_temporary_files_are_gone_after_the_reply(tmp_path: Path) -> None:
    with start_server(APP, inbuf_overflow=1000, outbuf_overflow=1000, spool_dir=tmp_path) as server:
        with server.connect() as client:
            upload(client, 4 * MIB)
            download(client, "/stream?mib=4", 4 * MIB)
            assert client.ask().body == b"hello"
            held = [name for name in procfs.descriptors(server.pid) if str(tmp_path) in name]
            assert held == []
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "status"),
    [
        ({}, 200),
        ({"spool_memory": 0}, 503),
        ({"inbuf_overflow": 1000}, 503),
        ({"inbuf_overflow": 1000, "spool_memory": 8 * MIB}, 200),
    ],
    ids=["default", "none", "an exact inbuf_overflow", "both"],
)
def test_bodies_use_spool_memory_before_the_disk(settings: dict[str, Any], status: int) -> None:
    """There is no disk here: an upload that needs some is refused."""
    with start_server(APP, spool_limit=1, **settings) as server, server.connect() as client:
        client.request("/", "POST", [("Content-Length", str(4 * MIB))])
        with contextlib.suppress(OSError):  # refused before all is sent
            client.send(bytes(4 * MIB))
        assert client.reply().status == status


def start_tight(**settings: Any) -> ServerProcess:
    """A server whose allocator reserves nothing: else that would be what the limit leaves."""
    return start_server(TIGHT, env={"MALLOC_ARENA_MAX": "1"}, **settings)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "target", "size"),
    [
        ("bytearray", "/list", tight_app.LARGE),
        ("memoryview", "/list", tight_app.LARGE),
        ("gaps", "/list", tight_app.LARGE),
        ("bytearray", "/stream", tight_app.LARGE),
        ("bytes", "/short", tight_app.LARGE - MIB),
    ],
)
def test_a_buffer_that_is_larger_than_what_memory_is_left(
    kind: str, target: str, size: int
) -> None:
    with start_tight() as server, server.connect() as client:
        assert server.ask(f"/limit?{kind}").status == 200
        download(client, target, size)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "target"),
    [
        ("rows", "/list"),
        ("small pieces", "/pieces"),
        ("text", "/list"),
        ("str", "/header"),
        ("text", "/header"),
        ("latin-1", "/header"),
        ("text", "/status"),
        ("text", "/raise"),
    ],
)
def test_a_reply_for_which_there_is_no_memory(kind: str, target: str) -> None:
    """What an application returns costs its own reply, never the process."""
    with start_tight(expose_tracebacks=True) as server:
        assert server.ask(f"/limit?{kind.replace(' ', '+')}").status == 200
        assert server.ask(target).status == 500
        assert server.ask("/hello").body == b"hello"


@pytest.mark.slow
@pytest.mark.parametrize("method", ["read", "readline", "readlines", "__next__"])
def test_a_request_body_for_which_there_is_no_memory(method: str) -> None:
    """The body goes to disk whatever ``inbuf_overflow`` allows; reading it whole fails."""
    with start_tight(inbuf_overflow=1 << 30, max_request_body_size=1 << 30) as server:
        assert server.ask("/limit?nothing").status == 200
        for target, status in (("/count", 200), (f"/input/{method}", 500)):
            with server.connect() as client:
                client.request(target, "POST", [("Content-Length", str(tight_app.LARGE))])
                for _ in range(tight_app.LARGE // MIB):
                    client.send(bytes(MIB))
                reply = client.reply()
                assert reply.status == status
                if status == 200:
                    assert reply.body == str(tight_app.LARGE).encode()
        assert server.ask("/hello").body == b"hello"


@pytest.mark.slow
def test_a_request_head_for_which_there_is_no_memory() -> None:
    """Whether it ends or not."""
    with start_tight(max_request_header_size=tight_app.LARGE) as server:
        assert server.ask("/limit?nothing").status == 200
        for refused, mib in enumerate((40, 100), 1):
            with server.connect() as client:
                with contextlib.suppress(OSError):  # refused before all is sent
                    client.send(b"GET /hello HTTP/1.1\r\nHost: a\r\nX: ")
                    for _ in range(mib):
                        client.send(b"x" * MIB)
                    client.send(b"\r\n\r\n")
                client.expect_cut()
            server.wait_for_log(rf"(?s)(\(internal\).*?){{{refused}}}")
        assert server.ask("/hello").body == b"hello"
