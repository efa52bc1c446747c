"""Scripts that complete the command line in a shell, made from the list of all options.

Each is to be read by its shell at its start, as the first line of the script says. Rules: nothing
is started while somebody types; an option without known values offers none.
"""

from __future__ import annotations

import re

from headwaiter._settings.entries import Entry, entries, plain
from headwaiter._settings.options import COMMANDS

BASH = r"""# Completion of headwaiter in bash. In ~/.bashrc: source <(headwaiter --completion bash)
_headwaiter() {
    local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD - 1]}" IFS=$'\n'
    COMPREPLY=()
    if [[ $cur == "=" ]]; then
        cur=""
    elif [[ $prev == "=" ]]; then
        prev="${COMP_WORDS[COMP_CWORD - 2]}"
    fi
    case $prev in
@VALUES@
    :) return ;;
    esac
    case $cur in
    --no-*) COMPREPLY=($(IFS=" "; compgen -W "@NEGATIVE@" -- "$cur")) ;;
    -*) COMPREPLY=($(IFS=" "; compgen -W "@FLAGS@" -- "$cur")) ;;
    *)
        local path="${cur//.//}" file words=""
        for file in "$path"*.py "$path"*/__init__.py; do
            [[ -e $file ]] || continue
            file="${file%/__init__.py}"
            file="${file%.py}"
            words+="${file//\//.} "
        done
        [[ $COMP_CWORD -eq 1 ]] && words+="@COMMANDS@"
        COMPREPLY=($(IFS=" "; compgen -W "$words" -- "$cur"))
        ;;
    esac
}
complete -F _headwaiter headwaiter
"""

ZSH = r"""#compdef headwaiter
# Completion of headwaiter in zsh. In ~/.zshrc: source <(headwaiter --completion zsh)
_headwaiter_first() {
    local -a words
    words=(*.py(N:r) */__init__.py(N:h))
    _describe -t modules module words -S :
    words=(@COMMANDS@)
    _describe -t commands command words
}
_headwaiter() {
    _arguments -s -S \
@OPTIONS@
        '1:application:_headwaiter_first' \
        '*:argument:'
}
if [[ $funcstack[1] == _headwaiter ]]; then
    _headwaiter "$@"
else
    compdef _headwaiter headwaiter
fi
"""

FISH = r"""# Completion of headwaiter in fish. In ~/.config/fish/config.fish:
# headwaiter --completion fish | source
function __headwaiter_modules
    set -l files *.py
    string replace -r '\.py$' '' -- $files
end
complete -c headwaiter -f
complete -c headwaiter -n __fish_use_subcommand -a '(__headwaiter_modules)'
@COMMANDS@
@OPTIONS@
"""


def script(shell: str) -> str:
    """The script for ``bash``, ``zsh`` or ``fish``."""
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell]()


def _bash() -> str:
    every = entries()
    values = [
        f"    {'|'.join(entry.flags)}) {_bash_values(entry)}return ;;"
        for entry in every
        if entry.metavar
    ]
    return _filled(
        BASH,
        values="\n".join(values),
        negative=" ".join(entry.negative for entry in every if entry.negative),
        flags=" ".join(flag for entry in every for flag in entry.flags),
        commands=" ".join(_commands()),
    )


def _bash_values(entry: Entry) -> str:
    if entry.choices:
        words = " ".join(entry.choices)
        return f'COMPREPLY=($(IFS=" "; compgen -W "{words}" -- "$cur")); '
    how = {"file": "-f", "directory": "-d"}.get(entry.takes)
    if not how:
        return ""
    return f'COMPREPLY=($(compgen {how} -- "$cur")); compopt -o filenames 2>/dev/null; '


def _zsh() -> str:
    return _filled(
        ZSH,
        options="\n".join(f"        {_zsh_option(entry)} \\" for entry in entries()),
        commands=" ".join(_quoted(f"{name}:{text}") for name, text in _commands().items()),
    )


def _zsh_option(entry: Entry) -> str:
    """``'(-t --threads)'{-t+,--threads=}'[text]:N:'``, where a shell expands the braces."""
    flags = [_zsh_flag(flag, takes_value=bool(entry.metavar)) for flag in entry.all_flags]
    named = f"{{{','.join(flags)}}}" if len(flags) > 1 else flags[0]
    before = "'*'" if entry.many else _quoted(f"({' '.join(entry.all_flags)})")
    text = re.sub(r"([\[\]:\\])", r"\\\1", _sentence(entry))
    if not entry.metavar:
        return f"{before}{named}{_quoted(f'[{text}]')}"
    values = {"file": "_files", "directory": "_files -/"}.get(entry.takes, " ")
    values = f"({' '.join(entry.choices)})" if entry.choices else values
    word = entry.metavar.replace(":", "\\:") if not entry.choices else "value"
    return f"{before}{named}{_quoted(f'[{text}]:{word}:{values}')}"


def _zsh_flag(flag: str, *, takes_value: bool) -> str:
    if not takes_value:
        return flag
    return f"{flag}=" if flag.startswith("--") else f"{flag}+"


def _fish() -> str:
    options = "\n".join(_fish_option(entry) for entry in entries())
    commands = "\n".join(
        f"complete -c headwaiter -n __fish_use_subcommand -a {name} -d {_quoted_for_fish(text)}"
        for name, text in _commands().items()
    )
    return _filled(FISH, options=options, commands=commands)


def _fish_option(entry: Entry) -> str:
    names = " ".join(
        f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in entry.all_flags
    )
    values = ""
    if entry.choices:
        values = f" -x -a {_quoted(' '.join(entry.choices))}"
    elif entry.takes == "directory":
        values = " -x -a '(__fish_complete_directories)'"
    elif entry.takes == "file":
        values = " -r -F"
    elif entry.metavar:
        values = " -x"
    return f"complete -c headwaiter {names}{values} -d {_quoted_for_fish(_sentence(entry))}"


def _commands() -> dict[str, str]:
    return {usage.partition(" ")[0]: text.rstrip(".") for usage, text in COMMANDS.items()}


def _sentence(entry: Entry) -> str:
    """The beginning of the help, up to the first pause."""
    return re.split(r"[.:;](?:\s|$)", plain(entry.help), maxsplit=1)[0]


def _quoted(text: str) -> str:
    """``text`` in single quotes of bash and zsh."""
    inside = text.replace("'", "'\\''")
    return f"'{inside}'"


def _quoted_for_fish(text: str) -> str:
    inside = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{inside}'"


def _filled(template: str, **parts: str) -> str:
    for name, text in parts.items():
        template = template.replace(f"@{name.upper()}@", text)
    return template
