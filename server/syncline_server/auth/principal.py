"""An authenticated caller, and what else than the account and its keys may authenticate one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from .grants import Grants

__all__ = ["SESSION_PREFIX", "ForeignTokens", "Principal", "Sessions"]

SESSION_PREFIX = "CS"
"""Beginning of the user name of a console session's login."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """An authenticated caller.

    Attributes:
        identity: author of the caller's writes; `system` for Basic credentials.
        service: service that the token is for, a SID or unique name; None for Basic credentials,
            which are for all services.
        expires_at: when the token expires, in seconds since the epoch; None for Basic credentials,
            which do not expire.
        grants: limits that the token sets; None for a token without grants.
        key: SID of the API key that logged in or signed the token, or of the console session; None
            if there is none.
        person: who a console session belongs to, as the OpenID provider names them.
    """

    identity: str
    service: str | None
    expires_at: float | None
    grants: Grants | None = None
    key: str | None = None
    person: str | None = None

    @property
    def is_account(self) -> bool:
        """True for Basic credentials, which authorize everything in every service."""
        return self.service is None

    @property
    def is_owner(self) -> bool:
        """True for the account's own login and for administrators' console sessions; only they
        may create and revoke API keys."""
        return self.is_account and (self.key is None or self.person is not None)


class ForeignTokens(Protocol):
    """Checks access tokens of another issuer, such as an OpenID provider."""

    async def principal(
        self, token: str, header: Mapping[str, Any], claims: Mapping[str, Any]
    ) -> Principal:
        """Verify a token, and return its caller; `verify_header` and `claims` are unverified input.

        Raises:
            Refusal: 401; `UNAVAILABLE` if the token cannot be checked at present.
        """


class Sessions(Protocol):
    """Logins for a bounded time (`auth.console_sessions`)."""

    def has(self, sid: str) -> bool:
        """True for a session that has not ended."""

    async def principal(self, sid: str, password: str) -> Principal:
        """The caller that a session's login authenticates. Raises `AUTHENTICATION_FAILED`."""
