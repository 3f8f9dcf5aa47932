"""A type that only these tests know: what the server does for objects of any type."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any

import pytest

from support.backend import running_backend
from support.store import WAIT_LIMIT, eventually
from syncline_protocol import objects
from syncline_protocol.commands import Command, Create, Get, Open, Remove, Unsubscribe, Write
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.objects import DOCUMENT, Event, Header, ObjectType, Removed, type_of_sid
from syncline_protocol.sids import make_sid
from syncline_server.backend import Backend
from syncline_server.config.settings import Settings
from syncline_server.objects import registry, turns
from syncline_server.objects.access import Access
from syncline_server.objects.contended_writes import Client, ContendedWrites
from syncline_server.objects.contests import TurnKey
from syncline_server.objects.headers import Found
from syncline_server.objects.replays import Replays
from syncline_server.pubsub.topic import Topic
from syncline_server.realtime.results import Fetched, Opened, Result
from syncline_server.realtime.session import Session
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.results import absent, mismatch
from syncline_server.storage.rights import Right

COUNTER = ObjectType(
    name="counter", plural="counters", prefix="CO", has_items=False, has_permissions=False
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter(Header):
    value: int

    @property
    def data(self) -> bytes:
        return b"%d" % self.value


@dataclass(slots=True, kw_only=True)
class Counted(Event):
    value: int


@dataclass(frozen=True, slots=True)
class Count(Write):
    verb = "count"
    by: int
    _: KW_ONLY


@dataclass(frozen=True, slots=True)
class CounterWritten:
    header: Counter
    repeated: bool = False

    @property
    def state(self) -> Counter:
        return self.header


def lost(command: Write, newest: Any) -> Refusal:
    return mismatch(COUNTER, command.if_match, newest)


class Counters:
    """Counters in memory, as a type beside documents."""

    def __init__(self, backend: Backend) -> None:
        self.source = self
        self.replays: Replays | None = None
        self.handlers: Mapping[type[Command], registry.Handler[Any]] = {
            Create: self.create,
            Count: self.count,
            Remove: self.remove,
        }
        self.stored: dict[str, Counter] = {}
        self.deliver = backend.hub._on_event
        self._writes = ContendedWrites(backend.turns, self._read_again, lost)

    async def header(self, service_sid: str, sid: str) -> Counter | None:
        return self.stored.get(sid)

    async def missed(self, topic: Topic) -> AsyncIterator[Event]:
        counter = self.stored.get(topic.sid)
        yield topic.make_removal(1) if counter is None else counted(counter, topic.revision)

    def open_jointly(self, access: Access, command: Open, done: Found[Any]) -> bool:
        return False

    async def open(self, access: Access, command: Open) -> tuple[Counter, bool]:
        await access.check(COUNTER, command.address, Right.READ)
        found = self._find(command.address or "")
        return found or (await self.create(access, Create(command.address))).header, found is None

    async def get(self, access: Access, address: str) -> Counter:
        found = self._find(address)
        if found is None:
            raise absent(COUNTER, address)
        return found

    async def advance(self, access: Access, sid: str, known: int) -> Counter:
        return self.stored[sid]

    async def create(
        self, access: Access, command: Create, client: Client | None = None
    ) -> CounterWritten:
        counter = Counter(
            sid=make_sid(COUNTER, 0, len(self.stored).to_bytes(15, "big")),
            unique_name=command.address,
            revision=1,
            created_ms=0,
            updated_ms=0,
            expires_ms=None,
            created_by=access.identity,
            updated_by=access.identity,
            value=0,
        )
        self.stored[counter.sid] = counter
        return CounterWritten(counter)

    async def count(
        self, access: Access, command: Count, client: Client | None = None
    ) -> CounterWritten:
        return await self._writes.carry_out(access, command, client, self._count)

    async def remove(
        self, access: Access, command: Remove, client: Client | None = None
    ) -> CounterWritten:
        return await self._writes.carry_out(access, command, client, self._remove)

    async def _count(self, access: Access, command: Count) -> CounterWritten:
        before = await self._checked(access, command)
        after = replace(before, revision=before.revision + 1, value=before.value + command.by)
        self.stored[before.sid] = after
        self.deliver(counted(after, before.revision))
        return CounterWritten(after)

    async def _remove(self, access: Access, command: Remove) -> CounterWritten:
        before = await self._checked(access, command)
        del self.stored[before.sid]
        after = replace(before, revision=before.revision + 1)
        self.deliver(
            Removed(
                sid=before.sid,
                unique_name=before.unique_name,
                revision=after.revision,
                previous=before.revision,
                at_ms=1,
                by=access.identity,
                expired=False,
            )
        )
        return CounterWritten(after)

    async def _checked(self, access: Access, command: Write) -> Counter:
        found = await self.get(access, command.address)
        if command.if_match not in (None, found.revision):
            raise mismatch(COUNTER, command.if_match, found)
        return found

    async def _read_again(self, access: Access, address: str, _: str | None) -> Counter:
        return await self.get(access, address)

    def _find(self, address: str) -> Counter | None:
        found = (c for c in self.stored.values() if address in (c.sid, c.unique_name))
        return next(found, None)


def counted(counter: Counter, previous: int) -> Counted:
    return Counted(
        sid=counter.sid,
        unique_name=counter.unique_name,
        revision=counter.revision,
        previous=previous,
        at_ms=1,
        by="alice",
        value=counter.value,
    )


@pytest.fixture
async def backend(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Backend]:
    monkeypatch.setitem(objects._BY_PREFIX, COUNTER.prefix, COUNTER)
    rows = {**registry._OPERATIONS, COUNTER: Counters}
    monkeypatch.setattr(registry, "_OPERATIONS", rows)
    async with running_backend(redis, Settings(turn_timeout=WAIT_LIMIT)) as backend:
        yield backend


class Connected:
    """A session, with all that it sent."""

    def __init__(self, backend: Backend, service_sid: str) -> None:
        self.received: list[Event | Result | Refusal] = []
        access = Access(backend, service_sid, "alice")
        self.session = Session(backend, access, self.received.append)

    async def ask(self, command: Command) -> Any:
        answered: asyncio.Future[Result | Refusal] = asyncio.get_running_loop().create_future()

        def answer(outcome: Result | Refusal) -> None:
            self.received.append(outcome)
            answered.set_result(outcome)

        self.session.submit(command, answer)
        async with asyncio.timeout(WAIT_LIMIT):
            return await answered


async def test_a_type_of_its_own_has_commands_events_and_an_order(
    backend: Backend, service_sid: str
) -> None:
    alice, bob = Connected(backend, service_sid), Connected(backend, service_sid)
    opened = await alice.ask(Open("clicks", type=COUNTER))
    await bob.ask(Open("clicks", type=COUNTER))
    written = await alice.ask(Count("clicks", 3, type=COUNTER))
    await asyncio.sleep(0)

    assert isinstance(opened, Opened) and type_of_sid(opened.state.sid) is COUNTER
    assert written.header.value == 3
    # The reply comes before the event of the same write.
    assert [type(each) for each in alice.received] == [Opened, CounterWritten, Counted]
    assert [type(each) for each in bob.received] == [Opened, Counted]
    fetched = await bob.ask(Get(opened.state.sid, type=COUNTER))
    assert isinstance(fetched, Fetched) and fetched.state.value == 3


async def test_objects_of_two_types_may_have_one_name(backend: Backend, service_sid: str) -> None:
    client = Connected(backend, service_sid)
    counter = await client.ask(Open("same", type=COUNTER))
    document = await client.ask(Open("same"))
    assert {type_of_sid(each.state.sid) for each in (counter, document)} == {COUNTER, DOCUMENT}
    await client.ask(Unsubscribe("same", type=COUNTER))
    await client.ask(Remove("same"))

    await eventually(lambda: client.session.subscriptions == 0)
    assert (await client.ask(Get("same", type=COUNTER))).state == counter.state


async def test_rivals_for_an_object_of_any_type_take_turns(
    backend: Backend, service_sid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "UNKNOWN_TURN", WAIT_LIMIT)
    alice, bob = Connected(backend, service_sid), Connected(backend, service_sid)
    stale = (await alice.ask(Open("clicks", type=COUNTER))).state.revision
    await bob.ask(Count("clicks", 1, if_match=stale, type=COUNTER))
    refusal = await alice.ask(Count("clicks", 1, if_match=stale, type=COUNTER))
    assert refusal.code is Code.REVISION_MISMATCH
    # Alice has the turn now, so Bob's try waits until hers is through.
    waiting = asyncio.create_task(bob.ask(Count("clicks", 1, if_match=stale, type=COUNTER)))
    contest = backend.turns.contests.get(TurnKey(service_sid, refusal.newest.sid))
    await eventually(lambda: contest is not None and bool(contest.waiting))
    newest = refusal.newest.revision
    written = await alice.ask(Count("clicks", 1, if_match=newest, type=COUNTER))
    assert (await waiting).newest == written.header


async def test_an_open_object_of_any_type_catches_up_after_a_gap(
    backend: Backend, service_sid: str
) -> None:
    client = Connected(backend, service_sid)
    counter = (await client.ask(Open("clicks", type=COUNTER))).state
    stored = backend.registry.of(COUNTER).stored  # type: ignore[attr-defined]
    stored[counter.sid] = replace(counter, revision=counter.revision + 5, value=5)
    backend.hub.on_trouble(service_sid, counter.sid)
    await eventually(lambda: len(client.received) == 2)
    del stored[counter.sid]
    backend.hub.on_trouble(service_sid, counter.sid)
    await eventually(lambda: len(client.received) == 3)

    assert [type(each) for each in client.received] == [Opened, Counted, Removed]
    assert client.session.subscriptions == 0
