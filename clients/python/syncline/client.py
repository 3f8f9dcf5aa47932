"""The client that `connect` makes."""

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
"""What `Client.document` does about a document that is, or is not, there."""

RESUBSCRIBING_AT_ONCE = 64
"""Documents that are opened at a time after a break."""


class Client:
    """A connection to a server, through every break, and the documents that are open on it."""

    def __init__(self, server: Server, token: TokenSource, options: Options) -> None:
        """Use `connect`."""
        self.options = options
        self._connection = Connection(server, token, options, self._on_event, self._on_state)
        self._states: Emitter[StateChanged] = Emitter((StateChanged.name,), options.event_queue)
        self._state = ConnectionState.CONNECTING
        self._subscriptions: dict[str, Subscription] = {}
        self._unsubscriptions = 0
        self._resubscribing: asyncio.Task[None] | None = None
        # What asks for a whole document, by SID, because a delta could not be applied.
        self._finding: dict[str, asyncio.Task[None]] = {}
        # What takes back the subscriptions of callers that gave up.
        self._releasing: set[asyncio.Task[None]] = set()

    @property
    def state(self) -> ConnectionState:
        """Where the connection stands."""
        return self._state

    @property
    def transport(self) -> str | None:
        """`websocket` or `rest`; None while there is no connection."""
        return self._connection.transport_name

    @property
    def data_limit(self) -> int | None:
        """The largest document, in bytes of compact UTF-8 JSON; None if the server has not told."""
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
            document: its SID or unique name; None creates one without a name.
            mode: `open_or_create`; `open_existing`, which never creates (nor does a SID, whatever
                the mode); or `create_new`, which never fetches.
            data: of a document that is created; None is an empty object.
            ttl: seconds to live, of a document that is created; None or 0 for ever.

        Raises:
            NotFound: it does not exist and must not be created.
            Conflict: the name is taken, with `create_new`.
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
                # An `unsubscribe` was under way, maybe of this document, and may have been carried
                # out after.
                await self._resubscribe(handle.sid)
        except BaseException:
            # The reply may have come just before the caller gave up: nobody gets the handle.
            for given_up in made:
                self._take_back(given_up.close())
            raise
        return handle

    def on(self, name: Literal["state"], callback: Callback[StateChanged]) -> Callable[[], None]:
        """Call `callback`, sync or async, with each change of the connection's state.

        Returns:
            a function that removes the callback.

        Raises:
            ValueError: there is no such event.
        """
        self._states.check_name(name)
        self.check_loop()
        return self._states.on(name, callback)

    async def close(self) -> None:
        """End the connection and all handles; documents stay as they are. Safe to repeat.

        The token function may call it too; then it returns before the connection has ended.
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
        """Make the first connection; `connect` does."""
        await self._connection.open()

    def check_loop(self) -> None:
        """Raise `UsageError` where this is not the client's event loop; handles do."""
        self._connection.check_loop()

    async def request(
        self, do: str, receive: Receive[T], *, late: Receive[None] | None = None, **members: Any
    ) -> T:
        """Ask the server (docs/protocol.md, section 3); handles do."""
        return await self._connection.request(do, receive, late=late, **members)

    async def release(self, subscription: Subscription) -> None:
        """End the subscription if no handle is left; handles do."""
        if subscription.handles or self._subscriptions.get(subscription.sid) is not subscription:
            return
        del self._subscriptions[subscription.sid]
        if self._state is not ConnectionState.CONNECTED:
            return  # the next connection does not open it
        await self._unsubscribe(subscription.sid)

    async def _unsubscribe(self, sid: str) -> None:
        self._unsubscriptions += 1
        with suppress(SynclineError):
            await self.request("unsubscribe", lambda ok: None, document=sid)
        self._unsubscriptions += 1
        # It may have been opened meanwhile, and the `unsubscribe` carried out after that.
        await self._resubscribe(sid)

    def _opened_late(self, ok: JsonObject) -> None:
        """Take a subscription back that nobody waits for any more."""
        sid = ok["document"]["sid"]
        if sid not in self._subscriptions:
            self._take_back(self._unsubscribe(sid))

    def _take_back(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._releasing.add(task)
        task.add_done_callback(self._releasing.discard)

    def _opened(self, ok: JsonObject) -> Document:
        """Make the handle as the reply comes: no event, no `close` can fall in between."""
        snapshot = Snapshot.parse(ok["document"])
        subscription = self._subscriptions.get(snapshot.sid)
        if subscription is None:
            subscription = Subscription(snapshot, self.options.event_queue)
            self._subscriptions[snapshot.sid] = subscription
        else:
            # The server does not tell this state again: the handles that there are hear of it here.
            subscription.receive(snapshot, may_be_early=True)
        return Document(self, subscription, self.options.event_queue)

    def _on_event(self, message: JsonObject) -> None:
        event, body = message.get("event"), message.get("document", {})
        if event == "token_about_to_expire":
            self._connection.renew_token()
        subscription = self._subscriptions.get(body.get("sid"))
        if subscription is None:
            return
        may_be_early = not self._connection.ordered
        if event == "updated":
            subscription.update(body, may_be_early=may_be_early)
            if subscription.is_lost:
                self._find(subscription.sid)
        elif event == "removed":
            self._removed(subscription, Removal(body), may_be_early)

    def _find(self, sid: str) -> None:
        """Ask for the whole document, once at a time."""
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
        if self._resubscribing is not None:
            self._resubscribing.cancel()
        if self._subscriptions:
            self._resubscribing = asyncio.create_task(self._resubscribe_each())

    async def _resubscribe_each(self) -> None:
        slots = asyncio.Semaphore(RESUBSCRIBING_AT_ONCE)

        async def resubscribe(sid: str) -> None:
            async with slots:
                await self._resubscribe(sid)

        await asyncio.gather(*map(resubscribe, list(self._subscriptions)))

    async def _resubscribe(self, sid: str) -> None:
        """Open again what is held open, and catch up; until it is done, or found missing."""
        backoff = Backoff(self.options.backoff_initial, self.options.backoff_limit)
        while (subscription := self._subscriptions.get(sid)) is not None:
            try:
                await self._reopen(subscription)
                if self._subscriptions.get(sid) is None:
                    # It was closed while the request waited for a connection.
                    return await self._unsubscribe(sid)
                if not subscription.is_lost:
                    return
            except (NotFound, Forbidden):
                # A right that was taken away is told as a removal.
                self._removed(subscription, Removal(), may_be_early=True)
                continue
            except (RequestTimeout, RequestError) as error:
                logger.warning("%s could not be opened again: %s", sid, error)
            except SynclineError:
                return  # the connection ended for good, which the handles are told
            await asyncio.sleep(backoff.pause())

    async def _reopen(self, subscription: Subscription) -> None:
        held = subscription.current

        def take(ok: JsonObject) -> None:
            # Without `data` the document is at the revision held, whatever became current since.
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
