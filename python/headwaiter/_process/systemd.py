"""What a service manager such as systemd hands over and wants to hear.

``sd_listen_fds(3)``: sockets that are bound already, from descriptor 3 on; the command line takes
them when nothing else says where to listen. ``sd_notify(3)``: a datagram when the server is ready
and when it stops. Both are no more than an environment variable and a socket, so there is no
dependency.
"""

from __future__ import annotations

import contextlib
import os
import socket

FIRST_DESCRIPTOR = 3
PATIENCE = 1.0


def inherited_sockets() -> list[socket.socket]:
    """The sockets passed to this very process; its children shall not take them for theirs.

    Raises:
        OSError: A descriptor that was announced is not a socket.
    """
    pid = os.environ.pop("LISTEN_PID", "")
    count = os.environ.pop("LISTEN_FDS", "")
    os.environ.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()) or not count.isdigit():
        return []
    sockets = []
    for descriptor in range(FIRST_DESCRIPTOR, FIRST_DESCRIPTOR + int(count)):
        os.set_inheritable(descriptor, False)
        sockets.append(socket.socket(fileno=descriptor))
    return sockets


def notify(state: str) -> None:
    """Tell the service manager, if there is one. Whether it listens is not our concern."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):  # the abstract namespace of Linux
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE)  # a manager that reads nothing must not hold up the end
        sock.connect(address)
        sock.sendall(state.encode())
