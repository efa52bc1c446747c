"""Should a long job run in a view?"""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

from helpers import Gate, answer, ask, serving, until

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

# In earnest: Celery or another job queue, in processes of its own (examples/django_celery).
jobs: queue.Queue[str | None] = queue.Queue()
states: dict[str, str] = {}
gate = Gate()


def worker() -> None:
    for job in iter(jobs.get, None):
        states[job] = "running"
        gate.wait()
        states[job] = "done"


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if environ["REQUEST_METHOD"] == "POST":
        job = f"/jobs/{len(states) + 1}"
        states[job] = "queued"
        jobs.put(job)
        return answer(start_response, "accepted", "202 Accepted", ("Location", job))
    return answer(start_response, states.get(path, "hello"))


def main() -> None:
    thread = threading.Thread(target=worker)
    thread.start()
    with serving(app, threads=1) as server:
        reply = ask(server.address, "/jobs", "POST")
        job = reply.headers["Location"]
        print(f"POST /jobs: {reply.status}, Location: {job}")
        until(lambda: ask(server.address, job).text == "running", "the job runs")
        status = ask(server.address).status
        print(f"GET {job}: running. Meanwhile the only thread serves others: GET / gets {status}")
        gate.open()
        until(lambda: ask(server.address, job).text == "done", "the job is done")
        print(f"GET {job}: done")
    jobs.put(None)
    thread.join()


if __name__ == "__main__":
    main()
