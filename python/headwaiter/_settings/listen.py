"""Where to listen: which adjustments exclude each other, and which addresses a name stands for.

``adjustments.py`` asks for the resolved addresses once per server; the extension binds them. Rules:
an address is listed once, in the given order. A name stands for all its addresses of the enabled
families that this machine has. A name that cannot be resolved is a ``ValueError`` before any socket
listens. An inherited descriptor is only a number here: a child of the server reads the settings,
too, and there the number belongs to something else.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from headwaiter._settings import paths
from headwaiter._settings.addresses import Address, Tcp, Unix, parse

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

# What `listen` takes in place of another adjustment.
_IN_LISTEN = {"host": "HOST:PORT", "port": "HOST:PORT", "unix_socket": "unix:PATH, too"}

# (family, type, protocol, address) as from socket.getaddrinfo, without the canonical name. The
# address of a Unix socket is its path; an inherited descriptor has no family, and is its number.
SocketInfo = tuple[socket.AddressFamily, socket.SocketKind, int, tuple[Any, ...]]


def check_exclusive(given: Mapping[str, str]) -> None:
    """Raise ``ValueError`` if two adjustments exclude each other. ``given`` has their names, each
    with what the message calls it."""
    for one, other in _EXCLUSIVE:
        if one in given and other in given:
            taken = _IN_LISTEN.get(other) if one == "listen" else None
            hint = f"; {given[one]} takes {taken}" if taken else ""
            raise ValueError(f"{given[other]} may not be set if {given[one]} is set{hint}")


def excluded_by(names: Iterable[str]) -> set[str]:
    """The adjustments that may not be given together with any of ``names``."""
    given = set(names)
    return {b for a, b in _EXCLUSIVE if a in given} | {a for a, b in _EXCLUSIVE if b in given}


def resolve(listen: Sequence[str | Tcp], *, ipv4: bool, ipv6: bool) -> list[SocketInfo]:
    """The addresses behind what ``listen`` names, in the forms of ``addresses.py``.

    Raises:
        ValueError: ``listen`` is empty, a port is out of range, or a name has no address.
    """
    if not listen:
        raise ValueError("listen names no address")
    family = _family(ipv4, ipv6)
    found: list[SocketInfo] = []
    seen: set[Any] = set()
    for item in listen:
        for info in _resolved(item, family):
            # Some systems list a link-local address once per zone; all may list an address twice.
            key = info[3] if info[0] in _WITHOUT_PORT else (info[3][0].split("%")[0], info[3][1])
            if key not in seen:
                found.append(info)
            if key[1:] != (0,):  # each port 0 is another one
                seen.add(key)
    return found


def _resolved(item: str | Tcp, family: socket.AddressFamily) -> list[SocketInfo]:
    """What one item of ``listen`` stands for."""
    if isinstance(item, Tcp):
        return _present(_lookup(f"{item.host}:{item.port}", *item, family))
    address = _parsed(item)
    if isinstance(address, Tcp):
        everywhere = "::" if family == socket.AF_INET6 else "0.0.0.0"
        return _present(_lookup(item, address.host or everywhere, address.port, family))
    if _UNIX is None:
        raise ValueError(f"cannot listen on {item!r}: not on this system")
    if isinstance(address, Unix):
        return [(_UNIX, socket.SOCK_STREAM, 0, (paths.of_socket("listen", address.path),))]
    return [(socket.AF_UNSPEC, socket.SOCK_STREAM, 0, (address.number,))]


def _parsed(item: str) -> Address:
    try:
        return parse(item)
    except ValueError as error:
        raise ValueError(f"cannot listen on {item!r}: {error}") from None


def with_name(url: str, name: str) -> str:
    """The address for the log, with the name that the service manager has for the socket."""
    return f"{url} ({name})" if name else url


def bracketed(host: str) -> str:
    """``host`` for use before a colon and a port: IPv6 addresses in brackets."""
    return f"[{host}]" if ":" in host else host


def shown(infos: Iterable[SocketInfo]) -> str:
    """Resolved addresses as a person writes them."""
    return " ".join(_shown(family, address) for family, _, _, address in infos)


def _shown(family: socket.AddressFamily, address: tuple[Any, ...]) -> str:
    if family == _UNIX:
        return f"unix:{address[0]}"
    if family == socket.AF_UNSPEC:
        return f"fd://{address[0]}"
    return f"{bracketed(address[0])}:{address[1]}"


def specs(infos: Iterable[SocketInfo]) -> list[tuple[Any, ...]]:
    """Resolved addresses in the form that the extension's ``Server`` takes."""
    return [(_kind(family), *address) for family, _, _, address in infos]


def _kind(family: socket.AddressFamily) -> str:
    if family == socket.AF_UNSPEC:
        return "fd"
    return "unix" if family == _UNIX else "inet6" if family == socket.AF_INET6 else "inet"


def admin(where: str | None, *, public: bool) -> list[tuple[Any, ...]]:
    """The addresses of the admin endpoint. ``where`` has a form of ``addresses.py``, or is the path
    of a Unix socket, with a slash. A port without a host is one of the loopback.

    Raises:
        ValueError: ``where`` is something else, or other machines reach the address although
            ``public`` is false.
    """
    if not where:
        return []
    try:
        address = Unix(where) if _is_path(where) else parse(where)
    except ValueError as error:
        raise ValueError(f"admin: {where!r}: {error}") from None
    if not isinstance(address, Tcp):
        if _UNIX is None:
            raise ValueError(f"admin: {where!r}: not on this system")
        return [("unix" if isinstance(address, Unix) else "fd", *address)]
    if not where.rpartition(":")[2].isdigit():
        raise ValueError(f"admin: expected HOST:PORT or a path with a slash, got {where!r}")
    try:
        asked = where if address.host else Tcp("127.0.0.1", address.port)
        infos = resolve([asked], ipv4=True, ipv6=socket.has_ipv6)
    except ValueError as error:
        raise ValueError(f"admin: {error}") from None
    for info in infos:
        _check_loopback(str(info[3][0]), where, public=public)
    return specs(infos)


def _is_path(where: str) -> bool:
    return "/" in where and "://" not in where


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


def check_sockets(sockets: Iterable[socket.socket], name: str = "sockets") -> None:
    """
    Raises:
        ValueError: One of ``sockets`` cannot be served, or not together with others.
    """
    sockets = list(sockets)
    if sockets and sys.platform == "win32":
        raise ValueError(f"{name}: not on Windows; name the addresses with listen")
    families = set()
    for sock in sockets:
        if sock.type != socket.SOCK_STREAM or sock.family not in _STREAM_FAMILIES:
            raise ValueError(f"{name}: only Internet or Unix stream sockets may be used")
        families.add("unix" if sock.family == _UNIX else "internet")
    if len(families) > 1:
        raise ValueError(f"{name}: Internet and Unix sockets may not be mixed")


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
_WITHOUT_PORT = (_UNIX, socket.AF_UNSPEC)
_STREAM_FAMILIES = {socket.AF_INET, socket.AF_INET6, _UNIX} - {None}
