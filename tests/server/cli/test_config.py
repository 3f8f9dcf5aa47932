"""`syncline config`, and the config file of `syncline serve`."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from support.command import CommandLine
from support.server import StartServer
from syncline_server.cli.setting_groups import grouped_settings
from syncline_server.config.settings import Settings

ACCOUNT = f"AC{'1' * 32}"


def shown(command: CommandLine, *options: str) -> dict[str, tuple[object, str]]:
    """Value and source by name."""
    result = command("config", "show", *options)
    assert result.status == 0, result.err
    lines = [json.loads(line) for line in result.out.splitlines()]
    return {line["name"]: (line["value"], line["source"]) for line in lines}


def test_each_value_comes_from_the_nearest_source(
    command: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("c.toml").write_text("port = 1\nhsts = 2\nworkers = 3\n")
    monkeypatch.setenv("SYNCLINE_CONFIG", "c.toml")
    monkeypatch.setenv("SYNCLINE_HSTS", "4")
    monkeypatch.setenv("SYNCLINE_PORT", "5")

    settings = shown(command, "--port", "6")

    assert settings["port"] == (6, "option")
    assert settings["hsts"] == (4, "variable")
    assert settings["workers"] == (3, "config file")
    assert settings["appendfsync"] == ("always", "default")


def test_every_setting_is_shown_once(command: CommandLine) -> None:
    names = [name for _, group in grouped_settings() for name in group]

    assert sorted(names) == sorted(field.name for field in fields(Settings))
    assert set(names) <= shown(command).keys()


def test_secrets_are_masked(command: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("token").write_text("what-is-secret\n")
    monkeypatch.setenv("SYNCLINE_ACCOUNT_SID", ACCOUNT)
    monkeypatch.setenv("SYNCLINE_AUTH_TOKEN_FILE", "token")
    monkeypatch.setenv("SYNCLINE_API_KEYS", f"SK{'2' * 32}:what-is-secret")

    result = command("config", "show", "--redis-url", "redis://u:what-is-secret@h:1/2")

    assert result.status == 0
    assert "what-is-secret" not in result.out + result.err
    assert "redis://u:********@h:1/2" in result.out
    assert ACCOUNT in result.out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("port = 70000", "port"),
        ('port = "http"', "port: 'http' is not a valid integer"),
        ("port = true", "port must be a text or a number, not True"),
        ("demo = 1", "demo must be true or false, not 1"),
        ('durability = "hope"', "durability"),
        ('oidc_audience = "x"', "need --oidc-issuer"),
    ],
)
def test_a_wrong_file_is_one_line(command: CommandLine, text: str, said: str) -> None:
    Path("c.toml").write_text(text)

    result = command("config", "check", "--config", "c.toml")

    assert result.status == 2
    assert result.out == ""
    [line] = result.err.splitlines()
    assert said in line


def test_check_says_that_settings_are_valid(command: CommandLine) -> None:
    Path("c.toml").write_text('[redis]\nredis-url = "redis://127.0.0.1:1"\n')

    result = command("config", "check", "--config", "c.toml")

    assert (result.status, result.out) == (0, "The settings are valid.\n")
    assert not Path("syncline-data").exists()


def test_a_server_takes_its_settings_from_the_file(
    fresh_server: StartServer, tmp_path: Path
) -> None:
    path = tmp_path / "c.toml"
    path.write_text("demo = true\n")
    server = fresh_server("--config", str(path))
    assert server.process.stdout is not None
    assert server.process.stdout.readline().decode() == f"Demo: {server.url}/demo\n"


def test_the_first_start_says_what_to_do_next(fresh_server: StartServer) -> None:
    server = fresh_server()
    assert server.process.stdout is not None
    lines = [server.process.stdout.readline().decode() for _ in range(7)]

    assert lines[1].split() == ["Console", f"{server.url}/console"]
    assert lines[2].split() == ["REST", "API", f"{server.url}/docs"]
    assert "credentials.json" in lines[3]
    # The data directory names the URL of the server, so no command needs it.
    assert f"--data-dir {server.data_dir}" in lines[5]
    assert server.url not in "".join(lines[3:])
    assert server.credentials.auth_token not in "".join(lines)


def test_check_and_show_print_in_the_format_that_is_asked_for(command: CommandLine) -> None:
    assert command("config", "check", "-o", "json").value == {"valid": True}
    assert command("config", "check", "-o", "yaml").out == "valid: true\n"
    shown_as_yaml = command("config", "show", "-o", "yaml")
    documents = list(yaml.safe_load_all(shown_as_yaml.out))
    assert {"name": "port", "value": 8040, "source": "default"} in documents
