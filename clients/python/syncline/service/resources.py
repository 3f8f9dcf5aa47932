"""Resources of the account: services, permissions, API keys and parked webhooks."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TypedDict

from syncline.header import JsonObject
from syncline_protocol import dates

__all__ = ["ApiKey", "ParkedWebhook", "Permission", "ServiceInfo", "ServiceSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceInfo:
    """A service and its settings.

    Attributes:
        sid: `IS` and 32 hexadecimal digits.
        unique_name: `default` for the first service; None for all others.
        friendly_name: name for human readers; None if it has none.
        webhook_url: where webhooks are sent; None for none.
        webhooks_from_rest_enabled: True if writes of back ends send webhooks too.
        acl_enabled: True if permissions are checked.
        reachability_webhooks_enabled: True if connections and their ends send webhooks.
        reachability_debouncing_enabled: True if brief breaks send none.
        reachability_debouncing_window: how long such a break may be, in milliseconds.
        date_created, date_updated: UTC.
    """

    sid: str
    unique_name: str | None
    friendly_name: str | None
    webhook_url: str | None
    webhooks_from_rest_enabled: bool
    acl_enabled: bool
    reachability_webhooks_enabled: bool
    reachability_debouncing_enabled: bool
    reachability_debouncing_window: int
    date_created: datetime
    date_updated: datetime

    @classmethod
    def parse(cls, body: JsonObject) -> ServiceInfo:
        """Parse a REST resource. Raises `KeyError` if a member is missing."""
        created, updated = (dates.parse(body[name]) for name in ("date_created", "date_updated"))
        names = cls.__dataclass_fields__.keys() - {"date_created", "date_updated"}
        members = {name: body[name] for name in names}
        return cls(date_created=created, date_updated=updated, **members)


class ServiceSettings(TypedDict, total=False):
    """The settings of a service that can be changed, by the names of `ServiceInfo`."""

    friendly_name: str | None
    webhook_url: str | None
    webhooks_from_rest_enabled: bool
    acl_enabled: bool
    reachability_webhooks_enabled: bool
    reachability_debouncing_enabled: bool
    reachability_debouncing_window: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """What one identity may do with one document, list or map.

    Attributes:
        identity: whose permission it is.
        read, write, manage: the rights.
    """

    identity: str
    read: bool
    write: bool
    manage: bool

    @classmethod
    def parse(cls, body: JsonObject) -> Permission:
        """Parse a REST resource. Raises `KeyError` if a member is missing."""
        return cls(**{name: body[name] for name in ("identity", "read", "write", "manage")})


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """An API key.

    Attributes:
        sid: `SK` and 32 hexadecimal digits.
        friendly_name: name for human readers; None if it has none.
        login_only: True if it signs no tokens.
        configured: True if it is in the server's configuration.
        date_created: UTC; None for a configured key.
        secret: only in the answer to `create`: it cannot be read again.
    """

    sid: str
    friendly_name: str | None
    login_only: bool
    configured: bool
    date_created: datetime | None
    secret: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, body: JsonObject) -> ApiKey:
        """Parse a REST resource. Raises `KeyError` if a member is missing."""
        created = body["date_created"]
        return cls(
            sid=body["sid"],
            friendly_name=body["friendly_name"],
            login_only=body["login_only"],
            configured=body["configured"],
            date_created=None if created is None else dates.parse(created),
            secret=body.get("secret"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedWebhook:
    """A webhook whose delivery was given up.

    Attributes:
        id: names it in `get`, `replay` and `remove`.
        event_type: such as `document_updated`.
        parameters: the form for the receiver.
        attempts: how often it was sent.
        status: HTTP status of the last answer; None if there was none.
        reason: why the last attempt failed.
        date_created, date_parked: when the event happened, and when delivery was given up; UTC.
    """

    id: str
    event_type: str
    parameters: dict[str, str]
    attempts: int
    status: int | None
    reason: str
    date_created: datetime
    date_parked: datetime

    @classmethod
    def parse(cls, body: JsonObject) -> ParkedWebhook:
        """Parse a REST resource. Raises `KeyError` if a member is missing."""
        names = ("id", "event_type", "parameters", "attempts", "status", "reason")
        return cls(
            **{name: body[name] for name in names},
            date_created=dates.parse(body["date_created"]),
            date_parked=dates.parse(body["date_parked"]),
        )
