"""The quick check of an access token, for nearly all tokens.

It parses a token once, and accepts only what PyJWT would accept too. It refuses nothing: a token
that is not plainly valid gets PyJWT's slower check, which decides, and says what is wrong.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import time
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import jwt
import orjson

if TYPE_CHECKING:
    from hashlib import _Hash

__all__ = ["ALGORITHMS", "signed_claims", "signing_key"]

ALGORITHMS = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}
"""The signatures that are accepted, each with its digest."""

HEADERS_KNOWN = 64
"""Headers of tokens that are remembered, at most: each library writes always the same one."""

HEADER_LENGTH = 512
"""Characters in a header that is remembered, at most."""

KEYS_KNOWN = 64
"""Keys whose hashes are kept, at most."""

_HEADER_NAMES = {"alg", "cty", "typ", "kid", "twr"}
"""What a header may have; nothing of it but `alg` and `cty` counts."""

# From URL-safe base64 to the other alphabet, of which two characters are not allowed.
_ALPHABET = bytes.maketrans(b"-_+/", b"+/!!")
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_INNER = bytes(each ^ 0x36 for each in range(256))
_OUTER = bytes(each ^ 0x5C for each in range(256))

_HMAC = jwt.get_algorithm_by_name("HS256")


def signing_key(secret: str) -> bytes | None:
    """The secret of an API key in the form that `signed_claims` needs; None if PyJWT takes it for
    no secret."""
    try:
        prepared: bytes = _HMAC.prepare_key(secret)
    except jwt.InvalidKeyError:
        return None
    return prepared


def signed_claims(
    token: str, key_of: Callable[[str], bytes | None], *, content_type: str, leeway: int
) -> dict[str, Any] | None:
    """The claims of a token whose signature and times are right; None if PyJWT must decide.

    `iss` and `sub` are strings, and `exp` is an int. All else is unchecked.

    Args:
        key_of: returns the `signing_key` of an issuer; None if it has none.
        content_type: `cty` in the header.
        leeway: seconds by which clocks may differ.
    """
    signed, _, signature = token.rpartition(".")
    header, _, payload = signed.partition(".")
    if len(header) > HEADER_LENGTH or not token.isascii():
        return None
    digest = _digest(header, content_type)
    claims = None if digest is None else _claims(payload)
    if digest is None or claims is None:
        return None
    issuer, expires, begins = claims.get("iss"), claims.get("exp"), claims.get("nbf", 0)
    key = key_of(issuer) if type(issuer) is str else None
    if key is None or type(expires) is not int or type(begins) is not int:
        return None
    made = binascii.b2a_base64(_hmac(key, signed.encode(), digest), newline=False)
    made = made.translate(_URL_SAFE).rstrip(b"=")
    if not hmac.compare_digest(made, signature.encode()):
        return None
    now = time.time()
    is_timely = begins <= now + leeway and expires > now - leeway
    is_regular = type(claims.get("sub")) is str and type(claims.get("jti", "")) is str
    return claims if is_timely and is_regular else None


def _hmac(key: bytes, message: bytes, digest: str) -> bytes:
    """As `hmac.digest`, which begins each time with the key."""
    inner, outer = (begun.copy() for begun in _begun(key, digest))
    inner.update(message)
    outer.update(inner.digest())
    return outer.digest()


@lru_cache(KEYS_KNOWN)
def _begun(key: bytes, digest: str) -> tuple[_Hash, _Hash]:
    """The inner and the outer hash of an HMAC (RFC 2104), after the key."""
    size = hashlib.new(digest).block_size
    block = (key if len(key) <= size else hashlib.new(digest, key).digest()).ljust(size, b"\0")
    return hashlib.new(digest, block.translate(_INNER)), hashlib.new(
        digest, block.translate(_OUTER)
    )


@lru_cache(HEADERS_KNOWN)
def _digest(header: str, content_type: str) -> str | None:
    """The digest of the signature that a header names; None for a header with anything unusual."""
    try:
        # The claims and the signature are not read.
        stated = jwt.get_unverified_header(f"{header}.e30.")
    except (jwt.PyJWTError, ValueError):
        return None
    is_usual = stated.keys() <= _HEADER_NAMES
    algorithm = stated.get("alg")
    if not is_usual or stated.get("cty") != content_type or not isinstance(algorithm, str):
        return None
    return ALGORITHMS.get(algorithm)


def _claims(payload: str) -> dict[str, Any] | None:
    try:
        encoded = payload.encode().translate(_ALPHABET)
        padded = encoded + b"=" * (-len(encoded) % 4)
        decoded = binascii.a2b_base64(padded, strict_mode=True)
        claims = orjson.loads(decoded)
    except ValueError:
        return None
    # The last character may have bits that are not part of any byte. They must be 0.
    is_canonical = binascii.b2a_base64(decoded, newline=False) == padded
    return claims if is_canonical and isinstance(claims, dict) else None
