"""headwaiter: a WSGI server written in Rust, a drop-in replacement for Waitress.

``serve(app)`` serves until a signal stops it. ``create_server(app)`` returns the server, for
programs that also do other things. ``install_as_waitress()`` makes ``import waitress`` mean this
package.
"""

from __future__ import annotations

from headwaiter._headwaiter import __version__
from headwaiter._settings.adjustments import Adjustments
from headwaiter._settings.table import ADJUSTMENTS
from headwaiter._waitress import install_as_waitress
from headwaiter.exceptions import ClientDisconnected
from headwaiter.server import Server, create_server, serve

__all__ = [
    "ADJUSTMENTS",
    "Adjustments",
    "ClientDisconnected",
    "Server",
    "__version__",
    "create_server",
    "install_as_waitress",
    "serve",
]
