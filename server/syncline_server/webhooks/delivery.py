"""One event after the other, each until its receiver has taken it or it is given up."""

from __future__ import annotations

import asyncio
import logging

from syncline_server.storage.redis.backoff import Backoff

from .context import Office
from .events import QueuedEvent
from .retry import insist
from .sender import Outcome

__all__ = ["Delivery", "Leaving"]

logger = logging.getLogger("syncline.webhooks")

FIRST_PAUSE = 1.0
PAUSE_LIMIT = 60.0
"""Seconds: the ceiling of the random pause after a first failure, and the greatest."""

REPORT_INTERVAL = 10.0
"""Seconds between lines that say that attempts fail, and between those that events are parked."""


class Leaving(Exception):
    """No attempt is begun any more."""


class Delivery:
    """The attempts for one service: so many at once, as long as the lease lasts.

    Attributes:
        holds_until: loop time until which nobody else can have the lease.
    """

    def __init__(self, service_sid: str, office: Office, holds_until: float) -> None:
        self.holds_until = holds_until
        self._service_sid = service_sid
        self._office = office
        self._settings = office.settings
        self._tally = office.meters.webhooks
        self._bounds = office.meters.bounds
        self._clock = asyncio.get_running_loop().time
        self._slots = asyncio.Semaphore(self._settings.webhook_concurrency)
        self._held_back_until = 0.0
        # Loop time before which a failure, or a parked event, gets no line.
        self._quiet_until = self._parking_quiet_until = 0.0
        self._untold = 0
        self._leaving = False

    async def leave(self, patience: float) -> None:
        """Begin no attempt any more; return when those under way have ended, or after so many
        seconds."""
        self._leaving = True
        try:
            async with asyncio.timeout(patience):
                for _ in range(self._settings.webhook_concurrency):
                    await self._slots.acquire()
        except TimeoutError:
            logger.info("attempts for %s are broken off", self._service_sid)

    async def deliver(self, event: QueuedEvent) -> None:
        """Try until it is taken or given up; nothing is left in the queue then.

        Raises:
            Leaving: it is for another process to go on.
        """
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
                raise Leaving
            now = self._clock()
            needed = now + self._settings.webhook_timeout
            pause = self._held_back_until - now
            if pause <= 0 and needed <= self.holds_until:
                return
            # Short: the lease may be renewed, or this process told to leave.
            await asyncio.sleep(min(max(pause, 0.1), 0.5))

    def _is_past(self, event: QueuedEvent, bound: str) -> bool:
        """Whether an event is older than a setting says; counts it."""
        age = (self._office.queue.now_ms() - event.at_ms) / 1000
        is_past: bool = age > getattr(self._settings, bound)
        self._bounds[bound] += is_past
        return is_past

    async def _park(self, event: QueuedEvent, attempts: int, outcome: Outcome) -> None:
        parking, service_sid = self._office.parking, self._service_sid
        gone = await insist(lambda: parking.park(service_sid, event, attempts, outcome))
        self._bounds["webhook_parked_limit"] += gone
        self._untold += 1
        if self._clock() >= self._parking_quiet_until:
            self._parking_quiet_until = self._clock() + REPORT_INTERVAL
            logger.warning(
                "%d webhooks of %s are parked, the last one a %s of %s: %s",
                self._untold,
                service_sid,
                event.kind,
                event.subject,
                outcome.reason,
            )
            self._untold = 0
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
