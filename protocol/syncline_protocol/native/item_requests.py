"""Requests that collections take, and their items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from syncline_protocol import fields
from syncline_protocol.commands import Command
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.item_batch import batch_operations
from syncline_protocol.item_commands import (
    ABSENT,
    PART_KEYS_LIMIT,
    BatchItems,
    GetItem,
    GetItems,
    ItemQuery,
    OpenCollection,
    Part,
    PatchItem,
    Verb,
    WriteItem,
)
from syncline_protocol.item_parts import page_size, part_of_ids, part_of_prefix
from syncline_protocol.item_types import ITEM_TYPES, item_type

from . import object_requests
from .members import Members
from .object_requests import Build, opening

__all__ = ["PAGE_SIZE", "VERBS"]

PAGE_SIZE = 50
"""Items in a page whose request has no `limit`."""

_ORDERS = {"asc": False, "desc": True}


def _open(members: Members) -> OpenCollection:
    common, part = opening(members), _part(members)
    return OpenCollection(
        members.address_or_none(),
        items=_first_page(members, part, is_resumed=common["revision"] is not None),
        part=part,
        deltas=members.flag("deltas"),
        **common,
    )


def _first_page(members: Members, part: Part | None, *, is_resumed: bool) -> ItemQuery | None:
    """The page that `open` reads; None if it is not wanted."""
    asked = members.given.get("items", True)
    if not isinstance(asked, bool | dict):
        raise Refusal(
            Code.INVALID_PARAMETER,
            f"items must be true, false or an object; {fields.show(asked)} was given.",
        )
    page = asked if isinstance(asked, dict) else {}
    query = _query(Members(page, members.limits, members.type), part)
    # To resume, most clients need no page; so only one that is asked for in so many words is read.
    is_wanted = isinstance(asked, dict) if is_resumed else asked is not False
    return query if is_wanted else None


def _get_items(members: Members) -> GetItems:
    part = _part(members)
    query = _query(members, part)
    edges = [name for name in ("from", "after") if members.given.get(name) is not None]
    if len(edges) > 1:
        raise Refusal(Code.INVALID_PARAMETER, "A page begins from or after a key, not both.")
    if edges:
        start = _parse_id(members, members.given[edges[0]], edges[0])
        query = replace(query, start=start, is_inclusive=edges == ["from"])
    return GetItems(members.address(), query, type=members.type, part=part)


def _query(members: Members, part: Part | None) -> ItemQuery:
    size = members.given.get("limit")
    return ItemQuery(
        is_descending=members.choice("order", _ORDERS, default=False, code=Code.INVALID_ORDER),
        size=PAGE_SIZE if size is None else page_size(size, "limit"),
        prefix=None if part is None else part.prefix,
    )


def _part(members: Members) -> Part | None:
    """The part of the collection that a request names; None for the whole."""
    items = item_type(members.type)
    names = [name for name in (items.ids_name, "prefix") if members.given.get(name) is not None]
    if len(names) > 1:
        raise Refusal(
            Code.INVALID_PARAMETER, f"A part is given by {' or '.join(names)}, not by both."
        )
    if not names:
        return None
    [name] = names
    value = members.given[name]
    if name != items.ids_name:
        return part_of_prefix(value, items, name, items.ids_name)
    if not isinstance(value, list):
        raise Refusal(
            Code.INVALID_PARAMETER,
            f"{name} must be an array of 1 to {PART_KEYS_LIMIT}; {fields.show(value)} was given.",
        )
    return part_of_ids(value, items, name)


def _get_item(members: Members) -> GetItem:
    return GetItem(members.address(), _key(members), type=members.type)


def _add(members: Members) -> WriteItem:
    key = _key(members) if item_type(members.type).has_chosen_keys else None
    return _write(members, Verb.ADD, key, data=_data(members))


def _set(members: Members) -> WriteItem:
    puts = Verb.PUT in item_type(members.type).verbs
    return _write(
        members,
        Verb.PUT if puts else Verb.UPDATE,
        _key(members),
        data=_data(members),
        if_match=_condition(members, may_be_absent=puts),
    )


def _set_ttl(members: Members) -> WriteItem:
    key = _existing_key(members)
    members.required_ttl()
    return _write(members, Verb.UPDATE, key, if_match=_condition(members))


def _remove(members: Members) -> WriteItem:
    return WriteItem(
        members.address(),
        type=members.type,
        action=Verb.REMOVE,
        item_key=_existing_key(members),
        if_match=_condition(members),
        op=members.op(),
    )


def _of_collection(build: Build) -> Build:
    """A request for the collection as a whole, which names no item."""

    def build_checked(members: Members) -> Command:
        for each in ITEM_TYPES.values():
            if members.has(each.id_name):
                raise Refusal(
                    Code.UNKNOWN_PARAMETER,
                    f"{members.given['do']} is for a {members.type.name} as a whole, so "
                    f"{each.id_name} is not allowed.",
                )
        return build(members)

    return build_checked


def _write(
    members: Members,
    action: Verb,
    key: str | None,
    *,
    data: bytes | None = None,
    if_match: int | None = None,
) -> WriteItem:
    return WriteItem(
        members.address(),
        type=members.type,
        action=action,
        item_key=key,
        data=data,
        ttl=members.ttl(),
        if_match=if_match,
        collection_ttl=members.ttl("collection_ttl"),
        op=members.op(),
    )


def _patch(members: Members) -> PatchItem:
    body = members.patch()
    return PatchItem(
        members.address(),
        type=members.type,
        item_key=_key(members),
        body=body,
        ttl=members.ttl(),
        if_match=_condition(members),
        collection_ttl=members.ttl("collection_ttl"),
        op=members.op(),
    )


def _batch(members: Members) -> BatchItems:
    items, given = item_type(members.type), members.required("operations")
    return BatchItems(
        members.address(),
        type=members.type,
        operations=batch_operations(given, items, members.limits.item),
        collection_ttl=members.ttl("collection_ttl"),
        op=members.op(),
    )


def _existing_key(members: Members) -> str:
    """The key of an item that exists.

    Raises:
        Refusal: `UNKNOWN_PARAMETER` if the request names no item, or names it as another type does.
    """
    own = item_type(members.type).id_name
    for other in ITEM_TYPES.values():
        if other.id_name != own and members.has(other.id_name):
            raise Refusal(
                Code.UNKNOWN_PARAMETER,
                f"An item of a {members.type.name} is named by {own}, not by {other.id_name}.",
            )
    return _key(members)


def _key(members: Members) -> str:
    items = item_type(members.type)
    return items.parse_id(members.required(items.id_name))


def _parse_id(members: Members, value: Any, field: str) -> str:
    try:
        return item_type(members.type).parse_id(value)
    except Refusal as refusal:
        raise Refusal(refusal.code, f"{field} is wrong. {refusal.message}") from None


def _data(members: Members) -> bytes:
    return members.data(members.limits.item, null=item_type(members.type).invalid_data)


def _condition(members: Members, *, may_be_absent: bool = False) -> int | None:
    """The revision that the item must be at, or `ABSENT`; None for any."""
    if may_be_absent and members.given.get("if_match") == str(ABSENT):
        return ABSENT
    return members.revision("if_match")


VERBS: Mapping[str, Build] = {
    **object_requests.VERBS,
    "open": _open,
    "items": _get_items,
    "item": _get_item,
    "add": _add,
    "set": _set,
    "patch": _patch,
    "ttl": _set_ttl,
    "ttl_collection": _of_collection(object_requests.VERBS["ttl"]),
    "remove": _remove,
    "remove_collection": _of_collection(object_requests.VERBS["remove"]),
    "batch": _batch,
}
"""By the member `do`.

What changes a collection as a whole has a verb of its own: a client that drops the key from a
request for an item must not remove all items.
"""
