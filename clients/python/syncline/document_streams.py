"""Events of documents over REST: reopens their event streams when something cuts them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeVar

import httpx2

from syncline_protocol.backoff import Backoff

from .errors import ConnectionLost, RequestError, SynclineError, TokenExpired, Unavailable
from .http import Http
from .refusals import retry_pause
from .snapshot import JsonObject
from .sse import event_stream
from .transport import EventHandler, Interrupted, Receive

__all__ = ["DocumentStreams"]


logger = logging.getLogger("syncline")

T = TypeVar("T")

STOOD_AFTER = 1
"""Seconds that a stream must last; then the next is opened without a pause."""

BACKOFF_INITIAL = 0.25
BACKOFF_LIMIT = 5
"""First and largest ceiling of the random pause between streams that end at once, in seconds."""

RETRY_AFTER = 1
"""Seconds to wait if a server that is full sends no `Retry-After`."""


class DocumentStreams:
    """The documents that a REST transport follows: one stream each.

    Attributes:
        tasks: the tasks that read the streams.
    """

    def __init__(self, http: Http, on_event: EventHandler) -> None:
        self.tasks: set[asyncio.Task[None]] = set()
        self._http = http
        self._on_event = on_event
        self._streams: dict[str, asyncio.Task[None]] = {}  # by the SID of an open document
        self._opening: set[DocumentStream] = set()  # streams without their first state

    @property
    def refusal(self) -> Unavailable | None:
        """Why a stream cannot be opened yet; None if not known."""
        refusals = (stream.refusal for stream in self._opening)
        return next((refusal for refusal in refusals if refusal is not None), None)

    async def follow(self, address: str, created: bool, receive: Receive[T]) -> T:
        """Follow a document; the first event of its stream serves as the reply to `open`."""
        if self._http.ended.done():
            raise Interrupted
        opened: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def on_state(document: JsonObject) -> None:
            # Done if the caller was cancelled, or the transport has ended.
            if not opened.done():
                opened.set_result(receive({"created": created, "document": document}))
                self._register(document["sid"], task)

        path = self._http.path_to(address)
        stream = DocumentStream(self._http, path, on_state, self._on_event)
        self._opening.add(stream)
        task = asyncio.create_task(self._read(stream, opened))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        try:
            return await opened
        except asyncio.CancelledError:
            # If the state came just before the cancellation, `_register` may have replaced the
            # stream of another handle with this one, so it must stay. `Client.document` closes the
            # handle that nobody received.
            if not stream.opened:
                task.cancel()
            raise
        finally:
            self._opening.discard(stream)

    def unfollow(self, sid: str) -> None:
        """Close the stream of a document, if there is one."""
        stream = self._streams.pop(sid, None)
        if stream is not None:
            stream.cancel()

    def _register(self, sid: str, stream: asyncio.Task[None]) -> None:
        replaced = self._streams.get(sid)
        self._streams[sid] = stream
        if replaced is not None:
            replaced.cancel()

    async def _read(self, stream: DocumentStream, opened: asyncio.Future[Any]) -> None:
        try:
            await stream.follow()
            self._forget(asyncio.current_task())
        except SynclineError as error:
            refused = self._http.failed(error)
            if opened.done():
                # Without a stream the client would miss events: reconnect, which catches up.
                self._http.finish(ConnectionLost(f"an event stream ended: {error}"))
            _fail(opened, refused)
        except Exception as error:
            _fail(opened, self._http.lost(error))
        finally:
            _fail(opened, Interrupted())

    def _forget(self, stream: asyncio.Task[Any] | None) -> None:
        for sid in [sid for sid, known in self._streams.items() if known is stream]:
            del self._streams[sid]


class DocumentStream:
    """Follows one document until it is removed.

    A stream that something cuts is opened again (rule C20). `follow` fails only if none can be
    opened.

    Attributes:
        opened: True once the first stream delivered the state.
        refusal: the server's last 429 or 503; None while a stream is open.
    """

    def __init__(
        self,
        http: Http,
        path: str,
        on_state: Callable[[JsonObject], None],
        on_event: EventHandler,
    ) -> None:
        """
        Args:
            path: path of the document.
            on_state: called with the first state.
            on_event: called with each event, and with each later state as an `updated` event.
        """
        self.opened = False
        self.refusal: Unavailable | None = None
        self._http = http
        self._path = f"{path}/Events"
        self._on_state = on_state
        self._on_event = on_event
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
            self._http.client, self._path, self._revision, self._http.reply_timeout
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


def _fail(opened: asyncio.Future[Any], error: Exception) -> None:
    if not opened.done():
        opened.set_exception(error)
