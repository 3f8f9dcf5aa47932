from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from syncline_server.config.encryption import (
    MASTER_KEY_VARIABLE,
    NONCE_BYTES,
    Broken,
    SecretCipher,
    load_master_key,
    make_master_key,
)
from syncline_server.config.validation import SettingError

SID = f"SK{'1' * 32}"
OTHER_SID = f"SK{'2' * 32}"
SECRET = "a secret with é"


@pytest.fixture
def secret_cipher() -> SecretCipher:
    return SecretCipher(make_master_key())


def test_what_is_sealed_is_opened_for_its_owner(secret_cipher: SecretCipher) -> None:
    sealed = secret_cipher.seal(SID, SECRET)
    assert secret_cipher.open(SID, sealed) == SECRET
    assert SECRET.encode() not in base64.b64decode(sealed)


def test_no_two_seals_are_alike(secret_cipher: SecretCipher) -> None:
    raw = [base64.b64decode(secret_cipher.seal(SID, SECRET)) for _ in range(100)]
    assert len({each[:NONCE_BYTES] for each in raw}) == 100
    assert len({each[NONCE_BYTES:] for each in raw}) == 100


def test_a_seal_cannot_be_moved_to_another_owner(secret_cipher: SecretCipher) -> None:
    with pytest.raises(Broken, match=OTHER_SID):
        secret_cipher.open(OTHER_SID, secret_cipher.seal(SID, SECRET))


def test_no_bit_of_nonce_ciphertext_or_tag_can_be_altered(secret_cipher: SecretCipher) -> None:
    raw = base64.b64decode(secret_cipher.seal(SID, SECRET))
    for place in range(len(raw)):
        altered = bytearray(raw)
        altered[place] ^= 1
        with pytest.raises(Broken):
            secret_cipher.open(SID, base64.b64encode(altered).decode())


@pytest.mark.parametrize("length", [0, 1, NONCE_BYTES, NONCE_BYTES + 15])
def test_what_is_cut_short_is_refused(secret_cipher: SecretCipher, length: int) -> None:
    raw = base64.b64decode(secret_cipher.seal(SID, SECRET))[:length]
    with pytest.raises(Broken):
        secret_cipher.open(SID, base64.b64encode(raw).decode())


@pytest.mark.parametrize("sealed", ["", "!", "é", "AAAA", "A" * 5])
def test_what_was_never_sealed_is_refused(secret_cipher: SecretCipher, sealed: str) -> None:
    with pytest.raises(Broken):
        secret_cipher.open(SID, sealed)


def test_another_master_key_opens_nothing(secret_cipher: SecretCipher) -> None:
    other = SecretCipher(make_master_key())
    with pytest.raises(Broken):
        other.open(SID, secret_cipher.seal(SID, SECRET))
    assert other.fingerprint != secret_cipher.fingerprint


def test_a_fingerprint_is_the_same_each_time_and_holds_nothing_of_the_key() -> None:
    master_key = make_master_key()
    fingerprint = SecretCipher(master_key).fingerprint
    assert SecretCipher(f"{master_key}\n").fingerprint == fingerprint
    assert fingerprint not in base64.b64decode(master_key).hex()


class TestMasterKey:
    def test_it_is_made_once_and_kept_for_its_owner_alone(self, tmp_path: Path) -> None:
        before = os.umask(0)
        try:
            made = load_master_key(tmp_path, {})
        finally:
            os.umask(before)
        assert len(base64.b64decode(made)) == 32
        [file] = tmp_path.iterdir()
        assert (file.name, file.stat().st_mode & 0o777) == ("master.key", 0o600)
        assert load_master_key(tmp_path, {}) == made

    def test_the_environment_comes_first_and_needs_no_directory(self, tmp_path: Path) -> None:
        given = make_master_key()
        assert load_master_key(tmp_path / "none", {MASTER_KEY_VARIABLE: f" {given}\n"}) == given
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o602, 0o644])
    def test_a_file_that_others_may_use_is_refused(self, tmp_path: Path, mode: int) -> None:
        made = load_master_key(tmp_path, {})
        file = tmp_path / "master.key"
        file.chmod(mode)
        with pytest.raises(SettingError, match=f"mode 600, not {mode:o}: chmod 600") as caught:
            load_master_key(tmp_path, {})
        assert made not in str(caught.value)

    @pytest.mark.parametrize(
        "key",
        [
            "short",
            "é" * 44,
            base64.b64encode(bytes(31)).decode(),
            base64.b64encode(bytes(33)).decode(),
        ],
    )
    def test_what_is_no_key_is_refused_and_not_repeated(self, tmp_path: Path, key: str) -> None:
        with pytest.raises(
            SettingError, match="SYNCLINE_MASTER_KEY must be base64 of 32"
        ) as refused:
            load_master_key(tmp_path, {MASTER_KEY_VARIABLE: key})
        assert key not in str(refused.value)
        file = tmp_path / "master.key"
        file.write_text(key)
        file.chmod(0o600)
        with pytest.raises(SettingError, match="master.key must be base64 of 32") as refused:
            load_master_key(tmp_path, {})
        assert key not in str(refused.value)
        assert file.read_text() == key
