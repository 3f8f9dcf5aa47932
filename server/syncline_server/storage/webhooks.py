"""What a commit does to the queue of webhooks, in the same step."""

from __future__ import annotations

from .services import Service

__all__ = ["hook"]


def hook(service: Service | None, limit: int, *, from_rest: bool, endpoint: str = "") -> str:
    """For commit.lua; "" where the service has no webhooks.

    What expires is told of whoever comes across it; a write itself not, if it is made with the
    account's credentials and `webhooks_from_rest_enabled` is off.

    Args:
        limit: webhooks that may wait in one bucket.
        from_rest: the write is made with the account's credentials.
        endpoint: the one that makes it; "" for none.
    """
    if service is None or service.webhook_url is None:
        return ""
    is_told = service.webhooks_from_rest_enabled or not from_rest
    return f"{limit} {is_told:d} {endpoint}"
