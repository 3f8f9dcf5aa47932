"""Writes of items whose answer was lost: reported as what they were, and applied once."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from support.items import ALICE, Collection, make
from support.store import LOST, OPS, Line, Publications, aged, refused
from syncline_protocol.errors import Code
from syncline_protocol.item_commands import ABSENT, ItemOperation, Verb
from syncline_protocol.item_keys import index_of
from syncline_protocol.items import ChangeKind
from syncline_protocol.objects import LIST, MAP, STREAM
from syncline_server.config.settings import Settings
from syncline_server.storage.items import Items, ItemsWritten
from syncline_server.storage.keys import ObjectAddress
from syncline_server.storage.objects import NewObject, Objects
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.streams import Streams

ADDED, UPDATED, REMOVED = ChangeKind.ADDED, ChangeKind.UPDATED, ChangeKind.REMOVED

Interfere = Callable[[Callable[[], Coroutine[Any, Any, object]]], None]


@pytest.fixture
def my_objects(by_line: Redis) -> Objects:
    return Objects(by_line, 120)


@pytest.fixture
def my_items(by_line: Redis, my_objects: Objects) -> Items:
    return Items(by_line, my_objects, Settings())


@pytest.fixture
async def mine(my_objects: Objects, my_items: Items, service_sid: str) -> Collection:
    """A map, by the line."""
    return await make(my_objects, my_items, service_sid, MAP)


@pytest.fixture
async def my_list(my_objects: Objects, my_items: Items, service_sid: str) -> Collection:
    """A list, by the line."""
    return await make(my_objects, my_items, service_sid, LIST)


@pytest.fixture
def theirs(items: Items, mine: Collection) -> Collection:
    """The map, as a rival writes it."""
    return Collection(items, mine.at)


@pytest.fixture
def interfere(by_line: Redis, monkeypatch: pytest.MonkeyPatch) -> Interfere:
    """A function that sets what happens after the loss, before it is settled."""
    reconnected = by_line.reconnected

    def set_(act: Callable[[], Coroutine[Any, Any, object]]) -> None:
        async def first(key: str) -> None:
            await act()
            await reconnected(key)

        monkeypatch.setattr(by_line, "reconnected", first)

    return set_


async def prepared(redis: Redis, collection: Collection) -> int:
    """Give a map an item `old`, and return its revision once it is older than any write of now."""
    revision = (await collection.put("old", b'{"n":1}')).revision
    await aged(redis, revision)
    return revision


def kinds(written: ItemsWritten) -> list[tuple[ChangeKind, str]]:
    return [(change.kind, change.item.key) for change in written.changes]


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("is_conditional", [True, False])
@pytest.mark.parametrize(
    ("verb", "key", "data", "kind"),
    [
        (Verb.ADD, "new", b'{"n":2}', ADDED),
        (Verb.PUT, "new", b'{"n":2}', ADDED),
        (Verb.PUT, "old", b'{"n":2}', UPDATED),
        (Verb.UPDATE, "old", b'{"n":2}', UPDATED),
        (Verb.REMOVE, "old", None, REMOVED),
    ],
)
async def test_a_write(  # noqa: PLR0913 - every combination
    mine: Collection,
    by_line: Redis,
    line: Line,
    published: Publications,
    lost: str,
    op: str | None,
    is_conditional: bool,
    verb: Verb,
    key: str,
    data: bytes | None,
    kind: ChangeKind,
) -> None:
    revision = await prepared(by_line, mine)
    await published.take()
    line.lose = lost
    if_match = (revision if key == "old" else ABSENT) if is_conditional else None
    written = await mine.write(verb, key, data, op=op, if_match=if_match)
    assert line.lose is None
    assert kinds(written) == [(kind, key)]
    [event] = await published.take()
    assert event.changes[0].item.revision == written.changes[0].item.revision
    stored = await mine.get(key)
    assert (None if stored is None else stored.data) == data
    if stored is not None:
        assert stored.revision == written.changes[0].item.revision == written.header.revision


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("op", OPS)
async def test_a_push(
    my_list: Collection,
    by_line: Redis,
    line: Line,
    published: Publications,
    lost: str,
    op: str | None,
) -> None:
    await aged(by_line, (await my_list.push(b'{"n":0}')).revision)
    await published.take()
    line.lose = lost
    written = await my_list.write(Verb.ADD, None, b'{"n":1}', op=op)
    assert line.lose is None
    assert len(await published.take()) == 1
    assert [index_of(key) for key in await my_list.keys()] == [0, 1]
    stored = await my_list.get(written.changes[0].item.key)
    assert stored is not None
    assert (stored.revision, stored.data) == (written.changes[0].item.revision, b'{"n":1}')


def _batch(old: str, *new: str | None) -> Sequence[ItemOperation]:
    return [
        ItemOperation(verb=Verb.REMOVE, key=old),
        *(ItemOperation(verb=Verb.ADD, key=key, data=b'{"n":2}') for key in new),
    ]


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("op", OPS)
async def test_a_batch(
    mine: Collection,
    by_line: Redis,
    line: Line,
    published: Publications,
    lost: str,
    op: str | None,
) -> None:
    await prepared(by_line, mine)
    await published.take()
    line.lose = lost
    written = await mine.items.write(mine.at, _batch("old", "a", "b"), ALICE, op=op)
    assert line.lose is None
    assert kinds(written) == [(REMOVED, "old"), (ADDED, "a"), (ADDED, "b")]
    [event] = await published.take()
    assert event.revision == written.header.revision == written.changes[-1].item.revision
    assert await mine.keys() == ["a", "b"]


@pytest.mark.parametrize("lost", LOST)
async def test_a_batch_of_a_list(
    my_list: Collection, by_line: Redis, line: Line, published: Publications, lost: str
) -> None:
    first = await my_list.push()
    await aged(by_line, first.revision)
    await published.take()
    line.lose = lost
    written = await my_list.items.write(my_list.at, _batch(first.key, None, None), ALICE)
    assert [(kind, index_of(key)) for kind, key in kinds(written)] == [
        (REMOVED, 0),
        (ADDED, 1),
        (ADDED, 2),
    ]
    assert len(await published.take()) == 1


@pytest.mark.parametrize("lost", LOST)
async def test_rivals_that_write_other_items_hide_nothing(
    mine: Collection,
    theirs: Collection,
    by_line: Redis,
    line: Line,
    published: Publications,
    interfere: Interfere,
    lost: str,
) -> None:
    await prepared(by_line, mine)
    await published.take()
    interfere(lambda: theirs.put("other"))
    line.lose = lost
    written = await mine.write(Verb.PUT, "old", b'{"n":2}')
    assert kinds(written) == [(UPDATED, "old")]
    assert len(await published.take()) == 2
    stored = await theirs.get("old")
    assert stored is not None
    assert (stored.data, stored.revision) == (b'{"n":2}', written.changes[0].item.revision)


@pytest.mark.parametrize("lost", LOST)
async def test_pushes_of_rivals_hide_nothing(
    my_list: Collection,
    items: Items,
    by_line: Redis,
    line: Line,
    published: Publications,
    interfere: Interfere,
    lost: str,
) -> None:
    await aged(by_line, (await my_list.push()).revision)
    await published.take()
    theirs = Collection(items, my_list.at)
    interfere(lambda: theirs.push(b'{"by":"rival"}'))
    line.lose = lost
    mine = (await my_list.write(Verb.ADD, None, b'{"by":"me"}')).changes[0].item
    assert index_of(mine.key) == (2 if lost == "commit" else 1)
    assert len(await published.take()) == 2
    stored = await theirs.get(mine.key)
    assert stored is not None and stored.data == b'{"by":"me"}'


async def _push_and_change(theirs: Collection) -> None:
    """As a rival that changes both the item of the lost push and one of its own."""
    pushed = await theirs.push()
    for key in {await _last_but_one(theirs), pushed.key}:
        await theirs.put(key, b'{"by":"rival"}')


async def _last_but_one(theirs: Collection) -> str:
    return (await theirs.keys())[-2]


@pytest.mark.parametrize("lost", LOST)
async def test_a_push_whose_item_may_have_been_changed_since_is_unknown(
    my_list: Collection,
    items: Items,
    by_line: Redis,
    line: Line,
    interfere: Interfere,
    lost: str,
) -> None:
    await aged(by_line, (await my_list.push()).revision)
    theirs = Collection(items, my_list.at)
    interfere(lambda: _push_and_change(theirs))
    line.lose = lost
    refusal = await refused(my_list.write(Verb.ADD, None, b'{"by":"me"}'), Code.UNAVAILABLE)
    assert "may or may not" in refusal.message
    assert len(await theirs.keys()) == (2 if lost == "commit" else 3)


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("is_removed", [True, False])
async def test_a_write_that_a_rival_has_followed_is_unknown_and_not_repeated(
    mine: Collection,
    theirs: Collection,
    by_line: Redis,
    line: Line,
    interfere: Interfere,
    lost: str,
    is_removed: bool,
) -> None:
    await prepared(by_line, mine)

    async def follow() -> None:
        await theirs.put("old", b'{"by":"rival"}')
        if is_removed:
            await theirs.write(Verb.REMOVE, "old")

    interfere(follow)
    line.lose = lost
    refusal = await refused(mine.write(Verb.PUT, "old", b'{"n":2}'), Code.UNAVAILABLE)
    assert "may or may not" in refusal.message
    stored = await theirs.get("old")
    assert (None if stored is None else stored.data) == (None if is_removed else b'{"by":"rival"}')


@pytest.mark.parametrize("lost", LOST)
async def test_a_write_whose_tombstone_may_be_gone_is_unknown(
    mine: Collection,
    redis: Redis,
    objects: Objects,
    by_line: Redis,
    line: Line,
    interfere: Interfere,
    lost: str,
) -> None:
    await prepared(by_line, mine)
    forgetful = Collection(Items(redis, objects, Settings(tombstones=0)), mine.at)

    async def forget() -> None:
        await forgetful.put("new")
        await forgetful.write(Verb.REMOVE, "new")
        await forgetful.put("other")

    interfere(forget)
    line.lose = lost
    refusal = await refused(mine.write(Verb.PUT, "new", b'{"n":2}'), Code.UNAVAILABLE)
    assert "may or may not" in refusal.message
    assert await mine.get("new") is None


@pytest.mark.parametrize("lost", LOST)
async def test_a_write_to_a_collection_that_has_ended_since_is_unknown(
    mine: Collection,
    objects: Objects,
    by_line: Redis,
    line: Line,
    interfere: Interfere,
    lost: str,
) -> None:
    await prepared(by_line, mine)
    interfere(lambda: objects.remove(mine.at, ALICE))
    line.lose = lost
    refusal = await refused(mine.write(Verb.PUT, "old", b'{"n":2}'), Code.UNAVAILABLE)
    assert "may or may not" in refusal.message


@pytest.mark.parametrize("lost", LOST)
async def test_refusals_are_known(
    mine: Collection, by_line: Redis, line: Line, published: Publications, lost: str
) -> None:
    revision = await prepared(by_line, mine)
    await published.take()
    line.lose = lost
    await refused(mine.write(Verb.ADD, "old", b"{}"), Code.MAP_ITEM_EXISTS)
    line.lose = lost
    await refused(mine.write(Verb.UPDATE, "missing", b"{}"), Code.MAP_ITEM_NOT_FOUND)
    line.lose = lost
    late = mine.write(Verb.PUT, "old", b"{}", if_match=revision - 1)
    await refused(late, Code.MAP_ITEM_MISMATCH)
    assert await published.take() == []


@pytest.mark.parametrize("lost", LOST)
async def test_what_the_server_does_by_itself_is_settled_by_a_second_run(
    mine: Collection, by_line: Redis, line: Line, published: Publications, lost: str
) -> None:
    beyond = await prepared(by_line, mine) + 1000
    await published.take()
    line.lose = lost
    await mine.items.advance(mine.at, {"old": beyond})
    assert line.lose is None
    [event] = await published.take()
    assert event.revision > beyond


@pytest.mark.parametrize("op", OPS)
async def test_a_message_is_published_once(
    my_objects: Objects,
    by_line: Redis,
    line: Line,
    published: Publications,
    service_sid: str,
    op: str | None,
) -> None:
    created = await my_objects.create(service_sid, STREAM, ALICE, NewObject())
    at = ObjectAddress(service_sid, STREAM, created.state.sid)
    await aged(by_line, created.state.revision)
    await published.take()
    line.lose = "answer"
    publish = Streams(my_objects).publish(at, ALICE, b"{}", op)
    if op is None:
        refusal = await refused(publish, Code.UNAVAILABLE)
        assert "may or may not" in refusal.message
    else:
        assert (await publish)[1]
    assert len(await published.take()) == 1
