from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest

from support.api import DocumentsApi
from support.server import RunningServer
from support.stream import events_url
from syncline import ConnectionLost, NotFound, Unauthorized
from syncline.sse import event_stream


@asynccontextmanager
async def answering(head: bytes, *chunks: bytes) -> AsyncIterator[str]:
    """The URL of a server that says the same to everybody."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for part in (b"HTTP/1.1 " + head + b"\r\nConnection: close\r\n\r\n", *chunks):
            writer.write(part)
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_events_come_with_name_and_data(server: RunningServer) -> None:
    with DocumentsApi(server) as api:
        sid = api.create(Data='{"é":1}')["sid"]
        async with (
            httpx2.AsyncClient(auth=server.basic) as http,
            event_stream(http, events_url(server, sid)) as events,
        ):
            name, data = await anext(events)
            assert (name, data["data"]) == ("state", {"é": 1})
            api.call("DELETE", sid)
            assert [(name, data["sid"]) async for name, data in events] == [("removed", sid)]


async def test_a_refusal_is_raised(server: RunningServer) -> None:
    async with httpx2.AsyncClient(auth=server.basic) as http:
        with pytest.raises(NotFound):
            async with event_stream(http, events_url(server, "there is no such document")):
                pass
    async with httpx2.AsyncClient() as http:
        with pytest.raises(Unauthorized):
            async with event_stream(http, events_url(server, "x")):
                pass


@pytest.mark.parametrize("status", ["502 Bad Gateway", "404 Gone", "302 Found", "520 Unknown"])
async def test_something_in_between_is_a_lost_connection(status: str) -> None:
    async with httpx2.AsyncClient() as http, answering(status.encode(), b"<html>") as url:
        with pytest.raises(ConnectionLost, match=f"HTTP {status[:3]}.*not Syncline") as lost:
            async with event_stream(http, url):
                pass
    assert lost.value.retry


async def test_what_is_no_event_stream_is_refused() -> None:
    async with (
        httpx2.AsyncClient() as http,
        answering(b"200 OK\r\nContent-Type: text/html", b"<html>") as url,
    ):
        with pytest.raises(ConnectionLost, match="text/html"):
            async with event_stream(http, url):
                pass


async def test_an_event_may_come_in_pieces_between_comments() -> None:
    head = b"200 OK\r\nContent-Type: text/event-stream"
    pieces = (b":\n\nevent: upda", b"ted\nid: 1\nda", b'ta: {"n":', b"1}\n\n:\n\n", b"event: x\n")
    async with (
        httpx2.AsyncClient() as http,
        answering(head, *pieces) as url,
        event_stream(http, url) as events,
    ):
        assert [event async for event in events] == [("updated", {"n": 1})]
