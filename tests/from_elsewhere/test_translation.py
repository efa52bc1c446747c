"""What each source becomes: settings, and what has to be done first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from headwaiter._migrate.plan import Plan
from headwaiter._migrate.sources import SourceError, plan_of
from tests.from_elsewhere.running import loaded

TRUSTED = {
    "trusted_proxy": "127.0.0.1, ::1",
    "trusted_proxy_headers": "x-forwarded-for x-forwarded-proto",
}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def settings(plan: Plan) -> dict[str, Any]:
    """What is in force, without comments."""
    return {name: one.value for name, one in plan.settings.items() if not one.is_off}


def off(plan: Plan) -> dict[str, Any]:
    return {name: one.value for name, one in plan.settings.items() if one.is_off}


def of_file(name: str, text: str) -> Plan:
    Path(name).write_text(text, encoding="utf-8")
    return plan_of([name])


def check(plan: Plan, expected: dict[str, Any], *needs: str) -> None:
    assert settings(plan) == expected
    assert len(plan.open) == len(needs), plan.open
    for need, start in zip(plan.open, needs):
        assert need.startswith(start)
    Path("headwaiter.toml").write_text(_text(plan), encoding="utf-8")
    loaded(Path("headwaiter.toml"))


def _text(plan: Plan) -> str:
    from headwaiter._migrate import toml_text

    return toml_text.text(plan, "headwaiter migrate", None)


GUNICORN = {"application": "app:app", "listen": "127.0.0.1:8000", "threads": 1, **TRUSTED}
LINES: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("gunicorn app:app", GUNICORN, ()),
    ("gunicorn app", {**GUNICORN, "application": "app:application"}, ()),
    ("gunicorn -b :80 app:app", {**GUNICORN, "listen": "0.0.0.0:80"}, ()),
    ("gunicorn --bind=[::1] app:app", {**GUNICORN, "listen": "[::1]:8000"}, ()),
    (
        "gunicorn -b127.0.0.1:1 -b[::1]:2 app:app",
        {**GUNICORN, "listen": ["127.0.0.1:1", "[::1]:2"]},
        (),
    ),
    ("gunicorn -w4 --threads 8 app:app", {**GUNICORN, "processes": 4, "threads": 8}, ()),
    ("gunicorn --worker-class=gthread app:app", GUNICORN, ()),
    ("gunicorn --worker-cl gthread app:app", GUNICORN, ()),
    ("gunicorn -w 500 app:app", {**GUNICORN, "processes": 63}, ()),
    ("gunicorn -k gevent app:app", {**GUNICORN, "threads": "4-64"}, ("-k gevent: ",)),
    (
        "gunicorn -k uvicorn.workers.UvicornWorker app:app",
        {name: GUNICORN[name] for name in GUNICORN if name != "threads"},
        ("-k uvicorn.workers.UvicornWorker: a worker of its own, or one for ASGI",),
    ),
    (
        "gunicorn -t 90 app:app",
        {**GUNICORN, "slow_request_log": 90, "stuck_after": 90},
        (),
    ),
    ("gunicorn -t 90 --threads 2 app:app", {**GUNICORN, "threads": 2}, ()),
    ("gunicorn --timeout=0 app:app", GUNICORN, ()),
    (
        "gunicorn --forwarded-allow-ips='10.0.0.0/8,::1' app:app",
        {**GUNICORN, "trusted_proxy": "10.0.0.0/8, ::1"},
        (),
    ),
    ("gunicorn --forwarded-allow-ips=* app:app", {**GUNICORN, "trusted_proxy": "*"}, ()),
    (
        "gunicorn -b unix:/run/s -m 007 app:app",
        {
            **{name: GUNICORN[name] for name in GUNICORN if name != "listen"},
            "unix_socket": "/run/s",
            "unix_socket_perms": "770",
            "umask": "7",
            "trusted_proxy": "unix",
        },
        (),
    ),
    (
        "gunicorn -u www -g www -p run/pid -D --preload --max-requests=9 app:app",
        {
            **GUNICORN,
            "user": "www",
            "group": "www",
            "pid_file": "run/pid",
            "preload": True,
            "max_requests": 9,
        },
        ("-D: The service manager",),
    ),
    (
        "gunicorn -e A=1 --env B=x=y --chdir src --pythonpath a,b app:app",
        {**GUNICORN, "env.A": "1", "env.B": "x=y", "chdir": "src", "pythonpath": ["a", "b"]},
        (),
    ),
    (
        "gunicorn --certfile c --keyfile k --limit-request-line 8190 --no-such app:app",
        GUNICORN,
        ("--no-such: not an option", "--certfile c: headwaiter has no TLS", "--keyfile k: "),
    ),
    (
        "gunicorn --access-logformat='%(h)s %({x}o)s' --access-logfile=- app:app",
        {**GUNICORN, "access_log": "-", "access_log_format": "%(h)s -"},
        ("%({x}o)s in the access log",),
    ),
    (
        "/srv/venv/bin/python -m gunicorn --workers 'x' app:app",
        GUNICORN,
        ("--workers x: not understood",),
    ),
    (
        "waitress-serve --port=8000 --host=::1 app:app",
        {"application": "app:app", "host": "::1", "port": 8000},
        (),
    ),
    (
        "python -m waitress --listen=*:80 --listen [::1]:1 --app app:app --no-ipv4",
        {"application": "app:app", "listen": ["*:80", "[::1]:1"], "ipv4": False},
        (),
    ),
    (
        "waitress-serve --call app:make --threads=0",
        {"application": "app:make()"},
        ("--threads 0: threads: expected a whole number",),
    ),
    (
        "granian --interface wsgi --host :: --port 80 --workers-max-rss 100 --no-ws app",
        {"application": "app:app", "listen": "[::]:80", "max_rss": 104857600},
        (),
    ),
    (
        "granian --factory --uds s --metrics --http1-header-read-timeout 1500 app:make",
        {
            "application": "app:make()",
            "unix_socket": "s",
            "admin": "127.0.0.1:9090",
            "header_timeout": 1.5,
        },
        ("no --interface: Granian's default is RSGI",),
    ),
    (
        "granian --interface wsgi --workers-lifetime 1h30m --workers-kill-timeout 5s app:x",
        {
            "application": "app:x",
            "listen": "127.0.0.1:8000",
            "max_lifetime": 5400,
            "shutdown_timeout": 5,
        },
        (),
    ),
    (
        "cheroot app --threads 5 --max-threads 20 --bind run/s",
        {
            "application": "app:application",
            "unix_socket": "run/s",
            "unix_socket_perms": "777",
            "threads": "5-20",
        },
        (),
    ),
    ("cheroot app:x", {"application": "app:x", "listen": "[::1]:8000", "threads": 10}, ()),
    (
        "mod_wsgi-express start-server site/wsgi.py --log-to-terminal --processes 2",
        {
            "application": "site.wsgi:application",
            "listen": "*:8000",
            "threads": 5,
            "processes": 2,
            "max_request_body_size": 10485760,
        },
        (),
    ),
    (
        "mod_wsgi-express start-server --application-type module site.wsgi --url-alias /s s",
        {
            "application": "site.wsgi:application",
            "listen": "*:8000",
            "threads": 5,
            "max_request_body_size": 10485760,
        },
        ("--url-alias /s s: No static files",),
    ),
    (
        "uwsgi --http :8080 -w app -p 2 -M --static-map /s=s --static-safe x --cron '1 2'",
        {"application": "app:application", "listen": "0.0.0.0:8080", "processes": 2,
         "threads": 1, "access_log": "-"},
        ("--static-map /s=s, --static-safe x: No static files", "--cron 1 2: "),
    ),
    (
        "uwsgi --socket /run/s --chmod-socket=660 --wsgi-file src/app.py --callable x -L",
        {"application": "src.app:x", "unix_socket": "/run/s", "unix_socket_perms": "660",
         "threads": 1, "trusted_proxy": "unix",
         "trusted_proxy_headers": "x-forwarded-for x-forwarded-proto"},
        ("--socket /run/s: it is for the uwsgi protocol",),
    ),
    (
        "uwsgi --socket 127.0.0.1:3031 --protocol http --wsgi-file /srv/a-b/app.py -L",
        {"application": "app:application", "listen": "127.0.0.1:3031", "threads": 1,
         "pythonpath": ["/srv/a-b"]},
        (),
    ),
    (
        "uwsgi --shared-socket :80 --http =0 --mount /x=app:y --manage-script-name -L",
        {"application": "app:y", "url_prefix": "/x", "listen": "0.0.0.0:80", "threads": 1},
        (),
    ),
    (
        "uwsgi --http-socket :1 --gevent 100 --wsgi-file a.wsgi --logto2 /v/l --reload-on-rss 5",
        {"listen": "0.0.0.0:1", "threads": "4-64", "access_log": "/v/l", "max_rss": 5242880},
        ("--gevent 100: Requests run on threads", "--wsgi-file a.wsgi: it is no module"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("line", "expected", "needs"), LINES, ids=[row[0] for row in LINES])
def test_command_lines(line: str, expected: dict[str, Any], needs: tuple[str, ...]) -> None:
    check(plan_of([line]), expected, *needs)


def test_words_without_quotes_are_a_command(tmp_path: Path) -> None:
    check(plan_of(["gunicorn", "-w", "2", "app:app"]), {**GUNICORN, "processes": 2})


UWSGI = """\
[uwsgi]
base = /srv/%n
chdir = %(base)
module = site.wsgi
set-placeholder = port=8001
http-socket = 127.0.0.1:%(port)
processes = %k
threads = 2
harakiri = 20
log-format = %(addr) "%(method) %(uri) %(proto)" %(status) %(nonsense)
uid = www-data
env = A=1
env = B=2
if-env = DEBUG
py-autoreload = 1
endif =
no-orphans = true
vacuum = false
disable-logging = true
[other]
threads = 9
"""


def test_uwsgi_ini() -> None:
    plan = of_file("blog.ini", UWSGI)
    check(
        plan,
        {
            "application": "site.wsgi:application",
            "chdir": "/srv/blog",
            "listen": "127.0.0.1:8001",
            "processes": "auto",
            "threads": 2,
            "slow_request_log": 20,
            "stuck_after": 20,
            "access_log_format": '%(h)s "%(r)s" %(s)s -',
            "user": "www-data",
            "env.A": "1",
            "env.B": "2",
        },
        "py-autoreload = 1: not read, because it stands under a condition",
    )
    assert off(plan) == {"trusted_proxy": "127.0.0.1"}
    assert [what.partition(":")[0] for what in plan.without] == ["no-orphans = true"]


def test_uwsgi_json() -> None:
    said = {"http": ":80", "module": "a:b", "env": ["A=1", "B=2"], "disable-logging": True}
    plan = of_file("u.json", json.dumps({"uwsgi": said}))
    expected = {"application": "a:b", "listen": "0.0.0.0:80", "threads": 1}
    check(plan, {**expected, "env.A": "1", "env.B": "2"})


def test_numbers_of_cores_and_variables_of_the_platform() -> None:
    plan = of_file(
        "gunicorn.conf.py",
        """\
import multiprocessing, os
workers = multiprocessing.cpu_count() * 2 + 1
threads = int(os.environ.get("THREADS", 3))
bind = "0.0.0.0:" + os.environ.get("PORT", "8000")
""",
    )
    check(plan, {"processes": "auto", "threads": 3, **TRUSTED})
    assert off(plan) == {"listen": "0.0.0.0:8000", "application": "MODULE:OBJECT"}
    assert "HEADWAITER_THREADS has one" in " ".join(plan.settings["threads"].comments)


def test_web_concurrency_stays_in_charge() -> None:
    source = "import os\nworkers = int(os.environ.get('WEB_CONCURRENCY', 2))"
    plan = of_file("gunicorn.conf.py", source)
    assert "processes" not in settings(plan)
    assert off(plan)["processes"] == 2


def test_hooks_and_certificates_need_work() -> None:
    plan = of_file(
        "gunicorn.conf.py",
        "certfile = 'x'\nkeyfile = None\ndaemon = False\ndef post_fork(server, worker): pass\n",
    )
    needs = ("certfile = 'x': headwaiter has no TLS", "post_fork() in line 4: Every process")
    check(plan, {name: GUNICORN[name] for name in GUNICORN if name != "application"}, *needs)


SERVICE = r"""
[Service]
Type=simple
User=www
WorkingDirectory=/srv/site
Environment=A=1 "GUNICORN_CMD_ARGS=--threads 3"
ExecStartPre=/bin/true
ExecStart=-/srv/venv/bin/gunicorn -b unix:/run/%n.sock \
    --workers ${WORKERS} --access-logformat "%%(h)s" site.wsgi
ExecReload=/bin/kill -s HUP $MAINPID
"""


def test_a_unit() -> None:
    plan = of_file("site.service", SERVICE)
    expected = {"application": "site.wsgi:application", "threads": 3, "access_log_format": "%(h)s"}
    check(plan, {**expected, **TRUSTED, "trusted_proxy": "unix", "unix_socket_perms": "777"})
    assert plan.start_is == "ExecStart="
    assert (plan.program, plan.flags) == (
        "/srv/venv/bin/headwaiter",
        ["--listen=unix:/run/%n.sock", "--processes=${WORKERS}"],
    )
    assert [note.split()[0] for note in plan.notes] == [
        "User=,", "Type=simple:", "ExecReload="
    ]  # fmt: skip


def test_reload_in_a_unit() -> None:
    plan = of_file("site.service", "[Service]\nExecStart=gunicorn --reload app:app\n")
    check(plan, {**GUNICORN, "reload": True}, "reload in a unit: it is for development")


def test_a_procfile() -> None:
    text = "release: ./manage.py migrate\n"
    text += "web: newrelic-admin run-program gunicorn app:app --log-file -\n"
    plan = of_file("Procfile", text)
    check(plan, {"application": "app:app", "threads": 1, **TRUSTED})
    assert plan.prefix == ["newrelic-admin", "run-program"]


DOCKERFILES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ('CMD ["gunicorn", "--bind", "0.0.0.0:80", "app:app"]', {"listen": "0.0.0.0:80"}, {}),
    ('ENTRYPOINT ["gunicorn"]\nCMD ["-b", ":80", "app:app"]', {"listen": "0.0.0.0:80"}, {}),
    ("CMD python manage.py migrate && \\\n  exec gunicorn -b :80 app:app",
     {"listen": "0.0.0.0:80"}, {}),
    ('CMD ["sh", "-c", "exec gunicorn -b :$PORT app:app"]', {}, {}),
    ("CMD gunicorn -b :${PORT:-80} app:app", {}, {"listen": "0.0.0.0:80"}),
    ("ENV GUNICORN_CMD_ARGS=\"-b :80 -w 3\"\nCMD gunicorn app:app",
     {"listen": "0.0.0.0:80", "processes": 3}, {}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected", "commented"), DOCKERFILES)
def test_dockerfiles(text: str, expected: dict[str, Any], commented: dict[str, Any]) -> None:
    plan = of_file("Dockerfile", f"FROM python\nRUN pip install gunicorn\n{text}\n")
    check(plan, {"application": "app:app", "threads": 1, **TRUSTED, **expected})
    assert off(plan) == commented


def test_supervisord() -> None:
    text = "[program:a]\ncommand=celery -A x\n[program:b]\ncommand=gunicorn app:app\nuser=www\n"
    check(of_file("supervisor.conf", text), GUNICORN)


def test_files_that_a_command_names() -> None:
    Path("conf.py").write_text("workers = 2\nthreads = 5\nwsgi_app = 'a:b'\n")
    plan = plan_of(["gunicorn -c conf.py --threads 6 app:app"])
    check(plan, {**GUNICORN, "processes": 2, "threads": 6})
    assert plan.also == ["conf.py"]
    check(plan_of(["gunicorn -c gone.py app:app"]), GUNICORN, "-c gone.py: no such file")
    Path("u.ini").write_text("[uwsgi]\nhttp = :80\nmodule = a:b\nthreads = 3\n")
    plan = plan_of(["uwsgi --ini u.ini --threads 4 -L"])
    check(plan, {"application": "a:b", "listen": "0.0.0.0:80", "threads": 4})


REFUSED: list[tuple[str, str, str]] = [
    ("gone.py", "", "gone.py: No such file or directory"),
    ("hello", "", "hello: No such file or directory; expected gunicorn.conf.py, "),
    ("echo x", "", "no server known in 'echo x': expected "),
    ("gunicorn 'x", "", '"gunicorn \'x": No closing quotation'),
    ("uvicorn a:b", "", "uvicorn and hypercorn serve ASGI applications"),
    ("flask run", "", "flask run is for development"),
    ("u.yaml", "uwsgi:\n", "u.yaml: .yaml is not read; give its settings as .ini or .json"),
    ("u.json", "[]", 'u.json: expected JSON with an object "uwsgi"'),
    ("u.ini", "[x]\n", "u.ini: not a file that is known"),
    ("p.ini", "[server:main]\nuse=egg:waitress\n", "p.ini: a PasteDeploy file; write `use = "),
    ("site.conf", "WSGIScriptAlias / x\n", "site.conf: Apache's configuration is not read"),
    ("Procfile", "web: celery\n", "no server known in 'celery': "),
    ("gunicorn.conf.py", "x = = 1", "gunicorn.conf.py: line 1: "),
]


@pytest.mark.parametrize(("source", "text", "message"), REFUSED)
def test_sources_that_are_none(source: str, text: str, message: str) -> None:
    if text:
        Path(source).write_text(text)
    with pytest.raises(SourceError) as caught:
        plan_of([source])
    assert str(caught.value).startswith(message)
