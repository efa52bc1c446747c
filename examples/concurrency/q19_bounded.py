"""How do I keep the queue from growing without bound?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from helpers import Gate, answer, ask, send, serving

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

gates = {"/a": Gate(), "/b": Gate()}
seen: list[str] = []


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    seen.append(environ["PATH_INFO"])
    if environ["PATH_INFO"] in gates:
        gates[environ["PATH_INFO"]].wait()
    return answer(start_response, "done")


def main() -> None:
    with serving(app, threads=1, queue_limit=2) as server:
        clients = [send(server.address, "/a")]
        gates["/a"].until_inside(1)
        clients += [send(server.address, "/waits") for _ in range(2)]
        server.until_waiting(2)
        refused = ask(server.address, "/refused")
        retry = refused.headers["Retry-After"]
        print(f"queue_limit=2: one more request gets {refused.status}, Retry-After: {retry}")
        gates["/a"].open()
        print(f"the others get {[client.reply().status for client in clients]}")
    with serving(app, threads=1, queue_timeout=0.3) as server:
        client = send(server.address, "/b")
        gates["/b"].until_inside(1)
        late = ask(server.address, "/refused")
        print(f"queue_timeout=0.3: a request that waits for longer gets {late.status}")
        gates["/b"].open()
        client.reply()
    print(f"refused requests that reached the application: {seen.count('/refused')}")


if __name__ == "__main__":
    main()
