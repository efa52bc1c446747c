"""The options of ``waitress-serve``, and the adjustments that only ``serve`` takes.

Names and meanings are ours, too, so a row needs no rule of its own: :func:`_same` makes them from
the adjustments table. ``docs/waitress.md`` has what differs.
"""

from __future__ import annotations

from headwaiter._migrate.gunicorn_rules import ignore
from headwaiter._migrate.plan import Plan
from headwaiter._migrate.rows import Given, Option, Server, option
from headwaiter._migrate.rules import boolean, into, number, seconds
from headwaiter._settings import casts as kinds
from headwaiter._settings.table import ADJUSTMENTS, Adjustment

_NUMBERS = (kinds.INTEGER, kinds.THREADS, kinds.BYTES, kinds.WHOLE_SECONDS)


def _differs(name: str) -> str:
    return {
        "connection_limit": "Follows the descriptor limit unless it is set; idle connections make"
        " room.",
        "outbuf_high_watermark": "1 GiB unless it is set: what exceeds `outbuf_overflow` is on"
        " disk.",
        "trusted_proxy": "Also networks, and several peers.",
        "unix_socket": "A socket that another server uses is an error.",
        "ident": "`headwaiter` unless it is set.",
        "server_name": "`headwaiter.invalid` unless it is set.",
        "channel_timeout": "The same; it may have a fraction.",
        "channel_request_lookahead": "Not needed to notice that a client left.",
        "sockets": "The same; an argument of `serve`.",
    }.get(name, "No effect." if name in _UNUSED else "The same.")


_UNUSED = ("asyncore_loop_timeout", "asyncore_use_poll", "cleanup_interval", "recv_bytes",
           "send_bytes")  # fmt: skip


def _same(row: Adjustment) -> Option:
    name = row.name
    flag = row.flag
    if row.is_boolean:
        spelled = f"{name} {flag} --no-{flag[2:]}"
        return option(spelled, f"`{name}`", _differs(name), _boolean, takes=0, heeds_false=True)
    if name in _UNUSED:
        return option(f"{name} {flag}", f"`{name}`", _differs(name), ignore)
    cast = number if row.kind in _NUMBERS else seconds if row.kind is kinds.SECONDS else str
    if row.kind is kinds.LISTEN:
        return option(f"{name} {flag}", f"`{name}`", _differs(name), _listen, many=True)
    return option(f"{name} {flag}", f"`{name}`", _differs(name), into(name, cast))


def _boolean(plan: Plan, given: Given) -> None:
    plan.set(given.option.key, boolean(given.value), given)


def _listen(plan: Plan, given: Given) -> None:
    values = [word for value in given.values for word in str(value).split()]
    plan.set("listen", values[0] if len(values) == 1 else values, given)


def _finish(plan: Plan, given: dict[str, Given]) -> None:
    if "call" in given:
        spec = plan.value("application", "")
        if spec and not spec.endswith(")"):
            plan.set("application", f"{spec}()", given["call"])


OPTIONS = (
    option("call --call", "`--factory`", "The same; `--call` works, too.",
        ignore, takes=0),
    option("app --app", "`application`", "The same.", into("application")),
    option("help --help", "`--help`", "The same.", ignore, takes=0),
    *(_same(row) for row in ADJUSTMENTS if row.waitress != "absent"),
)  # fmt: skip

SERVER = Server("Waitress", ("waitress-serve", "waitress"), "waitress", OPTIONS, _finish)
