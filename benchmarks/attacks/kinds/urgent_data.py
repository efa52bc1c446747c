"""Requests with a byte of urgent data in the middle."""

from __future__ import annotations

import contextlib
import socket

from benchmarks.attacks.attack import Attack, Row

CLIENTS = 100
BEFORE, AFTER = b"GET / HTTP/1.1\r\nHo", b"st: localhost\r\n\r\n"
PATIENCE_SECONDS = 1.0


class UrgentData(Attack):
    def set_up(self) -> None:
        self.enlist([()] * self.ground.count(CLIENTS))

    def run(self) -> None:
        while not self.ground.over():
            asked = 0
            for client in self.clients:
                client.replies = 0
                with contextlib.suppress(OSError):
                    client.connection.send(BEFORE)
                    client.connection.send(b"!", socket.MSG_OOB)
                    client.connection.send(AFTER)
                    asked += 1
            self.tally["asked"] += asked
            if not asked:
                return
            self.drive(lambda client: client.replies > 0, PATIENCE_SECONDS)


ROWS = (Row("urgent-data", f"{CLIENTS} clients whose requests hold urgent data", UrgentData),)
