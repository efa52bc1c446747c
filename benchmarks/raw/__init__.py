"""The programs without Python: a bare epoll loop, and nginx set up to serve one file."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from benchmarks.apps import plain

NGINX = """\
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 10000; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    default_type application/octet-stream;
    server {{
        listen 127.0.0.1:{port} backlog=2048;
        location / {{ root {root}; try_files /{file} =404; }}
    }}
}}
"""


def build(name: str = "raw") -> Path:
    """Compile `NAME.c` unless that was done since it last changed; the path of the program."""
    source = Path(__file__).with_name(f"{name}.c")
    program = _directory() / name
    if not program.is_file() or program.stat().st_mtime < source.stat().st_mtime:
        # Moved into place, so that nobody runs half a program.
        fresh = program.with_suffix(f".{os.getpid()}")
        options = ["-O2", "-Wall", "-Wextra", "-pthread"]
        subprocess.run(["cc", *options, "-o", fresh, source], check=True)
        fresh.replace(program)
    return program


def nginx_arguments(port: int) -> list[str]:
    """Write a configuration for `port` that answers every path with the 16 MiB file."""
    served = plain.file_path()
    directory = _directory() / f"nginx-{port}"
    directory.mkdir(exist_ok=True)
    os.chmod(directory, 0o755)
    configuration = directory / "nginx.conf"
    configuration.write_text(
        NGINX.format(directory=directory, port=port, root=served.parent, file=served.name)
    )
    return ["-c", str(configuration), "-e", str(directory / "error.log"), "-p", str(directory)]


def _directory() -> Path:
    directory = Path(tempfile.gettempdir()) / f"headwaiter-bench-{os.getuid()}"
    directory.mkdir(mode=0o755, exist_ok=True)
    return directory
