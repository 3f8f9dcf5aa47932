"""The entry point, run as a process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import syncline_server
from support.server import SYNCLINE, clean_environ
from syncline_protocol import __version__


def test_without_the_server_extra_one_line_says_what_to_install() -> None:
    """`-S` leaves out all installed packages; the sources alone are put back."""
    sources = Path(syncline_server.__file__).parents[1]
    program = f"import sys; sys.path.append({str(sources)!r}); from syncline_server.cli import main"
    ended = subprocess.run(
        [sys.executable, "-S", "-c", f"{program}; main()"],
        env=clean_environ({}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr == "starlette is missing: pip install 'syncline[server]'\n"
    assert ended.stdout == ""


def test_the_installed_command_reports_its_version() -> None:
    ended = subprocess.run([SYNCLINE, "--version"], capture_output=True, text=True, check=True)
    assert ended.stdout == f"Syncline {__version__}\n"


def test_the_exit_status_reaches_the_shell() -> None:
    ended = subprocess.run(
        [SYNCLINE, "serve", "--port", "-1"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
