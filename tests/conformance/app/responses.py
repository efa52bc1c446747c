"""Applications that use ``start_response`` in one particular way, right or wrong."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

from tests.conformance.app.journal import note
from tests.conformance.app.registry import Call, app

PLAIN = ("Content-Type", "text/plain")


@app("late-start")
def late_start(call: Call) -> Iterator[bytes]:
    """Being a generator, calls start_response in its first ``next``."""
    call.start_response("201 Late", [PLAIN, ("Content-Length", "4")])
    yield b"late"


@app("never-start")
def never_start(call: Call) -> Iterable[bytes]:
    return [b"no start_response"]


@app("start-twice")
def start_twice(call: Call) -> Iterable[bytes]:
    """PEP 3333: a second call without exc_info is a fatal error of the application."""
    call.start_response("200 OK", [PLAIN, ("X-First", "1")])
    try:
        call.start_response("201 Again", [PLAIN, ("X-Second", "1")])
    except Exception as error:
        note(call.tag, "raised", error=type(error).__name__)
        raise
    note(call.tag, "accepted")
    return [b"twice"]


@app("replace")
def replace(call: Call) -> Iterable[bytes]:
    """Replaces a status before anything was sent, as error middleware does."""
    call.start_response("200 OK", [PLAIN, ("X-First", "1"), ("Content-Length", "999")])
    try:
        raise ValueError("on purpose")
    except ValueError:
        call.start_response(
            "503 Replaced", [PLAIN, ("X-Second", "1"), ("Content-Length", "8")], sys.exc_info()
        )
    return [b"replaced"]


@app("replace-late")
def replace_late(call: Call) -> Iterator[bytes]:
    """exc_info after bytes were sent: start_response must raise it again."""
    call.start_response("200 OK", [PLAIN])
    yield b"x" * 10
    try:
        raise ValueError("on purpose")
    except ValueError:
        try:
            call.start_response("500 Too Late", [PLAIN], sys.exc_info())
        except ValueError:
            note(call.tag, "reraised")
            raise
        note(call.tag, "accepted")
    yield b"y" * 10


@app("write")
def write(call: Call) -> Iterable[bytes]:
    """The two-step way: bytes given to write() precede those of the iterable."""
    writer = call.start_response("200 OK", [PLAIN])
    writer(b"one,")
    writer(b"")
    writer(b"two,")
    return [b"three"]


@app("write-only")
def write_only(call: Call) -> Iterable[bytes]:
    writer = call.start_response("200 OK", [PLAIN, ("Content-Length", "7")])
    writer(b"written")
    return []


@app("reason")
def reason(call: Call) -> Iterable[bytes]:
    return call.text(b"fine", "299 Odd But Fine")


@app("no-body")
def no_body(call: Call) -> Iterable[bytes]:
    return call.text(b"missing", "404 Not Found")


# What an application may hand to start_response by mistake: (status, headers).
BAD_STARTS: dict[str, tuple[Any, Any]] = {
    "status-int": (200, [PLAIN]),
    "status-bytes": (b"200 OK", [PLAIN]),
    "status-none": (None, [PLAIN]),
    "status-words": ("OK 200", [PLAIN]),
    "status-range": ("99 Low", [PLAIN]),
    "name-space": ("200 OK", [PLAIN, ("X Bad", "v")]),
    "name-colon": ("200 OK", [PLAIN, ("X-Bad:", "v")]),
    "name-empty": ("200 OK", [PLAIN, ("", "v")]),
    "name-unicode": ("200 OK", [PLAIN, ("X-B\u00e4d", "v")]),
    "name-bytes": ("200 OK", [PLAIN, (b"X-Bad", "v")]),
    "value-unicode": ("200 OK", [PLAIN, ("X-Bad", "\u20ac")]),
    "value-int": ("200 OK", [PLAIN, ("X-Bad", 5)]),
    "value-bytes": ("200 OK", [PLAIN, ("X-Bad", b"v")]),
    "value-none": ("200 OK", [PLAIN, ("X-Bad", None)]),
    "headers-none": ("200 OK", None),
    "headers-strings": ("200 OK", ["X-Bad: v"]),
}
for _place in ("status", "reason", "name", "value"):
    for _what, _text in {
        "crlf": "\r\nX-Injected: 1",
        "cr": "\rX-Injected: 1",
        "lf": "\nX-Injected: 1",
        "nul": "\0X-Injected: 1",
        "end": "\r\n\r\nX-Injected: 1",
    }.items():
        _status, _name, _value = "200 OK", "X-Bad", "v"
        if _place == "status":
            _status = "200" + _text
        elif _place == "reason":
            _status += _text
        elif _place == "name":
            _name += _text
        else:
            _value += _text
        BAD_STARTS[f"{_place}-{_what}"] = (_status, [PLAIN, (_name, _value)])


@app("bad-start")
def bad_start(call: Call) -> Iterable[bytes]:
    status, headers = BAD_STARTS[call.argument]
    call.start_response(status, headers)
    return [b"sent all the same"]


@app("hop-by-hop")
def hop_by_hop(call: Call) -> Iterable[bytes]:
    """Sets a header that belongs to the server (PEP 3333 forbids it to applications)."""
    name, _, value = call.argument.partition("=")
    call.start_response("200 OK", [PLAIN, (name, value)])
    return [b"hop"]


@app("own-date")
def own_date(call: Call) -> Iterable[bytes]:
    call.start_response(
        "200 OK", [PLAIN, ("Date", "Thu, 01 Jan 1970 00:00:00 GMT"), ("Content-Length", "0")]
    )
    return []


@app("same-name")
def same_name(call: Call) -> Iterable[bytes]:
    """Two fields of one name, as cookies need, and one in Latin-1."""
    call.start_response(
        "200 OK",
        [
            *(PLAIN, ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")),
            *(("X-Latin", "caf\u00e9"), ("X-MiXeD", "Kept"), ("Content-Length", "0")),
        ],
    )
    return []


@app("many-headers")
def many_headers(call: Call) -> Iterable[bytes]:
    call.start_response("200 OK", [PLAIN, *((f"X-{n}", "v" * 50) for n in range(2000))])
    return [b"many"]


@app("mutate")
def mutate(call: Call) -> Iterable[bytes]:
    """Environ belongs to the application: what it does to it must not reach the next request."""
    call.environ.clear()
    call.environ["HTTP_X_MUTATED"] = "1"
    call.environ["wsgi.version"] = None
    return call.text(b"mutated")


@app("errors")
def errors(call: Call) -> Iterable[bytes]:
    """``wsgi.errors`` is a text stream with write, writelines and flush."""
    stream = call.environ["wsgi.errors"]
    stream.write("conformance: written to wsgi.errors \u20ac\n")
    stream.writelines(["conformance: a second line\n"])
    stream.flush()
    return call.text(b"logged")
