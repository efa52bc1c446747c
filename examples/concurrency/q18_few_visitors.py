"""Why is there a queue on a site with few visitors?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from helpers import Gate, answer, ask, send, serving

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

gate = Gate()
PARTS = ("site.css", "site.js", "logo.png", "photo.jpg", "data.json", "more.json")


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    if environ["PATH_INFO"] != "/":
        gate.wait()
    return answer(start_response, "done")


def main() -> None:
    with serving(app, threads=4) as server:
        ask(server.address)
        browser = [send(server.address, f"/{part}") for part in PARTS]
        gate.until_inside(4)
        server.until_waiting(2)
        print("one visitor, one page, 6 requests at once: 4 run on 4 threads, 2 wait")
        gate.open()
        done = [client.reply().status for client in browser]
        print(f"the page is complete: {done.count(200)} parts")


if __name__ == "__main__":
    main()
