"""Webhooks of lists, maps, streams and items, from a real server to a real receiver."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from support.account import Account
from support.api import unique
from support.collections import CollectionsApi
from support.limits import WAIT_LIMIT
from support.receiver import Answer, Delivery, Receiver
from support.server import RunningServer, StartSharedServer

OPTIONS = ("--webhook-networks=127.0.0.0/8", "--webhook-retry-time=0")
"""Webhooks may go to this machine, and are given up after the first attempt."""

WITH_ITEMS = ["Lists", "Maps"]
PLURALS = [*WITH_ITEMS, "Streams"]


@pytest.fixture
async def receiver(shared_server: StartSharedServer) -> AsyncIterator[Receiver]:
    """It takes everything; all signatures must be right."""
    async with Receiver(shared_server(*OPTIONS).basic[1]) as receiver:
        yield receiver
        assert receiver.unsigned == []


@dataclass(frozen=True)
class World:
    """One service with webhooks, and the objects of one type for Alice and for the account."""

    server: RunningServer
    service: str
    receiver: Receiver
    alice: CollectionsApi
    owner: CollectionsApi
    plural: str

    @property
    def type(self) -> str:
        return self.plural[:-1].lower()

    @property
    def id_name(self) -> str:
        return "index" if self.plural == "Lists" else "key"

    def add(self, address: str, key: str, data: Any, **rest: Any) -> Any:
        """Add an item for Alice; a list gives it an index instead of the key."""
        key_of_map = {} if self.plural == "Lists" else {"key": key}
        return self.alice.add(address, data=data, **key_of_map, **rest)

    async def kinds(self, count: int) -> list[str]:
        return [each.kind for each in await self.receiver.until_taken(count)]


@pytest.fixture
def world(
    request: pytest.FixtureRequest, shared_server: StartSharedServer, receiver: Receiver
) -> Iterator[World]:
    server, plural = shared_server(*OPTIONS), request.param
    with Account(server) as account:
        service = account.service(WebhookUrl=receiver.url)
    token = server.token("alice", service=service)
    with (
        CollectionsApi(server, plural, token, service) as alice,
        CollectionsApi(server, plural, service=service) as owner,
    ):
        yield World(server, service, receiver, alice, owner, plural)


def for_types(*plurals: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("world", plurals, indirect=True)


def without_common(delivery: Delivery) -> dict[str, str]:
    """The parameters that only this type has."""
    common = {"AccountSid", "ServiceSid", "EventType", "Identity"}
    assert common <= delivery.form.keys()
    return {name: value for name, value in delivery.form.items() if name not in common}


@for_types(*PLURALS)
async def test_creation_and_removal_are_reported_and_a_change_of_the_expiry_is_not(
    world: World,
) -> None:
    name = unique()
    created = world.alice.create(UniqueName=name)
    world.alice.ok("POST", name, data={"Ttl": "3600"})
    world.alice.ok("DELETE", name)
    nameless = world.alice.create()
    all_taken = await world.receiver.until_taken(3)
    kind = world.type.capitalize()
    # Webhooks of different objects come in no order.
    taken = [each for each in all_taken if each.form[f"{kind}Sid"] == created["sid"]]
    assert [(each.kind, each.form["Identity"]) for each in taken] == [
        (f"{world.type}_created", "alice"),
        (f"{world.type}_removed", "alice"),
    ]
    revisions = [each.form[f"{kind}Revision"] for each in taken]
    assert int(revisions[0]) < int(revisions[1])
    assert created.get("revision") in (None, revisions[0])  # a stream's resource has none
    for each, revision in zip(taken, revisions, strict=True):
        assert without_common(each) == {
            f"{kind}Sid": created["sid"],
            f"{kind}UniqueName": name,
            f"{kind}Revision": revision,
        }
    [other] = [each for each in all_taken if each not in taken]
    assert without_common(other).keys() == {f"{kind}Sid", f"{kind}Revision"}
    assert other.form[f"{kind}Sid"] == nameless["sid"]


@for_types(*WITH_ITEMS)
async def test_every_change_of_an_item_is_reported_in_order(world: World) -> None:
    name = unique()
    sid = world.alice.create(UniqueName=name)["sid"]
    # A list's first index is 0: present in the form, not omitted as if it were nothing.
    added = world.add(sid, "a/ü\n%", {"n": 1})
    item_id = added[world.id_name]
    path = (sid, "Items", item_id)
    updated = world.alice.ok("POST", *path, json={"data": {"n": 2}})
    only_ttl = world.alice.ok("POST", *path, json={"ttl": 3600})
    world.alice.ok("DELETE", *path)
    _, *items = await world.receiver.until_taken(5)
    kind = world.type.capitalize()
    assert [each.kind for each in items] == [
        f"{world.type}_item_{what}" for what in ("added", "updated", "updated", "removed")
    ]
    known = [added, updated, only_ttl]
    assert [each.form["ItemRevision"] for each in items[:3]] == [each["revision"] for each in known]
    for each, data in zip(items, ('{"n":1}', '{"n":2}', '{"n":2}', '{"n":2}'), strict=True):
        revision = each.form["ItemRevision"]
        assert without_common(each) == {
            f"{kind}Sid": sid,
            f"{kind}UniqueName": name,
            f"{kind}Revision": revision,
            f"Item{world.id_name.capitalize()}": str(item_id),
            "EventId": revision,
            "ItemRevision": revision,
            "ItemData": data,
        }
    assert_growing(items, "EventId")


def assert_growing(deliveries: list[Delivery], name: str) -> None:
    values = [int(each.form[name]) for each in deliveries]
    assert values == sorted(set(values))


@for_types(*WITH_ITEMS)
async def test_a_batch_reports_each_item_in_its_order(world: World) -> None:
    sid = world.alice.create()["sid"]
    chosen = [{} if world.plural == "Lists" else {"key": f"k{9 - n}"} for n in range(10)]
    operations = [{"op": "add", "data": {"n": n}, **key} for n, key in enumerate(chosen)]
    written = world.alice.ok("POST", sid, "Batch", json={"operations": operations})
    _, *items = await world.receiver.until_taken(11)
    assert [each.form["ItemData"] for each in items] == [f'{{"n":{n}}}' for n in range(10)]
    assert {each.kind for each in items} == {f"{world.type}_item_added"}
    # The revisions of the collection grow too, so that a receiver can drop what it has seen.
    assert_growing(items, f"{world.type.capitalize()}Revision")
    assert_growing(items, "ItemRevision")
    newest = world.owner.fetch(sid)["revision"]
    assert items[-1].form[f"{world.type.capitalize()}Revision"] == newest
    assert written["revision"] == newest


@for_types(*WITH_ITEMS)
async def test_a_batch_that_is_refused_reports_nothing(world: World) -> None:
    sid = world.alice.create()["sid"]
    item_id = world.add(sid, "a", {})[world.id_name]
    update = {"op": "update", world.id_name: item_id, "data": {"n": 1}}
    stale = {"op": "remove", world.id_name: 7 if world.plural == "Lists" else "none"}
    refused = world.alice.call("POST", sid, "Batch", json={"operations": [update, stale]})
    assert refused.status_code == 404
    world.alice.ok("DELETE", sid)
    # Its items go with it, and are not reported one by one.
    assert await world.kinds(3) == [
        f"{world.type}_{what}" for what in ("created", "item_added", "removed")
    ]


@for_types("Streams")
async def test_messages_are_not_reported(world: World) -> None:
    sid = world.alice.create()["sid"]
    world.alice.ok("POST", sid, "Messages", data={"Data": "{}"})
    world.alice.ok("DELETE", sid)
    assert await world.kinds(2) == ["stream_created", "stream_removed"]


@for_types(*PLURALS)
async def test_changes_of_the_account_are_reported_only_where_the_service_says_so(
    world: World,
) -> None:
    def change() -> str:
        sid: str = world.owner.create()["sid"]
        if world.plural != "Streams":
            key = {} if world.plural == "Lists" else {"key": "a"}
            world.owner.ok("POST", sid, "Items", json={"data": {}, **key})
        world.owner.ok("DELETE", sid)
        return sid

    change()
    with Account(world.server) as account:
        account.ok("POST", world.service, data={"WebhooksFromRestEnabled": "true"})
    reported = change()
    count = 2 if world.plural == "Streams" else 3
    taken = await world.receiver.until_taken(count)
    assert {each.form[f"{world.type.capitalize()}Sid"] for each in taken} == {reported}
    assert {each.form["Identity"] for each in taken} == {"system"}


@for_types("Maps")
async def test_an_expired_item_is_reported_as_removed_by_the_system(world: World) -> None:
    sid = world.alice.create()["sid"]
    world.add(sid, "k", {"n": 1}, ttl=1)
    async with asyncio.timeout(WAIT_LIMIT):
        while world.alice.call("GET", sid, "Items", "k").status_code != 404:
            await asyncio.sleep(0.05)
    # The first of the two, the sweeper or this write, removes the expired item.
    world.add(sid, "k", {"n": 2})
    taken = await world.receiver.until_taken(4)
    assert [(each.kind, each.form["Identity"], each.form.get("ItemData")) for each in taken] == [
        ("map_created", "alice", None),
        ("map_item_added", "alice", '{"n":1}'),
        ("map_item_removed", "system", '{"n":1}'),
        ("map_item_added", "alice", '{"n":2}'),
    ]
    assert_growing(taken, "MapRevision")


@for_types(*PLURALS)
async def test_an_expired_object_is_reported_as_removed_by_the_system(world: World) -> None:
    world.alice.create(Ttl=1)
    created, removed = await world.receiver.until_taken(2)
    assert (created.kind, created.form["Identity"]) == (f"{world.type}_created", "alice")
    assert (removed.kind, removed.form["Identity"]) == (f"{world.type}_removed", "system")


@for_types(*WITH_ITEMS)
async def test_parked_webhooks_are_shown_and_sent_again_as_they_were(world: World) -> None:
    world.receiver.answer = lambda _: Answer(500)
    sid = world.alice.create()["sid"]
    world.add(sid, "a b", {"n": 1})
    with Account(world.server) as account:
        path = (world.service, "ParkedWebhooks")
        async with asyncio.timeout(WAIT_LIMIT):
            while len(parked := account.ok("GET", *path)["parked_webhooks"]) < 2:
                await asyncio.sleep(0.05)
        assert [each["event_type"] for each in parked] == [
            f"{world.type}_created",
            f"{world.type}_item_added",
        ]
        assert [each["parameters"] for each in parked] == [
            dict(each.form) for each in world.receiver.came
        ]
        world.receiver.answer = lambda _: Answer()
        account.ok("POST", *path, parked[1]["id"], "Replay")
    [again] = await world.receiver.until_taken(1)
    assert again.form == world.receiver.came[1].form


@pytest.mark.parametrize("plural", WITH_ITEMS)
async def test_a_webhook_that_is_sent_again_keeps_its_place_among_those_of_the_collection(
    shared_server: StartSharedServer, plural: str
) -> None:
    server, type_ = shared_server(OPTIONS[0]), plural[:-1].lower()
    async with Receiver(server.basic[1]) as receiver:
        refused: list[str] = []

        def answer(delivery: Delivery) -> Answer:
            """Refuse the first item's webhook once."""
            is_refused = delivery.kind == f"{type_}_item_added" and not refused
            if is_refused:
                refused.append(delivery.token)
            return Answer(503 if is_refused else 200)

        receiver.answer = answer
        with Account(server) as account:
            service = account.service(WebhookUrl=receiver.url)
        with CollectionsApi(server, plural, server.token("alice", service=service), service) as api:
            sid = api.create()["sid"]
            keys = [{} if plural == "Lists" else {"key": f"k{n}"} for n in range(3)]
            operations = [{"op": "add", "data": {"n": n}, **keys[n]} for n in range(3)]
            api.ok("POST", sid, "Batch", json={"operations": operations})
            api.ok("DELETE", sid)
        taken = await receiver.until_taken(5)
        assert receiver.unsigned == []
    assert [each.form.get("ItemData") for each in taken[1:4]] == [f'{{"n":{n}}}' for n in range(3)]
    assert [each.kind for each in taken] == [
        f"{type_}_{what}" for what in ("created", *["item_added"] * 3, "removed")
    ]
    assert taken[1].token == refused[0]
    assert_growing(taken, f"{type_.capitalize()}Revision")
