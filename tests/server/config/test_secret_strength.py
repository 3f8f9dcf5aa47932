"""Warnings of secrets that can be guessed, and their refusal where other machines can try."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.command import CommandLine
from support.server import StartServer, refused_start
from syncline_server.config.credentials import Credentials
from syncline_server.config.secret_strength import weak_secrets
from syncline_server.config.validation import SettingError

ACCOUNT, KEY, OTHER = f"AC{'1' * 32}", f"SK{'2' * 32}", f"SK{'3' * 32}"
EVERYWHERE, HERE = ["127.0.0.1", "0.0.0.0"], ["127.0.0.1", "::1", "localhost"]


def made(token: int = 16, key: int = 32) -> Credentials:
    return Credentials(ACCOUNT, "t" * token, {KEY: "k" * 43, OTHER: "k" * key})


@pytest.mark.parametrize("hosts", [EVERYWHERE, HERE], ids=["everywhere", "here"])
def test_secrets_of_sufficient_length_get_no_warning(hosts: list[str]) -> None:
    assert weak_secrets(made(), hosts) == []


@pytest.mark.parametrize("hosts", [EVERYWHERE, HERE], ids=["everywhere", "here"])
@pytest.mark.parametrize(
    ("credentials", "named", "enough"),
    [
        (made(token=15), "SYNCLINE_AUTH_TOKEN", 16),
        (made(token=8), "SYNCLINE_AUTH_TOKEN", 16),
        (made(key=31), OTHER, 32),
        (made(key=8), OTHER, 32),
    ],
)
def test_short_ones_get_a_warning(
    credentials: Credentials, named: str, enough: int, hosts: list[str]
) -> None:
    [sentence] = weak_secrets(credentials, hosts)
    assert named in sentence and f"at least {enough}" in sentence
    assert "tttt" not in sentence and "kkkk" not in sentence


@pytest.mark.parametrize("credentials", [made(token=7), made(token=0), made(key=7), made(key=1)])
def test_very_short_ones_are_refused_where_other_machines_can_try(credentials: Credentials) -> None:
    assert len(weak_secrets(credentials, HERE)) == 1
    for hosts in (["0.0.0.0"], ["::"], EVERYWHERE, ["192.0.2.1"]):
        with pytest.raises(SettingError, match="at least 8"):
            weak_secrets(credentials, hosts)


OF_ACCOUNT = {"SYNCLINE_ACCOUNT_SID": ACCOUNT, "SYNCLINE_AUTH_TOKEN": "guess me"}
OF_KEY = {"SYNCLINE_API_KEY_SID": KEY, "SYNCLINE_API_KEY_SECRET": "k" * 43}


def test_the_start_says_so_once(fresh_server: StartServer) -> None:
    server = fresh_server(environ=OF_ACCOUNT | OF_KEY)
    log = server.log.read_text()
    assert log.count("the account's auth token (SYNCLINE_AUTH_TOKEN) has 8 characters") == 1
    assert "guess me" not in log
    assert "can be guessed" not in fresh_server("--host=0.0.0.0").log.read_text()


def test_a_start_on_other_addresses_is_refused(tmp_path: Path) -> None:
    short = OF_ACCOUNT | {"SYNCLINE_AUTH_TOKEN": "1234567"}
    assert "has 7 characters" in refused_start("--host=0.0.0.0", f"--data-dir={tmp_path}", **short)


def test_config_check_warns_and_refuses(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    command = CommandLine(monkeypatch, capsys)
    command.environ = OF_ACCOUNT | OF_KEY
    warned = command("config", "check")
    assert (warned.status, warned.out) == (0, "The settings are valid.\n")
    assert "syncline: warning: the account's auth token" in warned.err
    assert command("config", "check", "--host=0.0.0.0").status == 0
    command.environ |= {"SYNCLINE_AUTH_TOKEN": "short"}
    refused = command("config", "check", "--host=0.0.0.0")
    assert (refused.status, refused.out, refused.err.count("\n")) == (2, "", 1)
    assert "at least 8" in refused.err
    assert command("config", "check").status == 0
