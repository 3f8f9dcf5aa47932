from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.testclient import TestClient

from syncline_server.http.middleware.cors import CrossOrigin
from syncline_server.http.routing import Route

PREFIX = "access-control-"


async def answer(_: Request) -> Response:
    return PlainTextResponse("fine", headers={"Vary": "Accept"})


def client(*origins: str) -> TestClient:
    return TestClient(
        Starlette(
            routes=[Route("/", {"GET": answer})],
            middleware=[Middleware(CrossOrigin, origins=origins)],
        )
    )


def permissions(reply: object) -> set[str]:
    headers = reply.headers  # type: ignore[attr-defined]
    return {name.removeprefix(PREFIX) for name in headers if name.startswith(PREFIX)}


VENDORS = {"allow-origin", "allow-methods", "allow-headers", "allow-credentials", "expose-headers"}


def test_every_reply_has_those_of_the_vendors_headers_that_mean_something() -> None:
    reply = client("*").get("/")
    assert permissions(reply) == VENDORS - {"allow-credentials"}
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    exposed = reply.headers["Access-Control-Expose-Headers"].split(", ")
    assert {"ETag", "X-Request-Id", "Retry-After", "Idempotency-Replayed"} <= set(exposed)


@pytest.mark.parametrize("path", ["/", "/missing"])
def test_a_preflight_is_answered_for_every_path(path: str) -> None:
    headers = {"Origin": "https://a.test", "Access-Control-Request-Method": "PATCH"}
    reply = client("*").options(path, headers=headers)
    assert reply.status_code == 204
    methods = reply.headers["Access-Control-Allow-Methods"].split(", ")
    assert {"GET", "POST", "PUT", "PATCH", "DELETE"} <= set(methods)
    allowed = reply.headers["Access-Control-Allow-Headers"].split(", ")
    assert {"Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID"} <= set(allowed)
    assert int(reply.headers["Access-Control-Max-Age"]) > 0


VENDORS_REQUEST_HEADERS = (
    "Accept",
    "Authorization",
    "Content-Type",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Unmodified-Since",
    "User-Agent",
    "X-Twilio-Client",
)


@pytest.mark.parametrize("name", VENDORS_REQUEST_HEADERS)
def test_a_page_may_send_what_the_vendors_api_takes(name: str) -> None:
    headers = {
        "Origin": "https://a.test",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": name.lower(),
    }
    for origins in ("*", "https://a.test"):
        reply = client(origins).options("/", headers=headers)
        assert name in reply.headers["Access-Control-Allow-Headers"].split(", ")


def test_options_without_a_preflights_header_goes_to_the_resource() -> None:
    assert client("*").options("/").headers["Allow"] == "GET, HEAD, OPTIONS"


def test_an_origin_of_the_list_is_named() -> None:
    reply = client("https://a.test", "https://b.test").get(
        "/", headers={"Origin": "https://b.test"}
    )
    assert reply.headers["Access-Control-Allow-Origin"] == "https://b.test"
    assert reply.headers["Access-Control-Allow-Credentials"] == "true"
    assert reply.headers.get_list("Vary") == ["Accept", "Origin"]
    assert permissions(reply) == VENDORS


@pytest.mark.parametrize("origin", ["https://c.test", "https://a.test.evil", "null"])
def test_another_origin_gets_no_permission(origin: str) -> None:
    reply = client("https://a.test").get("/", headers={"Origin": origin})
    assert reply.status_code == 200
    assert permissions(reply) == set()
    assert "Origin" in reply.headers.get_list("Vary")


def test_the_preflight_of_another_origin_gets_no_permission() -> None:
    headers = {"Origin": "https://c.test", "Access-Control-Request-Method": "POST"}
    assert (
        "Access-Control-Allow-Origin"
        not in client("https://a.test").options("/", headers=headers).headers
    )


def test_without_an_origin_a_list_gives_no_permission() -> None:
    assert permissions(client("https://a.test").get("/")) == set()
