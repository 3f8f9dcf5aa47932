"""Tokens of a provider and of API keys, each given for the other; and all that can be wrong."""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import jwt
import pytest

from support.provider import (
    AUDIENCE,
    CONFIGURATION,
    JWKS,
    OpenIdProvider,
    SigningKey,
    encoded,
    rsa_key,
)
from support.store import WAIT_LIMIT
from syncline_protocol.access_tokens import TOKEN_LIFE_LIMIT
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.objects import DOCUMENT
from syncline_server.auth.authenticator import Authenticator, mint_token
from syncline_server.auth.oidc.tokens import ProviderTokens
from syncline_server.auth.principal import Principal
from syncline_server.config.credentials import Credentials
from syncline_server.config.settings import Settings
from syncline_server.storage.rights import Right

ACCOUNT = f"AC{'a' * 32}"
KEY = f"SK{'1' * 32}"
CREDENTIALS = Credentials(ACCOUNT, "auth-token", {KEY: secrets.token_urlsafe(64)})

ELLIPTIC = SigningKey.make("elliptic")
RSA = SigningKey.make("rsa", "RS256")

LEEWAY = 10


@pytest.fixture
def provider() -> Any:
    """With a key of each kind."""
    with OpenIdProvider(ELLIPTIC, RSA) as provider:
        yield provider


@asynccontextmanager
async def authenticating(provider: OpenIdProvider, **settings: Any) -> AsyncIterator[Authenticator]:
    """What checks tokens, with the provider's taken too."""
    given = {"oidc_issuer": provider.issuer, "oidc_audience": AUDIENCE, **settings}
    tokens = ProviderTokens.of(Settings(token_leeway=LEEWAY, **given), Counter())
    assert tokens is not None
    tokens.start()
    try:
        yield Authenticator(CREDENTIALS, LEEWAY, tokens)
    finally:
        await tokens.stop()


async def refusal(authenticator: Authenticator, token: str) -> Refusal:
    """Why a token is not taken, however it comes."""
    refusals = []
    for ask in (
        authenticator.authenticate_token(token),
        authenticator.authenticate(f"Bearer {token}"),
    ):
        with pytest.raises(Refusal) as caught:
            await ask
        refusals.append(caught.value)
    assert refusals[0].code is refusals[1].code
    refusals[0].message.encode()
    return refusals[0]


async def refused(authenticator: Authenticator, token: str) -> Code:
    return (await refusal(authenticator, token)).code


# Tokens that are taken


@pytest.mark.parametrize("key", [ELLIPTIC, RSA])
async def test_tokens_of_both_algorithms(provider: OpenIdProvider, key: SigningKey) -> None:
    claims = provider.claims()
    async with authenticating(provider) as authenticator:
        principal = await authenticator.authenticate_token(key.sign(claims))
        assert principal == Principal(
            identity="alice", service="default", expires_at=float(claims["exp"]), grants=None
        )
        assert not principal.is_account
        assert await authenticator.authenticate(f"bearer  {key.sign(claims)} ") == principal
    assert provider.requests == {CONFIGURATION: 1, JWKS: 1}


@pytest.mark.parametrize("kind", [None, "JWT", "jwt", "at+jwt", "application/at+jwt"])
async def test_types_that_access_tokens_have(provider: OpenIdProvider, kind: str | None) -> None:
    async with authenticating(provider) as authenticator:
        assert await authenticator.authenticate_token(ELLIPTIC.sign(provider.claims(), typ=kind))


async def test_an_audience_among_others(provider: OpenIdProvider) -> None:
    async with authenticating(provider) as authenticator:
        assert await authenticator.authenticate_token(provider.token(aud=["other", AUDIENCE]))


async def test_clocks_may_differ_by_the_leeway(provider: OpenIdProvider) -> None:
    now = int(time.time())
    async with authenticating(provider) as authenticator:
        assert await authenticator.authenticate_token(provider.token(exp=now - LEEWAY + 5))
        assert await authenticator.authenticate_token(provider.token(nbf=now + LEEWAY - 5))
        assert await authenticator.authenticate_token(provider.token(exp=now + TOKEN_LIFE_LIMIT))
        # Only the issuing is dated: any amount.
        assert await authenticator.authenticate_token(provider.token(iat=now + 3600))


async def test_the_claim_that_holds_the_identity(provider: OpenIdProvider) -> None:
    name = "https://example.org/e-mail"
    async with authenticating(provider, oidc_identity_claim=name) as authenticator:
        principal = await authenticator.authenticate_token(
            provider.token(**{name: "é@example.org"})
        )
        assert principal.identity == "é@example.org"
        # What `sub` is does not matter then.
        assert await authenticator.authenticate_token(provider.token(**{name: "a", "sub": 5}))


async def test_the_service(provider: OpenIdProvider) -> None:
    async with authenticating(provider, oidc_service="hall") as authenticator:
        assert (await authenticator.authenticate_token(provider.token())).service == "hall"
    async with authenticating(provider, oidc_service_claim="tenant") as authenticator:
        assert (await authenticator.authenticate_token(provider.token(tenant="IS"))).service == "IS"
        assert await refused(authenticator, provider.token()) is Code.TOKEN_GRANTS
        wrong: Any
        for wrong in (5, None, [], {}, "\ud800"):
            token = ELLIPTIC.sign(provider.claims() | {"tenant": wrong})
            assert await refused(authenticator, token) is Code.TOKEN_GRANTS


async def test_grants(provider: OpenIdProvider) -> None:
    grants = [{"documents": "room-*", "rights": ["read"]}]
    async with authenticating(provider, oidc_grants_claim="sync_grants") as authenticator:
        principal = await authenticator.authenticate_token(provider.token(sync_grants=grants))
        assert principal.grants is not None
        assert principal.grants.rights(DOCUMENT, "room-1") == Right.READ
        assert principal.grants.rights(DOCUMENT, "hall") == Right.NONE
        nothing = await authenticator.authenticate_token(provider.token(sync_grants=[]))
        assert nothing.grants is not None
        wrong: Any
        for wrong in (None, {}, "room-*", [5], [{"documents": "a", "rights": ["all"]}]):
            token = ELLIPTIC.sign(provider.claims() | {"sync_grants": wrong})
            assert await refused(authenticator, token) is Code.TOKEN_GRANTS
        said = (await refusal(authenticator, provider.token())).message
        assert said == "The access token needs the claim sync_grants."
    async with authenticating(provider) as authenticator:
        assert (
            await authenticator.authenticate_token(provider.token(sync_grants=grants))
        ).grants is None


# Tokens that are not


def stating(provider: OpenIdProvider, header: Any, signature: Any = b"x", **changed: Any) -> str:
    """A token put together by hand."""
    return ".".join(map(encoded, (header, provider.claims(**changed), signature)))


def by_secret(provider: OpenIdProvider, secret: bytes, kid: str, **header: Any) -> str:
    """A token signed by what everybody knows, taken for a secret."""
    given = {"alg": "HS256", "typ": "JWT", "kid": kid, **header}
    message = f"{encoded(given)}.{encoded(provider.claims())}"
    return f"{message}.{encoded(hmac.digest(secret, message.encode(), 'sha256'))}"


def as_algorithm(provider: OpenIdProvider, key: SigningKey, algorithm: str, kid: str) -> str:
    """Rightly signed, under a header that names another algorithm and key."""
    header, payload, _ = key.sign(provider.claims()).split(".")
    stated = encoded({"alg": algorithm, "typ": "JWT", "kid": kid})
    signer = jwt.get_algorithm_by_name(key.algorithm)
    made = signer.sign(f"{stated}.{payload}".encode(), key.private)
    return f"{stated}.{payload}.{encoded(made)}"


STRANGER = SigningKey.make("elliptic")
"""Somebody else's key, under the name of one that is known."""

RSA_STRANGER = SigningKey("rsa", "RS256", rsa_key(2048, "stranger"))

FORGERIES: dict[str, tuple[Callable[[OpenIdProvider], str], Code]] = {
    "alg none": (
        lambda p: stating(p, {"alg": "none", "kid": "elliptic"}, b""),
        Code.TOKEN_HEADER,
    ),
    "alg None": (
        lambda p: stating(p, {"alg": "None", "kid": "elliptic"}, b""),
        Code.TOKEN_HEADER,
    ),
    "no alg": (lambda p: stating(p, {"kid": "elliptic"}), Code.TOKEN_HEADER),
    "alg a list": (
        lambda p: stating(p, {"alg": ["ES256"], "kid": "elliptic"}),
        Code.TOKEN_HEADER,
    ),
    "no signature": (
        lambda p: stating(p, {"alg": "ES256", "kid": "elliptic"}, b""),
        Code.TOKEN_SIGNATURE,
    ),
    "HS256 by the PEM of the RSA key": (
        lambda p: by_secret(p, RSA.pem, "rsa"),
        Code.TOKEN_HEADER,
    ),
    "HS256 by the PEM of the EC key": (
        lambda p: by_secret(p, ELLIPTIC.pem, "elliptic"),
        Code.TOKEN_HEADER,
    ),
    "HS256 by the JWK": (
        lambda p: by_secret(p, json.dumps(RSA.jwk).encode(), "rsa"),
        Code.TOKEN_HEADER,
    ),
    "HS256 by the modulus": (
        lambda p: by_secret(p, RSA.jwk["n"].encode(), "rsa"),
        Code.TOKEN_HEADER,
    ),
    "HS256 by nothing": (lambda p: by_secret(p, b"", "rsa"), Code.TOKEN_HEADER),
    "RS256 that is HS256": (
        lambda p: by_secret(p, RSA.pem, "rsa", alg="RS256"),
        Code.TOKEN_SIGNATURE,
    ),
    "ES256 with the RSA key": (
        lambda p: as_algorithm(p, RSA, "ES256", "rsa"),
        Code.TOKEN_SIGNATURE,
    ),
    "RS256 with the EC key": (
        lambda p: as_algorithm(p, ELLIPTIC, "RS256", "elliptic"),
        Code.TOKEN_SIGNATURE,
    ),
    "RS256 under the name of the EC key": (
        lambda p: as_algorithm(p, RSA, "RS256", "elliptic"),
        Code.TOKEN_SIGNATURE,
    ),
    "RS512": (
        lambda p: jwt.encode(p.claims(), RSA.private, "RS512", headers={"kid": "rsa"}),
        Code.TOKEN_HEADER,
    ),
    "PS256": (
        lambda p: jwt.encode(p.claims(), RSA.private, "PS256", headers={"kid": "rsa"}),
        Code.TOKEN_HEADER,
    ),
    "another's EC key": (lambda p: STRANGER.sign(p.claims()), Code.TOKEN_SIGNATURE),
    "another's RSA key": (lambda p: RSA_STRANGER.sign(p.claims()), Code.TOKEN_SIGNATURE),
    "a key in the header": (
        lambda p: STRANGER.sign(p.claims(), jwk=STRANGER.jwk),
        Code.TOKEN_SIGNATURE,
    ),
    "a key in the header, of no known name": (
        lambda p: STRANGER.sign(p.claims(), jwk=STRANGER.jwk, kid="mine"),
        Code.TOKEN_SIGNATURE,
    ),
    "a kid of the other key": (
        lambda p: ELLIPTIC.sign(p.claims(), kid="rsa"),
        Code.TOKEN_SIGNATURE,
    ),
    "a kid that is a path": (
        lambda p: ELLIPTIC.sign(p.claims(), kid="../../dev/null"),
        Code.TOKEN_SIGNATURE,
    ),
    "no kid": (
        lambda p: jwt.encode(p.claims(), ELLIPTIC.private, "ES256"),
        Code.TOKEN_HEADER,
    ),
    "an empty kid": (lambda p: ELLIPTIC.sign(p.claims(), kid=""), Code.TOKEN_HEADER),
    "a long kid": (lambda p: ELLIPTIC.sign(p.claims(), kid="k" * 257), Code.TOKEN_HEADER),
    "a kid of surrogates": (
        lambda p: stating(p, {"alg": "ES256", "kid": "\ud800"}),
        Code.TOKEN_SIGNATURE,
    ),
    "a kid that is no string": (
        lambda p: stating(p, {"alg": "ES256", "kid": 5}),
        Code.TOKEN_INVALID,
    ),
    "a logout token": (
        lambda p: ELLIPTIC.sign(p.claims(), typ="logout+jwt"),
        Code.TOKEN_HEADER,
    ),
    "a type that is no string": (
        lambda p: stating(p, {"alg": "ES256", "kid": "elliptic", "typ": 5}),
        Code.TOKEN_HEADER,
    ),
    "crit": (
        lambda p: ELLIPTIC.sign(p.claims(), crit=["exp"], exp=1),
        Code.TOKEN_INVALID,
    ),
    "unencoded payload": (
        lambda p: stating(p, {"alg": "ES256", "kid": "elliptic", "b64": False}),
        Code.TOKEN_INVALID,
    ),
}


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_forgeries(provider: OpenIdProvider, forgery: str) -> None:
    make, code = FORGERIES[forgery]
    async with authenticating(provider, oidc_refetch_interval=0.1) as authenticator:
        assert await definite(authenticator, make(provider)) is code
        # The provider's own are taken all the same.
        assert await authenticator.authenticate_token(provider.token())


async def definite(authenticator: Authenticator, token: str) -> Code:
    """The code of a token's refusal, once it is not "try again"."""
    async with asyncio.timeout(WAIT_LIMIT):
        while True:
            with pytest.raises(Refusal) as caught:
                await authenticator.authenticate_token(token)
            if not caught.value.code.retry:
                return caught.value.code
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("name", ["jku", "x5u", "x5c", "x5t"])
async def test_headers_that_name_a_key_are_not_looked_at(
    provider: OpenIdProvider, name: str
) -> None:
    with OpenIdProvider(STRANGER) as strange:
        value: Any = [encoded(b"certificate")] if name == "x5c" else f"{strange.issuer}{JWKS}"
        async with authenticating(provider) as authenticator:
            forged = STRANGER.sign(provider.claims(), **{name: value})
            assert await refused(authenticator, forged) is Code.TOKEN_SIGNATURE
            assert await authenticator.authenticate_token(
                ELLIPTIC.sign(provider.claims(), **{name: value})
            )
        assert strange.requests == {}


async def test_a_token_that_was_changed(provider: OpenIdProvider) -> None:
    header, _, signature = provider.token().split(".")
    forged = f"{header}.{encoded(provider.claims(sub='mallory'))}.{signature}"
    async with authenticating(provider) as authenticator:
        assert await refused(authenticator, forged) is Code.TOKEN_SIGNATURE


CLAIMS: dict[str, tuple[dict[str, Any], Code]] = {
    "no iss": ({"iss": None}, Code.TOKEN_INVALID),
    "iss a list": ({"iss": ["x"]}, Code.TOKEN_ISSUER),
    "iss of an API key": ({"iss": KEY}, Code.TOKEN_ISSUER),
    "iss empty": ({"iss": ""}, Code.TOKEN_ISSUER),
    "no aud": ({"aud": None}, Code.TOKEN_INVALID),
    "another aud": ({"aud": "other"}, Code.TOKEN_ISSUER),
    "other auds": ({"aud": ["other", "others"]}, Code.TOKEN_ISSUER),
    "an aud that begins like it": ({"aud": f"{AUDIENCE}x"}, Code.TOKEN_ISSUER),
    "an aud in capitals": ({"aud": AUDIENCE.upper()}, Code.TOKEN_ISSUER),
    "no auds": ({"aud": []}, Code.TOKEN_INVALID),
    "an aud that is none": ({"aud": {AUDIENCE: 1}}, Code.TOKEN_ISSUER),
    "an aud among what is none": ({"aud": [5, AUDIENCE]}, Code.TOKEN_ISSUER),
    "no exp": ({"exp": None}, Code.TOKEN_INVALID),
    "expired": ({"exp": 1}, Code.TOKEN_EXPIRED),
    "expired long ago": ({"exp": -(2**70)}, Code.TOKEN_EXPIRED),
    "lives too long": ({"exp": 10**11}, Code.TOKEN_TOO_LONG_LIVED),
    "never expires": ({"exp": 10**400}, Code.TOKEN_TOO_LONG_LIVED),
    "exp a string": ({"exp": "soon"}, Code.TOKEN_INVALID),
    "exp a number as a string": ({"exp": "4000000000"}, Code.TOKEN_INVALID),
    "exp true": ({"exp": True}, Code.TOKEN_EXPIRED),
    "exp infinite": ({"exp": float("inf")}, Code.TOKEN_INVALID),
    "exp not a number": ({"exp": float("nan")}, Code.TOKEN_INVALID),
    "nbf ahead": ({"nbf": 10**11}, Code.TOKEN_NOT_YET_VALID),
    "nbf no moment": ({"nbf": []}, Code.TOKEN_INVALID),
    "no sub": ({"sub": None}, Code.TOKEN_GRANTS),
    "sub a number": ({"sub": 5}, Code.TOKEN_GRANTS),
    "sub a list": ({"sub": ["alice"]}, Code.TOKEN_GRANTS),
    "sub empty": ({"sub": ""}, Code.TOKEN_GRANTS),
    "sub too long": ({"sub": "a" * 257}, Code.TOKEN_GRANTS),
    "sub of surrogates": ({"sub": "a\ud800"}, Code.TOKEN_GRANTS),
    "sub null": ({"sub": ...}, Code.TOKEN_GRANTS),
}


@pytest.mark.parametrize("wrong", CLAIMS)
async def test_claims(provider: OpenIdProvider, wrong: str) -> None:
    changed, code = CLAIMS[wrong]
    claims = provider.claims(**changed)
    claims = {name: None if value is ... else value for name, value in claims.items()}
    token = jwt.PyJWS().encode(
        json.dumps(claims).encode(), ELLIPTIC.private, "ES256", {"kid": "elliptic"}
    )
    async with authenticating(provider) as authenticator:
        assert await refused(authenticator, token) is code


@pytest.mark.parametrize("end", ["/", "/realm", " ", "x"])
async def test_an_issuer_that_is_almost_the_one(provider: OpenIdProvider, end: str) -> None:
    async with authenticating(provider) as authenticator:
        token = provider.token(iss=provider.issuer + end)
        assert await refused(authenticator, token) is Code.TOKEN_ISSUER
        assert (await refusal(authenticator, token)).message.endswith(f"by {provider.issuer}.")


async def test_a_token_of_another_issuer_makes_nobody_ask_for_its_key(
    provider: OpenIdProvider,
) -> None:
    with OpenIdProvider(SigningKey.make("other")) as other:
        async with authenticating(provider) as authenticator:
            assert await authenticator.authenticate_token(provider.token())
            assert await refused(authenticator, other.token()) is Code.TOKEN_ISSUER
            assert await refused(authenticator, other.token(exp=1)) is Code.TOKEN_EXPIRED
        assert other.requests == {}
    assert provider.requests[JWKS] == 1


@pytest.mark.parametrize(
    "garbage", ["", ".", "..", "a.b.c", "eyJ", "é.é.é", "\ud800.\ud800.\ud800", "a.b.c.d.e", "\x00"]
)
async def test_what_is_no_token(provider: OpenIdProvider, garbage: str) -> None:
    async with authenticating(provider) as authenticator:
        assert await refused(authenticator, garbage) is Code.TOKEN_INVALID


async def test_a_payload_that_is_no_object(provider: OpenIdProvider) -> None:
    async with authenticating(provider) as authenticator:
        for payload in (b"[]", b"5", b"", b"\xff", b"[" * 2500, b'{"iss":'):
            token = jwt.PyJWS().encode(payload, ELLIPTIC.private, "ES256", {"kid": "elliptic"})
            assert await refused(authenticator, token) is Code.TOKEN_INVALID


async def test_a_token_that_is_too_long_is_not_looked_at(provider: OpenIdProvider) -> None:
    async with authenticating(provider) as authenticator:
        said = (await refusal(authenticator, provider.token(padding="x" * 8192))).message
        assert said == "An access token has at most 8192 characters."


# One for the other


async def test_tokens_of_api_keys_go_their_own_way(provider: OpenIdProvider) -> None:
    own = mint_token(CREDENTIALS, "bob", 60)
    provider.fail()
    async with authenticating(provider) as authenticator:
        principal = await authenticator.authenticate_token(own)
        assert (principal.identity, principal.grants) == ("bob", None)
        assert principal == authenticator.verify_token(own)
        assert await authenticator.authenticate(f"Bearer {own}") == principal
        with pytest.raises(Refusal) as caught:
            await authenticator.authenticate("Basic !")
        assert caught.value.code is Code.AUTHENTICATION_FAILED


async def test_a_token_of_an_api_key_that_says_it_is_the_providers(
    provider: OpenIdProvider,
) -> None:
    claims = jwt.decode(mint_token(CREDENTIALS, "bob", 60), options={"verify_signature": False})
    secret = CREDENTIALS.api_keys[KEY]
    async with authenticating(provider) as authenticator:
        for changed in ({}, provider.claims()):
            token = jwt.encode(claims | changed, secret, "HS256", headers={"kid": "elliptic"})
            assert await refused(authenticator, token) is Code.TOKEN_HEADER


async def test_a_token_of_the_provider_that_says_it_is_an_api_keys(
    provider: OpenIdProvider,
) -> None:
    claims = {
        "iss": KEY,
        "sub": ACCOUNT,
        "exp": int(time.time()) + 60,
        "grants": {"identity": "mallory", "data_sync": {}},
    }
    content = "twilio-fpa;v=1"
    async with authenticating(provider) as authenticator:
        for made in (provider.claims() | claims, claims):
            token = ELLIPTIC.sign(made, cty=content)
            assert await refused(authenticator, token) is Code.TOKEN_HEADER
        forged = by_secret(provider, ELLIPTIC.pem, "elliptic", cty=content)
        assert await refused(authenticator, forged) is Code.TOKEN_ISSUER


async def test_where_no_provider_is_configured_its_tokens_are_not_taken(
    provider: OpenIdProvider,
) -> None:
    assert ProviderTokens.of(Settings(), Counter()) is None
    authenticator = Authenticator(CREDENTIALS, LEEWAY)
    assert await refused(authenticator, provider.token()) is Code.TOKEN_HEADER
    assert provider.requests == {}


# While the provider is away


async def test_a_provider_that_is_away_is_no_fault_of_the_token(provider: OpenIdProvider) -> None:
    provider.fail()
    async with authenticating(provider) as authenticator:
        assert await refused(authenticator, provider.token()) is Code.UNAVAILABLE
        # What is wrong whatever the keys are is reported all the same.
        assert await refused(authenticator, provider.token(exp=1)) is Code.TOKEN_EXPIRED
        assert await refused(authenticator, provider.token(aud="other")) is Code.TOKEN_ISSUER


async def test_a_new_key_is_known_with_its_first_token(provider: OpenIdProvider) -> None:
    async with authenticating(provider) as authenticator:
        assert await authenticator.authenticate_token(provider.token())
        provider.rotate("second")
        assert await authenticator.authenticate_token(provider.token())
    assert provider.requests[JWKS] == 2
