from __future__ import annotations

import logging
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from support.provider import SigningKey, rsa_key
from syncline_server.auth.oidc.keys import KEYS_LIMIT, KID_LENGTH, read_keys

ELLIPTIC = SigningKey.make("elliptic")
RSA = SigningKey.make("rsa", "RS256")


def changed(key: SigningKey, **members: Any) -> dict[str, Any]:
    """A published key, but for some members; one that is None is omitted."""
    return {name: value for name, value in (key.jwk | members).items() if value is not None}


def test_keys_of_both_kinds() -> None:
    keys = read_keys({"keys": [ELLIPTIC.jwk, RSA.jwk]})
    assert keys.keys() == {("elliptic", "ES256"), ("rsa", "RS256")}
    for key in (ELLIPTIC, RSA):
        public = keys[key.kid, key.algorithm]
        assert public == key.private.public_key()
        assert jwt.decode(key.sign({"a": 1}), public, [key.algorithm]) == {"a": 1}


@pytest.mark.parametrize(
    "members",
    [
        {"use": None},
        {"alg": None},
        {"key_ops": ["verify"]},
        {"key_ops": ["sign", "verify"]},
        {"kid": "k" * KID_LENGTH},
        {"x5c": ["!"], "x5t": 5, "x5u": "http://169.254.169.254/"},
    ],
)
@pytest.mark.parametrize("key", [ELLIPTIC, RSA])
def test_what_does_not_matter(key: SigningKey, members: dict[str, Any]) -> None:
    assert list(read_keys({"keys": [changed(key, **members)]}).values()) == [
        key.private.public_key()
    ]


@pytest.mark.parametrize(
    "members",
    [
        {"kid": None},
        {"kid": ""},
        {"kid": 5},
        {"kid": ["a"]},
        {"kid": "k" * (KID_LENGTH + 1)},
        {"use": "enc"},
        {"use": 5},
        {"alg": "HS256"},
        {"alg": "none"},
        {"alg": "PS256"},
        {"alg": ["RS256", "ES256"]},
        {"key_ops": ["sign"]},
        {"key_ops": "verify"},
        {"key_ops": []},
        {"kty": None},
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": "OKP", "crv": "Ed25519"},
        {"kty": ["RSA"]},
        {"kty": 5},
    ],
)
@pytest.mark.parametrize("key", [ELLIPTIC, RSA])
def test_a_key_that_is_for_something_else(key: SigningKey, members: dict[str, Any]) -> None:
    assert read_keys({"keys": [changed(key, **members)]}) == {}
    # The others count all the same.
    other = SigningKey.make("other")
    assert list(read_keys({"keys": [changed(key, **members), other.jwk]})) == [("other", "ES256")]


@pytest.mark.parametrize(
    ("key", "members"),
    [
        (RSA, {"n": None}),
        (RSA, {"e": None}),
        (RSA, {"n": 5}),
        (RSA, {"n": ""}),
        (RSA, {"n": "!"}),
        (RSA, {"n": "é"}),
        (RSA, {"e": "AQAC"}),
        (RSA, {"e": "AQ"}),
        (RSA, {"e": "AA"}),
        (RSA, {"e": "_" * 43}),
        (RSA, {"kty": "EC", "alg": None}),
        (ELLIPTIC, {"x": None}),
        (ELLIPTIC, {"y": None}),
        (ELLIPTIC, {"x": 5}),
        (ELLIPTIC, {"x": "AQAB"}),
        (ELLIPTIC, {"x": "A" * 43}),
        (ELLIPTIC, {"crv": None}),
        (ELLIPTIC, {"crv": "P-384"}),
        (ELLIPTIC, {"crv": "secp256k1"}),
        (ELLIPTIC, {"crv": ["P-256"]}),
        (ELLIPTIC, {"kty": "RSA", "alg": None}),
    ],
)
def test_a_key_that_is_malformed(
    key: SigningKey, members: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert read_keys({"keys": [changed(key, **members)]}) == {}
    assert key.kid in caplog.text


@pytest.mark.parametrize("bits", [1024, 2047])
def test_an_rsa_key_that_is_weak(bits: int, caplog: pytest.LogCaptureFixture) -> None:
    weak = SigningKey("weak", "RS256", rsa_key(bits, "weak"))
    with caplog.at_level(logging.WARNING):
        assert read_keys({"keys": [weak.jwk]}) == {}
    assert f"{bits} bits" in caplog.text


def test_an_rsa_key_that_would_take_long_to_check_with() -> None:
    numbers = RSA.private.public_key().public_numbers()
    long = jwt.utils.to_base64url_uint(numbers.n << 7000 | 1).decode()
    assert read_keys({"keys": [changed(RSA, n=long)]}) == {}


def test_another_curve_is_not_taken() -> None:
    private = ec.generate_private_key(ec.SECP384R1())
    shape = jwt.algorithms.ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    assert read_keys({"keys": [{**shape, "kid": "other"}]}) == {}


def test_of_a_private_key_that_is_published_the_public_half_is_taken() -> None:
    shape = jwt.algorithms.RSAAlgorithm.to_jwk(RSA.private, as_dict=True)
    shape.pop("key_ops")
    [key] = read_keys({"keys": [{**shape, "kid": "private"}]}).values()
    assert isinstance(key, RSAPublicKey)


def test_of_two_keys_with_one_name_the_first_counts_for_each_algorithm() -> None:
    second = SigningKey.make("elliptic")
    rsa = changed(RSA, kid="elliptic")
    keys = read_keys({"keys": [ELLIPTIC.jwk, second.jwk, rsa]})
    assert keys == {
        ("elliptic", "ES256"): ELLIPTIC.private.public_key(),
        ("elliptic", "RS256"): RSA.private.public_key(),
    }


def test_an_empty_set_is_one() -> None:
    assert read_keys({"keys": []}) == {}
    assert read_keys({"keys": [5, None, "key", []]}) == {}


@pytest.mark.parametrize(
    "document",
    [{}, {"keys": None}, {"keys": {}}, {"keys": "a"}, {"keys": [ELLIPTIC.jwk] * (KEYS_LIMIT + 1)}],
)
def test_what_is_no_key_set(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="at most 64"):
        read_keys(document)
