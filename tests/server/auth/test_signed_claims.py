"""The quick check of tokens accepts what PyJWT accepts, and nothing else."""

from __future__ import annotations

import base64
import hmac
import json
import time
from typing import Any

import jwt
import pytest

from syncline_protocol.access_tokens import CONTENT_TYPE
from syncline_server.auth.keyring import ApiKey, Keyring
from syncline_server.auth.signed_claims import ALGORITHMS, signed_claims, signing_key
from syncline_server.auth.signed_claims import _hmac as made_hmac

ACCOUNT = f"AC{'a' * 32}"
KEY = f"SK{'1' * 32}"
SECRET = "s3cret" * 12
LEEWAY = 3600
HEADER = {"alg": "HS256", "typ": "JWT", "cty": CONTENT_TYPE}
NOW = int(time.time())
CLAIMS: dict[str, Any] = {
    "jti": f"{KEY}-{NOW}",
    "iss": KEY,
    "sub": ACCOUNT,
    "nbf": NOW - 60,
    "exp": NOW + 3600,
    "grants": {"identity": "Zoë", "data_sync": {"service_sid": "default"}},
}
ALGORITHM_LIST = list(ALGORITHMS)
OPTIONS: Any = {"require": ["exp", "iss", "sub"], "verify_iat": False, "verify_aud": False}


def segment(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def signed(header: str, payload: str, digest: str = "sha256") -> str:
    """Two segments with a right signature."""
    message = f"{header}.{payload}"
    return f"{message}.{segment(hmac.digest(SECRET.encode(), message.encode(), digest))}"


def token(header: dict[str, Any] | None = None, **claims: Any) -> str:
    """A good token, but for the changes; a claim that is None is omitted."""
    said = {name: value for name, value in (CLAIMS | claims).items() if value is not None}
    return of_text(json.dumps(said), HEADER | (header or {}))


def of_text(payload: str, header: dict[str, Any] = HEADER) -> str:
    made, digest = segment(json.dumps(header).encode()), ALGORITHMS.get(str(header.get("alg")))
    return signed(made, segment(payload.encode()), digest or "sha256")


def quick(given: str) -> dict[str, Any] | None:
    def key_of(issuer: str) -> bytes | None:
        return signing_key(SECRET) if issuer == KEY else None

    return signed_claims(given, key_of, content_type=CONTENT_TYPE, leeway=LEEWAY)


GOOD = {
    "plain": token(),
    "another digest": token({"alg": "HS384"}),
    "the longest digest": token({"alg": "HS512"}),
    "a key id": token({"kid": KEY}),
    "a region": token({"twr": "ie1"}),
    "exp twice": of_text(json.dumps(CLAIMS).replace('"nbf"', '"exp"')),
    "no nbf": token(nbf=None),
    "no jti": token(jti=None),
    "an audience": token(aud="https://example.org"),
    "expired within the leeway": token(exp=NOW - 60),
    "padding of one": token(pad="x"),
    "padding of two": token(pad="xx"),
    "padding of three": token(pad="xxx"),
}

ODD = {
    "empty": "",
    "no dots": "abc",
    "one dot": "a.b",
    "three dots": f"{token()}.a",
    "not ASCII": token() + "é",
    "a lone surrogate": token() + "\ud800",
    "no signature": token().rpartition(".")[0] + ".",
    "half a signature": token()[:-20],
    "another signature": token()[:-20] + "A" * 20,
    "another payload": token().replace(token().split(".")[1], token(aud="x").split(".")[1]),
    "no algorithm": token({"alg": "none"}),
    "an asymmetric algorithm": token({"alg": "RS256"}),
    "an algorithm that is a list": token({"alg": ["HS256"]}),
    "another content type": token({"cty": "JWT"}),
    "a key id that is a number": token({"kid": 7}),
    "a critical extension": token({"crit": ["exp"]}),
    "a detached payload": token({"b64": False, "crit": ["b64"]}),
    "a header that is a list": signed(segment(b"[]"), segment(json.dumps(CLAIMS).encode())),
    "a long header": token({"kid": "k" * 600}),
    "a payload that is a list": of_text("[]"),
    "a payload that is no JSON": of_text("{"),
    "a payload with NaN": of_text(json.dumps({**CLAIMS, "x": float("nan")})),
    "a payload in UTF-16": signed(
        segment(json.dumps(HEADER).encode()), segment(json.dumps(CLAIMS).encode("utf-16"))
    ),
    "no exp": token(exp=None),
    "an exp that is text": token(exp=str(NOW + 3600)),
    "an exp that is a float": token(exp=NOW + 3600.5),
    "an exp that is true": token(exp=True),
    "an exp beyond 64 bits": token(exp=2**70),
    "expired": token(exp=NOW - 7200),
    "not valid yet": token(nbf=NOW + 7200),
    "an nbf that is text": token(nbf="soon"),
    "an nbf that is null": of_text(json.dumps({**CLAIMS, "nbf": None})),
    "no issuer": token(iss=None),
    "an issuer that is a number": token(iss=7),
    "another issuer": token(iss=f"SK{'2' * 32}"),
    "a subject that is a number": token(sub=7),
    "a jti that is a number": token(jti=7),
    "deep": of_text('{"a":' * 2000 + "1" + "}" * 2000),
}

HEAD, BODY = token().split(".")[:2]
BITS = token(pad="xx").split(".")[1]
GOOD["padding"] = signed(HEAD, BITS + "=" * (-len(BITS) % 4))
ODD |= {
    "too much padding": signed(HEAD, BODY + "===="),
    "the other alphabet": signed(HEAD, BODY + "+/+/"),
    "foreign characters": signed(HEAD, BODY + "!!!!"),
    "white space": signed(HEAD, BODY + "\n\n\n\n"),
    **{
        f"stray bits {last}": signed(HEAD, BITS[:-1] + last) for last in "ABCDEFGHIJQRSTghwxyz019-_"
    },
    **{f"stray bits in the signature {last}": token()[:-1] + last for last in "ABCDEFGHIJghij0189"},
}


@pytest.mark.parametrize("name", [*GOOD, *ODD])
def test_accepts_only_what_pyjwt_accepts(name: str) -> None:
    given = GOOD.get(name) or ODD[name]
    claims = quick(given)
    if claims is not None:
        assert claims == jwt.decode(
            given, SECRET, algorithms=ALGORITHM_LIST, leeway=LEEWAY, options=OPTIONS
        )
        assert jwt.get_unverified_header(given)["cty"] == CONTENT_TYPE
    assert (claims is not None) >= (name in GOOD)


def test_leaves_odd_tokens_to_pyjwt() -> None:
    accepted = [name for name, given in ODD.items() if quick(given) is not None]
    # One of the last characters of each segment is the right one.
    assert len([name for name in accepted if name.startswith("stray bits in the sig")]) <= 1
    assert len(accepted) <= 2 and all(name.startswith("stray bits") for name in accepted)


def test_headers_that_are_remembered_do_not_outlive_another_content_type() -> None:
    def key_of(_: str) -> bytes | None:
        return SECRET.encode()

    assert quick(token()) is not None
    assert signed_claims(token(), key_of, content_type="other", leeway=LEEWAY) is None


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----",
        "ssh-rsa AAAA",
        '{"kty":"oct"}',
    ],
)
def test_what_is_no_secret_signs_nothing(secret: str) -> None:
    assert signing_key(secret) is None


def test_a_key_signs_from_its_arrival_to_its_end() -> None:
    keys = Keyring({})
    assert keys.signing_key(KEY) is None
    keys.replace_stored({KEY: ApiKey.of("first")}, ())
    assert keys.signing_key(KEY) == b"first"
    keys.replace_stored({KEY: ApiKey.of("second")}, ())
    assert keys.signing_key(KEY) == b"second"
    keys.replace_stored({KEY: ApiKey(b"digest", None)}, ())
    assert keys.signing_key(KEY) is None
    keys.replace_stored({KEY: ApiKey.of("third")}, ())
    assert keys.signing_key(KEY) == b"third"
    keys.replace_stored({}, {KEY})
    assert keys.signing_key(KEY) is None


@pytest.mark.parametrize("digest", ALGORITHMS.values())
@pytest.mark.parametrize("size", [0, 1, 32, 63, 64, 65, 127, 128, 129, 1000])
def test_signs_as_the_standard_library_does(digest: str, size: int) -> None:
    key = bytes(range(1, 251)) * 4
    for message in (b"", b"a.b", b"x" * 1000):
        for _ in range(2):  # the second begins with what the first has kept
            expected = hmac.digest(key[:size], message, digest)
            assert made_hmac(key[:size], message, digest) == expected
