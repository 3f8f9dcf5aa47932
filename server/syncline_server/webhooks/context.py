"""Parts that the deliveries of all services share in one process."""

from __future__ import annotations

from dataclasses import dataclass, field

from syncline_server.config.credentials import Credentials
from syncline_server.config.settings import Settings
from syncline_server.observability.metrics import Meters
from syncline_server.storage.services import Services

from .dead_letters import DeadLetters
from .events import QueuedEvent
from .form import parameters
from .queue import Queue
from .sender import Outcome, Sender
from .signature import HEADER, requested_url, signature

__all__ = ["TOKEN_HEADER", "DeliveryContext"]

TOKEN_HEADER = "I-Twilio-Idempotency-Token"
"""Header that is equal for all attempts to deliver one event, and differs between events (vendor's
name)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryContext:
    """The parts that consumers and deliveries use."""

    settings: Settings
    credentials: Credentials
    meters: Meters
    services: Services
    queue: Queue
    dead_letters: DeadLetters
    sender: Sender = field(init=False)

    def __post_init__(self) -> None:
        settings = self.settings
        sender = Sender(settings.webhook_timeout, settings.webhook_private_networks)
        object.__setattr__(self, "sender", sender)

    async def send(self, service_sid: str, url: str, event: QueuedEvent) -> Outcome:
        """Make one attempt to deliver an event."""
        form = parameters(event, self.credentials.account_sid, service_sid)
        headers = {
            HEADER: signature(self.credentials.auth_token, requested_url(url), form),
            TOKEN_HEADER: f"{service_sid}-{event.key}",
        }
        return await self.sender.send(url, form, headers)
