"""Does a streamed reply hold a thread?"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from helpers import Client, Gate, answer, request, send, serving

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

gate = Gate()
ended = threading.Event()


def events() -> Iterator[bytes]:
    yield b"data: first\n\n"
    gate.wait()
    yield b"data: last\n\n"
    ended.set()


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/events":
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        return events()
    return answer(start_response, "hello")


def read_until(client: Client, text: bytes) -> None:
    received = b""
    while text not in received:
        received += client.socket.recv(65536)


def main() -> None:
    with serving(app, threads=2) as server:
        streams = [Client(server.address, request("/events")) for _ in range(2)]
        for stream in streams:
            read_until(stream, b"data: first")
        print("2 streams, threads=2: both clients have the first event, no stream has ended")
        visitor = send(server.address)
        server.until_waiting(1)
        print(f"threads busy: {server.now()['workers_busy']}; a visitor waits in the queue")
        gate.open()
        print(f"the streams have ended: the visitor gets {visitor.reply().status}")
        for stream in streams:
            read_until(stream, b"data: last")
            stream.leave()


if __name__ == "__main__":
    main()
