"""Tokens as another library reads them."""

from __future__ import annotations

import time

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline_protocol.access_tokens import CONTENT_TYPE, TOKEN_LIFE_LIMIT, check, mint
from syncline_protocol.identities import is_reserved

ACCOUNT = f"AC{'1' * 32}"
KEY = f"SK{'2' * 32}"
SECRET = "a secret of thirty-two characters"

identities = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=256)


@given(identities.filter(lambda identity: not is_reserved(identity)), st.integers(1, 86_400))
def test_every_token_is_read_as_it_was_made(identity: str, ttl: int) -> None:
    now = int(time.time())
    check(identity, ttl, "default")
    token = mint(ACCOUNT, (KEY, SECRET), identity, ttl=ttl, service="default", now=now)

    claims = jwt.decode(token, SECRET, algorithms=["HS256"], options={"verify_exp": False})
    assert claims == {
        "jti": f"{KEY}-{now}",
        "iss": KEY,
        "sub": ACCOUNT,
        "nbf": now,
        "exp": now + ttl,
        "grants": {"identity": identity, "data_sync": {"service_sid": "default"}},
    }
    header = {"alg": "HS256", "typ": "JWT", "cty": CONTENT_TYPE}
    assert jwt.get_unverified_header(token) == header


def test_what_a_server_would_refuse_is_refused_before() -> None:
    for identity, ttl in (("", 1), ("a" * 257, 1), ("SYSTEM", 1), ("a", 0)):
        with pytest.raises(ValueError):
            check(identity, ttl, "default")
    with pytest.raises(ValueError, match="24 h"):
        check("a", TOKEN_LIFE_LIMIT + 1, "default")
