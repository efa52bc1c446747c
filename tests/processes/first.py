"""An application that the first process alone can load."""

from __future__ import annotations

import os

from tests.processes.apps import who

if os.environ["HEADWAITER_PROCESS"] != "0":
    raise RuntimeError("not the first process")
application = who
