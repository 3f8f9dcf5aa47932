"""Keys of the items of maps, and indexes of the items of lists."""

from __future__ import annotations

import re

from .errors import Code, Refusal
from .fields import DOT_SEGMENTS, show, text

__all__ = [
    "INDEX_DIGITS",
    "INDEX_LIMIT",
    "KEY_LENGTH",
    "index_key",
    "index_of",
    "item_key",
    "list_index",
]

KEY_LENGTH = 320
"""Maximum number of characters in the key of a map's item (vendor limit)."""

INDEX_DIGITS = 16

INDEX_LIMIT = 2**53
"""Every index of a list is below this, so that JavaScript reads it exactly."""

_INDEX = re.compile(r"0|[1-9][0-9]{0,15}", re.ASCII)


def item_key(key: object) -> str:
    """Check the key of a map's item.

    Raises:
        Refusal: `INVALID_ITEM_KEY`.
    """
    try:
        checked = text(key, "The key of an item")
    except Refusal as refusal:
        raise Refusal(Code.INVALID_ITEM_KEY, refusal.message) from None
    if checked in DOT_SEGMENTS:
        raise Refusal(
            Code.INVALID_ITEM_KEY,
            f"The key of an item must not be {show(checked)}: no URL can carry it.",
        )
    if not 1 <= len(checked) <= KEY_LENGTH:
        raise Refusal(
            Code.INVALID_ITEM_KEY,
            f"The key of an item must have 1 to {KEY_LENGTH} characters; {show(checked)} of "
            f"{len(checked)} characters was given.",
        )
    return checked


def list_index(index: object) -> int:
    """Check the index of a list's item, an integer or its decimal digits.

    Raises:
        Refusal: `INVALID_INDEX`.
    """
    digits = str(index) if isinstance(index, int) and not isinstance(index, bool) else index
    if isinstance(digits, str) and _INDEX.fullmatch(digits) and int(digits) < INDEX_LIMIT:
        return int(digits)
    raise Refusal(
        Code.INVALID_INDEX,
        f"The index of an item must be a whole number from 0, not {show(index)}.",
    )


def index_key(index: int) -> str:
    """The key under which a list stores the item with this index."""
    return f"{index:0{INDEX_DIGITS}d}"


def index_of(key: str) -> int:
    """The index of a list's item that is stored under this key."""
    return int(key)
