from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from support.api import unique
from support.backend import Caller, make_backend
from support.store import WAIT_LIMIT, Service, refused
from syncline_protocol.commands import Mode, Remove, SetTtl
from syncline_protocol.documents import Document, MergePatch, Patch, Set
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.objects import DOCUMENT
from syncline_protocol.revisions import PER_MS
from syncline_protocol.sids import make_sid
from syncline_server.auth import grant_scope as scope
from syncline_server.auth.grant_scope import GrantScope
from syncline_server.auth.grants import Grant, Grants
from syncline_server.backend import Backend
from syncline_server.objects.contests import TurnKey
from syncline_server.storage.objects import Objects
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.clock import now_ms
from syncline_server.storage.rights import Right

READ_WRITE = Right.READ | Right.WRITE


@pytest.fixture
async def backend(redis: Redis) -> AsyncIterator[Backend]:
    backend = make_backend(redis)
    backend.hub.start()
    yield backend
    await backend.hub.stop()


@pytest.fixture
async def service_sid(backend: Backend) -> str:
    """A service in which permissions do not count."""
    return (await backend.services.create({}, 10_000)).sid


def alices(backend: Backend, service_sid: str, **rights: Right) -> Caller:
    """Under grants by the first word of the names."""
    grants = Grants(Grant(f"{word}-*", right) for word, right in rights.items())
    return Caller(backend, service_sid, "alice", limited=True, grants=grants)


async def made(backend: Backend, service_sid: str, name: str | None) -> Document:
    everybody = Caller(backend, service_sid, "system")
    return (await everybody.create(name, b'{"n":0}', None, None)).state


class Counting(Service):
    """Counts how often documents are read."""

    reads = 0

    async def get(self, address: str) -> Document | None:
        self.reads += 1
        return await super().get(address)


@pytest.fixture
def counting(objects: Objects, service_sid: str) -> Counting:
    return Counting(objects, service_sid)


class TestScope:
    async def test_a_document_that_is_addressed_by_its_name_is_not_read(
        self, counting: Counting, service_sid: str
    ) -> None:
        room = GrantScope(Grants([Grant("room-*", Right.READ)]), counting.get)
        await room.require(DOCUMENT, "room-1", Right.READ)
        for name, right in (("room-1", Right.WRITE), ("hall", Right.READ), (None, Right.READ)):
            await refused(room.require(DOCUMENT, name, right), Code.ACCESS_FORBIDDEN)
        assert counting.reads == 0

    async def test_one_that_is_addressed_by_its_sid_is_read_once(
        self, backend: Backend, counting: Counting, service_sid: str
    ) -> None:
        room = GrantScope(Grants([Grant("room-*", Right.READ)]), counting.get)
        document = await made(backend, service_sid, unique("room"))
        assert not room.shows(DOCUMENT, document.sid)
        for _ in range(3):
            await room.require(DOCUMENT, document.sid, Right.READ)
        assert counting.reads == 1
        assert room.shows(DOCUMENT, document.sid)
        other = await made(backend, service_sid, unique("hall"))
        await refused(room.require(DOCUMENT, other.sid, Right.READ), Code.ACCESS_FORBIDDEN)
        assert not room.shows(DOCUMENT, other.sid)

    async def test_where_all_is_granted_nothing_is_read(
        self, counting: Counting, service_sid: str
    ) -> None:
        everything = GrantScope(Grants([Grant("*", Right.READ)]), counting.get)
        await everything.require(DOCUMENT, make_sid(DOCUMENT, 0, bytes(15)), Right.READ)
        assert counting.reads == 0

    async def test_a_sid_that_does_not_exist(self, counting: Counting, service_sid: str) -> None:
        room = GrantScope(Grants([Grant("room-*", Right.READ)]), counting.get)
        for _ in range(2):
            await refused(
                room.require(DOCUMENT, make_sid(DOCUMENT, 0, bytes(15)), Right.READ),
                Code.DOCUMENT_NOT_FOUND,
            )
        assert counting.reads == 2

    async def test_so_many_names_are_remembered(
        self,
        backend: Backend,
        counting: Counting,
        service_sid: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(scope, "NAMES_LIMIT", 2)
        room = GrantScope(Grants([Grant("room-*", Right.READ)]), counting.get)
        sids = [(await made(backend, service_sid, unique("room"))).sid for _ in range(3)]
        for sid in sids:
            await room.require(DOCUMENT, sid, Right.READ)
        assert [room.shows(DOCUMENT, sid) for sid in sids] == [False, True, True]
        await room.require(DOCUMENT, sids[2], Right.READ)
        assert counting.reads == 3
        await room.require(DOCUMENT, sids[0], Right.READ)
        assert counting.reads == 4


class TestCaller:
    @pytest.mark.parametrize("by", ["name", "SID"])
    async def test_a_writer_who_may_not_read_is_shown_nothing(
        self, backend: Backend, service_sid: str, by: str
    ) -> None:
        blind = alices(backend, service_sid, room=Right.WRITE | Right.MANAGE)
        document = await made(backend, service_sid, unique("room"))
        address = document.sid if by == "SID" else document.unique_name
        assert address is not None
        assert (await blind.set(SetTtl(address, 60))).state.data == b""
        assert (await blind.set(Set(address, b'{"n":1}'))).state.data == b'{"n":1}'
        for write in (
            blind.set(Set(address, b"{}", if_match=document.revision)),
            blind.remove(Remove(address, if_match=document.revision)),
        ):
            refusal = await refused(write, Code.REVISION_MISMATCH)
            assert refusal.newest is None
            assert refusal.message.endswith(f"{document.revision} was expected.")
        await refused(blind.patch(Patch(address, MergePatch({"n": 2}))), Code.ACCESS_FORBIDDEN)
        left = await Service(backend.objects, service_sid).get(address)
        assert left is not None
        assert left.data == b'{"n":1}'

    async def test_a_mere_reader_makes_no_revision(
        self, backend: Backend, service_sid: str
    ) -> None:
        document = await made(backend, service_sid, unique("room"))
        known_revision = now_ms() * PER_MS + PER_MS
        reader = alices(backend, service_sid, room=Right.READ)
        assert await reader.advance(document.sid, known_revision) == document
        unlimited = Caller(backend, service_sid, "bob", limited=True)
        assert (await unlimited.advance(document.sid, known_revision)).revision > known_revision

    async def test_who_lost_the_right_while_waiting_for_a_turn_receives_nothing(
        self, backend: Backend, service_sid: str
    ) -> None:
        first = await made(backend, service_sid, unique("room"))
        bob = Caller(backend, service_sid, "bob")
        second = (await bob.set(Set(first.sid, b"{}", if_match=first.revision))).state
        stale = Set(first.sid, b"{}", if_match=first.revision)
        # Bob has the turn.
        await refused(bob.set(stale), Code.REVISION_MISMATCH)
        blind = alices(backend, service_sid, room=Right.READ | Right.WRITE)
        answer = asyncio.create_task(blind.set(stale))
        contests = backend.turns.contests
        key = TurnKey(service_sid, first.sid)

        def waiting() -> bool:
            contest = contests.get(key)
            return contest is not None and bool(contest.waiting)

        async with asyncio.timeout(WAIT_LIMIT):
            while not waiting():
                await asyncio.sleep(0)
        blind.access._scope = alices(backend, service_sid, room=Right.WRITE).access._scope
        await bob.set(Set(first.sid, b"{}", if_match=second.revision))
        refusal = await refused(answer, Code.ACCESS_FORBIDDEN)
        assert refusal.newest is None

    async def test_what_is_opened_must_be_granted_to_be_read_before_it_is_made(
        self, backend: Backend, service_sid: str
    ) -> None:
        writer = alices(backend, service_sid, room=Right.WRITE, hall=READ_WRITE)
        name = unique("room")
        await refused(writer.open(name, Mode.CREATE_NEW), Code.ACCESS_FORBIDDEN)
        await refused(writer.open(name), Code.ACCESS_FORBIDDEN)
        assert await Service(backend.objects, service_sid).get(name) is None
        await writer.create(name, b"{}", None, None)
        await writer.open(unique("hall"), Mode.CREATE_NEW)
        _, is_new = await writer.open(unique("hall"))
        assert is_new

    async def test_of_a_document_without_a_name_only_the_star_lets_one_be_made(
        self, backend: Backend, service_sid: str
    ) -> None:
        hall = alices(backend, service_sid, hall=READ_WRITE)
        for attempt in (hall.create(None), hall.open(None), hall.open(None, Mode.CREATE_NEW)):
            await refused(attempt, Code.ACCESS_FORBIDDEN)
        for rights, code in ((Right.READ, Code.ACCESS_FORBIDDEN), (READ_WRITE, None)):
            grants = Grants([Grant("*", rights)])
            everything = Caller(backend, service_sid, "alice", limited=True, grants=grants)
            try:
                await everything.open(None)
            except Refusal as refusal:
                assert refusal.code is code
            else:
                assert code is None

    async def test_what_may_be_read(self, backend: Backend, service_sid: str) -> None:
        reader = alices(backend, service_sid, room=Right.READ, hall=Right.WRITE).access
        assert reader.is_scoped
        assert reader.grants(DOCUMENT, "room-1", Right.READ)
        assert not reader.grants(DOCUMENT, "hall-1", Right.READ)
        assert not reader.grants(DOCUMENT, None, Right.READ)
        unlimited = Caller(backend, service_sid, "alice", limited=True).access
        assert not unlimited.is_scoped
        assert unlimited.grants(DOCUMENT, None, Right.READ)
