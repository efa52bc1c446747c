"""A module per attack; each names its rows of the table in `ROWS`."""

from __future__ import annotations

from benchmarks.attacks.kinds import (
    aborted_uploads,
    blocked_logger,
    idle_crowd,
    invented_names,
    late_readers,
    long_fields,
    pipelines,
    reset_queue,
    slow_admins,
    slow_loris,
    slow_readers,
    tiny_chunks,
    unfinished,
    urgent_data,
)

ROWS = {
    row.name: row
    for kind in (
        tiny_chunks,
        late_readers,
        long_fields,
        unfinished,
        invented_names,
        aborted_uploads,
        blocked_logger,
        slow_admins,
        idle_crowd,
        urgent_data,
        reset_queue,
        slow_readers,
        slow_loris,
        pipelines,
    )
    for row in kind.ROWS
}
