"""Adjustments compared with Waitress itself: same names, casts, conditions, warnings and flags.

Each row of ``SAME`` goes through both; the values in force, or the type of the exception, must
agree. Each row of ``DIFFERENT`` is a deliberate difference, listed in ``docs/waitress.md`` and
shown on both sides here.
"""

from __future__ import annotations

import re
import socket
import warnings
from typing import Any

import pytest
from waitress import runner
from waitress.adjustments import Adjustments as WaitressAdjustments

from headwaiter import ADJUSTMENTS, Adjustments
from headwaiter._settings.flags import make_parser, parse
from headwaiter.adjustments import BY_NAME

WAITRESS_NAMES = [name for name, _ in WaitressAdjustments._params]
COMPARED_ALWAYS = ("listen", "trusted_proxy_count", "trusted_proxy_headers")
BOOLEANS = (True, False, None, 1, 0, "t", "TRUE", " yes ", "y", "on", "1", "f", "off", "")
THREADS: tuple[Any, ...] = (7, "7", " 7 ", "1_0", 7.9, True, "x", "", "7.5", None, [])

SAME: list[dict[str, Any]] = [
    {},
    # Casts.
    *({"threads": value} for value in THREADS),
    *({"port": value} for value in (0, "80", "http", None)),
    *({"channel_timeout": value} for value in (5, "5", "x", None)),
    *({"expose_tracebacks": value} for value in BOOLEANS),
    *(
        {"unix_socket": "/run/x", "unix_socket_perms": value}
        for value in ("600", "0o660", "0", "9", "", 0o600, None)
    ),
    *({"ident": value} for value in ("me", "", None, 5)),
    *({"url_prefix": value} for value in ("", "a", "/a", "//a/b//", " /a ")),
    *({"url_scheme": value} for value in ("https", 1)),
    *({"server_name": value} for value in ("example.org", 1)),
    *({"recv_bytes": value} for value in (1, "x")),
    *({"cleanup_interval": value} for value in (1, "1.5")),
    *({"asyncore_loop_timeout": value} for value in (1, "1.5")),
    *({"asyncore_use_poll": value} for value in ("on", "off")),
    {"send_bytes": 9000},
    # Where to listen.
    {"host": "127.0.0.1"},
    {"host": "127.0.0.1", "port": "0"},
    {"host": "::1", "port": 80},
    {"host": "*"},
    {"host": "name.invalid"},
    {"listen": "127.0.0.1"},
    {"listen": "127.0.0.1:0"},
    {"listen": "[::1]:81 127.0.0.1:http"},
    {"listen": "[::1]"},
    {"listen": "::1:80"},
    {"listen": "127.0.0.1:"},
    {"listen": "localhost"},
    {"listen": "*:8081"},
    {"listen": "*:8081", "ipv6": False},
    {"listen": "*:8081", "ipv4": "no"},
    {"listen": ["127.0.0.1:1", "127.0.0.1:2 127.0.0.1:1"]},
    {"listen": "127.0.0.1:0 127.0.0.1:0"},
    {"listen": "127.0.0.1:nonesuch"},
    {"listen": "name.invalid:80"},
    {"listen": "127.0.0.1:80", "ipv4": False},
    {"listen": 5},
    {"listen": "127.0.0.1:1", "host": "127.0.0.1"},
    {"listen": "127.0.0.1:1", "port": 1},
    {"listen": "127.0.0.1:1", "sockets": []},
    {"listen": "127.0.0.1:1", "unix_socket": "/run/x"},
    {"sockets": [], "host": "127.0.0.1"},
    {"sockets": [], "port": 1},
    {"sockets": [], "unix_socket": "/run/x"},
    {"unix_socket": "/run/x", "host": "127.0.0.1"},
    {"unix_socket": "/run/x", "port": 1},
    {"sockets": []},
    # Proxies.
    {"trusted_proxy": "10.0.0.1"},
    {"trusted_proxy": "*", "trusted_proxy_headers": "x-forwarded-for X-Forwarded-Proto"},
    {"trusted_proxy": "*", "trusted_proxy_headers": {"x-forwarded-by", "x-forwarded-host"}},
    {"trusted_proxy": "*", "trusted_proxy_headers": "Forwarded"},
    {"trusted_proxy": "*", "trusted_proxy_headers": "forwarded x-forwarded-for"},
    {"trusted_proxy": "*", "trusted_proxy_headers": "x-real-ip"},
    {"trusted_proxy": "*", "trusted_proxy_headers": ""},
    {"trusted_proxy": "*", "trusted_proxy_headers": "x-forwarded-for", "trusted_proxy_count": "2"},
    {"trusted_proxy": "*", "trusted_proxy_headers": "x-forwarded-for", "trusted_proxy_count": "x"},
    {"trusted_proxy": "", "trusted_proxy_headers": "x-forwarded-for"},
    {"trusted_proxy_count": 1},
    {"trusted_proxy_headers": "x-forwarded-for"},
    {"trusted_proxy_headers": ""},
    # Names.
    {"thread": 4},
    {"Threads": 4},
    {"socket_options": []},
]

LISTENING = f"[({socket.AF_INET!r}, {socket.SOCK_STREAM!r}, 6, ({{!r}}, {{}}))]"
# keywords, what Waitress makes of them, what headwaiter does
DIFFERENT: list[tuple[dict[str, Any], str, str]] = [
    ({"channel_timeout": "1.5"}, "ValueError", "1.5"),
    ({"channel_timeout": 1.5}, "1", "1.5"),
    ({"port": 99999}, "99999", "ValueError"),
    ({"threads": 0}, "0", "ValueError"),
    ({"backlog": -1}, "-1", "ValueError"),
    ({"trusted_proxy_count": 0, "trusted_proxy": "*"}, "0", "ValueError"),
    ({"connection_limit": 0}, "0", "ValueError"),
    ({"max_request_body_size": -1}, "-1", "ValueError"),
    ({"ipv4": False, "ipv6": False}, "False", "ValueError"),
    ({"ipv4": "perhaps", "host": "::1"}, "False", "UserWarning"),
    ({"listen": ""}, "[]", "ValueError"),
    ({"listen": "8000"}, LISTENING.format("0.0.31.64", 8080), LISTENING.format("0.0.0.0", 8000)),
    ({"listen": ":8000"}, "ValueError", LISTENING.format("0.0.0.0", 8000)),
    ({"channel_timeout": "2m"}, "ValueError", "120.0"),
    ({"max_request_body_size": "10MB"}, "ValueError", "10000000"),
    ({"unix_socket": None}, "'None'", "None"),
    ({"unix_socket": "", "unix_socket_perms": "600"}, "''", "None"),
    ({"sockets": [3]}, "[]", "TypeError"),
    ({"trusted_proxy": "nginx"}, "'nginx'", "ValueError"),
    ({"trusted_proxy": "localhost"}, "'localhost'", "'unix'"),
    ({"url_prefix": "/"}, "'/'", "''"),
    ({"url_prefix": None}, "AttributeError", "TypeError"),
]

# Defaults that differ on purpose.
OTHER_DEFAULTS = {"connection_limit", "ident", "outbuf_high_watermark", "server_name"}


def outcome(adjustments: type[Any], keywords: dict[str, Any]) -> tuple[Any, list[str]]:
    """The values in force or the exception's type, and the categories of the warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            made = adjustments(**keywords)
        except (ValueError, TypeError, AttributeError) as error:
            return type(error).__name__, []
    values = {name: getattr(made, name) for name in {*keywords, *COMPARED_ALWAYS}}
    if "unix_socket" in keywords:
        del values["listen"]  # Waitress resolves its default, though nothing listens there
    return values, [warning.category.__name__ for warning in caught]


@pytest.mark.parametrize("keywords", SAME, ids=repr)
def test_same_as_waitress(keywords: dict[str, Any]) -> None:
    assert outcome(Adjustments, keywords) == outcome(WaitressAdjustments, keywords)


@pytest.mark.parametrize(("keywords", "theirs", "ours"), DIFFERENT, ids=repr)
def test_deliberate_difference(keywords: dict[str, Any], theirs: str, ours: str) -> None:
    def shown(adjustments: type[Any]) -> str:
        try:
            return repr(getattr(adjustments(**keywords), next(iter(keywords))))
        except (ValueError, TypeError, AttributeError, UserWarning) as error:
            return type(error).__name__

    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        assert shown(WaitressAdjustments) == theirs
        assert shown(Adjustments) == ours


def test_every_waitress_adjustment_is_here() -> None:
    assert set(WAITRESS_NAMES) <= set(BY_NAME)
    assert {row.name for row in ADJUSTMENTS if row.waitress == "absent"} == set(BY_NAME) - set(
        WAITRESS_NAMES
    )


@pytest.mark.parametrize("name", sorted(set(WAITRESS_NAMES) - OTHER_DEFAULTS))
def test_same_default(name: str) -> None:
    assert getattr(Adjustments(), name) == getattr(WaitressAdjustments(), name)


@pytest.mark.parametrize("name", sorted(OTHER_DEFAULTS))
def test_other_default(name: str) -> None:
    assert getattr(Adjustments(), name) != getattr(WaitressAdjustments(), name)
    assert BY_NAME[name].waitress == "differs"


def test_sockets_of_both_families_are_refused_alike() -> None:
    with socket.socket(socket.AF_INET) as inet, socket.socket(socket.AF_UNIX) as unix:
        keywords = {"sockets": [inet, unix]}
        assert outcome(Adjustments, keywords) == outcome(WaitressAdjustments, keywords)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram:
        keywords = {"sockets": [datagram]}
        assert outcome(Adjustments, keywords) == outcome(WaitressAdjustments, keywords)


def documented_flags() -> list[str]:
    """Every flag in the help text of ``waitress-serve``, both forms of the toggles."""
    flags = []
    for negatable, name in re.findall(r"^    --(\[no-\])?([a-z0-9-]+)", runner.HELP, re.MULTILINE):
        flags += [f"--{name}", f"--no-{name}"] if negatable else [f"--{name}"]
    return flags


def test_every_documented_flag_is_accepted() -> None:
    flags = documented_flags()
    assert len(flags) > 30  # the help text is still in the form that we parse
    assert set(flags) <= set(make_parser()._option_string_actions)


@pytest.mark.parametrize(
    "argv",
    [
        ["--threads=8", "m:o"],
        ["--threads", "8", "m:o"],
        ["--thr=8", "m:o"],
        ["--listen=127.0.0.1:1", "--listen=[::1]:2", "m:o"],
        ["--no-ipv6", "--expose-tracebacks", "m:o"],
        ["--ipv6", "--no-ipv6", "--ipv6", "m:o"],
        ["--threads=1", "--threads=2", "m:o"],
        ["--call", "--ident=", "m:o"],
        ["--unix-socket=/run/x", "--unix-socket-perms=660", "m:o"],
        ["--asyncore-use-poll", "m:o"],
    ],
    ids=" ".join,
)
def test_command_line_is_read_alike(argv: list[str]) -> None:
    theirs, rest = WaitressAdjustments.parse_args(argv)
    ours = vars(parse(argv))
    assert [ours["application"]] == rest
    assert ours["call"] == theirs["call"]
    given = {name: ours[name] for name in BY_NAME if name in ours}
    if "listen" in given:
        given["listen"] = " " + " ".join(given["listen"])
    assert given == {name: theirs[name] for name in theirs if name in BY_NAME}
