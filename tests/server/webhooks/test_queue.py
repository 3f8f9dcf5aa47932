"""What commits put into the queues, and how these are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from support.rig import Rig
from support.store import elapsing, refused
from syncline_protocol.errors import Code
from syncline_server.storage import keys
from syncline_server.storage.redis.connection import Connection
from syncline_server.storage.services import Service
from syncline_server.webhooks.events import QueuedEvent
from syncline_server.webhooks.queue import BEGINNING, NEW

URL = "http://127.0.0.1:9/"


@pytest.fixture
async def known(rig: Rig) -> Service:
    return await rig.service(URL)


async def queued(rig: Rig, service: Service) -> list[QueuedEvent]:
    """What is queued in a service, the events of each bucket in their order."""
    buckets = (await rig.queue.buckets()).get(service.sid, {})
    taken = [await rig.queue.read_batch(service.sid, bucket, NEW, 1000) for bucket in buckets]
    return [event for each in taken for event in each.events]


async def test_each_change_is_queued_in_order(rig: Rig, known: Service) -> None:
    created = await rig.create(known, "prefs")
    updated = await rig.set(known, "prefs", '{"a":"é"}'.encode())
    touched = await rig.documents(known).set("prefs", ttl=60, who=rig.author(known, "bob", "EP2"))
    removed = await rig.documents(known).remove("prefs", who=rig.author(known, "bob", ""))
    events = await queued(rig, known)
    assert [(e.kind, e.identity, e.endpoint, e.data) for e in events] == [
        ("document_created", "alice", "EP1", "{}"),
        ("document_updated", "alice", "EP1", '{"a":"é"}'),
        ("document_updated", "bob", "EP2", '{"a":"é"}'),
        ("document_removed", "bob", None, None),
    ]
    assert [e.revision for e in events] == [
        str(each.revision) for each in (created, updated, touched.state, removed.state)
    ]
    assert {(e.subject, e.name) for e in events} == {(created.sid, "prefs")}


async def test_what_changes_nothing_is_not_queued(rig: Rig, known: Service) -> None:
    documents, author = rig.documents(known), rig.author(known)
    made = await rig.create(known, "prefs")
    await rig.create(known, "prefs")
    mismatch = documents.set("prefs", b"{}", if_match=1, who=author)
    await refused(mismatch, Code.REVISION_MISMATCH)
    absent = documents.remove("other", who=author)
    await refused(absent, Code.NAME_NOT_FOUND)
    await documents.objects.advance(documents.at(made.sid), made.revision + 1)
    for _ in range(2):
        await documents.set("prefs", b"{}", who=author, op="op")
    assert [e.kind for e in await queued(rig, known)] == ["document_created", "document_updated"]


async def test_writes_of_the_account_are_queued_if_the_service_wants_them(rig: Rig) -> None:
    for wanted in (False, True):
        service = await rig.service(URL, webhooks_from_rest_enabled=wanted)
        author = rig.author(service, "system", "", from_rest=True)
        await rig.documents(service).create(who=author)
        assert [e.identity for e in await queued(rig, service)] == ["system"] * wanted


async def test_without_a_url_nothing_is_queued_or_noted(rig: Rig, admin: Connection) -> None:
    service = await rig.service(None, webhooks_from_rest_enabled=True)
    assert rig.webhooks(service) is None
    document = await rig.create(service)
    await rig.set(service, document.sid, b"{}")
    assert await rig.queue.buckets() == {}
    assert await admin.execute("KEYS", "*webhooks*") == []


@pytest.mark.parametrize("wanted", [False, True])
async def test_an_expiry_is_reported_whoever_comes_across_it(
    rig: Rig, admin: Connection, wanted: bool
) -> None:
    service = await rig.service(URL, webhooks_from_rest_enabled=wanted)
    await rig.create(service, "swept", ttl=60)
    await rig.create(service, "made again", ttl=60)
    swept = await rig.documents(service).get("swept")
    await elapsing(admin, service.sid)(61_000)
    author = rig.author(service, "system", "", from_rest=True)
    assert swept is not None
    await rig.objects.expire(service.sid, swept.sid, author.webhooks)
    await rig.documents(service).create("made again", who=author)
    events = await queued(rig, service)
    removed = {(e.name, e.identity, e.endpoint) for e in events if e.kind == "document_removed"}
    assert removed == {("swept", "system", None), ("made again", "system", None)}
    assert sum(e.kind == "document_created" for e in events) == 2 + wanted


async def test_the_oldest_give_way_and_are_counted(rig: Rig, known: Service) -> None:
    rig.limit = 3
    document = await rig.create(known)
    for n in range(9):
        await rig.set(known, document.sid, b'{"n":%d}' % n)
    taken = await rig.queue.read_batch(known.sid, document.sid[2:4], NEW, 100)
    assert [e.data for e in taken.events] == ['{"n":6}', '{"n":7}', '{"n":8}']
    assert (taken.waiting, taken.dropped) == (3, 7)
    assert (await rig.queue.read_batch(known.sid, document.sid[2:4], NEW, 100)).dropped == 0


async def test_what_was_taken_and_not_done_is_found_again(rig: Rig, known: Service) -> None:
    document = await rig.create(known)
    bucket = document.sid[2:4]
    for _ in range(4):
        await rig.set(known, document.sid, b"{}")
    first = await rig.queue.read_batch(known.sid, bucket, NEW, 3)
    await rig.queue.remove_event(known.sid, first.events[0])
    again = await rig.queue.read_batch(known.sid, bucket, BEGINNING, 1)
    assert [e.id for e in again.events] == [first.events[1].id]
    assert again.waiting == 4
    rest = await rig.queue.read_batch(known.sid, bucket, again.last, 100)
    assert [e.id for e in rest.events] == [first.events[2].id]
    assert (await rig.queue.read_batch(known.sid, bucket, rest.last, 100)).last == ""
    assert len((await rig.queue.read_batch(known.sid, bucket, NEW, 100)).events) == 2


async def test_what_gave_way_while_it_was_pending_does_not_come_back(
    rig: Rig, known: Service, admin: Connection
) -> None:
    rig.limit = 2
    document = await rig.create(known)
    bucket = document.sid[2:4]
    [created] = (await rig.queue.read_batch(known.sid, bucket, NEW, 10)).events
    for _ in range(2):
        await rig.set(known, document.sid, b"{}")
    again = await rig.queue.read_batch(known.sid, bucket, BEGINNING, 10)
    assert (again.events, again.last) == ([], created.id)
    key = keys.webhook_queue(keys.bucket_tag(known.sid, int(bucket, 16)))
    assert (await admin.execute("XPENDING", key, "webhooks"))[0] == 0


async def test_a_bucket_is_removed_unless_it_was_added_again(
    rig: Rig, known: Service, admin: Connection
) -> None:
    document = await rig.create(known)
    bucket = document.sid[2:4]
    seen = (await rig.queue.buckets())[known.sid][bucket]
    await rig.set(known, document.sid, b"{}")
    await rig.queue.remove_bucket(known.sid, bucket, seen)
    assert bucket in (await rig.queue.buckets())[known.sid]
    for event in (await rig.queue.read_batch(known.sid, bucket, NEW, 10)).events:
        await rig.queue.remove_event(known.sid, event)
    await rig.queue.remove_bucket(known.sid, bucket, (await rig.queue.buckets())[known.sid][bucket])
    assert await rig.queue.buckets() == {}
    assert await admin.execute("KEYS", f"*{known.sid}*webhooks*") == []


async def test_one_process_has_the_lease(
    rig: Rig, another: Callable[[], Any], known: Service, admin: Connection
) -> None:
    other: Rig = await another()
    assert await rig.queue.acquire(known.sid, 60_000)
    assert not await other.queue.acquire(known.sid, 60_000)
    # The reply to the first request may have been lost.
    assert await rig.queue.acquire(known.sid, 90_000)
    assert await admin.execute("PTTL", keys.webhook_lease(known.sid)) > 60_000
    assert not await other.queue.renew(known.sid, 60_000)
    assert await rig.queue.renew(known.sid, 120_000)
    assert await admin.execute("PTTL", keys.webhook_lease(known.sid)) > 60_000
    assert not await other.queue.renew(known.sid, 0)
    assert await rig.queue.renew(known.sid, 0)
    assert await other.queue.acquire(known.sid, 60_000)
