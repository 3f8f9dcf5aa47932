from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable

import pytest

from support.store import WAIT_LIMIT, Clock, Elapse, Publications, Service, Store, refused
from syncline_protocol.documents import Updated
from syncline_protocol.errors import Code
from syncline_protocol.objects import DOCUMENT, Removed
from syncline_protocol.revisions import LIMIT, PER_MS
from syncline_protocol.sids import BUCKETS, bucket_of_name, bucket_of_sid, is_sid_of
from syncline_server.storage import keys
from syncline_server.storage.author import Author
from syncline_server.storage.commit import Step
from syncline_server.storage.documents import write_steps
from syncline_server.storage.errors import ReplyError
from syncline_server.storage.objects import Objects
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.clock import now_ms
from syncline_server.storage.redis.connection import Connection

HOUR_MS = 3_600_000
YEAR_MS = 365 * 24 * HOUR_MS

HARD_NAMES = [
    "é/ü ß",
    "a:b}{c",
    "{x}",
    "*",
    "[a-z]?",
    'quote"back\\slash',
    "line\nbreak\r\n",
    "\x00nul\x7f",
    "文档" * 160,
    "0",
    " ",
    "ETxyz",
]


async def test_a_new_document_is_what_was_asked_for(service: Service) -> None:
    before = now_ms()
    written = await service.find_or_create("prefs", b'{"a":1}', None, "alice")
    document = written.state
    assert not written.exists and not written.repeated
    assert is_sid_of(DOCUMENT, document.sid)
    assert (document.unique_name, document.data) == ("prefs", b'{"a":1}')
    assert (document.created_by, document.updated_by) == ("alice", "alice")
    assert document.created_ms == document.updated_ms
    assert before <= document.created_ms <= now_ms()
    assert document.expires_ms is None


async def test_a_document_is_found_by_its_sid_and_by_its_name(service: Service) -> None:
    document = await service.create("prefs", b'{"a":1}')
    assert await service.get(document.sid) == document
    assert await service.get("prefs") == document


@pytest.mark.parametrize("name", HARD_NAMES)
async def test_any_name_leads_to_its_document(
    service: Service, published: Publications, name: str
) -> None:
    document = await service.create(name, b'{"a":1}', who="ali\nce:é")
    assert document.unique_name == name
    assert bucket_of_sid(document.sid) == bucket_of_name(name)
    assert await service.get(name) == document
    written = await service.set(name, b'{"a":2}', who='"bob"\n')
    [event] = await published.take()
    assert (event.unique_name, event.by, event.data) == (name, '"bob"\n', b'{"a":2}')
    assert event.revision == written.state.revision
    await service.remove(name)
    assert await service.get(name) is None
    assert (await service.create(name)).sid != document.sid


async def test_documents_without_a_name_are_spread_over_the_buckets(service: Service) -> None:
    made = await asyncio.gather(*(service.create() for _ in range(200)))
    assert all(document.unique_name is None for document in made)
    assert len({document.sid for document in made}) == 200
    assert len({bucket_of_sid(document.sid) for document in made}) > BUCKETS // 4


async def test_a_service_does_not_see_the_documents_of_another(service: Service) -> None:
    document = await service.create("prefs")
    other = Service(service.objects, f"IS{secrets.token_hex(16)}")
    assert await other.get(document.sid) is None
    assert await other.get("prefs") is None
    await refused(other.set(document.sid, b"{}"), Code.DOCUMENT_NOT_FOUND)
    await refused(other.remove("prefs"), Code.NAME_NOT_FOUND)
    assert (await other.create("prefs")).sid != document.sid
    assert await service.get("prefs") == document


async def test_what_is_not_there_is_refused_by_the_form_of_its_address(service: Service) -> None:
    sid = (await service.create()).sid
    await service.remove(sid)
    assert await service.get(sid) is None
    assert await service.get("nobody") is None
    for attempt in (service.set, service.remove):
        assert sid in (await refused(attempt(sid), Code.DOCUMENT_NOT_FOUND)).message
        assert "nobody" in (await refused(attempt("nobody"), Code.NAME_NOT_FOUND)).message


async def test_data_and_expiry_change_apart_and_together(service: Service) -> None:
    document = await service.create("prefs", b'{"a":1}', 100)
    only_data = (await service.set("prefs", b'{"a":2}')).state
    assert (only_data.data, only_data.expires_ms) == (b'{"a":2}', document.expires_ms)
    only_ttl = (await service.set("prefs", None, 50)).state
    assert only_ttl.data == b'{"a":2}'
    assert only_ttl.expires_ms == only_ttl.updated_ms + 50_000
    both = (await service.set("prefs", b"{}", 0)).state
    assert (both.data, both.expires_ms) == (b"{}", None)
    assert (both.created_by, both.updated_by) == ("alice", "bob")
    assert both.created_ms == document.created_ms
    assert await service.get("prefs") == both


async def test_each_write_is_reported_once_and_names_the_revision_before(
    service: Service, published: Publications
) -> None:
    document = await service.create("prefs", b'{"a":1}')
    assert await published.take() == []
    updated = (await service.set("prefs", b'{"a":2}', 100)).state
    removed = (await service.remove(document.sid, who="carol")).state
    assert await published.take() == [
        Updated(
            sid=document.sid,
            unique_name="prefs",
            revision=updated.revision,
            previous=document.revision,
            at_ms=updated.updated_ms,
            by="bob",
            data=b'{"a":2}',
            expires_ms=updated.expires_ms,
        ),
        Removed(
            sid=document.sid,
            unique_name="prefs",
            revision=removed.revision,
            previous=updated.revision,
            at_ms=removed.updated_ms,
            by="carol",
            expired=False,
        ),
    ]


async def test_the_event_of_a_new_expiry_carries_the_data(
    service: Service, published: Publications
) -> None:
    await service.create("prefs", b'{"a":1}')
    document = (await service.set("prefs", ttl=60)).state
    [event] = await published.take()
    assert (event.data, event.expires_ms) == (b'{"a":1}', document.expires_ms)


@pytest.mark.parametrize("write", [Service.set, Service.remove])
async def test_a_write_meant_for_the_newest_revision_is_applied(
    service: Service, write: Callable[..., Awaitable[object]]
) -> None:
    document = await service.create("prefs")
    await write(service, document.sid, if_match=document.revision)
    newest = await service.get("prefs")
    assert newest is None or newest.revision > document.revision


@pytest.mark.parametrize("write", [Service.set, Service.remove])
async def test_a_write_meant_for_another_revision_changes_nothing_and_gives_the_newest(
    service: Service, published: Publications, write: Callable[..., Awaitable[object]]
) -> None:
    first = await service.create("prefs", b'{"a":1}', 100)
    newest = (await service.set("prefs", b'{"a":2}')).state
    await published.take()
    for stale in (first.revision, newest.revision + 1, newest.revision - 1, 0):
        refusal = await refused(write(service, "prefs", if_match=stale), Code.REVISION_MISMATCH)
        assert refusal.newest == newest
    assert await service.get("prefs") == newest
    assert await published.take() == []


async def test_of_many_conditional_writes_one_wins(service: Service) -> None:
    document = await service.create("counter")
    attempts = (
        service.set("counter", b'{"by":%d}' % n, if_match=document.revision) for n in range(50)
    )
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    [won] = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    assert await service.get("counter") == won.state


async def test_of_many_that_create_a_name_at_once_one_wins(
    store: Store, service: Service, admin: Connection
) -> None:
    """Over two connections, as two server processes would."""
    second = Redis(store.engine, WAIT_LIMIT)
    await second.start()
    other = Service(Objects(second, 120), service.sid)
    outcomes = await asyncio.gather(
        *(
            which.find_or_create("race", b'{"by":%d}' % n)
            for n in range(25)
            for which in (service, other)
        )
    )
    await second.stop()
    [winner] = [written.state for written in outcomes if not written.exists]
    assert {written.state for written in outcomes} == {winner}
    assert await service.get("race") == winner
    index = keys.listing(keys.tag_of(service.sid, "race"), DOCUMENT)
    assert await admin.execute("ZRANGE", index, 0, -1) == [winner.sid.encode()]


async def test_a_name_is_free_once_its_document_is_removed(service: Service) -> None:
    first = await service.create("prefs")
    assert (await service.find_or_create("prefs")).exists
    await service.remove(first.sid)
    second = await service.find_or_create("prefs")
    assert not second.exists and second.state.sid != first.sid
    assert await service.get(first.sid) is None


async def test_nothing_stays_of_a_removed_document(service: Service, admin: Connection) -> None:
    await service.create("prefs", ttl=100)
    await service.remove("prefs")
    [left] = await admin.execute("KEYS", f"{{{service.sid}:*")
    assert left.endswith(b":last_ended")
    assert 0 < await admin.execute("TTL", left) <= 25 * 3600


async def test_a_removal_gives_the_document_as_it_last_was(service: Service) -> None:
    document = await service.create("prefs", b'{"a":1}')
    removed = (await service.remove("prefs", who="carol")).state
    assert removed.sid == document.sid
    assert removed.revision > document.revision
    assert removed.updated_by == "carol"


# Revisions


async def test_revisions_grow_with_every_write(service: Service) -> None:
    revisions = [(await service.create("prefs")).revision]
    for n in range(100):
        revisions.append((await service.set("prefs", b'{"n":%d}' % n)).state.revision)
    revisions.append((await service.remove("prefs")).state.revision)
    assert revisions == sorted(set(revisions))
    assert revisions[-1] < LIMIT


@pytest.mark.parametrize("step_ms", [-HOUR_MS, -YEAR_MS, -1_700_000_000_000, HOUR_MS, YEAR_MS])
async def test_revisions_grow_whichever_clock_is_wrong(
    service: Service, published: Publications, clock: Clock, step_ms: int
) -> None:
    """Ahead is the same as a Redis whose clock is behind; then the clock is set right."""
    document = await service.create("prefs")
    revisions = [document.revision]
    for offset_ms in (step_ms, 0, step_ms, 0):
        clock.offset_ms = offset_ms
        revisions.append((await service.set("prefs", b"{}")).state.revision)
        revisions.append((await service.set("prefs", b"{}")).state.revision)
    revisions.append((await service.remove("prefs")).state.revision)
    assert revisions == sorted(set(revisions))
    events = await published.take()
    assert [event.revision for event in events] == revisions[1:]
    assert [event.previous for event in events] == revisions[:-1]


async def test_a_revision_fits_a_javascript_number_for_two_centuries(
    service: Service, clock: Clock
) -> None:
    clock.offset_ms = 220 * YEAR_MS
    document = await service.create("prefs")
    written = await service.set("prefs", b"{}", if_match=document.revision)
    assert document.revision < written.state.revision < LIMIT


async def test_a_revision_that_was_lost_is_not_given_to_other_content(
    service: Service, admin: Connection, clock: Clock
) -> None:
    """As after a failover, which takes a while, to a replica that missed the last writes."""
    document = await service.create("prefs", b'{"n":0}')
    key = f"{keys.tag_of(service.sid, 'prefs')}:document:{document.sid}"
    kept = await admin.execute("DUMP", key)
    lost = {(await service.set("prefs", b'{"n":1}')).state.revision for _ in range(20)}
    await admin.execute("RESTORE", key, 0, kept, "REPLACE")
    clock.offset_ms = 100
    again = {(await service.set("prefs", b'{"n":2}')).state.revision for _ in range(20)}
    assert min(again) > document.revision
    assert not lost & again


async def test_no_clock_pushes_a_revision_more_than_a_minute_ahead(
    service: Service, clock: Clock
) -> None:
    await service.create("prefs")
    clock.offset_ms = YEAR_MS
    written = (await service.set("prefs", b"{}")).state
    clock.offset_ms = 0
    assert 50_000 < written.revision / PER_MS - now_ms() < 70_000


async def test_ahead_of_the_clock_the_steps_of_revisions_are_random(
    service: Service, admin: Connection, clock: Clock
) -> None:
    """Else a write that a failover lost would share its revision with other content."""
    clock.offset_ms = 59_000
    document = await service.create("prefs", b"{}")
    clock.offset_ms = 0
    key = f"{keys.tag_of(service.sid, 'prefs')}:document:{document.sid}"
    kept = await admin.execute("DUMP", key)
    followers = set()
    for _ in range(20):
        newest = (await service.set("prefs", b"{}")).state.revision
        followers.add(newest)
        steps = [Step(author=Author(identity=who), data=b"{}") for who in ("alice", "bob")]
        combined = await write_steps(service.objects, service.at(document.sid), steps, newest)
        revisions = [each.state.revision for each in combined]
        assert revisions == [revisions[-1] - 1, revisions[-1]]
        await admin.execute("RESTORE", key, 0, kept, "REPLACE")
    assert len(followers) > 15
    assert max(followers) - document.revision <= PER_MS


@pytest.mark.parametrize("offset_ms", [-YEAR_MS, -2 * HOUR_MS, 2 * HOUR_MS, YEAR_MS])
async def test_a_wrong_clock_neither_ends_a_document_early_nor_keeps_it(
    service: Service, clock: Clock, elapse: Elapse, offset_ms: int
) -> None:
    clock.offset_ms = offset_ms
    for name in ("kept", "set"):
        document = await service.create(name, ttl=60)
        assert document.expires_ms == document.created_ms + 60_000
        assert abs(document.created_ms + offset_ms - clock()) < WAIT_LIMIT * 1000
    await elapse(59_000)
    assert await service.get("kept") is not None
    assert (await service.set("set", b"{}")).state.sid == document.sid
    await elapse(1_001)
    assert await service.get("kept") is None
    await refused(service.set("set", b"{}"), Code.NAME_NOT_FOUND)


async def test_a_client_that_names_a_revision_that_none_can_have_does_not_use_them_up(
    service: Service,
) -> None:
    document = await service.create("prefs")
    known = document.revision + 3 * 60_000 * PER_MS
    assert (await service.objects.advance(service.at(document.sid), known)).state == document
    known = document.revision + 30_000 * PER_MS
    advanced = (await service.objects.advance(service.at(document.sid), known)).state
    assert known < advanced.revision <= known + PER_MS


# Operation ids


@pytest.mark.parametrize("name", ["prefs", None])
async def test_a_repeated_creation_gives_the_first_answer(
    service: Service, published: Publications, name: str | None
) -> None:
    first = await service.find_or_create(name, b'{"a":1}', 100, op="op-1")
    assert not first.exists and not first.repeated
    again = await service.find_or_create(name, b'{"a":1}', 100, op="op-1")
    assert not again.exists and again.repeated
    assert again.state == first.state
    await service.set(first.state.sid, b'{"a":2}')
    late = await service.find_or_create(name, b'{"a":1}', 100, op="op-1")
    assert (late.repeated, late.state.revision) == (True, first.state.revision)
    await service.remove(first.state.sid)
    last = await service.find_or_create(name, b'{"a":1}', 100, op="op-1")
    assert (last.repeated, last.state.sid) == (True, first.state.sid)
    assert await service.get(first.state.sid) is None
    assert len(await published.take()) == 2


@pytest.mark.parametrize("by_name", [True, False])
async def test_a_repeated_write_gives_the_first_answer(
    service: Service, published: Publications, by_name: bool
) -> None:
    document = await service.create("prefs", b'{"a":1}')
    address = "prefs" if by_name else document.sid
    first = await service.set(address, b'{"a":2}', 60, document.revision, op="op-1")
    again = await service.set(address, b'{"a":2}', 60, document.revision, op="op-1")
    assert (again.repeated, again.state) == (True, first.state)
    newest = (await service.set(address, b'{"a":3}')).state
    late = await service.set(address, b'{"a":2}', 60, document.revision, op="op-1")
    assert (late.repeated, late.state) == (True, first.state)
    assert await service.get(address) == newest
    assert len(await published.take()) == 2


async def test_a_repeated_write_is_reported_when_the_document_is_gone(service: Service) -> None:
    await service.create("prefs", b'{"a":1}')
    first = await service.set("prefs", b'{"a":2}', op="op-1")
    await service.remove("prefs")
    again = await service.set("prefs", b'{"a":2}', op="op-1")
    assert (again.repeated, again.state.revision) == (True, first.state.revision)
    assert await service.get("prefs") is None


@pytest.mark.parametrize("by_name", [True, False])
async def test_a_repeated_removal_spares_the_next_document_of_the_name(
    service: Service, published: Publications, by_name: bool
) -> None:
    document = await service.create("prefs")
    address = "prefs" if by_name else document.sid
    first = await service.remove(address, document.revision, op="op-1")
    next_one = await service.create("prefs")
    again = await service.remove(address, document.revision, op="op-1")
    assert (again.repeated, again.state) == (True, first.state)
    assert await service.get("prefs") == next_one
    assert len(await published.take()) == 1


async def test_a_repeated_change_of_expiry_leaves_the_first_deadline(service: Service) -> None:
    await service.create("prefs")
    first = await service.set("prefs", ttl=60, op="op-1")
    again = await service.set("prefs", ttl=60, op="op-1")
    assert (again.repeated, again.state.expires_ms) == (True, first.state.expires_ms)
    # What the data was then is not kept.
    assert again.state.data == b""


async def test_a_refused_write_may_be_tried_again_under_its_operation_id(service: Service) -> None:
    document = await service.create("prefs")
    stale = service.set("prefs", b"{}", if_match=document.revision - 1, op="op-1")
    await refused(stale, Code.REVISION_MISMATCH)
    written = await service.set("prefs", b"{}", if_match=document.revision, op="op-1")
    assert not written.repeated


async def test_an_operation_id_is_each_identitys_own(service: Service) -> None:
    await service.create("prefs")
    for who in ("alice", "bob", "system"):
        written = await service.set("prefs", b'{"by":"%b"}' % who.encode(), who=who, op="op-1")
        assert not written.repeated


async def test_no_identity_can_be_made_to_speak_for_another(service: Service) -> None:
    """Identities and operation ids hold any character, the one between them in a key too."""
    await service.create("prefs")
    await service.set("prefs", b'{"by":1}', who="alice", op="b:op")
    for who, op in [("alice:b", "op"), ("a", "lice:b:op"), ("7:alice", "b:op"), ("", "alice:b:op")]:
        written = await service.set("prefs", b'{"by":2}', who=who, op=op)
        assert not written.repeated


async def test_an_operation_id_is_forgotten_in_time(
    redis: Redis, service: Service, admin: Connection
) -> None:
    await service.create("prefs")
    await service.set("prefs", b"{}", op="op-1")
    [key] = await admin.execute("KEYS", f"{{{service.sid}*:operation:*")
    assert 0 < await admin.execute("PTTL", key) <= 120_000


async def test_of_the_same_operation_sent_twice_at_once_one_is_applied(
    service: Service, published: Publications
) -> None:
    await service.create("prefs")
    both = await asyncio.gather(*(service.set("prefs", b'{"a":1}', op="op-1") for _ in range(2)))
    assert sorted(written.repeated for written in both) == [False, True]
    assert both[0].state == both[1].state
    assert len(await published.take()) == 1


# Expiry


async def test_an_expiry_is_a_fixed_deadline(service: Service) -> None:
    document = await service.create("prefs", ttl=31_536_000)
    assert document.expires_ms == document.created_ms + YEAR_MS
    for n in range(3):
        kept = (await service.set("prefs", b'{"n":%d}' % n)).state
        assert kept.expires_ms == document.expires_ms
    moved = (await service.set("prefs", ttl=10)).state
    assert moved.expires_ms == moved.updated_ms + 10_000
    cleared = (await service.set("prefs", ttl=0)).state
    assert cleared.expires_ms is None


async def test_a_ttl_of_zero_makes_a_document_that_stays(
    service: Service, admin: Connection
) -> None:
    document = await service.create("prefs", ttl=0)
    assert document.expires_ms is None
    assert await admin.execute("EXISTS", keys.due(service.sid)) == 0


async def test_a_cleared_expiry_is_off_the_index(service: Service, admin: Connection) -> None:
    await service.create("prefs", ttl=100)
    index = keys.expiries(keys.tag_of(service.sid, "prefs"))
    assert await admin.execute("ZCARD", index) == 1
    await service.set("prefs", ttl=0)
    assert await admin.execute("ZCARD", index) == 0


async def test_past_its_expiry_a_document_is_absent_to_every_read_and_write(
    service: Service, elapse: Elapse
) -> None:
    """Without a sweeper: the moment counts, not the removal."""
    for name in ("read", "set", "remove", "conditional"):
        await service.create(name, ttl=60)
    document = await service.get("read")
    assert document is not None
    await elapse(59_000)
    assert await service.get("read") is not None
    await elapse(1_001)
    assert await service.get("read") is None
    assert await service.get(document.sid) is None
    await refused(service.set("set", b"{}"), Code.NAME_NOT_FOUND)
    await refused(service.remove("remove"), Code.NAME_NOT_FOUND)
    await refused(service.set("conditional", b"{}", if_match=0), Code.NAME_NOT_FOUND)


async def test_a_name_is_free_at_the_moment_of_expiry(
    service: Service, published: Publications, elapse: Elapse
) -> None:
    first = await service.create("prefs", b'{"a":1}', ttl=60)
    await elapse(61_000)
    second = await service.find_or_create("prefs", b'{"a":2}')
    assert not second.exists and second.state.sid != first.sid
    [event] = await published.take()
    assert isinstance(event, Removed) and event.expired
    assert (event.sid, event.previous, event.by) == (first.sid, first.revision, "system")
    assert event.revision > first.revision


async def test_only_what_is_past_its_expiry_expires(
    service: Service, published: Publications, elapse: Elapse
) -> None:
    stays = await service.create("stays")
    later = await service.create("later", ttl=60)
    for sid in (stays.sid, later.sid, f"ET{'0' * 32}"):
        await service.objects.expire(service.sid, sid)
    assert await service.get("stays") == stays
    assert await service.get("later") == later
    await elapse(61_000)
    await asyncio.gather(*(service.objects.expire(service.sid, later.sid) for _ in range(3)))
    [event] = await published.take()
    assert isinstance(event, Removed) and event.expired


# Redis that cannot write


@pytest.mark.parametrize("ttl", [None, 60])
async def test_a_full_redis_is_unavailable(
    service: Service, admin: Connection, ttl: int | None
) -> None:
    document = await service.create("prefs", b'{"a":1}')
    await admin.execute("CONFIG", "SET", "maxmemory", 1)
    try:
        await refused(service.create("other", ttl=ttl), Code.UNAVAILABLE)
        await refused(service.set("prefs", b'{"a":2}', ttl), Code.UNAVAILABLE)
        assert await service.get("prefs") == document
        # Room can still be made.
        await service.remove("prefs")
    finally:
        await admin.execute("CONFIG", "SET", "maxmemory", 0)
    assert await service.get("other") is None


async def test_what_is_broken_in_redis_is_an_error_and_no_silence(
    service: Service, admin: Connection
) -> None:
    await admin.execute("SET", f"{keys.tag_of(service.sid, 'prefs')}:names", "not a hash")
    with pytest.raises(ReplyError, match="WRONGTYPE"):
        await service.create("prefs")
    with pytest.raises(ReplyError, match="WRONGTYPE"):
        await service.get("prefs")
