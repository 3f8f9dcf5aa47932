from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.testclient import TestClient
from starlette.types import Message

from syncline_protocol.documents import Increment, MergePatch, OperationsPatch
from syncline_server.http.body import read_members, read_parameters, read_patch
from syncline_server.http.errors import exception_handlers
from syncline_server.http.routing import Route

LIMIT = 64
VALUES = 200
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


@dataclass(frozen=True)
class Limits:
    body_limit: int = LIMIT
    values_limit: int = VALUES


worked: list[int] = []


async def count_work(units: int) -> None:
    worked.append(units)


async def parameters(request: Request) -> Response:
    return JSONResponse(await read_parameters(request, Limits(), count_work))


async def only_json(request: Request) -> Response:
    return JSONResponse(await read_members(request, Limits(), count_work))


async def patch(request: Request) -> Response:
    match await read_patch(request, Limits(), count_work):
        case MergePatch(value) | OperationsPatch(value) | Increment(value) as body:
            return JSONResponse([type(body).__name__, value])


@pytest.fixture
def client() -> TestClient:
    routes = [Route("/", {"POST": parameters, "PATCH": patch, "PUT": only_json})]
    return TestClient(Starlette(routes=routes, exception_handlers=exception_handlers))


def post(client: TestClient, body: bytes, content_type: str | None, **headers: str) -> Any:
    if content_type is not None:
        headers["Content-Type"] = content_type
    reply = client.post("/", content=body, headers=headers)
    return reply.json() if reply.is_success else (reply.status_code, reply.json()["code"])


async def test_a_body_whose_client_goes_away_has_no_parameters() -> None:
    messages: list[Message] = [
        {"type": "http.request", "body": b"Data=%7B%7D", "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Message:
        return messages.pop(0)

    headers = [(b"content-type", FORM.encode())]
    request = Request({"type": "http", "method": "POST", "headers": headers}, receive)
    with pytest.raises(ClientDisconnect):
        await read_parameters(request, Limits(), count_work)


async def test_a_body_in_many_chunks_is_read_as_one() -> None:
    chunks = [b"Da", b"", b"ta=%7B", b"%7D"]
    messages: list[Message] = [
        {"type": "http.request", "body": each, "more_body": True} for each in chunks
    ]

    async def receive() -> Message:
        return messages.pop(0) if messages else {"type": "http.request"}

    headers = [(b"content-type", FORM.encode())]
    request = Request({"type": "http", "method": "POST", "headers": headers}, receive)
    assert await read_parameters(request, Limits(), count_work) == [("Data", "{}")]


@pytest.mark.parametrize("content_type", [None, FORM, JSON, "image/png", "text/plain; charset=x"])
def test_an_empty_body_has_no_parameters_whatever_its_type(
    client: TestClient, content_type: str | None
) -> None:
    assert post(client, b"", content_type) == []


@pytest.mark.parametrize(
    "content_type", [FORM, FORM.upper(), f"{FORM}; charset=UTF-8", f'{FORM};charset="utf-8"']
)
def test_a_form(client: TestClient, content_type: str) -> None:
    assert post(client, b"Data=%7B%7D&Ttl=1", content_type) == [["Data", "{}"], ["Ttl", "1"]]


@pytest.mark.parametrize("content_type", [JSON, f"{JSON}; charset=utf-8", f"{JSON}; profile=x"])
def test_json(client: TestClient, content_type: str) -> None:
    assert post(client, b'{"data":{"a":1},"ttl":1}', content_type) == [
        ["data", {"a": 1}],
        ["ttl", 1],
    ]


@pytest.mark.parametrize(
    ("body", "content_type", "error"),
    [
        (b"a", None, (415, 20415)),
        (b"a", "text/plain", (415, 20415)),
        (b"a", "multipart/form-data; boundary=x", (415, 20415)),
        (b"a", ";;;", (415, 20415)),
        (b"a=1", f"{FORM}; charset=utf-16", (415, 20415)),
        (b"a=%", FORM, (400, 20400)),
        (b"a=%ff", FORM, (400, 20400)),
        (b"[1]", JSON, (400, 54008)),
        (b"{", JSON, (400, 54008)),
        (b"\xff", JSON, (400, 54008)),
        (b'{"a":1,"a":2}', JSON, (400, 54008)),
        (b"[" * LIMIT, JSON, (400, 54008)),
        (b"x" * (LIMIT + 1), FORM, (413, 54006)),
    ],
)
def test_bodies_that_are_refused(
    client: TestClient, body: bytes, content_type: str | None, error: tuple[int, int]
) -> None:
    assert post(client, body, content_type) == error


def test_a_compressed_body_is_refused(client: TestClient) -> None:
    assert post(client, b"a", FORM, **{"Content-Encoding": "gzip"}) == (415, 20415)
    assert post(client, b"a=1", FORM, **{"Content-Encoding": "identity"}) == [["a", "1"]]


def test_the_largest_body_is_read(client: TestClient) -> None:
    assert post(client, b"a=" + b"x" * (LIMIT - 2), FORM) == [["a", "x" * (LIMIT - 2)]]


@pytest.mark.parametrize("length", [str(LIMIT + 1), "9" * 5000])
def test_a_declared_length_is_refused_before_anything_is_read(
    client: TestClient, length: str
) -> None:
    assert post(client, b"a=1", FORM, **{"Content-Length": length}) == (413, 54006)


def test_a_chunked_body_is_refused_when_it_passes_the_limit(client: TestClient) -> None:
    def chunks(count: int) -> Iterator[bytes]:
        for _ in range(count):
            yield b"a=1&" * 4

    few = client.post("/", content=chunks(4), headers={"Content-Type": FORM})
    many = client.post("/", content=chunks(5), headers={"Content-Type": FORM})
    assert few.json() == [["a", "1"]] * 16
    assert (many.status_code, many.json()["code"]) == (413, 54006)


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("application/merge-patch+json", '{"a":null}', ["MergePatch", {"a": None}]),
        ("application/json-patch+json; charset=utf-8", "[]", ["OperationsPatch", []]),
        ("application/vnd.syncline.increment+json", '{"/n":1}', ["Increment", {"/n": 1}]),
    ],
)
def test_the_content_type_reports_the_kind_of_a_patch(
    client: TestClient, content_type: str, body: str, expected: Any
) -> None:
    reply = client.patch("/", content=body, headers={"Content-Type": content_type})
    assert reply.json() == expected


@pytest.mark.parametrize(
    ("content_type", "body", "status", "code"),
    [
        ("application/json", "{}", 415, 20415),
        ("", "{}", 415, 20415),
        ("application/merge-patch+json", "", 400, 54008),
        ("application/merge-patch+json", "[]", 400, 20422),
        ("application/json-patch+json", "{}", 400, 20422),
        ("application/vnd.syncline.increment+json", '{"/n":"1"}', 400, 20422),
        ("application/merge-patch+json", "x" * (LIMIT + 1), 413, 54006),
    ],
)
def test_patches_that_are_refused(
    client: TestClient, content_type: str, body: str, status: int, code: int
) -> None:
    reply = client.patch("/", content=body, headers={"Content-Type": content_type})
    assert (reply.status_code, reply.json()["code"]) == (status, code)


def test_a_refused_patch_type_comes_with_those_that_are_accepted(client: TestClient) -> None:
    reply = client.patch("/", content="{}", headers={"Content-Type": JSON})
    assert "application/merge-patch+json" in reply.headers["Accept-Patch"]


def test_members_are_those_of_a_json_object(client: TestClient) -> None:
    reply = client.put("/", content=b'{"a":[1]}', headers={"Content-Type": JSON})
    assert reply.json() == [["a", [1]]]
    assert worked.pop() > 0


@pytest.mark.parametrize(
    ("body", "content_type", "error"),
    [
        (b"", JSON, (400, 54008)),
        (b"[1]", JSON, (400, 54008)),
        (b"{", JSON, (400, 54008)),
        (b"a=1", FORM, (415, 20415)),
        (b"", None, (415, 20415)),
        (b'{"a":"%s"}' % (b"x" * LIMIT), JSON, (413, 54006)),
    ],
)
def test_other_bodies_than_a_json_object_are_refused(
    client: TestClient, body: bytes, content_type: str | None, error: tuple[int, int]
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    reply = client.put("/", content=body, headers=headers)
    assert (reply.status_code, reply.json()["code"]) == error
