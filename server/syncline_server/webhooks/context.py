"""Parts that the deliveries of all services share in one process."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from syncline_protocol.webhook_signature import HEADER, requested_url, signature
from syncline_server.config.credentials import Credentials
from syncline_server.config.settings import Settings
from syncline_server.observability.metrics import Meters
from syncline_server.storage.services import Services

from .dead_letters import DeadLetters
from .events import QueuedEvent
from .form import parameters
from .outcome import Outcome
from .queue import Queue

if TYPE_CHECKING:
    from .sender import Sender

__all__ = ["TOKEN_HEADER", "DeliveryContext"]

TOKEN_HEADER = "I-Twilio-Idempotency-Token"
"""Header that is equal for all attempts to deliver one event, and differs between events (vendor's
name)."""


@dataclass(frozen=True, kw_only=True)
class DeliveryContext:
    """The parts that consumers and deliveries use."""

    settings: Settings
    credentials: Credentials
    meters: Meters
    services: Services
    queue: Queue
    dead_letters: DeadLetters

    @cached_property
    def _sender(self) -> Sender:
        # Imported at the first use, because loading its HTTP client takes time.
        from .sender import Sender

        return Sender(self.settings.webhook_timeout, self.settings.webhook_private_networks)

    async def close(self) -> None:
        """Close all connections to receivers."""
        if "_sender" in vars(self):
            await self._sender.close()

    async def send(self, service_sid: str, url: str, event: QueuedEvent) -> Outcome:
        """Make one attempt to deliver an event."""
        form = parameters(event, self.credentials.account_sid, service_sid)
        headers = {
            HEADER: signature(self.credentials.auth_token, requested_url(url), form),
            TOKEN_HEADER: f"{service_sid}-{event.key}",
        }
        return await self._sender.send(url, form, headers)
