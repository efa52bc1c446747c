"""The application in Bottle."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bottle

from . import GREETING, Raised, lines, path, told

app = bottle.Bottle()


@app.get("/")
def index() -> str:
    return GREETING


@app.post("/form")
def form() -> Any:
    return bottle.request.forms.getunicode("name")


@app.post("/upload")
def upload() -> str:
    return told(bottle.request.files["file"].file.read())


@app.get("/stream")
def stream() -> Iterator[bytes]:
    bottle.response.content_type = "text/plain"
    return lines()


@app.get("/file")
def file() -> Any:
    target = Path(path())
    return bottle.static_file(target.name, root=str(target.parent))


@app.get("/error")
def error() -> str:
    raise Raised
