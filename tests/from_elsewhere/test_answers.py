"""What is said about an option of another server that was given to headwaiter."""

from __future__ import annotations

import pytest

from headwaiter._migrate.elsewhere import answer, servers

ANSWERS = [
    (
        "--worker-class",
        "it is gunicorn's: use --threads. Every process has threads, as with gthread, and reads"
        " whole requests before a thread takes them",
    ),
    ("--worker-class=gevent", "it is gunicorn's: use --threads. Every process"),
    ("-k gevent", "it is gunicorn's: use --threads. Every process"),
    ("--bind", "it is gunicorn's and cheroot's: use --listen and --unix-socket"),
    ("--keep-alive", "it is gunicorn's: use --channel-timeout. How long an idle connection"),
    ("--max-requests", "it is gunicorn's and uWSGI's: use --max-requests"),
    ("--graceful-timeout", "it is gunicorn's and mod_wsgi's: use --shutdown-timeout"),
    ("--certfile", "it is gunicorn's: headwaiter has no TLS"),
    ("--http-socket", 'it is uWSGI\'s: use --listen and --unix-socket. http-socket = :8080 is'),
    ("--master", "it is uWSGI's: There is a parent whenever there are several processes"),
    ("--wsgi-file", "it is uWSGI's: use MODULE:OBJECT. The name of the module instead of its file"),
    ("--module", "it is uWSGI's: use MODULE:OBJECT. As MODULE:OBJECT"),
    ("--uid", "it is uWSGI's: use --user"),
    ("--static-map", "it is uWSGI's: No static files"),
    ("--emperor-tyrant", "it is uWSGI's: One server for each command"),
    ("--interface", "it is Granian's: Always wsgi"),
    ("--blocking-threads", "it is Granian's: use --threads"),
    ("--call", "it is Waitress's: use --factory"),
    ("--reload", "it is gunicorn's and Granian's: use --reload"),
    ("--max-threads", "it is cheroot's: use --threads. Bounds:"),
    ("--request-timeout", "it is mod_wsgi's: use --stuck-after and --slow-request-log"),
    ("--lifespan", "it is uvicorn and hypercorn's: An option of ASGI servers"),
    ("--noreload", "it is manage.py runserver's: Nothing reloads unless --reload asks for it"),
    ("--settings", "it is manage.py runserver's: use --env. --env DJANGO_SETTINGS_MODULE=MODULE"),
    ("--without-threads", "it is flask run's: use --threads"),
]  # fmt: skip


@pytest.mark.parametrize(("flag", "start"), ANSWERS)
def test_answers(flag: str, start: str) -> None:
    told = answer(flag)
    assert told is not None
    assert told.startswith(start)


@pytest.mark.parametrize("flag", ["--nonsense", "", "-", "workers", "--"])
def test_no_answer(flag: str) -> None:
    assert answer(flag) is None


def test_every_flag_of_every_server_has_an_answer_in_one_line() -> None:
    for server in servers():
        for row in server.options:
            for name in row.names:
                if name.startswith("-"):
                    told = answer(name)
                    assert told, name
                    assert "\n" not in told
                    assert "`" not in told
                    assert len(told) < 400, name
