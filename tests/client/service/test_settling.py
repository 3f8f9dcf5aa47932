"""What the clients of back ends do when the network, a gateway or the server fails."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from support.api import unique
from support.back_end import begun, collect, now, open_service
from support.http import Ask, HttpServer, Reply, forwarding, json_reply
from support.server import RunningServer, StartServer
from syncline import (
    ClientClosed,
    ConnectionLost,
    NotFound,
    RequestTimeout,
    Unauthorized,
    Unavailable,
)

PAGES = [
    Reply(502, b"<html>", {"Content-Type": "text/html"}),
    json_reply(500, {"error": "no upstream"}),
    json_reply(429, {"message": "slow down"}),
]
FOREIGN = [
    Reply(404, b"<html>", {"Content-Type": "text/html"}),
    Reply(302, b"", {"Location": "https://example.com/login"}),
    json_reply(200, {"login": "here"}),
    json_reply(200, ["a", "list"]),
    Reply(200, b"<html>"),
]


def once_for_each(
    server: RunningServer, fault: Callable[[Ask], Reply | None], method: str = ""
) -> Callable[[Ask], Reply | None]:
    """Answers the first request with a fault, for each method and operation; then forwards."""
    seen = set[tuple[str, str, str]]()

    def answer(ask: Ask) -> Reply | None:
        key = (ask.method, ask.target, ask.headers.get("Idempotency-Key", ""))
        if key in seen or not ask.method.startswith(method):
            return forwarding(server.url)(ask)
        seen.add(key)
        return fault(ask)

    return answer


def lost(server: RunningServer) -> Callable[[Ask], Reply | None]:
    """The fault of a connection that breaks after the server has acted, before its reply."""

    def fault(ask: Ask) -> None:
        forwarding(server.url)(ask)

    return fault


async def test_writes_whose_replies_are_lost_are_applied_once(
    kind: str, server: RunningServer
) -> None:
    name = unique()
    with HttpServer(once_for_each(server, lost(server))) as way:
        async with begun(open_service(kind, server, way.url)) as service:
            document = await now(service.documents.create(name, {"n": 0}))
            for _ in range(3):
                await now(document.increment("/n"))
            assert await now(document.mutate(lambda data: {"n": data["n"] + 1})) == {"n": 4}
            news = await now(service.lists.create(name))
            for _ in range(3):
                await now(news.append({}))
            assert len(await collect(news)) == 3
            async with begun(news.batch()) as batch:
                batch.append({})
            assert len(await collect(news)) == 4
            await now(news.remove(0))
            await now(document.permissions.set("alice", read=True))
            await now(document.permissions.remove("alice"))
            await now(document.remove())
            made = await now(service.services.create(friendly_name="once"))
            found = await collect(service.services)
            assert [each.sid for each in found if each.friendly_name == "once"] == [made.sid]
            await now(service.services.remove(made.sid))


async def test_a_key_whose_secret_is_lost_is_reported(kind: str, server: RunningServer) -> None:
    with HttpServer(once_for_each(server, lost(server), "POST")) as way:
        async with begun(open_service(kind, server, way.url)) as service:
            with pytest.raises(RequestTimeout, match="unknown"):
                await now(service.keys.create("lost"))
            [key] = [k for k in await collect(service.keys) if k.friendly_name == "lost"]
            await now(service.keys.remove(key.sid))
    assert len([ask for ask in way.asked if ask.method == "POST"]) == 1


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.status))
async def test_pages_of_a_gateway_are_weather(
    kind: str, server: RunningServer, page: Reply
) -> None:
    with HttpServer(once_for_each(server, lambda ask: page)) as way:
        async with begun(open_service(kind, server, way.url)) as service:
            document = await now(service.documents.create(unique(), {"n": 0}))
            await now(document.increment("/n"))
            await now(document.refresh())
            assert document.data == {"n": 1}


@pytest.mark.parametrize("page", FOREIGN, ids=lambda page: f"{page.status} {page.body[:6]}")
async def test_another_server_shows_at_once(kind: str, server: RunningServer, page: Reply) -> None:
    with HttpServer(lambda ask: page) as other:
        async with begun(open_service(kind, server, other.url)) as service:
            with pytest.raises(ConnectionLost, match="not Syncline"):
                await now(service.documents.get("a"))
    assert len(other.asked) == 1


async def test_where_syncline_has_answered_every_page_is_weather(
    kind: str, server: RunningServer
) -> None:
    name = unique()
    pages = iter(FOREIGN)

    def answer(ask: Ask) -> Reply:
        page = None if name in ask.target else next(pages, None)
        return page or forwarding(server.url)(ask)

    with HttpServer(answer) as way:
        async with begun(open_service(kind, server, way.url)) as service:
            assert not await now(service.documents.has(name))
            document = await now(service.documents.create(name, {"n": 1}))
            assert document.data == {"n": 1}
    assert len(way.asked) == 2 + len(FOREIGN)


@pytest.mark.parametrize(("status", "code"), [(429, 20429), (503, 20503)])
async def test_refusals_for_a_while_are_waited_for(
    kind: str, server: RunningServer, status: int, code: int
) -> None:
    body = {"code": code, "message": "later", "status": status}
    fault = json_reply(status, body, Retry_After="0")
    with HttpServer(once_for_each(server, lambda ask: fault)) as way:
        async with begun(open_service(kind, server, way.url)) as service:
            document = await now(service.documents.create(unique(), {"n": 0}))
            assert await now(document.increment("/n")) == {"n": 1}
    operations = [ask.headers.get("Idempotency-Key") for ask in way.asked]
    assert operations[0] == operations[1] != operations[2] == operations[3]


async def test_repetitions_are_bounded(kind: str, server: RunningServer) -> None:
    body = {"code": 20503, "message": "later", "status": 503}
    with HttpServer(lambda ask: json_reply(503, body, Retry_After="0")) as busy:
        options = {"retries": 2, "timeout": 600}
        async with begun(open_service(kind, server, busy.url, **options)) as service:
            with pytest.raises(Unavailable):
                await now(service.documents.at("a").increment("/n"))
            assert len(busy.asked) == 3
    with HttpServer(lambda ask: json_reply(503, body, Retry_After="20")) as busy:
        async with begun(open_service(kind, server, busy.url, timeout=5)) as service:
            with pytest.raises(Unavailable) as refused:
                await now(service.documents.at("a").increment("/n"))
            assert (len(busy.asked), refused.value.retry_after) == (1, 20)


async def test_where_no_server_is_nothing_was_changed(kind: str, server: RunningServer) -> None:
    with HttpServer(lambda ask: None) as gone:
        pass
    async with begun(open_service(kind, server, gone.url, retries=1)) as service:
        for call in (service.documents.at("a").refresh, service.documents.create):
            with pytest.raises(ConnectionLost):
                await now(call())


async def test_the_outcome_of_a_write_without_any_reply_is_unknown(
    kind: str, server: RunningServer
) -> None:
    with HttpServer(lambda ask: None) as silent:
        async with begun(open_service(kind, server, silent.url, retries=2)) as service:
            with pytest.raises(RequestTimeout, match="outcome is unknown"):
                await now(service.documents.at("a").increment("/n"))
            with pytest.raises(ConnectionLost):
                await now(service.documents.at("a").refresh())
    assert len(silent.asked) == 6


@pytest.mark.parametrize(("status", "code"), [(429, 20429), (503, 20503), (401, 20003)])
async def test_a_refusal_does_not_hide_that_an_earlier_attempt_may_be_applied(
    kind: str, server: RunningServer, status: int, code: int
) -> None:
    body = {"code": code, "message": "not now", "status": status}

    def answer(ask: Ask) -> Reply | None:
        if ask.method == "GET" or len(way.asked) == 1:
            return forwarding(server.url)(ask)
        if len(way.asked) == 2:
            forwarding(server.url)(ask)
            return None
        return json_reply(status, body, Retry_After="0")

    with HttpServer(answer) as way:
        async with begun(open_service(kind, server, way.url, retries=2)) as service:
            document = await now(service.documents.create(unique(), {"n": 0}))
            with pytest.raises(RequestTimeout, match="unknown.*not now"):
                await now(document.increment("/n"))
            await now(document.refresh())
            assert document.data == {"n": 1}


async def test_writes_go_on_while_the_server_is_stopped_and_back(
    kind: str, fresh_server: StartServer
) -> None:
    server = fresh_server()
    async with begun(open_service(kind, server, retries=1_000)) as service:
        document = await now(service.documents.create("d", {"n": 0}))
        news = await now(service.lists.create("news"))
        restart = threading.Thread(target=server.restart)
        restart.start()
        written = 0
        while restart.is_alive():
            await now(document.increment("/n"))
            await now(news.append({"n": written}))
            written += 1
        restart.join()
        server.kill()
        restart = threading.Thread(target=server.restart)
        restart.start()
        await now(document.increment("/n"))
        restart.join()

        await now(document.refresh())
        assert document.data == {"n": written + 1}
        assert [each.data["n"] for each in await collect(news)] == list(range(written))


async def test_a_closed_service_sends_nothing(kind: str, server: RunningServer) -> None:
    service = open_service(kind, server)
    other = service.for_service("default")
    await now(service.documents.has("a"))
    await now(service.close())
    await now(service.close())

    for each in (service, other):
        with pytest.raises(ClientClosed):
            await now(each.documents.has("a"))


async def test_wrong_credentials_and_missing_services(kind: str, server: RunningServer) -> None:
    account, token = server.basic
    service = open_service(kind, server)
    wrong = type(service)(server.url, account, token + "x")
    async with begun(service), begun(wrong):
        with pytest.raises(Unauthorized):
            await now(wrong.documents.get("a"))
        with pytest.raises(NotFound) as absent:
            await now(service.for_service("nowhere").documents.create())
        assert absent.value.status == 404
    assert token not in repr(service) + repr(vars(service))


def test_secrets_are_in_no_text(server: RunningServer) -> None:
    account, token = server.basic
    with open_service("blocking", server) as service:
        key = service.keys.create("shown")
        assert key.secret is not None
        assert key.secret not in repr(key)
        service.keys.remove(key.sid)
        texts: list[Any] = [service, service._pool.login, service._http, service.documents]
        assert all(token not in repr(each) for each in texts)
    assert httpx2.get(f"{server.url}/v1/Keys", auth=(account, token)).is_success
