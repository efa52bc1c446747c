"""What the application is told about the request, beyond what ``accepts`` rows look at."""

from __future__ import annotations

import json
from typing import Any

from tests.conformance.model import Registry, require
from tests.conformance.process import PROCESS_ENVIRON, Server

REGISTRY = Registry("environ")
row = REGISTRY.row


def told(server: Server, *fields: str, query: str = "", **how: Any) -> dict[str, Any]:
    """What the application saw of one request."""
    reply = server.get(f"/seen/{server.tag()}{query}", *fields, **how)
    require(reply.status == 200, f"status {reply.status}")
    seen: dict[str, Any] = json.loads(reply.body)
    return seen


@row("is-a-dict", "environ is a builtin dict, not a subclass", "PEP 3333, environ Variables")
def is_a_dict(server: Server) -> None:
    kind = told(server)["environ_type"]
    require(kind == "dict", f"environ is a {kind}")


@row("required-keys", "every required key is there", "PEP 3333, environ Variables", quick=True)
def required_keys(server: Server) -> None:
    types = told(server)["types"]
    required = ["REQUEST_METHOD", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", "PATH_INFO"]
    required += [
        f"wsgi.{name}"
        for name in (
            *("version", "url_scheme", "input", "errors"),
            *("multithread", "multiprocess", "run_once"),
        )
    ]
    missing = [key for key in required if key not in types]
    require(not missing, f"missing: {missing}")


@row("native-strings", "every CGI variable is a str", "PEP 3333, Unicode issues", quick=True)
def native_strings(server: Server) -> None:
    with server.connect() as connection:
        connection.request(
            f"/seen/{server.tag()}?q", "Content-Type: text/plain", method="POST", body=b"hello"
        )
        seen = json.loads(connection.reply().body)
    wrong = {
        key: kind
        for key, kind in seen["types"].items()
        if key.isupper() and "." not in key and kind != "str"
    }
    require(not wrong, f"not str: {wrong}")


@row("wsgi-version", "wsgi.version is the tuple (1, 0)", "PEP 3333, environ Variables")
def wsgi_version(server: Server) -> None:
    seen = told(server)
    require(
        seen["version"] == [1, 0] and seen["types"]["wsgi.version"] == "tuple",
        f"{seen['types'].get('wsgi.version')} {seen['version']}",
    )


@row("script-name", "SCRIPT_NAME of an application at the root is empty", "RFC 3875 section 4.1.13")
def script_name(server: Server) -> None:
    value = told(server)["environ"].get("SCRIPT_NAME", "")
    require(value == "", repr(value))


@row("server-port", "SERVER_PORT is the port as a string of digits", "RFC 3875 section 4.1.15")
def server_port(server: Server) -> None:
    value = told(server)["environ"].get("SERVER_PORT")
    require(value == str(server.port), repr(value))


@row("server-name", "SERVER_NAME is there and not empty", "RFC 3875 section 4.1.14")
def server_name(server: Server) -> None:
    value = told(server)["environ"].get("SERVER_NAME")
    require(value, repr(value))


@row("remote-addr", "REMOTE_ADDR is the address without the port", "RFC 3875 section 4.1.8")
def remote_addr(server: Server) -> None:
    value = told(server)["environ"].get("REMOTE_ADDR")
    require(value == "127.0.0.1", repr(value))


@row("remote-port", "REMOTE_PORT is the client's port", "waitress, gunicorn; not in RFC 3875")
def remote_port(server: Server) -> None:
    with server.connect() as connection:
        connection.request(f"/seen/{server.tag()}")
        value = json.loads(connection.reply().body)["environ"].get("REMOTE_PORT")
        port = connection.socket.getsockname()[1]
    require(value == str(port), repr(value))


@row(
    "raw-target",
    "the request target as sent is to be had, under REQUEST_URI or RAW_URI",
    "waitress#212, waitress#339",
)
def raw_target(server: Server) -> None:
    target = f"/seen/{server.tag()}/%2F//x%20y?a=%41"
    environ = json.loads(server.get(target).body)["environ"]
    got = [environ.get("REQUEST_URI"), environ.get("RAW_URI")]
    require(target in got, f"REQUEST_URI, RAW_URI: {got}")


@row("url-scheme", "wsgi.url_scheme is `http`", "PEP 3333, URL Reconstruction")
def url_scheme(server: Server) -> None:
    value = told(server)["environ"].get("wsgi.url_scheme")
    require(value == "http", repr(value))


@row(
    "forwarded-untrusted",
    "forwarding fields of a client nobody said to trust change nothing",
    "mod_wsgi CVE-2022-2255; RFC 7239 section 8.1",
)
def forwarded_untrusted(server: Server) -> None:
    environ = told(
        server,
        "X-Forwarded-Proto: https",
        "X-Forwarded-For: 192.0.2.9",
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-Ssl: on",
        "X-Forwarded-Protocol: ssl",
        "Forwarded: for=192.0.2.9;proto=https;host=evil.example",
    )["environ"]
    got = {key: environ.get(key) for key in ("wsgi.url_scheme", "REMOTE_ADDR", "HTTP_HOST")}
    want = {"wsgi.url_scheme": "http", "REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "conformance"}
    require(got == want, str(got))


@row(
    "underscore-names",
    "a name with an underscore cannot pass for one with a hyphen",
    "CVE-2015-0219; waitress#81; cheroot#17; fastwsgi#5",
    quick=True,
)
def underscore_names(server: Server) -> None:
    for fields in (
        ("X-Auth: right", "X_Auth: spoofed"),
        ("x_auth: spoofed", "X-Auth: right"),
        ("X_AUTH: spoofed",),
        ("Content_Length: 5",),
        ("Transfer_Encoding: chunked",),
    ):
        environ = told(server, *fields)["environ"]
        got, want = environ.get("HTTP_X_AUTH"), "right" if "X-Auth: right" in fields else None
        require(got == want, f"HTTP_X_AUTH {got!r}: {fields}")
        require(not environ.get("CONTENT_LENGTH", "").strip("0"), f"CONTENT_LENGTH from {fields}")


@row(
    "proxy-header",
    "a client's `Proxy` field never becomes HTTP_PROXY, which names the proxy of a CGI program",
    "CVE-2016-5385; RFC 3875 section 4.1.18",
)
def proxy_header(server: Server) -> None:
    for name in ("Proxy", "PROXY"):
        value = told(server, f"{name}: http://evil.example")["environ"].get("HTTP_PROXY")
        require(value is None, f"HTTP_PROXY {value!r} from {name}")


@row(
    "asterisk-path",
    "PATH_INFO of `OPTIONS *` is empty or begins with a slash, as validators demand",
    "PEP 3333, environ Variables; wsgiref.validate",
)
def asterisk_path(server: Server) -> None:
    tag = server.tag()
    with server.connect() as connection:
        connection.request("*", f"X-Tag: {tag}", method="OPTIONS")
        reply = connection.reply()
    calls = server.noted(tag, "call")
    if not calls:  # the server has answered for itself
        require(reply.status < 400, f"status {reply.status}")
    for event in calls:
        path = event["path"]
        require(path == "" or path.startswith("/"), f"PATH_INFO {path!r}")


@row(
    "process-environment",
    "the environment of the process never shows as the request's",
    "granian#878; RFC 3875 section 4.1",
)
def process_environment(server: Server) -> None:
    environ = told(server)["environ"]
    request = {"HTTP_HOST": "conformance", "REQUEST_METHOD": "GET"}
    for key, value in PROCESS_ENVIRON.items():
        got = environ.get(key, "")
        require(got == request.get(key, ""), f"{key} is {got!r} (process: {value!r})")


@row(
    "content-length-chunked",
    "a chunked body has no CONTENT_LENGTH, or that of the decoded body; and its end can be found",
    "PEP 3333, Input and Error Streams",
)
def content_length_chunked(server: Server) -> None:
    with server.connect() as connection:
        connection.request(f"/seen/{server.tag()}", "Transfer-Encoding: chunked", method="POST")
        connection.send(b"5\r\nhello\r\n0\r\n\r\n")
        seen = json.loads(connection.reply().body)
    value = seen["environ"].get("CONTENT_LENGTH", "")
    require(value in ("", "5"), f"CONTENT_LENGTH {value!r}")
    ends = seen["environ"].get("wsgi.input_terminated")
    require(value == "5" or ends, "neither CONTENT_LENGTH nor wsgi.input_terminated")


@row("isolated", "what one application call does to environ never reaches the next", "PEP 3333")
def isolated(server: Server) -> None:
    with server.connect() as connection:
        for _ in range(3):
            connection.request(f"/mutate/{server.tag()}")
            reply = connection.reply()
            if reply.announces_close:
                break
    seen = told(server)
    require("HTTP_X_MUTATED" not in seen["environ"], "an entry of an earlier request is there")
    require(seen["version"] == [1, 0], "an entry an earlier request damaged stayed damaged")


@row("errors-stream", "wsgi.errors takes text, lines and flush", "PEP 3333, Error Streams")
def errors_stream(server: Server) -> None:
    reply = server.get(f"/errors/{server.tag()}")
    require(reply.status == 200 and reply.body == b"logged", str(reply))
