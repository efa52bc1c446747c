"""Does a slow upload hold a thread?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from helpers import Client, answer, ask, request, serving, until

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

uploads: list[int] = []
WHOLE = request("/", "POST", bytes(100_000))


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    if environ["REQUEST_METHOD"] == "POST":
        uploads.append(len(environ["wsgi.input"].read()))
    return answer(start_response, "hello")


def main() -> None:
    with serving(app, threads=1) as server:
        clients = [Client(server.address, WHOLE[:50_000]) for _ in range(10)]
        until(lambda: server.now()["channels"]["receiving"] == 10, "10 uploads are half received")
        busy, status = server.now()["workers_busy"], ask(server.address).status
        print(f"10 half-sent uploads: {busy} threads busy, the view ran {len(uploads)} times")
        print(f"a visitor gets {status} meanwhile")
        for client in clients:
            client.socket.sendall(WHOLE[50_000:])
        done = [client.reply().status for client in clients]
    print(f"the rest arrives: {done.count(200)} replies, and the view ran {len(uploads)} times")


if __name__ == "__main__":
    main()
