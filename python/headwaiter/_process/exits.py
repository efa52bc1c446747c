"""The exit statuses of the command line, which ``docs/processes.md`` lists, and why a server does
not start."""

from __future__ import annotations

DONE = 0
"""Everything that was received has been answered."""
NOT_STARTED = 1
"""The server could not start."""
USAGE = 2
"""The command line or the configuration is wrong."""
CUT = 3
"""Requests, or threads of the application, were cut."""
KEPT_DYING = 4
"""The processes that the parent started kept dying, and none was left."""


class StartError(Exception):
    """Why the server did not start, as one message."""
