"""What every type shares, by a type that only this test knows."""

from __future__ import annotations

import pytest

from support.store import Publications, Service, refused
from syncline_protocol import objects as protocol_objects
from syncline_protocol.errors import Code
from syncline_protocol.objects import Header, ObjectType
from syncline_server.storage import keys
from syncline_server.storage.author import Author
from syncline_server.storage.keys import ObjectAddress
from syncline_server.storage.listing import Listing
from syncline_server.storage.objects import NewObject, Objects
from syncline_server.storage.permissions import Permissions
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.connection import Connection
from syncline_server.storage.rights import Right
from syncline_server.storage.scripts import OBJECT_SCRIPTS, ObjectScripts

COUNTER = ObjectType(
    name="counter", plural="counters", prefix="CO", has_items=False, has_permissions=True
)
ALICE = Author(identity="alice")


@pytest.fixture(autouse=True)
async def counters(monkeypatch: pytest.MonkeyPatch, admin: Connection) -> None:
    monkeypatch.setitem(protocol_objects._BY_PREFIX, COUNTER.prefix, COUNTER)
    monkeypatch.setitem(OBJECT_SCRIPTS, COUNTER.name, ObjectScripts.of(COUNTER))
    for script in OBJECT_SCRIPTS[COUNTER.name]:
        await admin.execute("SCRIPT", "LOAD", script.source)


async def test_its_life(objects: Objects, published: Publications, service_sid: str) -> None:
    made = await objects.create(service_sid, COUNTER, ALICE, NewObject(name="hits", ttl=60))
    sid = made.state.sid
    assert (type(made.state), sid[:2], made.exists) == (Header, "CO", False)
    at = ObjectAddress(service_sid, COUNTER, "hits")
    by_sid = ObjectAddress.of_sid(service_sid, sid)
    assert await objects.get(at) == await objects.get(by_sid) == made.state
    changed = (await objects.update(at, ALICE, ttl=0, if_match=made.state.revision)).state
    assert changed.expires_ms is None and changed.revision > made.state.revision
    advanced = (await objects.advance(by_sid, changed.revision + 5)).state
    assert advanced.revision > changed.revision + 5
    await objects.expire(service_sid, sid)
    assert await objects.get(by_sid) == advanced
    removed = (await objects.remove(at, ALICE)).state
    assert removed.revision > advanced.revision
    assert (await refused(objects.remove(by_sid, ALICE), Code.NOT_FOUND)).message == (
        f"There is no counter with the SID {sid}."
    )
    kinds = [type(event).__name__ for event in await published.take()]
    assert kinds == ["ExpiryChanged", "ExpiryChanged", "Removed"]


async def test_a_name_is_unique_among_the_objects_of_its_type(
    objects: Objects, service: Service, admin: Connection, service_sid: str
) -> None:
    counter = (await objects.create(service_sid, COUNTER, ALICE, NewObject(name="both"))).state
    document = await service.find_or_create("both")
    assert not document.exists and document.state.sid != counter.sid
    again = await objects.create(service_sid, COUNTER, ALICE, NewObject(name="both"))
    assert again.exists and again.state == counter
    tag = keys.tag_of(service_sid, "both")
    for key, sid in (("names", document.state.sid), ("names:counters", counter.sid)):
        assert await admin.execute("HGETALL", f"{tag}:{key}") == [b"both", sid.encode()]
    await service.remove("both")
    assert await objects.get(ObjectAddress(service_sid, COUNTER, "both")) == counter


async def test_it_is_listed_apart_and_has_permissions(
    redis: Redis, objects: Objects, service: Service, service_sid: str
) -> None:
    counter = (await objects.create(service_sid, COUNTER, ALICE, NewObject())).state
    await service.create()
    page = await Listing(redis, objects, 100).page(service_sid, COUNTER, 50, None)
    assert page.items == [counter]
    at = ObjectAddress.of_sid(service_sid, counter.sid)
    permissions = Permissions(redis, objects)
    await permissions.set(at, "bob", Right.READ)
    assert await objects.readers(service_sid, counter.sid, ["alice", "bob"]) == {"bob"}
    writer = Author(identity="bob", needs=Right.WRITE)
    await refused(objects.update(at, writer, ttl=5), Code.ACCESS_FORBIDDEN)
    await permissions.remove(at, "bob")
    assert await objects.readers(service_sid, counter.sid, ["bob"]) == set()
