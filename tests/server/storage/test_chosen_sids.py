"""Documents under SIDs that were chosen, whose bucket is not that of their names."""

from __future__ import annotations

import asyncio
import secrets
from functools import partial

import pytest

from support.store import Elapse, Publications, Service, refused
from syncline_protocol.documents import Document
from syncline_protocol.errors import Code
from syncline_protocol.objects import DOCUMENT, MAP, SYSTEM, Event, Removed
from syncline_protocol.sids import bucket_of_name, make_sid
from syncline_server.storage import keys
from syncline_server.storage.author import Author
from syncline_server.storage.away_names import AwayNames, is_away
from syncline_server.storage.chosen_sids import ChosenSids
from syncline_server.storage.items import Items
from syncline_server.storage.keys import ObjectAddress
from syncline_server.storage.objects import NewObject, Objects
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.connection import Connection
from syncline_server.storage.results import Written

ALICE, SYSTEM_AUTHOR = Author(identity="alice"), Author(identity=SYSTEM)

NAME = "prefs"
HOME = bucket_of_name(NAME)


def sid_in(bucket: int) -> str:
    return make_sid(DOCUMENT, bucket % 256, secrets.token_bytes(15))


def named(service_sid: str) -> ObjectAddress:
    return ObjectAddress(service_sid, DOCUMENT, NAME)


class Chooser:
    """Creates documents of one service under given SIDs."""

    def __init__(self, redis: Redis, objects: Objects, service_sid: str) -> None:
        self.names = AwayNames(redis)
        self._sids = ChosenSids(redis, objects)
        self._service_sid = service_sid

    async def create(
        self, sid: str, name: str | None = NAME, ttl: int | None = None, op: str | None = None
    ) -> Written[Document]:
        new = NewObject(name=name, data=b'{"a":1}', ttl=ttl, op=op)
        return await self._sids.create(self._service_sid, sid, SYSTEM_AUTHOR, new)


@pytest.fixture
def chooser(redis: Redis, objects: Objects, service_sid: str) -> Chooser:
    return Chooser(redis, objects, service_sid)


@pytest.fixture(params=["at home", "away"])
def sid(request: pytest.FixtureRequest) -> str:
    """Of the name's bucket, and of another one."""
    return sid_in(HOME if request.param == "at home" else HOME + 1)


async def test_it_is_found_by_both_and_lives_under_the_sid(
    chooser: Chooser, service: Service, sid: str
) -> None:
    created = (await chooser.create(sid)).state
    assert (created.sid, created.unique_name, created.data) == (sid, NAME, b'{"a":1}')
    for address in (sid, NAME):
        assert await service.get(address) == created


async def test_it_is_written_and_removed_by_both(
    chooser: Chooser, service: Service, service_sid: str, sid: str
) -> None:
    created = (await chooser.create(sid)).state
    write = partial(service.set, data=b"{}", who=ALICE)
    by_name = await write(NAME, if_match=created.revision, op="op")
    again = await write(NAME, if_match=created.revision, op="op")
    assert (again.repeated, again.state.revision) == (True, by_name.state.revision)
    stale = write(NAME, if_match=created.revision)
    assert (await refused(stale, Code.REVISION_MISMATCH)).newest is not None
    by_sid = await write(sid, ttl=60, if_match=by_name.state.revision)
    removed = await service.remove(NAME, who=ALICE, if_match=by_sid.state.revision)
    assert removed.state.sid == sid
    for address, code in ((sid, Code.DOCUMENT_NOT_FOUND), (NAME, Code.NAME_NOT_FOUND)):
        await refused(write(address), code)
        await refused(service.remove(address, who=ALICE), code)


async def test_the_name_is_taken_while_it_is_there_and_free_afterwards(
    chooser: Chooser, service: Service, service_sid: str, sid: str
) -> None:
    await chooser.create(sid)
    found = await service.find_or_create(NAME, who=ALICE)
    assert (found.state.sid, found.exists) == (sid, True)
    for other in (sid_in(HOME), sid_in(HOME + 1), sid_in(HOME + 2)):
        await refused(chooser.create(other), Code.NAME_TAKEN)
        assert await service.get(other) is None
    await service.remove(sid, who=ALICE)
    found = await service.find_or_create(NAME, who=ALICE)
    assert not found.exists and found.state.sid != sid


async def test_nothing_but_a_bounded_memory_stays_of_one_that_was_removed(
    chooser: Chooser, service: Service, service_sid: str, sid: str, admin: Connection
) -> None:
    await chooser.create(sid)
    await service.remove(sid, who=ALICE)
    kept = await admin.execute("KEYS", f"{{{service_sid}*")
    [left] = [key for key in kept if not key.endswith((b":filled", b":last_ended"))]
    assert left.decode().endswith(f":ended:{sid}")
    assert 0 < await admin.execute("TTL", left) <= 25 * 3600


async def test_an_expiry_frees_the_name(
    chooser: Chooser,
    service: Service,
    service_sid: str,
    sid: str,
    admin: Connection,
    published: Publications,
) -> None:
    created = (await chooser.create(sid, ttl=1)).state
    events: list[Event] = []
    while not events:
        await service.objects.expire(service_sid, sid)
        events = await published.take()
        await asyncio.sleep(0.01)
    [event] = events
    assert isinstance(event, Removed) and event.expired and event.previous == created.revision
    names = keys.names(keys.tag_of(service_sid, NAME), DOCUMENT)
    assert await admin.execute("HGET", names, NAME) is None


async def test_it_comes_again_with_greater_revisions_and_the_same_name_only(
    chooser: Chooser, service: Service, service_sid: str, sid: str
) -> None:
    await chooser.create(sid)
    removed = await service.remove(sid, who=ALICE)
    for name in (None, "other"):
        await refused(chooser.create(sid, name), Code.CONFLICT)
    again = (await chooser.create(sid)).state
    assert again.revision > removed.state.revision
    assert (await service.get(NAME)) == again


async def test_a_sid_that_is_taken_is_refused_and_changes_nothing(
    chooser: Chooser, service: Service, sid: str
) -> None:
    created = (await chooser.create(sid)).state
    for name in (NAME, "other", None):
        await refused(chooser.create(sid, name), Code.CONFLICT)
        assert await service.get("other") is None
        for address in (sid, NAME):
            assert await service.get(address) == created


async def test_a_repeated_operation_creates_it_once(
    chooser: Chooser, service: Service, sid: str
) -> None:
    first = await chooser.create(sid, op="once")
    again = await chooser.create(sid, op="once")
    assert (first.repeated, again.repeated) == (False, True)
    assert again.state.revision == first.state.revision
    await refused(chooser.create(sid_in(int(sid[2:4], 16)), "other", op="once"), Code.CONFLICT)
    assert await service.get("other") is None
    assert await service.get(NAME) is not None


async def test_many_who_want_one_name_get_it_once(
    chooser: Chooser, service: Service, service_sid: str
) -> None:
    sids = [sid_in(HOME + step) for step in range(8)]
    creating = [chooser.create(sid) for sid in sids]
    plain = [service.find_or_create(NAME, who=ALICE) for _ in range(8)]
    outcomes = await asyncio.gather(*creating, *plain, return_exceptions=True)
    document = await service.get(NAME)
    assert document is not None
    made = [each for each in outcomes if isinstance(each, Written) and not each.exists]
    assert [each.state.sid for each in made] == [document.sid]
    for sid in set(sids) - {document.sid}:
        assert await service.get(sid) is None


async def test_what_has_expired_and_is_not_swept_yet_keeps_no_name_from_another(
    chooser: Chooser, service: Service, service_sid: str, elapse: Elapse
) -> None:
    old = (await service.find_or_create(NAME, ttl=1, who=ALICE)).state
    await elapse(2000)
    away = (await chooser.create(sid_in(HOME + 1), ttl=1)).state
    assert await service.get(NAME) == away
    assert await service.get(old.sid) is None
    await elapse(2000)
    assert await service.get(NAME) is None
    again = (await chooser.create(sid_in(HOME + 2), ttl=1)).state
    assert await service.get(NAME) == again
    await elapse(2000)
    found = await service.find_or_create(NAME, who=ALICE)
    assert not found.exists and await service.get(NAME) == found.state


class TestAClaim:
    """Left behind by a process that died before it created the document."""

    async def test_is_not_found_and_not_taken_away(
        self, chooser: Chooser, service: Service, service_sid: str
    ) -> None:
        sid = sid_in(HOME + 1)
        claimed, pointer = await chooser.names.claim(named(service_sid), sid)
        assert claimed and is_away(NAME, sid)
        assert await service.get(NAME) is None
        plain = service.find_or_create(NAME, who=ALICE)
        await refused(plain, Code.NAME_TAKEN)
        await refused(chooser.create(sid_in(HOME + 2)), Code.NAME_TAKEN)
        assert await chooser.names.confirm(named(service_sid), pointer)

    async def test_is_taken_over_for_the_same_sid(
        self, chooser: Chooser, service: Service, service_sid: str
    ) -> None:
        sid = sid_in(HOME + 1)
        await chooser.names.claim(named(service_sid), sid)
        assert (await chooser.create(sid)).state == await service.get(NAME)

    async def test_gives_way_when_it_is_old(
        self,
        chooser: Chooser,
        service: Service,
        service_sid: str,
        admin: Connection,
    ) -> None:
        sid, names = sid_in(HOME + 1), keys.names(keys.tag_of(service_sid, NAME), DOCUMENT)
        _, pointer = await chooser.names.claim(named(service_sid), sid)
        seconds, _ = await admin.execute("TIME")
        old = f"{sid}?{int(seconds) * 1000 - 61_000}:{pointer.rpartition(':')[2]}"
        await admin.execute("HSET", names, NAME, old)
        found = await service.find_or_create(NAME, who=ALICE)
        assert not found.exists
        assert not await chooser.names.confirm(named(service_sid), old)
        assert await service.get(sid) is None


async def test_who_saw_a_claim_cannot_free_the_name_once_the_document_is_there(
    chooser: Chooser, service: Service, service_sid: str, admin: Connection
) -> None:
    sid, names = sid_in(HOME + 1), keys.names(keys.tag_of(service_sid, NAME), DOCUMENT)
    await chooser.create(sid)
    seen = (await admin.execute("HGET", names, NAME)).decode()
    for stale in (f"{sid}?1:00", f"{sid}:00"):
        await chooser.names.release(named(service_sid), stale)
    assert (await admin.execute("HGET", names, NAME)).decode() == seen
    assert await service.get(NAME) is not None


async def test_a_reader_of_items_frees_a_name_whose_collection_is_gone(
    redis: Redis, objects: Objects, items: Items, service_sid: str, admin: Connection
) -> None:
    at = ObjectAddress(service_sid, MAP, NAME)
    sid, names = make_sid(MAP, HOME + 1, bytes(15)), keys.names(at.tag, MAP)
    chosen = ChosenSids(redis, objects)
    await chosen.create(service_sid, sid, SYSTEM_AUTHOR, NewObject(name=NAME))
    _, item = await items.get(at, "k", ALICE)
    assert item is None
    # As if the removal had failed before the name was freed.
    pointer = await admin.execute("HGET", names, NAME)
    await objects.remove(at, ALICE)
    await admin.execute("HSET", names, NAME, pointer)
    await refused(items.get(at, "k", ALICE), Code.NAME_NOT_FOUND)
    assert await admin.execute("HGET", names, NAME) is None


async def test_ordinary_documents_cost_no_step_more(
    service: Service, service_sid: str, admin: Connection
) -> None:
    """No script but the one that each call has always been."""

    async def scripts() -> int:
        info = (await admin.execute("INFO", "commandstats")).decode()
        [line] = [line for line in info.splitlines() if line.startswith("cmdstat_evalsha:")]
        return int(line.partition("calls=")[2].partition(",")[0])

    name = "ordinary"
    before = await scripts()
    document = await service.create(name)
    await service.get(name)
    await service.get(document.sid)
    await service.set(name, b"{}")
    await service.remove(name, who=ALICE)
    assert await scripts() - before == 5
