"""PasteDeploy: ``use = egg:headwaiter#main`` in the ``[server:main]`` section of an ini file.

Both protocols of PasteDeploy are here; the settings of the section are strings and are cast like
any other (``docs/adjustments.md``). ``pserve`` uses the runner.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Callable

from headwaiter.server import serve

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def server_runner(app: WSGIApplication, global_conf: Mapping[str, str], **settings: Any) -> int:
    """Serve ``app`` until told to stop."""
    serve(app, **settings)
    return 0


def server_factory(
    global_conf: Mapping[str, str], **settings: Any
) -> Callable[[WSGIApplication], None]:
    """A function that serves the application it is called with."""

    def serve_with_settings(app: WSGIApplication) -> None:
        serve(app, **settings)

    return serve_with_settings
