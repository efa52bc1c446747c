"""How the shop is served by gunicorn."""

import os
from pathlib import Path

HERE = Path(__file__).resolve().parent

wsgi_app = "shop:create_app()"
bind = "unix:shop.sock"
workers = int(os.environ.get("SHOP_WORKERS", "2"))
worker_class = "gthread"
threads = 2 * 2
raw_env = ["SHOP_NAME=Blumen", "SHOP_CURRENCY={}".format("EUR")]
max_requests = 10_000
max_requests_jitter = 500
graceful_timeout = 15
keepalive = 5
accesslog = str(HERE / "access.log")
access_log_format = '%(h)s "%(r)s" %(s)s'
pidfile = "shop.pid"
loglevel = "info"
daemon = False
