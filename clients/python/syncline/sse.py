"""One document's events as a `text/event-stream` (docs/protocol.md, section 9)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from http import HTTPStatus

import httpx2
import orjson

from .refusals import refusal
from .snapshot import JsonObject

__all__ = ["event_stream"]

SILENCE_LIMIT = 40
"""Seconds of silence after which a stream counts as broken: more than two heartbeats."""

EVENT_LIMIT = 4 * 2**20
"""Bytes in one event, at most: the largest document four times."""


@asynccontextmanager
async def event_stream(
    http: httpx2.AsyncClient, url: str
) -> AsyncIterator[AsyncIterator[tuple[str, JsonObject]]]:
    """The events of one document, each as its name and data, `state` first.

    Raises:
        RequestError, ConnectionLost: the server, or something in between, refused.
        httpx2.TransportError: the connection could not be made, or broke.
    """
    timeout = httpx2.Timeout(SILENCE_LIMIT, pool=None)
    async with http.stream("GET", url, timeout=timeout) as response:
        if response.status_code != HTTPStatus.OK:
            await response.aread()
            raise refusal(response)
        async with aclosing(_events(response)) as events:
            yield events


async def _events(response: httpx2.Response) -> AsyncGenerator[tuple[str, JsonObject], None]:
    async for event in httpx2.EventSource(response, max_event_size=EVENT_LIMIT):
        yield event.event, orjson.loads(event.data)
