"""A visitor of the Django examples."""

from __future__ import annotations

import re

import requests

from tests.support.process import ServerProcess

TIMEOUT = 30


class Browser(requests.Session):
    """A session that resolves paths against the site and knows Django's form token."""

    def __init__(self, site: ServerProcess) -> None:
        super().__init__()
        assert not isinstance(site.address, str), "listens on TCP"
        self.base = "http://{}:{}".format(*site.address)

    def visit(self, path: str, **query: object) -> requests.Response:
        params = {name: str(value) for name, value in query.items()}
        return self.get(self.base + path, params=params, timeout=TIMEOUT)

    def submit(self, path: str, action: str = "", **request: object) -> requests.Response:
        """Posts the form of ``path``, its hidden token included, to ``action`` or ``path``."""
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.visit(path).text)
        assert found, "the form has no token"
        return self.post(
            self.base + (action or path),
            headers={"X-CSRFToken": found[1]},
            timeout=TIMEOUT,
            **request,  # type: ignore[arg-type]
        )
