from __future__ import annotations

import asyncio
import logging
import re
from collections import Counter
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from syncline_server import http as rest
from syncline_server.config.settings import Settings
from syncline_server.http.middleware.exchange import REQUEST_WORK, RequestLimit
from syncline_server.http.routing import Route
from syncline_server.objects.work import WorkQueue
from syncline_server.observability.audit import Audit
from syncline_server.observability.metrics import Meters

REQUEST_ID = re.compile(r"RQ[0-9a-f]{32}")


async def succeed(_: Request) -> Response:
    return PlainTextResponse("fine")


async def fail(_: Request) -> Response:
    raise RuntimeError("a secret")


async def break_off(_: Request) -> Response:
    def chunks() -> Iterator[str]:
        yield "some"
        raise RuntimeError("midway")

    return StreamingResponse(chunks())


def client(*, raise_server_exceptions: bool = True) -> TestClient:
    app = Starlette(
        routes=[
            Route("/fine", {"GET": succeed}),
            Route("/failing", {"GET": fail}),
            Route("/breaking", {"GET": break_off}),
        ],
        middleware=rest.middleware(Settings(), Meters(), Audit(100, Counter()), WorkQueue()),
        exception_handlers=rest.exception_handlers,
    )
    return TestClient(app, raise_server_exceptions=raise_server_exceptions)


@pytest.mark.parametrize(("path", "status"), [("/fine", 200), ("/missing", 404), ("/failing", 500)])
def test_every_reply_has_an_id_of_its_own(path: str, status: int) -> None:
    first, second = client().get(path), client().get(path)
    assert first.status_code == status
    assert REQUEST_ID.fullmatch(first.headers["X-Request-Id"])
    assert first.headers["X-Request-Id"] != second.headers["X-Request-Id"]


def test_a_method_that_is_not_allowed_has_an_id_too() -> None:
    assert REQUEST_ID.fullmatch(client().post("/fine").headers["X-Request-Id"])


@pytest.mark.parametrize("given", ["a", "4bf92f3577b34da6", "Root=1-67891233:a/b+c._-", "x" * 128])
def test_an_id_that_is_well_formed_stays(given: str) -> None:
    reply = client().get("/fine", headers={"X-Request-Id": given})
    assert reply.headers.get_list("X-Request-Id") == [given]


@pytest.mark.parametrize("given", [b"", b"a b", b"x" * 129, b'a"b', b"a,b", b"\xe9"])
def test_any_other_id_gives_way(given: bytes) -> None:
    reply = client().get("/fine", headers=[(b"X-Request-Id", given)])
    assert REQUEST_ID.fullmatch(reply.headers["X-Request-Id"])


def test_what_nobody_expected_is_logged_and_not_reported(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        reply = client().get("/failing")
    assert reply.json()["code"] == 20500
    assert "secret" not in reply.text
    assert reply.headers["X-Request-Id"] in reply.json()["message"]
    assert reply.headers["X-Request-Id"] in caplog.text
    assert "RuntimeError: a secret" in caplog.text


def test_a_reply_that_breaks_midway_is_not_replaced() -> None:
    with pytest.raises(RuntimeError, match="midway"):
        client().get("/breaking")


def test_websockets_pass_untouched() -> None:
    async def greet(scope: Scope, receive: Receive, send: Send) -> None:
        socket = WebSocket(scope, receive, send)
        await socket.accept()
        await socket.send_text("hello")
        await socket.close()

    app: ASGIApp = greet
    layers = rest.middleware(Settings(), Meters(), Audit(100, Counter()), WorkQueue())
    for cls, args, kwargs in reversed(layers):
        app = cls(app, *args, **kwargs)
    with TestClient(app).websocket_connect("/") as socket:
        assert socket.receive_text() == "hello"


async def test_requests_that_come_at_once_begin_a_few_at_a_time_and_probes_before_them() -> None:
    begun: list[str] = []
    ended: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        begun.append(scope["path"])
        await asyncio.sleep(0)  # what a request costs beside
        ended.append(scope["path"])

    async def ignore(_: Message) -> None:
        raise AssertionError

    work = WorkQueue(2 * REQUEST_WORK)
    request_limit = RequestLimit(
        app, limit=100, meters=Meters(), audit=Audit(100, Counter()), work=work
    )
    paths = [*(f"/{number}" for number in range(20)), "/healthz"]
    requests = [
        asyncio.create_task(request_limit({"type": "http", "path": path}, _nothing, ignore))
        for path in paths
    ]
    await asyncio.gather(*requests)
    assert begun[:3] == ["/0", "/1", "/healthz"]
    assert begun[3:] == [f"/{number}" for number in range(2, 20)]
    # Those that began were on their way before the last ones began.
    assert begun.index("/healthz") < 3 and ended.index("/healthz") < 4


async def _nothing() -> Message:
    raise AssertionError
