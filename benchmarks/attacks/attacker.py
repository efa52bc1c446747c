"""The attackers' process: `python -m benchmarks.attacks.attacker NAME PORT ADMIN SECONDS SCALE`.

Prints one line of JSON when the attack is over: what its clients did.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

from benchmarks.attacks.attack import Ground
from benchmarks.attacks.kinds import ROWS

if TYPE_CHECKING:
    from benchmarks.attacks.attack import Row


def attack(row: Row, port: int, admin: int, seconds: float, scale: float = 1.0) -> dict[str, int]:
    """Attack from set-up to stop; what the clients did."""
    one = row.make(Ground(port, admin, time.monotonic() + seconds, scale))
    try:
        one.set_up()
        one.run()
    finally:
        one.stop()
    return {what: count for what, count in one.tally.items() if count}


def main(name: str, port: str, admin: str, seconds: str, scale: str) -> None:
    done = attack(ROWS[name], int(port), int(admin), float(seconds), float(scale))
    print(json.dumps(done))


if __name__ == "__main__":
    main(*sys.argv[1:])
