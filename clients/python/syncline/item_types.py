"""What the types of collections have of their own."""

from __future__ import annotations

from dataclasses import dataclass

from syncline_protocol.errors import Code

from .errors import InvalidRequest

__all__ = ["ABSENT", "LIST", "MAP", "CollectionType", "check_key"]

ABSENT = "-1"
"""As `if_match`: there must be no such item."""


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


def check_key(collection: CollectionType, key: object) -> None:
    """Raise `InvalidRequest` if `key` cannot be a key: a request without one is for all items."""
    if collection is LIST:
        if type(key) is not int:
            raise InvalidRequest.local(
                Code.INVALID_INDEX, f"The index of an item is an int, not {type(key).__name__}."
            )
    elif not isinstance(key, str):
        raise InvalidRequest.local(
            Code.INVALID_ITEM_KEY, f"The key of an item is a str, not {type(key).__name__}."
        )
    elif not key:
        raise InvalidRequest.local(Code.INVALID_ITEM_KEY, "The key of an item is empty.")
