#!/usr/bin/env python3
"""Restarts the servers behind an HAProxy one after the other, without a lost request.

    roll.py --restart 'ssh {} systemctl restart headwaiter' web1 web2

The names are those of the ``server`` lines in the backend. A server is restarted only while all of
them are up, and the first command that fails ends the roll. The script does not tell HAProxy to
spare a server: after SIGTERM headwaiter's readiness path answers 503 for ``drain_delay``, while it
goes on serving, and HAProxy sees that.
"""

from __future__ import annotations

import argparse
import csv
import shlex
import socket
import subprocess
import sys
import time


def main() -> int:
    parser = argparse.ArgumentParser(description="Restart servers behind HAProxy one by one.")
    parser.add_argument("servers", nargs="+", help="names of servers in the backend")
    parser.add_argument("--restart", required=True, help="restarts a server; {} is its name")
    parser.add_argument("--haproxy", default="/run/haproxy/admin.sock", help="its stats socket")
    parser.add_argument("--backend", default="headwaiter")
    parser.add_argument("--patience", type=float, default=60, help="seconds to wait for servers")
    options = parser.parse_args()
    for server in options.servers:
        if not wait_until_all_are_up(options):
            return 1
        print(f"{server}: restarting", flush=True)
        command = [part.replace("{}", server) for part in shlex.split(options.restart)]
        if subprocess.run(command, check=False).returncode:
            print(f"{server}: {shlex.join(command)} failed", file=sys.stderr)
            return 1
    return 0 if wait_until_all_are_up(options) else 1


def wait_until_all_are_up(options: argparse.Namespace) -> bool:
    """Asks HAProxy five times a second; False if a server is still not up after ``patience``."""
    end = time.monotonic() + options.patience
    while True:
        states = server_states(options.haproxy, options.backend)
        missing = set(options.servers) - states.keys()
        down = [name for name, state in states.items() if state != "UP"]
        if not missing and not down:
            return True
        if missing or time.monotonic() > end:
            print(f"not up: {', '.join([*missing, *down])}", file=sys.stderr)
            return False
        time.sleep(0.2)


def server_states(path: str, backend: str) -> dict[str, str]:
    """The state of each server of ``backend``: "UP", "DOWN", "UP 1/2" while a check fails, ..."""
    with socket.socket(socket.AF_UNIX) as haproxy:
        haproxy.connect(path)
        haproxy.sendall(b"show stat\n")
        answer = b"".join(iter(lambda: haproxy.recv(65536), b"")).decode()
    rows = csv.DictReader(answer.lstrip("# ").splitlines())
    groups = ("FRONTEND", "BACKEND")
    return {
        row["svname"]: row["status"]
        for row in rows
        if row["pxname"] == backend and row["svname"] not in groups
    }


if __name__ == "__main__":
    sys.exit(main())
