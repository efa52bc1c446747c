"""A Flask application: ``headwaiter flask_app:app`` in this folder.

Shows the two usual ways to hand a Flask application over: the object, or the factory that makes it
(``headwaiter --factory flask_app:create_app``).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, jsonify, request

if TYPE_CHECKING:
    from collections.abc import Iterator


def create_app() -> Flask:
    """Makes the application."""
    app = Flask(__name__)

    @app.get("/")
    def index() -> dict[str, Any]:
        """Says how the client was seen; Flask makes JSON of the dict."""
        return {"you": request.remote_addr, "scheme": request.scheme, "path": request.full_path}

    @app.post("/echo")
    def echo() -> Response:
        """Sends a JSON body back; a body that is not JSON gets Flask's own 400 or 415."""
        return jsonify(request.get_json())

    @app.get("/count/<int:number>")
    def count(number: int) -> Response:
        """Counts down, one line at a time: each is sent as soon as it is yielded."""

        def lines() -> Iterator[str]:
            for left in range(number, 0, -1):
                yield f"{left}\n"
                time.sleep(0.1)
            yield "lift-off\n"

        return Response(lines(), mimetype="text/plain")

    return app


app = create_app()
