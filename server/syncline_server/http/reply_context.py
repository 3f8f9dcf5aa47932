"""JSON representations of services, permissions and API keys in REST v1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from starlette.requests import Request

from syncline_protocol.dates import format_seconds
from syncline_protocol.objects import TYPES
from syncline_server.auth.api_keys import Record
from syncline_server.backend import Backend
from syncline_server.objects.access import Access
from syncline_server.storage.permissions import Permission
from syncline_server.storage.rights import Right
from syncline_server.storage.services import Service

from . import urls

__all__ = [
    "ReplyContext",
    "key_resource",
    "permission_resource",
    "service_resource",
]


@dataclass(frozen=True, slots=True)
class ReplyContext:
    """The base URL, account and service that the resources of one reply share."""

    base_url: str
    account_sid: str
    service_sid: str

    @classmethod
    def of(cls, request: Request, backend: Backend, access: Access) -> Self:
        """The context of the reply to a request. Raises as `urls.base_url`."""
        return cls(
            urls.base_url(request, backend.settings.public_url),
            backend.authenticator.account_sid,
            access.service_sid,
        )


def service_resource(service: Service, base_url: str, account_sid: str) -> dict[str, Any]:
    """The properties of the vendor's Service resource."""
    url = urls.service_url(base_url, service.sid)
    return {
        "sid": service.sid,
        "unique_name": service.unique_name,
        "account_sid": account_sid,
        "friendly_name": service.friendly_name,
        "date_created": format_seconds(service.created_ms),
        "date_updated": format_seconds(service.updated_ms),
        "url": url,
        "webhook_url": service.webhook_url,
        "webhooks_from_rest_enabled": service.webhooks_from_rest_enabled,
        "reachability_webhooks_enabled": service.reachability_webhooks_enabled,
        "acl_enabled": service.acl_enabled,
        "reachability_debouncing_enabled": service.reachability_debouncing_enabled,
        "reachability_debouncing_window": service.reachability_debouncing_window,
        "links": {each.plural: urls.objects_url(base_url, service.sid, each) for each in TYPES},
    }


def key_resource(record: Record, base_url: str, account_sid: str) -> dict[str, Any]:
    """The properties of an API key, without its secret.

    `configured` is true for a key of the server's configuration; it has no name and no date.
    """
    created = record.created_ms
    return {
        "sid": record.sid,
        "account_sid": account_sid,
        "friendly_name": record.friendly_name,
        "login_only": record.login_only,
        "configured": record.configured,
        "date_created": None if created is None else format_seconds(created),
        "url": urls.key_url(base_url, record.sid),
    }


def permission_resource(
    permission: Permission, where: ReplyContext, kind: str, object_url: str
) -> dict[str, Any]:
    """The properties of the vendor's Permission resources; `kind` is the kind of the object."""
    return {
        "account_sid": where.account_sid,
        "service_sid": where.service_sid,
        f"{kind}_sid": permission.sid,
        "identity": permission.identity,
        "read": Right.READ in permission.rights,
        "write": Right.WRITE in permission.rights,
        "manage": Right.MANAGE in permission.rights,
        "url": urls.permission_url(object_url, permission.identity),
    }
