"""A client of event streams that parses each line (docs/protocol.md, section 9)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx2
import orjson

from support.server import RunningServer
from support.socket import WAIT

__all__ = ["EventStream", "StreamEvent", "event_stream", "events_url", "stream_at"]


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One event; `data` is parsed, `id` is None if the event has no id."""

    name: str
    data: Any
    id: str | None


class EventStream:
    """The events of one stream.

    Attributes:
        response: the HTTP response, whose head has arrived.
        comments: number of comments so far.
    """

    def __init__(self, response: httpx2.Response, lines: AsyncIterator[str]) -> None:
        self.response = response
        self.comments = 0
        self._lines = lines

    async def next(self) -> StreamEvent:
        """The next event; fails if the stream ends."""
        event = await self._next()
        assert event is not None
        return event

    async def rest(self) -> list[StreamEvent]:
        """All events until the stream ends."""
        events = []
        while (event := await self._next()) is not None:
            events.append(event)
        return events

    async def _next(self) -> StreamEvent | None:
        fields: dict[str, str] = {}
        async with asyncio.timeout(WAIT):
            async for line in self._lines:
                if line.startswith(":"):
                    self.comments += 1
                elif line:
                    name, _, value = line.partition(": ")
                    assert name not in fields, line
                    fields[name] = value
                elif fields:
                    data = orjson.loads(fields.pop("data"))
                    event = StreamEvent(fields.pop("event"), data, fields.pop("id", None))
                    assert not fields
                    return event
        return None


@asynccontextmanager
async def event_stream(
    server: RunningServer,
    address: str,
    *,
    token: str | None = None,
    last_event_id: str | None = None,
    service: str = "default",
    login: tuple[str, str] | None = None,
    plural: str = "Documents",
    query: str = "",
) -> AsyncIterator[EventStream]:
    """Open the event stream of an object, by default a document.

    `query`: as in a URL, with its question mark.
    `token` None uses Basic credentials: `login`, or else the account. "" sends no credentials.
    """
    url = events_url(server, address, service, plural) + query
    given = login or server.basic if token is None else None
    async with stream_at(url, login=given, token=token, last_event_id=last_event_id) as stream:
        yield stream


@asynccontextmanager
async def stream_at(
    url: str,
    *,
    login: tuple[str, str] | None = None,
    token: str | None = None,
    last_event_id: str | None = None,
) -> AsyncIterator[EventStream]:
    """Open the event stream at `url`, with Basic credentials or a token."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if last_event_id is not None:
        headers["Last-Event-ID"] = last_event_id
    async with (
        # Skip loading certificates, which takes time: the server has no TLS.
        httpx2.AsyncClient(auth=login, timeout=WAIT, verify=False) as http,
        http.stream("GET", url, headers=headers) as response,
    ):
        yield EventStream(response, _lines(response))


def events_url(
    server: RunningServer, address: str, service: str = "default", plural: str = "Documents"
) -> str:
    """The URL of the event stream of an object."""
    return f"{server.url}/v1/Services/{service}/{plural}/{quote(address, safe='')}/Events"


async def _lines(response: httpx2.Response) -> AsyncIterator[str]:
    """Lines of the response; `aiter_lines` would also split at Unicode line ends in text."""
    begun = ""
    async for text in response.aiter_text():
        *whole, begun = (begun + text).split("\n")
        for line in whole:
            yield line
