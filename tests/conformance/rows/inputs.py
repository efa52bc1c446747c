"""``wsgi.input``, by every method and with every size PEP 3333 names."""

from __future__ import annotations

import hashlib
import json
from functools import partial
from typing import Any

from tests.conformance.model import Failed, Registry, require
from tests.conformance.process import Server

REGISTRY = Registry("input")
PEP = "PEP 3333, Input and Error Streams"
BODY = b"first\nsecond\n\nlast"

# reader of app/inputs.py: what it must return for BODY, the sentence, where it was got wrong.
READS: dict[str, tuple[Any, str, str]] = {
    "read": ([BODY], "read() returns the whole body", PEP),
    "read-twice": ([BODY, b""], "read() at the end returns b'' at once", PEP),
    "read-negative": ([BODY], "read(-1) is read()", "io.RawIOBase.read; granian, cheroot"),
    "read-zero": ([b"", BODY], "read(0) takes nothing", PEP),
    "read-some": ([b"firs", BODY[4:]], "read(n) then read() loses nothing", f"{PEP}; granian"),
    "read-beyond": ([BODY, b""], "read(n) ends at the end of the body", PEP),
    "readline": (
        [b"first\n", b"second\n", b"\n", b"last", b""],
        "readline() keeps the newline and goes on to the next line",
        f"{PEP}; granian",
    ),
    "readline-size": (
        [b"fi", b"rst\n", b"", b"second\n\nlast"],
        "readline(size) stops at the size or the newline",
        "PEP 3333, differences from PEP 333",
    ),
    "readlines": ([[b"first\n", b"second\n", b"\n", b"last"]], "readlines() is every line", PEP),
    "iterate": (
        [[b"first\n", b"second\n", b"\n", b"last"]],
        "iteration gives every line with its newline",
        f"{PEP}; granian, cheroot",
    ),
    "mixed": (
        [b"fi", b"rst\n", b"second\n", b"\n", [b"last"]],
        "the methods can be mixed",
        PEP,
    ),
}
EMPTY: dict[str, Any] = {
    "read": [b""],
    "read-negative": [b""],
    "read-beyond": [b"", b""],
    "readline": [b""] * 5,
    "readlines": [[]],
    "iterate": [[]],
}


def plain(value: Any) -> Any:
    """Bytes as ``inputs.py`` writes them to JSON."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    return ["bytes", value.decode("latin-1")]


def check_read(
    server: Server, reader: str, body: bytes, want: list[Any], *, chunked: bool = False
) -> None:
    with server.connect() as connection:
        fields = ["Transfer-Encoding: chunked"] if chunked else [f"Content-Length: {len(body)}"]
        connection.request(f"/input/{server.tag()}?{reader}", *fields, method="POST")
        if chunked:
            for at in range(0, len(body), 4):
                piece = body[at : at + 4]
                connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            connection.send(b"0\r\n\r\n")
        else:
            connection.send(body)
        reply = connection.reply()
    require(reply.status == 200, f"status {reply.status}")
    got = json.loads(reply.body)
    require(got == plain(want), f"returned {reply.body.decode()}")


for _name, (_want, _says, _source) in READS.items():
    REGISTRY.add(
        _name,
        _says,
        _source,
        partial(check_read, reader=_name, body=BODY, want=_want),
        quick=_name in ("read", "readline"),
    )
    REGISTRY.add(
        f"{_name}-chunked",
        f"{_says}, of a chunked body",
        _source,
        partial(check_read, reader=_name, body=BODY, want=_want, chunked=True),
    )
for _name, _want in EMPTY.items():
    REGISTRY.add(
        f"{_name}-empty",
        f"`{_name}` on an empty body returns at once",
        PEP,
        partial(check_read, reader=_name, body=b"", want=_want),
    )


@REGISTRY.row("readlines-hint", "readlines(hint) may stop early, but loses nothing", PEP)
def readlines_hint(server: Server) -> None:
    with server.connect() as connection:
        connection.request(f"/input/{server.tag()}?readlines-hint", method="POST", body=BODY)
        reply = connection.reply()
    require(reply.status == 200, f"status {reply.status}")
    lines, rest = json.loads(reply.body)
    joined = "".join(text for _, text in [*lines, rest])
    require(joined.encode() == BODY, f"returned {reply.body.decode()}")


@REGISTRY.row("none-given", "a GET without a body: reading returns b'' and does not wait", PEP)
def none_given(server: Server) -> None:
    with server.connect() as connection:
        connection.request(f"/input/{server.tag()}?read-twice")
        reply = connection.reply()
    require(json.loads(reply.body) == plain([b"", b""]), f"returned {reply.body.decode()}")


def check_large(server: Server, chunked: bool) -> None:
    body = b"".join(b"%07d\n" % number for number in range(250_000))
    with server.connect() as connection:
        target = f"/input/{server.tag()}?hash"
        if chunked:
            connection.request(target, "Transfer-Encoding: chunked", method="POST")
            for at in range(0, len(body), 70_001):
                piece = body[at : at + 70_001]
                connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            connection.send(b"0\r\n\r\n")
        else:
            connection.request(target, method="POST", body=body)
        reply = connection.reply()
    want = f"{len(body)} {hashlib.sha256(body).hexdigest()}"
    require(json.loads(reply.body) == [want], f"returned {reply.body.decode()}, not {want}")


for _chunked in (False, True):
    REGISTRY.add(
        f"large{'-chunked' if _chunked else ''}",
        f"two megabytes arrive intact{', in chunks' if _chunked else ''}",
        PEP,
        partial(check_large, chunked=_chunked),
    )


def check_unread(server: Server, reader: str, size: int) -> None:
    """The body is not read to its end; what follows it on the connection is still a request."""
    tag = server.tag()
    with server.connect() as connection:
        connection.request(f"/input/{tag}?{reader}", method="POST", body=b"GET /x " * (size // 7))
        first = connection.reply()
        require(first.status == 200, f"status {first.status}")
        connection.request(f"/seen/{tag}")
        second = connection.reply_or_none()
        if second is None:
            if not connection.parser.finished:
                raise Failed("the next request on the connection got no reply")
        else:
            require(second.status == 200, f"the next request got {second.status}")
    require(server.get(f"/seen/{server.tag()}").status == 200, "a new connection got no reply")


for _reader in ("none", "some-then-leave"):
    for _size, _word in ((700, "small"), (3_000_000, "large")):
        REGISTRY.add(
            f"unread-{_word}-{_reader}",
            f"a {_word} body the application leaves unread ({_reader}) harms no later request",
            "gunicorn#3301",
            partial(check_unread, reader=_reader, size=_size),
        )


@REGISTRY.row(
    "stays-inside",
    "reading never goes on into the next request on the connection",
    "RFC 9112 section 6",
)
def stays_inside(server: Server) -> None:
    tag = server.tag()
    with server.connect() as connection:
        connection.expect("POST")
        connection.expect("GET")
        connection.send(
            f"POST /input/{tag}?read-beyond HTTP/1.1\r\nHost: conformance\r\n"
            f"Content-Length: 5\r\n\r\nhelloGET /seen/{tag} HTTP/1.1\r\n"
            "Host: conformance\r\n\r\n".encode("ascii")
        )
        reply = connection.reply()
        got = json.loads(reply.body)
    require(got == plain([b"hello", b""]), f"returned {got}")
