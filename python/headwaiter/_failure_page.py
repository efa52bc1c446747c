"""What a server with ``reload`` serves while its application cannot be loaded."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PAGE = """\
<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>The application cannot be loaded</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2em; }}
pre {{ background: #f4f4f4; color: #222; overflow: auto; padding: 1em; }}
</style>
<h1>The application cannot be loaded</h1>
<p>Fix the file and save it: the server then loads the application again.</p>
<pre>{text}</pre>
"""


def application(text: str) -> WSGIApplication:
    """An application that answers 500 with ``text``, such as a traceback, as a page."""
    body = PAGE.format(text=html.escape(text)).encode("utf-8", "backslashreplace")
    fields = [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
    ]

    def failure(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("500 Internal Server Error", fields)
        return [body]

    return failure
