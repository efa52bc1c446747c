"""Does a slow download hold a thread?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from helpers import ask, send, serving, until

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

SIZE = 16 << 20
returned: list[str] = []


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    size = SIZE if environ["PATH_INFO"] == "/large" else 5
    start_response("200 OK", [("Content-Length", str(size))])
    returned.append(environ["PATH_INFO"])
    return [bytes(size)]


def main() -> None:
    with serving(app, threads=1) as server:
        readers = [send(server.address, "/large") for _ in range(5)]  # which read nothing yet
        until(lambda: returned.count("/large") == 5, "the view has returned five times")
        until(lambda: server.now()["channels"]["sending"] == 5, "five replies wait for clients")
        status = ask(server.address).status
        now = server.now()
        print("5 clients that do not read, 16 MiB each, threads=1: the view has returned 5 times")
        print(f"unsent: {now['unsent'] >> 20} MiB; threads busy: {now['workers_busy']}")
        print(f"a visitor gets {status} meanwhile")
        received = sum(len(reader.reply().text) for reader in readers)
    print(f"later the clients read everything: {received >> 20} MiB")


if __name__ == "__main__":
    main()
