"""Delivery of one service's events: attempts, pauses and giving up."""

from __future__ import annotations

import asyncio
import logging

from syncline_protocol.backoff import Backoff
from syncline_server.observability.metrics import Limit
from syncline_server.observability.rate_limit import FixedWindow

from .context import DeliveryContext
from .events import QueuedEvent
from .outcome import Outcome
from .retry import until_done

__all__ = ["Delivery", "Stopping"]

logger = logging.getLogger("syncline.webhooks")

FIRST_PAUSE = 1.0
PAUSE_LIMIT = 60.0
"""Maximum seconds of the random pause after the first failure, and after any failure."""

REPORT_INTERVAL = 10.0
"""Seconds between log lines about failed attempts, and between those about parked events."""


class Stopping(Exception):
    """This process leaves; it begins no more attempts."""


class Delivery:
    """The attempts for one service: at most `webhook_concurrency` at once, and only while this
    process has the lease.

    Attributes:
        lease_ends_at: loop time until which no other process can have the lease.
    """

    def __init__(self, service_sid: str, context: DeliveryContext, lease_ends_at: float) -> None:
        self.lease_ends_at = lease_ends_at
        self._service_sid = service_sid
        self._context = context
        self._settings = context.settings
        self._tally = context.meters.webhooks
        self._limit_hits = context.meters.limit_hits
        self._clock = asyncio.get_running_loop().time
        self._slots = asyncio.Semaphore(self._settings.webhook_concurrency)
        self._retry_at = 0.0
        self._failure_lines = FixedWindow(1, REPORT_INTERVAL)
        self._dead_letter_lines = FixedWindow(1, REPORT_INTERVAL)
        self._unreported = 0
        self._stopping = False

    async def finish(self, timeout: float) -> None:
        """Begin no more attempts; return when the running ones have ended, at the latest after
        `timeout` seconds."""
        self._stopping = True
        # Each attempt has a slot: once we have them all, none is running.
        try:
            async with asyncio.timeout(timeout):
                for _ in range(self._settings.webhook_concurrency):
                    await self._slots.acquire()
        except TimeoutError:
            logger.info("attempts for %s are cancelled", self._service_sid)

    async def deliver(self, event: QueuedEvent) -> None:
        """Try until the receiver accepts the event or it is parked, then remove it from the queue.

        Raises:
            Stopping: this process leaves; the event stays in the queue for another one.
        """
        backoff, attempts = Backoff(FIRST_PAUSE, PAUSE_LIMIT), 0
        while True:
            async with self._slots:
                url = await self._wait_for_url()
                if url is None:
                    return await self._remove(event, "discarded")
                if not attempts and self._is_past(event, Limit.WEBHOOK_AGE):
                    too_old = Outcome(None, "It had waited for too long to be tried.")
                    return await self._park(event, attempts, too_old)
                outcome = await self._context.send(self._service_sid, url, event)
                attempts += 1
                if outcome.is_delivered:
                    return await self._remove(event, "delivered")
                self._record_failure(outcome)
                if outcome.is_final or self._is_past(event, Limit.WEBHOOK_RETRY_TIME):
                    return await self._park(event, attempts, outcome)
            # Sleep without the slot, so that failing objects do not block the others.
            await asyncio.sleep(max(backoff.pause(), outcome.retry_after))

    async def _wait_for_url(self) -> str | None:
        """As `_url`, once an attempt may begin; raises as `_wait_until_allowed`."""
        while True:
            await self._wait_until_allowed()
            url = await self._url()
            # `_url` waits while Redis is away, and the lease may end meanwhile.
            if self._may_start and not self._stopping:
                return url

    @property
    def _may_start(self) -> bool:
        """True if the receiver's `Retry-After` has passed and the lease outlasts an attempt."""
        now = self._clock()
        needed = now + self._settings.webhook_timeout
        return self._retry_at <= now and needed <= self.lease_ends_at

    async def _url(self) -> str | None:
        """The service's webhook URL; None if it has none now."""
        service = await until_done(lambda: self._context.services.find(self._service_sid))
        return None if service is None else service.webhook_url

    async def _wait_until_allowed(self) -> None:
        """Wait until the receiver's `Retry-After` has passed and the lease outlasts an attempt.

        An attempt that outlived the lease could run beside one of another process.

        Raises:
            Stopping: this process leaves.
        """
        while True:
            if self._stopping:
                raise Stopping
            if self._may_start:
                return
            pause = self._retry_at - self._clock()
            # A short sleep: the lease may be renewed, or `finish` called, meanwhile.
            await asyncio.sleep(min(max(pause, 0.1), 0.5))

    def _is_past(self, event: QueuedEvent, limit: Limit) -> bool:
        """True if an event is older than the setting `limit` allows; counts that."""
        age = (self._context.queue.now_ms() - event.at_ms) / 1000
        is_past: bool = age > getattr(self._settings, limit)
        self._limit_hits[limit] += is_past
        return is_past

    async def _park(self, event: QueuedEvent, attempts: int, outcome: Outcome) -> None:
        dead_letters, service_sid = self._context.dead_letters, self._service_sid
        gone = await until_done(lambda: dead_letters.park(service_sid, event, attempts, outcome))
        self._limit_hits[Limit.WEBHOOK_PARKED_LIMIT] += gone
        self._unreported += 1
        if self._dead_letter_lines.admit():
            logger.warning(
                "%d webhooks of %s are parked, the last one a %s of %s: %s",
                self._unreported,
                service_sid,
                event.kind,
                event.subject,
                outcome.reason,
            )
            self._unreported = 0
        await self._remove(event, "parked")

    async def _remove(self, event: QueuedEvent, what: str) -> None:
        await until_done(lambda: self._context.queue.remove_event(self._service_sid, event))
        self._tally[what] += 1

    def _record_failure(self, outcome: Outcome) -> None:
        self._tally["failed"] += 1
        if outcome.retry_after:
            self._retry_at = self._clock() + outcome.retry_after
        if self._failure_lines.admit():
            logger.warning("webhooks of %s fail: %s", self._service_sid, outcome.reason)
