"""The real parent with fake children, ``python -m tests.processes.fake_parent SCRIPT NAME=VALUE``.

``fake_child.py`` says what is in a script.
"""

from __future__ import annotations

import sys

from headwaiter._parent import start
from headwaiter._process import logs
from headwaiter._process.exits import StartError
from headwaiter._settings.adjustments import Adjustments
from headwaiter._settings.flags import UsageError


def main(argv: list[str]) -> int:
    script, *settings = argv
    logs.configure_unless_configured()
    keywords = {"listen": "127.0.0.1:0", **dict(item.split("=", 1) for item in settings)}

    def read() -> Adjustments:
        try:
            return Adjustments(**keywords)  # type: ignore[arg-type]
        except ValueError as error:
            raise UsageError(str(error)) from None

    command = [sys.executable, "-m", "tests.processes.fake_child"]
    try:
        return start.run_command(command, [script], read(), read)
    except StartError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
