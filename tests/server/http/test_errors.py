from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.testclient import TestClient

from syncline_protocol.documents import Document
from syncline_protocol.errors import Code, Refusal
from syncline_server.http.errors import DetailedRefusal, exception_handlers
from syncline_server.http.routing import Route

DOCUMENT = Document(
    sid="ET" + "0" * 32,
    unique_name=None,
    revision=7,
    data=b'{"a":1}',
    created_ms=1,
    updated_ms=2,
    expires_ms=None,
    created_by="system",
    updated_by="alice",
)


def raising(error: Exception) -> TestClient:
    async def fail(_: Request) -> Response:
        raise error

    routes = [Route("/v1/Services/{service}/Documents/{document}", {"GET": fail, "PATCH": fail})]
    return TestClient(
        Starlette(routes=routes, exception_handlers=exception_handlers),
        base_url="http://test/v1/Services/default/Documents/",
    )


@pytest.mark.parametrize("code", [code for code in Code if code.status != 404])
def test_a_refusal_has_the_vendors_body(code: Code) -> None:
    reply = raising(Refusal(code, "A sentence.")).get("a")
    assert reply.status_code == code.status
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.json() == {
        "code": int(code),
        "message": "A sentence.",
        "more_info": f"https://www.twilio.com/docs/errors/{int(code)}",
        "status": code.status,
    }


def test_a_detailed_refusal_has_its_details() -> None:
    refusal = DetailedRefusal(Refusal(Code.MAP_ITEM_MISMATCH, "A sentence."), {"item": {"a": 1}})
    reply = raising(refusal).get("a")
    assert (reply.status_code, reply.json()["code"]) == (412, 54205)
    assert reply.json()["details"] == {"item": {"a": 1}}


@pytest.mark.parametrize(
    "code",
    [
        Code.DOCUMENT_NOT_FOUND,
        Code.LIST_ITEM_NOT_FOUND,
        Code.MAP_ITEM_NOT_FOUND,
        Code.NAME_NOT_FOUND,
    ],
)
def test_a_document_that_is_not_there_is_the_general_not_found(code: Code) -> None:
    reply = raising(Refusal(code, "…")).get("a%2Fb")
    assert reply.status_code == 404
    assert reply.json()["code"] == 20404
    assert (
        reply.json()["message"]
        == "The requested resource /Services/default/Documents/a%2Fb was not found"
    )


def test_a_service_that_is_not_there_has_its_own_code() -> None:
    reply = raising(Refusal(Code.SERVICE_NOT_FOUND, "There is no service 'x'.")).get("a")
    assert (reply.status_code, reply.json()["code"]) == (404, 54050)


def test_a_path_that_is_not_there_is_not_found() -> None:
    reply = raising(ValueError()).get("http://test/nothing")
    assert reply.json() == {
        "code": 20404,
        "message": "The requested resource /nothing was not found",
        "more_info": "https://www.twilio.com/docs/errors/20404",
        "status": 404,
    }


def test_another_status_of_the_framework_keeps_its_text() -> None:
    reply = raising(HTTPException(418, "A teapot.", {"X-Pot": "tea"})).get("a")
    assert (reply.json()["code"], reply.json()["message"]) == (20418, "A teapot.")
    assert reply.headers["X-Pot"] == "tea"


def test_a_mismatch_carries_the_newest_document() -> None:
    reply = raising(Refusal(Code.REVISION_MISMATCH, "…", newest=DOCUMENT)).get("a")
    document = reply.json()["details"]["document"]
    assert (document["revision"], document["data"]) == ("7", {"a": 1})
    assert document["date_updated"] == "1970-01-01T00:00:00.002Z"
    assert document["updated_by"] == "alice"


@pytest.mark.parametrize("code", [Code.UNAVAILABLE, Code.TOO_MANY_REQUESTS])
def test_what_may_succeed_later_says_when(code: Code) -> None:
    assert raising(Refusal(code, "…")).get("a").headers["Retry-After"] == "1"


def test_what_is_final_says_no_time() -> None:
    assert "Retry-After" not in raising(Refusal(Code.CONFLICT, "…")).get("a").headers


@pytest.mark.parametrize(
    ("authorization", "challenge"),
    [
        (None, 'Basic realm="Syncline", charset="UTF-8"'),
        ("Basic eDp5", 'Basic realm="Syncline", charset="UTF-8"'),
        ("bearer x", 'Bearer realm="Syncline", error="invalid_token"'),
    ],
)
def test_the_challenge_is_in_the_scheme_that_was_tried(
    authorization: str | None, challenge: str
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    reply = raising(Refusal(Code.TOKEN_EXPIRED, "…")).get("a", headers=headers)
    assert reply.headers["WWW-Authenticate"] == challenge


def test_a_caller_that_went_away_is_no_failure() -> None:
    assert raising(ClientDisconnect()).get("a").status_code == 400


def test_errors_are_not_cached() -> None:
    assert raising(Refusal(Code.CONFLICT, "…")).get("a").headers["Cache-Control"] == "no-store"
