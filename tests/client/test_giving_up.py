"""Callers that give up `document()`: nothing of it stays on the server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from support.api import DocumentsApi, unique
from support.limits import WAIT_LIMIT
from support.listening import record_events, state
from support.metrics import scrape
from support.peer import document, peer
from support.proxy import Proxy
from support.server import RunningServer, StartServer
from support.snapshots import SID
from syncline import Client, ConnectionState, RequestTimeout, connect

FAST: dict[str, Any] = {"backoff_initial": 0.01, "backoff_limit": 0.05}


@pytest.fixture(params=["websocket", "rest"])
def transport(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def lone_server(fresh_server: StartServer) -> Iterator[RunningServer]:
    """A server whose subscriptions are those of the test."""
    yield fresh_server("--demo")


async def test_what_is_cancelled_at_any_moment_is_taken_back(
    lone_server: RunningServer, transport: Any
) -> None:
    async with connect(lone_server.url, token=lone_server.token(), transport=transport) as client:
        kept = await client.document("kept")
        recorder = record_events(kept)
        for moment in range(50):
            opening = asyncio.create_task(client.document(f"document {moment % 5}"))
            # By requests, which take about as long: some end before the cancellation.
            for _ in range(moment % 3):
                await kept.increment("/n")
            for _ in range(moment):
                await asyncio.sleep(0)
            opening.cancel()
            with suppress(asyncio.CancelledError):
                await (await opening).close()
        await subscriptions_are(lone_server, 1)
        with DocumentsApi(lone_server) as api:
            api.call("POST", kept.sid, data={"Data": '{"end":true}'})
        await recorder.until(lambda event: event.data == {"end": True})


async def test_what_times_out_is_taken_back_when_its_reply_comes(
    lone_server: RunningServer, transport: Any
) -> None:
    options = {"transport": transport, "request_timeout": 0.3}
    async with (
        Proxy(lone_server) as proxy,
        connect(proxy.url, token=lone_server.token(), **options) as client,
    ):
        proxy.stall()
        late = await asyncio.gather(
            *(client.document(unique()) for _ in range(10)), return_exceptions=True
        )
        assert {type(error) for error in late} == {RequestTimeout}
        proxy.release()
        await subscriptions_are(lone_server, 0)


async def test_what_is_cancelled_while_the_client_connects_again_is_not_opened(
    lone_server: RunningServer, transport: Any
) -> None:
    options = {"transport": transport, **FAST}
    async with (
        Proxy(lone_server, keeps_alive=False) as gateway,
        connect(gateway.url, token=lone_server.token(), **options) as client,
    ):
        kept = await client.document("kept")
        gateway.reply = b""
        gateway.cut()
        await state(client, ConnectionState.WAITING)
        opening = [asyncio.create_task(client.document(unique())) for _ in range(10)]
        await asyncio.sleep(0)
        for task in opening:
            task.cancel()
        await asyncio.gather(*opening, return_exceptions=True)
        gateway.reply = None
        await kept.set({})
        await subscriptions_are(lone_server, 1)


async def test_a_handle_that_is_closed_while_the_client_connects_again_is_not_opened(
    lone_server: RunningServer, transport: Any
) -> None:
    options = {"transport": transport, **FAST}
    async with (
        Proxy(lone_server, keeps_alive=False) as gateway,
        connect(gateway.url, token=lone_server.token(), **options) as client,
    ):
        handles = [await client.document(unique()) for _ in range(5)]
        gateway.reply = b""
        gateway.cut()
        await state(client, ConnectionState.WAITING)
        for handle in handles[1:]:
            await handle.close()
        gateway.reply = None
        await handles[0].set({})
        await subscriptions_are(lone_server, 1)


async def test_a_late_reply_leaves_a_document_open_that_has_another_handle() -> None:
    async with peer() as server, connect(server.url, token="t") as client:
        connection = await server.next()
        first = await opened(client, connection)
        second = asyncio.create_task(client.document("name"))
        assert (await connection.receive())["do"] == "open"
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        await connection.ok(created=False, document=document(1))
        write = asyncio.create_task(first.set({"at": 2}))
        assert (await connection.receive())["do"] == "set"
        await connection.ok(document={"sid": SID, "revision": "2"})
        await write


async def test_a_reply_that_comes_with_the_cancellation_is_taken_back() -> None:
    async with peer() as server, connect(server.url, token="t") as client:
        connection = await server.next()
        opening = asyncio.create_task(client.document("name"))
        await connection.receive()
        await connection.ok(created=False, document=document(1))
        while not client._objects._subscriptions:
            await asyncio.sleep(0)
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        assert await connection.receive() == {"do": "unsubscribe", "document": SID}


async def opened(client: Client, connection: Any) -> Any:
    opening = asyncio.create_task(client.document("name"))
    await connection.receive()
    await connection.ok(created=False, document=document(1))
    return await opening


async def subscriptions_are(server: RunningServer, number: int) -> None:
    """Return when connections have so many documents open; no event reports that."""
    async with asyncio.timeout(WAIT_LIMIT):
        while await asyncio.to_thread(_subscriptions, server) != number:
            await asyncio.sleep(0.05)


def _subscriptions(server: RunningServer) -> float:
    return scrape(server).total("syncline_subscriptions")
