"""Rights for lists, maps and streams in Redis."""

from __future__ import annotations

import pytest

from support.store import Publications, refused
from syncline_protocol.errors import Code
from syncline_protocol.objects import LIST, MAP, STREAM, ObjectType
from syncline_server.storage.author import Author
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
