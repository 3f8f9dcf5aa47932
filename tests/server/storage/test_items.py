from __future__ import annotations

import asyncio
from typing import Any

import pytest

from support.items import ALICE, Collection, make
from support.store import Elapse, Publications, Store, refused
from syncline_protocol.errors import Code
from syncline_protocol.item_commands import ABSENT, ItemOperation, ItemQuery, Verb
from syncline_protocol.item_keys import index_key, index_of
from syncline_protocol.items import ChangeKind, Item, ItemsChanged
from syncline_protocol.objects import LIST, MAP, Removed
from syncline_protocol.sids import BUCKETS, bucket_of_name, make_sid
from syncline_server.config.settings import Settings
from syncline_server.storage.author import Author
from syncline_server.storage.chosen_sids import ChosenSids
from syncline_server.storage.item_refusals import ItemRefused
from syncline_server.storage.items import REPLAY_BYTES, Items
from syncline_server.storage.keys import ObjectAddress
from syncline_server.storage.objects import NewObject, Objects
from syncline_server.storage.records import Tombstone
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.connection import Connection

HOSTILE_KEYS = ["a/b", "%2F", " ", "é", "🂡" * 320, "\x00", "a\nb", '"', "{x}:y", "0"]


@pytest.fixture
async def map_(objects: Objects, items: Items, service_sid: str) -> Collection:
    return await make(objects, items, service_sid, MAP)


@pytest.fixture
async def list_(objects: Objects, items: Items, service_sid: str) -> Collection:
    return await make(objects, items, service_sid, LIST)


async def test_an_item_is_stored_replaced_and_removed(map_: Collection) -> None:
    added = await map_.put("k", b'{"a":1}')
    assert (added.key, added.data, added.created_by, added.expires_ms) == (
        "k",
        b'{"a":1}',
        "alice",
        None,
    )
    assert added.born == added.revision
    assert await map_.get("k") == added
    updated = await map_.put("k", b'{"a":2}')
    assert updated.revision > added.revision
    assert (updated.born, updated.created_ms) == (added.born, added.created_ms)
    assert await map_.get("k") == updated
    removed = (await map_.write(Verb.REMOVE, "k")).changes[0]
    assert (removed.kind, removed.item.data) == (ChangeKind.REMOVED, b'{"a":2}')
    assert removed.item.revision > updated.revision
    assert await map_.get("k") is None
    again = await map_.put("k")
    assert again.born == again.revision > removed.item.revision


@pytest.mark.parametrize("key", HOSTILE_KEYS)
async def test_a_key_may_be_any_text(map_: Collection, key: str) -> None:
    await map_.put(key, b'{"x":"\xc3\xa9\\u0000"}')
    found = await map_.get(key)
    assert found is not None and (found.key, found.data) == (key, b'{"x":"\xc3\xa9\\u0000"}')
    assert await map_.keys() == [key]


async def test_a_list_gives_each_index_once(list_: Collection) -> None:
    pushed = [await list_.push() for _ in range(3)]
    await list_.write(Verb.REMOVE, index_key(2))
    pushed.append(await list_.push())
    assert [index_of(item.key) for item in pushed] == [0, 1, 2, 3]
    assert await list_.keys() == [index_key(index) for index in (0, 1, 3)]


async def test_concurrent_pushes_get_distinct_indexes(list_: Collection) -> None:
    pushed = await asyncio.gather(*(list_.push() for _ in range(50)))
    assert sorted(index_of(item.key) for item in pushed) == list(range(50))


async def test_a_refused_write_names_the_newest_item(map_: Collection) -> None:
    item = await map_.put("k", b'{"a":1}')
    for write, code in (
        (map_.write(Verb.ADD, "k", b"{}"), Code.MAP_ITEM_EXISTS),
        (map_.write(Verb.PUT, "k", b"{}", if_match=item.revision - 1), Code.MAP_ITEM_MISMATCH),
        (map_.write(Verb.PUT, "k", b"{}", if_match=ABSENT), Code.MAP_ITEM_MISMATCH),
        (map_.write(Verb.REMOVE, "k", if_match=1), Code.MAP_ITEM_MISMATCH),
    ):
        refusal = await refused(write, code)
        assert isinstance(refusal, ItemRefused) and refusal.item == item
    for absent, code in (
        (map_.write(Verb.UPDATE, "no", b"{}"), Code.MAP_ITEM_NOT_FOUND),
        (map_.write(Verb.REMOVE, "no"), Code.MAP_ITEM_NOT_FOUND),
        (map_.write(Verb.PUT, "no", b"{}", if_match=5), Code.MAP_ITEM_MISMATCH),
    ):
        refusal = await refused(absent, code)
        assert isinstance(refusal, ItemRefused) and refusal.item is None
    assert await map_.keys() == ["k"]
    await map_.put("new", if_match=ABSENT)
    assert (await map_.put("k", if_match=item.revision)).revision > item.revision


async def test_a_batch_is_applied_as_a_whole_or_not_at_all(map_: Collection) -> None:
    first = await map_.put("a")
    good = [
        ItemOperation(verb=Verb.PUT, key="a", data=b'{"n":1}', if_match=first.revision),
        ItemOperation(verb=Verb.ADD, key="b", data=b'{"n":2}'),
    ]
    bad = ItemOperation(verb=Verb.REMOVE, key="missing")
    refusal = await refused(map_.items.write(map_.at, [*good, bad], ALICE), Code.MAP_ITEM_NOT_FOUND)
    assert "operation 3 of 3" in refusal.message
    assert await map_.get("a") == first
    assert await map_.get("b") is None
    written = await map_.items.write(map_.at, good, ALICE)
    one, two = (change.item.revision for change in written.changes)
    assert (one + 1, written.header.revision) == (two, two)


async def test_one_event_reports_all_changes_of_a_commit(
    map_: Collection, store: Store, service_sid: str
) -> None:
    before = await map_.put("a", b'{"n":1}')
    async with Publications.of(store, service_sid) as published:
        await map_.items.write(
            map_.at,
            [
                ItemOperation(verb=Verb.REMOVE, key="a"),
                ItemOperation(verb=Verb.PUT, key="é", data=b'{"n":2}'),
            ],
            ALICE,
        )
        [event] = await published.take()
    assert isinstance(event, ItemsChanged)
    assert event.previous == before.revision
    removed, added = event.changes
    assert (removed.kind, removed.item.key, removed.item.data) == (
        ChangeKind.REMOVED,
        "a",
        b'{"n":1}',
    )
    assert (added.kind, added.item.key, added.item.data) == (ChangeKind.ADDED, "é", b'{"n":2}')
    assert added.item == await map_.get("é")
    assert event.revision == added.item.revision


async def test_a_repeated_commit_takes_effect_once(list_: Collection) -> None:
    first = await list_.write(Verb.ADD, None, b'{"a":1}', op="once")
    again = await list_.write(Verb.ADD, None, b'{"a":1}', op="once")
    assert again.is_repeated
    assert again.changes[0].item.revision == first.changes[0].item.revision
    assert await list_.keys() == [index_key(0)]
    await refused(list_.write(Verb.ADD, None, b'{"a":2}', op="once"), Code.CONFLICT)


async def test_pages_walk_in_both_directions(map_: Collection) -> None:
    names = [f"{n:03}" for n in range(25)]
    for name in names:
        await map_.put(name)
    for is_descending in (False, True):
        found: list[str] = []
        query = ItemQuery(size=10, is_descending=is_descending)
        while True:
            page = await map_.items.page(map_.at, query, ALICE)
            found += [item.key for item in page.items]
            if page.next_key is None:
                break
            query = ItemQuery(
                start=page.next_key, is_inclusive=False, size=10, is_descending=is_descending
            )
        assert found == (names[::-1] if is_descending else names)
    assert await map_.keys(start="0105", size=2) == ["011", "012"]
    assert await map_.keys(start="0105", size=2, is_descending=True) == ["010", "009"]
    assert await map_.keys(start="010", size=1, is_inclusive=False) == ["011"]
    assert await map_.keys(start="zzz") == []


async def test_a_page_that_ends_at_the_last_item_has_no_next(map_: Collection) -> None:
    for name in "abc":
        await map_.put(name)
    page = await map_.items.page(map_.at, ItemQuery(size=3), ALICE)
    assert page.next_key is None
    page = await map_.items.page(map_.at, ItemQuery(size=2), ALICE)
    assert page.next_key == "b"


async def test_a_replay_brings_the_changes_since_a_revision(map_: Collection) -> None:
    await map_.put("kept")
    gone = await map_.put("gone")
    changed = await map_.put("changed")
    since = changed.revision
    await map_.put("changed", b'{"n":2}')
    await map_.write(Verb.REMOVE, "gone")
    await map_.put("brief")
    await map_.write(Verb.REMOVE, "brief")
    await map_.put("new")
    replay = await map_.items.changes_since(map_.at, since, ALICE)
    assert not replay.is_reset and replay.more_since is None
    kinds = [(each.key, isinstance(each, Tombstone)) for each in replay.changes]
    assert kinds == [("changed", False), ("gone", True), ("new", False)]
    revisions = [each.revision for each in replay.changes]
    assert revisions == sorted(revisions) and revisions[-1] == replay.header.revision
    assert replay.changes[1].born == gone.born
    nothing = await map_.items.changes_since(map_.at, replay.header.revision, ALICE)
    assert nothing.changes == ()


async def test_a_replay_reports_the_removal_of_a_key_that_had_another_item(
    map_: Collection,
) -> None:
    """A reader that was away all the time may have the first one."""
    first = await map_.put("k")
    await map_.write(Verb.REMOVE, "k")
    again = await map_.put("k")
    assert (again.born, again.created_ms > 0) == (again.revision, True)
    stored = await map_.get("k")
    assert stored is not None and stored.created_ms == again.created_ms
    updated = await map_.put("k", b'{"n":1}')
    assert (updated.born, updated.created_ms) == (again.born, again.created_ms)
    [removed] = (await map_.write(Verb.REMOVE, "k")).changes
    for since in (first.revision, again.revision, updated.revision):
        replay = await map_.items.changes_since(map_.at, since, ALICE)
        assert [(each.key, each.revision) for each in replay.changes] == [
            ("k", removed.item.revision)
        ]


async def test_a_replay_reports_the_removal_of_a_key_that_had_an_expired_item(
    map_: Collection, elapse: Elapse
) -> None:
    first = await map_.put("k", ttl=60)
    await elapse(61_000)
    await map_.put("k")
    await map_.write(Verb.REMOVE, "k")
    replay = await map_.items.changes_since(map_.at, first.revision, ALICE)
    assert [each.key for each in replay.changes] == ["k"]


async def test_a_replay_removes_an_item_that_was_created_again_meanwhile(map_: Collection) -> None:
    since = (await map_.put("k", b'{"n":1}')).revision
    await map_.write(Verb.REMOVE, "k")
    await map_.put("k", b'{"n":2}')
    await map_.write(Verb.REMOVE, "k")
    replay = await map_.items.changes_since(map_.at, since, ALICE)
    assert [each.key for each in replay.changes if isinstance(each, Tombstone)] == ["k"]


async def test_a_replay_leaves_out_what_a_reader_of_a_list_never_had(list_: Collection) -> None:
    since = (await list_.push()).revision
    brief = await list_.push()
    await list_.write(Verb.REMOVE, brief.key)
    assert (await list_.items.changes_since(list_.at, since, ALICE)).changes == ()


async def test_a_long_replay_comes_in_portions(map_: Collection) -> None:
    since = (await map_.put("first")).revision
    for n in range(0, 250, 50):
        await map_.items.write(
            map_.at,
            [ItemOperation(verb=Verb.PUT, key=f"{n + i:03}", data=b"{}") for i in range(50)],
            ALICE,
        )
    found: list[str] = []
    next_since: int | None = since
    portions = 0
    while next_since is not None:
        replay = await map_.items.changes_since(map_.at, next_since, ALICE)
        found += [each.key for each in replay.changes]
        next_since, portions = replay.more_since, portions + 1
    assert found == [f"{n:03}" for n in range(250)]
    assert portions == 3


async def test_a_replay_of_large_items_comes_in_portions(map_: Collection) -> None:
    since = (await map_.put("first")).revision
    names = [f"{n:02}" for n in range(60)]
    for name in names:
        await map_.put(name, b'"%s"' % (b"x" * 16_000))
    # Portions end within what one command of the script reads, and where a tombstone is next.
    await map_.write(Verb.REMOVE, "first")
    found: list[str] = []
    next_since: int | None = since
    while next_since is not None:
        replay = await map_.items.changes_since(map_.at, next_since, ALICE)
        sizes = [len(each.data) for each in replay.changes if isinstance(each, Item)]
        assert sum(sizes) <= REPLAY_BYTES + 16_384
        found += [each.key for each in replay.changes]
        next_since = replay.more_since
    assert found == [*names, "first"]


async def test_batches_of_removals_keep_no_more_tombstones_than_the_limit(
    redis: Redis, objects: Objects, service_sid: str, admin: Connection
) -> None:
    few = Items(redis, objects, Settings(tombstones=10))
    map_ = await make(objects, few, service_sid, MAP)
    for batch in range(3):
        names = [f"{batch}-{n}" for n in range(100)]
        for verb, data in ((Verb.PUT, b"{}"), (Verb.REMOVE, None)):
            writes = [ItemOperation(verb=verb, key=name, data=data) for name in names]
            await few.write(map_.at, writes, ALICE)
    assert await admin.execute("ZCARD", f"{map_.at.tag}:removed:{map_.at.sid}") == 10
    assert await admin.execute("HLEN", f"{map_.at.tag}:items:{map_.at.sid}") == 10


async def test_beyond_the_kept_tombstones_a_replay_starts_again(
    redis: Redis, objects: Objects, service_sid: str
) -> None:
    few = Items(redis, objects, Settings(tombstones=2))
    map_ = await make(objects, few, service_sid, MAP)
    for name in "abcd":
        await map_.put(name)
    since = (await map_.put("kept")).revision
    for name in "abcd":
        await map_.write(Verb.REMOVE, name)
    assert (await few.changes_since(map_.at, since, ALICE)).is_reset
    newest = (await map_.put("kept")).revision
    assert not (await few.changes_since(map_.at, newest, ALICE)).is_reset


async def test_an_expired_item_is_absent_before_the_sweep(
    map_: Collection, elapse: Elapse, store: Store, service_sid: str
) -> None:
    await map_.put("k", b'{"n":1}', ttl=60)
    await map_.put("other", ttl=7200)
    await elapse(61_000)
    assert await map_.get("k") is None
    assert await map_.keys() == ["other"]
    await refused(map_.write(Verb.UPDATE, "k", b"{}"), Code.MAP_ITEM_NOT_FOUND)
    async with Publications.of(store, service_sid) as published:
        added = await map_.put("k", b'{"n":2}', if_match=ABSENT)
        [event] = await published.take()
    kinds = [(change.kind, change.expired) for change in event.changes]
    assert kinds == [(ChangeKind.REMOVED, True), (ChangeKind.ADDED, False)]
    assert added.born == added.revision


async def test_the_sweep_removes_expired_items_in_one_commit(
    map_: Collection, elapse: Elapse, store: Store, service_sid: str
) -> None:
    for name in ("a", "b", "kept"):
        await map_.put(name, b'{"n":1}', ttl=7200 if name == "kept" else 60)
    await elapse(61_000)
    async with Publications.of(store, service_sid) as published:
        await map_.items.expire(map_.at, ["a", "b", "kept", "unknown"], Author(identity="system"))
        [event] = await published.take()
    assert [(change.item.key, change.expired) for change in event.changes] == [
        ("a", True),
        ("b", True),
    ]
    assert await map_.keys() == ["kept"]


async def test_a_failover_that_lost_changes_gets_newer_revisions(
    map_: Collection, store: Store, service_sid: str
) -> None:
    kept = await map_.put("kept", b'{"n":1}')
    lost = kept.revision + 5_000_000
    async with Publications.of(store, service_sid) as published:
        await map_.items.advance(map_.at, {"kept": lost, "lost": lost + 1})
        [event] = await published.take()
    one, two = event.changes
    assert (one.kind, one.item.data) == (ChangeKind.UPDATED, b'{"n":1}')
    assert (two.kind, two.item.key) == (ChangeKind.REMOVED, "lost")
    assert lost + 1 < one.item.revision < two.item.revision


async def test_limits_of_a_collection_refuse_the_write(
    redis: Redis, objects: Objects, service_sid: str
) -> None:
    small = Items(redis, objects, Settings(items_limit=2, collection_bytes=65_536))
    map_ = await make(objects, small, service_sid, MAP)
    await map_.put("a")
    await map_.put("b")
    refusal = await refused(map_.write(Verb.PUT, "c", b"{}"), Code.TOO_LARGE)
    assert "at most 2 items" in refusal.message
    await map_.put("a", b'{"n":2}')
    large = b'{"x":"' + b"x" * 40_000 + b'"}'
    await map_.put("a", large)
    await refused(map_.write(Verb.PUT, "b", large), Code.TOO_LARGE)
    await map_.write(Verb.REMOVE, "a")
    await map_.put("b", large)
    await map_.put("c")


async def test_a_removed_collection_takes_its_items_along(
    map_: Collection, objects: Objects, store: Store, service_sid: str
) -> None:
    await map_.put("k")
    async with Publications.of(store, service_sid) as published:
        await objects.remove(map_.at, ALICE)
        [event] = await published.take()
    assert isinstance(event, Removed)
    await refused(map_.get("k"), Code.MAP_NOT_FOUND)
    await refused(map_.put("k"), Code.MAP_NOT_FOUND)
    await map_.items.expire(map_.at, ["k"], ALICE)


async def test_an_item_write_may_set_the_expiry_of_its_collection(
    map_: Collection, elapse: Elapse
) -> None:
    written = await map_.write(Verb.PUT, "k", b"{}", collection_ttl=60)
    assert written.header.expires_ms is not None
    await elapse(61_000)
    await refused(map_.get("k"), Code.MAP_NOT_FOUND)


async def test_a_collection_is_found_by_its_name_in_another_bucket(
    redis: Redis, objects: Objects, items: Items, service_sid: str
) -> None:
    sid = make_sid(MAP, (bucket_of_name("prefs") + 1) % BUCKETS, bytes(15))
    await ChosenSids(redis, objects).create(service_sid, sid, ALICE, NewObject(name="prefs"))
    map_ = Collection(items, ObjectAddress(service_sid, MAP, "prefs"))
    item = await map_.put("k", b'{"n":1}', op="once")
    assert (await map_.write(Verb.PUT, "k", b'{"n":1}', op="once")).is_repeated
    assert await map_.get("k") == item
    assert await map_.keys() == ["k"]
    assert (await items.changes_since(map_.at, 0, ALICE)).changes == (item,)
    assert (await map_.write(Verb.REMOVE, "k")).header.sid == sid
    await objects.remove(map_.at, ALICE)
    for gone in (map_.get("k"), map_.put("k")):
        await refused(gone, Code.NAME_NOT_FOUND)


@pytest.fixture
async def lettered(map_: Collection) -> Collection:
    for key in ("a", "b/1", "b/2", "b/3", "b0", "é", "b/\U0001f389", "b/\xff"):
        await map_.put(key)
    return map_


B_KEYS = ["b/1", "b/2", "b/3", "b/\xff", "b/\U0001f389"]


async def walk(map_: Collection, keys: frozenset[str] | None = None, **query: Any) -> list[str]:
    found: list[str] = []
    asked: ItemQuery | None = ItemQuery(**query)
    while asked is not None:
        page = await map_.items.page(map_.at, asked, ALICE, keys)
        found += [item.key for item in page.items]
        assert len(page.items) <= asked.size
        asked = None
        if page.next_key is not None:
            asked = ItemQuery(**query | {"start": page.next_key, "is_inclusive": False})
    return found


@pytest.mark.parametrize("size", [1, 2, 5, 50])
@pytest.mark.parametrize("is_descending", [False, True])
async def test_a_prefix_is_walked_in_both_directions(
    lettered: Collection, size: int, is_descending: bool
) -> None:
    found = await walk(lettered, prefix="b/", size=size, is_descending=is_descending)
    assert found == (B_KEYS[::-1] if is_descending else B_KEYS)


@pytest.mark.parametrize(
    ("start", "ascending", "descending"),
    [
        ("b/2", B_KEYS[1:], B_KEYS[1::-1]),
        ("a", B_KEYS, []),
        ("b", B_KEYS, []),
        ("b0", [], B_KEYS[::-1]),
        ("zz", [], B_KEYS[::-1]),
    ],
)
async def test_a_page_of_a_prefix_begins_anywhere(
    lettered: Collection, start: str, ascending: list[str], descending: list[str]
) -> None:
    for is_inclusive in (True, False):
        expected = [key for key in ascending if is_inclusive or key != start]
        query = {"prefix": "b/", "start": start, "is_inclusive": is_inclusive}
        assert await lettered.keys(**query) == expected
        expected = [key for key in descending if is_inclusive or key != start]
        assert await lettered.keys(**query, is_descending=True) == expected


@pytest.mark.parametrize("size", [1, 50])
@pytest.mark.parametrize("is_descending", [False, True])
async def test_a_page_of_keys_has_those_that_exist(
    lettered: Collection, size: int, is_descending: bool
) -> None:
    await lettered.write(Verb.REMOVE, "b/2")
    keys = frozenset({"é", "b/3", "b/2", "a", "b/\U0001f389", "never", "\x00"})
    expected = ["a", "b/3", "b/\U0001f389", "é"]
    found = await walk(lettered, keys, size=size, is_descending=is_descending)
    assert found == (expected[::-1] if is_descending else expected)


async def test_a_page_of_keys_begins_at_a_key(lettered: Collection) -> None:
    keys = frozenset({"a", "b/3", "é"})
    assert await walk(lettered, keys, start="b/3") == ["b/3", "é"]
    assert await walk(lettered, keys, start="b/3", is_inclusive=False) == ["é"]
    assert await walk(lettered, keys, start="b", is_descending=True) == ["a"]
    assert await walk(lettered, keys, start="é", is_inclusive=False) == []


async def test_many_keys_that_do_not_exist_are_one_page(lettered: Collection) -> None:
    keys = frozenset({"é", *(f"c{n}" for n in range(255))})
    page = await lettered.items.page(lettered.at, ItemQuery(size=1), ALICE, keys)
    assert [item.key for item in page.items] == ["é"]
    assert page.next_key is None
    keys = frozenset({"a", *(f"c{n}" for n in range(255))})
    page = await lettered.items.page(lettered.at, ItemQuery(size=1), ALICE, keys)
    assert [item.key for item in page.items] == ["a"]
    assert page.next_key is None


async def test_a_large_page_is_read_in_rounds(map_: Collection) -> None:
    keys = [f"k{n:04d}" for n in range(450)]
    for begin in range(0, 450, 90):
        writes = [
            ItemOperation(verb=Verb.PUT, key=key, data=b"{}") for key in keys[begin : begin + 90]
        ]
        await map_.items.write(map_.at, writes, ALICE)
    page = await map_.items.page(map_.at, ItemQuery(size=440), ALICE)
    assert [item.key for item in page.items] == keys[:440]
    assert page.next_key == "k0439"
