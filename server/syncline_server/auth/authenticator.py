"""Authentication of callers by Basic credentials or access tokens."""

from __future__ import annotations

import base64
import hmac
import re
import time
from collections.abc import Mapping
from typing import Any

import jwt

from syncline_protocol.access_tokens import CONTENT_TYPE, TOKEN_LIFE_LIMIT, mint
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.identities import IDENTITY_LENGTH, RESERVED, is_reserved
from syncline_protocol.objects import SYSTEM
from syncline_server.config.clock import clock
from syncline_server.config.credentials import Credentials

from .keyring import Keyring, digest
from .principal import SESSION_PREFIX, ForeignTokens, Principal, Sessions
from .signed_claims import ALGORITHMS, signed_claims

__all__ = [
    "Authenticator",
    "ForeignTokens",
    "Principal",
    "check_life",
    "claimed",
    "identity_of",
    "mint_token",
    "refusal_of",
    "revoked",
    "text_of",
]

TOKEN_LENGTH = 8192
"""Maximum characters in an access token; longer ones are refused unparsed."""

_SID = re.compile(rf"(?:AC|SK|{SESSION_PREFIX})[0-9a-f]{{32}}", re.ASCII)
_ALGORITHMS = list(ALGORITHMS)


class Authenticator:
    """Authenticates callers against this installation's credentials."""

    def __init__(
        self,
        credentials: Credentials,
        leeway: int,
        foreign: ForeignTokens | None = None,
        keys: Keyring | None = None,
        *,
        sessions: Sessions | None = None,
    ) -> None:
        """
        Args:
            leeway: seconds by which clocks may differ.
            foreign: checks tokens that are not in the vendor's form; None refuses them all.
            keys: all API keys; None for only those of `credentials`.
            sessions: console sessions; None if there are none.
        """
        self._account_sid = credentials.account_sid
        self._auth_token = digest(credentials.auth_token)
        self._leeway = leeway
        self._keys = Keyring(credentials.api_keys) if keys is None else keys
        self._foreign = foreign
        self._sessions = sessions

    @property
    def account_sid(self) -> str:
        """The account that every resource belongs to."""
        return self._account_sid

    @property
    def knows_all(self) -> bool:
        """False if there are API keys whose secrets this server cannot decrypt."""
        return self._keys.is_complete

    def confirm(self, principal: Principal) -> None:
        """Check again that the caller's API key is valid.

        Admitting a client awaits after the first check, and the key may be revoked meanwhile.

        Raises:
            Refusal: 401 if the key was revoked.
        """
        if principal.key is not None and not self._has(principal.key):
            raise revoked(login=principal.is_account)

    def _has(self, key: str) -> bool:
        return self._keys.has(key) or (self._sessions is not None and self._sessions.has(key))

    async def authenticate(self, authorization: str | None) -> Principal:
        """The caller that an `Authorization` header authenticates, with a token of any issuer.

        Raises:
            Refusal: as `verify_header`, and as `ForeignTokens.principal`.
        """
        scheme, _, value = (authorization or "").partition(" ")
        if self._foreign is not None and scheme.lower() == "bearer":
            return await self.authenticate_token(value)
        if self._sessions is not None and scheme.lower() == "basic":
            user, password = _login(value)
            if user.startswith(SESSION_PREFIX):
                return await self._sessions.principal(user, password)
        return self.verify_header(authorization)

    async def authenticate_token(self, token: str) -> Principal:
        """The caller that an access token of any issuer authenticates. Raises as `authenticate`.

        White space around the token is dropped: tokens are copied from files and terminals.
        """
        token = token.strip()
        if self._foreign is not None:
            header, claims = _unverified(token)
            if header.get("cty") != CONTENT_TYPE:
                return await self._foreign.principal(token, header, claims)
        return self.verify_token(token)

    def authenticate_at_once(self, token: str) -> Principal | None:
        """As `authenticate_token`; None if that may have to wait.

        The token's own header chooses between our checks and those of `ForeignTokens`. The two
        share no algorithm and no key, so a forged header only leads to a refusal.
        """
        token = token.strip()
        if self._foreign is None:
            return self.verify_token(token)
        claims = self._signed_claims(token)
        return None if claims is None else self._principal(claims)

    def verify_header(self, authorization: str | None) -> Principal:
        """The caller that an `Authorization` header authenticates, without foreign tokens.

        Raises:
            Refusal: 401, with the vendor's code for what was wrong.
        """
        scheme, _, value = (authorization or "").partition(" ")
        match scheme.lower():
            case "basic":
                return self._basic(value)
            case "bearer":
                return self.verify_token(value)
        raise Refusal(
            Code.AUTHENTICATION_FAILED,
            "Authenticate with Basic credentials (account SID and auth token, or API key and "
            "secret) or with an access token as Bearer.",
        )

    def verify_token(self, token: str) -> Principal:
        """The caller that an access token in the vendor's form authenticates.

        Raises:
            Refusal: 401, with the vendor's code for what was wrong.
        """
        token = token.strip()
        return self._principal(self._signed_claims(token) or self._claims(token))

    def _principal(self, claims: Mapping[str, Any]) -> Principal:
        """The caller that these claims, whose signature is right, name."""
        self._check_claims(claims)
        grants = claims.get("grants")
        sync = grants.get("data_sync") if isinstance(grants, dict) else None
        if not isinstance(grants, dict) or not isinstance(sync, dict):
            raise Refusal(Code.TOKEN_GRANTS, "The access token has no Sync grant (data_sync).")
        identity = identity_of(grants.get("identity"))
        service = text_of(sync.get("service_sid", "default"))
        if service is None:
            raise Refusal(
                Code.TOKEN_GRANTS,
                "The service_sid of the access token's Sync grant must be a string.",
            )
        return Principal(
            identity=identity, service=service, expires_at=float(claims["exp"]), key=claims["iss"]
        )

    def _basic(self, value: str) -> Principal:
        user, password = _login(value)
        if user == self._account_sid:
            key, is_right = None, hmac.compare_digest(digest(password), self._auth_token)
        else:
            key, is_right = user, self._keys.proves(user, password)
        if not is_right or not password:
            raise Refusal(
                Code.AUTHENTICATION_FAILED,
                "The account or key is unknown or was revoked, or its secret is wrong.",
            )
        return Principal(identity=SYSTEM, service=None, expires_at=None, key=key)

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
        except jwt.PyJWTError as error:
            raise refusal_of(error) from None
        return claims

    def _signed_claims(self, token: str) -> Mapping[str, Any] | None:
        """As `_claims`, of a token in the usual form; None for one that `_claims` must check."""
        if len(token) > TOKEN_LENGTH:
            return None
        key_of, leeway = self._keys.signing_key, self._leeway
        return signed_claims(token, key_of, content_type=CONTENT_TYPE, leeway=leeway)

    def _check_claims(self, claims: Mapping[str, Any]) -> None:
        if claims["sub"] != self._account_sid:
            raise Refusal(Code.TOKEN_ISSUER, "The access token is for another account (sub).")
        check_life(claims["exp"], self._leeway)

    def _secret_of(self, token: str) -> str:
        """The secret that must have signed the token, chosen by its unverified header and issuer.

        `_claims` verifies the signature with it afterwards.
        """
        header, unverified = _unverified(token)
        issuer = unverified.get("iss")
        if header.get("cty") != CONTENT_TYPE or header.get("alg") not in _ALGORITHMS:
            raise Refusal(
                Code.TOKEN_HEADER,
                f"The access token's header needs cty {CONTENT_TYPE} and alg one of "
                f"{', '.join(_ALGORITHMS)}.",
            )
        if not isinstance(issuer, str):
            raise Refusal(Code.TOKEN_ISSUER, "The access token names no API key (iss).")
        return self._keys.signing_secret(issuer)


def _login(value: str) -> tuple[str, str]:
    """User and password of Basic credentials. Raises `AUTHENTICATION_FAILED`."""
    try:
        user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except ValueError:
        raise Refusal(
            Code.AUTHENTICATION_FAILED, "The Basic credentials are not valid base64."
        ) from None
    return user, password


def revoked(*, login: bool) -> Refusal:
    """The refusal of a caller whose API key was revoked; `login`: it used the key as a Basic
    login, not a token that the key signed."""
    if login:
        return Refusal(Code.AUTHENTICATION_FAILED, "The API key of this login was revoked.")
    return Refusal(Code.TOKEN_ISSUER, "The API key that issued the access token was revoked (iss).")


def claimed(authorization: str | None) -> str | None:
    """The account or API key that an `Authorization` header names, unverified, for logs; None if
    that is not a well-formed SID."""
    scheme, _, value = (authorization or "").partition(" ")
    name: object = None
    try:
        if scheme.lower() == "basic":
            name = base64.b64decode(value, validate=True).decode().partition(":")[0]
        elif scheme.lower() == "bearer":
            name = _unverified(value.strip())[1].get("iss")
    except (Refusal, ValueError):
        return None
    return name if isinstance(name, str) and _SID.fullmatch(name) else None


def _unverified(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a token, unverified. Raises `TOKEN_INVALID`."""
    if len(token) > TOKEN_LENGTH:
        raise Refusal(Code.TOKEN_INVALID, f"An access token has at most {TOKEN_LENGTH} characters.")
    try:
        stated = jwt.decode_complete(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError):
        raise Refusal(Code.TOKEN_INVALID, "Invalid access token.") from None
    return stated["header"], stated["payload"]


def refusal_of(error: jwt.PyJWTError) -> Refusal:
    """The refusal for an error of PyJWT."""
    match error:
        case jwt.ExpiredSignatureError():
            return _expired()
        case jwt.ImmatureSignatureError():
            return Refusal(Code.TOKEN_NOT_YET_VALID, "The access token is not valid yet (nbf).")
        case jwt.InvalidSignatureError():
            return Refusal(Code.TOKEN_SIGNATURE, "The signature of the access token is wrong.")
        case jwt.MissingRequiredClaimError():
            return Refusal(Code.TOKEN_INVALID, f"The access token needs the claim {error.claim}.")
    return Refusal(Code.TOKEN_INVALID, "Invalid access token.")


def _expired() -> Refusal:
    return Refusal(Code.TOKEN_EXPIRED, "The access token has expired.")


def check_life(exp: object, leeway: int) -> None:
    """Refuse a token that expires too late, or whose `exp` is not a number; `leeway` in seconds.

    PyJWT has checked it by this machine's clock; a test may have moved the server's clock beyond.

    Raises:
        Refusal: `TOKEN_TOO_LONG_LIVED`, `TOKEN_EXPIRED`, `TOKEN_INVALID`.
    """
    if not isinstance(exp, int | float) or isinstance(exp, bool):
        raise Refusal(Code.TOKEN_INVALID, "The access token's exp must be a number of seconds.")
    # As integers: `exp` may be too large for a float.
    left = int(exp) - int(clock.now())
    if clock.is_movable and left <= -leeway:
        raise _expired()
    if left > TOKEN_LIFE_LIMIT + leeway:
        raise Refusal(
            Code.TOKEN_TOO_LONG_LIVED,
            f"The access token expires more than {TOKEN_LIFE_LIMIT} seconds ahead.",
        )


def identity_of(value: object) -> str:
    """`value` as the identity of a token. Raises `TOKEN_GRANTS`."""
    identity = text_of(value)
    if identity is None or not 1 <= len(identity) <= IDENTITY_LENGTH:
        raise Refusal(
            Code.TOKEN_GRANTS,
            f"The access token needs an identity of 1 to {IDENTITY_LENGTH} characters.",
        )
    if is_reserved(identity):
        raise Refusal(Code.TOKEN_GRANTS, RESERVED)
    return identity


def text_of(value: object) -> str | None:
    """`value` if it is a string that UTF-8 can encode, else None. JSON escapes can also express
    lone surrogates, which UTF-8 cannot."""
    if not isinstance(value, str):
        return None
    if value.isascii():
        return value
    return None if any("\ud800" <= c <= "\udfff" for c in value) else value


def mint_token(
    credentials: Credentials,
    identity: str,
    ttl: int,
    *,
    service: str = "default",
    key: str | None = None,
) -> str:
    """An access token as the vendor's helpers mint it.

    Args:
        credentials: have the API key that signs the token.
        ttl: seconds until the token expires.
        service: SID or unique name of the service that the token is for.
        key: SID of the signing key; None for the first one.

    Raises:
        KeyError: `credentials` have no such key.
        ValueError: the identity is reserved.
    """
    if is_reserved(identity):
        raise ValueError(RESERVED)
    key = next(iter(credentials.api_keys)) if key is None else key
    return mint(
        credentials.account_sid,
        (key, credentials.api_keys[key]),
        identity,
        ttl=ttl,
        service=service,
        now=int(time.time()),
    )
