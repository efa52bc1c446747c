"""Why does my health check time out under load?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from helpers import Gate, answer, ask, send, serving, until

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

gate = Gate()


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/slow":
        gate.wait()
    return answer(start_response, "done")


def main() -> None:
    checks = {"health_path": "/healthz", "health_max_wait": 0.5}
    with serving(app, threads=1, **checks) as server:
        slow = send(server.address, "/slow")
        gate.until_inside(1)
        healthy = [ask(server.address, "/healthz").status for _ in range(10)]
        print(f"the only thread is busy: {healthy.count(200)} of 10 checks of health_path get 200")
        view = send(server.address, "/a-view-that-checks")
        server.until_waiting(1)
        print("a check that is a view waits in the queue")
        until(lambda: ask(server.address, "/healthz").status == 503, "health_max_wait has passed")
        print("it has waited for longer than health_max_wait: health_path answers 503")
        gate.open()
        print(f"the thread is free: {slow.reply().status} and {view.reply().status}")
        print(f"and health_path answers {ask(server.address, '/healthz').status}")


if __name__ == "__main__":
    main()
