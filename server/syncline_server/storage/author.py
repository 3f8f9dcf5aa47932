"""The author of a write."""

from __future__ import annotations

from dataclasses import dataclass

from .rights import Right
from .webhooks import WebhookPolicy

__all__ = ["Author"]


# Not frozen: creating a frozen one takes several times as long.
@dataclass(slots=True, kw_only=True)
class Author:
    """Who writes, with what the script must check and report for this author.

    Attributes:
        needs: rights that the identity must have for the object, else the write raises
            `ACCESS_FORBIDDEN`; None where permissions are not checked.
        webhooks: what the write queues for the service's webhook URL; None for nothing.
    """

    identity: str
    needs: Right | None = None
    webhooks: WebhookPolicy | None = None
