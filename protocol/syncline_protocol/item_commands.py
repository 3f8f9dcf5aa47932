"""What clients ask of the items of lists and maps. Keys are as in `items`."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from enum import Enum

from .commands import Command, Open, Write
from .documents import PatchBody

__all__ = [
    "ABSENT",
    "PART_KEYS_LIMIT",
    "BatchItems",
    "GetItem",
    "GetItems",
    "ItemOperation",
    "ItemQuery",
    "OpenCollection",
    "Part",
    "PatchItem",
    "Verb",
    "WriteItem",
]

ABSENT = -1
"""As `if_match`: the item must not exist."""

PART_KEYS_LIMIT = 256
"""Maximum number of keys that a `Part` names."""


class Verb(Enum):
    """What a write does with an item that exists, and with one that does not."""

    ADD = "add"
    """Create it; refused if it exists. In a list: append it."""
    PUT = "put"
    """Replace its data, or create it."""
    UPDATE = "update"
    """Replace its data, its expiry or both; refused if it does not exist."""
    REMOVE = "remove"
    """Remove it; refused if it does not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemOperation:
    """What a write does with one item.

    Attributes:
        key: None with `ADD` to a list, which gives the key.
        data: None keeps the data, and is all that `REMOVE` takes.
        ttl: seconds until the item expires; 0 for never, None keeps the expiry.
        if_match: the revision that the item must be at, or `ABSENT`; None for any.
    """

    verb: Verb
    key: str | None
    data: bytes | None = None
    ttl: int | None = None
    if_match: int | None = None


@dataclass(frozen=True, slots=True)
class WriteItem(Write):
    """Write one item of the collection at `address`; `if_match` is that of the item.

    Attributes:
        action: what to do with the item.
        item_key: None with `ADD` to a list, which gives the key.
        data, ttl: as in `ItemOperation`.
        collection_ttl: seconds until the collection expires; 0 for never, None keeps the expiry.
    """

    verb = "write_item"
    _: KW_ONLY
    action: Verb
    item_key: str | None
    data: bytes | None = None
    ttl: int | None = None
    collection_ttl: int | None = None

    @property
    def item(self) -> str | None:
        """As in `Write`."""
        return self.item_key

    @property
    def removes(self) -> bool:
        """As in `Write`."""
        return self.action is Verb.REMOVE

    @property
    def operation(self) -> ItemOperation:
        """The write itself."""
        return ItemOperation(
            verb=self.action,
            key=self.item_key,
            data=self.data,
            ttl=self.ttl,
            if_match=self.if_match,
        )

    def tells_data(self, reply_data: bytes) -> bool:
        """As in `Write`."""
        return self.data is not None


@dataclass(frozen=True, slots=True)
class PatchItem(Write):
    """Change the newest data of one item by a rule. Attributes as in `WriteItem`."""

    verb = "patch_item"
    _: KW_ONLY
    item_key: str
    body: PatchBody
    ttl: int | None = None
    collection_ttl: int | None = None

    @property
    def item(self) -> str:
        """As in `Write`."""
        return self.item_key


@dataclass(frozen=True, slots=True)
class BatchItems(Command):
    """Write several items in one commit: all of them, or none."""

    verb = "batch_items"
    address: str
    _: KW_ONLY
    operations: tuple[ItemOperation, ...]
    collection_ttl: int | None = None
    op: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemQuery:
    """Which items a page holds.

    Attributes:
        start: the key to begin with; None for the first key in that order. It need not exist.
        is_inclusive: True if the item with the key `start` belongs to the page.
        is_descending: True for descending keys.
        size: how many items, at most.
        prefix: what their keys begin with; None for any key.
    """

    start: str | None = None
    is_inclusive: bool = True
    is_descending: bool = False
    size: int = 50
    prefix: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The items of a collection that a reader wants: exactly one of the attributes is set.

    Attributes:
        keys: those with these keys, at most `PART_KEYS_LIMIT`.
        prefix: those whose keys begin with this.
    """

    keys: frozenset[str] | None = None
    prefix: str | None = None

    def has(self, key: str) -> bool:
        """True if the item with this key belongs to the part, whether it exists or not."""
        if self.keys is not None:
            return key in self.keys
        return key.startswith(self.prefix or "")


@dataclass(frozen=True, slots=True)
class OpenCollection(Open):
    """Fetch or create a collection and subscribe to its items.

    Attributes:
        items: the page of items to read in the same step; None for none.
        part: the items to subscribe to, and to read; None for all.
        deltas: as in `Open`. It is asked for each time, because only a client that keeps the items
            can use deltas of them.
    """

    _: KW_ONLY
    items: ItemQuery | None = None
    part: Part | None = None
    deltas: bool = False


@dataclass(frozen=True, slots=True)
class GetItem(Command):
    """Read one item."""

    verb = "get_item"
    address: str
    item_key: str


@dataclass(frozen=True, slots=True)
class GetItems(Command):
    """Read a page of items; with `part`, of those that belong to it."""

    verb = "get_items"
    address: str
    query: ItemQuery
    _: KW_ONLY
    part: Part | None = None
