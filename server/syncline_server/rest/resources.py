"""Documents as REST v1 shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from syncline_protocol.dates import format_seconds
from syncline_protocol.document import Document

from . import urls

__all__ = ["Surroundings", "document_resource"]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the resources of one reply share: where they are, and whose."""

    base_url: str
    account_sid: str
    service_sid: str


def document_resource(document: Document, where: Surroundings) -> dict[str, Any]:
    """The properties of the vendor's Document resource, and `updated_by`: who wrote last.

    `data` is left out where it is not known: in the answer to a repeated operation whose document
    has moved on.
    """
    url = urls.document_url(where.base_url, where.service_sid, document.sid)
    resource: dict[str, Any] = {
        "sid": document.sid,
        "unique_name": document.unique_name,
        "account_sid": where.account_sid,
        "service_sid": where.service_sid,
        "url": url,
        "links": {"permissions": f"{url}/Permissions"},
        "revision": str(document.revision),
        "date_created": format_seconds(document.created_ms),
        "date_updated": format_seconds(document.updated_ms),
        "date_expires": None
        if document.expires_ms is None
        else format_seconds(document.expires_ms),
        "created_by": document.created_by,
        "updated_by": document.updated_by,
    }
    if document.data:
        resource["data"] = orjson.Fragment(document.data)
    return resource
