from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from support.command import CommandLine
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


def test_bash_completes_with_the_script(command: CommandLine, tmp_path: Path) -> None:
    """The script runs in a shell whose words are those after a Tab."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash")
    script = tmp_path / "syncline.bash"
    script.write_text(command("completion", "bash").out)
    typed = f"""
        source {script}
        COMP_WORDS=(syncline connections cl) COMP_CWORD=2
        $(complete -p syncline | sed 's/.*-F \\([^ ]*\\).*/\\1/') syncline cl connections
        echo "${{COMPREPLY[@]}}"
    """
    environ = {**os.environ, "PATH": f"{SYNCLINE.parent}:{os.environ['PATH']}"}
    ended = subprocess.run(
        [bash, "--norc", "-c", typed], env=environ, capture_output=True, text=True, check=False
    )
    assert (ended.stdout, ended.stderr) == ("close\n", "")
