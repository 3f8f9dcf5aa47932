"""Encryption of stored secrets under the master key of an installation."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .secret_files import read_secret_file, write_secret_file
from .validation import SettingError

__all__ = ["MASTER_KEY_VARIABLE", "Broken", "SecretCipher", "load_master_key", "make_master_key"]

MASTER_KEY_VARIABLE = "SYNCLINE_MASTER_KEY"

FILE_NAME = "master.key"

KEY_BYTES = 32

NONCE_BYTES = 12
"""Nonces are random: up to 2^32 secrets under one key, a repeated nonce is unlikely."""

_PURPOSE = b"syncline API key "
_FINGERPRINT = b"syncline master key"


class Broken(Exception):
    """A secret cannot be decrypted: another master key, another owner, or altered."""


class SecretCipher:
    """Encrypts and decrypts secrets with AES-256-GCM.

    Attributes:
        fingerprint: identifies the master key without revealing it; 32 hexadecimal digits.
    """

    def __init__(self, master_key: str) -> None:
        """`master_key`: base64 of 32 bytes. Raises `ValueError`, whose text omits the key."""
        try:
            raw = base64.b64decode(master_key.strip(), validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        if len(raw) != KEY_BYTES:
            raise ValueError(
                f"must be base64 of {KEY_BYTES} bytes: `openssl rand -base64 {KEY_BYTES}`"
            )
        self._cipher = AESGCM(raw)
        self.fingerprint = hmac.digest(raw, _FINGERPRINT, hashlib.sha256).hex()[:32]

    def seal(self, owner: str, secret: str) -> str:
        """Encrypt `secret` for `owner`; returns base64 of nonce and ciphertext."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, secret.encode(), _binding(owner))
        return base64.b64encode(sealed).decode()

    def open(self, owner: str, sealed: str) -> str:
        """Decrypt a secret that was sealed for `owner`. Raises `Broken`."""
        try:
            raw = base64.b64decode(sealed, validate=True)
            nonce, ciphertext = raw[:NONCE_BYTES], raw[NONCE_BYTES:]
            return self._cipher.decrypt(nonce, ciphertext, _binding(owner)).decode()
        except (InvalidTag, ValueError):
            raise Broken(f"the secret of {owner} cannot be decrypted") from None


def _binding(owner: str) -> bytes:
    """Associated data that binds a ciphertext to its owner."""
    return _PURPOSE + owner.encode()


def make_master_key() -> str:
    """A new random master key, base64."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def load_master_key(data_dir: Path, environ: Mapping[str, str]) -> str:
    """The master key of this installation, base64.

    Taken from `SYNCLINE_MASTER_KEY`, else from `master.key` in `data_dir`, which is written
    (mode 600) at the first start.

    Raises:
        SettingError: the value is not a key, or other users may read the file; one line.
    """
    given = environ.get(MASTER_KEY_VARIABLE)
    if given:
        return _checked(given, MASTER_KEY_VARIABLE)
    path = data_dir / FILE_NAME
    try:
        return _checked(read_secret_file(path).decode(errors="replace"), str(path))
    except FileNotFoundError:
        write_secret_file(path, make_master_key())
        return load_master_key(data_dir, environ)


def _checked(master_key: str, source: str) -> str:
    try:
        SecretCipher(master_key)
    except ValueError as error:
        raise SettingError(f"{source} {error}") from None
    return master_key.strip()
