from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from support.command import CommandLine
from support.programs import find_program
from support.server import SYNCLINE


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_it_prints_a_script(command: CommandLine, shell: str) -> None:
    outcome = command("completion", shell)
    assert outcome.status == 0
    assert "_SYNCLINE_COMPLETE" in outcome.out
    assert command("completion", "tcsh").status == 2


def test_the_script_completes_commands() -> None:
    words = {"COMP_WORDS": "syncline webhooks li", "COMP_CWORD": "2"}
    ended = subprocess.run(
        [SYNCLINE],
        env={**os.environ, **words, "_SYNCLINE_COMPLETE": "bash_complete"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout.split() == ["plain,list", "plain,listen"]


TYPED = {
    "bash": """
        source {script}
        COMP_WORDS=(syncline doc incr) COMP_CWORD=2
        $(complete -p syncline | sed 's/.*-F \\([^ ]*\\).*/\\1/') syncline incr doc
        echo "${{COMPREPLY[@]}}"
    """,
    # What it calls is there only while somebody types.
    "zsh": """
        compdef() {{ }}
        _describe() {{ print -l ${{(P)3}} }}
        source {script}
        words=(syncline doc incr) CURRENT=3
        _syncline_completion
    """,
    "fish": """
        source {script}
        complete --do-complete "syncline doc incr"
    """,
}

DESCRIPTION = "Add BY to a number, without a conflict..."

COMPLETED = {
    "bash": "increment\n",
    "zsh": f"increment:{DESCRIPTION}\n",
    "fish": f"increment\t{DESCRIPTION}\n",
}


@pytest.mark.parametrize("shell", TYPED)
def test_a_shell_completes_with_the_script(
    command: CommandLine, tmp_path: Path, shell: str
) -> None:
    """The script runs in a shell whose words are those after a Tab."""
    program = find_program(shell)
    script = tmp_path / "completion"
    script.write_text(command("completion", shell).out)
    typed = tmp_path / "typed"
    typed.write_text(TYPED[shell].format(script=script))
    no_profile = {"bash": "--norc", "zsh": "-f", "fish": "--no-config"}[shell]
    environ = {
        **os.environ,
        "PATH": f"{SYNCLINE.parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
    }
    ended = subprocess.run(
        [program, no_profile, typed], env=environ, capture_output=True, text=True, check=False
    )
    assert (ended.stdout, ended.stderr) == (COMPLETED[shell], "")
