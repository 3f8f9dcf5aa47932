from __future__ import annotations

import base64
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from syncline_server.auth.authenticator import Authenticator, mint_token
from syncline_server.config.credentials import (
    Credentials,
    find_credentials,
    load_credentials,
    make_secret,
)
from syncline_server.config.validation import SettingError

ACCOUNT = f"AC{'a' * 32}"
KEY = f"SK{'b' * 32}"
SECOND_KEY = f"SK{'c' * 32}"

OF_ACCOUNT = {"SYNCLINE_ACCOUNT_SID": ACCOUNT, "SYNCLINE_AUTH_TOKEN": "token"}
OF_KEY = {"SYNCLINE_API_KEY_SID": KEY, "SYNCLINE_API_KEY_SECRET": "secret"}


def test_they_are_generated_once_and_kept(tmp_path: Path) -> None:
    made = load_credentials(tmp_path, {})
    assert made.account_sid.startswith("AC") and len(made.account_sid) == 34
    [(key, secret)] = made.api_keys.items()
    assert key.startswith("SK") and len(key) == 34
    # The vendor's Go library sends no login with other characters in it; PyJWT asks for 32 bytes.
    for text in (secret, made.auth_token):
        assert len(text) >= 32 and text.isascii() and text.isalnum()
    assert load_credentials(tmp_path, {}) == made
    assert find_credentials(tmp_path, {}) == made


def test_a_secret_has_letters_and_digits_only_and_256_random_bits() -> None:
    made = [make_secret() for _ in range(200)]
    assert len(set(made)) == 200
    for secret in made:
        assert secret.isascii() and secret.isalnum()
        assert len(secret) * math.log2(62) >= 256
    assert len(set("".join(made))) == 62


def test_secrets_with_other_characters_go_on_to_work(tmp_path: Path) -> None:
    secret = "-_" * 16 + "+/=~"
    given = {**OF_ACCOUNT, "SYNCLINE_API_KEY_SID": KEY, "SYNCLINE_API_KEY_SECRET": secret}
    credentials = load_credentials(tmp_path, given)
    authenticator = Authenticator(credentials, leeway=0)
    login = base64.b64encode(f"{KEY}:{secret}".encode()).decode()
    assert authenticator.verify_header(f"Basic {login}").key == KEY
    token = mint_token(credentials, "alice", 60)
    assert authenticator.verify_header(f"Bearer {token}").identity == "alice"


def test_each_installation_has_its_own(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, other = (load_credentials(tmp_path / name, {}) for name in "ab")
    assert one.account_sid != other.account_sid
    assert one.auth_token != other.auth_token
    assert not dict(one.api_keys).items() & dict(other.api_keys).items()


def test_nobody_else_of_the_machine_reads_them(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        load_credentials(tmp_path, {})
    finally:
        os.umask(before)
    [file] = tmp_path.iterdir()
    assert file.name == "credentials.json"
    assert file.stat().st_mode & 0o777 == 0o600


def test_servers_that_start_at_once_agree(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys; from syncline_server.config.credentials import load_credentials;"
        "sys.stdin.read(); print(load_credentials(pathlib.Path(sys.argv[1]), {}).account_sid)"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    servers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(6)
    ]
    for server in servers:
        assert server.stdin is not None
        server.stdin.close()
    found = set()
    for server in servers:
        assert server.stdout is not None
        found.add(server.stdout.read())
        server.stdout.close()
        assert server.wait() == 0
    assert len(found) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["credentials.json"]


def test_to_look_for_them_generates_none(tmp_path: Path) -> None:
    assert find_credentials(tmp_path, {}) is None
    assert find_credentials(tmp_path, OF_ACCOUNT) is None
    assert find_credentials(tmp_path / "none", OF_KEY) is None
    assert list(tmp_path.iterdir()) == []


def test_the_environment_comes_first(tmp_path: Path) -> None:
    kept = load_credentials(tmp_path, {})
    assert load_credentials(tmp_path, OF_ACCOUNT | OF_KEY) == Credentials(
        ACCOUNT, "token", {KEY: "secret"}
    )
    assert load_credentials(tmp_path, OF_ACCOUNT) == Credentials(ACCOUNT, "token", kept.api_keys)
    assert load_credentials(tmp_path, OF_KEY) == Credentials(
        kept.account_sid, kept.auth_token, {KEY: "secret"}
    )
    assert load_credentials(tmp_path, {}) == kept


def test_an_environment_that_says_all_needs_no_directory(tmp_path: Path) -> None:
    assert load_credentials(tmp_path / "none", OF_ACCOUNT | OF_KEY).account_sid == ACCOUNT
    assert list(tmp_path.iterdir()) == []


def test_there_may_be_several_keys(tmp_path: Path) -> None:
    environ = OF_ACCOUNT | OF_KEY | {"SYNCLINE_API_KEYS": f" {SECOND_KEY}:a:b ,"}
    found = load_credentials(tmp_path, environ)
    assert dict(found.api_keys) == {KEY: "secret", SECOND_KEY: "a:b"}
    # The first one signs.
    assert next(iter(found.api_keys)) == KEY
    only = load_credentials(tmp_path, OF_ACCOUNT | {"SYNCLINE_API_KEYS": f"{SECOND_KEY}:a"})
    assert dict(only.api_keys) == {SECOND_KEY: "a"}


def test_an_empty_variable_is_none(tmp_path: Path) -> None:
    kept = load_credentials(tmp_path, {})
    environ = dict.fromkeys([*OF_ACCOUNT, *OF_KEY, "SYNCLINE_API_KEYS"], "")
    assert load_credentials(tmp_path, environ) == kept


@pytest.mark.parametrize("pair", [OF_ACCOUNT, OF_KEY])
@pytest.mark.parametrize("missing", [0, 1])
def test_half_a_pair_is_refused(tmp_path: Path, pair: dict[str, str], missing: int) -> None:
    names = list(pair)
    with pytest.raises(SettingError, match=f"{names[0]} and {names[1]} must be set together"):
        load_credentials(tmp_path, {names[1 - missing]: pair[names[1 - missing]]})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sid", ["AC", ACCOUNT.upper(), f"SK{'a' * 32}", f"{ACCOUNT}\n", "é" * 34])
def test_a_sid_of_the_wrong_shape_is_refused(tmp_path: Path, sid: str) -> None:
    with pytest.raises(SettingError, match="SYNCLINE_ACCOUNT_SID must be AC and 32"):
        load_credentials(tmp_path, OF_ACCOUNT | {"SYNCLINE_ACCOUNT_SID": sid})


@pytest.mark.parametrize("keys", ["private", KEY, f"{KEY}:", ":private", f"{ACCOUNT}:private"])
def test_keys_of_the_wrong_shape_are_refused_and_not_repeated(tmp_path: Path, keys: str) -> None:
    with pytest.raises(SettingError, match="SYNCLINE_API_KEYS must be") as caught:
        load_credentials(tmp_path, {"SYNCLINE_API_KEYS": keys})
    assert "private" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"account_sid":"AC","auth_token":"t"}',
        '{"account_sid":"AC","auth_token":"t","api_keys":5}',
        "\udcff",
    ],
)
def test_a_file_that_is_broken_is_refused_with_one_line(tmp_path: Path, content: str) -> None:
    file = tmp_path / "credentials.json"
    file.write_bytes(content.encode(errors="surrogateescape"))
    file.chmod(0o600)
    with pytest.raises(SettingError) as caught:
        load_credentials(tmp_path, {})
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)
    # It may hold what somebody still needs.
    assert file.read_bytes() == content.encode(errors="surrogateescape")


def test_a_file_may_be_written_by_hand(tmp_path: Path) -> None:
    content: dict[str, Any] = {
        "account_sid": ACCOUNT,
        "auth_token": "token",
        "api_keys": {KEY: "secret", SECOND_KEY: "other"},
    }
    file = tmp_path / "credentials.json"
    file.write_text(json.dumps(content))
    file.chmod(0o600)
    assert load_credentials(tmp_path, {}) == Credentials(**content)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644, 0o777])
def test_a_file_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    made = load_credentials(tmp_path, {})
    file = tmp_path / "credentials.json"
    file.chmod(mode)
    for load in (load_credentials, find_credentials):
        with pytest.raises(SettingError, match=f"mode 600, not {mode:o}: chmod 600") as caught:
            load(tmp_path, {})
        assert made.auth_token not in str(caught.value)
    file.chmod(0o400)
    assert load_credentials(tmp_path, {}) == made


def test_what_is_shown_holds_no_secret(tmp_path: Path) -> None:
    made = load_credentials(tmp_path, {})
    assert made.auth_token not in repr(made)
    assert all(secret not in repr(made) for secret in made.api_keys.values())
