"""What a slow listener of a list or map receives."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from typing import Any

import pytest

from syncline import ItemAdded, ItemRemoved, ItemUpdated, JsonObject, Reset
from syncline.item import Item
from syncline.item_events import merge_collection_event
from syncline.object_events import ExpiryChanged

MOMENT = datetime(2026, 1, 31, tzinfo=UTC)


def item(key: str, order: int) -> Item[JsonObject, str]:
    return Item(
        key=key,
        order=order,
        json=b"{}",
        date_created=MOMENT,
        date_updated=MOMENT,
        date_expires=None,
        created_by="alice",
        updated_by="alice",
    )


def added(key: str, order: int) -> ItemAdded[JsonObject, str]:
    return ItemAdded(item=item(key, order))


def updated(key: str, order: int, previous: int | None = None) -> ItemUpdated[JsonObject, str]:
    before = None if previous is None else item(key, previous)
    return ItemUpdated(item=item(key, order), previous=before)


def removed(key: str, order: int) -> ItemRemoved[JsonObject, str]:
    return ItemRemoved(key=key, order=order)


@pytest.mark.parametrize(
    ("earlier", "event", "merged"),
    [
        (added("a", 1), updated("a", 3, 1), added("a", 3)),
        (updated("a", 2, 1), updated("a", 3, 2), updated("a", 3, 1)),
        (updated("a", 2), removed("a", 3), removed("a", 3)),
        (added("a", 2), removed("a", 3), removed("a", 3)),
        (removed("a", 2), added("a", 3), updated("a", 3)),
    ],
)
def test_changes_of_one_item_are_merged(earlier: Any, event: Any, merged: Any) -> None:
    queue = deque([earlier, added("b", 2)])
    merge_collection_event(queue, event)
    assert list(queue) == [merged, added("b", 2)]


def test_changes_of_further_items_become_a_reset() -> None:
    queue: deque[Any] = deque([added("a", 1), added("b", 2)])
    merge_collection_event(queue, added("c", 3))
    assert list(queue) == [Reset(revision="3")]
    merge_collection_event(queue, added("d", 4))
    assert list(queue) == [Reset(revision="3")]


def test_expiries_are_merged() -> None:
    expiries = [ExpiryChanged(revision=str(n), date_expires=None, updated_by="a") for n in (1, 2)]
    queue: deque[Any] = deque([expiries[0]])
    merge_collection_event(queue, expiries[1])
    assert list(queue) == [expiries[1]]
    merge_collection_event(queue, added("c", 3))
    assert list(queue) == [Reset(revision="3")]
