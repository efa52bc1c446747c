"""Clients that are slow, silent, many or greedy: they must cost the others nothing.

Short variants: every row holds connections open for as long as one plain request takes, and what is
asked is only that this request is answered meanwhile.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.conformance.client import Connection
from tests.conformance.model import Failed, Registry, Skipped, require
from tests.conformance.process import Server

REGISTRY = Registry("clients")
row = REGISTRY.row


@contextmanager
def crowd(server: Server, count: int, sent: bytes = b"") -> Iterator[list[Connection]]:
    """``count`` open connections that have each sent these bytes."""
    deadline = time.monotonic() + 2 * server.patience
    with ExitStack() as stack:
        opened: list[Connection] = []
        for _ in range(count):
            if time.monotonic() > deadline:
                raise Failed(f"after {len(opened)} connections it took no more")
            connection = stack.enter_context(server.connect())
            connection.send(sent)
            opened.append(connection)
        yield opened


def answers(server: Server, while_: str) -> None:
    """A plain request on a new connection is answered."""
    try:
        reply = server.get(f"/seen/{server.tag()}")
    except (Failed, OSError) as error:
        raise Failed(f"with {while_}: {error}") from error
    require(reply.status == 200, f"with {while_}: {reply}")


@row(
    "silent",
    "twelve connections that send nothing keep nobody waiting",
    "gunicorn#3518, gunicorn#3519",
    quick=True,
)
def silent(server: Server) -> None:
    with crowd(server, 12):
        answers(server, "twelve silent connections")


@row(
    "slow-heads",
    "twelve unfinished heads keep nobody waiting",
    "gunicorn#3635; granian#508",
    quick=True,
)
def slow_heads(server: Server) -> None:
    with crowd(server, 12, b"GET /seen/x HTTP/1.1\r\nHost: conf"):
        answers(server, "twelve unfinished heads")


@row(
    "slow-bodies",
    "twelve unfinished bodies keep nobody waiting",
    "waitress: request buffering; granian#718",
    quick=True,
)
def slow_bodies(server: Server) -> None:
    head = b"POST /seen/x HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nten bytes!"
    with crowd(server, 12, head):
        answers(server, "twelve unfinished bodies")


@row(
    "slow-chunked-bodies",
    "twelve unfinished chunked bodies keep nobody waiting",
    "waitress: request buffering",
)
def slow_chunked_bodies(server: Server) -> None:
    head = b"POST /seen/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"
    with crowd(server, 12, head):
        answers(server, "twelve unfinished chunked bodies")


def check_readers(server: Server, target: str) -> None:
    """As many clients as there are workers ask for much and read nothing."""
    if "file" in target and server.get(f"/file/{server.tag()}?real-300000").status == 501:
        raise Skipped("no wsgi.file_wrapper")
    tags = [server.tag() for _ in range(max(server.launcher.threads, 4))]
    with ExitStack() as stack:
        for tag in tags:
            connection = stack.enter_context(server.connect(receive_buffer=8192))
            connection.request(target.replace("TAG", tag))
        for tag in tags[: server.launcher.threads]:
            require(server.wait_for(tag, "call"), "not every reader's request was taken up")
        answers(server, f"{len(tags)} clients that do not read")


for _name, _target, _says in (
    ("generator", "/big/TAG?512-65536-generator", "32 MiB from a generator"),
    ("list", "/big/TAG?32-1048576-list", "32 MiB from a list"),
    ("file", "/file/TAG?sparse", "a file of 32 MiB"),
):
    REGISTRY.add(
        f"never-reading-{_name}",
        f"as many clients as workers ask for {_says} each and read nothing: others are served",
        "waitress#67, waitress#242, waitress#357; gunicorn#344; granian#885",
        lambda server, target=_target: check_readers(server, target),  # type: ignore[misc]
        quick=_name == "generator",
    )


@row("slow-reader-intact", "a client that reads late gets every byte", "waitress#242")
def slow_reader_intact(server: Server) -> None:
    tag = server.tag()
    with server.connect(receive_buffer=8192) as connection:
        connection.request(f"/big/{tag}?96-65536-generator")
        require(server.wait_for(tag, "call"), "the request was not taken up")
        server.ping()
        server.ping()
        body = connection.reply().body
    want = b"".join(bytes([n % 251]) * 65536 for n in range(96))
    require(body == want, f"{len(body)} bytes, not {len(want)}, or they differ")


@row(
    "idle-200",
    "two hundred idle keep-alive connections keep nobody waiting",
    "waitress#301, waitress#181; cheroot#91",
    quick=True,
)
def idle_200(server: Server) -> None:
    with crowd(server, 200):
        answers(server, "two hundred idle connections")


@row(
    "idle-used",
    "connections that were used once and are idle since keep nobody waiting",
    "cheroot#199; cherrypy/cherrypy#1304",
)
def idle_used(server: Server) -> None:
    with crowd(server, 12) as opened:
        for number, connection in enumerate(opened):
            connection.request(f"/seen/{server.tag()}")
            try:
                connection.reply()
            except Failed as failure:
                raise Failed(f"connection {number + 1} while others idle: {failure}") from failure
        answers(server, "twelve used connections")


@row(
    "busy-connections",
    "clients that ask again at once on their connections do not shut out a new one",
    "Puma CVE-2019-16770, CVE-2021-29509",
)
def busy_connections(server: Server) -> None:
    stop = threading.Event()

    def ask_again() -> None:
        while not stop.is_set():
            try:
                with server.connect() as connection:
                    while not stop.is_set():
                        connection.request("/nap/busy?2")
                        if connection.reply().announces_close:
                            break
            except (Failed, OSError):
                if not stop.is_set():
                    return

    threads = [threading.Thread(target=ask_again) for _ in range(3 * server.launcher.threads)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            answers(server, f"{len(threads)} busy connections")
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@row(
    "pipeline-fair",
    "one connection with four hundred pipelined requests does not shut out a new one",
    "waitress#310; cherrypy/cherrypy#1344",
)
def pipeline_fair(server: Server) -> None:
    tag, total = server.tag(), 400
    request = f"GET /nap/{tag}?2 HTTP/1.1\r\nHost: h\r\n\r\n".encode()
    with server.connect() as greedy:
        greedy.send(request * total)
        greedy.reply()
        answers(server, "a long pipeline")
        # The pipeline takes 800 ms at least: whoever serves it first and the rest later is done
        # with it by now.
        done = len(server.noted(tag, "call"))
    require(done < total * 3 // 4, f"the new connection waited for {done} pipelined requests")


@row(
    "half-closed",
    "a client that closes its sending side still gets its reply",
    "RFC 9112 section 9.6; waitress#308",
    quick=True,
)
def half_closed(server: Server) -> None:
    tag = server.tag()
    for body, target in ((b"", f"/nap/{tag}?50"), (b"hello", f"/seen/{tag}")):
        with server.connect() as connection:
            connection.request(target, method="POST" if body else "GET", body=body)
            connection.half_close()
            require(connection.reply().status == 200, "no reply")
            require(connection.closed(), "the other side was not closed")


@row(
    "half-closed-large",
    "a client that closes its sending side gets a large reply whole",
    "RFC 9112 section 9.6",
)
def half_closed_large(server: Server) -> None:
    with server.connect(receive_buffer=16384) as connection:
        connection.request(f"/big/{server.tag()}?96-65536-generator")
        connection.half_close()
        reply = connection.reply()
    require(len(reply.body) == 96 * 65536, f"{reply}")


@row(
    "half-closed-pipeline",
    "requests pipelined before a half-close are all answered",
    "RFC 9112 section 9.6",
)
def half_closed_pipeline(server: Server) -> None:
    tags = [server.tag() for _ in range(5)]
    with server.connect() as connection:
        requests = (f"GET /nap/{tag}?5 HTTP/1.1\r\nHost: h\r\n\r\n" for tag in tags)
        connection.send("".join(requests).encode())
        connection.half_close()
        got = [connection.reply().body.decode() for _ in tags]
    require(got == tags, f"replies {got}")


@row(
    "half-closed-ends",
    "a connection the client has closed on its side ends with its last reply",
    "waitress#418",
    quick=True,
)
def half_closed_ends(server: Server) -> None:
    for number in range(30):
        with server.connect() as connection:
            # The requests and the end of the stream arrive together, or nearly so.
            for _ in range(1 + number % 3):
                connection.request(f"/seen/{server.tag()}")
            connection.half_close()
            for _ in range(1 + number % 3):
                connection.reply()
            require(connection.closed(), f"left open at try {number + 1}")


@row(
    "half-closed-idle",
    "an idle connection the client has closed on its side is closed",
    "waitress#418",
)
def half_closed_idle(server: Server) -> None:
    for used in (False, True):
        with server.connect() as connection:
            if used:
                connection.request(f"/seen/{server.tag()}")
                connection.reply()
            connection.half_close()
            require(connection.closed(), f"left open ({'used' if used else 'new'})")


@row(
    "half-closed-quiet",
    "half-closed and idle connections cost no CPU time",
    "waitress#418; cheroot#378",
)
def half_closed_quiet(server: Server) -> None:
    with crowd(server, 20) as opened:
        for connection in opened[:10]:
            connection.half_close()
        server.ping()
        before = server.cpu_seconds()
        # Half a second in which nothing happens is what is measured here.
        never = threading.Event()
        never.wait(0.5)
        after = server.cpu_seconds()
    if before is not None and after is not None:
        require(after - before <= 0.15, f"{after - before:.2f} s of CPU time in half a second")
