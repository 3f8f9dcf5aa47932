"""Checks of what a reader of a collection asks for: the size of a page, and a part."""

from __future__ import annotations

from collections.abc import Sequence

from . import fields
from .errors import Code, Refusal
from .item_commands import PART_KEYS_LIMIT, Part
from .item_keys import KEY_LENGTH
from .item_types import ItemType

__all__ = ["PAGE_LIMIT", "page_size", "part_of_ids", "part_of_prefix"]

PAGE_LIMIT = 500
"""Maximum items in a page."""


def page_size(size: object, field: str) -> int:
    """Check the size of a page. Raises `INVALID_PAGE_SIZE`."""
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= PAGE_LIMIT:
        raise Refusal(
            Code.INVALID_PAGE_SIZE,
            f"{field} must be a whole number from 1 to {PAGE_LIMIT}; {fields.show(size)} was "
            "given.",
        )
    return size


def part_of_ids(ids: Sequence[object], items: ItemType, field: str) -> Part:
    """The part of the items with these keys or indexes.

    Raises:
        Refusal: `INVALID_PARAMETER` for none or too many; as `ItemType.parse_id` for a bad one.
    """
    if not 1 <= len(ids) <= PART_KEYS_LIMIT:
        raise Refusal(
            Code.INVALID_PARAMETER,
            f"{field} must be an array of 1 to {PART_KEYS_LIMIT}; an array of {len(ids)} was "
            "given.",
        )
    keys = set[str]()
    for index, each in enumerate(ids):
        try:
            keys.add(items.parse_id(each))
        except Refusal as refusal:
            message = f"{field}[{index}] is wrong. {refusal.message}"
            raise Refusal(refusal.code, message) from None
    return Part(keys=frozenset(keys))


def part_of_prefix(prefix: object, items: ItemType, field: str, instead: str) -> Part:
    """The part of the items whose keys begin with a prefix.

    Args:
        instead: what names items where keys have no prefix.

    Raises:
        Refusal: `INVALID_PARAMETER` where keys have no prefix; `INVALID_ITEM_KEY`.
    """
    if not items.has_chosen_keys:
        raise Refusal(Code.INVALID_PARAMETER, f"A {items.type.name} has no prefix; use {instead}.")
    try:
        checked = fields.text(prefix, field)
    except Refusal as refusal:
        raise Refusal(Code.INVALID_ITEM_KEY, refusal.message) from None
    if not 1 <= len(checked) <= KEY_LENGTH:
        raise Refusal(
            Code.INVALID_ITEM_KEY,
            f"{field} must have 1 to {KEY_LENGTH} characters; {fields.show(checked)} of "
            f"{len(checked)} characters was given.",
        )
    return Part(prefix=checked)
