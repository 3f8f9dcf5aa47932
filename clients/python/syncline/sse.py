"""Reader of one server-sent event stream of a document (docs/protocol.md, section 9)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from http import HTTPStatus

import httpx2
import orjson

from .errors import ConnectionLost
from .header import JsonObject
from .refusals import not_syncline, refusal

__all__ = ["event_stream"]

SILENCE_LIMIT = 40
"""Seconds of silence after which a stream counts as broken: longer than two heartbeats."""

EVENT_LIMIT = 4 * 2**20
"""Maximum size of one event in bytes: four times the largest document."""


@asynccontextmanager
async def event_stream(
    http: httpx2.AsyncClient,
    url: str,
    known: int | None = None,
    reply_timeout: float = SILENCE_LIMIT,
) -> AsyncIterator[AsyncIterator[tuple[str, JsonObject]]]:
    """Open the event stream of one document; it yields the name and data of each event.

    Args:
        known: revision that the reader has, None for none. The first event is `state`, but the
            server omits it if `known` is the newest revision.
        reply_timeout: seconds until the stream must begin.

    Raises:
        RequestError, ConnectionLost: the server, or something in between, refused or did not reply.
        httpx2.TransportError: the connection could not be made, or broke.
    """
    headers = {"Accept": "text/event-stream"}
    if known is not None:
        headers["Last-Event-ID"] = str(known)
    timeout = httpx2.Timeout(SILENCE_LIMIT, pool=None)
    request = http.build_request("GET", url, headers=headers, timeout=timeout)
    try:
        async with asyncio.timeout(reply_timeout):
            response = await http.send(request, stream=True)
    except TimeoutError as error:
        raise ConnectionLost(f"no event stream within {reply_timeout:g} s") from error
    try:
        if response.status_code != HTTPStatus.OK:
            await response.aread()
            raise refusal(response)
        if not response.headers.get("Content-Type", "").startswith("text/event-stream"):
            raise not_syncline(response)
        async with aclosing(_events(response)) as events:
            yield events
    finally:
        await response.aclose()


async def _events(response: httpx2.Response) -> AsyncGenerator[tuple[str, JsonObject], None]:
    async for event in httpx2.EventSource(response, max_event_size=EVENT_LIMIT):
        yield event.event, orjson.loads(event.data)
