"""Rules that several tables use: what becomes of the value of an option.

A rule gets the plan and the option as it was given. A ``ValueError`` or ``TypeError`` means that
the value is none of this option; the plan names it.
"""

from __future__ import annotations

import os
import re
from typing import Any, Callable

from headwaiter._migrate.plan import Plan
from headwaiter._migrate.rows import Given, Rule, Shell, Unread, readable
from headwaiter._settings.casts import MOST_PROCESSES

TRUE_WORDS = ("true", "1", "yes", "on", "y", "t")
FALSE_WORDS = ("false", "0", "no", "off", "n", "f", "none", "")
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


def into(name: str, cast: Callable[[Any], Any] = str, *, say: bool = False) -> Rule:
    """The value, cast, is the value of ``name``; with ``say`` the row's text is a comment."""

    def rule(plan: Plan, given: Given) -> None:
        plan.set(name, cast(given.value), given, given.option.text if say else "")

    return rule


def number(value: Any) -> int:
    return int(value) if not isinstance(value, str) else int(value, 0)


def seconds(value: Any) -> float | int:
    """A number, or a duration such as ``1h30m``."""
    if isinstance(value, str) and not re.fullmatch(r"[\d.]+", value.strip()):
        found = _DURATION.fullmatch(value.strip())
        if not found or not any(found.groups()):
            raise ValueError(value)
        parts = [int(part or 0) for part in found.groups()]
        return sum(part * unit for part, unit in zip(parts, (86400, 3600, 60, 1)))
    result = float(value)
    return int(result) if result == int(result) else result


def times(factor: float) -> Callable[[Any], Any]:
    """A number in another unit."""

    def cast(value: Any) -> float | int:
        result = float(value) * factor
        return int(result) if result == int(result) else result

    return cast


def octal(value: Any) -> str:
    """Digits of permissions as text; a number has them as its value."""
    if isinstance(value, int):
        return f"{value:o}"
    text = str(value).strip().lower()
    return f"{int(text, 16 if text.startswith('0x') else 8):o}"


def words(value: Any) -> list[str]:
    """One text or several; each may list some, separated by commas."""
    values = value if isinstance(value, (list, tuple)) else [value]
    return [part.strip() for each in values for part in str(each).split(",") if part.strip()]


def boolean(value: Any) -> bool:
    if isinstance(value, str):
        return value.strip().lower() in TRUE_WORDS
    return bool(value)


def on(name: str, value: Any = True, *, say: bool = False) -> Rule:
    """A switch: if it is on, ``name`` has this value."""

    def rule(plan: Plan, given: Given) -> None:
        if boolean(given.value):
            plan.set(name, value, given, given.option.text if say else "")

    return rule


def switch(what: Callable[[Plan, Given], None]) -> Rule:
    """Does ``what`` if the switch is on."""

    def rule(plan: Plan, given: Given) -> None:
        if boolean(given.value):
            what(plan, given)

    return rule


def lost_if_on(plan: Plan, given: Given) -> None:
    """A switch without a counterpart that matters only if it is on."""
    if boolean(given.value):
        plan.need(given.shown, given.option.text)


def is_on(given: dict[str, Given], key: str) -> bool:
    """Whether a switch was given that is on."""
    one = readable(given, key)
    return one is not None and boolean(one.value)


def told(given: dict[str, Given], key: str, default: str) -> str:
    """The value of an option as text."""
    one = readable(given, key)
    return default if one is None or one.value is None else str(one.value)


def environment(plan: Plan, given: Given) -> None:
    """``NAME=VALUE``, or several."""
    for one in given.values:
        name, equals, value = str(one).partition("=")
        if not equals or not name:
            plan.need(str(one), "not of the form NAME=VALUE")
        else:
            plan.set(f"env.{name}", value, given)


def paths(plan: Plan, given: Given) -> None:
    """Directories for imports; they add up."""
    plan.set("pythonpath", [*plan.value("pythonpath", []), *words(given.value)], given)


def listeners(plan: Plan, addresses: list[str], given: Given | None, perms: str = "") -> None:
    """Where to listen: ``HOST:PORT`` and ``unix:PATH``."""
    sockets = [address[5:] for address in addresses if address.startswith("unix:")]
    others = [address for address in addresses if not address.startswith("unix:")]
    shown = given.shown if given else "its addresses"
    if others:
        plan.set("listen", others[0] if len(others) == 1 else others, given)
    if not sockets:
        return
    if others or len(sockets) > 1:
        left = sockets if others else sockets[1:]
        plan.need(shown, f"a Unix socket is the only address; not {' and '.join(left)}")
    if not others:
        plan.set("unix_socket", sockets[0], given)
        if perms:
            plan.set("unix_socket_perms", perms, None)
            plan.comment(
                "unix_socket_perms",
                "its permissions before; the default here is 600, which lets only its owner in",
            )


def trust(plan: Plan, peers: list[str], given: Given | None, *comments: str) -> None:
    """Trust what the proxy says about clients, as the other server did."""
    if not peers:
        return
    value = "*" if "*" in peers else ", ".join(peers)
    plan.set("trusted_proxy", value, given, *comments)
    if "trusted_proxy" in plan.settings:
        plan.set(
            "trusted_proxy_headers",
            "x-forwarded-for x-forwarded-proto",
            None,
            "headers that the proxy sets itself; add x-forwarded-host and x-forwarded-port only"
            " if it does, because otherwise clients can",
        )
        if value == "*":
            plan.comment(
                "trusted_proxy",
                "every client can set these headers, unless only the proxy reaches the port",
            )


def processes_from(plan: Plan, given: Given, why: str) -> None:
    """A number of processes; one that counts cores becomes ``auto``, and ``why`` says so."""
    if given.is_by_cores:
        plan.set("processes", "auto", given, why)
        return
    wanted = max(1, number(given.value))
    if wanted > MOST_PROCESSES:
        plan.differ(f"{wanted} processes become {MOST_PROCESSES}, which is the most")
    if given.variables == ("WEB_CONCURRENCY",):
        why = "WEB_CONCURRENCY says how many, here, too; without it there is one process"
        plan.set("processes", min(wanted, MOST_PROCESSES), None, why, off=True)
    else:
        plan.set("processes", min(wanted, MOST_PROCESSES), given)


def slow_requests(plan: Plan, given: Given, limit: float, before: str) -> None:
    """What there is in place of a limit for how long a request runs; ``before`` says what was."""
    why = f"{before}; here the log shows where the request is, and it goes on"
    plan.set("slow_request_log", limit, given, why)
    plan.set(
        "stuck_after",
        limit,
        None,
        "after this time another thread takes the place of the one that runs it",
    )


def set_application(plan: Plan, given: Given, name: str) -> None:
    """The application of a file, as ``MODULE:OBJECT``."""
    path = str(given.value)
    base = plan.value("chdir", "")
    if os.path.isabs(path) and base and os.path.isabs(base):
        path = os.path.relpath(path, base)
    stem, extension = os.path.splitext(os.path.normpath(path))
    parts = stem.split(os.sep)
    if extension != ".py" or not parts[-1].isidentifier():
        plan.need(
            given.shown,
            "it is no module that can be imported; give the file a name such as"
            ' wsgi.py, and write application = "MODULE:OBJECT"',
        )
        return
    if not all(part.isidentifier() for part in parts):
        folder = os.path.dirname(str(given.value)) or "."
        plan.set("pythonpath", [*plan.value("pythonpath", []), folder], given)
        parts = parts[-1:]
    plan.set("application", f"{'.'.join(parts)}:{name}", given)


def with_prefix(plan: Plan, prefix: str, given: Given) -> None:
    if prefix.strip("/"):
        plan.set("url_prefix", prefix, given)


def address(plan: Plan, host: Given | None, port: Given | None, default: tuple[str, str]) -> None:
    """Where to listen if host and port are two options; ``default`` are theirs."""
    if port is not None and isinstance(port.value, Shell):
        if not plan.platform_sets_port:
            plan.need(port.shown, "the port is known at the start only; write listen")
        return
    both = [one for one in (host, port) if one is not None]
    if any(isinstance(one.value, (Shell, Unread)) for one in both):
        return  # named already
    if not both and plan.platform_sets_port:
        return
    name = default[0] if host is None else str(host.value)
    digits = default[1] if port is None else str(port.value)
    value = f"[{name}]:{digits}" if ":" in name else f"{name}:{digits}"
    if port is not None and port.variables == ("PORT",):
        why = "PORT says where, here, too: 0.0.0.0:PORT; use this line if it is not always set"
        plan.set("listen", value, None, why, off=True)
    elif both:
        plan.set("listen", value, None, f"from {', '.join(one.shown for one in both)}")
    else:
        why = f"{plan.server.name}'s default; take the line out where the platform sets PORT"
        plan.set("listen", value, None, why)
