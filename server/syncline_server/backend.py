"""The parts of a running server, passed to every route and protocol."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .auth.authenticator import Authenticator
from .auth.failed_logins import FailedLogins
from .auth.identity_limit import IdentityLimit
from .config.settings import Settings
from .objects.patch_batching import PatchBatcher
from .objects.registry import Registry
from .objects.turns import Turns
from .objects.work import WorkQueue
from .observability.audit import Audit
from .observability.metrics import Meters
from .observability.readiness import Readiness
from .pubsub.hub import Hub
from .storage.chosen_sids import ChosenSids
from .storage.items import Items
from .storage.listing import Listing
from .storage.objects import Objects
from .storage.periodic_lease import PeriodicLease
from .storage.permissions import Permissions
from .storage.redis.client import Redis
from .storage.services import Services
from .storage.streams import Streams
from .storage.webhooks import WebhookPolicy
from .webhooks.dead_letters import DeadLetters
from .webhooks.queue import Queue
from .webhooks.reachability import Reachability

if TYPE_CHECKING:
    from .observability.tracing import Traces

__all__ = ["Backend"]


@dataclass(slots=True, eq=False, kw_only=True)
class Backend:
    """The parts of a running server, built by `runtime.app`."""

    settings: Settings
    authenticator: Authenticator
    redis: Redis
    services: Services
    objects: Objects
    permissions: Permissions
    listing: Listing
    hub: Hub
    meters: Meters = field(default_factory=Meters)
    traces: Traces | None = None
    readiness: Readiness = field(default_factory=Readiness)
    periodic_lease: PeriodicLease | None = None
    items: Items = field(init=False)
    streams: Streams = field(init=False)
    chosen_sids: ChosenSids = field(init=False)
    audit: Audit = field(init=False)
    failed_logins: FailedLogins = field(init=False)
    identity_limit: IdentityLimit = field(init=False)
    work: WorkQueue = field(init=False)
    turns: Turns = field(init=False)
    patch_batcher: PatchBatcher = field(init=False)
    registry: Registry = field(init=False)
    webhooks: Queue = field(init=False)
    dead_letters: DeadLetters = field(init=False)
    reachability: Reachability = field(init=False)

    def __post_init__(self) -> None:
        settings, meters = self.settings, self.meters
        limit = settings.webhook_queue_limit
        self.items = Items(self.redis, self.objects, settings)
        self.streams = Streams(self.objects)
        self.chosen_sids = ChosenSids(self.redis, self.objects)
        self.audit = Audit(settings.audit_rate, meters.limit_hits)
        self.failed_logins = FailedLogins(settings.login_failures, meters.limit_hits)
        self.identity_limit = IdentityLimit(settings.identity_rate, settings.identity_work, meters)
        self.work = WorkQueue()
        self.turns = Turns(settings.turn_timeout, settings.turn_wait, meters.limit_hits)
        self.hub.on_update(self.turns.record_event)
        self.hub.delta_bases.limit_work(self.work.spend)
        self.objects.committer.on_trouble = self.hub.on_trouble
        self.patch_batcher = PatchBatcher(
            self.objects, self.turns, self.work, settings, traces=self.traces
        )
        self.registry = Registry(self)
        for type_, source in self.registry.sources():
            self.hub.register(type_, source)
        self.webhooks = Queue(self.redis)
        self.dead_letters = DeadLetters(
            self.redis, self.webhooks, settings.webhook_parked_limit, limit
        )
        self.reachability = Reachability(
            self.redis, self.services, self.webhooks, limit, lease=self.periodic_lease
        )

    def ready(self) -> bool:
        """True while there are no `problems`."""
        return not self.problems()

    def problems(self) -> dict[str, str]:
        """Why the server is not ready: a sentence by the name of each part; empty if it is ready.

        `redis`, `feed` and `keys` are checked now; the others were reported to `Readiness`.
        """
        found = {
            "redis": self.redis.problem,
            "feed": None if self.hub.live else "the store's events do not come",
            "keys": None
            if self.authenticator.knows_all
            else "some API keys are encrypted under another master key",
        }
        others = {name: text for name, text in self.readiness.problems.items() if name != "redis"}
        return {name: text for name, text in found.items() if text is not None} | others

    async def webhooks_of_the_system(self, service_sid: str) -> WebhookPolicy | None:
        """The webhooks of a write that the server makes by itself, such as an expiry."""
        service = await self.services.find(service_sid)
        return WebhookPolicy.of(service, self.settings.webhook_queue_limit, from_rest=True)
