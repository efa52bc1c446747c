"""The application in Flask."""

from __future__ import annotations

import flask

from . import GREETING, Raised, lines, path, told

app = flask.Flask(__name__)


@app.get("/")
def index() -> str:
    return GREETING


@app.post("/form")
def form() -> str:
    return flask.request.form["name"]


@app.post("/upload")
def upload() -> str:
    return told(flask.request.files["file"].read())


@app.get("/stream")
def stream() -> flask.Response:
    return flask.Response(lines(), mimetype="text/plain")


@app.get("/file")
def file() -> flask.Response:
    return flask.send_file(path())


@app.get("/error")
def error() -> str:
    raise Raised
