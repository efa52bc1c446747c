"""The real parent with fake children, ``python -m tests.processes.fake_parent SCRIPT NAME=VALUE``.

``fake_child.py`` says what is in a script.
"""

from __future__ import annotations

import sys

from headwaiter._parent import start
from headwaiter._process import logs
from headwaiter._settings.adjustments import Adjustments


def main(argv: list[str]) -> int:
    script, *settings = argv
    logs.configure_unless_configured()
    keywords = dict(item.split("=", 1) for item in settings)
    adjustments = Adjustments(listen="127.0.0.1:0", **keywords)  # type: ignore[arg-type]
    command = [sys.executable, "-m", "tests.processes.fake_child"]
    try:
        return start.run_command(command, [script], adjustments)
    except start.StartError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
