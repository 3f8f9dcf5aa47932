"""Events of one document over REST: reopens its event stream when something cuts it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from http import HTTPStatus

import httpx2

from syncline_protocol.backoff import Backoff

from .errors import ConnectionLost, RequestError, SynclineError, TokenExpired, Unavailable
from .refusals import retry_pause
from .snapshot import JsonObject
from .sse import event_stream
from .transport import EventHandler

__all__ = ["DocumentStream"]

logger = logging.getLogger("syncline")

STOOD_AFTER = 1
"""Seconds that a stream must last; then the next is opened without a pause."""

BACKOFF_INITIAL = 0.25
BACKOFF_LIMIT = 5
"""First and largest ceiling of the random pause between streams that end at once, in seconds."""

RETRY_AFTER = 1
"""Seconds to wait if a server that is full sends no `Retry-After`."""


class DocumentStream:
    """Follows one document until it is removed.

    Some proxies cut every response after a while: the next stream then continues after the revision
    of the last event. `follow` fails only if no stream can be opened.

    Attributes:
        opened: True once the first stream delivered the state.
        refusal: the server's last 429 or 503; None while a stream is open.
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
            path: path of the document.
            reply_timeout: seconds until a stream must begin.
            on_state: called with the first state.
            on_event: called with each event, and with each later state as an `updated` event.
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
            SynclineError: no stream can be opened, or the server ended it with `closing`.
        """
        clock = asyncio.get_running_loop().time
        backoff = Backoff(BACKOFF_INITIAL, BACKOFF_LIMIT, stable_after=STOOD_AFTER)
        while True:
            began = clock()
            try:
                if await self._read_one():
                    return
            except Unavailable as refusal:
                # The server is full or limits the rate. Retry without end here: the caller of
                # `open` has its own timeout, and reports `refusal` then.
                self.refusal = refusal
                await asyncio.sleep(retry_pause(refusal.retry_after or RETRY_AFTER))
                continue
            except (httpx2.HTTPError, httpx2.StreamError, ValueError, KeyError, TypeError) as error:
                # Reopen a stream that was cut. One without a response or a first state fails.
                if not (self.opened and self._answered):
                    raise ConnectionLost(f"no event stream: {error!r}") from error
                logger.debug("an event stream broke: %r", error)
            if not self.opened:
                raise ConnectionLost("an event stream ended before the state came")
            stood = clock() - began
            backoff.reset_if_stable(stood)
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
    """Error for the server's `closing` event: the token has expired, or the server disconnects."""
    error = RequestError.parse({"status": HTTPStatus.SERVICE_UNAVAILABLE, **data})
    if isinstance(error, TokenExpired):
        return error
    return ConnectionLost(f"the server ended the stream: {error.message}")
