"""Checks of an OpenID provider's access tokens, and the callers that they authenticate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Self

import jwt

from syncline_protocol.errors import Code, Refusal
from syncline_protocol.fields import show
from syncline_server.auth.authenticator import (
    Principal,
    check_life,
    identity_of,
    refusal_of,
    text_of,
)
from syncline_server.auth.grants import Grants
from syncline_server.config.settings import Settings
from syncline_server.observability.metrics import Limit

from .key_cache import KeyCache
from .keys import ALGORITHMS, KID_LENGTH
from .provider import Provider

__all__ = ["ProviderTokens"]

_TYPES = (None, "JWT", "AT+JWT", "APPLICATION/AT+JWT")
"""Accepted `typ`, in capitals. Others mark tokens that the provider signs for other uses."""

_CHECKS: Any = {
    # `principal` checks the claims before the signature: a token with wrong claims then cannot make
    # us ask the provider for a key.
    "verify_signature": False,
    "verify_exp": True,
    "verify_nbf": True,
    "verify_iss": True,
    "verify_aud": True,
    "verify_iat": False,
    "verify_sub": False,
    "verify_jti": False,
    "require": ["exp", "iss", "aud"],
}


class ProviderTokens:
    """Tokens of one issuer; implements `ForeignTokens`.

    Attributes:
        provider: client of the issuer.
    """

    def __init__(self, settings: Settings, provider: Provider, keys: KeyCache) -> None:
        """`provider` is closed with the keys."""
        self.provider = provider
        self._settings = settings
        self._keys = keys

    @classmethod
    def of(cls, settings: Settings, limit_hits: Counter[Limit]) -> Self | None:
        """The tokens of the issuer in the settings; None without an issuer."""
        if settings.oidc_issuer is None:
            return None
        provider = Provider(
            settings.oidc_issuer, settings.oidc_jwks_url, settings.oidc_timeout, limit_hits
        )
        keys = KeyCache(
            provider,
            limit_hits,
            age=settings.oidc_key_age,
            grace=settings.oidc_key_grace,
            interval=settings.oidc_refetch_interval,
        )
        return cls(settings, provider, keys)

    def start(self) -> None:
        """Begin to fetch the keys, without waiting for them."""
        self._keys.start()

    async def stop(self) -> None:
        """Stop all requests to the provider."""
        await self._keys.stop()

    async def principal(
        self, token: str, header: Mapping[str, Any], claims: Mapping[str, Any]
    ) -> Principal:
        """As in `ForeignTokens`."""
        await self.verify(token, header, self._settings.oidc_audience or "")
        return self._principal(claims)

    async def verify(self, token: str, header: Mapping[str, Any], audience: str) -> None:
        """Return if the provider has signed the token for `audience`, and it is valid now.

        Only `kid` selects the key: `jwk`, `jku` and `x5u` in `header`, which an attacker could
        choose, are ignored.

        Raises:
            Refusal: 401; `UNAVAILABLE` if the token cannot be checked at present.
        """
        algorithm, kid = _key_of(header)
        self._check_claims(token, audience)
        key = await self._keys.find(kid, algorithm)
        if key is None:
            raise Refusal(
                Code.TOKEN_SIGNATURE,
                f"The identity provider has no key {show(kid)} for {algorithm}.",
            )
        try:
            jwt.PyJWS().decode(token, key, algorithms=[algorithm])
        except jwt.PyJWTError as error:
            raise refusal_of(error) from None

    def _check_claims(self, token: str, audience: str) -> None:
        settings = self._settings
        try:
            claims = jwt.decode(
                token,
                audience=audience,
                issuer=settings.oidc_issuer,
                leeway=settings.token_leeway,
                options=_CHECKS,
            )
        except jwt.InvalidIssuerError:
            raise Refusal(
                Code.TOKEN_ISSUER,
                f"The access token must be issued (iss) by {settings.oidc_issuer}.",
            ) from None
        except jwt.InvalidAudienceError:
            raise Refusal(
                Code.TOKEN_ISSUER, f"The access token must be for (aud) {audience}."
            ) from None
        except jwt.PyJWTError as error:
            raise refusal_of(error) from None
        check_life(claims["exp"], settings.token_leeway)

    def _principal(self, claims: Mapping[str, Any]) -> Principal:
        settings = self._settings
        grants = settings.oidc_grants_claim
        return Principal(
            identity=identity_of(claims.get(settings.oidc_identity_claim)),
            service=self._service(claims),
            expires_at=float(claims["exp"]),
            grants=None if grants is None else Grants.parse(_claim(claims, grants)),
        )

    def _service(self, claims: Mapping[str, Any]) -> str:
        name = self._settings.oidc_service_claim
        if name is None:
            return self._settings.oidc_service
        service = text_of(_claim(claims, name))
        if service is None:
            raise Refusal(
                Code.TOKEN_GRANTS, f"The claim {name} of the access token must be a string."
            )
        return service


def _key_of(header: Mapping[str, Any]) -> tuple[str, str]:
    algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ")
    if algorithm not in ALGORITHMS:
        raise Refusal(
            Code.TOKEN_HEADER,
            f"The access token's header needs alg {' or '.join(ALGORITHMS)}, or the cty of a token "
            "that an API key signs.",
        )
    if not isinstance(kid, str) or not 1 <= len(kid) <= KID_LENGTH:
        raise Refusal(
            Code.TOKEN_HEADER,
            f"The access token's header needs a kid of 1 to {KID_LENGTH} characters.",
        )
    if (kind.upper() if isinstance(kind, str) else kind) not in _TYPES:
        raise Refusal(Code.TOKEN_HEADER, f"The access token's typ {show(kind)} is for another use.")
    return algorithm, kid


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    if name not in claims:
        raise Refusal(Code.TOKEN_GRANTS, f"The access token needs the claim {name}.")
    return claims[name]
