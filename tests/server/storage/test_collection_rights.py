"""Rights for lists, maps and streams in Redis."""

from __future__ import annotations

import pytest

from support.store import Publications, refused
from syncline_protocol.errors import Code
from syncline_protocol.item_commands import ItemOperation, Verb
from syncline_protocol.objects import LIST, MAP, STREAM, ObjectType
from syncline_server.config.settings import Settings
from syncline_server.storage.author import Author
from syncline_server.storage.item_refusals import ItemRefused
from syncline_server.storage.items import Items
from syncline_server.storage.keys import ObjectAddress
from syncline_server.storage.objects import NewObject, Objects
from syncline_server.storage.permissions import Permissions
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.rights import Right, RightsChanged

ALICE = Author(identity="alice")


async def make(objects: Objects, service_sid: str, type_: ObjectType) -> ObjectAddress:
    made = await objects.create(service_sid, type_, ALICE, NewObject())
    return ObjectAddress(service_sid, type_, made.state.sid)


@pytest.mark.parametrize("type_", [LIST, MAP])
async def test_a_change_of_rights_is_published_to_the_subscribers_of_the_collection(
    redis: Redis,
    objects: Objects,
    published: Publications,
    service_sid: str,
    type_: ObjectType,
) -> None:
    at = await make(objects, service_sid, type_)
    permissions = Permissions(redis, objects)
    await published.take()
    await permissions.set(at, "bob", Right.READ | Right.WRITE)
    await permissions.set(at, "bob", Right.WRITE)
    await permissions.remove(at, "bob")
    assert await published.take() == [
        RightsChanged(at.sid, "bob", rights)
        for rights in (Right.READ | Right.WRITE, Right.WRITE, Right.NONE)
    ]
    assert await objects.readers(service_sid, at.sid, ["alice", "bob"]) == set()


async def test_every_identity_reads_a_stream(objects: Objects, service_sid: str) -> None:
    # Else a gap of the feed would end the subscriptions of all, where permissions are checked.
    at = await make(objects, service_sid, STREAM)
    assert await objects.readers(service_sid, at.sid, ["alice", "bob"]) == {"alice", "bob"}


@pytest.mark.parametrize("right", [Right.WRITE, Right.MANAGE])
async def test_the_creator_alone_changes_a_stream_where_permissions_are_checked(
    objects: Objects, published: Publications, service_sid: str, right: Right
) -> None:
    at = await make(objects, service_sid, STREAM)
    await published.take()
    bob = Author(identity="bob", needs=right)
    await refused(objects.update(at, bob, ttl=60), Code.ACCESS_FORBIDDEN)
    await refused(objects.remove(at, bob), Code.ACCESS_FORBIDDEN)
    assert await published.take() == []
    alice = Author(identity="alice", needs=right)
    assert (await objects.update(at, alice, ttl=60)).state.expires_ms is not None
    await objects.remove(at, alice)


@pytest.mark.parametrize("rights", [Right.WRITE, Right.READ | Right.WRITE])
async def test_a_mismatch_has_no_state_for_a_writer_that_may_not_read(
    redis: Redis, objects: Objects, service_sid: str, rights: Right
) -> None:
    # Rivals of that writer would receive the state: they must not take the item for absent.
    at = await make(objects, service_sid, MAP)
    items = Items(redis, objects, Settings())
    await items.write(at, [ItemOperation(verb=Verb.ADD, key="k", data=b"{}")], ALICE)
    _, item = await items.get(at, "k", ALICE)
    assert item is not None
    await Permissions(redis, objects).set(at, "bob", rights)
    bob = Author(identity="bob", needs=Right.WRITE)
    stale = ItemOperation(verb=Verb.UPDATE, key="k", data=b"{}", if_match=1)
    with pytest.raises(ItemRefused) as caught:
        await items.write(at, [stale], bob)
    refusal = caught.value
    assert refusal.code is Code.MAP_ITEM_MISMATCH
    if Right.READ in rights:
        assert refusal.newest is refusal.state is not None
        assert refusal.item == item
    else:
        assert refusal.newest is refusal.state is None
        assert str(item.revision) not in refusal.message
