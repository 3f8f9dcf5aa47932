"""Delivers the webhooks of one service, in order for each object, as long as it has the lease."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from syncline_protocol.errors import Refusal
from syncline_server.storage.backoff import Backoff
from syncline_server.storage.commit import now_ms
from syncline_server.storage.connection import ReplyError

from .events import QueuedEvent
from .insist import insist
from .office import Office
from .queue import BEGINNING, NEW
from .sender import Outcome

__all__ = ["Courier"]

logger = logging.getLogger("syncline.webhooks")

FIRST_PAUSE = 1.0
PAUSE_LIMIT = 60.0
"""Seconds: the ceiling of the random pause after a first failure, and the greatest."""

BUCKET_LOAD = 64
"""Events of one bucket that are held at once; the others wait in Redis."""

LOAD_LIMIT = 2048
"""Events of the service that are held at once."""

QUIET_LOOKS = 32
"""Looks without news after which a bucket is taken for empty. What was noted is queued meanwhile,
or never."""

REPORT_INTERVAL = 10.0
"""Seconds between lines that say that deliveries fail."""


@dataclass(slots=True)
class _Bucket:
    """What is known of one bucket.

    Attributes:
        score: of its note, as last seen.
        quiet: looks since that changed.
        cursor: where to go on in its queue.
        held: its events that are here.
        waiting: those in its queue, these included.
    """

    name: str
    score: bytes = b""
    quiet: int = 0
    cursor: str = BEGINNING
    held: int = 0
    waiting: int = 0
    is_taking: bool = False

    @property
    def is_empty(self) -> bool:
        """True while nothing of it is here, on its way, or known to be in Redis."""
        return not (self.held or self.waiting or self.is_taking)


@dataclass(slots=True)
class _Lane:
    """Events of one object; the first is being delivered."""

    events: deque[tuple[QueuedEvent, _Bucket]] = field(default_factory=deque)


class _Leaving(Exception):
    """No attempt is begun any more."""


class Courier:
    """One for each service whose lease this process has.

    Attributes:
        holds_until: loop time until which nobody else can have the lease.
    """

    def __init__(self, service_sid: str, office: Office, holds_until: float) -> None:
        self.holds_until = holds_until
        self._service_sid = service_sid
        self._office = office
        self._settings = office.settings
        self._tally = office.meters.webhooks
        self._clock = asyncio.get_running_loop().time
        self._buckets: dict[str, _Bucket] = {}
        self._lanes: dict[str, _Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(self._settings.webhook_concurrency)
        self._held_back_until = 0.0
        self._quiet_until = 0.0
        self._leaving = False

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
            # Less and less often; also what failed is tried again so.
            if bucket.quiet & (bucket.quiet - 1) == 0 or bucket.waiting > bucket.held:
                self._begin_to_take(bucket)
            elif bucket.quiet >= QUIET_LOOKS and bucket.is_empty:
                bucket.is_taking = True
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
        self._leaving = True
        try:
            async with asyncio.timeout(patience):
                for _ in range(self._settings.webhook_concurrency):
                    await self._slots.acquire()
        except TimeoutError:
            logger.info("deliveries for %s are broken off", self._service_sid)
        self.stop()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin_to_take(self, bucket: _Bucket) -> None:
        if not bucket.is_taking and bucket.held < BUCKET_LOAD and not self._is_full:
            bucket.is_taking = True
            self._spawn(self._take(bucket))

    @property
    def _is_full(self) -> bool:
        return sum(bucket.held for bucket in self._buckets.values()) >= LOAD_LIMIT

    async def _take(self, bucket: _Bucket) -> None:
        try:
            while bucket.held < BUCKET_LOAD and not self._is_full:
                if not await self._take_some(bucket):
                    break
        except (Refusal, ReplyError) as error:
            logger.debug("webhooks wait for Redis: %s", error)
        finally:
            bucket.is_taking = False

    async def _take_some(self, bucket: _Bucket) -> bool:
        """False if there is nothing more."""
        room = BUCKET_LOAD - bucket.held
        queue, is_new = self._office.queue, bucket.cursor == NEW
        taken = await queue.take(self._service_sid, bucket.name, bucket.cursor, room)
        bucket.waiting = taken.waiting
        if taken.dropped:
            self._tally["dropped"] += taken.dropped
            self._office.meters.bounds["webhook_queue_limit"] += taken.dropped
        for event in taken.events:
            self._enqueue(event, bucket)
        if not is_new:
            bucket.cursor = taken.last or NEW
        return not is_new or taken.last != ""

    async def _settle(self, bucket: _Bucket) -> None:
        try:
            await self._office.queue.settle(self._service_sid, bucket.name, bucket.score)
        except (Refusal, ReplyError) as error:
            logger.debug("webhooks wait for Redis: %s", error)
        finally:
            bucket.is_taking = False

    def _enqueue(self, event: QueuedEvent, bucket: _Bucket) -> None:
        bucket.held += 1
        lane = self._lanes.get(event.subject)
        if lane is None:
            lane = self._lanes[event.subject] = _Lane()
            self._spawn(self._work(event.subject, lane))
        lane.events.append((event, bucket))

    async def _work(self, subject: str, lane: _Lane) -> None:
        """Deliver what happened to one object, one after the other."""
        try:
            while lane.events:
                event, bucket = lane.events[0]
                await self._deliver(event)
                lane.events.popleft()
                bucket.held -= 1
                bucket.waiting = max(bucket.waiting - 1, 0)
                if bucket.waiting > bucket.held and bucket.held <= BUCKET_LOAD // 2:
                    self._begin_to_take(bucket)
        except _Leaving:
            pass
        finally:
            del self._lanes[subject]

    async def _deliver(self, event: QueuedEvent) -> None:
        """Try until it is delivered, or given up."""
        backoff, attempts = Backoff(FIRST_PAUSE, PAUSE_LIMIT), 0
        while True:
            async with self._slots:
                await self._until_it_may()
                url = await self._url()
                if url is None:
                    return await self._done(event, "discarded")
                if not attempts and self._is_past(event, "webhook_age"):
                    too_old = Outcome(None, "It had waited for too long to be tried.")
                    return await self._park(event, attempts, too_old)
                outcome = await self._office.send(self._service_sid, url, event)
                attempts += 1
                if outcome.is_delivered:
                    return await self._done(event, "delivered")
                self._note_failure(outcome)
                if outcome.is_final or self._is_past(event, "webhook_retry_time"):
                    return await self._park(event, attempts, outcome)
            await asyncio.sleep(max(backoff.pause(), outcome.retry_after))

    async def _url(self) -> str | None:
        """Where the service has its webhooks sent; None if it has none sent any more."""
        service = await insist(lambda: self._office.services.find(self._service_sid))
        return None if service is None else service.webhook_url

    async def _until_it_may(self) -> None:
        """Until the receiver may be asked again, and the lease outlasts another attempt."""
        while True:
            if self._leaving:
                raise _Leaving
            now = self._clock()
            needed = now + self._settings.webhook_timeout
            pause = self._held_back_until - now
            if pause <= 0 and needed <= self.holds_until:
                return
            # Short: the lease may be renewed, or this courier told to leave.
            await asyncio.sleep(min(max(pause, 0.1), 0.5))

    def _is_past(self, event: QueuedEvent, bound: str) -> bool:
        """Whether an event is older than a setting says; counts it."""
        age = (now_ms() - event.at_ms) / 1000
        is_past: bool = age > getattr(self._settings, bound)
        self._office.meters.bounds[bound] += is_past
        return is_past

    async def _park(self, event: QueuedEvent, attempts: int, outcome: Outcome) -> None:
        gone = await insist(
            lambda: self._office.parking.park(self._service_sid, event, attempts, outcome)
        )
        self._office.meters.bounds["webhook_parked_limit"] += gone
        logger.warning(
            "a webhook is parked: %s of %s in %s: %s",
            event.kind,
            event.subject,
            self._service_sid,
            outcome.reason,
        )
        await self._done(event, "parked")

    async def _done(self, event: QueuedEvent, what: str) -> None:
        await insist(lambda: self._office.queue.done(self._service_sid, event))
        self._tally[what] += 1

    def _note_failure(self, outcome: Outcome) -> None:
        self._tally["failed"] += 1
        if outcome.retry_after:
            self._held_back_until = self._clock() + outcome.retry_after
        if self._clock() >= self._quiet_until:
            self._quiet_until = self._clock() + REPORT_INTERVAL
            logger.warning("webhooks of %s fail: %s", self._service_sid, outcome.reason)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("the delivery of webhooks failed", exc_info=error)
