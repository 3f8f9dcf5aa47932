"""The form fields of a webhook request."""

from __future__ import annotations

from syncline_protocol.item_types import item_type
from syncline_protocol.objects import TYPES, ObjectType

from .events import QueuedEvent

__all__ = ["parameters"]

_TYPES = {type_.name: type_ for type_ in TYPES}


def parameters(event: QueuedEvent, account_sid: str, service_sid: str) -> dict[str, str]:
    """Names and values of the vendor's form, without those that are None."""
    given = {
        "AccountSid": account_sid,
        "ServiceSid": service_sid,
        "EventType": event.kind,
        "Identity": event.identity,
        "EndpointId": event.endpoint,
    }
    type_ = _TYPES.get(event.kind.partition("_")[0])
    if type_ is not None:
        kind = type_.name.capitalize()
        given |= {
            f"{kind}Sid": event.subject,
            f"{kind}UniqueName": event.name,
            f"{kind}Revision": event.revision,
            **({f"{kind}Data": event.data} if event.item_key is None else _item(event, type_)),
        }
    return {name: value for name, value in given.items() if value is not None}


def _item(event: QueuedEvent, type_: ObjectType) -> dict[str, str | None]:
    items = item_type(type_)
    return {
        # The vendor's sequence number of the event; ours is the revision of the change.
        "EventId": event.item_revision,
        f"Item{items.id_name.capitalize()}": str(items.show_id(event.item_key or "")),
        "ItemRevision": event.item_revision,
        "ItemData": event.data,
    }
