"""Slow clients of the admin endpoint: half of them never finish a head, half never a body."""

from __future__ import annotations

from benchmarks.attacks.attack import Attack, Row
from benchmarks.attacks.wire import head

CLIENTS = 64
HEAD = b"GET /live HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
BODY = head("POST", "/live", b"Content-Length: 100000")


class SlowAdmins(Attack):
    def set_up(self) -> None:
        firsts = (HEAD if number % 2 else BODY for number in range(self.ground.count(CLIENTS)))
        self.enlist(([first] for first in firsts), reads=False, port=self.ground.admin)

    def run(self) -> None:
        self.drive()
        connections = [client.connection for client in self.clients]
        self.each_second(connections, lambda connection: connection.send(b"x"))


ROWS = (Row("slow-admins", f"{CLIENTS} slow clients of the admin endpoint", SlowAdmins, ours=True),)
