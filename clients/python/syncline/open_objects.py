"""Registry of the open objects of a client, and their subscriptions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from syncline_protocol.backoff import Backoff
from syncline_protocol.objects import TYPES

from .connection import Connection
from .errors import Forbidden, NotFound, RequestError, RequestTimeout, SynclineError
from .events import Removal
from .header import JsonObject
from .object_state import Handle, Kind, ObjectState, S
from .options import Options
from .transport import Limits, Receive

__all__ = ["OpenObjects"]

logger = logging.getLogger("syncline")

T = TypeVar("T")

RESUBSCRIBING_AT_ONCE = 64
"""Maximum number of `open` requests in flight while resubscribing after a reconnect."""


H = TypeVar("H", bound=Handle)


class OpenObjects:
    """The open objects of one client; subscribes again after each reconnect."""

    def __init__(self, connection: Connection, options: Options) -> None:
        self.options = options
        self._connection = connection
        self._subscriptions: dict[str, ObjectState] = {}
        self._unsubscriptions = 0
        self._resubscribing: asyncio.Task[None] | None = None
        # Tasks by SID: each fetches what the client has missed of an object.
        self._finding: dict[str, asyncio.Task[None]] = {}
        # Tasks that unsubscribe for callers that were cancelled.
        self._releasing: set[asyncio.Task[None]] = set()

    @property
    def limits(self) -> Limits:
        """Maximum sizes of data."""
        return self._connection.limits

    @property
    def has_deltas(self) -> bool:
        """True while there is a connection that can have deltas."""
        return self.options.deltas and self._connection.transport_name == "websocket"

    def check_loop(self) -> None:
        """Raise `UsageError` outside the client's event loop."""
        self._connection.check_loop()

    def find(self, type_: str, address: str | None) -> ObjectState | None:
        """The open object of a type with that SID or name; None if there is none."""
        for each in self._subscriptions.values():
            if (
                each.type == type_
                and address is not None
                and address in (each.sid, each.unique_name)
            ):
                return each
        return None

    async def request(
        self, do: str, receive: Receive[T], *, late: Receive[None] | None = None, **members: Any
    ) -> T:
        """Send a request (docs/protocol.md, section 3)."""
        return await self._connection.request(do, receive, late=late, **members)

    async def open(self, kind: Kind[S], attach: Callable[[S], H], **members: Any) -> H:
        """Fetch or create an object and subscribe to it.

        Args:
            attach: makes the handle; called synchronously with the reply, so that no event and no
                `close` can come between the reply and the registration in `_subscriptions`.
            members: members of the `open` request.
        """
        made: list[H] = []

        def take(ok: JsonObject) -> H:
            made.append(attach(self._opened(kind, ok)))
            return made[-1]

        before = self._unsubscriptions
        try:
            late = partial(self._opened_late, kind.type)
            handle = await self.request("open", take, late=late, **members)
            subscription = self._subscriptions.get(handle.sid)
            is_lost = subscription is not None and subscription.is_lost
            if self._unsubscriptions != before or is_lost:
                # An `unsubscribe`, perhaps of this object, was in flight during our `open`
                # (rule C21); or another `open` has subscribed us to something else of it.
                await self._resubscribe(handle.sid)
        except BaseException:
            # The caller was cancelled after `take` had made the handle (at most one): nobody will
            # receive it, so close it, or its subscription would stay permanently.
            for given_up in made:
                self.take_back(given_up.close())
            raise
        return handle

    async def reopen(
        self,
        subscription: ObjectState,
        *,
        page: JsonObject | None = None,
        take: Receive[None] = lambda ok: None,
    ) -> None:
        """Open once again an object that is open, and catch up.

        Args:
            page: the member `items`, to read a page of a collection too; None for no page.
            take: called with the reply, after what was missed was processed.

        Raises:
            NotFound, Forbidden: to this client the object is gone; its removal is announced.
        """
        try:
            await self._reopen(subscription, page, take)
        except (NotFound, Forbidden):
            self._removed(subscription, Removal(), may_be_early=True)
            raise

    async def release(self, subscription: ObjectState) -> None:
        """End the subscription if no handle is left. Called by handles."""
        if subscription.handles or self._subscriptions.get(subscription.sid) is not subscription:
            return
        del self._subscriptions[subscription.sid]
        await self._unsubscribe(subscription.type, subscription.sid)

    def take(self, message: JsonObject, *, may_be_early: bool) -> None:
        """Process an event of the server.

        `may_be_early`: the event may come before the reply to its write.
        """
        body: JsonObject = next((message[each.name] for each in TYPES if each.name in message), {})
        subscription = self._subscriptions.get(body.get("sid", ""))
        if subscription is None:
            return
        if message["event"] == "removed":
            self._removed(subscription, Removal(body), may_be_early)
        else:
            subscription.take(message, may_be_early=may_be_early)

    def resubscribe(self) -> None:
        """Open all objects again on a new connection, and catch up (rule C11)."""
        # A run for the previous connection may still be waiting for replies; this one covers all.
        if self._resubscribing is not None:
            self._resubscribing.cancel()
        for subscription in self._subscriptions.values():
            subscription.reconnected()
        if self._subscriptions:
            self._resubscribing = asyncio.create_task(self._resubscribe_each())

    def end(self, error: Exception | None) -> None:
        """End all handles: the client is permanently disconnected; None: it was closed."""
        for subscription in self._subscriptions.values():
            subscription.end(error)
        self._subscriptions.clear()

    async def close(self) -> None:
        """Cancel the tasks."""
        tasks = [*self._finding.values(), *self._releasing]
        if self._resubscribing is not None:
            tasks.append(self._resubscribing)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def take_back(self, work: Coroutine[Any, Any, None]) -> None:
        """Undo in the background what a caller that was cancelled has begun."""
        task = asyncio.create_task(work)
        self._releasing.add(task)
        task.add_done_callback(self._releasing.discard)

    async def _unsubscribe(self, type_: str, sid: str) -> None:
        """Unsubscribe on the server, unless a handle has the object open."""
        if sid in self._subscriptions:
            return
        if self._connection.transport_name is None:
            return  # the next connection resubscribes only to what is in `_subscriptions`
        # Counted twice, so that an `open` that is in flight when this begins or ends sees a change.
        # An `open` that begins and ends in between is covered by the `_resubscribe` below.
        self._unsubscriptions += 1
        named: JsonObject = {type_: sid}
        with suppress(SynclineError):
            await self.request("unsubscribe", lambda ok: None, **named)
        self._unsubscriptions += 1
        # While we awaited, the application may have opened the object again, and the server may
        # have executed our `unsubscribe` after that `open`. No-op unless `_subscriptions` has it.
        await self._resubscribe(sid)

    def _opened_late(self, type_: str, ok: JsonObject) -> None:
        """Unsubscribe when the reply to `open` comes after its caller was cancelled (rule C21)."""
        sid = ok[type_]["sid"]
        if (subscription := self._subscriptions.get(sid)) is not None:
            subscription.reply_missed()
        self.take_back(self._unsubscribe(type_, sid))

    def _opened(self, kind: Kind[S], ok: JsonObject) -> S:
        sid = ok[kind.type]["sid"]
        existing: Any = self._subscriptions.get(sid)
        if existing is not None:
            existing.opened_again(ok)
            found: S = existing
            return found
        subscription = kind.subscribe(ok)
        subscription.on_lost = partial(self._find, sid)
        self._subscriptions[sid] = subscription
        return subscription

    def _find(self, sid: str) -> None:
        """Fetch what is missing, with at most one task per object."""
        # A task that has ended in this turn of the loop is still there, and looks no more.
        if sid not in self._finding or self._finding[sid].done():
            self._finding[sid] = task = asyncio.create_task(self._resubscribe(sid))
            task.add_done_callback(partial(self._found, sid))

    def _found(self, sid: str, task: asyncio.Task[None]) -> None:
        if self._finding.get(sid) is task:
            del self._finding[sid]

    def _removed(self, subscription: ObjectState, removal: Removal, may_be_early: bool) -> None:
        if self._subscriptions.get(subscription.sid) is subscription:
            del self._subscriptions[subscription.sid]
        subscription.receive_removal(removal, may_be_early=may_be_early)

    async def _resubscribe_each(self) -> None:
        slots = asyncio.Semaphore(RESUBSCRIBING_AT_ONCE)

        async def resubscribe(sid: str) -> None:
            async with slots:
                await self._resubscribe(sid)

        await asyncio.gather(*map(resubscribe, list(self._subscriptions)))

    async def _resubscribe(self, sid: str) -> None:
        """Open a subscribed object again and catch up; retry until done or not found."""
        backoff = Backoff(self.options.backoff_initial, self.options.backoff_limit)
        while (subscription := self._subscriptions.get(sid)) is not None:
            try:
                await self._reopen(subscription)
                if self._subscriptions.get(sid) is None:
                    # The last handle was closed while the request waited for a connection:
                    # `release` sent no `unsubscribe` then, but our `open` has subscribed us.
                    return await self._unsubscribe(subscription.type, sid)
                if not subscription.is_lost:
                    return
            except (NotFound, Forbidden):
                # To this client the object is gone (rule C11): emit `removed`.
                self._removed(subscription, Removal(), may_be_early=True)
                continue
            except (RequestTimeout, RequestError) as error:
                logger.warning("%s could not be opened again: %s", sid, error)
            except SynclineError:
                return  # permanently disconnected: `end` ends the handles
            await asyncio.sleep(backoff.pause())

    async def _reopen(
        self,
        subscription: ObjectState,
        page: JsonObject | None = None,
        take: Receive[None] = lambda ok: None,
    ) -> None:
        members, receive = subscription.reopening()
        if page is not None:
            members["items"] = page

        def receive_both(ok: JsonObject) -> None:
            receive(ok)
            take(ok)

        named: JsonObject = {subscription.type: subscription.sid}
        await self.request(
            "open",
            receive_both,
            late=partial(self._opened_late, subscription.type),
            **named,
            mode="open_existing",
            **members,
        )
