"""The interface to a service manager such as systemd.

``sd_listen_fds_with_names(3)``: the manager passes bound sockets, from descriptor 3 on. The command
line serves them if no adjustment says where to listen, and the admin endpoint on one that is named
``admin``. ``sd_notify(3)``: the server sends a datagram when it is ready and when it stops. Both
need only environment variables and a socket, so there is no dependency.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time

FIRST_DESCRIPTOR = 3
ADMIN = "admin"
"""The name of a socket for the admin endpoint."""
UNNAMED = ("", "unknown")
PATIENCE = 1.0


def inherited_sockets() -> list[tuple[str, socket.socket]]:
    """The sockets passed to this process, each with its name, which may be empty. Its children do
    not inherit them.

    Raises:
        OSError: A descriptor that was announced is not a socket.
    """
    pid = os.environ.pop("LISTEN_PID", "")
    count = os.environ.pop("LISTEN_FDS", "")
    names = os.environ.pop("LISTEN_FDNAMES", "").split(":")
    if pid != str(os.getpid()) or not count.isdigit():
        return []
    sockets = []
    for number in range(int(count)):
        descriptor, name = FIRST_DESCRIPTOR + number, "".join(names[number : number + 1])
        os.set_inheritable(descriptor, False)
        sock = socket.socket(fileno=descriptor)
        sockets.append(("" if name in UNNAMED else name, sock))
    return sockets


def watchdog_seconds() -> float | None:
    """How often the service manager wants to hear ``WATCHDOG=1``: at half the time after which it
    acts. ``None`` if it has no watchdog for this process."""
    usec, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not usec.isdigit() or not int(usec) or pid not in ("", str(os.getpid())):
        return None
    return int(usec) / 2e6


def notify(state: str) -> None:
    """Send ``state`` to the service manager, if there is one. Errors are ignored."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if sys.platform == "win32" or not address.startswith(("/", "@")):
        return
    if state == "RELOADING=1":  # the manager compares this moment with that of READY=1
        state += f"\nMONOTONIC_USEC={time.monotonic_ns() // 1000}"
    if address.startswith("@"):  # the abstract namespace of Linux
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE)  # a manager that does not read must not delay the end
        sock.connect(address)
        sock.sendall(state.encode())
