"""Events that lists, maps and streams share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

from syncline_protocol import dates

from .events import Removal
from .header import Header

__all__ = ["ExpiryChanged", "ObjectRemoved"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiryChanged:
    """A list, map or stream expires at another time.

    Attributes:
        revision: the new revision.
        date_expires: UTC; None if it never expires.
        updated_by: identity that changed it, or `system`.
    """

    name: ClassVar[str] = "expiry"

    revision: str
    date_expires: datetime | None
    updated_by: str

    @classmethod
    def between(cls, before: Header, after: Header) -> ExpiryChanged | None:
        """The event for what a break has hidden; None if the expiry is the same."""
        if _seconds(before) == _seconds(after):
            return None
        return cls(
            revision=str(after.revision),
            date_expires=after.date_expires,
            updated_by=after.updated_by,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectRemoved:
    """A list, map or stream was removed, with all its items; no event follows.

    Attributes:
        sid, unique_name: of the object.
        is_local: True if this client removed it.
        revision: revision of the removal; None if the client was not connected then.
        removed_by: identity that removed it, `system` for an expiry; None as for `revision`.
        expired: True if it expired; None as for `revision`, unless the last known expiry has
            passed (then True).
        date_removed: UTC; None as for `revision`.
    """

    name: ClassVar[str] = "removed"

    sid: str
    unique_name: str | None
    is_local: bool
    revision: str | None = None
    removed_by: str | None = None
    expired: bool | None = None
    date_removed: datetime | None = None

    @classmethod
    def of(cls, removal: Removal, header: Header, is_local: bool) -> ObjectRemoved:
        """Make the event; `header` is the last that is known."""
        body = removal.body or {}
        date = body.get("date_removed")
        expires = header.date_expires
        has_run_out = expires is not None and expires <= datetime.now(UTC)
        return cls(
            sid=header.sid,
            unique_name=header.unique_name,
            is_local=is_local,
            revision=body.get("revision"),
            removed_by=body.get("removed_by"),
            expired=body.get("expired", has_run_out or None),
            date_removed=None if date is None else dates.parse(date),
        )


def _seconds(header: Header) -> int | None:
    """When an object expires; REST has no fractions of a second."""
    return None if header.date_expires is None else int(header.date_expires.timestamp())
