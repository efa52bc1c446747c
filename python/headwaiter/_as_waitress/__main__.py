"""``python -m waitress`` while headwaiter stands in for Waitress: ``waitress.__main__``."""

from __future__ import annotations

import sys

from headwaiter.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
