"""The API keys that this process knows: from its configuration and from Redis.

Every login and token needs them, so they are in memory; `auth.api_keys` keeps them up to date.
While Redis is away, the known keys continue to work.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from syncline_protocol.errors import Code, Refusal
from syncline_server.config.credentials import KEY_SID

from .signed_claims import signing_key

__all__ = ["UNREADABLE", "ApiKey", "Keyring", "digest"]


@dataclass(frozen=True, slots=True)
class ApiKey:
    """The secret of a key, in the forms that checks need.

    Attributes:
        digest: digest of the secret, for logins; None if the secret cannot be decrypted.
        secret: the secret that signs access tokens; None for a key that serves logins only.
    """

    digest: bytes | None = field(repr=False)
    secret: str | None = field(repr=False)

    @classmethod
    def of(cls, secret: str) -> ApiKey:
        """A key for logins and tokens."""
        return cls(digest(secret), secret)


UNREADABLE = ApiKey(None, None)
"""A key whose secret is encrypted under another master key, or was altered."""

_NOBODYS = secrets.token_bytes(32)


class Keyring:
    """All keys, by SID. A revoked key is invalid, even if the configuration has it."""

    def __init__(self, configured: Mapping[str, str]) -> None:
        """`configured`: secret by SID."""
        self.configured = configured
        self._configured = {sid: ApiKey.of(secret) for sid, secret in configured.items()}
        self._stored: Mapping[str, ApiKey] = {}
        # By SID: keys that have verified a token, and the prepared form of their secrets.
        self._prepared: dict[str, tuple[ApiKey, bytes | None]] = {}
        self._revoked: Collection[str] = frozenset()
        self._is_current: Callable[[], bool] = lambda: True
        self._listeners: list[Callable[[str], None]] = []

    def on_end(self, listener: Callable[[str], None]) -> None:
        """Call `listener` with the SID of each key that becomes invalid. It must not block."""
        self._listeners.append(listener)

    def use_currency(self, is_current: Callable[[], bool]) -> None:
        """`is_current`: False while Redis may have newer keys than this process."""
        self._is_current = is_current

    def replace_stored(self, stored: Mapping[str, ApiKey], revoked: Collection[str]) -> None:
        """Replace the keys from Redis; `revoked` are SIDs. Notifies the listeners of `on_end`."""
        before = self._stored.keys() | self._configured.keys() - set(self._revoked)
        self._stored, self._revoked = stored, revoked
        self._prepared.clear()
        for sid in before:
            if not self.has(sid):
                for listener in self._listeners:
                    listener(sid)

    def has(self, sid: str) -> bool:
        """True for a valid key."""
        return sid not in self._revoked and (sid in self._stored or sid in self._configured)

    @property
    def is_complete(self) -> bool:
        """False if there are keys whose secrets cannot be decrypted here."""
        return UNREADABLE not in self._stored.values()

    def is_revoked(self, sid: str) -> bool:
        """True for a revoked key."""
        return sid in self._revoked

    def proves(self, sid: str, password: str) -> bool:
        """True if `password` is the secret of the key.

        An unknown key costs the same comparison, so that timing does not reveal which keys exist.

        Raises:
            Refusal: `UNAVAILABLE` if that cannot be decided now.
        """
        key = self._find(sid)
        expected = _NOBODYS if key is None or key.digest is None else key.digest
        is_right = hmac.compare_digest(digest(password), expected)
        self._check_certain(sid, key)
        return is_right

    def signing_secret(self, sid: str) -> str:
        """The secret with which this key signs tokens.

        Raises:
            Refusal: `TOKEN_ISSUER` for a key that is unknown, revoked or for logins only;
                `UNAVAILABLE` if that cannot be decided now.
        """
        key = self._find(sid)
        self._check_certain(sid, key)
        if key is None:
            problem = "was revoked" if self.is_revoked(sid) else "is unknown"
        elif key.secret is None:
            problem = "serves logins only"
        else:
            return key.secret
        raise Refusal(
            Code.TOKEN_ISSUER, f"The API key that issued the access token {problem} (iss)."
        )

    def signing_key(self, sid: str) -> bytes | None:
        """The secret with which this key signs tokens, as `signed_claims` needs it; None if there
        is none, which `signing_secret` explains."""
        key = self._find(sid)
        if key is None or key.secret is None:
            return None
        known, prepared = self._prepared.get(sid, (None, None))
        if known is not key:
            # Checking that a secret looks like no other kind of key costs more than a signature.
            prepared = signing_key(key.secret)
            self._prepared[sid] = key, prepared
        return prepared

    def _find(self, sid: str) -> ApiKey | None:
        if not self.has(sid):
            return None
        # The configuration wins: an operator may have added the key there because the copy in Redis
        # cannot be decrypted.
        return self._configured.get(sid) or self._stored[sid]

    def _check_certain(self, sid: str, key: ApiKey | None) -> None:
        """Raise `UNAVAILABLE` if nothing is certain about the key.

        A client that receives "unknown" gives up permanently. So a key that may exist in Redis, or
        cannot be decrypted here, is answered with "retry".
        """
        is_unseen = key is None and not self.is_revoked(sid) and KEY_SID.fullmatch(sid)
        if key is UNREADABLE or (is_unseen and not self._is_current()):
            raise Refusal(Code.UNAVAILABLE, "The server cannot check that API key now. Try again.")


def digest(secret: str) -> bytes:
    """SHA-256 of a secret: stored for keys that serve logins only, and compared at each login.

    A slow, salted hash as for passwords is not needed: a generated secret has 256 random bits,
    which cannot be guessed at any speed.
    """
    return hashlib.sha256(secret.encode()).digest()
