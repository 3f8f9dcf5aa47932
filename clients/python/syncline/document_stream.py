"""The events of one document, over as many event streams as it takes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from http import HTTPStatus

import httpx2

from .backoff import Backoff
from .exceptions import ConnectionLost, RequestError, SynclineError, TokenExpired, Unavailable
from .refusals import retry_pause
from .snapshot import JsonObject
from .sse import event_stream
from .transport import EventHandler

__all__ = ["DocumentStream"]

logger = logging.getLogger("syncline")

STOOD_AFTER = 1
"""Seconds after which a stream was a good one, so that the next is opened at once."""

BACKOFF_INITIAL = 0.25
BACKOFF_LIMIT = 5
"""Seconds: the longest first pause between streams that end at once, and the longest of all."""

RETRY_AFTER = 1
"""Seconds to wait where a server that lets nobody in does not say how long."""


class DocumentStream:
    """Follows one document until it is removed.

    Some proxies cut every reply after a while: then the next stream goes on from the revision of
    the last event. Only where no stream can be opened the document cannot be followed.

    Attributes:
        opened: True once the first stream brought the state.
        refusal: why the server opens no stream now; None while it does.
    """

    def __init__(
        self,
        http: httpx2.AsyncClient,
        path: str,
        on_state: Callable[[JsonObject], None],
        on_event: EventHandler,
        *,
        reply_timeout: float,
    ) -> None:
        """
        Args:
            path: of the document.
            reply_timeout: seconds until a stream must begin.
            on_state: takes the first state.
            on_event: takes each event, and each later state as an `updated`.
        """
        self.opened = False
        self.refusal: Unavailable | None = None
        self._http = http
        self._path = f"{path}/Events"
        self._on_state = on_state
        self._on_event = on_event
        self._reply_timeout = reply_timeout
        self._revision: int | None = None
        self._answered = False

    async def follow(self) -> None:
        """Read until the document is removed.

        Raises:
            SynclineError: no stream can be opened.
        """
        clock = asyncio.get_running_loop().time
        backoff = Backoff(BACKOFF_INITIAL, BACKOFF_LIMIT, stable_after=STOOD_AFTER)
        while True:
            began = clock()
            try:
                if await self._read_one():
                    return
            except Unavailable as refusal:
                # No room, or too many come at once: whoever waits for the document says how long.
                self.refusal = refusal
                await asyncio.sleep(retry_pause(refusal.retry_after or RETRY_AFTER))
                continue
            except (httpx2.HTTPError, httpx2.StreamError, ValueError, KeyError, TypeError) as error:
                if not (self.opened and self._answered):
                    raise ConnectionLost(f"no event stream: {error!r}") from error
                logger.debug("an event stream broke: %r", error)
            if not self.opened:
                raise ConnectionLost("an event stream ended before the state came")
            stood = clock() - began
            backoff.connection_stood(stood)
            if stood < STOOD_AFTER:
                await asyncio.sleep(backoff.pause())

    async def _read_one(self) -> bool:
        """Read one stream to its end; True if the document was removed."""
        self._answered = False
        async with event_stream(
            self._http, self._path, self._revision, self._reply_timeout
        ) as events:
            self._answered, self.refusal = True, None
            async for name, data in events:
                if name == "closing":
                    raise _closing(data)
                if name == "removed":
                    self._on_event({"event": name, "document": data})
                    return True
                if name in ("state", "updated"):
                    self._take(data)
        return False

    def _take(self, document: JsonObject) -> None:
        revision = int(document["revision"])
        if self.opened:
            self._on_event({"event": "updated", "document": document})
        else:
            self._on_state(document)
            self.opened = True
        self._revision = revision


def _closing(data: JsonObject) -> SynclineError:
    """Why the server ends the stream: a token that ran out, or the connection as a whole."""
    error = RequestError.parse({"status": HTTPStatus.SERVICE_UNAVAILABLE, **data})
    if isinstance(error, TokenExpired):
        return error
    return ConnectionLost(f"the server ended the stream: {error.message}")
