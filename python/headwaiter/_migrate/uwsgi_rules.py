"""Rules for uWSGI's options: its addresses, its application, its log."""

from __future__ import annotations

import os
import re

from headwaiter._migrate.plan import Plan
from headwaiter._migrate.rows import Given, readable
from headwaiter._migrate.rules import (
    boolean,
    listeners,
    number,
    octal,
    processes_from,
    seconds,
    set_application,
    slow_requests,
    trust,
    with_prefix,
)

LOOPBACK = re.compile(r"(?:127\.\d+\.\d+\.\d+|localhost|\[::1\])?:\d+$")
LETTERS = {
    "addr": "%(h)s",
    "user": "%(u)s",
    "time": "%(t)s",
    "ctime": "%(t)s",
    "ltime": "%(t)s",
    "ftime": "%(t)s",
    "method": "%(m)s",
    "uri": "%(U)s?%(q)s",
    "proto": "%(H)s",
    "status": "%(s)s",
    "size": "%(out)s",
    "rsize": "%(B)s",
    "cl": "%({Content-Length}i)s",
    "micros": "%(D)s",
    "msecs": "%(M)s",
    "secs": "%(L)s",
    "pid": "%(p)s",
    "core": "%(worker)s",
    "host": "%({Host}i)s",
    "referer": "%(f)s",
    "uagent": "%(a)s",
}
"""What names of uWSGI's log format are called here."""
ITS_PLUGINS = re.compile(r"python\d*(?:\.\d+)?|pyuwsgi|http|logfile|corerouter|0?")


def http(plan: Plan, given: Given) -> None:
    """Addresses for HTTP; ``finish`` knows the shared sockets."""


def _addresses(plan: Plan, given: Given, shared: list[str]) -> list[str]:
    result = []
    for value in given.values:
        address = str(value).strip()
        if re.fullmatch(r"=\d+", address):
            at = int(address[1:])
            address = shared[at] if at < len(shared) else ""
        if address.startswith("@") or not address:
            plan.need(given.shown, "an address without a counterpart; write listen")
        elif address.startswith("fd://"):
            result.append(address)
        elif ":" not in address:
            result.append(f"unix:{address}")
        else:
            host, _, port = address.rpartition(":")
            result.append(f"{host if host not in ('', '*') else '0.0.0.0'}:{port}")
    return result


def processes(plan: Plan, given: Given) -> None:
    processes_from(plan, given, "one for each core, as %k says")


def harakiri(plan: Plan, given: Given) -> None:
    if seconds(given.value):
        slow_requests(plan, given, seconds(given.value), "the process was killed then")


def larger_head(plan: Plan, given: Given) -> None:
    if number(given.value) > 262144:
        plan.set("max_request_header_size", number(given.value), given)
    else:
        plan.miss(given.shown, "the head may have 256 KiB, see max_request_header_size")


def http_timeout(plan: Plan, given: Given) -> None:
    for name in ("header_timeout", "body_timeout", "send_timeout"):
        plan.set(name, seconds(given.value), given)


def keepalive(plan: Plan, given: Given) -> None:
    """Its value, if it has one, is a time."""
    if str(given.value).isdigit() and number(given.value) > 1:
        plan.set("channel_timeout", number(given.value), given)


def permissions(plan: Plan, given: Given) -> None:
    text = str(given.value)
    plan.set("unix_socket_perms", octal(text) if text.isdigit() else "666", given)


def home(plan: Plan, given: Given) -> None:
    plan.program = os.path.join(str(given.value), "bin", "headwaiter")


def module(plan: Plan, given: Given) -> None:
    """``finish`` adds what ``callable`` says."""


def daemonize(plan: Plan, given: Given) -> None:
    plan.miss(given.shown, given.option.text)
    logto(plan, given)


def logto(plan: Plan, given: Given) -> None:
    target = str(given.value)
    if re.fullmatch(r"[^/]*:\d+", target):
        plan.need(given.shown, "no log by UDP; set up a handler of Python's logging by log_config")
    elif boolean(given.value) is False and "/" in target:
        plan.set("access_log", target, given, "the server's own messages go to standard error")


def request_logger(plan: Plan, given: Given) -> None:
    kind, _, target = str(given.value).rpartition(":")
    if target and kind.split(" ")[-1] in ("", "file"):
        plan.set("access_log", target, given)
    else:
        plan.need(given.shown, "set up a handler of the logger headwaiter.access by log_config")


def logger(plan: Plan, given: Given) -> None:
    plan.miss(
        given.shown, "the server's own messages go to standard error, or where log_config says"
    )


def log_format(plan: Plan, given: Given) -> None:
    unknown = []

    def ours(found: re.Match[str]) -> str:
        name = found[1]
        if name.startswith("var.HTTP_"):
            return f"%({{{name[9:].replace('_', '-').title()}}}i)s"
        if name not in LETTERS:
            unknown.append(name)
        return LETTERS.get(name, "-")

    form = re.sub(r"%\(([^)]+)\)", ours, str(given.value)).replace(
        "%(m)s %(U)s?%(q)s %(H)s", "%(r)s"
    )
    plan.set("access_log_format", form, given)
    if unknown:
        plan.differ(f"the access log has a - in place of {', '.join(unknown)}")


def forwarded_for(plan: Plan, given: Given) -> None:
    trust(plan, ["127.0.0.1", "::1"], given)


def stats(plan: Plan, given: Given) -> None:
    address = str(given.value)
    if ":" in address and not LOOPBACK.match(address):
        address = f"127.0.0.1:{address.rpartition(':')[2]}"
        plan.differ("the admin endpoint answers this machine only; see admin_public")
    if address.startswith(":"):
        address = f"127.0.0.1{address}"
    plan.set("admin", address, given, "another format: a dashboard, /metrics, /status.json")


def autoreload(plan: Plan, given: Given) -> None:
    if str(given.value) != "0":
        plan.set("reload", True, given)


def plugins(plan: Plan, given: Given) -> None:
    names = [part for value in given.values for part in re.split(r"[,\s]+", str(value))]
    others = [name for name in names if not ITS_PLUGINS.fullmatch(name)]
    if others:
        plan.need(given.shown, f"no plugins: {', '.join(others)}")


def greenlets(plan: Plan, given: Given) -> None:
    if str(given.value) not in ("0", "false", "uwsgi"):
        plan.need(given.shown, given.option.text)
        plan.set("threads", "4-64", None, "in place of greenlets")


def needs_work(plan: Plan, given: Given) -> None:
    plan.need(given.shown, given.option.text)


def quiet_errors(plan: Plan, given: Given) -> None:
    plan.set("log_socket_errors", False, given)


def finish(plan: Plan, given: dict[str, Given]) -> None:
    """What follows from several options, or from a default of uWSGI."""
    one = readable(given, "shared_socket")
    shared = [str(value) for value in one.values] if one else []
    shared = [f"0.0.0.0{each}" if each.startswith(":") else each for each in shared]
    _finish_listeners(plan, given, shared)
    _finish_application(plan, given)
    if "threads" not in plan.settings:
        plan.set(
            "threads",
            1,
            None,
            "uWSGI runs one request at a time in a process unless threads says otherwise. If the"
            " application is thread-safe (Django, Flask and Pyramid are; look at globals of your"
            " own), 4 is better: a request that waits for the database then holds up no other",
        )
    if "disable_logging" not in given and "access_log" not in plan.settings:
        why = "uWSGI logs every request unless disable-logging is set; take it out if you do not"
        plan.set("access_log", "-", None, f"{why} need it")
    if not {"lazy", "lazy_apps"} & set(given):
        plan.differ(
            "each process loads the application for itself, as with lazy-apps; preload = true"
            " loads it once and forks, as uWSGI does by default"
        )
    if "master" not in given and plan.value("processes", 1) != 1:
        plan.differ("a process that dies is replaced, as with uWSGI's master")


def _finish_listeners(plan: Plan, given: dict[str, Given], shared: list[str]) -> None:
    named = [readable(given, key) for key in ("http_socket", "http")]
    speaking = [one for one in named if one is not None]
    own = readable(given, "socket")
    protocol = readable(given, "protocol")
    is_http = protocol is not None and str(protocol.value) == "http"
    if own and is_http:
        speaking.append(own)
    for one in speaking:
        listeners(plan, _addresses(plan, one, shared), one)
    if speaking:
        if own and not is_http:
            plan.miss(own.shown, "not needed: there is no router process that would use it")
        plan.set(
            "trusted_proxy",
            "unix" if "unix_socket" in plan.settings else "127.0.0.1",
            None,
            "if a proxy on this machine stands in front: uWSGI passes its X-Forwarded-* headers"
            " to the application, headwaiter removes those of peers that it does not trust."
            ' Then also trusted_proxy_headers = "x-forwarded-for x-forwarded-proto"',
            off=True,
        )
    elif {"http_socket", "http"} & set(given):
        pass  # named already
    elif own:
        _finish_own_protocol(plan, own, _addresses(plan, own, shared))
    else:
        plan.need("no address", "nothing says where to listen; write listen")


def _finish_own_protocol(plan: Plan, own: Given, addresses: list[str]) -> None:
    listeners(plan, addresses, own)
    path = plan.value("unix_socket")
    where = f"unix:{path}" if path else plan.value("listen", "127.0.0.1:8080")
    plan.need(
        own.shown,
        "it is for the uwsgi protocol, and headwaiter speaks HTTP. In nginx write"
        f" `proxy_pass http://{where};` in place of `uwsgi_pass` and `include uwsgi_params`, with"
        " `proxy_set_header Host $host;`, `X-Forwarded-For $proxy_add_x_forwarded_for;` and"
        " `X-Forwarded-Proto $scheme;`",
    )
    local = bool(path) or LOOPBACK.match(str(where))
    peers = ["unix"] if path else ["127.0.0.1", "::1"] if local else []
    trust(plan, peers, None, "the proxy told the client's address by the uwsgi protocol")
    if not peers:
        plan.need(
            "trusted_proxy", "name the address of the proxy, so that it may tell the client's"
        )


def _finish_application(plan: Plan, given: dict[str, Given]) -> None:
    called = readable(given, "callable")
    name = str(called.value) if called else ""
    module, file, mount = (readable(given, key) for key in ("module", "wsgi_file", "mount"))
    if module:
        spec = str(module.value)
        spec = spec if ":" in spec else f"{spec}:{name or 'application'}"
        plan.set("application", spec, module)
    elif file:
        set_application(plan, file, name or "application")
    elif mount:
        _finish_mount(plan, mount, name or "application")
    elif "application" not in plan.settings:
        plan.need("no application", 'nothing names it; write application = "MODULE:OBJECT"')


def _finish_mount(plan: Plan, mount: Given, name: str) -> None:
    prefix, _, target = str(mount.values[0]).partition("=")
    if len(mount.values) > 1:
        plan.need(mount.shown, mount.option.text)
        return
    one = mount._replace(value=target)
    if target.endswith((".py", ".wsgi")) or "/" in target:
        set_application(plan, one, name)
    else:
        plan.set("application", target if ":" in target else f"{target}:{name}", mount)
    with_prefix(plan, prefix, mount)
