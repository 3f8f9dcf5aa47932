"""Parser of JSON Web Key Sets (RFC 7517): the keys that may sign access tokens."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

__all__ = ["ALGORITHMS", "KEYS_LIMIT", "KID_LENGTH", "Keys", "PublicKey", "read_keys"]

logger = logging.getLogger("syncline.identity")

KEYS_LIMIT = 64
"""Maximum keys in a set; a larger set is refused."""

KID_LENGTH = 256
"""Maximum characters in the name of a key."""

LEAST_MODULUS, GREATEST_MODULUS = 2048, 8192
"""Allowed bits of an RSA key: a shorter key is weak, a longer one makes verification slow."""

GREATEST_EXPONENT = 32
"""Maximum bits of an RSA key's public exponent; a longer one makes verification slow."""

PublicKey = RSAPublicKey | EllipticCurvePublicKey

Keys = Mapping[tuple[str, str], PublicKey]
"""Keys by name (`kid`) and algorithm."""

_KINDS = {"RSA": "RS256", "EC": "ES256"}
"""The only algorithm allowed for each key type (`kty`)."""

ALGORITHMS = tuple(_KINDS.values())


def read_keys(document: Mapping[str, Any]) -> Keys:
    """The usable keys of a set; there may be none.

    A key is skipped if it has no name, is for another use (`use`, `key_ops`, `alg`), has another
    type or curve, is weak, or is malformed. Of two keys with the same name the first counts.

    Raises:
        ValueError: `document` is not a key set, or too large.
    """
    given = document.get("keys")
    if not isinstance(given, list) or len(given) > KEYS_LIMIT:
        raise ValueError(f"keys must be a list of at most {KEYS_LIMIT}")
    found: dict[tuple[str, str], PublicKey] = {}
    for jwk in given:
        if not isinstance(jwk, dict) or not _is_to_verify_with(jwk):
            continue
        try:
            key = _public_key(jwk)
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            logger.warning("the provider's key %.60r is not used: %s", jwk["kid"], error)
        else:
            found.setdefault((jwk["kid"], _KINDS[jwk["kty"]]), key)
    return found


def _is_to_verify_with(jwk: Mapping[str, Any]) -> bool:
    kid, kind = jwk.get("kid"), jwk.get("kty")
    operations = jwk.get("key_ops", ["verify"])
    return (
        isinstance(kid, str)
        and 1 <= len(kid) <= KID_LENGTH
        and isinstance(kind, str)
        and kind in _KINDS
        and jwk.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        and jwk.get("alg", _KINDS[kind]) == _KINDS[kind]
    )


def _public_key(jwk: Mapping[str, Any]) -> PublicKey:
    # Pass only the public members: from all members PyJWT could make a private key.
    if jwk["kty"] == "RSA":
        key = RSAAlgorithm.from_jwk({name: jwk[name] for name in ("kty", "n", "e") if name in jwk})
        assert isinstance(key, RSAPublicKey)
        return _checked(key)
    if jwk.get("crv") != "P-256":
        raise ValueError("its curve is not P-256")
    point = ECAlgorithm.from_jwk({name: jwk.get(name) for name in ("kty", "crv", "x", "y")})
    assert isinstance(point, EllipticCurvePublicKey)
    return point


def _checked(key: RSAPublicKey) -> RSAPublicKey:
    if not LEAST_MODULUS <= key.key_size <= GREATEST_MODULUS:
        raise ValueError(
            f"it has {key.key_size} bits; {LEAST_MODULUS} to {GREATEST_MODULUS} are allowed"
        )
    if key.public_numbers().e.bit_length() > GREATEST_EXPONENT:
        raise ValueError(f"its exponent has more than {GREATEST_EXPONENT} bits")
    return key
