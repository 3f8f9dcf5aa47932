"""In what the items of lists and maps differ: one row each.

Code that handles items takes an `ItemType`, and never names lists or maps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .errors import Code, TypeCodes, codes_of
from .item_commands import Verb
from .item_keys import index_key, index_of, item_key, list_index
from .objects import LIST, MAP, ObjectType

__all__ = ["ITEM_TYPES", "LIST_ITEMS", "MAP_ITEMS", "ItemType", "item_type"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemType:
    """The items of one type of collection.

    Attributes:
        type: the type of the collection.
        id_name, ids_name: the members of messages that name an item, and several items.
        verbs: what one operation can do. `PUT` would give an index, which only the server does.
        parse_id: checks the value of `id_name`, and makes the key under which it is stored.
        show_id: the value of `id_name` for a stored key.
        invalid_data: error code of data that is missing or null.
        has_chosen_keys: True if clients choose the keys of new items.
    """

    type: ObjectType
    id_name: str
    ids_name: str
    verbs: tuple[Verb, ...]
    parse_id: Callable[[object], str]
    show_id: Callable[[str], str | int]
    invalid_data: Code
    has_chosen_keys: bool

    @property
    def codes(self) -> TypeCodes:
        """The error codes of the items that are absent, exist or do not match."""
        return codes_of(self.type)


def _parse_index(value: object) -> str:
    return index_key(list_index(value))


LIST_ITEMS = ItemType(
    type=LIST,
    id_name="index",
    ids_name="indexes",
    verbs=(Verb.ADD, Verb.UPDATE, Verb.REMOVE),
    parse_id=_parse_index,
    show_id=index_of,
    invalid_data=Code.INVALID_LIST_DATA,
    has_chosen_keys=False,
)

MAP_ITEMS = ItemType(
    type=MAP,
    id_name="key",
    ids_name="keys",
    verbs=(Verb.ADD, Verb.PUT, Verb.UPDATE, Verb.REMOVE),
    parse_id=item_key,
    show_id=str,
    invalid_data=Code.INVALID_MAP_DATA,
    has_chosen_keys=True,
)

ITEM_TYPES = {each.type: each for each in (LIST_ITEMS, MAP_ITEMS)}


def item_type(type_: ObjectType) -> ItemType:
    """The items of this type of collection."""
    return ITEM_TYPES[type_]
