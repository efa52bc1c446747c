"""Makes the pictures of ``docs/dashboard.md`` anew: ``python -m tests.dashboard.screenshots``.

Needs a Chromium, and Pillow to reduce the pictures to as few colours as the page has.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from .chromium import Browser
from .conftest import FAST
from .fake_admin import FakeAdmin
from .scenarios import SCENARIOS

IMAGES = Path(__file__).resolve().parents[2] / "docs/images"
PICTURES: dict[str, dict[str, Any]] = {
    "asleep": {"width": 1180},
    "gil": {"width": 1180, "height": 470, "scheme": "dark"},
    "cpu": {"width": 1180, "height": 440},
    "stuck": {"width": 390, "height": 780, "scheme": "dark"},
}
MINUTE = 70  # answers, of which each is a second later than the one before


def main() -> None:
    pillow = importlib.import_module("PIL.Image")
    browser = Browser()
    for scenario, how in PICTURES.items():
        with FakeAdmin("ok") as admin:
            page = browser.open(admin.url, script=FAST, **how)
            admin.wait_for_polls(MINUTE)
            admin.story.scenario = SCENARIOS[scenario]
            admin.wait_for_polls(MINUTE)
            path = IMAGES / f"dashboard-{scenario}.png"
            page.screenshot(path, whole="height" not in how)
            page.close()
        with pillow.open(path) as picture:
            few = picture.convert("RGB").quantize(192)
        few.save(path, optimize=True)
        print(path)
    browser.close()


if __name__ == "__main__":
    main()
