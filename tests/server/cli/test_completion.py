from __future__ import annotations

import os
import subprocess

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
