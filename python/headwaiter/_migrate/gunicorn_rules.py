"""Rules for gunicorn's options: its defaults, worker classes and addresses."""

from __future__ import annotations

import re
from typing import Any

from headwaiter._migrate.plan import Plan
from headwaiter._migrate.rows import Given, Shell, Unread, readable
from headwaiter._migrate.rules import (
    listeners,
    number,
    octal,
    processes_from,
    seconds,
    slow_requests,
    trust,
    words,
)

DEFAULT_BIND = "127.0.0.1:8000"
SYNC = ("sync", "gunicorn.workers.sync.SyncWorker", "egg:gunicorn#sync")
THREADED = ("gthread", "gunicorn.workers.gthread.ThreadWorker", "egg:gunicorn#gthread")
GREENLETS = re.compile(r"(?:^|[.#])(?:g?gevent|g?eventlet)", re.IGNORECASE)
UNSEEN = re.compile(r"%\(\{[^}]*\}[oe]\)s")
LOCAL = ("127.0.0.1", "::1")
ON_A_PORT = re.compile(r"(?:0\.0\.0\.0|\[::\]|\*)?:?(?P<port>\d+)$")


def ignore(plan: Plan, given: Given) -> None:
    """Nothing to say about it."""


def remember(plan: Plan, given: Given) -> None:
    """``finish`` looks at it."""


def bind(plan: Plan, given: Given) -> None:
    addresses = []
    for address in words(given.value):
        shown = address
        if address.startswith("unix:@"):
            plan.need(f"bind {shown}", "no abstract Unix sockets; name a path")
            continue
        if address.startswith("unix:"):
            address = "unix:" + re.sub("^//", "", address[5:])
        elif not address.startswith("fd://"):
            address = _with_port(address)
        addresses.append(address)
    if given.variables == ("PORT",) and len(addresses) == 1 and ON_A_PORT.match(addresses[0]):
        why = "PORT says where, here, too: 0.0.0.0:PORT; use this line if it is not always set"
        plan.set("listen", addresses[0], None, why, off=True)
    else:
        listeners(plan, addresses, given, perms="777")


def _with_port(address: str) -> str:
    address = re.sub("^(?:tcp|http)://", "", address)
    if re.fullmatch(r"\d+", address):  # a host for gunicorn; people mean a port
        return f"0.0.0.0:{address}"
    if address.startswith(":"):
        return f"0.0.0.0{address}"
    has_port = re.search(r":\d+$", address) and (address.startswith("[") or address.count(":") == 1)
    return address if has_port else f"{address}:8000"


def workers(plan: Plan, given: Given) -> None:
    processes_from(
        plan,
        given,
        "one for each core: gunicorn's rule of two to four counts workers that wait for clients,"
        " and none does here",
    )


def worker_class(plan: Plan, given: Given) -> None:
    name = str(given.value)
    if name in (*SYNC, *THREADED):
        return
    if GREENLETS.search(name):
        plan.need(
            given.shown,
            'greenlets become threads, up to 64 in each process (threads = "4-64"). That suits'
            " requests that wait; thousands of long-lived streams or WebSockets do not fit."
            " Remove gevent.monkey.patch_all() and the like: the server refuses to start with it",
        )
    else:
        plan.need(
            given.shown,
            "a worker of its own, or one for ASGI: headwaiter serves WSGI applications only",
        )


def larger_head(plan: Plan, given: Given) -> None:
    limit = number(given.value)
    if limit > 262144:
        plan.set("max_request_header_size", limit, given)
    else:
        plan.miss(given.shown, "one limit for the whole head: max_request_header_size, 256 KiB")


def scheme_headers(plan: Plan, given: Given) -> None:
    names = given.value if isinstance(given.value, dict) else {}
    others = sorted(name for name in names if name.upper() != "X-FORWARDED-PROTO")
    if others or not names:
        plan.need(given.shown, given.option.text)


def access_log_format(plan: Plan, given: Given) -> None:
    form = str(given.value)
    unseen = UNSEEN.findall(form)
    plan.set("access_log_format", UNSEEN.sub("-", form), given)
    if unseen:
        names = " ".join(unseen)
        plan.need(f"{names} in the access log", "the line has a - there")


def errorlog(plan: Plan, given: Given) -> None:
    if str(given.value) != "-":
        plan.miss(
            given.shown,
            "the server logs to standard error; systemd keeps it, or append 2>>FILE to the"
            " command, or set up a file handler by log_config",
        )


def protocol(plan: Plan, given: Given) -> None:
    if str(given.value).lower() != "http":
        plan.need(given.shown, given.option.text)


def forwarder_headers(plan: Plan, given: Given) -> None:
    plan.need(given.shown, given.option.text)


def header_map(plan: Plan, given: Given) -> None:
    if str(given.value) != "drop":
        plan.need(given.shown, given.option.text)


def finish(plan: Plan, given: dict[str, Given]) -> None:
    """What follows from several options, or from a default of gunicorn."""
    if "bind" not in given and not plan.platform_sets_port:
        why = "gunicorn's default; take the line out where the platform sets PORT"
        plan.set("listen", DEFAULT_BIND, None, why)
    _finish_threads(plan, given)
    _finish_timeout(plan, given)
    _finish_proxies(plan, given)
    _finish_privileges(plan, given)


def _finish_threads(plan: Plan, given: dict[str, Given]) -> None:
    kind = str(_value(given, "worker_class", "sync"))
    if GREENLETS.search(kind):
        plan.set("threads", "4-64", None, "in place of greenlets")
        return
    if "threads" in plan.settings:
        return
    if kind in THREADED:
        plan.set("threads", 1, None, "gunicorn's default")
    elif kind in SYNC:
        plan.set(
            "threads",
            1,
            None,
            "a sync worker runs one request at a time. If the application is thread-safe"
            " (Django, Flask and Pyramid are; look at globals of your own), 4 is better: a request"
            " that waits for the database then holds up no other",
        )


def _finish_timeout(plan: Plan, given: dict[str, Given]) -> None:
    """``timeout`` is a limit for requests with sync workers only."""
    one = given.get("timeout")
    kind = str(_value(given, "worker_class", "sync"))
    if kind not in SYNC or plan.value("threads", 1) != 1:
        if readable(given, "timeout"):
            plan.miss(given["timeout"].shown, "it limits no request with this worker class")
        return
    if one is None:
        plan.differ("gunicorn killed a worker after 30 s of silence; nothing kills a request here")
    elif readable(given, "timeout") and seconds(one.value):
        slow_requests(plan, one, seconds(one.value), "the worker was killed then")


def _finish_proxies(plan: Plan, given: dict[str, Given]) -> None:
    one = given.get("forwarded_allow_ips")
    if one is not None and isinstance(one.value, (Unread, Shell)):
        return
    allowed = list(LOCAL) if one is None else words(one.value)
    if _has_unix_socket(plan) and "*" not in allowed:
        allowed = ["unix"]
    why = "" if one else "gunicorn trusts these peers by default, headwaiter trusts nobody"
    trust(plan, allowed, one, why)
    if allowed:
        plan.differ(
            "REMOTE_ADDR is the client's address if the proxy sends X-Forwarded-For; it was the"
            " proxy's. ProxyFix and SECURE_PROXY_SSL_HEADER work as before. For two proxies in a"
            " row set trusted_proxy_count = 2"
        )


def _has_unix_socket(plan: Plan) -> bool:
    return "unix_socket" in plan.settings or any("=unix:" in flag for flag in plan.flags)


def _finish_privileges(plan: Plan, given: dict[str, Given]) -> None:
    if _has_unix_socket(plan) and "unix_socket_perms" not in plan.settings:
        plan.set("unix_socket_perms", "777", None, "as with gunicorn; the default here is 600")
    if _has_unix_socket(plan) and readable(given, "umask"):
        mask = _value(given, "umask", 0)
        digits = f"{0o777 & ~int(octal(mask), 8):o}"
        plan.set("unix_socket_perms", digits, given["umask"])


def _value(given: dict[str, Given], key: str, default: Any) -> Any:
    one = readable(given, key)
    return default if one is None or one.value is None else one.value
