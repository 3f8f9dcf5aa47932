from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import click
import pytest

from syncline_server.auth.authenticator import Authenticator, mint_token
from syncline_server.cli.access import Access, resolve, resolve_account, resolve_services
from syncline_server.config.credentials import Credentials, load_credentials

DIGITS = "0123456789abcdef" * 2
SERVICE = f"IS{DIGITS}"
LOCAL = "http://127.0.0.1:8040"
REMOTE = "https://sync.example.com"

CREDENTIALS = Credentials(
    f"AC{DIGITS}", "auth token", {f"SK{DIGITS}": "a secret of at least thirty-two bytes"}
)
ACCOUNT = {"SYNCLINE_ACCOUNT_SID": f"AC{DIGITS}"}
AUTH_TOKEN = {"SYNCLINE_AUTH_TOKEN": "auth token"}
API_KEY = {
    "SYNCLINE_API_KEY_SID": f"SK{DIGITS}",
    "SYNCLINE_API_KEY_SECRET": CREDENTIALS.api_keys[f"SK{DIGITS}"],
}


def access(
    environ: dict[str, str],
    *,
    url: str = REMOTE,
    token: str | None = None,
    identity: str | None = None,
    service: str | None = None,
    data_dir: Path | None = None,
) -> Access:
    return resolve(
        url, token=token, identity=identity, service=service, data_dir=data_dir, environ=environ
    )


def who(resolved: Access, credentials: Credentials = CREDENTIALS) -> tuple[str, str | None]:
    principal = Authenticator(credentials, leeway=0).verify_header(resolved.authorization)
    return principal.identity, principal.service


def test_a_token_comes_first_and_names_the_service() -> None:
    token = mint_token(CREDENTIALS, "alice", 60, service=SERVICE)
    resolved = access(ACCOUNT | AUTH_TOKEN | API_KEY, token=token)
    assert resolved.authorization == f"Bearer {token}"
    assert resolved.service == SERVICE


def test_the_service_can_be_named_beside_the_token() -> None:
    token = mint_token(CREDENTIALS, "alice", 60, service=SERVICE)
    assert access({}, token=token, service="default").service == "default"


def test_an_account_with_an_api_key_makes_a_token() -> None:
    assert who(access(ACCOUNT | API_KEY)) == ("cli", "default")
    assert who(access(ACCOUNT | API_KEY | AUTH_TOKEN)) == ("cli", "default")


def test_a_token_is_made_for_the_identity_and_the_service() -> None:
    resolved = access(ACCOUNT | API_KEY, identity="alice", service=SERVICE)
    assert who(resolved) == ("alice", SERVICE)
    assert resolved.service == SERVICE


def test_an_account_with_its_auth_token_is_a_basic_login() -> None:
    resolved = access(ACCOUNT | AUTH_TOKEN)
    assert resolved.token is None
    assert who(resolved) == ("system", None)


def test_an_api_key_alone_is_a_basic_login() -> None:
    resolved = access(API_KEY)
    login = base64.b64decode(resolved.authorization.removeprefix("Basic ")).decode()
    assert login == f"SK{DIGITS}:{CREDENTIALS.api_keys[f'SK{DIGITS}']}"
    assert who(resolved) == ("system", None)


def test_an_identity_cannot_go_with_a_basic_login() -> None:
    with pytest.raises(click.UsageError, match="--identity needs"):
        access(API_KEY, identity="alice")


@pytest.mark.parametrize("url", [LOCAL, "http://localhost:1", "http://[::1]:1", "ws://127.8.8.8"])
def test_on_this_machine_the_default_data_directory_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.chdir(tmp_path)
    directory = tmp_path / "syncline-data"
    directory.mkdir()
    credentials = load_credentials(directory, {})
    assert who(access({}, url=url), credentials) == ("cli", "default")


def test_another_machine_gets_nothing_of_the_default_data_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "syncline-data").mkdir()
    load_credentials(tmp_path / "syncline-data", {})
    with pytest.raises(click.UsageError, match="no credentials"):
        access({}, url=REMOTE)


def test_another_machine_gets_a_token_of_the_directory_that_is_named(tmp_path: Path) -> None:
    credentials = load_credentials(tmp_path, {})
    assert who(access({}, url=REMOTE, data_dir=tmp_path), credentials) == ("cli", "default")


def test_the_environment_comes_before_the_data_directory(tmp_path: Path) -> None:
    load_credentials(tmp_path, {})
    assert who(access(API_KEY, url=LOCAL, data_dir=tmp_path)) == ("system", None)


def test_where_there_is_nothing_none_are_made(tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match="SYNCLINE_TOKEN"):
        access({}, url=LOCAL, data_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_token_is_not_named_where_it_is_of_no_use(tmp_path: Path) -> None:
    with pytest.raises(click.UsageError) as raised:
        resolve_services(LOCAL, tmp_path, {})
    assert "SYNCLINE_ACCOUNT_SID" in str(raised.value)
    assert "SYNCLINE_TOKEN" not in str(raised.value)


def test_half_a_pair_is_nothing(tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match="no credentials"):
        access(ACCOUNT, data_dir=tmp_path)


def account_access(environ: dict[str, str], **options: Any) -> Access:
    given: dict[str, Any] = {"url": REMOTE, "token": None, "identity": None}
    given |= {"service": None, "data_dir": None}
    return resolve_account(**given | options, environ=environ)


def test_the_account_goes_before_a_token_made_for_an_identity(tmp_path: Path) -> None:
    assert who(account_access(ACCOUNT | API_KEY)) == ("system", None)
    assert who(account_access(ACCOUNT | API_KEY | AUTH_TOKEN)) == ("system", None)
    kept = load_credentials(tmp_path, {})
    assert who(account_access({}, url=LOCAL, data_dir=tmp_path), kept) == ("system", None)


def test_a_token_and_a_named_identity_go_before_the_account() -> None:
    token = mint_token(CREDENTIALS, "alice", 60, service=SERVICE)
    environ = ACCOUNT | API_KEY | AUTH_TOKEN
    assert who(account_access(environ, token=token)) == ("alice", SERVICE)
    assert who(account_access(environ, identity="bob")) == ("bob", "default")


def test_the_auth_token_of_a_data_directory_stays_on_this_machine(tmp_path: Path) -> None:
    kept = load_credentials(tmp_path, {})
    assert who(account_access({}, data_dir=tmp_path), kept) == ("cli", "default")
