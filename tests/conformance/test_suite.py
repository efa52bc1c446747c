"""The suite's own judges: what they accept, and above all what they do not."""

from __future__ import annotations

import pytest

from tests.conformance.catalogue import ROWS
from tests.conformance.model import SECTIONS, Failed
from tests.conformance.replies import Reply, ReplyParser
from tests.conformance.rows.wire import TAG, chunked, cuts, fill


def parse(data: bytes, *methods: str, closed: bool = False, step: int = 0) -> ReplyParser:
    parser = ReplyParser(methods)
    for at in range(0, len(data), step or len(data)):
        parser.feed(data[at : at + (step or len(data))])
    if closed:
        parser.finish()
    return parser


SOUND: list[tuple[bytes, str, bytes]] = [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "length", b"hello"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "length", b""),
    (
        b"HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n",
        "chunked",
        b"abc0123456789",
    ),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-T: v\r\n\r\n", "chunked", b""),
    (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "none", b""),
    (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", "close", b"until the end"),
]


@pytest.mark.parametrize(("data", "framing", "body"), SOUND)
def test_sound_replies_parse_whole_and_in_pieces(data: bytes, framing: str, body: bytes) -> None:
    for step in (0, 1, 3):
        (reply,) = parse(data, closed=True, step=step).replies
        assert (reply.framing, bytes(reply.body), reply.complete) == (framing, body, True)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"http/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\nX: y\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX Y: z\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nastray\r\n\r\n",
    ],
)
def test_unsound_replies_fail(data: bytes) -> None:
    with pytest.raises(Failed):
        parse(data)


def test_cut_short_is_not_complete() -> None:
    for data in (
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
    ):
        (reply,) = parse(data, closed=True).replies
        assert not reply.complete


def test_head_and_interim_replies_have_no_body() -> None:
    data = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
    parser = parse(data * 2, "HEAD", "HEAD")
    assert [reply.status for reply in parser.interim] == [100, 100]
    assert [reply.complete for reply in parser.replies] == [True, True]


@pytest.mark.parametrize(
    ("minor", "connection", "closes"),
    [(1, "", False), (1, "x, CLOSE", True), (0, "", True), (0, "Keep-Alive", False)],
)
def test_announced_close(minor: int, connection: str, closes: bool) -> None:
    fields = [("Connection", connection)] if connection else []
    assert Reply(minor, 200, "OK", fields, "length").announces_close is closes


def test_cuts_cover_every_boundary_and_keep_the_bytes() -> None:
    class Patient:
        cuts = 1000

    data = chunked(b"0\r\n\r\n")
    cases = cuts(Patient(), data, len(data))  # type: ignore[arg-type]
    assert [len(first) for first, _ in cases] == list(range(1, len(data)))
    filled = fill(cases[20], b"tag123456x")
    assert b"".join(filled) == data.replace(TAG, b"tag123456x")
    assert [len(piece) for piece in filled] == [len(piece) for piece in cases[20]]


def test_rows_are_well_formed() -> None:
    assert {row.section for row in ROWS} == set(SECTIONS)
    assert all(row.says and row.source for row in ROWS)
    assert any(row.quick for row in ROWS)
