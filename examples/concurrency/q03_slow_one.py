"""Does one slow request block the others?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from helpers import Gate, answer, ask, send, serving

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

gates = {"/slow": Gate(), "/one-more": Gate()}


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    if environ["PATH_INFO"] in gates:
        gates[environ["PATH_INFO"]].wait()
    return answer(start_response, "done")


def main() -> None:
    with serving(app, threads=4) as server:
        slow = [send(server.address, "/slow") for _ in range(3)]
        gates["/slow"].until_inside(3)
        quick = [ask(server.address, "/quick").status for _ in range(20)]
        print(f"3 slow requests, 4 threads: {quick.count(200)} of 20 quick requests are answered")

        slow.append(send(server.address, "/one-more"))
        gates["/one-more"].until_inside(1)
        fifth = send(server.address, "/quick")
        server.until_waiting(1)
        print("4 slow requests, 4 threads: the quick request waits in the queue")

        gates["/one-more"].open()
        print(f"one of the four has finished: the quick request gets {fifth.reply().status}")
        gates["/slow"].open()
        for client in slow:
            client.reply()


if __name__ == "__main__":
    main()
