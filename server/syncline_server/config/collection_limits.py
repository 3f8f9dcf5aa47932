"""Settings: the limits of lists, maps and streams, and the effect of each."""

from __future__ import annotations

from dataclasses import dataclass

from .validation import setting

__all__ = ["CollectionLimits"]

MAX_ITEM_LIMIT = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class CollectionLimits:
    """Base of `Settings`."""

    item_limit: int = setting(
        16_384,
        "Maximum bytes in an item of a list or map, as compact UTF-8 JSON; more is refused with "
        "54006.",
        least=64,
        most=MAX_ITEM_LIMIT,
    )
    message_limit: int = setting(
        4096,
        "Maximum bytes in a message of a stream, as compact UTF-8 JSON; more is refused with "
        "54006.",
        least=64,
        most=MAX_ITEM_LIMIT,
    )
    batch_limit: int = setting(
        524_288,
        "Maximum bytes in the body of a batch of items; more is refused with 54006.",
        least=16_384,
        most=16_777_216,
    )
    items_limit: int = setting(
        1_000_000,
        "Maximum items in one list or map; an item beyond is refused with 54006.",
        least=1,
        most=100_000_000,
    )
    collection_bytes: int = setting(
        1_073_741_824,
        "Maximum bytes of all items of one list or map, with their keys; a write beyond is "
        "refused with 54006.",
        least=65_536,
        most=2**40,
    )
    tombstones: int = setting(
        100_000,
        "Maximum removed items that one list or map remembers for clients that come back; a client "
        "that was away longer reads the items again.",
        least=0,
        most=10_000_000,
    )
    tombstone_age: int = setting(
        604_800,
        "Seconds for which a list or map remembers a removed item.",
        least=1,
        most=31_536_000,
    )
    max_pages: int = setting(
        4,
        "Maximum pages of items, of up to 1 MiB each, that one connection reads at once; above, "
        "the server stops reading from it.",
        least=1,
        most=1000,
    )
    waiting_items: int = setting(
        256,
        "Maximum changes of items of one list or map that wait for one slow reader; a reader "
        "beyond gets what changed when it has read the rest.",
        least=1,
        most=100_000,
    )
    waiting_messages: int = setting(
        1000,
        "Maximum messages of streams that wait for one slow reader; beyond, the oldest are "
        "dropped, and the reader gets their number.",
        least=1,
        most=1_000_000,
    )
    waiting_bytes: int = setting(
        1_048_576,
        "Maximum bytes of changes of items that wait for one slow reader, and of messages of "
        "streams.",
        least=16_384,
        most=67_108_864,
    )
