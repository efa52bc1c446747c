"""A browser for the whole run, and pages of it for single tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Callable

import pytest

from . import chromium
from .fake_admin import FakeAdmin

# A second of the page's time passes in a fortieth: it takes time from the server's `uptime` only.
FAST = "const late = setTimeout; setTimeout = (call, delay) => late(call, delay / 40);"

Open = Callable[..., chromium.Page]


@pytest.fixture(scope="session")
def browser() -> Iterator[chromium.Browser]:
    if chromium.find() is None:
        pytest.skip(f"none of {', '.join(chromium.NAMES)} is installed")
    browser = chromium.Browser()
    yield browser
    browser.close()


@pytest.fixture
def open_page(browser: chromium.Browser) -> Iterator[Open]:
    """Opens ``admin``'s dashboard and returns once it shows something."""
    pages = []

    def open_page(admin: FakeAdmin, path: str = "", **how: Any) -> chromium.Page:
        page = browser.open(admin.url + path, script=FAST, **how)
        pages.append(page)
        page.wait_for("document.querySelector('#verdict').textContent")
        return page

    yield open_page
    for page in pages:
        page.close()
