from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import SyncGrant

from syncline_protocol.access_tokens import TOKEN_LIFE_LIMIT
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.objects import SYSTEM
from syncline_server.auth.authenticator import Authenticator, claimed, mint_token
from syncline_server.auth.keyring import Keyring
from syncline_server.auth.principal import Principal
from syncline_server.config.credentials import Credentials

ACCOUNT = f"AC{'a' * 32}"
KEY = f"SK{'1' * 32}"
SECOND_KEY = f"SK{'2' * 32}"
# Long enough for every algorithm: the library warns of others.
# Constants, because the test ids hold them: every worker must collect the same.
SECRET = "first-" + "s3cret" * 12
SECOND_SECRET = "second-" + "s3cret" * 12
CREDENTIALS = Credentials(ACCOUNT, "auth-token", {KEY: SECRET, SECOND_KEY: SECOND_SECRET})
LEEWAY = 10
SERVICE = f"IS{'b' * 32}"

HEADER = {"alg": "HS256", "typ": "JWT", "cty": "twilio-fpa;v=1"}


@pytest.fixture
def authenticator() -> Authenticator:
    return Authenticator(CREDENTIALS, LEEWAY)


@pytest.fixture
def refused(authenticator: Authenticator) -> Callable[[str], Code]:
    """The code with which a token is refused."""

    def refused(token: str) -> Code:
        with pytest.raises(Refusal) as caught:
            authenticator.verify_token(token)
        assert caught.value.code.status == 401
        assert SECRET not in caught.value.message
        return caught.value.code

    return refused


def claims(**changed: Any) -> dict[str, Any]:
    """What a good token says, but for the changes; one that is None is omitted."""
    now = int(time.time())
    good = {
        "jti": f"{KEY}-{now}",
        "iss": KEY,
        "sub": ACCOUNT,
        "exp": now + 3600,
        "grants": {"identity": "alice", "data_sync": {"service_sid": SERVICE}},
    }
    return {name: value for name, value in (good | changed).items() if value is not None}


def token(secret: str = SECRET, header: dict[str, Any] | None = None, **changed: Any) -> str:
    return signed(json.dumps(HEADER | (header or {})), json.dumps(claims(**changed)), secret)


def signed(header: str, payload: str, secret: str = SECRET, digest: str = "sha256") -> str:
    """Any two texts as a JWT, rightly signed."""
    message = f"{encoded(header.encode())}.{encoded(payload.encode())}"
    return f"{message}.{encoded(hmac.digest(secret.encode(), message.encode(), digest))}"


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


# Tokens that are taken


@pytest.mark.parametrize(("key", "secret"), [(KEY, SECRET), (SECOND_KEY, SECOND_SECRET)])
def test_a_token_of_the_vendors_helper_is_taken(
    authenticator: Authenticator, key: str, secret: str
) -> None:
    before = time.time()
    minted = AccessToken(ACCOUNT, key, secret, identity="alice", ttl=3600)
    minted.add_grant(SyncGrant(SERVICE))
    principal = authenticator.verify_token(minted.to_jwt())
    assert (principal.identity, principal.service) == ("alice", SERVICE)
    assert principal.expires_at is not None
    assert 0 <= principal.expires_at - before - 3600 + 1 <= 10


def test_a_region_in_the_header_does_not_matter(authenticator: Authenticator) -> None:
    minted = AccessToken(ACCOUNT, KEY, SECRET, identity="alice", region="ie1")
    minted.add_grant(SyncGrant(SERVICE))
    assert authenticator.verify_token(minted.to_jwt()).identity == "alice"


def test_a_grant_without_a_service_is_for_the_default_one(authenticator: Authenticator) -> None:
    minted = AccessToken(ACCOUNT, KEY, SECRET, identity="alice")
    minted.add_grant(SyncGrant())
    assert authenticator.verify_token(minted.to_jwt()).service == "default"
    assert authenticator.verify_token(mint_token(CREDENTIALS, "alice", 60)).service == "default"


def test_a_token_as_the_vendors_node_helper_mints_it_is_taken(
    authenticator: Authenticator,
) -> None:
    """With `iat`, without `nbf`."""
    assert authenticator.verify_token(token(iat=int(time.time()))).identity == "alice"
    # The two clocks may differ by any amount where only the issuing is dated.
    assert authenticator.verify_token(token(iat=int(time.time()) + 3600)).identity == "alice"


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_each_of_the_vendors_algorithms_is_taken(
    authenticator: Authenticator, algorithm: str
) -> None:
    header = json.dumps(HEADER | {"alg": algorithm})
    made = signed(header, json.dumps(claims()), digest=algorithm.replace("HS", "sha"))
    assert authenticator.verify_token(made).identity == "alice"


@pytest.mark.parametrize("identity", ["a", "a" * 256, "alice@example.org", "é/文", " ", "\x00"])
def test_any_identity_of_1_to_256_characters_is_taken(
    authenticator: Authenticator, identity: str
) -> None:
    made = token(grants={"identity": identity, "data_sync": {}})
    assert authenticator.verify_token(made).identity == identity


def test_other_grants_do_not_matter(authenticator: Authenticator) -> None:
    grants = {"identity": "alice", "data_sync": {"endpoint_id": "x"}, "chat": {"a": 1}}
    assert authenticator.verify_token(token(grants=grants)).service == "default"


def test_clocks_may_differ_by_the_leeway(authenticator: Authenticator) -> None:
    now = int(time.time())
    assert authenticator.verify_token(token(exp=now - LEEWAY + 5))
    assert authenticator.verify_token(token(nbf=now + LEEWAY - 5))
    assert authenticator.verify_token(token(exp=now + TOKEN_LIFE_LIMIT + LEEWAY - 5))


def test_what_is_minted_here_is_what_the_helper_mints() -> None:
    minted = AccessToken(ACCOUNT, KEY, SECRET, identity="alice", ttl=60)
    minted.add_grant(SyncGrant(SERVICE))
    ours, theirs = (
        jwt.decode_complete(made, SECRET, ["HS256"])
        for made in (mint_token(CREDENTIALS, "alice", 60, service=SERVICE), minted.to_jwt())
    )
    assert ours["header"] == theirs["header"]
    for moment in ("exp", "nbf"):
        assert abs(ours["payload"].pop(moment) - theirs["payload"].pop(moment)) <= 1
    for made in (ours, theirs):
        assert made["payload"].pop("jti").startswith(f"{KEY}-")
    assert ours["payload"] == theirs["payload"]


# Tokens that are not


def test_a_token_that_has_expired(refused: Callable[[str], Code]) -> None:
    assert refused(token(exp=int(time.time()) - LEEWAY - 1)) is Code.TOKEN_EXPIRED
    assert refused(token(exp=0)) is Code.TOKEN_EXPIRED
    assert refused(token(exp=-(2**70))) is Code.TOKEN_EXPIRED


def test_a_token_that_is_not_valid_yet(refused: Callable[[str], Code]) -> None:
    minted = AccessToken(ACCOUNT, KEY, SECRET, identity="alice", nbf=int(time.time()) + 60)
    minted.add_grant(SyncGrant(SERVICE))
    assert refused(minted.to_jwt()) is Code.TOKEN_NOT_YET_VALID


def test_a_token_that_lives_too_long() -> None:
    strict = Authenticator(CREDENTIALS, 0)
    for ttl in (TOKEN_LIFE_LIMIT + 2, 200_000, 10**9):
        minted = AccessToken(ACCOUNT, KEY, SECRET, identity="alice", ttl=ttl)
        minted.add_grant(SyncGrant(SERVICE))
        with pytest.raises(Refusal) as caught:
            strict.verify_token(minted.to_jwt())
        assert caught.value.code is Code.TOKEN_TOO_LONG_LIVED


def test_a_token_that_never_ends(refused: Callable[[str], Code]) -> None:
    assert refused(token(exp=None)) is Code.TOKEN_INVALID
    assert refused(token(exp=10**400)) is Code.TOKEN_TOO_LONG_LIVED


@pytest.mark.parametrize(
    "moment", ['"soon"', '"4000000000"', "[4000000000]", "{}", "null", "1e999", "NaN"]
)
@pytest.mark.parametrize("claim", ["exp", "nbf"])
def test_a_moment_that_is_none(refused: Callable[[str], Code], claim: str, moment: str) -> None:
    payload = json.dumps(claims(**{claim: 4_999_999_999}))
    made = signed(json.dumps(HEADER), payload.replace("4999999999", moment))
    if (claim, moment) == ("nbf", '"4000000000"'):
        assert refused(made) is Code.TOKEN_NOT_YET_VALID
    else:
        assert refused(made) is Code.TOKEN_INVALID


def test_a_token_of_an_unknown_key(refused: Callable[[str], Code]) -> None:
    assert refused(token(iss=f"SK{'9' * 32}")) is Code.TOKEN_ISSUER
    assert refused(token(iss=None)) is Code.TOKEN_ISSUER
    assert refused(token(iss=[KEY])) is Code.TOKEN_ISSUER
    assert refused(token(iss=ACCOUNT)) is Code.TOKEN_ISSUER


def test_a_token_of_another_account(refused: Callable[[str], Code]) -> None:
    assert refused(token(sub=f"AC{'9' * 32}")) is Code.TOKEN_ISSUER
    assert refused(token(sub=None)) is Code.TOKEN_INVALID
    assert refused(token(sub=7)) is Code.TOKEN_INVALID
    assert refused(token(sub="\ud800")) is Code.TOKEN_ISSUER


@pytest.mark.parametrize("secret", ["wrong" * 8, SECOND_SECRET, "auth-token", " " * 40])
def test_a_token_with_the_wrong_signature(refused: Callable[[str], Code], secret: str) -> None:
    assert refused(token(secret)) is Code.TOKEN_SIGNATURE


def test_a_token_that_was_changed(refused: Callable[[str], Code]) -> None:
    header, _, signature = token().split(".")
    mallory = claims(grants={"identity": "mallory", "data_sync": {}})
    forged = f"{header}.{encoded(json.dumps(mallory).encode())}.{signature}"
    assert refused(forged) is Code.TOKEN_SIGNATURE
    assert refused(f"{header}.{forged.split('.')[1]}.") is Code.TOKEN_SIGNATURE


@pytest.mark.parametrize("content_type", [None, "", "JWT", "twilio-fpa;v=2", ["twilio-fpa;v=1"]])
def test_a_token_of_another_content_type(
    refused: Callable[[str], Code], content_type: object
) -> None:
    header = {name: value for name, value in HEADER.items() if name != "cty"}
    if content_type is not None:
        header["cty"] = content_type  # type: ignore[assignment]
    assert refused(signed(json.dumps(header), json.dumps(claims()))) is Code.TOKEN_HEADER


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", ""])
def test_a_token_without_a_signature(refused: Callable[[str], Code], algorithm: str) -> None:
    header = encoded(json.dumps(HEADER | {"alg": algorithm}).encode())
    payload = encoded(json.dumps(claims()).encode())
    for signature in ("", encoded(b"x")):
        assert refused(f"{header}.{payload}.{signature}") is Code.TOKEN_HEADER


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "PS256", "EdDSA", "hs256", "HS1"])
def test_a_token_of_an_algorithm_that_would_take_the_secret_for_a_public_key(
    refused: Callable[[str], Code], algorithm: str
) -> None:
    assert refused(token(header={"alg": algorithm})) is Code.TOKEN_HEADER
    assert refused(token(header={"alg": [algorithm]})) is Code.TOKEN_HEADER


def test_a_token_of_one_algorithm_that_says_another(refused: Callable[[str], Code]) -> None:
    assert refused(token(header={"alg": "HS512"})) is Code.TOKEN_SIGNATURE


@pytest.mark.parametrize(
    "grants",
    [
        {},
        {"identity": "alice"},
        {"identity": "alice", "data_sync": None},
        {"identity": "alice", "data_sync": []},
        {"identity": "alice", "data_sync": True},
        {"identity": "alice", "data_sync": {"service_sid": 5}},
        {"identity": "alice", "data_sync": {"service_sid": None}},
        {"identity": "alice", "data_sync": {"service_sid": "\ud800"}},
        {"data_sync": {}},
        {"identity": "", "data_sync": {}},
        {"identity": "a" * 257, "data_sync": {}},
        {"identity": 5, "data_sync": {}},
        {"identity": None, "data_sync": {}},
        {"identity": ["alice"], "data_sync": {}},
        {"identity": "\ud800", "data_sync": {}},
        "data_sync",
        [{"data_sync": {}}],
        5,
    ],
)
def test_a_token_without_a_good_grant(refused: Callable[[str], Code], grants: object) -> None:
    assert refused(token(grants=grants)) is Code.TOKEN_GRANTS


def test_a_token_of_the_helper_without_grant_or_identity(refused: Callable[[str], Code]) -> None:
    without_grant = AccessToken(ACCOUNT, KEY, SECRET, identity="alice")
    assert refused(without_grant.to_jwt()) is Code.TOKEN_GRANTS
    without_identity = AccessToken(ACCOUNT, KEY, SECRET)
    without_identity.add_grant(SyncGrant(SERVICE))
    assert refused(without_identity.to_jwt()) is Code.TOKEN_GRANTS
    assert refused(token(grants=None)) is Code.TOKEN_GRANTS


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "eyJ",
        "é.é.é",
        "\ud800.\ud800.\ud800",
        "\x00",
        f"{KEY}:{SECRET}",
        " " * 100,
        encoded(b"[]") + "." + encoded(b"{}") + ".",
        encoded(json.dumps(HEADER).encode()) + "." + encoded(b"[]") + ".",
        encoded(json.dumps(HEADER).encode()) + "." + encoded(b"\xff\xfe") + ".",
        encoded(b"\xff\xfe") + "." + encoded(b"{}") + ".",
        encoded(json.dumps(HEADER).encode()) + "." + encoded(b'{"a":' * 1000) + ".",
        encoded(json.dumps(HEADER).encode()) + "." + encoded(b"[" * 2500 + b"]" * 2500) + ".",
        encoded(b"[" * 2500 + b"]" * 2500) + "." + encoded(b"{}") + ".",
        encoded(json.dumps(HEADER | {"b64": False}).encode()) + "." + encoded(b"{}") + ".",
        encoded(json.dumps(HEADER | {"crit": ["x"]}).encode()) + "." + encoded(b"{}") + ".",
        encoded(json.dumps(HEADER | {"kid": 5}).encode()) + "." + encoded(b"{}") + ".",
    ],
)
def test_what_is_no_token(refused: Callable[[str], Code], garbage: str) -> None:
    assert refused(garbage) is Code.TOKEN_INVALID


def test_a_token_that_is_too_long_is_not_looked_at(refused: Callable[[str], Code]) -> None:
    assert refused(token(padding="x" * 8192)) is Code.TOKEN_INVALID


# Headers


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_token_comes_as_bearer(authenticator: Authenticator, scheme: str) -> None:
    assert authenticator.verify_header(f"{scheme} {token()}").identity == "alice"


@pytest.mark.parametrize(
    ("user", "password"), [(ACCOUNT, "auth-token"), (KEY, SECRET), (SECOND_KEY, SECOND_SECRET)]
)
def test_basic_logins_may_do_all(authenticator: Authenticator, user: str, password: str) -> None:
    principal = authenticator.verify_header(basic(user, password))
    assert principal == Principal(
        identity=SYSTEM, service=None, expires_at=None, key=None if user == ACCOUNT else user
    )
    assert principal.is_owner == (user == ACCOUNT)
    assert authenticator.account_sid == ACCOUNT


@pytest.mark.parametrize(
    ("user", "password"),
    [
        (ACCOUNT, "wrong"),
        (ACCOUNT, ""),
        (ACCOUNT, SECRET),
        (ACCOUNT, "auth-token "),
        (ACCOUNT.lower(), "auth-token"),
        (KEY, "auth-token"),
        (KEY, SECOND_SECRET),
        (KEY, ""),
        (f"SK{'9' * 32}", SECRET),
        (f"SK{'9' * 32}", ""),
        ("", ""),
        ("é", "é"),
        ("\x00", "\x00"),
    ],
)
def test_wrong_basic_logins(authenticator: Authenticator, user: str, password: str) -> None:
    with pytest.raises(Refusal) as caught:
        authenticator.verify_header(basic(user, password))
    assert caught.value.code is Code.AUTHENTICATION_FAILED


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        " ",
        "Basic",
        "Basic ",
        "Basic !!!!",
        "Basic \xff",
        "Basic \ud800",
        f"Basic {base64.b64encode(b'no colon').decode()}",
        f"Basic {base64.b64encode(bytes([255, 254, 58])).decode()}",
        f"Basic {ACCOUNT}:auth-token",
        "Digest username=x",
        ACCOUNT,
        f"Basic{base64.b64encode(f'{ACCOUNT}:auth-token'.encode()).decode()}",
    ],
)
def test_headers_that_prove_nothing(authenticator: Authenticator, header: str | None) -> None:
    with pytest.raises(Refusal) as caught:
        authenticator.verify_header(header)
    assert caught.value.code is Code.AUTHENTICATION_FAILED


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Bearer a b", "Bearer \xff"])
def test_token_holders_without_grants(authenticator: Authenticator, header: str) -> None:
    with pytest.raises(Refusal) as caught:
        authenticator.verify_header(header)
    assert caught.value.code is Code.TOKEN_INVALID


def test_a_secret_is_compared_without_revealing_how_far_it_is_right(
    authenticator: Authenticator, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return one == other

    monkeypatch.setattr(hmac, "compare_digest", compare)
    for user in (ACCOUNT, KEY, "unknown"):
        with pytest.raises(Refusal):
            authenticator.verify_header(basic(user, "guess"))
    # Digests have one length, so that nothing reveals that of a secret.
    assert [guess for guess, _ in compared] == [hashlib.sha256(b"guess").digest()] * 3


# Keys


def test_a_caller_names_the_key_that_vouches_for_it(authenticator: Authenticator) -> None:
    assert authenticator.verify_token(token()).key == KEY
    assert authenticator.verify_header(basic(SECOND_KEY, SECOND_SECRET)).key == SECOND_KEY
    assert authenticator.verify_header(basic(ACCOUNT, "auth-token")).key is None


def test_what_was_vouched_for_ends_with_its_key() -> None:
    keys = Keyring(CREDENTIALS.api_keys)
    authenticator = Authenticator(CREDENTIALS, LEEWAY, keys=keys)
    callers = [
        authenticator.verify_token(token()),
        authenticator.verify_header(basic(KEY, SECRET)),
        authenticator.verify_header(basic(ACCOUNT, "auth-token")),
        authenticator.verify_header(basic(SECOND_KEY, SECOND_SECRET)),
    ]
    for caller in callers:
        authenticator.confirm(caller)
    keys.replace_stored({}, {KEY})
    for caller, code in (
        (callers[0], Code.TOKEN_ISSUER),
        (callers[1], Code.AUTHENTICATION_FAILED),
    ):
        with pytest.raises(Refusal, match="was revoked") as caught:
            authenticator.confirm(caller)
        assert caught.value.code is code
    for caller in callers[2:]:
        authenticator.confirm(caller)
    with pytest.raises(Refusal):
        authenticator.verify_token(token())


@pytest.mark.parametrize(
    ("header", "named"),
    [
        (basic(ACCOUNT, "wrong"), ACCOUNT),
        (basic(KEY, "wrong"), KEY),
        (f"Bearer {token('wrong' * 8)}", KEY),
        (f"bearer  {token(iss=SECOND_KEY)}", SECOND_KEY),
        (basic("mallory", SECRET), None),
        (basic(SECRET, KEY), None),
        (basic(f"{KEY}\n", SECRET), None),
        (f"Bearer {token(iss='mallory')}", None),
        (f"Bearer {token(iss=None)}", None),
        (f"Bearer {token(iss=[KEY])}", None),
        ("Bearer x.y.z", None),
        ("Basic é", None),
        (f"Digest {KEY}", None),
        ("", None),
        (None, None),
    ],
)
def test_what_is_claimed_is_an_account_or_a_key_and_nothing_else(
    header: str | None, named: str | None
) -> None:
    assert claimed(header) == named


def test_the_key_that_signs_can_be_chosen(authenticator: Authenticator) -> None:
    minted = mint_token(CREDENTIALS, "alice", 60, key=SECOND_KEY)
    assert authenticator.verify_token(minted).key == SECOND_KEY
    with pytest.raises(KeyError):
        mint_token(CREDENTIALS, "alice", 60, key=f"SK{'9' * 32}")
