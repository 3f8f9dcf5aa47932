"""Who a caller is: Basic logins and access tokens."""

from __future__ import annotations

import base64
import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from syncline_protocol.errors import Code, Refusal

from .credentials import Credentials

__all__ = [
    "IDENTITY_LENGTH",
    "SYSTEM",
    "TOKEN_LIFE_LIMIT",
    "Authenticator",
    "Principal",
    "mint_token",
]

SYSTEM = "system"
"""Who writes through Basic credentials (vendor's word)."""

IDENTITY_LENGTH = 256
"""Characters in an identity, at most (vendor limit)."""

TOKEN_LENGTH = 8192
"""Characters in an access token, at most; longer ones are not looked at."""

TOKEN_LIFE_LIMIT = 86_400
"""Seconds ahead that a token may expire, at most: 24 h (vendor limit)."""

_CONTENT_TYPE = "twilio-fpa;v=1"
_ALGORITHMS = ["HS256", "HS384", "HS512"]


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller that proved who it is.

    Attributes:
        identity: the name it writes under; `system` for Basic credentials.
        service: the service that its token is for, a SID or `default`; None for Basic credentials:
            every one.
        expires_at: when its token ends, in seconds since the epoch; None for Basic credentials:
            never.
    """

    identity: str
    service: str | None
    expires_at: float | None

    @property
    def is_account(self) -> bool:
        """True for Basic credentials, which may do all in every service."""
        return self.service is None


class Authenticator:
    """Checks what callers present against this installation's credentials."""

    def __init__(self, credentials: Credentials, leeway: int) -> None:
        """`leeway`: seconds by which clocks may differ."""
        self._credentials = credentials
        self._leeway = leeway

    @property
    def account_sid(self) -> str:
        """The account that every resource belongs to."""
        return self._credentials.account_sid

    def header(self, authorization: str | None) -> Principal:
        """The caller behind an `Authorization` header.

        Raises:
            Refusal: 401, with the vendor's code for what was wrong.
        """
        scheme, _, value = (authorization or "").partition(" ")
        match scheme.lower():
            case "basic":
                return self._basic(value)
            case "bearer":
                return self.token(value.strip())
        raise Refusal(
            Code.AUTHENTICATION_FAILED,
            "Authenticate with Basic credentials (account SID and auth token, or API key and "
            "secret) or with an access token as Bearer.",
        )

    def token(self, token: str) -> Principal:
        """The caller behind an access token of the form that the vendor's helpers mint.

        Raises:
            Refusal: 401, with the vendor's code for what was wrong.
        """
        claims = self._claims(token)
        grants = claims.get("grants")
        sync = grants.get("data_sync") if isinstance(grants, dict) else None
        identity = _text(grants.get("identity")) if isinstance(grants, dict) else None
        if not isinstance(sync, dict):
            raise Refusal(Code.TOKEN_GRANTS, "The access token has no Sync grant (data_sync).")
        if identity is None or not 1 <= len(identity) <= IDENTITY_LENGTH:
            raise Refusal(
                Code.TOKEN_GRANTS,
                f"The access token needs an identity of 1 to {IDENTITY_LENGTH} characters.",
            )
        service = _text(sync.get("service_sid", "default"))
        if service is None:
            raise Refusal(
                Code.TOKEN_GRANTS,
                "The service_sid of the access token's Sync grant must be a string.",
            )
        return Principal(identity, service, float(claims["exp"]))

    def _basic(self, value: str) -> Principal:
        try:
            user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except ValueError:
            raise Refusal(
                Code.AUTHENTICATION_FAILED, "The Basic credentials are not valid base64."
            ) from None
        known = self._credentials
        if user == known.account_sid:
            secret = known.auth_token
        else:
            # An unknown user costs the same comparison, so that timing does not tell users apart.
            secret = known.api_keys.get(user, "")
        if not hmac.compare_digest(password.encode(), secret.encode()) or not secret:
            raise Refusal(
                Code.AUTHENTICATION_FAILED, "The account or key is unknown, or its secret is wrong."
            )
        return Principal(SYSTEM, None, None)

    def _claims(self, token: str) -> Mapping[str, Any]:
        secret = self._secret_of(token)
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                secret,
                algorithms=_ALGORITHMS,
                leeway=self._leeway,
                options={
                    "require": ["exp", "iss", "sub"],
                    "verify_iat": False,
                    "verify_aud": False,
                },
            )
        except jwt.ExpiredSignatureError:
            raise Refusal(Code.TOKEN_EXPIRED, "The access token has expired.") from None
        except jwt.ImmatureSignatureError:
            raise Refusal(
                Code.TOKEN_NOT_YET_VALID, "The access token is not valid yet (nbf)."
            ) from None
        except jwt.InvalidSignatureError:
            raise Refusal(
                Code.TOKEN_SIGNATURE, "The signature of the access token is wrong."
            ) from None
        except jwt.PyJWTError:
            raise Refusal(Code.TOKEN_INVALID, "Invalid access token.") from None
        if claims["sub"] != self._credentials.account_sid:
            raise Refusal(Code.TOKEN_ISSUER, "The access token is for another account (sub).")
        if not isinstance(claims["exp"], int | float) or isinstance(claims["exp"], bool):
            raise Refusal(Code.TOKEN_INVALID, "The access token's exp must be a number of seconds.")
        # Integers: this one may be too large for a float.
        if int(claims["exp"]) - int(time.time()) > TOKEN_LIFE_LIMIT + self._leeway:
            raise Refusal(
                Code.TOKEN_TOO_LONG_LIVED,
                f"The access token expires more than {TOKEN_LIFE_LIMIT} seconds ahead.",
            )
        return claims

    def _secret_of(self, token: str) -> str:
        """The secret that must have signed the token, by the header and the issuer it states."""
        if len(token) > TOKEN_LENGTH:
            raise Refusal(
                Code.TOKEN_INVALID, f"An access token has at most {TOKEN_LENGTH} characters."
            )
        try:
            unverified = jwt.decode_complete(token, options={"verify_signature": False})
        except (jwt.PyJWTError, ValueError):
            raise Refusal(Code.TOKEN_INVALID, "Invalid access token.") from None
        header, issuer = unverified["header"], unverified["payload"].get("iss")
        if header.get("cty") != _CONTENT_TYPE or header.get("alg") not in _ALGORITHMS:
            raise Refusal(
                Code.TOKEN_HEADER,
                f"The access token's header needs cty {_CONTENT_TYPE} and alg one of "
                f"{', '.join(_ALGORITHMS)}.",
            )
        secret = self._credentials.api_keys.get(issuer) if isinstance(issuer, str) else None
        if secret is None:
            raise Refusal(
                Code.TOKEN_ISSUER, "The access token was issued by an unknown API key (iss)."
            )
        return secret


def _text(value: object) -> str | None:
    """`value` if it is a string that UTF-8 can carry; JSON can name others."""
    if not isinstance(value, str) or any("\ud800" <= c <= "\udfff" for c in value):
        return None
    return value


def mint_token(credentials: Credentials, identity: str, ttl: int, service: str = "default") -> str:
    """An access token as the vendor's helpers mint it.

    Args:
        credentials: whose first API key signs it.
        ttl: seconds until it expires.
        service: SID or unique name of the service that it opens.
    """
    key, secret = next(iter(credentials.api_keys.items()))
    now = int(time.time())
    return jwt.encode(
        {
            "jti": f"{key}-{now}",
            "iss": key,
            "sub": credentials.account_sid,
            "nbf": now,
            "exp": now + ttl,
            "grants": {"identity": identity, "data_sync": {"service_sid": service}},
        },
        secret,
        algorithm="HS256",
        headers={"cty": _CONTENT_TYPE},
    )
