"""What the types of collections have of their own."""

from __future__ import annotations

from dataclasses import dataclass

from syncline_protocol.errors import Code

__all__ = ["LIST", "MAP", "CollectionType"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionType:
    """A type of collection.

    Attributes:
        name: name of the type.
        key_name, keys_name: names of a key and of several in messages.
        missing: error code where there is no such item.
        creates_items: True if a write of an item that does not exist creates it.
    """

    name: str
    key_name: str
    keys_name: str
    missing: Code
    creates_items: bool


MAP = CollectionType(
    name="map",
    key_name="key",
    keys_name="keys",
    missing=Code.MAP_ITEM_NOT_FOUND,
    creates_items=True,
)

LIST = CollectionType(
    name="list",
    key_name="index",
    keys_name="indexes",
    missing=Code.LIST_ITEM_NOT_FOUND,
    creates_items=False,
)
