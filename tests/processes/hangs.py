"""An application whose import never ends."""

from __future__ import annotations

import sys
import threading

print("hanging", file=sys.stderr, flush=True)
threading.Event().wait()
