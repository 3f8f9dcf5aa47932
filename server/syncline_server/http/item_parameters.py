"""Parameters of a write of one item, from a form, from JSON or from a query."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from syncline_protocol import fields
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.item_commands import ItemOperation, Verb
from syncline_protocol.item_types import ItemType

from .values import by_name, json_object

__all__ = ["TTL_NAMES", "ItemParameters"]

TTL_NAMES = ("ItemTtl", "Ttl", "CollectionTtl")

_DATA = {"Data": "Data", "data": "Data"}
_TTLS = {
    "Ttl": "Ttl",
    "ttl": "Ttl",
    "ItemTtl": "ItemTtl",
    "item_ttl": "ItemTtl",
    "CollectionTtl": "CollectionTtl",
    "collection_ttl": "CollectionTtl",
}
_KEY = {"Key": "Key", "key": "Key"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemParameters:
    """Checked parameters; None for each that was not given.

    Attributes:
        key: the key under which the item is stored; also None where the path or the server
            gives it.
        data: compact JSON within the limits.
        ttl: seconds until the item expires; 0 for never.
        collection_ttl: seconds until the collection expires; 0 for never.
    """

    key: str | None = None
    data: bytes | None = None
    ttl: int | None = None
    collection_ttl: int | None = None

    @classmethod
    def of_new(
        cls,
        given: Iterable[tuple[str, Any]],
        items: ItemType,
        limit: int,
        *,
        has_key: bool = True,
        is_strict: bool = True,
    ) -> ItemParameters:
        """Check the fields of a form, or the members of a JSON object, that add an item.

        Args:
            given: names and values, in their order.
            limit: maximum bytes of the data.
            has_key: False if the path gives the key.
            is_strict: False ignores unknown names.

        Raises:
            Refusal: with the code of the parameter that is wrong or missing; `UNKNOWN_PARAMETER`
                for an unknown name; `INVALID_PARAMETER` for a parameter given twice.
        """
        has_key = has_key and items.has_chosen_keys
        names = {**(_KEY if has_key else {}), **_DATA, **_TTLS}
        values = by_name(given, names, is_strict=is_strict)
        return cls(
            key=items.parse_id(values.get("Key")) if has_key else None,
            data=json_object(values.get("Data"), "Data", limit, items.invalid_data),
            ttl=_item_ttl(values),
            collection_ttl=_ttl(values, "CollectionTtl"),
        )

    @classmethod
    def of_update(
        cls,
        given: Iterable[tuple[str, Any]],
        items: ItemType,
        limit: int,
        *,
        is_strict: bool = True,
    ) -> ItemParameters:
        """As `of_new`, for an update; an empty `Data` counts as missing.

        Raises:
            Refusal: also `NO_PARAMETERS` without `Data` and a time to live of the item.
        """
        values = by_name(given, {**_DATA, **_TTLS}, is_strict=is_strict)
        data, ttl = values.get("Data", ""), _item_ttl(values)
        if data == "" and ttl is None:
            raise Refusal(
                Code.NO_PARAMETERS,
                "An update needs Data, ItemTtl or Ttl; none was given. CollectionTtl goes beside "
                "one of them.",
            )
        return cls(
            data=None if data == "" else json_object(data, "Data", limit, items.invalid_data),
            ttl=ttl,
            collection_ttl=_ttl(values, "CollectionTtl"),
        )

    @classmethod
    def of_query(cls, query: Iterable[tuple[str, str]]) -> ItemParameters:
        """The times to live in a query, beside a body that is a patch. Raises `INVALID_TTL`."""
        values: dict[str, str] = {}
        for name, value in query:
            if name in values:
                raise Refusal(
                    Code.INVALID_TTL, f"{name} must be given once; it was given several times."
                )
            if name in TTL_NAMES:
                values[name] = value
        return cls(ttl=_item_ttl(values), collection_ttl=_ttl(values, "CollectionTtl"))

    def operation(self, verb: Verb, key: str | None, if_match: int | None) -> ItemOperation:
        """The operation that applies these parameters to the item with this key."""
        return ItemOperation(verb=verb, key=key, data=self.data, ttl=self.ttl, if_match=if_match)


def _item_ttl(values: dict[str, Any]) -> int | None:
    # The vendor's rule: where both are given, `Ttl` is ignored.
    item_ttl = _ttl(values, "ItemTtl")
    return _ttl(values, "Ttl") if item_ttl is None else item_ttl


def _ttl(values: dict[str, Any], name: str) -> int | None:
    value = values.get(name)
    return None if value is None else fields.ttl(value, name)
