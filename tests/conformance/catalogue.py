"""Every row of the suite, in the order of ``model.SECTIONS``."""

from __future__ import annotations

from tests.conformance.differential import heads
from tests.conformance.model import SECTIONS, Row, unique
from tests.conformance.rows import (
    accepts,
    clients,
    departures,
    environ,
    errors,
    file_wrapper,
    framing,
    hardening,
    headers,
    inputs,
    persistence,
    replies,
    robustness,
    start_response,
)

MODULES = (
    *(framing, hardening, robustness, accepts, environ, inputs, start_response, replies),
    *(headers, errors, file_wrapper, persistence, clients, departures, heads),
)
ROWS: list[Row] = sorted(
    unique(row for module in MODULES for row in module.REGISTRY.rows),
    key=lambda row: list(SECTIONS).index(row.section),
)
