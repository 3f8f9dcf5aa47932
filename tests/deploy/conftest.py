from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.command import CommandLine


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> CommandLine:
    """Runs `syncline` in an empty directory, without variables but the test's own."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith("SYNCLINE_"):
            monkeypatch.delenv(name)
    return CommandLine(monkeypatch, capsys)
