"""Writes whose answer was lost: reported as what they were, and applied once."""

from __future__ import annotations

import pytest

from support.store import (
    LOST,
    OPS,
    Clock,
    Elapse,
    Line,
    Publications,
    Service,
    refused,
)
from support.store import aged as revision_aged
from syncline_protocol.documents import Document
from syncline_protocol.errors import Code
from syncline_protocol.objects import DOCUMENT
from syncline_protocol.sids import BUCKETS, bucket_of_name, make_sid
from syncline_server.storage import keys
from syncline_server.storage.author import Author
from syncline_server.storage.chosen_sids import ChosenSids
from syncline_server.storage.commit import Step
from syncline_server.storage.documents import write_steps
from syncline_server.storage.objects import NewObject, Objects
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.connection import Connection

ALICE, BOB = Author(identity="alice"), Author(identity="bob")


@pytest.fixture
def mine(by_line: Redis, service_sid: str) -> Service:
    """The service, by the line."""
    return Service(Objects(by_line, 120), service_sid)


async def aged(service: Service, document: Document) -> Document:
    """The document, once its revision is surely older than a write of now."""
    await revision_aged(service.objects._redis, document.revision)
    return document


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("ttl", [None, 60])
@pytest.mark.parametrize("name", ["prefs", None])
async def test_a_creation(
    mine: Service, line: Line, lost: str, op: str | None, ttl: int | None, name: str | None
) -> None:
    line.lose = lost
    written = await mine.find_or_create(name, b'{"a":1}', ttl, op=op)
    assert line.lose is None
    assert not written.exists
    assert await mine.get(written.state.sid) == written.state
    assert written.state.data == b'{"a":1}'


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("distance", [0, 1])
async def test_a_creation_under_a_chosen_sid_and_a_change_by_its_name(
    mine: Service, by_line: Redis, line: Line, lost: str, op: str | None, distance: int
) -> None:
    """`distance`: of the bucket of the SID from that of the name."""
    sid = make_sid(DOCUMENT, (bucket_of_name("prefs") + distance) % BUCKETS, bytes(15))
    new = NewObject(name="prefs", data=b'{"a":1}', op=op)
    line.lose = lost
    created = await ChosenSids(by_line, mine.objects).create(mine.sid, sid, ALICE, new)
    assert line.lose is None
    document = await aged(mine, created.state)
    assert await mine.get("prefs") == await mine.get(sid) == document
    line.lose = lost
    changed = await mine.set("prefs", b'{"a":2}')
    assert line.lose is None
    assert await mine.get(sid) == changed.state


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("op", OPS)
async def test_a_creation_of_a_name_that_is_taken(
    mine: Service, line: Line, lost: str, op: str | None
) -> None:
    document = await mine.create("prefs", b'{"a":1}')
    line.lose = lost
    written = await mine.find_or_create("prefs", b'{"a":2}', op=op)
    assert (written.state, written.exists) == (document, True)


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("ttl", [None, 60, 0])
@pytest.mark.parametrize("conditional", [True, False])
async def test_a_change(
    mine: Service,
    line: Line,
    published: Publications,
    lost: str,
    op: str | None,
    ttl: int | None,
    conditional: bool,
) -> None:
    document = await aged(mine, await mine.create("prefs", b'{"a":1}', 100))
    line.lose = lost
    if_match = document.revision if conditional else None
    written = await mine.set("prefs", b'{"a":2}', ttl, if_match, op=op)
    assert line.lose is None
    assert await mine.get("prefs") == written.state
    assert written.state.data == b'{"a":2}'
    [event] = await published.take()
    assert event.revision == written.state.revision


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("op", OPS)
async def test_a_change_in_steps(
    mine: Service, line: Line, published: Publications, lost: str, op: str | None
) -> None:
    document = await aged(mine, await mine.create("prefs", b'{"a":1}'))
    line.lose = lost
    steps = [Step(author=ALICE, data=b'{"a":2}', op=op), Step(author=BOB, data=b'{"a":3}', op=op)]
    answers = await write_steps(mine.objects, mine.at(document.sid), steps, document.revision)
    assert line.lose is None
    assert await mine.get("prefs") == answers[-1].state
    assert [each.state.data for each in answers] == [b'{"a":2}', b'{"a":3}']
    [event] = await published.take()
    assert event.revision == answers[-1].state.revision


@pytest.mark.parametrize("op", OPS)
async def test_a_removal_that_did_not_arrive(mine: Service, line: Line, op: str | None) -> None:
    await aged(mine, await mine.create("prefs"))
    line.lose = "commit"
    await mine.remove("prefs", op=op)
    assert await mine.get("prefs") is None


async def test_a_removal_that_was_executed_is_known_by_its_operation_id(
    mine: Service, line: Line, published: Publications
) -> None:
    await mine.create("prefs")
    line.lose = "answer"
    removed = await mine.remove("prefs", op="op-1")
    assert removed.repeated
    assert len(await published.take()) == 1


async def test_without_an_operation_id_nobody_knows_who_removed_it(
    mine: Service, line: Line, published: Publications
) -> None:
    await mine.create("prefs")
    line.lose = "answer"
    refusal = await refused(mine.remove("prefs"), Code.UNAVAILABLE)
    assert "may or may not" in refusal.message
    assert len(await published.take()) == 1


@pytest.mark.parametrize("lost", LOST)
async def test_a_refused_condition(mine: Service, line: Line, lost: str) -> None:
    document = await mine.create("prefs", b'{"a":1}')
    newest = await aged(mine, (await mine.set("prefs", b'{"a":2}')).state)
    line.lose = lost
    refusal = await refused(
        mine.set("prefs", b'{"a":3}', if_match=document.revision), Code.REVISION_MISMATCH
    )
    assert refusal.newest == newest


@pytest.mark.parametrize("lost", LOST)
async def test_a_change_that_somebody_else_has_followed_is_unknown_and_not_repeated(
    mine: Service, service: Service, line: Line, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await mine.create("prefs", b'{"by":"nobody"}')
    line.lose = lost
    rivals: list[Document] = []
    redis = mine.objects._redis
    reconnected = redis.reconnected

    async def overtaken(key: str) -> None:
        """Before it is looked at, somebody else writes."""
        rivals.append((await service.set("prefs", b'{"by":"rival"}')).state)
        await reconnected(key)

    monkeypatch.setattr(redis, "reconnected", overtaken)
    refusal = await refused(mine.set("prefs", b'{"by":"me"}'), Code.UNAVAILABLE)
    assert "may or may not" in refusal.message
    assert [await service.get("prefs")] == rivals


@pytest.mark.parametrize("lost", LOST)
async def test_the_sweeper_knows_of_an_expiry(
    mine: Service, line: Line, admin: Connection, lost: str
) -> None:
    line.lose = lost
    document = await mine.create("prefs", ttl=60)
    [bucket] = await admin.execute("ZRANGE", keys.due(mine.sid), 0, -1)
    assert bucket.decode() == document.sid[2:4]


async def test_a_first_attempt_that_arrives_after_all_does_nothing(
    mine: Service, service: Service, line: Line, admin: Connection
) -> None:
    """It was delayed on its way until another writer had written after its repetition."""
    await aged(mine, await mine.create("prefs", b'{"by":"nobody"}'))
    late: list[tuple[str | int, ...]] = []
    node = next(iter(mine.objects._redis._shards.values()))
    commit = node.commit

    async def noting(*command: str | int) -> object:
        late.append(command)
        return await commit(*command)

    node.commit = noting  # type: ignore[method-assign, assignment]
    line.lose = "commit"
    await mine.set("prefs", b'{"by":"me"}')
    rival = await service.set("prefs", b'{"by":"rival"}')
    assert await admin.execute(*late[0]) == [b"void"]
    assert await service.get("prefs") == rival.state


@pytest.mark.parametrize("offset_ms", [-7_200_000, 7_200_000])
@pytest.mark.parametrize("lost", LOST)
async def test_a_wrong_clock_lets_no_write_be_applied_twice(
    mine: Service,
    service: Service,
    line: Line,
    published: Publications,
    clock: Clock,
    lost: str,
    offset_ms: int,
) -> None:
    """Another writer came between, so that the mark of the write is gone."""
    await aged(mine, await mine.create("prefs", b'{"n":0}'))
    clock.offset_ms = offset_ms
    reconnected = mine.objects._redis.reconnected

    async def overtaken(key: str) -> None:
        await service.set("prefs", b'{"n":2}', who="bob")
        await reconnected(key)

    mine.objects._redis.reconnected = overtaken  # type: ignore[method-assign]
    line.lose = lost
    refusal = await refused(mine.set("prefs", b'{"n":1}', who="alice"), Code.UNAVAILABLE)
    assert "may or may not" in refusal.message
    events = await published.take()
    assert [event.by for event in events] == (["bob"] if lost == "commit" else ["alice", "bob"])


@pytest.mark.parametrize(
    ("verb", "lost"), [("create", "answer"), ("set", "answer"), ("set", "commit")]
)
@pytest.mark.parametrize("end", ["removed", "expired", "swept"])
async def test_a_write_to_what_has_ended_since_is_unknown_and_not_repeated(
    mine: Service,
    service: Service,
    line: Line,
    elapse: Elapse,
    lost: str,
    end: str,
    verb: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if verb == "set":
        await aged(mine, await mine.create("prefs", b'{"n":1}', 60))
    redis = mine.objects._redis
    reconnected = redis.reconnected

    async def ended(key: str) -> None:
        """Before it is looked at, the document ends."""
        document = await service.create("prefs")  # or finds it
        await service.set("prefs", ttl=60)
        if end == "removed":
            await service.remove("prefs")
        else:
            await elapse(61_000)
        if end == "swept":
            await service.objects.expire(service.sid, document.sid)
        await reconnected(key)

    monkeypatch.setattr(redis, "reconnected", ended)
    line.lose = lost
    attempt = mine.create("prefs") if verb == "create" else mine.set("prefs", b'{"n":2}')
    refusal = await refused(attempt, Code.UNAVAILABLE)
    assert "may or may not" in refusal.message
    assert await service.get("prefs") is None


@pytest.mark.parametrize("lost", LOST)
async def test_a_write_to_what_never_was_is_known(mine: Service, line: Line, lost: str) -> None:
    line.lose = lost
    await refused(mine.set("prefs", b'{"n":1}'), Code.NAME_NOT_FOUND)
