"""Registry of the open documents of a client, and their subscriptions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from syncline_protocol.backoff import Backoff

from .connection import Connection
from .errors import Forbidden, NotFound, RequestError, RequestTimeout, SynclineError
from .options import Options
from .snapshot import JsonObject, Snapshot
from .subscription import Removal, Subscription
from .transport import Receive

__all__ = ["OpenDocuments"]

logger = logging.getLogger("syncline")

T = TypeVar("T")

RESUBSCRIBING_AT_ONCE = 64
"""Maximum number of `open` requests in flight while resubscribing after a reconnect."""


class Handle(Protocol):
    """What an application holds of an open document."""

    @property
    def sid(self) -> str:
        """SID of the document."""

    async def close(self) -> None:
        """Close the handle; the last one unsubscribes."""


H = TypeVar("H", bound=Handle)


class OpenDocuments:
    """The open documents of one client; subscribes again after each reconnect."""

    def __init__(self, connection: Connection, options: Options) -> None:
        self.options = options
        self._connection = connection
        self._subscriptions: dict[str, Subscription] = {}
        self._unsubscriptions = 0
        self._resubscribing: asyncio.Task[None] | None = None
        # Tasks by SID: each fetches a whole document, because a delta could not be applied.
        self._finding: dict[str, asyncio.Task[None]] = {}
        # Tasks that unsubscribe for callers that were cancelled.
        self._releasing: set[asyncio.Task[None]] = set()

    @property
    def data_limit(self) -> int | None:
        """Maximum size of a document in bytes of compact UTF-8 JSON; None if not known."""
        return self._connection.data_limit

    def check_loop(self) -> None:
        """Raise `UsageError` outside the client's event loop."""
        self._connection.check_loop()

    async def request(
        self, do: str, receive: Receive[T], *, late: Receive[None] | None = None, **members: Any
    ) -> T:
        """Send a request (docs/protocol.md, section 3)."""
        return await self._connection.request(do, receive, late=late, **members)

    async def open(self, attach: Callable[[Subscription], H], **members: Any) -> H:
        """Fetch or create a document and subscribe to it.

        Args:
            attach: makes the handle; called synchronously with the reply, so that no event and no
                `close` can come between the reply and the registration in `_subscriptions`.
            members: members of the `open` request.
        """
        made: list[H] = []

        def take(ok: JsonObject) -> H:
            made.append(attach(self._opened(ok)))
            return made[-1]

        before = self._unsubscriptions
        try:
            handle = await self.request("open", take, late=self._opened_late, **members)
            if self._unsubscriptions != before:
                # An `unsubscribe`, perhaps of this document, was in flight during our `open`
                # (rule C21).
                await self._resubscribe(handle.sid)
        except BaseException:
            # The caller was cancelled after `take` had made the handle (at most one): nobody will
            # receive it, so close it, or its subscription would stay permanently.
            for given_up in made:
                self._take_back(given_up.close())
            raise
        return handle

    async def release(self, subscription: Subscription) -> None:
        """End the subscription if no handle is left. Called by handles."""
        if subscription.handles or self._subscriptions.get(subscription.sid) is not subscription:
            return
        del self._subscriptions[subscription.sid]
        await self._unsubscribe(subscription.sid)

    def take(self, name: str | None, body: JsonObject, *, may_be_early: bool) -> None:
        """Process an event of the server; `body` is its `document`.

        `may_be_early`: the event may come before the reply to its write.
        """
        subscription = self._subscriptions.get(body.get("sid", ""))
        if subscription is None:
            return
        if name == "updated":
            subscription.update(body, may_be_early=may_be_early)
            if subscription.is_lost:
                self._find(subscription.sid)
        elif name == "removed":
            self._removed(subscription, Removal(body), may_be_early)

    def resubscribe(self) -> None:
        """Open all documents again on a new connection, and catch up (rule C11)."""
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

    async def _unsubscribe(self, sid: str) -> None:
        """Unsubscribe on the server, unless a handle has the document open."""
        if sid in self._subscriptions:
            return
        if self._connection.transport_name is None:
            return  # the next connection resubscribes only to what is in `_subscriptions`
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
        """Unsubscribe when the reply to `open` comes after its caller was cancelled (rule C21)."""
        self._take_back(self._unsubscribe(ok["document"]["sid"]))

    def _take_back(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._releasing.add(task)
        task.add_done_callback(self._releasing.discard)

    def _opened(self, ok: JsonObject) -> Subscription:
        snapshot = Snapshot.parse(ok["document"])
        subscription = self._subscriptions.get(snapshot.sid)
        if subscription is None:
            subscription = Subscription(snapshot, self.options.event_queue)
            self._subscriptions[snapshot.sid] = subscription
        else:
            # The server sends no event for the state that it replied with, so the handles that
            # already exist are notified here. Events may still overtake this reply on REST.
            subscription.receive(snapshot, may_be_early=True)
        return subscription

    def _find(self, sid: str) -> None:
        """Fetch the whole document, with at most one task per document."""
        if sid not in self._finding:
            self._finding[sid] = task = asyncio.create_task(self._resubscribe(sid))
            task.add_done_callback(lambda _: self._finding.pop(sid))

    def _removed(self, subscription: Subscription, removal: Removal, may_be_early: bool) -> None:
        if self._subscriptions.get(subscription.sid) is subscription:
            del self._subscriptions[subscription.sid]
        subscription.receive(removal, may_be_early=may_be_early)

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
                # To this client the document is gone (rule C11): emit `removed`.
                self._removed(subscription, Removal(), may_be_early=True)
                continue
            except (RequestTimeout, RequestError) as error:
                logger.warning("%s could not be opened again: %s", sid, error)
            except SynclineError:
                return  # permanently disconnected: `end` ends the handles
            await asyncio.sleep(backoff.pause())

    async def _reopen(self, subscription: Subscription) -> None:
        before = subscription.current

        def take(ok: JsonObject) -> None:
            # A reply without `data` means that the document is at the revision we sent, so the
            # data is that of `before`. `current` may be newer: events came while we waited.
            snapshot = Snapshot.parse(ok["document"], before)
            if not subscription.go_back(snapshot, before):
                subscription.receive(snapshot, may_be_early=True)

        revision = None if subscription.is_lost else str(before.revision)
        await self.request(
            "open",
            take,
            late=self._opened_late,
            document=before.sid,
            mode="open_existing",
            revision=revision,
        )
