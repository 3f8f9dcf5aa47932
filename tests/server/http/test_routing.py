from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute
from starlette.testclient import TestClient

from syncline_server.http.errors import exception_handlers
from syncline_server.http.routing import Endpoint, Route, RouteTable


async def show(request: Request) -> Response:
    return JSONResponse(request.path_params)


@pytest.fixture(params=["each route by itself", "a table of routes"])
def client(request: pytest.FixtureRequest) -> TestClient:
    routes: list[BaseRoute] = [*_routes()]
    if request.param == "a table of routes":
        routes = [RouteTable(_routes())]
    return TestClient(Starlette(routes=routes, exception_handlers=exception_handlers))


def _routes() -> list[Route]:
    return [
        Route("/things", {"GET": show, "POST": show}),
        Route("/things/{thing}", {"GET": show}),
        Route("/things/{thing}/parts/{part}", {"DELETE": show}),
    ]


async def test_a_table_chooses_the_first_of_the_routes_that_match() -> None:
    def named(name: str) -> Endpoint:
        async def answer(request: Request) -> Response:
            return JSONResponse(name)

        return answer

    table = RouteTable(
        [
            Route("/a/{any}", {"GET": named("general")}),
            Route("/a/b", {"GET": named("too late")}),
            Route("/{any}/c", {"GET": named("last")}),
            Route("/x/y", {"GET": named("exact")}),
            Route("/x/{any}", {"GET": named("later")}),
        ]
    )
    client = TestClient(Starlette(routes=[table, Route("/after/all", {"GET": named("after")})]))
    paths = ("/a/b", "/a/c", "/x/y", "/x/c", "/x/z", "/after/all")
    assert [client.get(path).json() for path in paths] == [
        "general",
        "general",
        "exact",
        "last",
        "later",
        "after",
    ]
    # A named segment never matches "".
    assert client.get("/x/").status_code == 404


@pytest.mark.parametrize(
    ("segment", "name"),
    [
        ("plain", "plain"),
        ("a%20b", "a b"),
        ("a+b", "a+b"),
        ("%C3%A9", "é"),
        ("a%2Fb", "a/b"),
        ("%2E%2E%2Fx", "../x"),
        ("%3F%23", "?#"),
        ("%252F", "%2F"),
        ("%00", "\0"),
        ("{thing}", "{thing}"),
    ],
)
def test_a_segment_is_decoded_after_it_was_matched(
    client: TestClient, segment: str, name: str
) -> None:
    assert client.get(f"/things/{segment}").json() == {"thing": name}


def test_several_segments_have_their_names(client: TestClient) -> None:
    assert client.delete("/things/a%2Fb/parts/c").json() == {"thing": "a/b", "part": "c"}


@pytest.mark.parametrize("path", ["/", "/thing", "/things/", "/things/a/b", "/things//parts/c"])
def test_other_paths_are_not_found(client: TestClient, path: str) -> None:
    reply = client.get(path)
    assert reply.status_code == 404
    assert reply.json()["code"] == 20404


@pytest.mark.parametrize("segment", ["%ff", "%C3"])
def test_a_malformed_segment_is_refused(client: TestClient, segment: str) -> None:
    reply = client.get(f"/things/{segment}")
    assert reply.status_code == 400
    assert reply.json()["message"] == "The thing in the path is not valid UTF-8."


def test_head_comes_with_get(client: TestClient) -> None:
    assert client.head("/things/a").status_code == 200


def test_options_reports_the_methods(client: TestClient) -> None:
    reply = client.options("/things")
    assert reply.status_code == 204
    assert reply.headers["Allow"] == "GET, POST, HEAD, OPTIONS"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "BREW"])
def test_another_method_is_refused_with_those_that_are_allowed(
    client: TestClient, method: str
) -> None:
    reply = client.request(method, "/things")
    assert reply.status_code == 405
    assert reply.headers["Allow"] == "GET, POST, HEAD, OPTIONS"
    assert reply.json()["code"] == 20004
    assert method in reply.json()["message"]
