"""The copy that an observer keeps, by messages in every order."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from syncline_tools.verify.history import History
from syncline_tools.verify.items.collection import MAP, Collection
from syncline_tools.verify.items.copy_keeper import CopyKeeper
from syncline_tools.verify.items.sight import ItemSight

COLLECTION = Collection(sid="MP1", service_sid="IS1", type=MAP)


def item(key: str, revision: int) -> dict[str, Any]:
    return {"key": key, "revision": str(revision), "data": {"w": revision}}


def changed(key: str, revision: int, previous: int) -> dict[str, Any]:
    header = {"revision": str(revision), "previous_revision": str(previous)}
    return {"map": header, "changes": [{"kind": "updated", **item(key, revision)}]}


def test_what_came_before_an_older_page_is_not_lost() -> None:
    sight = ItemSight("reader", History(BytesIO()), lambda: None)
    keeper = CopyKeeper(COLLECTION, sight)
    keeper.open(0, {"map": {"revision": "5"}, "items": [item("k", 5)]})
    keeper.take("reset", {"map": {"revision": "6"}})
    # The page that follows was read at 7, before these were sent, and after them.
    keeper.take("items", changed("k", 7, 6))
    keeper.take("items", changed("k", 8, 7))
    keeper.open(0, {"map": {"revision": "7"}, "items": [item("k", 7)]})

    assert sight.known("MP1", "k") == 8
    assert keeper.revision == 8
