"""Access tokens for connections that each present one of their own."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping

import jwt

__all__ = ["make_tokens"]

TOKEN_LIFE = 86_400


def make_tokens(
    secret: str, count: int, claims: Callable[[str], Mapping[str, object]], **header: str
) -> list[str]:
    """New HS256 tokens of equal length, each with an identity and a `jti` of its own.

    Args:
        claims: returns the claims for an identity, besides `jti`, `nbf` and `exp`.
    """
    now = int(time.time())
    run = secrets.token_hex(8)
    return [
        jwt.encode(
            {
                "jti": f"{run}-{number:06}",
                **claims(f"client-{number:06}"),
                "nbf": now,
                "exp": now + TOKEN_LIFE,
            },
            secret,
            headers=header,
        )
        for number in range(count)
    ]
