"""The body of a batch: operations on the items of one collection, which are applied all or not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from syncline_protocol import fields
from syncline_protocol.item_batch import batch_operations
from syncline_protocol.item_commands import ItemOperation
from syncline_protocol.item_types import ItemType

from .values import by_name

__all__ = ["ItemBatch"]

_MEMBERS = ("operations", "collection_ttl")


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemBatch:
    """A checked batch.

    Attributes:
        collection_ttl: seconds until the collection expires; 0 for never, None keeps the expiry.
    """

    operations: tuple[ItemOperation, ...]
    collection_ttl: int | None

    @classmethod
    def of(cls, given: Iterable[tuple[str, Any]], items: ItemType, limit: int) -> ItemBatch:
        """Check the members of a JSON object.

        Args:
            given: names and values, in their order.
            limit: maximum bytes of the data of one item.

        Raises:
            Refusal: with the code of the value that is wrong; the message names the operation.
        """
        values = by_name(given, {name: name for name in _MEMBERS})
        operations = batch_operations(values.get("operations"), items, limit)
        ttl = values.get("collection_ttl")
        return cls(
            operations=operations,
            collection_ttl=None if ttl is None else fields.ttl(ttl, "collection_ttl"),
        )
