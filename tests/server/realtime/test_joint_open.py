"""Clients that open one object in one turn of the event loop: one read, and the same promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from support.api import unique
from support.backend import Caller, running_backend
from support.limits import WAIT_LIMIT
from support.store import eventually
from syncline_protocol.commands import Mode, Open, Remove
from syncline_protocol.documents import Document, Set
from syncline_protocol.errors import Code, Refusal, codes_of
from syncline_protocol.objects import DOCUMENT, Event, Removed
from syncline_server.backend import Backend
from syncline_server.config.settings import Settings
from syncline_server.objects.access import Access
from syncline_server.realtime.joint_open import JointOpen
from syncline_server.realtime.results import Opened, Result
from syncline_server.realtime.session import Session
from syncline_server.storage.keys import ObjectAddress
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.rights import Right

ABSENT = codes_of(DOCUMENT).absent

LIMIT = 3
"""Documents that one session may have open."""


@pytest.fixture
async def backend(redis: Redis) -> AsyncIterator[Backend]:
    async with running_backend(redis, Settings(max_subscriptions=LIMIT)) as backend:
        yield backend


class Client:
    """A session, with its answers and events in their order."""

    def __init__(self, backend: Backend, service_sid: str, access: Access | None = None) -> None:
        self.received: list[Result | Refusal | Event] = []
        access = access or Caller(backend, service_sid, "alice").access
        self.session = Session(backend, access, self.received.append)

    def open(self, address: str, mode: Mode = Mode.OPEN_OR_CREATE) -> None:
        self.session.submit(Open(address, mode=mode), self.received.append)

    @property
    def answer(self) -> Result | Refusal:
        first = self.received[0]
        assert not isinstance(first, Event)
        return first

    @property
    def revision(self) -> int:
        """The newest revision that the client has."""
        last = self.received[-1]
        if isinstance(last, Opened):
            revision: int = last.state.revision
            return revision
        assert isinstance(last, Event)
        return last.revision


@pytest.fixture
def clients(backend: Backend, service_sid: str) -> list[Client]:
    return [Client(backend, service_sid) for _ in range(4)]


@pytest.fixture
def caller(backend: Backend, service_sid: str) -> Caller:
    return Caller(backend, service_sid, "alice")


@pytest.fixture
async def opened(clients: list[Client], caller: Caller) -> Document:
    """A document that the first client has open: no other must wait for its events."""
    document = (await caller.create(unique())).state
    clients[0].open(document.unique_name or "")
    await all_answered(clients[:1])
    clients[0].received.clear()
    return document


async def all_answered(clients: list[Client]) -> None:
    await eventually(lambda: all(each.received for each in clients))


def counted(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The scripts that are run from here on."""
    scripts: list[str] = []
    for name in ("run", "commit"):
        original = getattr(backend.redis, name)

        def count(*given: object, original: Callable[..., Awaitable[object]] = original) -> object:
            scripts.append(str(given[1]))
            return original(*given)

        monkeypatch.setattr(backend.redis, name, count)
    return scripts


@pytest.mark.parametrize("by_sid", [False, True])
async def test_one_read_serves_all(
    backend: Backend,
    clients: list[Client],
    opened: Document,
    caller: Caller,
    monkeypatch: pytest.MonkeyPatch,
    by_sid: bool,
) -> None:
    scripts = counted(backend, monkeypatch)
    for client in clients:
        client.open(opened.sid if by_sid else opened.unique_name or "")
    await all_answered(clients)
    assert len(scripts) == 1
    states = [each.answer.state for each in clients if isinstance(each.answer, Opened)]
    assert states == [opened] * len(clients)
    written = await caller.set(Set(opened.sid, b'{"a":1}'))
    await eventually(lambda: all(len(each.received) == 2 for each in clients))
    assert {each.revision for each in clients} == {written.state.revision}


async def test_one_of_them_creates(clients: list[Client]) -> None:
    name = unique()
    for client in clients:
        client.open(name)
    await all_answered(clients)
    answers = [each.answer for each in clients]
    assert sum(isinstance(each, Opened) and each.created for each in answers) == 1
    assert len({each.state.sid for each in answers if isinstance(each, Opened)}) == 1


async def test_what_is_not_there_is_refused_to_each(clients: list[Client]) -> None:
    for client in clients:
        client.open("nowhere", Mode.OPEN_EXISTING)
    await all_answered(clients)
    refused = [each.answer for each in clients]
    assert all(isinstance(each, Refusal) and each.code is Code.NAME_NOT_FOUND for each in refused)


async def test_a_name_that_is_free_again_gets_a_new_object(
    clients: list[Client], opened: Document, caller: Caller
) -> None:
    await caller.remove(Remove(opened.sid))
    for client in clients[1:]:
        client.open(opened.unique_name or "")
    await all_answered(clients[1:])
    answers = [each.answer for each in clients[1:]]
    assert sum(isinstance(each, Opened) and each.created for each in answers) == 1
    assert all(isinstance(each, Opened) and each.state.sid != opened.sid for each in answers)


async def test_who_leaves_is_not_answered(clients: list[Client], opened: Document) -> None:
    for client in clients[1:]:
        client.open(opened.sid)
    clients[1].session.close()
    await all_answered(clients[2:])
    assert clients[1].received == [] and clients[1].session.subscriptions == 0
    assert not clients[1].session._queues  # else their answers keep the client in memory


async def test_who_leaves_within_the_answer_is_not_answered_again(
    clients: list[Client], opened: Document
) -> None:
    session, answers = clients[1].session, list[Result | Refusal]()

    def leave(answer: Result | Refusal) -> None:
        answers.append(answer)
        session.close()

    for _ in range(3):
        session.submit(Open(opened.sid), leave)
    clients[2].open(opened.sid)
    await all_answered(clients[2:3])
    assert len(answers) == 1 and not session._queues and not session._tasks
    assert session.subscriptions == 0


async def test_one_that_fails_keeps_the_reply_from_no_other(
    clients: list[Client], opened: Document, backend: Backend
) -> None:
    def fail(_: Result | Refusal) -> None:
        raise RuntimeError("a defect")

    for client in clients[1:3]:
        client.session.submit(Open(opened.sid), fail)
    clients[3].open(opened.sid)
    await all_answered(clients[3:])
    assert isinstance(clients[3].answer, Opened)


async def test_the_error_of_one_read_is_not_shared(
    backend: Backend, clients: list[Client], opened: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, errors = backend.objects.read, [Refusal(Code.UNAVAILABLE, "away")]

    async def fail_first(*given: object) -> object:
        if errors:
            raise errors.pop()
        return await read(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(backend.objects, "read", fail_first)
    for client in clients[1:]:
        client.open(opened.sid)
    await all_answered(clients[1:])
    answers = [each.answer for each in clients[1:]]
    assert isinstance(answers[0], Refusal) and answers[0].code is Code.UNAVAILABLE
    assert all(isinstance(each, Opened) for each in answers[1:])


class Delayed:
    """The first read of the store is passed on when the test says so."""

    def __init__(self, backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
        self.read, self.go_on = backend.objects.read, asyncio.Event()
        self.was_read = asyncio.Event()
        monkeypatch.setattr(backend.objects, "read", self._read)

    async def open_all(self, clients: list[Client], sid: str) -> None:
        """Let the clients open an object; return when it was read."""
        for client in clients:
            client.open(sid)
        await self.was_read.wait()

    async def _read(self, *given: object) -> object:
        state = await self.read(*given)  # type: ignore[arg-type]
        if self.was_read.is_set():
            return state
        self.was_read.set()
        async with asyncio.timeout(WAIT_LIMIT):
            await self.go_on.wait()
        return state


async def test_a_change_during_the_read_reaches_all(
    backend: Backend,
    clients: list[Client],
    opened: Document,
    caller: Caller,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    delayed = Delayed(backend, monkeypatch)
    await delayed.open_all(clients[1:], opened.sid)
    written = await caller.set(Set(opened.sid, b'{"a":1}'))
    await eventually(lambda: clients[0].received)
    delayed.go_on.set()
    await all_answered(clients[1:])
    assert [each.revision for each in clients] == [written.state.revision] * len(clients)


async def test_a_removal_during_the_read_is_told_to_all(
    backend: Backend,
    clients: list[Client],
    opened: Document,
    caller: Caller,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    delayed = Delayed(backend, monkeypatch)
    await delayed.open_all(clients[1:], opened.sid)
    await caller.remove(Remove(opened.sid))
    await eventually(lambda: clients[0].received)
    assert isinstance(clients[0].received[0], Removed)
    delayed.go_on.set()
    await all_answered(clients[1:])
    for client in clients[1:]:
        assert isinstance(client.answer, Refusal) and client.answer.code is ABSENT


async def test_a_right_that_is_revoked_during_the_read_counts_for_all(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = await backend.services.create({"acl_enabled": True}, 10_000)
    caller = Caller(backend, service.sid, "owner")
    document = (await caller.create(unique())).state
    at = ObjectAddress(service.sid, DOCUMENT, document.sid)
    readers = []
    for who in ("ann", "ann", "bob"):
        await backend.permissions.set(at, who, Right.READ)
    for who in ("ann", "ann", "bob", "stranger"):
        access = Caller(backend, service.sid, who, limited=True).access
        readers.append(Client(backend, service.sid, access))
    first = Client(backend, service.sid, caller.access)
    first.open(document.sid)
    await all_answered([first])
    delayed = Delayed(backend, monkeypatch)
    await backend.services.find(service.sid)  # so that nothing is read of it below
    for reader in readers:
        reader.open(document.sid, Mode.OPEN_EXISTING)
    await delayed.was_read.wait()
    await backend.permissions.set(at, "ann", Right.NONE)
    topic = backend.hub.topic(document.sid)
    assert topic is not None
    await eventually(lambda: topic.rights_changed_at > 0)
    delayed.go_on.set()
    await all_answered(readers)
    # An answer from before is followed by the end.
    ends = [each.received[-1] for each in (*readers[:2], readers[3])]
    assert all(isinstance(each, Refusal | Removed) for each in ends)
    assert [each.session.subscriptions for each in readers] == [0, 0, 1, 0]
    assert isinstance(readers[2].answer, Opened)


async def test_those_under_way_count_against_the_limit(clients: list[Client]) -> None:
    client = clients[0]
    for _ in range(LIMIT + 1):
        client.open(unique())
    await eventually(lambda: len(client.received) == LIMIT + 1)
    refused = [each.code for each in client.received if isinstance(each, Refusal)]
    assert refused == [Code.TOO_MANY_SUBSCRIPTIONS]
    assert client.session.subscriptions == LIMIT


async def test_nothing_is_left_of_them(clients: list[Client], opened: Document) -> None:
    for client in clients:
        client.open(opened.sid)
    session = clients[1].session
    assert any(isinstance(each, JointOpen) for each in session._tasks)
    await all_answered(clients)
    assert not session._tasks and not session._queues and not session._subscriptions.opens
