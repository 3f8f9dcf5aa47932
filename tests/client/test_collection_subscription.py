"""What a replica of a collection holds and announces, case by case (rules C23 to C33)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from support.vectors import each
from syncline.collection_listener import Listener
from syncline.collection_subscription import CollectionSubscription
from syncline.header import Header, JsonObject
from syncline.item import Item
from syncline.item_events import ItemAdded, ItemEvent, ItemRemoved, ItemUpdated, Reset
from syncline.item_types import MAP
from syncline.object_events import ExpiryChanged
from syncline.part import WHOLE
from syncline.replica_items import ReplicaItems
from syncline_protocol.canonical import digest

SID = "MP" + "0a" * 16

DATE = "2026-01-31T00:00:00.000Z"

EPOCH = datetime(2026, 1, 31, tzinfo=UTC)


def header(revision: int) -> dict[str, Any]:
    return {
        "sid": SID,
        "unique_name": None,
        "revision": str(revision),
        "date_created": DATE,
        "date_updated": DATE,
        "date_expires": None,
        "created_by": "alice",
        "updated_by": "alice",
    }


def header_of(step: dict[str, Any]) -> dict[str, Any]:
    expires = step.get("expires")
    at = None if expires is None else (EPOCH + timedelta(seconds=expires)).isoformat()
    return {
        **header(step["revision"]),
        "date_expires": None if at is None else at.replace("+00:00", ".000Z"),
    }


def item(key: str, revision: int) -> dict[str, Any]:
    return {
        "key": key,
        "revision": str(revision),
        "data": {"at": revision},
        "date_created": DATE,
        "date_updated": DATE,
        "date_expires": None,
        "created_by": "alice",
        "updated_by": "alice",
    }


def change(kind: str, key: str, revision: int, *base: Any) -> dict[str, Any]:
    """A change in a message; with a base as a delta."""
    body = {"kind": kind, **item(key, revision)}
    if base:
        made = {} if base[1:] else body["data"]
        operations = [{"op": "replace", "path": "/at", "value": revision}]
        delta = {"operations": operations, "digest": digest(made)}
        del body["data"]
        body |= {"previous_revision": str(base[0]), "delta": delta}
    return body


class Scenario:
    """Carries out the steps of a vector of protocol/vectors/collections.json.

    Attributes:
        announced: what the last step announced to the replica's users.
        expiries: the expiry notices that a handle received in the last step.
    """

    def __init__(self, opened: int) -> None:
        first = Header.of(header(opened))
        self.subscription = CollectionSubscription(MAP, first, WHOLE, 10)
        self.items: ReplicaItems[str] = ReplicaItems(self._announce)
        self.announced: list[list[Any]] = []
        self.expiries: list[list[Any]] = []
        for emit, replica in ((self._take, self), (self._notice, None)):
            self.subscription.attach(
                Listener(part=WHOLE, emit=emit, end=lambda error: None, replica=replica)
            )
        self._asked: list[bool] = []

    def do(self, step: dict[str, Any]) -> None:
        self.announced, self.expiries = [], []
        getattr(self, f"_{step['do']}")(step)

    @property
    def takes_deltas(self) -> bool:
        return True

    def known(self, key: str) -> Item[JsonObject, str] | None:
        return self.items.known(key)

    def show(self, event: ItemEvent[JsonObject, str]) -> None:
        self.items.show(event)

    def confirm(self, orders: Mapping[str, int], since: int, complete_to: int | None) -> None:
        self.items.confirm(orders, complete_to)

    async def read_written(self, keys: Sequence[str]) -> None:
        raise NotImplementedError  # the data of every write is known

    def _notice(self, event: Any) -> None:
        if isinstance(event, ExpiryChanged):
            expires = event.date_expires
            at = None if expires is None else int((expires - EPOCH).total_seconds())
            self.expiries.append([int(event.revision), at])

    def _announce(self, event: ItemEvent[JsonObject, str]) -> None:
        kind = event.name.removeprefix("item_")
        is_local = event.is_local
        self.announced.append([kind, event.key, event.order, is_local])

    def _take(self, event: Any) -> None:
        if isinstance(event, Reset):
            self._asked = [False for _ in self._asked]
            self.items.reset()
        elif isinstance(event, ItemAdded | ItemUpdated | ItemRemoved):
            self.items.apply(event)

    def _ask(self, _: dict[str, Any]) -> None:
        self._asked.append(True)
        self.items.ask()

    def _page(self, step: dict[str, Any]) -> None:
        if self._asked and not self._asked.pop(0):
            return
        page = [Item.parse(item(*each)) for each in step["items"]]
        self.items.read(page, self.subscription.since)
        if step["next"] is None:
            self.items.finish(step["revision"])

    def _event(self, step: dict[str, Any]) -> None:
        changes = [change(*each) for each in step["changes"]]
        message = {"event": "items", "map": header_of(step), "changes": changes}
        self.subscription.take(message, may_be_early=False)

    def _expiry(self, step: dict[str, Any]) -> None:
        message = {"event": "expiry", "map": header_of(step)}
        self.subscription.take(message, may_be_early=False)

    def _reset(self, step: dict[str, Any]) -> None:
        message = {"event": "reset", "map": header(step["revision"])}
        self.subscription.take(message, may_be_early=False)

    def _resume(self, step: dict[str, Any]) -> None:
        members, receive = self.subscription.reopening()
        since = str(self.subscription.since)
        assert members == {"revision": since, "items": False, "deltas": True}
        ok: dict[str, Any] = {"map": header_of(step)}
        if step.get("reset"):
            ok["reset"] = True
        else:
            more = step["more_since"]
            ok["changes"] = [change(*each) for each in step["changes"]]
            ok["more_since"] = None if more is None else str(more)
        receive(ok)

    def _reply(self, step: dict[str, Any]) -> None:
        kind, key, revision = step["change"]
        written = item(key, revision)
        data = orjson.dumps(written.pop("data"))
        with self.subscription.writing():
            self.subscription.wrote(header(revision), {"kind": kind, "item": written}, data)


@each("collections")
def test_vectors(vector: dict[str, Any]) -> None:
    scenario = Scenario(vector["steps"][0]["revision"])
    for step in vector["steps"]:
        scenario.do(step)
        assert scenario.announced == step.get("announced", []), step
        assert scenario.expiries == step.get("expiries", []), step
        if "items_after" in step:
            found = {key: item.order for key, item in scenario.items.items.items()}
            assert found == step["items_after"], step
            assert scenario.items.keys == sorted(found)
        if "since" in step:
            assert scenario.subscription.since == step["since"], step
        if "complete" in step:
            assert scenario.items.complete is step["complete"], step
        if "lost" in step:
            assert scenario.subscription.is_lost is step["lost"], step


class TestRemovalsThatAreNotReplayed:
    """The server does not replay the removal of an item that was added after the given revision.

    The client may have it all the same.
    """

    def resumed(self, scenario: Scenario, revision: int, *changes: dict[str, Any]) -> None:
        scenario.announced = []
        _, receive = scenario.subscription.reopening()
        receive({"map": header(revision), "changes": list(changes), "more_since": None})

    def opened(self) -> Scenario:
        scenario = Scenario(1)
        scenario.do({"do": "page", "revision": 1, "items": [["a", 1]], "next": None})
        return scenario

    def test_of_a_change_that_came_while_others_were_missing(self) -> None:
        scenario = self.opened()
        scenario.subscription.opened_again({"map": header(1)})
        changes = [["added", "b", 2], ["added", "c", 3], ["removed", "a", 4]]
        scenario.do({"do": "event", "revision": 4, "changes": changes})
        assert len(scenario.announced) == 3
        assert (scenario.subscription.is_lost, scenario.subscription.since) == (True, 1)
        self.resumed(scenario, 6, change("added", "c", 3), change("removed", "a", 4))
        assert scenario.announced == [["removed", "b", 6, False]]
        assert list(scenario.items.items) == ["c"]
        assert (scenario.subscription.is_lost, scenario.subscription.since) == (False, 6)
