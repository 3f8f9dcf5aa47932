"""The parts of a server that deliver webhooks, without a running server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from support.store import Service as Documents
from syncline_protocol.documents import Document
from syncline_server.config.credentials import Credentials
from syncline_server.config.settings import Settings
from syncline_server.observability.metrics import Meters
from syncline_server.storage.author import Author
from syncline_server.storage.objects import Objects
from syncline_server.storage.periodic_lease import PeriodicLease
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.services import Service, Services
from syncline_server.storage.webhooks import WebhookPolicy
from syncline_server.webhooks.context import DeliveryContext
from syncline_server.webhooks.dead_letters import DeadLetters
from syncline_server.webhooks.dispatcher import Dispatcher
from syncline_server.webhooks.queue import Queue

__all__ = ["CREDENTIALS", "LOOPBACK", "Rig"]

LOOPBACK = "127.0.0.0/8"
CREDENTIALS = Credentials(f"AC{'1' * 32}", "the-auth-token", {})


@dataclass
class Rig:
    """The parts of one process that deliver webhooks.

    Attributes:
        limit: maximum number of queued webhooks in one bucket.
    """

    redis: Redis
    settings: Settings = field(default_factory=lambda: Settings(webhook_networks=LOOPBACK))
    limit: int = 1000

    def __post_init__(self) -> None:
        self.meters = Meters()
        self.services = Services(self.redis)
        self.objects = Objects(self.redis, 120)
        self.queue = Queue(self.redis)
        self.dead_letters = DeadLetters(
            self.redis, self.queue, self.settings.webhook_parked_limit, self.limit
        )

    async def service(self, url: str | None, **members: Any) -> Service:
        """Create a service that sends its webhooks to `url`."""
        return await self.services.create({"webhook_url": url, **members}, limit=100)

    def documents(self, service: Service) -> Documents:
        """The documents of a service."""
        return Documents(self.objects, service.sid)

    def webhooks(
        self, service: Service, endpoint: str = "EP1", *, from_rest: bool = False
    ) -> WebhookPolicy | None:
        return WebhookPolicy.of(service, self.limit, from_rest=from_rest, endpoint=endpoint)

    def author(
        self,
        service: Service,
        who: str = "alice",
        endpoint: str = "EP1",
        *,
        from_rest: bool = False,
    ) -> Author:
        webhooks = self.webhooks(service, endpoint, from_rest=from_rest)
        return Author(identity=who, webhooks=webhooks)

    async def create(self, service: Service, name: str | None = None, ttl: int = 0) -> Document:
        """Create a document as `alice`."""
        return await self.documents(service).create(name, ttl=ttl, who=self.author(service))

    async def set(self, service: Service, address: str, data: bytes) -> Document:
        """Set the data of a document as `alice`."""
        return (await self.documents(service).set(address, data, who=self.author(service))).state

    @asynccontextmanager
    async def delivering(self, lease: PeriodicLease | None = None) -> AsyncIterator[Dispatcher]:
        """Run a dispatcher, which delivers webhooks, within the block."""
        made = Dispatcher(
            self.redis,
            DeliveryContext(
                settings=self.settings,
                credentials=CREDENTIALS,
                meters=self.meters,
                services=self.services,
                queue=self.queue,
                dead_letters=self.dead_letters,
            ),
            lease,
        )
        for index in (self.objects.committer.webhook_buckets, self.queue.bucket_index):
            index.on_write = made.note_writes
        made.start()
        try:
            yield made
        finally:
            await made.stop()

    def with_settings(self, **changes: Any) -> Rig:
        """A rig on the same Redis with changed settings."""
        return Rig(self.redis, replace(self.settings, **changes), self.limit)
