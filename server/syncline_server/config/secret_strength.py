"""Secrets that are short enough to be guessed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .credentials import Credentials
from .urls import is_loopback
from .validation import SettingError

__all__ = ["weak_secrets"]

TOKEN_LENGTH = 16
"""Characters that the account's auth token should have: each guess is a request, and requests with
a wrong one are counted."""

KEY_LENGTH = 32
"""Characters that the secret of an API key should have (RFC 7518, 3.2): whoever has a token that it
signed can try guesses without a request."""

LEAST = 8
"""Characters that both must have where other machines can reach the server."""


def weak_secrets(credentials: Credentials, hosts: Iterable[str]) -> list[str]:
    """A warning for each secret that is short. `hosts`: the addresses of the server.

    Raises:
        SettingError: a secret is too short for a server that other machines can reach.
    """
    is_exposed = not all(map(is_loopback, hosts))
    warnings = []
    for name, length, enough in _lengths(credentials):
        if length >= enough:
            continue
        sentence = f"{name} has {length} characters and can be guessed"
        if is_exposed and length < LEAST:
            raise SettingError(
                f"{sentence}; on an address that other machines can reach it must have at least "
                f"{LEAST}, and should have {enough} random ones"
            )
        warnings.append(f"{sentence}; it should have at least {enough} random ones")
    return warnings


def _lengths(credentials: Credentials) -> Iterator[tuple[str, int, int]]:
    """Name, length and sufficient length of each secret."""
    yield (
        "the account's auth token (SYNCLINE_AUTH_TOKEN)",
        len(credentials.auth_token),
        TOKEN_LENGTH,
    )
    for sid, secret in credentials.api_keys.items():
        yield f"the secret of the API key {sid}", len(secret), KEY_LENGTH
