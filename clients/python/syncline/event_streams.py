"""Event streams over REST: reopens those of open objects when something cuts them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeVar

import httpx2

from syncline_protocol.backoff import Backoff

from .errors import (
    ConnectionLost,
    Forbidden,
    NotFound,
    RequestError,
    SynclineError,
    TokenExpired,
    Unavailable,
)
from .header import JsonObject
from .http import Http
from .refusals import retry_pause
from .sse import event_stream
from .transport import Interrupted, Receive

__all__ = ["MakeStream", "ObjectStream", "ObjectStreams", "OnState"]


logger = logging.getLogger("syncline")

T = TypeVar("T")

OnState = Callable[[str, JsonObject], None]
"""Called with the SID and the `ok` of the reply to `open`."""

STOOD_AFTER = 1
"""Seconds that a stream must last; then the next is opened without a pause."""

BACKOFF_INITIAL = 0.25
BACKOFF_LIMIT = 5
"""First and largest ceiling of the random pause between streams that end at once, in seconds."""

RETRY_AFTER = 1
"""Seconds to wait if a server that is full sends no `Retry-After`."""


MakeStream = Callable[[OnState], "ObjectStream"]


class ObjectStreams:
    """The objects that a REST transport follows: one stream each.

    Attributes:
        tasks: the tasks that read the streams.
    """

    def __init__(self, http: Http) -> None:
        self.tasks: set[asyncio.Task[None]] = set()
        self._http = http
        self._streams: dict[str, asyncio.Task[None]] = {}  # by the SID of an open object
        self._opening: set[ObjectStream] = set()  # streams without their first state

    @property
    def refusal(self) -> Unavailable | None:
        """Why a stream cannot be opened yet; None if not known."""
        refusals = (stream.refusal for stream in self._opening)
        return next((refusal for refusal in refusals if refusal is not None), None)

    async def follow(self, make: MakeStream, receive: Receive[T]) -> T:
        """Follow an object; the first state of its stream serves as the reply to `open`.

        `make` makes the stream, which calls its argument with the SID and the `ok` of that reply.
        """
        if self._http.ended.done():
            raise Interrupted
        opened: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def on_state(sid: str, ok: JsonObject) -> None:
            # Done if the caller was cancelled, or the transport has ended.
            if not opened.done():
                opened.set_result(receive(ok))
                self._register(sid, task)

        stream = make(on_state)
        self._opening.add(stream)
        task = asyncio.create_task(self._read(stream, opened))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        try:
            return await opened
        except asyncio.CancelledError:
            # If the state came just before the cancellation, `_register` may have replaced the
            # stream of another handle with this one, so it must stay. `OpenObjects.open` closes
            # the handle that nobody received.
            if not stream.opened:
                task.cancel()
            raise
        finally:
            self._opening.discard(stream)

    def unfollow(self, sid: str) -> None:
        """Close the stream of an object, if there is one."""
        stream = self._streams.pop(sid, None)
        if stream is not None:
            stream.cancel()

    def _register(self, sid: str, stream: asyncio.Task[None]) -> None:
        replaced = self._streams.get(sid)
        self._streams[sid] = stream
        if replaced is not None:
            replaced.cancel()

    async def _read(self, stream: ObjectStream, opened: asyncio.Future[Any]) -> None:
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


class ObjectStream:
    """Follows one object until it is removed.

    A stream that something cuts is opened again (rule C20). `follow` fails only if none can be
    opened, and the object may still be there.

    Attributes:
        opened: True once the first stream delivered the state.
        refusal: the server's last 429 or 503; None while a stream is open.
    """

    def __init__(
        self,
        http: Http,
        path_of: Callable[[str], str],
        address: str,
        *,
        revision: int | None = None,
    ) -> None:
        """
        Args:
            path_of: returns the path of the stream of an object, with its query.
            address: SID or name of the object.
            revision: the revision to resume from; None begins with the whole state.
        """
        self.opened = False
        self.refusal: Unavailable | None = None
        self._http = http
        self._path_of = path_of
        # The name only until the SID is known: it may be given to another object meanwhile.
        self._address = address
        self._revision = revision
        self._answered = False

    async def follow(self) -> None:
        """Read until the object is removed.

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
            except (NotFound, Forbidden):
                # Removed, or the right to read was revoked, between two streams: no event comes.
                # To this client the object is gone (rule C11). The other streams go on.
                if not self.opened:
                    raise
                return self._take("removed", self._removal())
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
        """Read one stream to its end; True if the object was removed."""
        self._answered = False
        async with event_stream(
            self._http.client,
            self._path_of(self._address),
            self._revision,
            self._http.reply_timeout,
        ) as events:
            self._answered, self.refusal = True, None
            self._began()
            async for name, data in events:
                if name == "closing":
                    raise _closing(data)
                self._take(name, data)
                if name == "removed":
                    return True
        return False

    def _began(self) -> None:
        """Process that a stream was opened."""

    def _take(self, name: str, data: JsonObject) -> None:
        """Process an event; set `opened` with the first state."""
        raise NotImplementedError

    def _removal(self) -> JsonObject:
        """The data of a `removed` event that says only which object is gone."""
        raise NotImplementedError


def _closing(data: JsonObject) -> SynclineError:
    """Error for the server's `closing` event: the token has expired, or the server disconnects."""
    error = RequestError.parse({"status": HTTPStatus.SERVICE_UNAVAILABLE, **data})
    if isinstance(error, TokenExpired):
        return error
    return ConnectionLost(f"the server ended the stream: {error.message}")


def _fail(opened: asyncio.Future[Any], error: Exception) -> None:
    if not opened.done():
        opened.set_exception(error)
