"""Access tokens in the vendor's form: signed JWTs that name an identity and a service."""

from __future__ import annotations

import base64
import hmac
import json

from .identities import IDENTITY_LENGTH, RESERVED, is_reserved
from .jsonfaults import find_surrogate

__all__ = ["CONTENT_TYPE", "TOKEN_LIFE_LIMIT", "check", "mint"]

CONTENT_TYPE = "twilio-fpa;v=1"
"""`cty` in the header of a token."""

TOKEN_LIFE_LIMIT = 86_400
"""Maximum seconds until a token expires: 24 h (vendor limit)."""

_HEADER = {"alg": "HS256", "cty": CONTENT_TYPE, "typ": "JWT"}


def check(identity: str, ttl: int, service: str) -> None:
    """Check what a token is to say.

    Args:
        identity: of the token holder.
        ttl: seconds until the token expires.
        service: SID or unique name of the service that the token is for.

    Raises:
        ValueError: a server would refuse the token.
    """
    if not isinstance(identity, str) or not 1 <= len(identity) <= IDENTITY_LENGTH:
        raise ValueError(f"an identity is a str of 1 to {IDENTITY_LENGTH} characters")
    if not isinstance(service, str) or not service:
        raise ValueError(f"service must be a SID or a unique name, not {service!r}")
    for name, value in (("identity", identity), ("service", service)):
        if find_surrogate(value) is not None:
            raise ValueError(f"{name} has a character that UTF-8 cannot encode: {value!a}")
    if is_reserved(identity):
        raise ValueError(RESERVED)
    if type(ttl) is not int or not 1 <= ttl <= TOKEN_LIFE_LIMIT:
        raise ValueError(
            f"ttl is a whole number of seconds from 1 to {TOKEN_LIFE_LIMIT} (24 h), not {ttl!r}"
        )


def mint(
    account_sid: str, key: tuple[str, str], identity: str, *, ttl: int, service: str, now: int
) -> str:
    """Make a token, whatever it says; `check` tells what a server accepts.

    Args:
        account_sid: the account that the token is for.
        key: SID and secret of the API key that signs.
        identity, ttl: as in `check`.
        service: SID or unique name of the service that the token is for.
        now: seconds since the epoch.
    """
    sid, secret = key
    claims = {
        "jti": f"{sid}-{now}",
        "iss": sid,
        "sub": account_sid,
        "nbf": now,
        "exp": now + ttl,
        "grants": {"identity": identity, "data_sync": {"service_sid": service}},
    }
    signed = b".".join(_segment(_json(part)) for part in (_HEADER, claims))
    digest = hmac.digest(secret.encode(), signed, "sha256")
    return b".".join((signed, _segment(digest))).decode()


def _json(value: object) -> bytes:
    # With `ensure_ascii` a lone surrogate would pass here, and only the server would refuse it.
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _segment(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")
