from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.listening import all_quiet
from syncline import TokenDenied, TokenUnavailable
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
    tokens = iter(["a.b.first", "a.b.second"])
    source = TokenSource(lambda: next(tokens))

    assert source.renewable
    assert [await source.get(), await source.get()] == ["a.b.first", "a.b.second"]


async def test_an_asynchronous_function_is_awaited() -> None:
    async def fetch() -> str:
        return " a.b.fetched\n"

    assert await TokenSource(fetch).get() == "a.b.fetched"


async def test_what_the_function_raises_is_the_cause() -> None:
    def fail() -> str:
        raise ConnectionError("no token today")

    with pytest.raises(TokenUnavailable, match="raised ConnectionError: no token today") as caught:
        await TokenSource(fail).get()
    assert isinstance(caught.value.__cause__, ConnectionError)
    assert caught.value.retry


async def test_the_application_can_say_that_there_will_be_none() -> None:
    def sign_out() -> str:
        raise TokenDenied("signed out")

    with pytest.raises(TokenDenied, match="signed out") as caught:
        await TokenSource(sign_out).get()
    assert not caught.value.retry


@pytest.mark.parametrize(
    ("returned", "kind"),
    [
        (None, "None"),
        ("", "str of length 0"),
        ("<!doctype html><title>secret</title>", "str of length 36"),
        ('{"token": "secret"}', "str of length 19"),
        ("secret.secret", "str of length 13"),
        ("secret..secret", "str of length 14"),
        ("se cret.a.b", "str of length 11"),
        ("sécret.a.b", "str of length 10"),
        (b"secret.a.b", "bytes of length 10"),
        ({"token": "secret.a.b"}, "dict of length 1"),
        (5, "int"),
    ],
)
async def test_what_is_no_jwt_is_no_token(returned: Any, kind: str) -> None:
    with pytest.raises(TokenUnavailable, match=f"no JWT but {kind}$") as caught:
        await TokenSource(lambda: returned).get()
    assert "secret" not in str(caught.value)


async def test_a_function_that_never_returns_is_left() -> None:
    async def hang() -> str:
        await asyncio.Event().wait()
        raise AssertionError

    before = asyncio.all_tasks()
    with pytest.raises(TokenUnavailable, match="did not return within 0.01 s"):
        await TokenSource(hang, 0.01).get()
    await all_quiet(before)


async def test_a_function_that_is_cancelled_cancels_nothing_else() -> None:
    async def cancelled() -> str:
        raise asyncio.CancelledError

    with pytest.raises(TokenUnavailable, match="was cancelled"):
        await TokenSource(cancelled).get()


@pytest.mark.parametrize("token", [None, b"a.b.c", 5, "a.b\nc", "å.b.c"])
def test_what_cannot_be_a_token_is_refused_at_once(token: Any) -> None:
    with pytest.raises(ValueError, match="token"):
        TokenSource(token)


def test_claims_are_read_from_a_token_of_the_server() -> None:
    credentials = Credentials("AC" + "0" * 32, "secret", {"SK" + "0" * 32: "secret" * 8})
    token = mint_token(credentials, "ålice", 60, service="IS" + "0" * 32)

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


@given(st.text() | st.text().map(lambda text: f"e30.{text}.c2ln"))
def test_any_text_can_be_asked_for_its_claims(token: str) -> None:
    assert isinstance(Claims.of(token), Claims)
