"""Client of one server: its open documents and their subscriptions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, get_args

import orjson

from syncline_protocol.errors import Code

from .backoff import Backoff
from .connection import Connection
from .document import Document, make_op
from .emitter import Callback, Emitter
from .encoding import check_address, encode_data
from .events import ConnectionState, StateChanged
from .exceptions import (
    ClientClosed,
    Forbidden,
    InvalidRequest,
    NotFound,
    RequestError,
    RequestTimeout,
    SynclineError,
)
from .options import Options, Server
from .snapshot import JsonObject, Snapshot
from .subscription import Removal, Subscription
from .token import TokenSource
from .transport import Receive

__all__ = ["Client", "Mode"]

logger = logging.getLogger("syncline")

T = TypeVar("T")

Mode = Literal["open_or_create", "open_existing", "create_new"]
"""Whether `Client.document` fetches, creates, or does whichever applies."""

RESUBSCRIBING_AT_ONCE = 64
"""Maximum number of `open` requests in flight while resubscribing after a reconnect."""


class Client:
    """A connection to a server that reconnects after each break, and the open documents.

    The handles (`Document`) of one document share one `Subscription`, which outlives connections.
    """

    def __init__(self, server: Server, token: TokenSource, options: Options) -> None:
        """Applications call `connect` instead."""
        self.options = options
        self._connection = Connection(server, token, options, self._on_event, self._on_state)
        self._states: Emitter[StateChanged] = Emitter((StateChanged.name,), options.event_queue)
        self._state = ConnectionState.CONNECTING
        self._subscriptions: dict[str, Subscription] = {}
        self._unsubscriptions = 0
        self._resubscribing: asyncio.Task[None] | None = None
        # Tasks by SID: each fetches a whole document, because a delta could not be applied.
        self._finding: dict[str, asyncio.Task[None]] = {}
        # Tasks that unsubscribe for callers that were cancelled.
        self._releasing: set[asyncio.Task[None]] = set()

    @property
    def state(self) -> ConnectionState:
        """State of the connection."""
        return self._state

    @property
    def transport(self) -> str | None:
        """`websocket` or `rest`; None while there is no connection."""
        return self._connection.transport_name

    @property
    def data_limit(self) -> int | None:
        """Maximum size of a document in bytes of compact UTF-8 JSON; None if not known."""
        return self._connection.data_limit

    async def document(
        self,
        document: str | None = None,
        *,
        mode: Mode = "open_or_create",
        data: JsonObject | None = None,
        ttl: int | None = None,
    ) -> Document:
        """Open a document: fetch or create it, and subscribe to it.

        Args:
            document: SID or unique name; None creates a document without a name.
            mode: `open_or_create`; `open_existing`, which never creates; or `create_new`, which
                never fetches. A SID is never created, in any mode.
            data: initial data if the document is created; None is an empty object.
            ttl: time to live in seconds if the document is created; None or 0: never expires.

        Raises:
            NotFound: the document does not exist and must not be created.
            Conflict: the name is taken (`create_new`).
            InvalidRequest, TooLarge: a value is not allowed.
            Unavailable: the server had no room (429, 503) until `request_timeout` was over.
            RequestTimeout, ClientClosed, ConnectionLost, Unauthorized: as in `Document`.
        """
        check_address(document)
        if mode not in get_args(Mode):
            raise InvalidRequest.local(
                Code.INVALID_PARAMETER,
                f"mode must be one of {', '.join(get_args(Mode))}, not {mode!r}.",
            )
        made: list[Document] = []

        def take(ok: JsonObject) -> Document:
            made.append(self._opened(ok))
            return made[-1]

        before = self._unsubscriptions
        try:
            handle = await self.request(
                "open",
                take,
                late=self._opened_late,
                document=document,
                mode=mode,
                data=None if data is None else orjson.Fragment(encode_data(data, self.data_limit)),
                ttl=ttl,
                op=make_op(),
            )
            if self._unsubscriptions != before:
                # An `unsubscribe`, perhaps of this document, was in flight during our `open`. The
                # server may have executed `open` first and `unsubscribe` last: subscribe again.
                await self._resubscribe(handle.sid)
        except BaseException:
            # The caller was cancelled after `take` had made the handle (at most one): nobody will
            # receive it, so close it, or its subscription would stay permanently.
            for given_up in made:
                self._take_back(given_up.close())
            raise
        return handle

    def on(self, name: Literal["state"], callback: Callback[StateChanged]) -> Callable[[], None]:
        """Call `callback`, sync or async, with each change of the connection state.

        Returns:
            a function that removes the callback.

        Raises:
            ValueError: `name` is not `state`.
        """
        self._states.check_name(name)
        self.check_loop()
        return self._states.on(name, callback)

    async def close(self) -> None:
        """Close the connection and all handles; the documents stay. Safe to repeat.

        The token function may call `close` too; then `close` returns before the connection has
        ended.
        """
        self.check_loop()
        tasks = [*self._finding.values(), *self._releasing]
        if self._resubscribing is not None:
            tasks.append(self._resubscribing)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Open the first connection. Called by `connect`."""
        await self._connection.open()

    def check_loop(self) -> None:
        """Raise `UsageError` outside the client's event loop. Called by handles."""
        self._connection.check_loop()

    async def request(
        self, do: str, receive: Receive[T], *, late: Receive[None] | None = None, **members: Any
    ) -> T:
        """Send a request (docs/protocol.md, section 3). Called by handles."""
        return await self._connection.request(do, receive, late=late, **members)

    async def release(self, subscription: Subscription) -> None:
        """End the subscription if no handle is left. Called by handles."""
        if subscription.handles or self._subscriptions.get(subscription.sid) is not subscription:
            return
        del self._subscriptions[subscription.sid]
        if self._state is not ConnectionState.CONNECTED:
            return  # the next connection resubscribes only to what is in `_subscriptions`
        await self._unsubscribe(subscription.sid)

    async def _unsubscribe(self, sid: str) -> None:
        # Counted twice, so that an `open` that is in flight when this begins or ends sees a change.
        # An `open` that begins and ends in between is covered by the `_resubscribe` below.
        self._unsubscriptions += 1
        with suppress(SynclineError):
            await self.request("unsubscribe", lambda ok: None, document=sid)
        self._unsubscriptions += 1
        # While we awaited, `document()` may have opened the document again, and the server may have
        # executed our `unsubscribe` after that `open`. No-op unless `_subscriptions` has the SID.
        await self._resubscribe(sid)

    def _opened_late(self, ok: JsonObject) -> None:
        """Unsubscribe when the reply to `open` comes after its caller was cancelled."""
        sid = ok["document"]["sid"]
        if sid not in self._subscriptions:
            self._take_back(self._unsubscribe(sid))

    def _take_back(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._releasing.add(task)
        task.add_done_callback(self._releasing.discard)

    def _opened(self, ok: JsonObject) -> Document:
        """Make the handle for the reply to `open`.

        Runs synchronously while the reply is processed: no event and no `close` can come between
        the reply and the registration in `_subscriptions`.
        """
        snapshot = Snapshot.parse(ok["document"])
        subscription = self._subscriptions.get(snapshot.sid)
        if subscription is None:
            subscription = Subscription(snapshot, self.options.event_queue)
            self._subscriptions[snapshot.sid] = subscription
        else:
            # The server sends no event for the state that it replied with, so the handles that
            # already exist are notified here. Events may still overtake this reply on REST.
            subscription.receive(snapshot, may_be_early=True)
        return Document(self, subscription, self.options.event_queue)

    def _on_event(self, message: JsonObject, may_be_early: bool) -> None:
        event, body = message.get("event"), message.get("document", {})
        if event == "token_about_to_expire":
            self._connection.renew_token()
        subscription = self._subscriptions.get(body.get("sid"))
        if subscription is None:
            return
        if event == "updated":
            subscription.update(body, may_be_early=may_be_early)
            if subscription.is_lost:
                self._find(subscription.sid)
        elif event == "removed":
            self._removed(subscription, Removal(body), may_be_early)

    def _find(self, sid: str) -> None:
        """Fetch the whole document, with at most one task per document."""
        if sid not in self._finding:
            self._finding[sid] = task = asyncio.create_task(self._resubscribe(sid))
            task.add_done_callback(lambda _: self._finding.pop(sid))

    def _removed(self, subscription: Subscription, removal: Removal, may_be_early: bool) -> None:
        if self._subscriptions.get(subscription.sid) is subscription:
            del self._subscriptions[subscription.sid]
        subscription.receive(removal, may_be_early=may_be_early)

    def _on_state(self, state: ConnectionState, error: Exception | None) -> None:
        previous, self._state = self._state, state
        if state is not previous:
            self._states.emit(StateChanged(state, previous, self.transport, error))
        if state is ConnectionState.CONNECTED:
            self._resubscribe_all()
        elif state is ConnectionState.CLOSED:
            self._end_all(error)

    def _resubscribe_all(self) -> None:
        # A run for the previous connection may still be waiting for replies; this one covers all.
        if self._resubscribing is not None:
            self._resubscribing.cancel()
        for subscription in self._subscriptions.values():
            subscription.reconnected()
        if self._subscriptions:
            self._resubscribing = asyncio.create_task(self._resubscribe_each())

    async def _resubscribe_each(self) -> None:
        slots = asyncio.Semaphore(RESUBSCRIBING_AT_ONCE)

        async def resubscribe(sid: str) -> None:
            async with slots:
                await self._resubscribe(sid)

        await asyncio.gather(*map(resubscribe, list(self._subscriptions)))

    async def _resubscribe(self, sid: str) -> None:
        """Open a subscribed document again and catch up; retry until done or not found."""
        backoff = Backoff(self.options.backoff_initial, self.options.backoff_limit)
        while (subscription := self._subscriptions.get(sid)) is not None:
            try:
                await self._reopen(subscription)
                if self._subscriptions.get(sid) is None:
                    # The last handle was closed while the request waited for a connection:
                    # `release` sent no `unsubscribe` then, but our `open` has subscribed us.
                    return await self._unsubscribe(sid)
                if not subscription.is_lost:
                    return
            except (NotFound, Forbidden):
                # To a client that lost the right to read, the document is gone: emit `removed`.
                self._removed(subscription, Removal(), may_be_early=True)
                continue
            except (RequestTimeout, RequestError) as error:
                logger.warning("%s could not be opened again: %s", sid, error)
            except SynclineError:
                return  # permanently disconnected: `_end_all` ends the handles
            await asyncio.sleep(backoff.pause())

    async def _reopen(self, subscription: Subscription) -> None:
        held = subscription.current

        def take(ok: JsonObject) -> None:
            # A reply without `data` means that the document is at the revision we sent, so the
            # data is that of `held`. `current` may be newer: events came while we waited.
            snapshot = Snapshot.parse(ok["document"], held)
            if not subscription.go_back(snapshot, held):
                subscription.receive(snapshot, may_be_early=True)

        revision = None if subscription.is_lost else str(held.revision)
        await self.request(
            "open",
            take,
            late=self._opened_late,
            document=held.sid,
            mode="open_existing",
            revision=revision,
        )

    def _end_all(self, error: Exception | None) -> None:
        told = None if isinstance(error, ClientClosed) else error
        for subscription in self._subscriptions.values():
            subscription.end(told)
        self._subscriptions.clear()
        self._states.end()
