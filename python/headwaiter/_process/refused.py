"""Why the system does not let a server listen, and what to do: for one message at the start.

``_startup.py`` and ``_parent/start.py`` ask when binding has failed. Rules: it only looks, at
``/proc`` and at whether a port is free; what cannot be found out is left out.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from typing import Any

Spec = tuple[Any, ...]
LONGEST_COMMAND = 60
LONGEST_PATH = 107 if sys.platform == "linux" else 103
PORTS_TRIED = 20
FIRST_PORT = "/proc/sys/net/ipv4/ip_unprivileged_port_start"
LISTENING = "0A"


def why(error: OSError, serving: Sequence[Spec], admin: Sequence[Spec]) -> str:
    """The message for an address that cannot be bound: one of those for clients, or of ``admin``.
    The addresses are in the form that the extension takes."""
    known = [_shown(spec) for spec in (*serving, *admin)]
    named = next((each for each in known if str(error).startswith(f"{each}: ")), "")
    place = str(error.filename or named or ", ".join(map(_shown, serving)))
    reason = error.strerror or str(error).replace(f"{place}: ", "", 1)
    if "SUN_LEN" in reason:
        length = len(os.fsencode(place))
        reason = f"this path has {length} bytes, and that of a Unix socket at most {LONGEST_PATH}"
    text = f"cannot listen on {place}: {reason}"
    flag = "--admin" if place in map(_shown, admin) else "--listen"
    if "/" in place:
        return text + _about_path(error, place)
    host, colon, port = place.rpartition(":")
    if not colon or not port.isdigit():
        return text
    if error.errno == errno.EADDRINUSE:
        user, free = _user_of(int(port)), _free(host, int(port))
        by = f" by {user}. Stop it" if user else ". Stop what uses it"
        return f"{text}{by}, or listen elsewhere: {flag}={host}:{free}"
    if error.errno == errno.EADDRNOTAVAIL:
        every = "[::]" if ":" in host else "0.0.0.0"
        return f"{text}: this machine has no such address; {flag}={every}:{port} is all it has"
    if error.errno == errno.EACCES and int(port) < _first_port():
        return (
            f"{text}: ports below {_first_port()} are for root. Listen on another, such as"
            f" {flag}={host}:{8000 + int(port) % 1000}, let a service manager pass the socket, or"
            " start as root with --user=NAME, which gives root's rights up once it has bound"
        )
    return text


def _shown(spec: Spec) -> str:
    """An address as the extension names it."""
    kind, where, *port = spec
    if kind in ("unix", "fd"):
        return str(where) if kind == "unix" else f"descriptor {where}"
    return f"[{where}]:{port[0]}" if kind == "inet6" else f"{where}:{port[0]}"


def _about_path(error: OSError, path: str) -> str:
    folder = os.path.dirname(path)
    if error.errno == errno.ENOENT and not os.path.isdir(folder):
        return f": there is no directory {folder}"
    if error.errno == errno.EADDRINUSE:
        return ": another server uses this socket"
    if error.errno == errno.EACCES and not os.access(folder, os.W_OK):
        return f": this process may not write in {folder}"
    return ""


def _first_port() -> int:
    """The lowest port that everybody may bind."""
    with contextlib.suppress(OSError, ValueError), open(FIRST_PORT, encoding="ascii") as file:
        return int(file.read())
    return 1024


def _free(host: str, port: int) -> int:
    """A port above this one that nobody uses; 0, which lets the system choose, if all are used."""
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for other in range(port + 1, min(port + PORTS_TRIED, 65536)):
        with contextlib.suppress(OSError, OverflowError), socket.socket(family) as sock:
            sock.bind((host, other))
            return other
    return 0


def _user_of(port: int) -> str:
    """The process that listens on this port, such as ``process 7 (python app.py)``; empty if it is
    hidden from this one."""
    if sys.platform != "linux":
        return ""
    wanted = {f"socket:[{inode}]" for inode in _inodes(port)}
    numbers: list[int] = []
    with contextlib.suppress(OSError):
        numbers = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
    for number in numbers if wanted else ():  # a parent comes before its children
        with contextlib.suppress(OSError):
            for descriptor in os.listdir(f"/proc/{number}/fd"):
                with contextlib.suppress(OSError):  # it has been closed meanwhile
                    if os.readlink(f"/proc/{number}/fd/{descriptor}") in wanted:
                        return f"process {number}{_command(number)}"
    return ""


def _inodes(port: int) -> Iterator[str]:
    """The inodes of the sockets that listen on this port."""
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(OSError), open(f"/proc/net/{name}", encoding="ascii") as file:
            for line in file:
                fields = line.split()
                local, state = fields[1], fields[3]
                if state == LISTENING and int(local.rpartition(":")[2], 16) == port:
                    yield fields[9]


def _command(number: int) -> str:
    """The command line of a process in brackets, with an escape for what is not printable."""
    with contextlib.suppress(OSError), open(f"/proc/{number}/cmdline", "rb") as file:
        words = file.read().decode("utf-8", "backslashreplace").split("\0")
        text = " ".join(word for word in words if word)
        text = text if text.isprintable() else ascii(text)[1:-1]
        cut = text[:LONGEST_COMMAND] + ("..." if len(text) > LONGEST_COMMAND else "")
        return f" ({cut})" if cut else ""
    return ""
