from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from syncline_server.cli.options import setting_option, setting_options
from syncline_server.cli.program import program
from syncline_server.config.settings import Settings

FIELDS = {field.name: field for field in fields(Settings)}


def parsed(*arguments: str) -> Settings:
    command = click.Command("serve", params=setting_options(), callback=lambda **given: given)
    values: Any = command.main(list(arguments), standalone_mode=False)
    return Settings(**values)


def test_there_is_one_option_for_each_setting() -> None:
    assert [option.name for option in setting_options()] == ["config", *FIELDS]


def test_without_options_each_setting_has_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in FIELDS:
        monkeypatch.delenv(f"SYNCLINE_{name.upper()}", raising=False)
    assert parsed() == Settings()


@pytest.fixture(scope="module")
def described() -> str:
    """The help of `serve`, on one line, as long as it takes."""
    done = CliRunner().invoke(program, ["serve", "--help"])
    assert done.exit_code == 0
    return " ".join(done.output.split()).replace("- ", "-")  # a line may end at a hyphen


@pytest.mark.parametrize("name", FIELDS)
def test_the_help_of_serve_reports_meaning_default_range_and_variable(
    described: str, name: str
) -> None:
    field = FIELDS[name]
    flag, variable = f"--{name.replace('_', '-')} ", f"SYNCLINE_{name.upper()}"
    assert flag in described
    start = described.index(field.metadata["help"].replace("- ", "-"), described.index(flag))
    extra = described[start : described.index("]", start)]
    assert f"env var: {variable}" in extra
    if field.default is not None and not isinstance(field.default, bool):
        assert f"default: {field.default}" in extra
    if "least" in field.metadata:
        assert f"{field.metadata['least']}<=x<={field.metadata['most']}" in extra


def other_value(name: str) -> Any:
    """A value of the setting that is allowed and not its default."""
    field = FIELDS[name]
    default: Any = field.default
    if "choices" in field.metadata:
        return next(choice for choice in field.metadata["choices"] if choice != default)
    if "least" in field.metadata:
        return type(default)(field.metadata["least"])
    if isinstance(default, bool):
        return not default
    if isinstance(default, Path):
        return Path("elsewhere")
    return {
        "redis_url": "redis://localhost",
        "console": True,
        "public_url": "https://sync.example.com",
        "default_service_sid": f"IS{'0' * 32}",
        "cors_origins": "https://app.example.com",
        "ws_origins": "https://app.example.com",
        "trusted_proxies": "10.0.0.0/8",
        "demo_networks": "10.0.0.0/8",
        "otlp_endpoint": "http://localhost:4318",
        "webhook_networks": "10.0.0.0/8",
        "oidc_issuer": "https://id.example.com",
        "oidc_jwks_url": "https://id.example.com/keys",
        "console_oidc_admins": "groups=operators",
        "console_oidc_scope": "openid groups",
    }.get(name, "example.com")


@pytest.fixture
def companions(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """What a setting needs beside it is set."""
    if name.startswith("oidc_"):
        for other in ("oidc_issuer", "oidc_audience"):
            monkeypatch.setenv(f"SYNCLINE_{other.upper()}", other_value(other))
    if name.startswith("console_oidc_"):
        for other in ("oidc_issuer", "console_oidc_admins", "console_oidc_client"):
            monkeypatch.setenv(f"SYNCLINE_{other.upper()}", other_value(other))


@pytest.mark.usefixtures("companions")
@pytest.mark.parametrize("name", FIELDS)
def test_each_setting_is_taken_from_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(f"SYNCLINE_{name.upper()}", str(other_value(name)))
    assert getattr(parsed(), name) == other_value(name)


@pytest.mark.usefixtures("companions")
@pytest.mark.parametrize("name", FIELDS)
def test_each_setting_is_taken_from_its_option(name: str) -> None:
    flag, value = f"--{name.replace('_', '-')}", other_value(name)
    arguments = [flag] if isinstance(value, bool) else [flag, str(value)]
    assert getattr(parsed(*arguments), name) == value


def test_an_option_is_stronger_than_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCLINE_PORT", "1")
    monkeypatch.setenv("SYNCLINE_DEMO", "true")
    assert parsed("--port", "2", "--no-demo") == Settings(port=2)


def test_one_setting_can_be_an_option_of_another_command() -> None:
    assert setting_option("data_dir").opts == ["--data-dir"]
