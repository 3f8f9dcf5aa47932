"""Replay: the clients of collections that are behind receive what changed, from the store.

A client is behind when it comes back after a while, or when it reads more slowly than others write.
Its subscription then knows only the revision up to which the client has everything. What the client
costs does not grow with the number of changes that it has missed (promise 5).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextvars import Context
from dataclasses import replace

from syncline_protocol.errors import Code, Refusal
from syncline_protocol.items import Item, ItemsChanged, ItemsReset
from syncline_protocol.objects import Event
from syncline_server.objects.headers import expiry_event
from syncline_server.objects.replays import replayed
from syncline_server.storage.errors import StorageError
from syncline_server.storage.items import Replay
from syncline_server.storage.records import Tombstone
from syncline_server.storage.redis.shard import PAUSE_LIMIT

from .subscription import Portion, State, Subscription

__all__ = ["Replayer", "events_of", "split_own"]

logger = logging.getLogger("syncline.session")


class Replayer:
    """Reads portions for all subscriptions of one client that are behind, one after the other.

    One task, and one portion at a time: a client with many open collections costs the store no more
    than a client with one.
    """

    __slots__ = ("_behind", "_context", "_is_paused", "_read", "_receive", "_revoke", "_task")

    def __init__(
        self,
        read: Callable[[Subscription], Awaitable[Replay]],
        receive: Callable[[Subscription, Portion], None],
        revoke: Callable[[str], None],
        context: Context,
    ) -> None:
        """
        Args:
            read: reads what changed since `Subscription.delivered`, with the client's rights.
            receive: `Subscriptions.receive_portion`.
            revoke: `Subscriptions.on_revoked`.
            context: the log context of the client.
        """
        self._read = read
        self._receive = receive
        self._revoke = revoke
        self._context = context
        self._behind: dict[Subscription, None] = {}
        self._is_paused = False
        self._task: asyncio.Task[None] | None = None

    def add(self, subscription: Subscription) -> None:
        """Read the next portion of a subscription that is behind; safe to repeat."""
        self._behind[subscription] = None
        self._start()

    def pause(self) -> None:
        """Read no further portion: the client has not read what it was sent."""
        self._is_paused = True

    def resume(self) -> None:
        """Read on: nothing waits for the client."""
        self._is_paused = False
        self._start()

    def stop(self) -> None:
        """End the task: the client is gone."""
        self._behind.clear()
        if self._task is not None:
            self._task.cancel()

    def _start(self) -> None:
        if self._task is None and self._behind and not self._is_paused:
            self._task = asyncio.create_task(self._run(), context=self._context.copy())

    async def _run(self) -> None:
        try:
            while self._behind and not self._is_paused:
                # The first in line; `receive` adds it again at the end if it is still behind.
                subscription = next(iter(self._behind))
                del self._behind[subscription]
                if subscription.state is State.BEHIND and subscription.portion is None:
                    await self._read_portion(subscription)
        except Exception:
            logger.exception("a replay failed")
        finally:
            self._task = None

    async def _read_portion(self, subscription: Subscription) -> None:
        since = subscription.delivered
        try:
            found = await self._read_since(subscription)
        except Refusal as refusal:
            if refusal.code is Code.ACCESS_FORBIDDEN:
                return self._revoke(subscription.topic.sid)
            # Redis is away, or the collection is gone, and its event still to come.
            await self._pause_for(subscription, refusal)
        except StorageError as error:
            await self._pause_for(subscription, error)
        else:
            if found.header.revision < since:
                # A failover lost writes. The hub finds that too, and sends a reset.
                await self._pause_for(subscription, None)
            else:
                self._receive(subscription, Portion(since, found))

    async def _read_since(self, subscription: Subscription) -> Replay:
        # The store has all that came before the read: events are published after their commit. What
        # comes during the read may be newer than what is read, and is kept (`receive_portion`).
        if subscription.pending is not None:
            subscription.pending.drop_replayable()
        subscription.lost, subscription.is_reading = 0, True
        try:
            return await self._read(subscription)
        finally:
            subscription.is_reading = False

    async def _pause_for(self, subscription: Subscription, error: Exception | None) -> None:
        logger.debug("%s cannot be replayed yet: %s", subscription.topic.sid, error)
        self._behind[subscription] = None
        await asyncio.sleep(PAUSE_LIMIT)


def events_of(subscription: Subscription, portion: Portion) -> Iterator[Event]:
    """The events that bring a client from `since` to the end of a portion, in their order.

    From the revision of each of them a client can resume: it then has all changes up to there, and
    none from later on.
    """
    since, found = portion.since, portion.replay
    header = found.header
    if found.is_reset:
        yield ItemsReset.of(header, since)
        return
    changes = tuple(each for each in found.changes if subscription.has(each.key))
    if header.expires_ms != subscription.expires_ms:
        # Its event may be among those that were dropped. It needs a revision of its own, at which
        # no item of the client changed: before a change, or behind the last one.
        place = _gap(since, [each.revision for each in changes])
        at = changes[place].revision - 1 if place < len(changes) else portion.end
        first, changes = changes[:place], changes[place:]
        before = first[-1].revision if first else since
        if first:
            yield from _changed(found, first, since, before)
        if at > before:
            subscription.expires_ms = header.expires_ms
            yield replace(expiry_event(header, before), revision=at)
            before = at
        since = before
    yield from _changed(found, changes, since, portion.end)


def _changed(
    found: Replay, changes: tuple[Item | Tombstone, ...], since: int, revision: int
) -> Iterator[ItemsChanged]:
    changed = replayed(replace(found, changes=changes), since, revision)
    if changed is not None:
        yield changed


def _gap(since: int, revisions: list[int]) -> int:
    """How many of these revisions follow `since`, and each other, at once."""
    return next(
        (n for n, revision in enumerate(revisions) if revision > since + n + 1), len(revisions)
    )


def split_own(
    event: ItemsChanged, is_own: Callable[[int], bool]
) -> Iterator[tuple[ItemsChanged, bool]]:
    """The event in runs of the client's own changes and of others', in their order."""
    owns = [is_own(each.item.revision) for each in event.changes]
    if len(set(owns)) == 1:
        yield event, owns[0]  # itself: its frames are shared
        return
    run: list[int] = []
    previous = event.previous
    for index, own in enumerate(owns):
        run.append(index)
        is_last = index + 1 == len(owns)
        if is_last or owns[index + 1] is not own:
            changes = tuple(event.changes[n] for n in run)
            part = event.with_changes(changes)
            part.previous = previous
            part.revision = event.revision if is_last else changes[-1].item.revision
            previous = part.revision
            run.clear()
            yield part, own
