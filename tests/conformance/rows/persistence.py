"""Keep-alive after every kind of reply, pipelining, ``Expect: 100-continue``.

A server may close after any reply, but must then say so in it (RFC 9112 section 9.6): these rows
fail a server that closes without a word, and one that says so and does not.
"""

from __future__ import annotations

from functools import partial

from tests.conformance.client import Connection
from tests.conformance.model import Failed, Registry, require
from tests.conformance.process import Server
from tests.conformance.replies import Reply
from tests.conformance.rows.wire import PROBE, TAG, chunked, cuts, describe, run_cases

REGISTRY = Registry("persistence")
row = REGISTRY.row
RFC = "RFC 9112 section 9.3"


def check_goes_on(server: Server, connection: Connection, reply: Reply) -> None:
    """The connection does what the reply said of it."""
    if reply.announces_close:
        require(connection.closed(), "said it would close and did not")
        require(not connection.parser.leftover, "more bytes after the last reply")
        return
    connection.request(f"/seen/{server.tag()}")
    after = connection.reply_or_none()
    if after is None:
        raise Failed("closed without having said so")
    require(after.status == 200, f"the next request got {after}")


def check_after(server: Server, target: str, method: str, must_reuse: bool) -> None:
    with server.connect() as connection:
        body = b"hello" if method == "POST" else b""
        connection.request(target.replace("TAG", server.tag()), method=method, body=body)
        reply = connection.reply()
        if must_reuse:
            require(not reply.announces_close, f"needlessly closed after {reply}")
        check_goes_on(server, connection, reply)


for _name, _target, _method, _reuse, _says in (
    ("length", "/length/TAG?200-exact-list", "GET", True, "a reply with Content-Length"),
    ("one-part", "/length/TAG?200-none-list", "GET", True, "a list of one part without a length"),
    ("generator", "/kind/TAG?generator", "GET", True, "a generator without a length (chunked)"),
    ("empty", "/kind/TAG?empty-list", "GET", True, "an empty list"),
    ("write", "/write/TAG", "GET", True, "write() without a length"),
    ("head", "/length/TAG?200-exact-empty", "HEAD", True, "HEAD"),
    ("head-no-length", "/kind/TAG?empty-list", "HEAD", True, "HEAD without a length"),
    ("204", "/length/TAG?204-none-empty", "GET", True, "a 204"),
    ("304", "/length/TAG?304-none-empty", "GET", True, "a 304 without a length"),
    ("304-length", "/length/TAG?304-exact-list", "GET", True, "a 304 with a length"),
    ("404", "/no-body/TAG", "GET", True, "a 404 of the application"),
    ("file", "/file/TAG?real-300000", "GET", True, "a file with its length"),
    ("post", "/seen/TAG", "POST", True, "a POST"),
    ("unread", "/input/TAG?none", "POST", False, "a POST whose body was not read"),
    ("500", "/never-start/TAG", "GET", False, "an error of the application"),
    ("late", "/late-start/TAG", "GET", True, "a generator that starts late"),
):
    REGISTRY.add(
        f"after-{_name}",
        f"after {_says} the connection "
        + ("is kept" if _reuse else "is kept, or its end is announced"),
        f"{RFC}; waitress#428; fastwsgi#32",
        partial(check_after, target=_target, method=_method, must_reuse=_reuse),
        quick=_name in ("length", "generator", "304"),
    )


def check_options(server: Server, minor: int, option: str, kept: bool) -> None:
    fields = [f"Connection: {option}"] if option else []
    with server.connect() as connection:
        connection.request(f"/seen/{server.tag()}", *fields, minor=minor)
        reply = connection.reply()
        if kept:
            require(not reply.announces_close, f"not kept: {reply.fields}")
            check_goes_on(server, connection, reply)
            return
        require(connection.closed(), "not closed")
        if reply.minor == 1:
            require(reply.announces_close, f"closed without Connection: close: {reply.fields}")


for _name, _minor, _option, _kept, _says in (
    ("close", 1, "close", False, "the client asks for the end"),
    ("close-list", 1, "x-option, Close", False, "`close` in a list, in another case"),
    ("default-1.0", 0, "", False, "HTTP/1.0 ends with the reply"),
    ("keep-alive-1.0", 0, "keep-alive", True, "HTTP/1.0 with keep-alive and a known length"),
    ("keep-alive-1.0-case", 0, "Keep-Alive", True, "the option in another case"),
    ("default-1.1", 1, "", True, "HTTP/1.1 goes on"),
    ("unknown-option", 1, "x-option", True, "an unknown option changes nothing"),
):
    REGISTRY.add(
        f"option-{_name}",
        f"Connection: {_says}",
        RFC,
        partial(check_options, minor=_minor, option=_option, kept=_kept),
        quick=_name == "close",
    )


@row(
    "close-then-pipelined",
    "what a client sends behind `Connection: close` is not served",
    "RFC 9112 section 9.6",
)
def close_then_pipelined(server: Server) -> None:
    tag = server.tag()
    with server.connect() as connection:
        connection.send(
            f"GET /seen/{tag} HTTP/1.1\r\nHost: conformance\r\nConnection: close\r\n\r\n"
            f"GET /probe/{tag} HTTP/1.1\r\nHost: conformance\r\n\r\n".encode("ascii")
        )
        require(connection.reply().status == 200, "the first request failed")
        require(connection.closed(), "not closed")
    server.ping()
    paths = [event["path"] for event in server.noted(tag, "call")]
    require(f"/probe/{tag}" not in paths, "the request behind it was served")


@row(
    "pipeline-order",
    "pipelined requests are answered in order",
    "RFC 9112 section 9.3.2",
    quick=True,
)
def pipeline_order(server: Server) -> None:
    tags = [server.tag() for _ in range(40)]
    with server.connect() as connection:
        # Every fourth takes longer than the next: order must not depend on who is done first.
        connection.send(
            b"".join(
                f"GET /nap/{tag}?{5 if n % 4 == 0 else 0} HTTP/1.1\r\nHost: h\r\n\r\n".encode()
                for n, tag in enumerate(tags)
            )
        )
        got = []
        for _ in tags:
            reply = connection.reply_or_none()
            if reply is None or not reply.complete:
                break
            got.append(reply.body.decode("ascii"))
            if reply.announces_close:
                break
    require(got == tags[: len(got)] and got, f"replies out of order: {got[:5]}")
    require(len(got) == len(tags), f"{len(got)} of {len(tags)} were answered")


@row(
    "pipeline-bodies",
    "pipelined bodies of both framings stay with their requests",
    "RFC 9112 section 9.3.2",
)
def pipeline_bodies(server: Server) -> None:
    tags = [server.tag() for _ in range(12)]
    with server.connect() as connection:
        for number, tag in enumerate(tags):
            head = f"POST /seen/{tag} HTTP/1.1\r\nHost: h\r\n"
            text = f"body {number}"
            if number % 2:
                framed = f"Transfer-Encoding: chunked\r\n\r\n{len(text):x}\r\n{text}\r\n0\r\n\r\n"
            else:
                framed = f"Content-Length: {len(text)}\r\n\r\n{text}"
            connection.send((head + framed).encode("ascii"))
        for _ in tags:
            connection.reply()
    for number, tag in enumerate(tags):
        bodies = [event["body"] for event in server.noted(tag, "seen")]
        require(bodies == [f"body {number}"], f"request {number} came with {bodies}")


@row(
    "pipeline-cut",
    "two pipelined requests are both served wherever their bytes are cut",
    "RFC 9112 section 9.3.2",
)
def pipeline_cut(server: Server) -> None:
    data = chunked(b"5\r\nhello\r\n0\r\n\r\n", path=b"/seen/" + TAG) + PROBE
    cases = cuts(server, data, len(data))
    tagged = run_cases(server, cases, done=lambda exchange: exchange.parser.complete > 1)
    for tag, exchange in tagged:
        calls = [event["path"] for event in server.noted(tag, "seen")]
        if exchange.problem or calls != [f"/seen/{tag}", f"/probe/{tag}"]:
            raise Failed(f"{exchange.problem or calls}; {describe(exchange)}")


@row(
    "many-requests",
    "a connection serves two hundred requests, each in two pieces",
    RFC,
)
def many_requests(server: Server) -> None:
    with server.connect() as connection:
        for number in range(200):
            head = f"GET /nap/{server.tag()}?0 HTTP/1.1\r\nHost: h\r\n\r\n".encode()
            connection.send(head[: number % len(head)])
            connection.send(head[number % len(head) :])
            reply = connection.reply()
            require(reply.status == 200, f"request {number}: {reply}")
            require(not reply.announces_close, f"closed after {number + 1} requests")


EXPECT = "RFC 9110 section 10.1.1"


@row("continue", "Expect: 100-continue is answered before the body is sent", EXPECT, quick=True)
def continue_(server: Server) -> None:
    tag = server.tag()
    with server.connect() as connection:
        connection.request(
            f"/seen/{tag}", "Expect: 100-continue", "Content-Length: 5", method="POST"
        )
        interim = connection.wait_interim()
        require(interim is not None and interim.status == 100, "no 100 before the body")
        connection.send(b"hello")
        reply = connection.reply()
    require(reply.status == 200 and len(connection.parser.interim) == 1, f"{reply}")
    require([e["body"] for e in server.noted(tag, "seen")] == ["hello"], "the body was not seen")


@row("continue-chunked", "the same for a chunked body", EXPECT)
def continue_chunked(server: Server) -> None:
    with server.connect() as connection:
        connection.request(
            f"/seen/{server.tag()}",
            *("Expect: 100-Continue", "Transfer-Encoding: chunked"),
            method="POST",
        )
        interim = connection.wait_interim()
        require(interim is not None and interim.status == 100, "no 100 before the body")
        connection.send(b"5\r\nhello\r\n0\r\n\r\n")
        require(connection.reply().status == 200, "the request failed")


@row("continue-1.0", "no 100 to an HTTP/1.0 client", EXPECT)
def continue_10(server: Server) -> None:
    with server.connect() as connection:
        connection.request(
            f"/seen/{server.tag()}", "Expect: 100-continue", method="POST", minor=0, body=b"hello"
        )
        require(connection.reply().status == 200, "the request failed")
        require(not connection.parser.interim, "a 100 was sent")


@row("continue-sent", "a body sent without waiting is served all the same", EXPECT)
def continue_sent(server: Server) -> None:
    with server.connect() as connection:
        connection.request(
            f"/seen/{server.tag()}", "Expect: 100-continue", method="POST", body=b"hello"
        )
        reply = connection.reply()
        require(reply.status == 200, f"{reply}")
        require(len(connection.parser.interim) <= 1, "more than one 100")
        check_goes_on(server, connection, reply)


@row("continue-refused", "a request that is refused gets its refusal, not a 100", EXPECT)
def continue_refused(server: Server) -> None:
    with server.connect() as connection:
        connection.request(
            f"/seen/{server.tag()}",
            *("Expect: 100-continue", "Content-Length: 5", "X Bad: v"),
            method="POST",
        )
        reply = connection.reply()
        require(reply.status == 400 and not connection.parser.interim, f"{reply}")


@row("expect-unknown", "another expectation: 417, or ignored", EXPECT)
def expect_unknown(server: Server) -> None:
    reply = server.get(f"/seen/{server.tag()}", "Expect: tea")
    require(reply.status in (200, 417), f"{reply}")
