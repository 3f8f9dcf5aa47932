"""`--profile`: servers and logins by name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.command import CommandLine
from support.server import RunningServer


@pytest.fixture
def profiles(command: CommandLine, server: RunningServer, tmp_path: Path) -> Path:
    """The file with the profiles."""
    command.environ = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    path = tmp_path / "config" / "syncline" / "profiles.toml"
    path.parent.mkdir(parents=True)
    account, auth_token = server.basic
    (path.parent / "token").write_text(f"{auth_token}\n")
    path.touch(mode=0o600)
    path.write_text(
        f'[alice]\nurl = "{server.url}"\ntoken = "{server.token("alice")}"\n'
        f'[owner]\nurl = "{server.url}"\naccount_sid = "{account}"\nauth_token_file = "token"\n'
        '[typo]\nurk = "x"\n[number]\nurl = 1\n'
    )
    return path


def test_a_profile_names_server_and_login(command: CommandLine, profiles: Path) -> None:
    made = command("--profile", "alice", "doc", "create").value
    assert made["created_by"] == "alice"
    made = command("doc", "create", environ={"SYNCLINE_PROFILE": "owner"}).value
    assert made["created_by"] == "system"
    assert command("--profile", "owner", "keys", "list").status == 0


def test_a_profile_replaces_the_login_of_the_environment(
    command: CommandLine, server: RunningServer, profiles: Path
) -> None:
    environ = {"SYNCLINE_TOKEN": server.token("bob"), "SYNCLINE_URL": "http://127.0.0.1:1"}
    assert command("--profile", "owner", "doc", "create", environ=environ).value["created_by"] == (
        "system"
    )
    assert "SYNCLINE_URL" not in os.environ  # as before the command
    other = command("--profile", "alice", "doc", "create", "--url", "http://127.0.0.1:1")
    assert other.status == 3


@pytest.mark.parametrize(
    ("name", "said"),
    [("unknown", "it has: alice, owner"), ("typo", "urk is none of"), ("number", "must be a text")],
)
def test_a_wrong_profile_is_one_line(
    command: CommandLine, profiles: Path, name: str, said: str
) -> None:
    outcome = command("--profile", name, "doc", "create")
    assert (outcome.status, outcome.out) == (2, "")
    assert said in outcome.err and outcome.err.count("\n") == 1


def test_a_file_that_others_can_read_is_refused(command: CommandLine, profiles: Path) -> None:
    profiles.chmod(0o644)
    outcome = command("--profile", "alice", "doc", "create")
    assert (outcome.status, "chmod 600" in outcome.err) == (2, True)


def test_a_file_that_is_missing_or_no_toml(command: CommandLine, profiles: Path) -> None:
    profiles.write_text("[alice")
    assert "no TOML" in command("--profile", "alice", "doc", "create").err
    profiles.unlink()
    outcome = command("--profile", "alice", "doc", "create")
    assert (outcome.status, "cannot be read" in outcome.err) == (2, True)


def test_a_server_has_no_profile(command: CommandLine, profiles: Path) -> None:
    assert command("--profile", "alice", "config", "check").status == 2
    assert command("config", "check", environ={"SYNCLINE_PROFILE": "alice"}).status == 0
