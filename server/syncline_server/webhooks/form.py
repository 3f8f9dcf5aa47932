"""The form fields of a webhook request."""

from __future__ import annotations

from syncline_protocol.item_types import item_type
from syncline_protocol.objects import type_of_sid

from .events import QueuedEvent

__all__ = ["parameters"]


def parameters(event: QueuedEvent, account_sid: str, service_sid: str) -> dict[str, str]:
    """Names and values of the vendor's form, without those that are None."""
    given = {
        "AccountSid": account_sid,
        "ServiceSid": service_sid,
        "EventType": event.kind,
        "Identity": event.identity,
        "EndpointId": event.endpoint,
    }
    kind = event.kind.partition("_")[0].capitalize()
    if kind != "Endpoint":
        given |= {
            f"{kind}Sid": event.subject,
            f"{kind}UniqueName": event.name,
            f"{kind}Revision": event.revision,
        }
        given |= {f"{kind}Data": event.data} if event.item_key is None else _of_item(event)
    return {name: value for name, value in given.items() if value is not None}


def _of_item(event: QueuedEvent) -> dict[str, str | None]:
    type_ = item_type(type_of_sid(event.subject))
    return {
        # Also the id of the event: a collection and its items have one clock.
        "EventId": event.item_revision,
        f"Item{type_.id_name.capitalize()}": str(type_.show_id(event.item_key or "")),
        "ItemRevision": event.item_revision,
        "ItemData": event.data,
    }
