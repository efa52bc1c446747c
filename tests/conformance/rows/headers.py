"""Reply headers: those that must not reach the wire as given, and those that must."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from functools import partial

from tests.conformance.app.responses import BAD_STARTS
from tests.conformance.model import Failed, Registry, require
from tests.conformance.process import Server

REGISTRY = Registry("headers")
row = REGISTRY.row


def check_injection(server: Server, case: str) -> None:
    """Bytes that would end a line must not leave; the client gets a 500 instead."""
    with server.connect() as connection:
        connection.request(f"/bad-start/{server.tag()}?{case}")
        try:
            reply = connection.reply_or_none()
        except Failed as failure:
            raise Failed(f"broken bytes on the wire: {failure}") from failure
    if reply is None:
        raise Failed("no reply")
    sent = [name.lower() for name, _ in reply.fields]
    text = reply.reason + "".join(value for _, value in reply.fields)
    require("x-injected" not in sent, "the injected header is on the wire")
    require("X-Injected" not in text and "\0" not in text, "the injected text is on the wire")
    require(not reply.body.startswith(b"X-Injected"), "the injected text became the body")
    require(reply.status == 500, f"the client got {reply}")


_SAYS = {
    "crlf": "CR LF",
    "cr": "a bare CR",
    "lf": "a bare LF",
    "nul": "a NUL",
    "end": "the end of the head",
}
for _case in BAD_STARTS:
    _place, _, _what = _case.partition("-")
    if _what in _SAYS:
        REGISTRY.add(
            f"inject-{_case}",
            f"{_SAYS[_what]} in the {_place} never reaches the wire: 500",
            "CVE-2018-1000164; CVE-2020-7695; bjoern, fastwsgi, pyruvate, uWSGI, cheroot",
            partial(check_injection, case=_case),
            quick=_case == "value-crlf",
        )


@row("same-name", "two fields of one name stay two", "RFC 6265 section 3")
def same_name(server: Server) -> None:
    reply = server.get(f"/same-name/{server.tag()}")
    require(reply.all("set-cookie") == ["a=1", "b=2"], f"Set-Cookie: {reply.all('set-cookie')}")


@row("latin1", "a Latin-1 value is sent byte for byte", "PEP 3333, Unicode issues")
def latin1(server: Server) -> None:
    reply = server.get(f"/same-name/{server.tag()}")
    require(reply.all("x-latin") == ["caf\u00e9"], f"X-Latin: {reply.all('x-latin')}")


@row("date", "a reply below 500 carries one Date in the preferred format", "RFC 9110 section 6.6.1")
def date(server: Server) -> None:
    for target in ("reason", "no-body"):
        values = server.get(f"/{target}/{server.tag()}").all("date")
        require(len(values) == 1, f"{target}: Date {values}")
        require(values[0].endswith(" GMT") and parsedate_to_datetime(values[0]), values[0])


@row("own-date", "an application's own Date is not doubled", "RFC 9110 section 5.3")
def own_date(server: Server) -> None:
    values = server.get(f"/own-date/{server.tag()}").all("date")
    require(len(values) == 1, f"Date: {values}")


@row("many", "two thousand headers: a whole reply, or a 500", "granian CVE-2026-42545")
def many(server: Server) -> None:
    reply = server.get(f"/many-headers/{server.tag()}")
    if reply.status != 500:
        count = sum(name.lower().startswith("x-") for name, _ in reply.fields)
        require(reply.status == 200 and count == 2000, f"{reply} with {count} of 2000 headers")


def check_hop_by_hop(server: Server, name: str, value: str) -> None:
    """PEP 3333 forbids these to applications. Refusing is right, and so is a sound reply."""
    with server.connect() as connection:
        connection.request(f"/hop-by-hop/{server.tag()}?{name}={value}")
        reply = connection.reply()  # fails if the framing is broken
    if reply.status == 500:
        return
    require(reply.body == b"hop", f"{reply}: body {bytes(reply.body)!r}")


for _name, _value in (
    *(("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "gzip")),
    *(("Connection", "keep-alive"), ("Connection", "close"), ("Content-Length", "-1")),
    *(("Content-Length", "3x"), ("Content-Length", "+3"), ("Upgrade", "websocket")),
):
    REGISTRY.add(
        f"hop-by-hop-{_name.lower()}-{_value}",
        f"`{_name}: {_value}` from the application: a 500, or a reply whose framing is sound",
        "PEP 3333, Other HTTP Features; RFC 9112 section 6",
        partial(check_hop_by_hop, name=_name, value=_value),
    )
