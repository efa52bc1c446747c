"""PasteDeploy: ``use = egg:headwaiter#main`` in the ``[server:main]`` section of an ini file.

Both protocols of PasteDeploy are here; ``pserve`` uses the runner. The settings of the section are
strings and are cast like all others (``docs/adjustments.md``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Callable

from headwaiter.server import serve

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def server_runner(app: WSGIApplication, global_conf: Mapping[str, str], **settings: Any) -> int:
    """Serve ``app`` until a signal stops it."""
    serve(app, **settings)
    return 0


def server_factory(
    global_conf: Mapping[str, str], **settings: Any
) -> Callable[[WSGIApplication], None]:
    """Return a function that serves the application given to it."""

    def serve_with_settings(app: WSGIApplication) -> None:
        serve(app, **settings)

    return serve_with_settings
