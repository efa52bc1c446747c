"""The page ``docs/adjustments.md``, made from the table.

``python -m headwaiter._settings.reference > docs/adjustments.md`` writes the page. A test fails
while the page differs from this module's output.
"""

from __future__ import annotations

from headwaiter._settings.table import ADJUSTMENTS, GROUPS, Adjustment
from headwaiter._settings.variables import FOREIGN, OTHERS

INTRODUCTION = """\
<!-- Made by `python -m headwaiter._settings.reference` from the rows in _settings/table.py. -->

# Adjustments

Every adjustment has one name. Its value comes from the first of these sources that names it:

1. a keyword argument, `serve(app, threads=8)`, or a flag, `headwaiter --threads=8 MODULE:OBJECT`;
2. an environment variable, `HEADWAITER_THREADS=8`;
3. a TOML file, `threads = 8`: [the configuration file](#the-configuration-file);
4. the default.

`headwaiter --print-config` shows the settings that differ from their defaults, each with its
source, as a configuration file that you can save. `headwaiter --check-config MODULE:OBJECT` shows
each value in force and its source, and exits with the status of a real start. It loads the
application, binds every address and releases it without accepting a connection, so it fails if a
running server uses the address. It makes no access log ([applications.md](applications.md#try-it)
has all that it tries). `headwaiter --help` shows the most usual options, `--help-all` every option,
also those that are not adjustments, such as `--factory`; [applications.md](applications.md)
describes those that concern the application. `headwaiter --completion bash` (or `zsh`, `fish`)
prints a script that completes them in a shell: `source <(headwaiter --completion bash)`.

- **Flags** have hyphens where names have underscores. A boolean `x` is `--x` or `--no-x`.
  `--listen`, `--reload-include` and `--reload-exclude` may be repeated; of other flags given twice
  the last one counts. Some have shorter names: `-b`, `-t`, `-w`, `-c`, `-p`.
- **Environment variables** that are empty count as unset, except `HEADWAITER_IDENT` and
  `HEADWAITER_URL_PREFIX`. The log names variables that begin with `HEADWAITER_` and mean nothing.
- **Text is cast**, whatever its source, PasteDeploy files included. `t`, `true`, `y`, `yes`, `on`
  and `1` are true, in any case; all other text is false, with a warning if it is not a usual word
  for false.
- **Lists** are words with spaces or line breaks between them, or lists in Python and TOML.
- **Seconds** may have a fraction or a unit: `500ms`, `30s`, `5m`, `2h`, `1d`.
- **Sizes** are numbers of bytes, or have a unit: `10kB` and `10MB` are powers of 1000, `64KiB` and
  `1GiB` powers of 1024. Upper and lower case mean the same.
- **Relative paths** start at the current directory of the start. If the application changes the
  directory later, log, sockets and temporary files stay where they are.
- `host` with `port`, `listen`, `unix_socket` and `sockets` are four ways to say where to listen.
  They exclude each other; the higher-priority source wins, and the others are ignored.
- A bare number in `listen` and `admin` is a port. `listen` also takes Unix sockets and sockets that
  the server has inherited, beside TCP addresses: `--bind=8000 --bind=unix:/run/site.sock`.
- If nothing else names a port or another place to listen, the command line takes the variable
  `PORT`.
- Under systemd socket activation (`LISTEN_FDS`) `headwaiter` serves the sockets of systemd. It does
  not start if one of these four ways is used, too: clients connect to systemd's sockets already,
  and nobody would answer them. A program that calls `serve` passes the sockets as `sockets`.
- A socket of systemd with the name `admin` (`FileDescriptorName=admin`) serves the admin endpoint
  instead of clients; `admin` may not be given then. The log shows the names of the others.

Defaults are those of Waitress where Waitress has the adjustment; [waitress.md](waitress.md) lists
the differences.

## The configuration file

The command line reads the first of these files: the one that `--config FILE` names, the one that
`HEADWAITER_CONFIG` names, `headwaiter.toml` in the current directory, `pyproject.toml` there if it
has a table `[tool.headwaiter]`. With `--no-config` it reads none. A program that calls `serve`
reads the file that its argument `config` or `HEADWAITER_CONFIG` names. The log names the file at
the start.

Adjustments stand at the top level of the file, or in a table `[headwaiter]` or `[tool.headwaiter]`.
A name that is no adjustment is an error. For the command line, the file may also say which
application to serve and how to start it:

```toml
application = "mysite.wsgi:application"
chdir = "/srv/mysite"               # as --chdir
pythonpath = ["lib"]                # as --pythonpath
env = { DJANGO_SETTINGS_MODULE = "mysite.settings" }

listen = ["127.0.0.1:8000", "unix:/run/mysite.sock"]
threads = 8
send_timeout = "2m"
```

`--chdir` means that the server starts in that directory: `headwaiter.toml` and `--config FILE` are
looked for there. `chdir` in the file applies after the file was read, to everything else.
"""


VARIABLES = """
## Other environment variables

| name | meaning |
| --- | --- |
"""


def page() -> str:
    others = [f"| `{name}` | {text} |\n" for name, text in {**FOREIGN, **OTHERS}.items()]
    parts = [INTRODUCTION, VARIABLES, *others]
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
    if row.aliases:
        notes.append(f"Also {' and '.join(f'`{flag}`' for flag in row.aliases)}.")
    if row.off is not None and row.default != row.off:
        notes.append(f"{row.off:g}: no limit.")
    if row.keyword_only:
        notes.append("Keyword argument only.")
    return f"| `{row.name}` | {row.kind.noun} | {default} | {' '.join(notes)} |\n"


if __name__ == "__main__":
    print(page(), end="")
