"""Can I kill a stuck request?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from helpers import Gate, answer, ask, send, serving

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

gate = Gate()


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/stuck":
        gate.wait()  # a call to a service, without a timeout
    return answer(start_response, "done")


def main() -> None:
    with serving(app, threads=1, slow_request_log=0.3, stuck_after=0.6) as server:
        stuck = send(server.address, "/stuck")
        record = server.until_logged("runs for")
        print("slow_request_log names the line:")
        print("\n".join(line for line in record.splitlines() if "gate.wait()" in line))
        print(server.until_logged("another worker takes its place"))
        print(f"threads=1, and that one is stuck: a visitor gets {ask(server.address).status}")
        gate.open()
        print(f"nobody was killed: the stuck request gets {stuck.reply().status} in the end")


if __name__ == "__main__":
    main()
