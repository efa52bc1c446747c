"""Whether the addresses of ``make serve`` are free: ``python addresses.py PORT=127.0.0.1:8000 ...``

``make`` calls this before it builds anything. Each argument is a variable of the Makefile and the
address that follows from it. If one is taken, the message says how to choose another, and the exit
status is 1.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import sys
from collections.abc import Iterator

MOST_TRIED = 100


def is_free(host: str, port: int) -> bool:
    """Whether a server can be bound there. Anything else that is wrong is for the server to say."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(found[0], found[1]) as trial:
            # A port whose last server has just stopped is free; on Windows this would share it.
            if sys.platform != "win32":
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(found[4])
            trial.listen(1)
    except socket.gaierror:
        return True
    except OSError as error:
        return error.errno != errno.EADDRINUSE
    return True


def free_port(host: str, after: int) -> int:
    """A port near the one that is taken; one of the system's choice if there is none."""
    for port in range(after + 1, min(after + MOST_TRIED, 65536)):
        if is_free(host, port):
            return port
    with contextlib.closing(socket.create_server((host, 0))) as other:
        return int(other.getsockname()[1])


def taken(arguments: list[str]) -> Iterator[tuple[str, str]]:
    """The addresses that are taken, and what to say to ``make`` instead."""
    for argument in arguments:
        variable, _, address = argument.partition("=")
        shown, _, port = address.rpartition(":")
        host = shown.strip("[]")
        if not port.isdecimal() or is_free(host, int(port)):
            continue
        other = str(free_port(host, int(port)))
        yield address, f"{variable}={other if variable == 'PORT' else f'{shown}:{other}'}"


def main(arguments: list[str]) -> int:
    found = list(taken(arguments))
    for address, _ in found:
        print(f"{address} is taken by another server.", file=sys.stderr)
    if found:
        print(f"Choose another: make serve {' '.join(word for _, word in found)}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
