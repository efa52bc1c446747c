"""Makes the dashboard's pictures in the docs anew: ``python -m tests.dashboard.screenshots``.

Each is of a real server under load, with an application whose bottleneck is known. Needs a
Chromium, and Pillow to reduce the pictures to as few colours as the page has.
"""

from __future__ import annotations

import argparse
import importlib
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.advice.cases import CASES
from benchmarks.advice.measure import HOST, Load, server

from .chromium import Browser

IMAGES = Path(__file__).resolve().parents[2] / "docs/images"
THREADS = 4
CALM = 8.0
"""Seconds before the load begins, so that a picture shows how it began."""


@dataclass(frozen=True)
class Picture:
    case: str
    """One of ``benchmarks/advice``."""
    width: int = 1180
    height: int | None = None
    """``None``: the whole page."""
    scheme: str = "light"


PICTURES = {
    "asleep": Picture("sleeping view"),
    "top": Picture("sleeping view", height=624),
    "gil": Picture("computing view", height=470, scheme="dark"),
    "cpu": Picture("computing without the GIL", height=440),
    "lock": Picture("lock", height=520),
    "stuck": Picture("one stuck worker", width=390, height=780, scheme="dark"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", nargs="+", choices=PICTURES, default=list(PICTURES))
    parser.add_argument("--seconds", type=float, default=110.0, help="of load for each picture")
    parser.add_argument("--folder", type=Path, default=IMAGES)
    options = parser.parse_args()
    browser = Browser()
    for name in options.pictures:
        path = options.folder / f"dashboard-{name}.png"
        take(browser, PICTURES[name], path, options.seconds)
        reduce(path)
        print(path)
    browser.close()


def take(browser: Browser, picture: Picture, path: Path, seconds: float) -> None:
    """Serve the case under its load, and take a picture of the dashboard at the end."""
    case = CASES[picture.case]
    with server(case.app, {}, str(THREADS)) as (port, admin):
        page = browser.open(
            f"http://{HOST}:{admin}/",
            width=picture.width,
            height=picture.height or 900,
            scheme=picture.scheme,
        )
        time.sleep(min(CALM, seconds))
        load = Load(case, port)
        time.sleep(seconds)
        page.wait_for("document.querySelector('#verdict').textContent")
        page.screenshot(path, whole=picture.height is None)
        load.stop()
        page.close()


def reduce(path: Path) -> None:
    pillow = importlib.import_module("PIL.Image")
    with pillow.open(path) as picture:
        few = picture.convert("RGB").quantize(192)
    few.save(path, optimize=True)


if __name__ == "__main__":
    main()
