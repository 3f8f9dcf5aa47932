from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from support.backend import Caller, make_backend
from support.store import Inbox, Publications, Store, eventually, refused
from syncline_protocol.commands import Remove, SetTtl
from syncline_protocol.documents import Increment, MergePatch, OperationsPatch, Patch, Set, Updated
from syncline_protocol.errors import Code
from syncline_protocol.objects import SYSTEM
from syncline_server.auth.principal import Principal
from syncline_server.backend import Backend
from syncline_server.config.settings import Settings
from syncline_server.objects.access import Access
from syncline_server.storage.author import Author
from syncline_server.storage.keys import ObjectAddress
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.clock import now_ms

ACCOUNT = Principal(identity=SYSTEM, service=None, expires_at=None)


@pytest.fixture
async def backend(redis: Redis) -> AsyncIterator[Backend]:
    backend = make_backend(redis)
    backend.hub.start()
    await eventually(backend.ready)
    yield backend
    await backend.hub.stop()


@pytest.fixture
def alices(backend: Backend, service_sid: str) -> Caller:
    return Caller(backend, service_sid, "alice")


@pytest.fixture
def bobs(backend: Backend, service_sid: str) -> Caller:
    return Caller(backend, service_sid, "bob")


def increment(
    address: str,
    by: int = 1,
    ttl: int | None = None,
    if_match: int | None = None,
    op: str | None = None,
) -> Patch:
    return Patch(address, Increment({"/n": by}), ttl=ttl, if_match=if_match, op=op)


async def value(caller: Caller, address: str) -> dict[str, object]:
    data: dict[str, object] = orjson.loads((await caller.get(address)).data)
    return data


# Who may work where


async def test_the_account_may_work_in_every_service(backend: Backend) -> None:
    made = await backend.services.create({}, 10_000)
    for address in ("default", made.sid):
        access = await Access.enter(backend, ACCOUNT, address)
        assert (access.identity, access.limited) == (SYSTEM, False)
    assert access.service_sid == made.sid


async def test_a_token_opens_its_own_service_by_either_address(backend: Backend) -> None:
    default = (await Access.enter(backend, ACCOUNT, "default")).service_sid
    for stated in ("default", default):
        alice = Principal(identity="alice", service=stated, expires_at=0.0)
        for asked in ("default", default):
            access = await Access.enter(backend, alice, asked)
            assert access.service_sid == default
            assert (access.identity, access.limited) == ("alice", True)


async def test_a_token_of_another_service_opens_none_and_learns_nothing(backend: Backend) -> None:
    """Not even whether there is such a service."""
    made = await backend.services.create({}, 10_000)
    missing = f"IS{'0' * 32}"
    for stated, asked in [
        (made.sid, "default"),
        ("default", made.sid),
        ("default", missing),
        (missing, "default"),
        (missing, made.sid),
        ("", made.sid),
        (made.sid.lower(), made.sid),
        (f"{made.sid} ", made.sid),
    ]:
        await refused(
            Access.enter(
                backend, Principal(identity="alice", service=stated, expires_at=0.0), asked
            ),
            Code.SERVICE_FORBIDDEN,
        )


@pytest.mark.parametrize("address", [f"IS{'0' * 32}", "other", "", "é", "\x00", "x" * 10_000])
async def test_a_service_that_is_not_there(backend: Backend, address: str) -> None:
    refusal = await refused(Access.enter(backend, ACCOUNT, address), Code.SERVICE_NOT_FOUND)
    assert len(refusal.message) < 200
    await refused(
        Access.enter(
            backend, Principal(identity="alice", service=address, expires_at=0.0), address
        ),
        Code.SERVICE_NOT_FOUND,
    )


async def test_it_is_ready_while_redis_answers_and_its_events_come(
    backend: Backend, store: Store, redis: Redis
) -> None:
    assert backend.ready()
    with store.paused():
        await eventually(lambda: not backend.ready())
    await eventually(backend.ready)
    unready = make_backend(redis)
    assert not unready.ready()


# Documents


async def test_a_name_that_is_taken(alices: Caller, bobs: Caller) -> None:
    made = (await alices.create("prefs", b'{"a":1}', None, None)).state
    assert (made.created_by, made.updated_by) == ("alice", "alice")
    refusal = await refused(bobs.create("prefs", b"{}", None, None), Code.NAME_TAKEN)
    assert "'prefs'" in refusal.message
    assert await bobs.open("prefs") == (made, False)


async def test_what_is_not_there_is_reported_by_the_form_of_its_address(alices: Caller) -> None:
    for attempt in (
        alices.get("nobody"),
        alices.set(Set("nobody", b"{}")),
        alices.patch(increment("nobody")),
        alices.remove(Remove("nobody")),
    ):
        await refused(attempt, Code.NAME_NOT_FOUND)
    await refused(alices.get(f"ET{'0' * 32}"), Code.DOCUMENT_NOT_FOUND)


async def test_a_page_holds_what_there_is(alices: Caller) -> None:
    made = [(await alices.create(None, b"{}", None, None)).state for _ in range(3)]
    page = await alices.page(2, None)
    rest = await alices.page(2, page.next)
    assert {document.sid for document in page.items + rest.items} == {each.sid for each in made}
    await refused(alices.page(2, "garbage"), Code.INVALID_PAGE_TOKEN)


async def test_an_answer_to_a_change_of_expiry_has_the_data(alices: Caller) -> None:
    await alices.create("prefs", b'{"a":1}', None, None)
    first = await alices.set(SetTtl("prefs", 60, op="op-1"))
    again = await alices.set(SetTtl("prefs", 60, op="op-1"))
    assert first.state.data == b'{"a":1}'
    assert (again.repeated, again.state) == (True, first.state)
    await alices.set(Set("prefs", b'{"a":2}'))
    # The data of then is not known any more, and that of now would be wrong.
    late = await alices.set(SetTtl("prefs", 60, op="op-1"))
    assert (late.state.revision, late.state.data) == (first.state.revision, b"")


# Patches


async def test_each_kind_of_patch(alices: Caller) -> None:
    await alices.create("prefs", b'{"n":1,"a":{"b":2}}', None, None)
    merged = await alices.patch(Patch("prefs", MergePatch({"a": {"b": None, "c": 3}})))
    assert orjson.loads(merged.state.data) == {"n": 1, "a": {"c": 3}}
    operations = [{"op": "remove", "path": "/a"}]
    assert (await alices.patch(Patch("prefs", OperationsPatch(operations)))).state.data == (
        b'{"n":1}'
    )
    written = await alices.patch(increment("prefs", 41, ttl=60))
    assert written.state.data == b'{"n":42}'
    assert written.state.expires_ms == written.state.updated_ms + 60_000
    assert await alices.get("prefs") == written.state


async def test_patches_of_many_writers_are_all_applied(
    alices: Caller, bobs: Caller, published: Publications
) -> None:
    sid = (await alices.create("counter", b"{}", None, None)).state.sid
    patches = [
        caller.patch(increment(address))
        for _ in range(25)
        for caller in (alices, bobs)
        for address in ("counter", sid)
    ]
    written = await asyncio.gather(*patches)
    assert await value(alices, "counter") == {"n": 100}
    assert sorted(orjson.loads(each.state.data)["n"] for each in written) == list(range(1, 101))
    events = [event for event in await published.take() if isinstance(event, Updated)]
    assert [event.revision for event in events] == sorted(each.revision for each in events)
    assert orjson.loads(events[-1].data) == {"n": 100}


async def test_a_patch_gives_up_where_others_are_quicker_every_time(
    redis: Redis, service_sid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = make_backend(redis, Settings(patch_attempts=3))
    caller = Caller(backend, service_sid, "alice")
    await caller.create("prefs", b"{}", None, None)
    objects, tried = backend.objects, 0
    commit = objects.update

    async def rival(at: ObjectAddress, author: Author, **change: Any) -> object:
        """Somebody writes between each look and each try."""
        nonlocal tried
        tried += 1
        bob = Author(identity="bob")
        await commit(at, bob, data=b'{"rival":%d}' % tried)
        return await commit(at, author, **change)

    monkeypatch.setattr(objects, "update", rival)
    refusal = await refused(caller.patch(increment("prefs")), Code.TOO_MANY_REQUESTS)
    assert refusal.code.retry
    assert (tried, await value(caller, "prefs")) == (3, {"rival": 3})


async def test_a_patch_meant_for_a_revision_is_tried_once(
    alices: Caller, published: Publications
) -> None:
    document = (await alices.create("prefs", b"{}", None, None)).state
    written = await alices.patch(increment("prefs", if_match=document.revision))
    stale = increment("prefs", if_match=document.revision)
    refusal = await refused(alices.patch(stale), Code.REVISION_MISMATCH)
    assert refusal.newest == written.state
    assert len(await published.take()) == 1


@pytest.mark.parametrize(
    ("patch", "code"),
    [
        (OperationsPatch([{"op": "test", "path": "/n", "value": 2}]), Code.CONFLICT),
        (OperationsPatch([{"op": "replace", "path": "", "value": []}]), Code.CONFLICT),
        (OperationsPatch([{"op": "no such"}]), Code.INVALID_PARAMETER),
        (Increment({"/text": 1}), Code.CONFLICT),
        (Increment({"/missing/n": 1}), Code.CONFLICT),
        (MergePatch({"a": "x" * 20_000}), Code.TOO_LARGE),
    ],
)
async def test_a_patch_that_does_not_fit_changes_nothing(
    alices: Caller, published: Publications, patch: OperationsPatch, code: Code
) -> None:
    document = (await alices.create("prefs", b'{"n":1,"text":"a"}', None, None)).state
    for op in (None, "op-1"):
        await refused(alices.patch(Patch("prefs", patch, op=op)), code)
    assert await alices.get("prefs") == document
    assert await published.take() == []


@pytest.mark.parametrize("by_name", [True, False])
async def test_a_repeated_patch_gives_the_first_answer(
    alices: Caller, published: Publications, by_name: bool
) -> None:
    document = (await alices.create("prefs", b"{}", None, None)).state
    address = "prefs" if by_name else document.sid
    first = await alices.patch(increment(address, op="op-1"))
    again = await alices.patch(increment(address, op="op-1"))
    assert (again.repeated, again.state) == (True, first.state)
    await alices.set(Set(address, b'{"n":"no number any more"}'))
    late = await alices.patch(increment(address, op="op-1"))
    assert (late.repeated, late.state.revision) == (True, first.state.revision)
    assert late.state.data == b""
    assert len(await published.take()) == 2


async def test_a_repeated_patch_gives_the_first_answer_when_the_document_is_gone(
    alices: Caller,
) -> None:
    document = (await alices.create("prefs", b"{}", None, None)).state
    first = await alices.patch(increment("prefs", op="op-1"))
    await alices.remove(Remove("prefs"))
    for address in ("prefs", document.sid):
        again = await alices.patch(increment(address, op="op-1"))
        assert (again.repeated, again.state.revision) == (True, first.state.revision)
    await refused(alices.patch(increment("prefs", op="op-2")), Code.NAME_NOT_FOUND)


async def test_a_repeated_patch_gives_the_first_answer_whatever_it_was_meant_for(
    alices: Caller,
) -> None:
    document = (await alices.create("prefs", b"{}", None, None)).state
    patch = increment("prefs", if_match=document.revision, op="op-1")
    first = await alices.patch(patch)
    await alices.set(Set("prefs", b"{}"))
    again = await alices.patch(patch)
    assert (again.repeated, again.state.revision) == (True, first.state.revision)


async def test_an_operation_id_is_each_identitys_own(alices: Caller, bobs: Caller) -> None:
    await alices.create("counter", b"{}", None, None)
    for caller in (alices, bobs, alices, bobs):
        await caller.patch(increment("counter", op="op-1"))
    assert await value(alices, "counter") == {"n": 2}


# Revisions that were lost


async def test_who_holds_a_later_revision_is_given_a_still_later_one(
    alices: Caller, published: Publications
) -> None:
    document = (await alices.create("prefs", b'{"a":1}', None, None)).state
    known = document.revision + 5
    newest = await alices.advance(document.sid, known)
    assert newest.revision > known
    assert (newest.data, newest.updated_by) == (document.data, document.updated_by)
    [event] = await published.take()
    assert (event.revision, event.previous, event.data) == (newest.revision, known, document.data)
    assert await alices.advance(document.sid, known) == newest
    assert await published.take() == []


@pytest.mark.parametrize("removes", [False, True])
async def test_a_refused_write_shows_no_state_older_than_subscribers_have(
    backend: Backend, alices: Caller, removes: bool
) -> None:
    """As after a failover that lost the last write, before the objects were compared."""
    stored = (await alices.create("prefs", b'{"a":1}', None, None)).state
    lost = stored.revision + 5
    backend.hub.join(alices.access.service_sid, stored.sid, Inbox()).acknowledged = lost
    if removes:
        attempt = alices.remove(Remove("prefs", if_match=lost))
    else:
        attempt = alices.set(Set("prefs", b"{}", if_match=lost))
    refusal = await refused(attempt, Code.REVISION_MISMATCH)
    assert refusal.newest.revision > lost
    assert refusal.newest == await alices.get("prefs")
    assert refusal.newest.data == stored.data


async def test_a_revision_that_nobody_can_hold_changes_nothing(
    alices: Caller, published: Publications
) -> None:
    document = (await alices.create("prefs", b"{}", None, None)).state
    for known in ((now_ms() + 120_000) * 1024, 2**53 - 1):
        assert await alices.advance(document.sid, known) == document
    assert await published.take() == []


async def test_every_method_says_when_the_store_is_away(
    store: Store, redis: Redis, alices: Caller
) -> None:
    await redis.stop()
    for attempt in (
        alices.get("prefs"),
        alices.page(5, None),
        alices.create("prefs", b"{}", 60, secrets.token_hex()),
        alices.set(Set("prefs", b"{}")),
        alices.patch(increment("prefs", op="op-1")),
        alices.remove(Remove("prefs")),
    ):
        refusal = await refused(attempt, Code.UNAVAILABLE)
        assert refusal.code.retry
