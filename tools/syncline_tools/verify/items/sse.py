"""An observer that reads one event stream of a collection, through one link."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any
from urllib.parse import quote, urlencode

import httpx2

from syncline import NotFound, SynclineError
from syncline.sse import event_stream
from syncline_tools.verify.client import BACKOFF_LIMIT, REQUEST_TIMEOUT

from .collection import LIST, STREAM, Collection
from .copy_keeper import PAGE_LIMIT, CopyKeeper
from .sight import ItemSight
from .wire_items import change_of

__all__ = ["SseObserver"]

REVISIONS_KEPT = 40
"""Revisions of the collection that are remembered, to read what has changed since one of them."""


class SseObserver:
    """Resumes by `Last-Event-ID`, and tries now and then what it gets from an older one."""

    receives_events = True

    def __init__(
        self,
        type_: str,
        url: str,
        service: str,
        token: Callable[[], str],
        *,
        sight: ItemSight,
    ) -> None:
        """`type_`: of the collection; `url`: of the link."""
        self.sight = sight
        self.types = frozenset({type_})
        self._path = f"v1/Services/{quote(service, safe='')}"
        self._token = token
        self._http = httpx2.AsyncClient(base_url=url, timeout=REQUEST_TIMEOUT)
        self._revisions: deque[int] = deque(maxlen=REVISIONS_KEPT)
        self._opened = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """As of `ItemObserver`: each stream is a connection."""

    async def close(self) -> None:
        """As of `ItemObserver`."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        await self._http.aclose()

    async def follow(self, collection: Collection) -> None:
        """As of `ItemObserver`."""
        self._reading = asyncio.create_task(self._read_on(CopyKeeper(collection, self.sight)))
        opened = asyncio.create_task(self._opened.wait())
        await asyncio.wait({self._reading, opened}, return_when=asyncio.FIRST_COMPLETED)
        opened.cancel()

    async def try_replay(self, collection: Collection) -> None:
        """As of `ItemObserver`, by a stream of its own."""
        if not self._revisions:
            return
        since = random.choice(self._revisions)
        try:
            async with (
                asyncio.timeout(REQUEST_TIMEOUT),
                self._stream(collection, since) as events,
            ):
                name, body = await anext(events)
        except (SynclineError, httpx2.TransportError, TimeoutError, StopAsyncIteration):
            return
        # After a failover that lost writes, no change leads from what was lost to what is stored.
        if name == "state" and body.get("more_since", "") is None and since in self._revisions:
            revision = int(body[collection.type]["revision"])
            changes = [change_of(collection, each) for each in body["changes"]]
            self.sight.replay(collection.sid, since, revision, changes, is_adopted=False)

    async def _read_on(self, keeper: CopyKeeper) -> None:
        while True:
            reason = "the stream has ended"
            try:
                await self._read_stream(keeper)
            except NotFound:
                return
            except (SynclineError, httpx2.TransportError) as error:
                reason = str(error)
            if self.sight.is_connected:
                self.sight.lose(reason)
            await asyncio.sleep(random.uniform(0, BACKOFF_LIMIT))

    async def _read_stream(self, keeper: CopyKeeper) -> None:
        began = self.sight.now()
        async with self._stream(keeper.collection, keeper.revision) as events:
            self.sight.connect()
            async for name, body in events:
                if name == "closing":
                    return
                is_whole = keeper.open(began, body) if name == "state" else True
                if name != "state":
                    keeper.take(name, body)
                if name == "reset" or not is_whole:
                    self._revisions.clear()
                    return
                self._opened.set()
                if keeper.revision is not None:
                    self._revisions.append(keeper.revision)

    def _stream(
        self, collection: Collection, since: int | None
    ) -> AbstractAsyncContextManager[Any]:
        scope = self.sight.scope
        named = "Index" if collection.type == LIST else "Key"
        query: list[tuple[str, str]] = [(named, key) for key in scope.keys]
        query += [("Prefix", scope.prefix)] if scope.prefix else []
        if collection.type != STREAM:
            query.append(("Items", str(PAGE_LIMIT)))
        path = f"{self._path}/{collection.path}/Events?{urlencode(query)}"
        self._http.headers["Authorization"] = f"Bearer {self._token()}"
        known = None if collection.type == STREAM else since
        return event_stream(self._http, path, known, REQUEST_TIMEOUT)
