"""Carries the webhooks of one service from their queues, in order for each object."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, replace
from typing import Any

from syncline_protocol.errors import Refusal
from syncline_server.storage.redis.connection import ReplyError

from .context import DeliveryContext
from .delivery import Delivery, Leaving
from .events import QueuedEvent
from .queue import BEGINNING, NEW
from .retry import until_done

__all__ = ["Consumer"]

logger = logging.getLogger("syncline.webhooks")

BUCKET_LOAD = 64
"""Events of one bucket that are held at once; the others wait in Redis."""

LOAD_LIMIT = 2048
LOAD_BYTES = 32 * 1024 * 1024
"""Events of the service that are held at once, and the bytes that they may have."""

LANE_LOAD = 4
"""Events of one object that are held whole: of others that wait for it only the mark is kept, so
that an object that fails takes no room from the others."""

MARKS_LIMIT = 16_384
"""Events of the service of which only the mark is kept; beyond, they take room."""

QUIET_LOOKS = 32
"""Looks without news after which a bucket is taken for empty. What was noted is queued meanwhile,
or never."""


@dataclass(slots=True)
class _Bucket:
    """What is known of one bucket.

    Attributes:
        score: of its note, as last seen.
        quiet: looks since that changed.
        cursor: where to go on in its queue.
        held, marked: its events that are here, whole or but as a mark.
        waiting: those in its queue, these included.
        is_due: there may be more.
        is_busy: it is being looked at.
    """

    name: str
    score: bytes = b""
    quiet: int = 0
    cursor: str = BEGINNING
    held: int = 0
    marked: int = 0
    waiting: int = 0
    is_due: bool = False
    is_busy: bool = False

    @property
    def has_more(self) -> bool:
        """True while events of it are in Redis alone."""
        return self.waiting > self.held + self.marked

    @property
    def is_empty(self) -> bool:
        """True while nothing of it is here, on its way, or known to be in Redis."""
        return not (self.held or self.marked or self.waiting or self.is_due or self.is_busy)


@dataclass(slots=True)
class _Item:
    """An event that waits for its turn; one that is not whole lacks its data."""

    event: QueuedEvent
    bucket: _Bucket
    is_whole: bool = True


class Consumer:
    """One for each service whose lease this process has.

    Attributes:
        delivery: what it brings events to.
    """

    def __init__(self, service_sid: str, context: DeliveryContext, holds_until: float) -> None:
        self.delivery = Delivery(service_sid, context, holds_until)
        self._service_sid = service_sid
        self._queue = context.queue
        self._meters = context.meters
        settings = context.settings
        by_bytes = min(LOAD_LIMIT, LOAD_BYTES // settings.data_limit)
        # No less than what keeps all places busy, however the events are spread over objects.
        self._load_limit = max(by_bytes, settings.webhook_concurrency * LANE_LOAD)
        self._buckets: dict[str, _Bucket] = {}
        # Those of one object; the first is being delivered.
        self._lanes: dict[str, deque[_Item]] = {}
        # Events of all buckets; those that were asked for, at most; and whether there was no room
        # for others.
        self._held = self._marked = self._expected = 0
        self._is_short = False
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def waiting(self) -> int:
        """Events that are not delivered, as far as was seen."""
        return sum(bucket.waiting for bucket in self._buckets.values())

    @property
    def is_idle(self) -> bool:
        """True while there is nothing to do."""
        return not self._buckets and not self._tasks

    def look(self, noted: Mapping[str, bytes]) -> None:
        """Take note of the buckets that may hold something; called again and again."""
        for name, score in noted.items():
            bucket = self._buckets.setdefault(name, _Bucket(name))
            bucket.quiet = bucket.quiet + 1 if bucket.score == score else 0
            bucket.score = score
            # Less and less often; so what failed is tried again, too.
            bucket.is_due |= bucket.quiet & (bucket.quiet - 1) == 0
            if bucket.is_due or bucket.has_more:
                self._begin_to_take(bucket)
            elif bucket.quiet >= QUIET_LOOKS and bucket.is_empty:
                bucket.is_busy = True
                self._spawn(self._settle(bucket))
        for name in self._buckets.keys() - noted.keys():
            if self._buckets[name].is_empty:
                del self._buckets[name]

    def stop(self) -> None:
        """End at once; what was not delivered is delivered by whoever has the lease next."""
        for task in self._tasks:
            task.cancel()

    async def leave(self, patience: float) -> None:
        """End once the attempts under way have ended, at the latest after so many seconds."""
        await self.delivery.leave(patience)
        self.stop()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin_to_take(self, bucket: _Bucket) -> None:
        if not bucket.is_busy and (room := self._reserve(bucket)):
            bucket.is_busy = True
            self._spawn(self._take(bucket, room))

    def _reserve(self, bucket: _Bucket) -> int:
        """How many more of a bucket are to be held; 0 where there is no room."""
        free = self._load_limit - self._held - self._expected
        self._is_short |= free <= 0
        room = max(0, min(BUCKET_LOAD - bucket.held, free))
        self._expected += room
        return room

    def _go_on(self) -> None:
        """Take what there was no room for."""
        if not self._is_short or self._load_limit <= self._held + self._expected:
            return
        self._is_short = False
        for bucket in self._buckets.values():
            if bucket.is_due or bucket.has_more:
                self._begin_to_take(bucket)
            if self._is_short:
                break

    async def _take(self, bucket: _Bucket, room: int) -> None:
        try:
            while room and await self._take_some(bucket, room):
                room = self._reserve(bucket)
        except (Refusal, ReplyError) as error:
            logger.debug("webhooks wait for Redis: %s", error)
            bucket.is_due = True
        finally:
            bucket.is_busy = False
        self._go_on()

    async def _take_some(self, bucket: _Bucket, room: int) -> bool:
        """Take as many as were reserved; False if there are no more."""
        cursor, bucket.is_due = bucket.cursor, False
        try:
            taken = await self._queue.take(self._service_sid, bucket.name, cursor, room)
        finally:
            self._expected -= room
        bucket.waiting = taken.waiting
        self._meters.webhooks["dropped"] += taken.dropped
        self._meters.bounds["webhook_queue_limit"] += taken.dropped
        for event in taken.events:
            self._enqueue(event, bucket)
        if cursor != NEW:
            bucket.cursor = taken.last or NEW
        return cursor != NEW or taken.last != ""

    async def _settle(self, bucket: _Bucket) -> None:
        try:
            await self._queue.settle(self._service_sid, bucket.name, bucket.score)
        except (Refusal, ReplyError) as error:
            logger.debug("webhooks wait for Redis: %s", error)
        finally:
            bucket.is_busy = False

    def _enqueue(self, event: QueuedEvent, bucket: _Bucket) -> None:
        lane = self._lanes.get(event.subject)
        if lane is None:
            lane = self._lanes[event.subject] = deque()
            self._spawn(self._work(event.subject, lane))
        if len(lane) < LANE_LOAD or self._marked >= MARKS_LIMIT:
            self._count(bucket, held=1)
            lane.append(_Item(event, bucket))
        else:
            self._count(bucket, marked=1)
            lane.append(_Item(replace(event, data=None), bucket, is_whole=False))

    def _count(self, bucket: _Bucket, held: int = 0, marked: int = 0) -> None:
        bucket.held += held
        bucket.marked += marked
        self._held += held
        self._marked += marked

    async def _work(self, subject: str, lane: deque[_Item]) -> None:
        """Deliver what happened to one object, one after the other."""
        try:
            while lane:
                await self._carry(lane[0])
                bucket = lane.popleft().bucket
                self._count(bucket, held=-1)
                bucket.waiting = max(bucket.waiting - 1, 0)
                if bucket.has_more and bucket.held <= BUCKET_LOAD // 2:
                    self._begin_to_take(bucket)
                self._go_on()
        except Leaving:
            pass
        finally:
            del self._lanes[subject]

    async def _carry(self, item: _Item) -> None:
        event: QueuedEvent | None = item.event
        if not item.is_whole:
            event = await until_done(lambda: self._queue.read(self._service_sid, item.event))
            self._count(item.bucket, held=1, marked=-1)
        if event is not None:  # else it has given way to newer ones
            await self.delivery.deliver(event)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("the delivery of webhooks failed", exc_info=error)
