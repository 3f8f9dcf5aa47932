"""The systemd unit: what it sets is what the server knows, and it has few rights."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support.command import CommandLine
from syncline_server.cli.program import program
from syncline_server.cli.variables import unknown_variables
from syncline_server.config.settings import Settings

SYSTEMD = Path(__file__).parents[2] / "deploy" / "systemd"
UNIT = SYSTEMD / "syncline.service"
FILES = [UNIT, SYSTEMD / "credentials.conf", SYSTEMD / "tls.conf"]


def directives(path: Path) -> list[tuple[str, str]]:
    lines = (line.strip() for line in path.read_text().splitlines())
    return [
        (name, value)
        for line in lines
        if line and not line.startswith(("#", "["))
        for name, _, value in [line.partition("=")]
    ]


def variables(path: Path) -> dict[str, str]:
    given = [value.partition("=") for name, value in directives(path) if name == "Environment"]
    return {name: value for name, _, value in given}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_server_knows_each_variable(path: Path) -> None:
    assert variables(path)
    assert unknown_variables(variables(path), program) == []


def test_a_stop_lets_the_server_drain() -> None:
    unit = dict(directives(UNIT))
    assert int(unit["TimeoutStopSec"]) > Settings().drain_timeout
    # Else systemd would end the embedded Redis at once, and the requests under way with it.
    assert unit["KillMode"] == "mixed"


def test_the_data_directory_is_the_state_directory() -> None:
    unit = dict(directives(UNIT))
    assert unit["ExecStart"].endswith(" serve --data-dir ${STATE_DIRECTORY}")
    assert (unit["StateDirectory"], unit["StateDirectoryMode"]) == ("syncline", "0700")
    assert unit["DynamicUser"] == "yes"


def test_each_credential_that_is_loaded_is_read() -> None:
    text = (SYSTEMD / "credentials.conf").read_text()
    loaded = set(re.findall(r"LoadCredential=([a-z-]+):/etc/syncline/secrets/\1\n", text))
    files = dict(re.findall(r"Environment=SYNCLINE_([A-Z_]+)_FILE=%d/([a-z-]+)\n", text))
    assert loaded == set(files.values())
    assert all(name == file.upper().replace("-", "_") for name, file in files.items())


def test_the_server_accepts_the_settings(command: CommandLine) -> None:
    checked = command("config", "check", "--config", str(SYSTEMD / "syncline.toml"))
    assert checked.status == 0, checked.err
    # The examples in comments too.
    text = re.sub(r"^#(?=[a-z])", "", (SYSTEMD / "syncline.toml").read_text(), flags=re.MULTILINE)
    Path("all.toml").write_text(text)
    checked = command("config", "check", "--config", "all.toml")
    assert checked.status == 0, checked.err


def test_a_refused_setting_has_the_status_after_which_nothing_restarts(
    command: CommandLine,
) -> None:
    unit = dict(directives(UNIT))
    refused = command("config", "check", "--port", "70000")
    assert str(refused.status) == unit["RestartPreventExitStatus"]


def test_systemd_accepts_the_unit_where_it_is_at_hand(tmp_path: Path) -> None:
    assert directives(UNIT)
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        return
    unit = tmp_path / UNIT.name
    # A program that exists.
    text = UNIT.read_text().replace("/opt/syncline/bin/syncline", os.path.realpath("/bin/true"))
    unit.write_text(text)
    for drop_in in FILES[1:]:
        folder = tmp_path / f"{UNIT.name}.d"
        folder.mkdir(exist_ok=True)
        shutil.copy(drop_in, folder)
    verified = subprocess.run(
        [analyze, "verify", "--man=no", unit],
        capture_output=True,
        text=True,
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
    )
    complaint = re.compile(r"unknown|failed to parse|ignor|invalid", re.IGNORECASE)
    assert not complaint.search(verified.stderr), verified.stderr

    judge = [analyze, "security", "--offline=true"]
    if subprocess.run([*judge, UNIT], capture_output=True).returncode == 0:  # from systemd 250 on
        # An exposure of at most 2.0 of 10.
        assert subprocess.run([*judge, "--threshold=20", UNIT]).returncode == 0
