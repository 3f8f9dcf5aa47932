from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.strategies import bounded
from syncline.token import Claims, TokenSource
from syncline_server.auth.authenticator import mint_token
from syncline_server.config.credentials import Credentials


def jwt_of(payload: Any) -> str:
    encoded = base64.urlsafe_b64encode(json.dumps(payload).encode()).rstrip(b"=").decode()
    return f"e30.{encoded}.c2ln"


async def test_a_string_is_the_token_always() -> None:
    source = TokenSource("eyJ")

    assert not source.renewable
    assert [await source.get(), await source.get()] == ["eyJ", "eyJ"]


async def test_a_function_is_asked_each_time() -> None:
    tokens = iter(["first", "second"])
    source = TokenSource(lambda: next(tokens))

    assert source.renewable
    assert [await source.get(), await source.get()] == ["first", "second"]


async def test_an_asynchronous_function_is_awaited() -> None:
    async def fetch() -> str:
        return "fetched"

    assert await TokenSource(fetch).get() == "fetched"


async def test_what_the_function_raises_goes_through() -> None:
    def fail() -> str:
        raise ConnectionError("no token today")

    with pytest.raises(ConnectionError, match="no token today"):
        await TokenSource(fail).get()


def test_claims_are_read_from_a_token_of_the_server() -> None:
    credentials = Credentials("AC" + "0" * 32, "secret", {"SK" + "0" * 32: "secret" * 8})
    token = mint_token(credentials, "ålice", 60, "IS" + "0" * 32)

    assert Claims.of(token) == Claims("ålice", "IS" + "0" * 32)


@pytest.mark.parametrize(
    ("payload", "claims"),
    [
        ({"grants": {"identity": "alice", "data_sync": {}}}, Claims("alice", "default")),
        ({"grants": {"identity": "alice"}}, Claims("alice", "default")),
        ({"grants": {"data_sync": {"service_sid": "IS1"}}}, Claims(None, "IS1")),
        ({"grants": {"identity": 5, "data_sync": {"service_sid": 5}}}, Claims()),
        ({"grants": {"identity": "alice", "data_sync": "x"}}, Claims("alice", "default")),
        ({"grants": []}, Claims()),
        ({}, Claims()),
        ([], Claims()),
        ("grants", Claims()),
        (None, Claims()),
    ],
)
def test_a_claim_that_a_token_does_not_make_has_its_default(payload: Any, claims: Claims) -> None:
    assert Claims.of(jwt_of(payload)) == claims


@pytest.mark.parametrize(
    "token", ["", "eyJ", "a.b", "a.b.c", "a.!.c", "a.b.c.d", "a.é.c", "a.eyJhIjo.c"]
)
def test_what_is_no_token_claims_nothing(token: str) -> None:
    assert Claims.of(token) == Claims(None, "default")


@bounded
@given(st.text() | st.text().map(lambda text: f"e30.{text}.c2ln"))
def test_any_text_can_be_asked_for_its_claims(token: str) -> None:
    assert isinstance(Claims.of(token), Claims)
