"""Where to listen: which adjustments exclude each other, and which addresses a name stands for.

``adjustments.py`` asks for the resolved addresses once per server; the extension binds them. Rules:
an address is listed once, in the given order. A name stands for all its addresses of the enabled
families that this machine has. A name that cannot be resolved is a ``ValueError`` before any socket
listens.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
import sys
from collections.abc import Iterable, Sequence
from typing import Any

DEFAULT_PORT = 8080

# Each pair may not be given together.
_EXCLUSIVE = (
    ("listen", "host"),
    ("listen", "port"),
    ("listen", "sockets"),
    ("listen", "unix_socket"),
    ("sockets", "host"),
    ("sockets", "port"),
    ("sockets", "unix_socket"),
    ("unix_socket", "host"),
    ("unix_socket", "port"),
)

# (family, type, protocol, address) as from socket.getaddrinfo, without the canonical name.
SocketInfo = tuple[socket.AddressFamily, socket.SocketKind, int, tuple[Any, ...]]


def check_exclusive(names: Iterable[str]) -> None:
    """Raise ``ValueError`` if two of ``names`` exclude each other."""
    given = set(names)
    for one, other in _EXCLUSIVE:
        if one in given and other in given:
            raise ValueError(f"{other} may not be set if {one} is set")


def excluded_by(names: Iterable[str]) -> set[str]:
    """The adjustments that may not be given together with any of ``names``."""
    given = set(names)
    return {b for a, b in _EXCLUSIVE if a in given} | {a for a, b in _EXCLUSIVE if b in given}


def resolve(listen: Sequence[str], *, ipv4: bool, ipv6: bool) -> list[SocketInfo]:
    """The addresses behind ``HOST:PORT`` strings.

    Raises:
        ValueError: ``listen`` is empty, a port is out of range, or a name has no address.
    """
    if not listen:
        raise ValueError("listen names no address")
    family = _family(ipv4, ipv6)
    found: list[SocketInfo] = []
    seen = set()
    for item in listen:
        host, port = split(item)
        for info in _present(_lookup(item, host, port, family)):
            # Some systems list a link-local address once per zone; all may list an address twice.
            key = (str(info[3][0]).split("%", 1)[0], info[3][1])
            if info[3][1] == 0 or key not in seen:
                seen.add(key)
                found.append(info)
    return found


def split(item: str) -> tuple[str, str]:
    """``host:port``, ``[host]:port`` or a bare host; a bare one gets the default port."""
    host, colon, port = item.rpartition(":")
    if not colon or "]" in port:  # no port, or the last colon is inside an IPv6 address
        host, port = item, str(DEFAULT_PORT)
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    return host, port


def with_name(url: str, name: str) -> str:
    """The address for the log, with the name that the service manager has for the socket."""
    return f"{url} ({name})" if name else url


def bracketed(host: str) -> str:
    """``host`` for use before a colon and a port: IPv6 addresses in brackets."""
    return f"[{host}]" if ":" in host else host


def specs(infos: Iterable[SocketInfo]) -> list[tuple[Any, ...]]:
    """Resolved addresses in the form that the extension's ``Server`` takes."""
    return [
        ("inet6" if family == socket.AF_INET6 else "inet", *address)
        for family, _, _, address in infos
    ]


def admin(where: str | None, *, public: bool) -> list[tuple[Any, ...]]:
    """The addresses of the admin endpoint, from ``HOST:PORT`` or the path of a Unix socket.

    Raises:
        ValueError: ``where`` is neither, or other machines reach the address although ``public`` is
            false.
    """
    if not where:
        return []
    if "/" in where:
        if _UNIX is None:
            raise ValueError("admin: this system has no Unix sockets")
        return [("unix", where)]
    if not where.rpartition(":")[2].isdigit():
        raise ValueError(f"admin: expected HOST:PORT or a path with a slash, got {where!r}")
    try:
        infos = resolve([where], ipv4=True, ipv6=socket.has_ipv6)
    except ValueError as error:
        raise ValueError(f"admin: {error}") from None
    for info in infos:
        _check_loopback(str(info[3][0]), where, public=public)
    return specs(infos)


def admin_sockets(sockets: Sequence[socket.socket], *, public: bool) -> str:
    """The addresses of bound sockets for the admin endpoint, as text.

    Raises:
        ValueError: As for :func:`admin`.
    """
    found = []
    for sock in sockets:
        check_sockets([sock])
        name = sock.getsockname()
        if sock.family != _UNIX:
            host, name = name[0], f"{bracketed(name[0])}:{name[1]}"
            _check_loopback(host, name, public=public)
        found.append(str(name))
    return " ".join(found)


def _check_loopback(host: str, shown: str, *, public: bool) -> None:
    if not public and not ipaddress.ip_address(host.split("%")[0]).is_loopback:
        raise ValueError(f"admin: {shown!r} is not loopback; set admin_public to allow that")


def check_sockets(sockets: Iterable[socket.socket]) -> None:
    sockets = list(sockets)
    if sockets and sys.platform == "win32":
        raise ValueError("sockets: not on Windows; name the addresses with listen")
    families = set()
    for sock in sockets:
        if sock.type != socket.SOCK_STREAM or sock.family not in _STREAM_FAMILIES:
            raise ValueError("sockets: only Internet or Unix stream sockets may be used")
        families.add("unix" if sock.family == _UNIX else "internet")
    if len(families) > 1:
        raise ValueError("sockets: Internet and Unix sockets may not be mixed")


def _family(ipv4: bool, ipv6: bool) -> socket.AddressFamily:
    if not ipv4 and not ipv6:
        raise ValueError("ipv4 and ipv6 are both off")
    if not ipv4 and not socket.has_ipv6:
        raise ValueError("ipv4 is off, and this Python has no IPv6")
    if ipv4 and ipv6:
        return socket.AF_UNSPEC
    return socket.AF_INET if ipv4 else socket.AF_INET6


def _lookup(item: str, host: str, port: str, family: socket.AddressFamily) -> list[SocketInfo]:
    if port.isdigit() and int(port) > 65535:  # getaddrinfo would take it modulo 65536
        raise ValueError(f"cannot listen on {item!r}: port out of range")
    if sys.platform == "win32" and not port.isdigit():
        raise ValueError(f"cannot listen on {item!r}: Windows has no service names for ports")
    try:
        infos = socket.getaddrinfo(
            None if host == "*" else host,
            port,
            family,
            socket.SOCK_STREAM,
            socket.IPPROTO_TCP,
            socket.AI_PASSIVE,
        )
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ValueError(f"cannot listen on {item!r}: {reason}") from None
    return [(family, kind, proto, address) for family, kind, proto, _, address in infos]


def _present(infos: list[SocketInfo]) -> list[SocketInfo]:
    """The addresses of a name that this machine has; ``localhost`` stands for ``::1``, too, even if
    IPv6 is off. If the machine has none of them, returns all, and binding reports the error."""
    return [info for info in infos if len(infos) == 1 or _is_present(*info)] or infos


def _is_present(
    family: socket.AddressFamily, kind: socket.SocketKind, proto: int, address: tuple[Any, ...]
) -> bool:
    try:
        with socket.socket(family, kind, proto) as probe:
            probe.bind((address[0], 0, *address[2:]))
    except OSError as error:
        return error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
    return True


_UNIX = getattr(socket, "AF_UNIX", None)
_STREAM_FAMILIES = {socket.AF_INET, socket.AF_INET6, _UNIX} - {None}
