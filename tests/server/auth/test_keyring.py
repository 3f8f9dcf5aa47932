from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from syncline_protocol.errors import Code, Refusal
from syncline_server.auth.keyring import UNREADABLE, ApiKey, Keyring, digest

CONFIGURED = f"SK{'1' * 32}"
STORED = f"SK{'2' * 32}"
LOGIN_ONLY = f"SK{'3' * 32}"
UNKNOWN = f"SK{'9' * 32}"


@pytest.fixture
def keys() -> Keyring:
    keys = Keyring({CONFIGURED: "configured"})
    stored = {STORED: ApiKey.of("stored"), LOGIN_ONLY: ApiKey(digest("login"), None)}
    keys.replace_stored(stored, set())
    return keys


def code_of(attempt: Callable[..., Any], *arguments: Any) -> Code:
    with pytest.raises(Refusal) as caught:
        attempt(*arguments)
    return caught.value.code


@pytest.mark.parametrize(
    ("sid", "secret"), [(CONFIGURED, "configured"), (STORED, "stored"), (LOGIN_ONLY, "login")]
)
def test_each_is_proved_by_its_secret_alone(keys: Keyring, sid: str, secret: str) -> None:
    assert keys.has(sid) and keys.proves(sid, secret)
    for other in ("configured", "stored", "login", "", "é"):
        assert keys.proves(sid, other) == (other == secret)


def test_an_unknown_key_is_proved_by_nothing(keys: Keyring) -> None:
    assert not keys.has(UNKNOWN)
    assert not any(keys.proves(sid, "") for sid in (UNKNOWN, "", "é", "SK"))


def test_keys_that_sign_give_their_secret(keys: Keyring) -> None:
    assert keys.signing_secret(CONFIGURED) == "configured"
    assert keys.signing_secret(STORED) == "stored"
    for sid in (LOGIN_ONLY, UNKNOWN, "", CONFIGURED.lower()):
        assert code_of(keys.signing_secret, sid) is Code.TOKEN_ISSUER


def test_a_revoked_key_is_no_more_wherever_it_stands(keys: Keyring) -> None:
    keys.replace_stored({STORED: ApiKey.of("stored")}, {CONFIGURED, STORED})
    for sid, secret in ((CONFIGURED, "configured"), (STORED, "stored")):
        assert not keys.has(sid) and not keys.proves(sid, secret)
        with pytest.raises(Refusal, match="was revoked") as caught:
            keys.signing_secret(sid)
        assert caught.value.code is Code.TOKEN_ISSUER


def test_each_end_is_reported_once(keys: Keyring) -> None:
    ended: list[str] = []
    keys.on_end(ended.append)
    keys.replace_stored({STORED: ApiKey.of("stored")}, set())
    assert ended == [LOGIN_ONLY]
    keys.replace_stored({STORED: ApiKey.of("stored")}, {CONFIGURED})
    keys.replace_stored({STORED: ApiKey.of("stored")}, {CONFIGURED})
    assert ended == [LOGIN_ONLY, CONFIGURED]
    keys.replace_stored({}, {CONFIGURED, STORED})
    assert ended == [LOGIN_ONLY, CONFIGURED, STORED]


def test_what_may_only_be_unseen_is_not_called_unknown(keys: Keyring) -> None:
    keys.use_currency(lambda: False)
    assert code_of(keys.signing_secret, UNKNOWN) is Code.UNAVAILABLE
    assert code_of(keys.proves, UNKNOWN, "x") is Code.UNAVAILABLE
    # Known keys go on to work; what is no SID of a key will never be one.
    assert keys.signing_secret(STORED) == "stored" and keys.proves(CONFIGURED, "configured")
    assert not keys.proves(STORED, "x")
    assert code_of(keys.signing_secret, "AC") is Code.TOKEN_ISSUER
    keys.replace_stored({}, {STORED})
    assert code_of(keys.signing_secret, STORED) is Code.TOKEN_ISSUER


def test_a_key_that_cannot_be_read_is_neither_right_nor_wrong(keys: Keyring) -> None:
    assert keys.is_complete
    keys.replace_stored({STORED: UNREADABLE, CONFIGURED: UNREADABLE}, set())
    assert not keys.is_complete
    assert code_of(keys.signing_secret, STORED) is Code.UNAVAILABLE
    assert code_of(keys.proves, STORED, "stored") is Code.UNAVAILABLE
    # The configuration knows this one.
    assert keys.signing_secret(CONFIGURED) == "configured"


def test_nothing_of_a_secret_is_shown() -> None:
    assert "stored" not in repr(ApiKey.of("stored"))
