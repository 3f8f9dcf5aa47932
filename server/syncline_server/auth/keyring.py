"""The API keys that this process knows: those of its configuration, and those kept in Redis.

Asked with every login and token, so all is in memory; `storage.api_keys` keeps it true. While Redis
is away, what is known goes on to work.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from syncline_protocol.errors import Code, Refusal
from syncline_server.config.credentials import KEY_SID

__all__ = ["UNREADABLE", "ApiKey", "Keyring", "digest"]


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What proves a key.

    Attributes:
        digest: of its secret, for logins; None where the secret is there but cannot be read.
        secret: what signs access tokens; None for a key that serves logins only.
    """

    digest: bytes | None = field(repr=False)
    secret: str | None = field(repr=False)

    @classmethod
    def of(cls, secret: str) -> ApiKey:
        """A key with this secret, for logins and tokens."""
        return cls(digest(secret), secret)


UNREADABLE = ApiKey(None, None)
"""A key whose secret is encrypted under another master key than this server's, or was altered."""

_NOBODYS = secrets.token_bytes(32)


class Keyring:
    """All keys, by SID. A key that was revoked is no more, wherever it stands."""

    def __init__(self, configured: Mapping[str, str]) -> None:
        """`configured`: secret by SID."""
        self.configured = configured
        self._configured = {sid: ApiKey.of(secret) for sid, secret in configured.items()}
        self._stored: Mapping[str, ApiKey] = {}
        self._revoked: Collection[str] = frozenset()
        self._is_current: Callable[[], bool] = lambda: True
        self._listeners: list[Callable[[str], None]] = []

    def on_end(self, listener: Callable[[str], None]) -> None:
        """Call `listener` with the SID of each key that is valid no more. It must not block."""
        self._listeners.append(listener)

    def follow(self, is_current: Callable[[], bool]) -> None:
        """`is_current`: False while keys may have been added that are not known here yet."""
        self._is_current = is_current

    def put(self, stored: Mapping[str, ApiKey], revoked: Collection[str]) -> None:
        """Take note of all that is in Redis."""
        before = self._stored.keys() | self._configured.keys() - set(self._revoked)
        self._stored, self._revoked = stored, revoked
        for sid in before:
            if not self.has(sid):
                for listener in self._listeners:
                    listener(sid)

    def has(self, sid: str) -> bool:
        """True for a key that is valid."""
        return sid not in self._revoked and (sid in self._stored or sid in self._configured)

    @property
    def is_whole(self) -> bool:
        """False while there are keys whose secrets cannot be read here."""
        return UNREADABLE not in self._stored.values()

    def is_revoked(self, sid: str) -> bool:
        """True for a key that was."""
        return sid in self._revoked

    def proves(self, sid: str, password: str) -> bool:
        """Whether this is the key's secret.

        An unknown key costs the same comparison, so that timing does not tell keys apart.

        Raises:
            Refusal: `UNAVAILABLE` where that cannot be told now.
        """
        key = self._find(sid)
        expected = _NOBODYS if key is None or key.digest is None else key.digest
        is_right = hmac.compare_digest(digest(password), expected)
        self._check_known(sid, key)
        return is_right

    def signing_secret(self, sid: str) -> str:
        """What must have signed the tokens that this key issued.

        Raises:
            Refusal: `TOKEN_ISSUER` for a key that is unknown, revoked or for logins only;
                `UNAVAILABLE` where that cannot be told now.
        """
        key = self._find(sid)
        self._check_known(sid, key)
        if key is None:
            problem = "was revoked" if self.is_revoked(sid) else "is unknown"
        elif key.secret is None:
            problem = "serves logins only"
        else:
            return key.secret
        raise Refusal(
            Code.TOKEN_ISSUER, f"The API key that issued the access token {problem} (iss)."
        )

    def _find(self, sid: str) -> ApiKey | None:
        if not self.has(sid):
            return None
        # One that stands in both places may be here because Redis' copy cannot be read.
        return self._configured.get(sid) or self._stored[sid]

    def _check_known(self, sid: str, key: ApiKey | None) -> None:
        """A client that is told "unknown" stays away for good, so nothing is told by guess."""
        is_unseen = key is None and not self.is_revoked(sid) and KEY_SID.fullmatch(sid)
        if key is UNREADABLE or (is_unseen and not self._is_current()):
            raise Refusal(
                Code.UNAVAILABLE, "Whether that API key is valid cannot be told now. Try again."
            )


def digest(secret: str) -> bytes:
    """What is kept of a secret that serves logins only, and what is compared at logins.

    Nothing slow and salted as for passwords: a secret that this server makes is 256 random bits,
    which nobody finds by trying, however fast each try is.
    """
    return hashlib.sha256(secret.encode()).digest()
