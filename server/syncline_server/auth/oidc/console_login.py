"""Login to the console by an OpenID provider: authorization code flow with PKCE.

The page makes `state`, `nonce` and the code verifier (RFC 7636) and keeps them while the person is
at the provider, so that a code which another page or another person began is worth nothing there.
The server exchanges the code, and checks the ID token (OpenID Connect Core 1.0, 3.1.3.7) with the
provider's keys. It keeps nothing of a login that is not finished.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt

from syncline_protocol.errors import Code, Refusal
from syncline_server.auth.console_sessions import ConsoleSessions
from syncline_server.config.console_settings import admin_rules
from syncline_server.config.settings import Settings
from syncline_server.observability.metrics import Limit

from .provider import Endpoints, Rejected, Unusable
from .tokens import ProviderTokens

__all__ = ["ConsoleLogin", "GivenCode", "basis_of"]

logger = logging.getLogger("syncline.console")

PERSON_LENGTH = 255
"""Maximum characters of a `sub` (OpenID Connect Core 1.0, 2) and of an address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenCode:
    """What a page brings back from the provider."""

    code: str = field(repr=False)
    verifier: str = field(repr=False)
    nonce: str = field(repr=False)
    redirect_uri: str


def basis_of(settings: Settings) -> str:
    """Digest of the settings that make somebody an administrator."""
    named = (settings.oidc_issuer, settings.console_oidc_client, settings.console_oidc_admins)
    return hashlib.sha256(repr(named).encode()).hexdigest()


class ConsoleLogin:
    """Logins by the provider of the settings.

    Attributes:
        sessions: of those who have logged in.
        client: client id of the console at the provider.
    """

    def __init__(
        self,
        settings: Settings,
        tokens: ProviderTokens,
        sessions: ConsoleSessions,
        limit_hits: Counter[Limit],
        *,
        secret: str,
    ) -> None:
        """`secret`: that of the client at the provider; "" without one."""
        self.sessions = sessions
        self.client = settings.console_oidc_client or ""
        self.issuer = settings.oidc_issuer or ""
        self.scope = settings.console_oidc_scope
        self._secret = secret
        self._tokens = tokens
        self._rules = admin_rules(settings.console_oidc_admins)
        self._limit = settings.console_oidc_logins
        self._limit_hits = limit_hits
        self._age = settings.oidc_key_age
        self._pause = settings.oidc_refetch_interval
        self._under_way = 0
        self._endpoints: Endpoints | None = None
        self._fetch_at = float("-inf")  # loop time
        self._fetching = asyncio.Lock()

    async def endpoints(self) -> Endpoints:
        """The provider's endpoints, which are fetched now and then. Raises `UNAVAILABLE`."""
        async with self._fetching:
            now = asyncio.get_running_loop().time()
            if now >= self._fetch_at:
                try:
                    self._endpoints = await self._tokens.provider.endpoints()
                    self._fetch_at = now + self._age
                except Unusable as error:
                    logger.warning("no login to the console by the provider: %s", error)
                    self._endpoints = None
                    self._fetch_at = now + self._pause
        if self._endpoints is None:
            raise _unavailable()
        return self._endpoints

    async def authenticate(self, given: GivenCode) -> tuple[str, bool]:
        """Who has logged in at the provider, and whether they are an administrator.

        Raises:
            Refusal: `AUTHENTICATION_FAILED` for a code or an ID token that is not accepted;
                `UNAVAILABLE` if the provider does not answer, or too many log in at once.
        """
        if self._under_way >= self._limit:
            self._limit_hits[Limit.CONSOLE_OIDC_LOGINS] += 1
            raise Refusal(Code.UNAVAILABLE, "Too many people log in to the console now. Try again.")
        self._under_way += 1
        try:
            claims = await self._claims(await self._id_token(given))
        finally:
            self._under_way -= 1
        nonce = claims.get("nonce")
        if not isinstance(nonce, str) or not hmac.compare_digest(
            nonce.encode(errors="replace"), given.nonce.encode()
        ):
            raise _refused("its nonce is not that of this login")
        return _person(claims), any(rule.matches(claims) for rule in self._rules)

    async def _id_token(self, given: GivenCode) -> str:
        endpoints = await self.endpoints()
        form = {
            "grant_type": "authorization_code",
            "code": given.code,
            "redirect_uri": given.redirect_uri,
            "client_id": self.client,
            "code_verifier": given.verifier,
        }
        login = None
        if self._secret and "client_secret_basic" in endpoints.token_methods:
            login = (self.client, self._secret)
        elif self._secret:
            form["client_secret"] = self._secret
        try:
            reply = await self._tokens.provider.exchange(endpoints.token, form, login)
        except Rejected as error:
            raise Refusal(
                Code.AUTHENTICATION_FAILED, f"The identity provider refused the login: {error}."
            ) from None
        except Unusable as error:
            logger.warning("no login to the console by the provider: %s", error)
            raise _unavailable() from None
        token = reply.get("id_token")
        if not isinstance(token, str):
            raise _refused("there is none")
        return token

    async def _claims(self, token: str) -> Mapping[str, Any]:
        try:
            stated = jwt.decode_complete(token, options={"verify_signature": False})
        except (jwt.PyJWTError, ValueError):
            raise _refused("it cannot be read") from None
        header, claims = stated["header"], stated["payload"]
        if "at+jwt" in str(header.get("typ", "")).lower():
            raise _refused("it is an access token")
        try:
            await self._tokens.verify(token, header, self.client)
        except Refusal as refusal:
            if refusal.code is Code.UNAVAILABLE:
                raise
            raise _refused(refusal.message) from None
        audience = claims["aud"]
        is_shared = isinstance(audience, list) and len(audience) > 1
        if claims.get("azp", None if is_shared else self.client) != self.client:
            raise _refused("it was issued to another client (azp)")
        return dict(claims)


def _person(claims: Mapping[str, Any]) -> str:
    """The `sub`, which the provider gives to nobody else, after an address that it has verified."""
    subject, email = claims.get("sub"), claims.get("email")
    if not isinstance(subject, str) or not 1 <= len(subject) <= PERSON_LENGTH:
        raise _refused("it names nobody (sub)")
    is_verified = claims.get("email_verified") is True and isinstance(email, str)
    return f"{str(email)[:PERSON_LENGTH]} ({subject})" if is_verified else subject


def _refused(reason: str) -> Refusal:
    return Refusal(
        Code.AUTHENTICATION_FAILED,
        f"The provider's ID token is not accepted: {reason.rstrip('.')}.",
    )


def _unavailable() -> Refusal:
    return Refusal(Code.UNAVAILABLE, "The identity provider does not answer now. Try again.")
