"""A shop in Flask, behind a proxy: links and addresses come from its headers."""

from __future__ import annotations

import os
from collections.abc import Iterator

from flask import Flask, Response, jsonify, make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.middleware.proxy_fix import ProxyFix

SEEN = (
    *("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "CONTENT_TYPE"),
    *("CONTENT_LENGTH", "SERVER_PROTOCOL", "HTTP_HOST", "HTTP_ACCEPT", "HTTP_COOKIE"),
    *("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "REMOTE_ADDR"),
    *("wsgi.url_scheme", "wsgi.multithread", "wsgi.multiprocess"),
)


def create_app() -> Flask:
    app = Flask(__name__)
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1)  # type: ignore[method-assign]

    @app.get("/")
    def index() -> ResponseReturnValue:
        reply = make_response(f"{os.environ['SHOP_NAME']} {os.environ['SHOP_CURRENCY']}")
        reply.set_cookie("basket", "7")
        return reply

    @app.route("/seen", methods=["GET", "POST"])
    def seen() -> ResponseReturnValue:
        body = request.get_data(as_text=True)
        return jsonify({key: request.environ.get(key, "") for key in SEEN} | {"body": body})

    @app.post("/orders")
    def order() -> ResponseReturnValue:
        return redirect(url_for("seen", item=request.form["item"], _external=True))

    @app.get("/stream")
    def stream() -> ResponseReturnValue:
        def parts() -> Iterator[str]:
            for number in range(3):
                yield f"part {number}\n"

        return Response(parts(), mimetype="text/plain")

    return app
