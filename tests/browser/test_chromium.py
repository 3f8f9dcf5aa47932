"""How the browser is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.browser import find_chromium


def write_command(path: Path, status: int) -> None:
    path.write_text(f"#!/bin/sh\nexit {status}\n")
    path.chmod(0o755)


def test_missing_browser_fails_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    write_command(tmp_path / "chromium-browser", 1)
    message = "^Chromium is missing; as root: apt-get install chromium$"
    with pytest.raises(LookupError, match=message):
        find_chromium()


def test_first_browser_that_runs_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    write_command(tmp_path / "chromium", 1)
    write_command(tmp_path / "google-chrome", 0)
    assert find_chromium() == str(tmp_path / "google-chrome")
