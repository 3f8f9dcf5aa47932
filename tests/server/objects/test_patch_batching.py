from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from pathlib import Path

import orjson
import pytest

from support.store import WAIT_LIMIT, Line, Publications, Service, Store, refused
from syncline_protocol.documents import Document, Increment, MergePatch, Patch, Updated
from syncline_protocol.errors import Code, Refusal
from syncline_server.config.settings import Settings
from syncline_server.objects.patch_batching import STEPS_LIMIT, PatchBatcher
from syncline_server.objects.turns import Turns
from syncline_server.objects.work import WorkQueue
from syncline_server.observability.metrics import Meters
from syncline_server.storage.author import Author
from syncline_server.storage.objects import Objects
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.results import Written
from syncline_server.storage.rights import Right

ALICE = Author(identity="alice")


def make_patch_batcher(service: Service, settings: Settings | None = None) -> PatchBatcher:
    settings = settings or Settings()
    turns = Turns(settings.turn_timeout, settings.turn_wait, Meters().limit_hits)
    return PatchBatcher(service.objects, turns, WorkQueue(), settings)


@pytest.fixture
def patch_batcher(service: Service) -> PatchBatcher:
    return make_patch_batcher(service)


@pytest.fixture
async def counter(service: Service) -> Document:
    return await service.create("counter", b'{"n":0}')


def increment(by: int = 1, op: str | None = None) -> Patch:
    return Patch("counter", Increment({"/n": by}), op=op)


async def all_of(
    patches: Iterable[Awaitable[Written[Document]]],
) -> list[Written[Document] | Refusal]:
    outcomes = await asyncio.gather(*patches, return_exceptions=True)
    assert all(isinstance(each, Written | Refusal) for each in outcomes)
    return [each for each in outcomes if isinstance(each, Written | Refusal)]


def written(outcomes: Iterable[Written[Document] | Refusal]) -> list[Document]:
    return [each.state for each in outcomes if isinstance(each, Written)]


def numbers(documents: Iterable[Document]) -> list[int]:
    return [orjson.loads(document.data)["n"] for document in documents]


def updated(document: Document, previous: int) -> Updated:
    """The event of the write that made the document."""
    return Updated(
        sid=document.sid,
        unique_name=document.unique_name,
        revision=document.revision,
        previous=previous,
        at_ms=document.updated_ms,
        by=document.updated_by,
        data=document.data,
        expires_ms=document.expires_ms,
    )


async def test_what_waits_is_committed_together(
    patch_batcher: PatchBatcher, service: Service, counter: Document, published: Publications
) -> None:
    outcomes = await all_of(
        patch_batcher.patch(service.sid, increment(), ALICE) for _ in range(100)
    )
    assert numbers(written(outcomes)) == list(range(1, 101))
    events = await published.take()
    assert len(events) < 10
    assert [event.previous for event in events[1:]] == [event.revision for event in events[:-1]]
    assert events[-1] == updated(written(outcomes)[-1], events[-1].previous)


async def test_each_state_has_a_revision_of_its_own(
    patch_batcher: PatchBatcher, service: Service, counter: Document
) -> None:
    outcomes = await all_of(
        patch_batcher.patch(service.sid, increment(), Author(identity=who))
        for who in ("alice", "bob") * 50
    )
    documents = written(outcomes)
    revisions = [document.revision for document in documents]
    assert counter.revision < revisions[0]
    assert revisions == sorted(set(revisions))
    assert [document.updated_by for document in documents] == ["alice", "bob"] * 50
    assert await service.get("counter") == documents[-1]


async def test_more_than_fit_in_one_commit(
    patch_batcher: PatchBatcher, service: Service, counter: Document, published: Publications
) -> None:
    count = 2 * STEPS_LIMIT + 10
    outcomes = await all_of(
        patch_batcher.patch(service.sid, increment(), ALICE) for _ in range(count)
    )
    assert numbers(written(outcomes)) == list(range(1, count + 1))
    assert 3 <= len(await published.take()) < 10


async def test_a_patch_that_does_not_fit_fails_alone(
    patch_batcher: PatchBatcher, service: Service, counter: Document
) -> None:
    misfit = Patch("counter", Increment({"/n/x": 1}))
    patches = [increment(), increment(), misfit, increment(), misfit, increment()]
    outcomes = await all_of(patch_batcher.patch(service.sid, each, ALICE) for each in patches)
    assert numbers(written(outcomes)) == [1, 2, 3, 4]
    refusals = [each for each in outcomes if isinstance(each, Refusal)]
    assert [outcomes.index(each) for each in refusals] == [2, 4]
    assert {each.code for each in refusals} == {Code.CONFLICT}


async def test_operations_that_were_applied_before_give_their_first_answers(
    patch_batcher: PatchBatcher, service: Service, counter: Document
) -> None:
    async def run(count: int) -> list[Written[Document] | Refusal]:
        patches = [increment(op=f"op-{number}") for number in range(count)]
        return await all_of(patch_batcher.patch(service.sid, each, ALICE) for each in patches)

    first, again = await run(10), await run(20)
    before = [each.revision for each in written(first)]
    assert [each.revision for each in written(again)[:10]] == before
    assert [each.repeated for each in again if isinstance(each, Written)] == [
        *[True] * 10,
        *[False] * 10,
    ]
    assert numbers(written(again)[10:]) == list(range(11, 21))


async def test_an_operation_that_waits_twice_is_applied_once(
    patch_batcher: PatchBatcher, service: Service, counter: Document
) -> None:
    outcomes = await all_of(
        patch_batcher.patch(service.sid, increment(op=op), ALICE)
        for op in ("a", "b", "b", "c", "c", "b")
    )
    newest = await service.get("counter")
    assert newest is not None
    assert numbers([newest]) == [3]
    assert [each.repeated for each in outcomes if isinstance(each, Written)] == [
        *[False, False, True],
        *[False, True, True],
    ]


async def test_conditions_and_expiries_go_alone(
    patch_batcher: PatchBatcher, service: Service, counter: Document
) -> None:
    body = Increment({"/n": 1})
    patches = [
        increment(),
        increment(),
        Patch("counter", body, ttl=60),
        increment(),
        Patch("counter", body, if_match=counter.revision),
        increment(),
    ]
    outcomes = await all_of(patch_batcher.patch(service.sid, each, ALICE) for each in patches)
    assert numbers(written(outcomes)) == [1, 2, 3, 4, 5]
    [refusal] = [each for each in outcomes if isinstance(each, Refusal)]
    assert (outcomes.index(refusal), refusal.code) == (4, Code.REVISION_MISMATCH)
    newest = await service.get("counter")
    assert newest is not None and newest.expires_ms is not None


async def test_rivals_elsewhere_lose_nothing(
    service: Service, counter: Document, patch_batcher: PatchBatcher
) -> None:
    combiners = [patch_batcher, make_patch_batcher(service), make_patch_batcher(service)]
    outcomes = await all_of(
        each.patch(service.sid, increment(), ALICE) for _ in range(100) for each in combiners
    )
    assert sorted(numbers(written(outcomes))) == list(range(1, 301))


async def test_rights_are_those_of_each_identity(
    patch_batcher: PatchBatcher, service: Service
) -> None:
    needs = Right.READ | Right.WRITE
    author = Author(identity="alice", needs=Right.NONE)
    await service.create("counter", b'{"n":0}', who=author)
    outcomes = await all_of(
        patch_batcher.patch(service.sid, increment(), Author(identity=who, needs=needs))
        for who in ("alice", "bob") * 10
    )
    assert numbers(written(outcomes)) == list(range(1, 11))
    assert {each.code for each in outcomes if isinstance(each, Refusal)} == {Code.ACCESS_FORBIDDEN}


async def test_who_does_not_wait_any_more_changes_nothing_for_others(
    patch_batcher: PatchBatcher, service: Service, counter: Document
) -> None:
    tasks = [
        asyncio.create_task(patch_batcher.patch(service.sid, increment(), ALICE)) for _ in range(20)
    ]
    await asyncio.sleep(0)
    for task in tasks[5:15]:
        task.cancel()
    await asyncio.wait(tasks)
    kept = [task.result().state for task in tasks[:5] + tasks[15:]]
    assert numbers(kept) == list(range(1, 11))


async def test_a_document_that_is_gone_is_reported_to_all(
    patch_batcher: PatchBatcher, service: Service
) -> None:
    for _ in range(2):
        outcomes = await all_of(
            patch_batcher.patch(service.sid, increment(op=op), ALICE) for op in ("a", "b", "c")
        )
        assert {each.code for each in outcomes if isinstance(each, Refusal)} == {
            Code.NAME_NOT_FOUND
        }
        assert len(outcomes) == 3


async def test_large_documents_are_combined_in_smaller_groups(
    patch_batcher: PatchBatcher, service: Service, published: Publications
) -> None:
    await service.create("counter", orjson.dumps({"n": 0, "text": "x" * 16_000}))
    outcomes = await all_of(
        patch_batcher.patch(service.sid, increment(), ALICE) for _ in range(100)
    )
    assert numbers(written(outcomes)) == list(range(1, 101))
    assert len(await published.take()) >= 4


async def test_too_large_a_result_is_refused(
    patch_batcher: PatchBatcher, service: Service, counter: Document
) -> None:
    body = MergePatch({"text": "x" * 20_000})
    patches = [increment(), increment(), Patch("counter", body), increment()]
    outcomes = await all_of(patch_batcher.patch(service.sid, each, ALICE) for each in patches)
    assert numbers(written(outcomes)) == [1, 2, 3]
    await refused(patch_batcher.patch(service.sid, Patch("counter", body), ALICE), Code.TOO_LARGE)


@pytest.mark.parametrize("lost", ["commit", "answer"])
async def test_what_nobody_knows_the_outcome_of_is_not_tried_again(
    tmp_path: Path, store: Store, service: Service, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Line(tmp_path / "line.sock", store) as line:
        redis = Redis(line.engine, WAIT_LIMIT)
        await redis.start()
        patch_batcher = make_patch_batcher(Service(Objects(redis, 120), service.sid))
        await service.create("counter", b'{"n":0}')
        reconnected = redis.reconnected

        async def overtaken(key: str) -> None:
            """Before it is looked at, somebody else writes, who leaves the number as it is."""
            newest = await service.get("counter")
            assert newest is not None
            await service.set("counter", newest.data)
            await reconnected(key)

        monkeypatch.setattr(redis, "reconnected", overtaken)
        line.lose = lost
        outcomes = await all_of(
            patch_batcher.patch(service.sid, increment(), ALICE) for _ in range(10)
        )
        await redis.stop()
    newest = await service.get("counter")
    assert newest is not None
    assert [each.code for each in outcomes if isinstance(each, Refusal)] == [Code.UNAVAILABLE] * 10
    assert numbers([newest]) == [0 if lost == "commit" else 10]
