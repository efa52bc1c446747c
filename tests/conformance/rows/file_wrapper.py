"""``wsgi.file_wrapper``: optional (PEP 3333), but where it is offered it must be right."""

from __future__ import annotations

from functools import partial

from tests.conformance.app.files import UNSIZED, content
from tests.conformance.model import Registry, Skipped, require
from tests.conformance.process import Server

REGISTRY = Registry("file_wrapper")
PEP = "PEP 3333, Optional Platform-Specific File Handling"


def check_file(
    server: Server, argument: str, want: slice, *, method: str = "GET", minor: int = 1
) -> None:
    if argument == "unsized" and not UNSIZED.exists():
        raise Skipped("no /proc")
    tag = server.tag()
    with server.connect() as connection:
        connection.request(f"/file/{tag}?{argument}", method=method, minor=minor)
        reply = connection.reply()
        if reply.status == 501:
            raise Skipped("no wsgi.file_wrapper")
        whole = UNSIZED.read_bytes() if argument == "unsized" else content()
        expected = b"" if method == "HEAD" else whole[want]
        require(reply.status == 200, f"{reply}")
        require(reply.body == expected, f"{reply}, not {len(expected)} bytes, or they differ")
        if not reply.announces_close:
            connection.request(f"/seen/{tag}")
            after = connection.reply_or_none()
            require(after is None or after.status == 200, f"the next request got {after}")
    if argument.startswith("bytesio"):
        server.wait_for(tag, "close")
        require(len(server.noted(tag, "close")) == 1, "the file was not closed")


WHOLE = slice(None)
for _name, _argument, _want, _how, _says in (
    ("real", "real", WHOLE, {}, "a real file"),
    ("real-1.0", "real", WHOLE, {"minor": 0}, "a real file over HTTP/1.0"),
    ("real-length", "real-300000", WHOLE, {}, "a real file with its length declared"),
    ("real-shorter", "real-1000", slice(1000), {}, "a real file longer than Content-Length"),
    ("real-longer", "real-300010", WHOLE, {}, "a real file shorter than Content-Length"),
    ("real-head", "real-300000", WHOLE, {"method": "HEAD"}, "a real file, HEAD"),
    ("seeked", "seeked", slice(1000, None), {}, "a real file from where it stands"),
    ("seeked-length", "seeked-5000", slice(1000, 6000), {}, "a range of a real file"),
    ("bytesio", "bytesio", WHOLE, {}, "a file-like object without a descriptor, closed after"),
    (
        "bytesio-1.0",
        "bytesio",
        WHOLE,
        {"minor": 0},
        "a file-like object over HTTP/1.0, closed",
    ),
    (
        "bytesio-longer",
        "bytesio-300010",
        WHOLE,
        {},
        "one shorter than Content-Length, closed",
    ),
    ("unsized", "unsized", WHOLE, {}, "a file of /proc, which says that it is empty"),
    ("bytesio-head", "bytesio", WHOLE, {"method": "HEAD"}, "a file-like object, HEAD, closed"),
    ("reader", "reader", WHOLE, {}, "an object with nothing but read()"),
):
    REGISTRY.add(
        _name,
        f"{_says}: every byte, and nothing else",
        f"{PEP}; Pylons/pyramid#447; django/django#3650",
        partial(check_file, argument=_argument, want=_want, **_how),
        quick=_name == "real",
    )
