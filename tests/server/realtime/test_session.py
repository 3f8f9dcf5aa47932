"""The order in which one client receives answers and events (docs/protocol.md, section 4)."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import orjson
import pytest

from support.api import unique
from support.backend import Caller, running_backend
from support.limits import WAIT_LIMIT
from support.store import Store, eventually
from syncline_protocol.commands import Command, Get, Open, Remove, SetTtl, Unsubscribe
from syncline_protocol.documents import Document, Increment, Patch, Set, Updated
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.objects import DOCUMENT, Base, Event, Removed
from syncline_protocol.sids import object_key
from syncline_server.backend import Backend
from syncline_server.config.settings import Settings
from syncline_server.objects import contests as contests_module
from syncline_server.objects.access import Access
from syncline_server.objects.contests import TurnKey
from syncline_server.observability.metrics import Tally
from syncline_server.pubsub.topic import Format, Topic
from syncline_server.realtime.pending_events import PENDING_LIMIT
from syncline_server.realtime.results import Opened, Result
from syncline_server.realtime.session import Session
from syncline_server.realtime.subscriptions import Subscriptions
from syncline_server.storage import keys
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.connection import Connection
from syncline_server.storage.results import Written

LIMIT = 3
"""Documents that one session may have open."""

WAIT = WAIT_LIMIT
"""Seconds after which what a test waits for counts as missing."""


@pytest.fixture
async def backend(redis: Redis) -> AsyncIterator[Backend]:
    async with running_backend(redis, Settings(max_subscriptions=LIMIT)) as backend:
        yield backend


class Client:
    """A session, with everything that it sent.

    Attributes:
        received: answers and events, in order; of events that went past the session, the revisions.
        caller: the same documents, past the session.
    """

    def __init__(self, backend: Backend, service_sid: str) -> None:
        self.received: list[Result | Refusal | Event | int] = []
        self.caller = Caller(backend, service_sid, "alice")
        self.session = Session(backend, self.caller.access, self._record)
        self._changed = asyncio.Event()

    def submit(self, *commands: Command) -> None:
        """Ask, and leave the answers to `received`."""
        for command in commands:
            self.session.submit(command, self._record)

    async def ask(self, command: Command) -> Result | Refusal:
        """The answer, which does not come to `received`."""
        answered: asyncio.Future[Result | Refusal] = asyncio.get_running_loop().create_future()
        self.session.submit(command, answered.set_result)
        async with asyncio.timeout(WAIT):
            return await answered

    async def open(self, address: str) -> Document:
        """The document of that address, open from now on."""
        opened = await self.ask(Open(address))
        assert isinstance(opened, Opened), opened
        document: Document = opened.state
        return document

    async def receive(self, count: int) -> list[Result | Refusal | Event | int]:
        """`received`, once it is so long."""
        async with asyncio.timeout(WAIT):
            while len(self.received) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.received

    @property
    def written(self) -> list[int]:
        """What was written, in the order of the answers."""
        return [
            orjson.loads(news.state.data)["n"]
            for news in self.received
            if isinstance(news, Written)
        ]

    def _record(self, news: Result | Refusal | Event) -> None:
        self.received.append(news)
        self._changed.set()


def write(address: str, n: int) -> Set:
    return Set(address, b'{"n":%d}' % n)


@pytest.fixture
def client(backend: Backend, service_sid: str) -> Client:
    return Client(backend, service_sid)


@pytest.fixture
def other(backend: Backend, service_sid: str) -> Client:
    return Client(backend, service_sid)


class TestTurns:
    async def test_all_addresses_of_a_document_share_them(self, client: Client) -> None:
        name = unique()
        sid = (await client.open(name)).sid
        client.submit(*(write((name, sid)[n % 2], n) for n in range(20)))
        await client.receive(40)

        assert client.written == list(range(20))

    async def test_what_follows_an_opening_does_not_overtake_what_waited_for_it(
        self, client: Client
    ) -> None:
        name = unique()
        client.submit(Open(name), *(write(name, n) for n in range(20)))
        [opened, *_] = await client.receive(1)
        assert isinstance(opened, Opened)
        addresses = (name, opened.state.sid)
        client.submit(*(write(addresses[n % 2], n) for n in range(20, 40)))
        await client.receive(81)

        assert client.written == list(range(40))

    async def test_nothing_overtakes_when_the_session_forgets_the_name(
        self, client: Client
    ) -> None:
        name = unique()
        sid = (await client.open(name)).sid
        client.submit(Unsubscribe(name), *(write(sid, n) for n in range(20)))
        await client.receive(1)
        client.submit(*(write((name, sid)[n % 2], n) for n in range(20, 40)))
        await client.receive(41)

        assert client.written == list(range(40))

    async def test_other_documents_do_not_wait(self, client: Client, store: Store) -> None:
        await client.open(name := unique())
        with store.paused():
            client.submit(write(name, 0), Unsubscribe(unique()))
            await client.receive(1)
            assert client.written == []
        await client.receive(3)

    @pytest.mark.parametrize("again", [False, True])
    async def test_who_waits_for_one_learns_of_a_removal(
        self,
        backend: Backend,
        client: Client,
        other: Client,
        monkeypatch: pytest.MonkeyPatch,
        again: bool,
    ) -> None:
        """`again`: the name has gone to another document when the refusal is answered."""
        # However busy the machine is, the turn lasts until the other one waits.
        monkeypatch.setattr(contests_module, "SHORTEST_TURN", WAIT)
        monkeypatch.setattr(backend.turns.contests, "_turn_timeout", WAIT)
        name = unique()
        old = (await client.caller.create(name, b"{}", None, None)).state.revision
        written = await client.caller.set(Set(name, b'{"n":0}', if_match=old))
        newest = written.state.revision
        refusal = await client.ask(Set(name, b"{}", if_match=old))
        assert isinstance(refusal, Refusal) and refusal.newest is not None
        other.submit(Set(name, b"{}", if_match=old))
        contests = backend.turns.contests
        await eventually(lambda: any(each.waiting for each in contests._contests.values()))
        if again:
            contests._contests, before = {}, contests._contests
            await client.caller.remove(Remove(name))
            created = (await client.caller.create(name, b"{}", None, None)).state
            contests._contests = before
            contests.close(TurnKey(client.caller.service_sid, object_key(DOCUMENT, name)))
        else:
            await client.ask(Remove(name, if_match=newest))
        [received] = await other.receive(1)
        assert isinstance(received, Refusal)
        if again:
            assert (received.code, received.newest) == (Code.REVISION_MISMATCH, created)
        else:
            assert received.code is Code.NAME_NOT_FOUND

    async def test_a_command_behind_others_is_no_sample_of_the_round_trip(
        self, client: Client
    ) -> None:
        name = unique()
        await client.open(name)
        session = client.session
        session._replied_at = 0.0
        measured: list[bool] = []
        answered = asyncio.get_running_loop().create_future()
        session.submit(write(name, 1), lambda _: None)
        session.submit(write(name, 2), lambda _: measured.append(session._replied_at > 0))
        session.submit(Get(name), answered.set_result)
        await asyncio.wait_for(answered, WAIT)
        assert measured == [False]
        # The last one left none under way: the next one is a sample.
        await eventually(lambda: session._replied_at > 0)


class TestEvents:
    async def test_a_writer_receives_the_answer_first(self, client: Client, store: Store) -> None:
        name = unique()
        document = await client.open(name)
        with store.paused():
            client.submit(write(name, 0))
            await asyncio.sleep(0)
            early = Removed(
                sid=document.sid,
                unique_name=None,
                revision=document.revision + 1,
                previous=0,
                at_ms=0,
                by="bob",
                expired=False,
            )
            client.session._subscriptions.on_event(early)
            assert client.received == []
        answer, event = await client.receive(2)

        assert isinstance(answer, Written)
        assert event is early

    async def test_what_is_not_newer_than_received_is_not_reported(self, client: Client) -> None:
        document = await client.open(unique())
        old = Updated(
            sid=document.sid,
            unique_name=None,
            revision=document.revision,
            previous=0,
            at_ms=0,
            by="bob",
            data=b"{}",
            expires_ms=None,
        )
        client.session._subscriptions.on_event(old)

        assert client.received == []

    async def test_opening_again_changes_nothing(self, client: Client, other: Client) -> None:
        name = unique()
        await other.open(name)
        first = await client.open(name)
        again = await client.ask(Open(name))
        written = await other.caller.set(write(name, 1))
        [event] = await client.receive(1)

        assert again == Opened(first, created=False, known=False)
        assert isinstance(event, Updated)
        assert event.revision == written.state.revision

    async def test_a_name_that_went_to_another_document_stays_with_it(
        self, client: Client, other: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        name, late = unique(), list[Event]()
        first = await client.open(name)
        with monkeypatch.context() as patch:
            patch.setattr(Subscriptions, "on_event", lambda _, event: late.append(event))
            await other.caller.remove(Remove(name))
            second = await client.open(name)
        for event in late:
            client.session._subscriptions.on_event(event)
        await client.ask(Unsubscribe(name))
        await other.caller.set(write(name, 1))
        # On the same connection from Redis, so it comes after the event of that.
        await client.open(mark := unique())
        await other.caller.set(write(mark, 2))
        received = await client.receive(2)

        assert first.sid != second.sid
        assert [type(event) for event in received] == [Removed, Updated]
        assert isinstance(received[1], Updated)
        assert received[1].unique_name == mark


def changed(document: Document, revision: int, previous: int, *, based: bool = True) -> Updated:
    """An event of a document; `based` if a delta of it can be made."""
    base = Base(b"{}", lambda _: None) if based else None
    sid, name = document.sid, document.unique_name
    return Updated(
        sid=sid,
        unique_name=name,
        revision=revision,
        previous=previous,
        at_ms=0,
        by="bob",
        data=b"{}",
        expires_ms=None,
        base=base,
    )


class TestDeltas:
    """What of an event a session says to be known; what it sends as usual comes to `received`."""

    @pytest.fixture
    def briefs(self, client: Client) -> list[tuple[int, bool]]:
        """Revision, and whether the data itself is known, of what was sent as a delta."""
        briefs: list[tuple[int, bool]] = []
        client.session.take_deltas(lambda event, known: briefs.append((event.revision, known)))
        return briefs

    async def test_only_who_received_the_state_before_receives_a_delta(
        self, client: Client, briefs: list[tuple[int, bool]]
    ) -> None:
        document = await client.open(unique())
        at = document.revision
        client.session._subscriptions.on_event(changed(document, at + 1, at))
        client.session._subscriptions.on_event(changed(document, at + 2, at + 1))
        skipping = changed(document, at + 4, at + 3)
        client.session._subscriptions.on_event(skipping)
        client.session._subscriptions.on_event(changed(document, at + 5, at + 4))
        whole = changed(document, at + 6, at + 5, based=False)
        client.session._subscriptions.on_event(whole)

        assert briefs == [(at + 1, False), (at + 2, False), (at + 5, False)]
        assert client.received == [skipping, whole]

    async def test_what_is_blocked_and_dropped_breaks_the_chain(
        self, client: Client, store: Store, briefs: list[tuple[int, bool]]
    ) -> None:
        document = await client.open(name := unique())
        at = document.revision
        with store.paused():
            client.submit(write(name, 0))
            await asyncio.sleep(0)
            events = [changed(document, at + n + 1, at + n) for n in range(PENDING_LIMIT + 10)]
            for event in events:
                client.session._subscriptions.on_event(event)
            assert client.received == []
        await client.receive(2)

        # The event of the write itself may have come to them, and taken one more place.
        dropped = events.index(client.received[1])  # type: ignore[arg-type]
        assert dropped in (10, 11)
        assert [revision for revision, _ in briefs[: len(events) - dropped - 1]] == [
            event.revision for event in events[dropped + 1 :]
        ]

    async def test_the_writer_knows_what_it_wrote(
        self, client: Client, other: Client, briefs: list[tuple[int, bool]]
    ) -> None:
        await client.open(name := unique())
        increment = Patch(name, Increment({"/n": 1}))
        written = [await client.ask(command) for command in (write(name, 1), increment)]
        await client.ask(SetTtl(name, 60))
        await other.caller.set(write(name, 2))
        await client.receive(2)

        assert briefs == [
            (answer.state.revision, True) for answer in written if isinstance(answer, Written)
        ]

    async def test_of_a_repeated_write_it_is_not_taken_for_granted(
        self, client: Client, other: Client, briefs: list[tuple[int, bool]]
    ) -> None:
        await client.open(name := unique())
        first = await other.caller.set(Set(name, b'{"n":1}', op="once"))
        await client.receive(1)
        again = await client.ask(Set(name, b'{"n":1}', op="once"))
        assert again == Written(first.state, repeated=True)
        await other.caller.set(write(name, 2))
        await client.receive(2)

        assert briefs == []

    async def test_the_first_event_begins_at_the_state_that_was_opened(
        self, client: Client, other: Client
    ) -> None:
        events: list[Event] = []
        client.session.take_deltas(lambda event, _: events.append(event))
        data = b'{"text":"%s","n":1}' % (b"." * 300)
        name = unique()
        await other.caller.create(name, data, None, None)
        await client.open(name)
        await other.caller.set(Set(name, data.replace(b"1", b"2")))
        await eventually(lambda: events)
        await client.ask(Unsubscribe(name))
        await other.open(name)
        await other.caller.set(Set(name, data))
        [event] = await other.receive(1)

        assert [event.base and event.base.data for event in events] == [data]
        # Nobody is left who would want one.
        assert isinstance(event, Updated)
        assert event.base is None


class TestFailures:
    async def test_an_open_document_stays_open_when_opening_it_again_fails(
        self, client: Client, other: Client, backend: Backend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        name = unique()
        topic = backend.hub.topic((await client.open(name)).sid)
        assert topic is not None
        for error in (Refusal(Code.UNAVAILABLE, "away"), RuntimeError("a defect")):
            with monkeypatch.context() as patch:
                topic.live_since = None  # else nothing must be waited for
                patch.setattr(backend.hub, "make_live", _failing(error))
                assert isinstance(await client.ask(Open(name)), Refusal)
        await other.caller.set(write(name, 1))
        [event] = await client.receive(1)

        assert isinstance(event, Updated)

    async def test_an_opening_that_fails_leaves_nothing(
        self, client: Client, other: Client, backend: Backend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for error in (Refusal(Code.UNAVAILABLE, "away"), RuntimeError("a defect")):
            with monkeypatch.context() as patch:
                patch.setattr(backend.hub, "make_live", _failing(error))
                answers = [await client.ask(Open(unique())) for _ in range(LIMIT + 1)]
            codes = {answer.code for answer in answers if isinstance(answer, Refusal)}
            assert codes == {Code.UNAVAILABLE if isinstance(error, Refusal) else Code.INTERNAL}
        for _ in range(LIMIT):
            await client.open(name := unique())
        written = await other.caller.set(write(name, 1))
        [event] = await client.receive(1)

        assert isinstance(event, Updated)
        assert event.revision == written.state.revision

    async def test_a_removal_while_opening_again_is_reported(
        self, client: Client, other: Client, backend: Backend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        name = unique()
        topic = backend.hub.topic((await client.open(name)).sid)
        assert topic is not None
        topic.live_since = None  # else nothing must be waited for
        make_live = backend.hub.make_live

        async def remove_meanwhile(topic: Topic) -> None:
            await make_live(topic)
            await other.caller.remove(Remove(name))

        monkeypatch.setattr(backend.hub, "make_live", remove_meanwhile)
        await client.ask(Open(name))
        [event] = await client.receive(1)

        assert isinstance(event, Removed)

    async def test_the_event_of_a_write_of_unknown_outcome_comes_after_its_refusal(
        self, backend: Backend, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The commit was applied, and only its reply is lost."""
        name = unique()
        sid = (await client.open(name)).sid
        operations = backend.registry.of(DOCUMENT)
        applied = operations.handlers[Set]

        async def lose_reply(access: Access, command: Set, caller: Session) -> None:
            with caller.writing(command):
                written = await applied(access, command)
                await eventually(lambda: backend.hub.newest_known(sid) == written.state.revision)
                raise Refusal(Code.UNAVAILABLE, "The outcome is unknown.")

        handlers: dict[type[Command], Any] = {**operations.handlers, Set: lose_reply}
        monkeypatch.setattr(operations, "handlers", handlers)
        client.submit(write(name, 1))
        refusal, event = await client.receive(2)

        assert isinstance(refusal, Refusal) and refusal.code is Code.UNAVAILABLE
        assert isinstance(event, Updated)

    async def test_after_the_end_nothing_is_answered_or_reported(
        self, client: Client, other: Client, store: Store
    ) -> None:
        name = unique()
        await client.open(name)
        with store.paused():
            client.submit(write(name, 1), write(name, 2), Open(unique()))
            await asyncio.sleep(0)
            client.session.close()
        await other.open(name)
        other.submit(write(name, 3))
        await other.receive(2)

        assert client.received == []


class Flow:
    """A client's outlet, with the revisions that were written to it past its session."""

    def __init__(self, client: Client) -> None:
        self.corked: list[bytes] | None = None
        self.client = client
        self.form = Format(lambda event: b"%d " % event.revision, None, Tally())
        self.write: Callable[[bytes], None] = self._take

    def _take(self, data: bytes) -> None:
        self.client.received.extend(map(int, data.split()))
        self.client._changed.set()

    def begin(self) -> None:
        self.client.session.enable_fast_path(self.form, self)

    def end(self) -> None:
        self.client.session.disable_fast_path()


class TestInStep:
    @pytest.fixture
    def flow(self, client: Client) -> Flow:
        flow = Flow(client)
        flow.begin()
        return flow

    async def test_updates_are_written_past_the_session_once_it_has_received_one(
        self, client: Client, other: Client, flow: Flow
    ) -> None:
        name = unique()
        await client.open(name)
        written = [await other.caller.set(write(name, n)) for n in range(5)]
        first, *rest = await client.receive(5)

        assert isinstance(first, Updated)
        assert [first.revision, *rest] == [each.state.revision for each in written]
        assert flow.form.tally.events == 4

    async def test_an_own_write_is_answered_before_its_event(
        self, client: Client, other: Client, flow: Flow
    ) -> None:
        name = unique()
        await client.open(name)
        await other.caller.set(write(name, 0))
        await client.receive(1)
        for n in range(1, 50):
            client.submit(write(name, n))
        received = (await client.receive(99))[1:]

        answered: set[int] = set()
        for news in received:
            if isinstance(news, Written):
                answered.add(news.state.revision)
            else:
                assert _revision(news) in answered
        assert len(answered) == 49

    async def test_revisions_only_grow_whatever_happens_between(
        self, client: Client, other: Client, flow: Flow
    ) -> None:
        name = unique()
        await client.open(name)
        for n in range(40):
            other.submit(write(name, n), Get(name))
            if n % 3 == 0:
                client.submit(write(name, 100 + n))
            if n % 5 == 0:
                client.submit(Open(name))
            if n % 7 == 0:
                flow.end()
            await asyncio.sleep(0)
            if n % 7 == 3:
                flow.begin()
        last = await other.ask(write(name, -1))
        assert isinstance(last, Written)
        await eventually(lambda: last.state.revision in _events(client))

        assert _events(client) == sorted(set(_events(client)))

    async def test_a_removal_is_reported_by_the_session(
        self, client: Client, other: Client, flow: Flow
    ) -> None:
        name = unique()
        await client.open(name)
        await other.caller.set(write(name, 0))
        await client.receive(1)
        await other.caller.remove(Remove(name))
        *_, removed = await client.receive(2)
        await other.open(name)
        await other.caller.set(write(name, 1))

        assert isinstance(removed, Removed)
        assert client.session.subscriptions == 0
        assert len(client.received) == 2

    async def test_without_flow_every_event_goes_by_the_session(
        self, client: Client, other: Client, flow: Flow
    ) -> None:
        name = unique()
        await client.open(name)
        for n in range(6):
            if n == 3:
                flow.end()
            await other.caller.set(write(name, n))
            await client.receive(n + 1)

        assert [isinstance(news, Updated) for news in client.received] == [
            *[True, False, False],
            *[True, True, True],
        ]

    async def test_who_has_gone_is_written_to_no_more(
        self, client: Client, other: Client, flow: Flow
    ) -> None:
        name = unique()
        await client.open(name)
        await other.open(name)
        await other.caller.set(write(name, 0))
        await client.receive(1)
        client.session.close()
        await other.caller.set(write(name, 1))
        await other.receive(2)

        assert len(client.received) == 1


def _events(client: Client) -> list[int]:
    """Revisions of the events, in order."""
    return [_revision(news) for news in client.received if isinstance(news, int | Updated)]


def _revision(news: object) -> int:
    assert isinstance(news, int | Updated), news
    return news if isinstance(news, int) else news.revision


def _failing(error: Exception) -> Callable[[Topic], Awaitable[None]]:
    async def fail(_: Topic) -> None:
        raise error

    return fail


@pytest.mark.parametrize("ttl", [None, 600])
async def test_a_removal_that_only_a_comparison_finds_has_the_name(
    client: Client, admin: Connection, store: Store, ttl: int | None
) -> None:
    """There was no event: Redis lost the document, as in a failover."""
    document = await client.open("prefs")
    written = await client.ask(Set("prefs", b"{}", ttl=ttl))
    assert isinstance(written, Written)
    tag = keys.tag_of(client.caller.service_sid, document.sid)
    await admin.execute("DEL", f"{tag}:document:{document.sid}")
    await store.cut("pubsub")
    [removal] = [news for news in await client.receive(2) if isinstance(news, Removed)]
    assert (removal.sid, removal.unique_name, removal.expired) == (document.sid, "prefs", False)
    assert removal.revision > written.state.revision


async def test_a_session_with_one_open_document_is_small(backend: Backend, client: Client) -> None:
    """There are very many of them, and most only read: the rest is made when it is needed."""
    document = await client.open(unique())
    count = 500

    def subscribe() -> Session:
        session = Session(backend, client.session.access, client.received.append)
        session._subscriptions.subscribe(document)
        return session

    subscribe().close()
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        sessions = [subscribe() for _ in range(count)]
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    for session in sessions:
        session.close()
    assert (after - before) / count < 1_200
