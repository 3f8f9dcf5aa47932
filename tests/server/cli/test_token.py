from __future__ import annotations

from pathlib import Path

import jwt
import pytest

from support.command import CommandLine
from syncline_protocol.errors import Code, Refusal
from syncline_server.auth.authenticator import Authenticator
from syncline_server.config.credentials import load_credentials

DIGITS = "0123456789abcdef" * 2
ENVIRON = {
    "SYNCLINE_ACCOUNT_SID": f"AC{DIGITS}",
    "SYNCLINE_AUTH_TOKEN": "token",
    "SYNCLINE_API_KEY_SID": f"SK{DIGITS}",
    "SYNCLINE_API_KEY_SECRET": "a secret of at least thirty-two bytes",
}


def test_a_token_of_the_data_directory_is_accepted_by_its_server(
    command: CommandLine, tmp_path: Path
) -> None:
    credentials = load_credentials(tmp_path, {})
    outcome = command("token", "--identity", "alice", "--data-dir", str(tmp_path))
    assert outcome.status == 0
    principal = Authenticator(credentials, leeway=0).verify_token(outcome.out.strip())
    assert (principal.identity, principal.service) == ("alice", "default")


def test_stderr_says_which_key_signed_it(command: CommandLine) -> None:
    outcome = command("token", "--identity", "alice", "--ttl", "60", environ=ENVIRON)
    assert outcome.err == f"signed by SK{DIGITS} of AC{DIGITS}, for 60 s\n"
    assert outcome.out.count("\n") == 1


def test_the_key_that_signs_can_be_chosen(command: CommandLine) -> None:
    other = f"SK{'9' * 32}"
    environ = ENVIRON | {"SYNCLINE_API_KEYS": f"{other}:{'x' * 32}"}
    outcome = command("token", "--identity", "a", "--key", other, environ=environ)
    assert outcome.err.startswith(f"signed by {other} of ")
    assert jwt.decode(outcome.out.strip(), "x" * 32, ["HS256"])["iss"] == other


def test_a_key_whose_secret_is_elsewhere_cannot_sign(command: CommandLine) -> None:
    outcome = command("token", "--identity", "a", "--key", f"SK{'9' * 32}", environ=ENVIRON)
    assert (outcome.status, outcome.out) == (2, "")
    assert f"the secret of SK{'9' * 32} is not configured, only SK{DIGITS}" in outcome.err
    assert "secrets in Redis cannot be read back" in outcome.err
    assert ENVIRON["SYNCLINE_API_KEY_SECRET"] not in outcome.err


def test_ttl_and_service_are_in_the_token(command: CommandLine) -> None:
    outcome = command(
        "token", "--identity", "a", "--ttl", "86400", "--service", f"IS{DIGITS}", environ=ENVIRON
    )
    claims = jwt.decode(outcome.out.strip(), options={"verify_signature": False})
    assert claims["exp"] - claims["nbf"] == 86400
    assert claims["grants"]["data_sync"]["service_sid"] == f"IS{DIGITS}"


def test_another_installation_refuses_it(command: CommandLine, tmp_path: Path) -> None:
    outcome = command("token", "--identity", "alice", environ=ENVIRON)
    other = Authenticator(load_credentials(tmp_path, {}), leeway=0)
    with pytest.raises(Refusal) as refused:
        other.verify_token(outcome.out.strip())
    assert refused.value.code == Code.TOKEN_ISSUER


@pytest.mark.parametrize("ttl", ["0", "86401", "1.5", "soon"])
def test_a_ttl_out_of_range_is_wrong_usage(command: CommandLine, ttl: str) -> None:
    outcome = command("token", "--identity", "alice", "--ttl", ttl, environ=ENVIRON)
    assert (outcome.status, outcome.out) == (2, "")
    assert "--ttl" in outcome.err


@pytest.mark.parametrize("identity", ["", "x" * 257])
def test_an_identity_of_a_wrong_length_is_wrong_usage(command: CommandLine, identity: str) -> None:
    outcome = command("token", "--identity", identity, environ=ENVIRON)
    assert (outcome.status, outcome.out) == (2, "")
    assert "1 to 256 characters" in outcome.err


def test_where_there_are_no_credentials_none_are_made(command: CommandLine, tmp_path: Path) -> None:
    outcome = command("token", "--identity", "alice")
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err.count("\n") == 1
    assert "--data-dir" in outcome.err and "SYNCLINE_ACCOUNT_SID" in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_half_a_pair_in_the_environment_is_named(command: CommandLine) -> None:
    outcome = command("token", "--identity", "a", environ={"SYNCLINE_API_KEY_SID": f"SK{DIGITS}"})
    assert outcome.status == 2
    assert "SYNCLINE_API_KEY_SECRET" in outcome.err


def test_the_format_says_how_it_is_printed(command: CommandLine) -> None:
    arguments = ("token", "--identity", "alice", "--ttl", "60")
    # Scripts take the token as it is, so a variable for all commands does not count.
    environ = ENVIRON | {"SYNCLINE_OUTPUT": "json"}
    assert command(*arguments, environ=environ).out.count(".") == 2
    made = command(*arguments, "-o", "json", environ=ENVIRON).value
    token = made.pop("token")
    assert jwt.decode(token, options={"verify_signature": False})["grants"]["identity"] == "alice"
    key = ENVIRON["SYNCLINE_API_KEY_SID"]
    assert made == {"identity": "alice", "service": "default", "ttl": 60, "key": key}
    as_yaml = command(*arguments, "-o", "yaml", environ=ENVIRON)
    assert "\nidentity: alice\n" in as_yaml.out
