"""The form fields of a webhook request."""

from __future__ import annotations

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
            f"{kind}Data": event.data,
        }
    return {name: value for name, value in given.items() if value is not None}
