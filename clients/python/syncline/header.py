"""What all objects have: names, dates, revision."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from syncline_protocol import dates

__all__ = ["Header", "JsonObject", "header_members"]

JsonObject = dict[str, Any]
"""A parsed JSON object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Header of an object at one revision (docs/protocol.md, section 2).

    Attributes:
        sid: two letters and 32 hexadecimal digits.
        unique_name: None if the object has none.
        revision: increases with every write.
        date_created, date_updated: UTC.
        date_expires: UTC; None if the object never expires.
        created_by, updated_by: an identity, or `system`.
    """

    sid: str
    unique_name: str | None
    revision: int
    date_created: datetime
    date_updated: datetime
    date_expires: datetime | None
    created_by: str
    updated_by: str

    @classmethod
    def of(cls, body: JsonObject, base: Header | None = None) -> Header:
        """Parse the header in a message.

        Args:
            body: the object of a reply or an event; or a REST resource.
            base: an earlier one, for the members that `body` omits.

        Raises:
            KeyError: a member is missing and there is no `base` to take it from.
        """
        return Header(**header_members(body, base))


def header_members(body: JsonObject, base: Header | None) -> dict[str, Any]:
    """The members of `Header` in a message; `base` has those that `body` omits."""

    def member(name: str) -> Any:
        return body[name] if base is None or name in body else getattr(base, name)

    def date(name: str) -> Any:
        value = member(name)
        return dates.parse(value) if isinstance(value, str) else value

    return {
        "sid": body["sid"],
        "unique_name": member("unique_name"),
        "revision": int(body["revision"]),
        "date_created": date("date_created"),
        "date_updated": date("date_updated"),
        "date_expires": date("date_expires"),
        "created_by": member("created_by"),
        "updated_by": member("updated_by"),
    }
