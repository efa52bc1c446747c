"""The page ``docs/adjustments.md``, made from the table.

``python -m headwaiter._settings.reference > docs/adjustments.md`` writes the page. A test fails
while the page differs from this module's output.
"""

from __future__ import annotations

from headwaiter._settings.table import ADJUSTMENTS, GROUPS, Adjustment

INTRODUCTION = """\
<!-- Made by `python -m headwaiter._settings.reference` from the rows in _settings/table.py. -->

# Adjustments

Every adjustment has one name. Its value comes from the first of these sources that names it:

1. a keyword argument, `serve(app, threads=8)`, or a flag, `headwaiter --threads=8 MODULE:OBJECT`;
2. an environment variable, `HEADWAITER_THREADS=8`;
3. a TOML file, `threads = 8`, named by `--config FILE`, `serve(app, config="FILE")` or
   `HEADWAITER_CONFIG=FILE`; if the file has a `[headwaiter]` table, the adjustments are in it;
4. the default.

`headwaiter --check-config MODULE:OBJECT` shows each value in force and its source, and exits with
the status of a real start. It loads the application, binds every address and releases it without
accepting a connection, so it fails if a running server uses the address. It makes no access log.
`headwaiter --help` lists the flags that are not adjustments, such as `--factory` and
`--log-config`; [applications.md](applications.md) describes those that concern the application.

- **Flags** have hyphens where names have underscores. A boolean `x` is `--x` or `--no-x`.
  `--listen`, `--reload-include` and `--reload-exclude` may be repeated; of other flags given twice
  the last one counts.
- **Environment variables** that are empty count as unset, except `HEADWAITER_IDENT` and
  `HEADWAITER_URL_PREFIX`.
- **Text is cast**, whatever its source, PasteDeploy files included. `t`, `true`, `y`, `yes`, `on`
  and `1` are true, in any case; all other text is false, with a warning if it is not a usual word
  for false.
- **Lists** are words with spaces or line breaks between them, or lists in Python and TOML.
- **Seconds** may have a fraction. Sizes are plain byte counts (`10485760`, not `10MB`).
- **Relative paths** start at the current directory of the start. If the application changes the
  directory later, log, sockets and temporary files stay where they are.
- `host` with `port`, `listen`, `unix_socket` and `sockets` are four ways to say where to listen.
  They exclude each other; the higher-priority source wins, and the others are ignored.
- Under systemd socket activation (`LISTEN_FDS`) `headwaiter` serves the sockets of systemd. It does
  not start if one of these four ways is used, too: clients connect to systemd's sockets already,
  and nobody would answer them. A program that calls `serve` passes the sockets as `sockets`.
- A socket of systemd with the name `admin` (`FileDescriptorName=admin`) serves the admin endpoint
  instead of clients; `admin` may not be given then. The log shows the names of the others.

Defaults are those of Waitress where Waitress has the adjustment; [waitress.md](waitress.md) lists
the differences.
"""


def page() -> str:
    parts = [INTRODUCTION]
    for group in GROUPS:
        rows = [_row(row) for row in ADJUSTMENTS if row.group == group]
        header = "| name | value | default | meaning |\n| --- | --- | --- | --- |\n"
        parts.append(f"\n## {group}\n\n{header}{''.join(rows)}")
    return "".join(parts)


def _row(row: Adjustment) -> str:
    default = row.default_in_words()
    if default not in ("none", "off", "empty", row.default_words):
        default = f"`{default}`"
    notes = [row.help]
    if row.off is not None and row.default != row.off:
        notes.append(f"{row.off:g}: no limit.")
    if row.keyword_only:
        notes.append("Keyword argument only.")
    return f"| `{row.name}` | {row.kind.noun} | {default} | {' '.join(notes)} |\n"


if __name__ == "__main__":
    print(page(), end="")
