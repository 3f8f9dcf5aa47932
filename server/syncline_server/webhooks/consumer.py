"""Consumer of one service's webhook queues, which delivers the events of each object in order."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, replace
from typing import Any

from syncline_server.observability.metrics import Limit
from syncline_server.observability.tasks import TaskSet
from syncline_server.storage.errors import StorageError

from .context import DeliveryContext
from .delivery import Delivery, Stopping
from .events import QueuedEvent
from .queue import BEGINNING, NEW
from .retry import until_done

__all__ = ["Consumer"]

logger = logging.getLogger("syncline.webhooks")

BUCKET_LOAD = 64
"""Maximum events of one bucket in memory; the others wait in Redis."""

LOAD_LIMIT = 2048
LOAD_BYTES = 32 * 1024 * 1024
"""Maximum events of the service in memory, and maximum bytes of them."""

OBJECT_LOAD = 4
"""Maximum events of one object that are kept with their data. Of further ones only a mark (the
event without its data) is kept, so that an object whose deliveries fail takes no room from other
objects."""

MARKS_LIMIT = 16_384
"""Maximum marks of the service; beyond, waiting events are kept with their data and take room."""

QUIET_READS = 32
"""Reads of the index in a row with an unchanged score after which an empty bucket is removed from
it. A writer adds the bucket before its commit, so an event may still follow; by then it has come,
or its commit failed."""


@dataclass(slots=True, kw_only=True)
class _Bucket:
    """State of one bucket.

    Attributes:
        score: its score in the index, as last seen.
        quiet: reads of the index since the score changed.
        cursor: position in its queue from which to read on.
        last: ID of the last event that was read.
        loaded, marked: its events in memory, with data or as a mark.
        waiting: events in its queue in Redis, including `loaded` and `marked`.
        is_due: the queue must be read, because it may have new events.
        is_busy: a task reads or settles it now; at most one does.
    """

    name: str
    score: bytes = b""
    quiet: int = 0
    cursor: str = BEGINNING
    last: str = BEGINNING
    loaded: int = 0
    marked: int = 0
    waiting: int = 0
    is_due: bool = False
    is_busy: bool = False

    @property
    def has_more(self) -> bool:
        """True if some of its events are only in Redis."""
        return self.waiting > self.loaded + self.marked

    @property
    def is_empty(self) -> bool:
        """True if none of its events is in memory, being read, or known to be in Redis."""
        return not (self.loaded or self.marked or self.waiting or self.is_due or self.is_busy)


@dataclass(slots=True)
class _Item:
    """An event in the queue of its object; `has_data` is False for a mark, which lacks the data."""

    event: QueuedEvent
    bucket: _Bucket
    has_data: bool = True


class Consumer:
    """Consumer of one service whose lease this process has.

    Attributes:
        delivery: sends the events.
    """

    def __init__(self, service_sid: str, context: DeliveryContext, lease_ends_at: float) -> None:
        self.delivery = Delivery(service_sid, context, lease_ends_at)
        self._service_sid = service_sid
        self._queue = context.queue
        self._meters = context.meters
        settings = context.settings
        by_bytes = min(LOAD_LIMIT, LOAD_BYTES // settings.data_limit)
        # At least enough to keep `webhook_concurrency` attempts busy if each object has
        # `OBJECT_LOAD` events.
        self._load_limit = max(by_bytes, settings.webhook_concurrency * OBJECT_LOAD)
        self._buckets: dict[str, _Bucket] = {}
        # Events by object (`subject`), in order; the first is being delivered.
        self._event_queues: dict[str, deque[_Item]] = {}
        # Events with data and marks of all buckets; room reserved for running reads; and whether
        # a read was put off for lack of room (`_resume_loading` resumes it).
        self._loaded = self._marked = self._expected = 0
        self._is_short = False
        self._tasks = TaskSet()

    @property
    def waiting(self) -> int:
        """Undelivered events, as of the last reads."""
        return sum(bucket.waiting for bucket in self._buckets.values())

    @property
    def is_idle(self) -> bool:
        """True if there is nothing to do."""
        return not self._buckets and not self._tasks

    def refresh(self, buckets: Mapping[str, bytes]) -> None:
        """Read the buckets that may have events. The dispatcher calls this at each poll.

        `buckets`: the service's buckets in the index, with their scores.
        """
        for name, score in buckets.items():
            bucket = self._buckets.setdefault(name, _Bucket(name=name))
            bucket.quiet = bucket.quiet + 1 if bucket.score == score else 0
            bucket.score = score
            # Read after 0, 1, 2, 4, 8 … quiet polls: the commit may come after the entry in the
            # index, and a read may have failed.
            bucket.is_due |= bucket.quiet & (bucket.quiet - 1) == 0
            if bucket.is_due or bucket.has_more:
                self._start_loading(bucket)
            elif bucket.quiet >= QUIET_READS and bucket.is_empty:
                # `remove_bucket` keeps the entry if its score has changed: a writer added the
                # bucket again meanwhile.
                bucket.is_busy = True
                self._spawn(self._remove_note(bucket))
        for name in self._buckets.keys() - buckets.keys():
            if self._buckets[name].is_empty:
                del self._buckets[name]

    def stop(self) -> None:
        """Stop at once. Undelivered events stay pending in Redis for the next holder of the
        lease."""
        self._tasks.cancel_all()

    async def finish(self, timeout: float) -> None:
        """Stop when the running attempts have ended, at the latest after `timeout` seconds."""
        await self.delivery.finish(timeout)
        await self._tasks.aclose()

    def _start_loading(self, bucket: _Bucket) -> None:
        if not bucket.is_busy and (room := self._reserve(bucket)):
            bucket.is_busy = True
            self._spawn(self._load(bucket, room))

    def _reserve(self, bucket: _Bucket) -> int:
        """Reserve room for events of a bucket; returns how many, 0 if there is no room.

        The reservation counts in `_expected` until the read ends: reads of several buckets run at
        once, and together must not exceed `_load_limit`.
        """
        free = self._load_limit - self._loaded - self._expected
        self._is_short |= free <= 0
        room = max(0, min(BUCKET_LOAD - bucket.loaded, free))
        self._expected += room
        return room

    def _resume_loading(self) -> None:
        """Resume the reads that were put off for lack of room."""
        if not self._is_short or self._load_limit <= self._loaded + self._expected:
            return
        self._is_short = False
        for bucket in self._buckets.values():
            if bucket.is_due or bucket.has_more:
                self._start_loading(bucket)
            if self._is_short:
                break

    async def _load(self, bucket: _Bucket, room: int) -> None:
        try:
            while room and await self._load_page(bucket, room):
                room = self._reserve(bucket)
        except StorageError as error:
            logger.debug("webhooks wait for Redis: %s", error)
            bucket.is_due = True
        finally:
            bucket.is_busy = False
        self._resume_loading()

    async def _load_page(self, bucket: _Bucket, room: int) -> bool:
        """Read up to `room` events; False if there are no more."""
        # Clear `is_due` before the await: a poll meanwhile may set it for an event that this read
        # does not see.
        cursor, bucket.is_due = bucket.cursor, False
        try:
            batch = await self._queue.read_batch(self._service_sid, bucket.name, cursor, room)
        except StorageError:
            # If only the reply was lost, Redis counts its events as read, and a read of new ones
            # passes over them.
            bucket.cursor = bucket.last
            raise
        finally:
            self._expected -= room
        bucket.waiting = batch.waiting
        self._meters.webhooks["dropped"] += batch.dropped
        self._meters.limit_hits[Limit.WEBHOOK_QUEUE_LIMIT] += batch.dropped
        bucket.last = batch.last or bucket.last
        for event in batch.events:
            self._enqueue(event, bucket)
        # First all events that were read before and are pending, by this process or an earlier
        # holder of the lease; then new ones. Otherwise a new event could overtake a pending one.
        if cursor != NEW:
            bucket.cursor = batch.last or NEW
        return cursor != NEW or batch.last != ""

    async def _remove_note(self, bucket: _Bucket) -> None:
        try:
            await self._queue.remove_bucket(self._service_sid, bucket.name, bucket.score)
        except StorageError as error:
            logger.debug("webhooks wait for Redis: %s", error)
        finally:
            bucket.is_busy = False

    def _enqueue(self, event: QueuedEvent, bucket: _Bucket) -> None:
        event_queue = self._event_queues.get(event.subject)
        if event_queue is None:
            event_queue = self._event_queues[event.subject] = deque()
            self._spawn(self._deliver_in_order(event.subject, event_queue))
        if len(event_queue) < OBJECT_LOAD or self._marked >= MARKS_LIMIT:
            self._count(bucket, loaded=1)
            event_queue.append(_Item(event, bucket))
        else:
            self._count(bucket, marked=1)
            event_queue.append(_Item(replace(event, data=None), bucket, has_data=False))

    def _count(self, bucket: _Bucket, loaded: int = 0, marked: int = 0) -> None:
        bucket.loaded += loaded
        bucket.marked += marked
        self._loaded += loaded
        self._marked += marked

    async def _deliver_in_order(self, subject: str, event_queue: deque[_Item]) -> None:
        """Deliver the events of one object, one after the other."""
        try:
            while event_queue:
                await self._deliver(event_queue[0])
                bucket = event_queue.popleft().bucket
                self._count(bucket, loaded=-1)
                bucket.waiting = max(bucket.waiting - 1, 0)
                if bucket.has_more and bucket.loaded <= BUCKET_LOAD // 2:
                    self._start_loading(bucket)
                self._resume_loading()
        except Stopping:
            pass
        finally:
            # No await since the queue was found empty, so no event was added that nobody delivers.
            del self._event_queues[subject]

    async def _deliver(self, item: _Item) -> None:
        event: QueuedEvent | None = item.event
        if not item.has_data:
            event = await until_done(lambda: self._queue.read_event(self._service_sid, item.event))
            self._count(item.bucket, loaded=1, marked=-1)
        if event is not None:  # else newer events displaced it from the full queue
            await self.delivery.deliver(event)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.spawn(work).add_done_callback(_log_failure)


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("the delivery of webhooks failed", exc_info=error)
