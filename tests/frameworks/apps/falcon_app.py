"""The application in Falcon."""

from __future__ import annotations

from pathlib import Path

import falcon
import falcon.media

from . import GREETING, Raised, lines, path, told

TEXT = "text/plain; charset=utf-8"


class Index:
    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        response.content_type = TEXT
        response.text = GREETING


class Form:
    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        response.content_type = TEXT
        response.text = request.get_media()["name"]


class Upload:
    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        response.content_type = TEXT
        for part in request.get_media():
            if part.name == "file":
                response.text = told(part.stream.read())


class Stream:
    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        response.content_type = TEXT
        response.stream = lines()


class File:
    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        target = Path(path())
        response.content_type = "application/octet-stream"
        response.set_stream(target.open("rb"), target.stat().st_size)  # through wsgi.file_wrapper


class Error:
    def on_get(self, _request: falcon.Request, _response: falcon.Response) -> None:
        raise Raised


app = falcon.App()
multipart = falcon.media.MultipartFormHandler()
multipart.parse_options.max_body_part_buffer_size = 16 << 20
app.req_options.media_handlers[falcon.MEDIA_MULTIPART] = multipart
app.add_route("/", Index())
app.add_route("/form", Form())
app.add_route("/upload", Upload())
app.add_route("/stream", Stream())
app.add_route("/file", File())
app.add_route("/error", Error())
