"""In what the resources of the types of objects differ: one row each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from syncline_protocol.objects import DOCUMENT, LIST, MAP, STREAM, ObjectType

__all__ = ["DOCUMENTS", "LISTS", "MAPS", "STREAMS", "ObjectForm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectForm:
    """How the resources of one type look.

    Attributes:
        links: the last segment of the URL of each nested resource, by its name.
        has_revision: True if the vendor's resource has a `revision`.
    """

    type: ObjectType
    links: Mapping[str, str]
    has_revision: bool


_OF_COLLECTIONS = {"items": "Items", "permissions": "Permissions"}

DOCUMENTS = ObjectForm(type=DOCUMENT, links={"permissions": "Permissions"}, has_revision=True)

LISTS = ObjectForm(type=LIST, links=_OF_COLLECTIONS, has_revision=True)

MAPS = ObjectForm(type=MAP, links=_OF_COLLECTIONS, has_revision=True)

STREAMS = ObjectForm(type=STREAM, links={"messages": "Messages"}, has_revision=False)
