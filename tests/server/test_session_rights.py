"""A right that is taken away between any two steps of opening a document."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from support.backend import Caller, make_backend
from support.store import WAIT_LIMIT, eventually
from support.store import Service as StoredDocuments
from syncline_protocol.commands import Mode, Open, Remove
from syncline_protocol.documents import Document
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.objects import DOCUMENT, Event, Removed
from syncline_server.auth.grants import Grants
from syncline_server.backend import Backend
from syncline_server.objects.access import Access
from syncline_server.objects.documents import Documents
from syncline_server.objects.headers import Found
from syncline_server.observability.tasks import TaskSet
from syncline_server.pubsub.topic import Topic
from syncline_server.realtime.results import Opened, Result
from syncline_server.realtime.session import Session
from syncline_server.storage.keys import ObjectAddress
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.rights import Right

Step = Callable[[], Awaitable[None]]


@pytest.fixture
async def backend(redis: Redis) -> AsyncIterator[Backend]:
    backend = make_backend(redis)
    backend.hub.start()
    yield backend
    await backend.hub.stop()


class Reader:
    """Alice's session; something happens after it has read the document for the first time.

    Attributes:
        received: the events that it received.
        reads: how often it has read the document.
    """

    def __init__(self, backend: Backend, service_sid: str, step: Step | None = None) -> None:
        self.received: list[Event] = []
        self.reads = 0
        self.tasks = TaskSet()
        reader = self

        class Interrupted(Documents):
            async def get(self, access: Access, address: str) -> Document:
                document = await super().get(access, address)
                await reader.has_read(step)
                return document

            def open_jointly(self, access: Access, command: Open, done: Found[Document]) -> bool:
                async def interrupt(outcome: tuple[Document, bool] | Exception | None) -> None:
                    await reader.has_read(step)
                    done(outcome)

                def receive(outcome: tuple[Document, bool] | Exception | None) -> None:
                    reader.tasks.spawn(interrupt(outcome))

                return super().open_jointly(access, command, receive)

        backend.registry._operations[DOCUMENT.name] = Interrupted(backend)
        access = Access(backend, service_sid, "alice", limited=True)
        self.session = Session(backend, access, self.received.append)

    async def has_read(self, step: Step | None) -> None:
        self.reads += 1
        if self.reads == 1 and step is not None:
            await step()

    async def open(self, sid: str) -> Result | Refusal:
        """What the session answers."""
        answered: asyncio.Future[Result | Refusal] = asyncio.get_running_loop().create_future()
        self.session.submit(Open(sid, mode=Mode.OPEN_EXISTING), answered.set_result)
        async with asyncio.timeout(WAIT_LIMIT):
            return await answered


class Scene:
    """A document that alice may read, and that another session holds open."""

    def __init__(self, backend: Backend, service_sid: str, sid: str, witness: Reader) -> None:
        self.backend = backend
        self.service_sid = service_sid
        self.sid = sid
        self.witness = witness

    async def revoke(self) -> None:
        """Take the right away; return when this process has noticed it."""
        await self.backend.permissions.remove(
            ObjectAddress.of_sid(self.service_sid, self.sid), "alice"
        )
        await eventually(lambda: self.witness.received)

    async def switch_on(self) -> None:
        """Let permissions count, of which there are none."""
        await self.backend.services.update(self.service_sid, {"acl_enabled": True})
        await eventually(lambda: self.witness.received)

    async def write(self) -> None:
        """Change the document, past every session; return when the events are through."""
        everybody = Caller(self.backend, self.service_sid, "system")
        await everybody.remove(Remove(self.sid))
        await eventually(lambda: self.backend.hub._topics[self.sid].revision)


async def scene(backend: Backend, *, acl: bool) -> Scene:
    service = await backend.services.create({"acl_enabled": acl}, 10_000)
    await backend.services.find(service.sid)
    sid = (await StoredDocuments(backend.objects, service.sid).create(who="system")).sid
    if acl:
        await backend.permissions.set(ObjectAddress.of_sid(service.sid, sid), "alice", Right.READ)
    witness = Reader(backend, service.sid)
    assert isinstance(await witness.open(sid), Opened)
    return Scene(backend, service.sid, sid, witness)


def is_refused(outcome: Result | Refusal) -> bool:
    return isinstance(outcome, Refusal) and outcome.code is Code.ACCESS_FORBIDDEN


@pytest.mark.parametrize("acl", [True, False])
async def test_after_the_document_was_read_and_before_it_was_subscribed_to(
    backend: Backend, acl: bool
) -> None:
    stage = await scene(backend, acl=acl)
    reader = Reader(backend, stage.service_sid, stage.revoke if acl else stage.switch_on)
    assert is_refused(await reader.open(stage.sid))
    await stage.write()
    assert reader.received == []


async def test_when_it_is_open(backend: Backend) -> None:
    stage = await scene(backend, acl=True)
    reader = Reader(backend, stage.service_sid)
    opened = await reader.open(stage.sid)
    assert isinstance(opened, Opened)
    await stage.revoke()
    await stage.write()
    [removed] = reader.received
    assert isinstance(removed, Removed)
    assert removed.previous == opened.state.revision
    assert removed.revision == removed.previous + 1


async def test_a_refused_attempt_leaves_no_subscription(backend: Backend) -> None:
    stage = await scene(backend, acl=True)
    await stage.revoke()
    reader = Reader(backend, stage.service_sid)
    assert is_refused(await reader.open(stage.sid))
    assert backend.hub._topics[stage.sid].subscribers == set()
    assert reader.received == []


def narrow(backend: Backend, reader: Reader) -> None:
    """A token without any grants comes."""
    service_sid = reader.session.access.service_sid
    access = Access(backend, service_sid, "alice", limited=True, grants=Grants([]))
    reader.session.adopt(access)


async def test_a_token_that_grants_less_comes_after_the_document_was_read(
    backend: Backend,
) -> None:
    stage = await scene(backend, acl=False)
    live_since = backend.hub._topics[stage.sid].live_since
    assert live_since is not None
    # Otherwise it would be read once more, under the newer token.
    await eventually(lambda: asyncio.get_running_loop().time() > live_since)

    async def step() -> None:
        narrow(backend, reader)

    reader = Reader(backend, stage.service_sid, step)
    assert is_refused(await reader.open(stage.sid))
    assert backend.hub._topics[stage.sid].subscribers == {stage.witness.session._subscriptions}
    await stage.write()
    assert reader.received == []


async def test_a_token_that_grants_less_comes_while_the_document_is_subscribed_to(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = await scene(backend, acl=False)
    reader = Reader(backend, stage.service_sid)
    # Opened in a task of its own: else it is subscribed to in the step that answers.
    monkeypatch.setattr(backend.registry.of(DOCUMENT), "open_jointly", lambda *_: False)
    make_live = backend.hub.make_live

    async def interrupted(topic: Topic) -> None:
        await make_live(topic)
        narrow(backend, reader)

    monkeypatch.setattr(backend.hub, "make_live", interrupted)
    assert is_refused(await reader.open(stage.sid))
    assert backend.hub._topics[stage.sid].subscribers == {stage.witness.session._subscriptions}
    await stage.write()
    assert reader.received == []


async def test_a_token_that_grants_less_ends_what_is_open(backend: Backend) -> None:
    stage = await scene(backend, acl=False)
    reader = Reader(backend, stage.service_sid)
    assert isinstance(await reader.open(stage.sid), Opened)
    narrow(backend, reader)
    assert is_refused(await reader.open(stage.sid))
    await stage.write()
    [removed] = reader.received
    assert isinstance(removed, Removed)
