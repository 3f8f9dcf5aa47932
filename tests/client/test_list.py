"""Handles of lists, on a real server and over both transports."""

from __future__ import annotations

import pytest

from support.api import unique
from support.listening import EventReader
from syncline import Client, InvalidRequest, List, NotFound, RevisionMismatch


@pytest.fixture
async def tasks(client: Client) -> List:
    return await client.list(unique())


@pytest.fixture
async def theirs(rival: Client, tasks: List) -> List:
    """The same list in other hands."""
    return await rival.list(tasks.sid)


async def test_items_are_appended_and_changed(tasks: List, theirs: List) -> None:
    events = EventReader(theirs)
    first = await tasks.append({"do": "sweep"})
    second = await theirs.append({"do": "mop"}, ttl=60)
    assert (first.key, second.key) == (0, 1)
    changed = await tasks.set(0, {"do": "rest"}, if_match=first.revision)
    with pytest.raises(RevisionMismatch) as refused:
        await tasks.set(0, {}, if_match=first.revision)
    assert refused.value.item is not None and refused.value.item.revision == changed.revision
    assert (await tasks.update(1, {"by": "bob"})).data == {"do": "mop", "by": "bob"}
    assert (await tasks.mutate(1, lambda data: {"n": len(data)})).data == {"n": 2}
    await tasks.remove(0)
    assert await tasks.get(0) is None
    for write in (tasks.set(0, {}), tasks.remove(0), tasks[7]):
        with pytest.raises(NotFound) as missing:
            await write
        assert missing.value.code == 54151
    heard = await events.until(lambda event: event.name == "item_removed")
    assert [(event.name.removeprefix("item_"), event.key) for event in heard] == [
        ("added", 0),
        ("added", 1),
        ("updated", 0),
        ("updated", 1),
        ("updated", 1),
        ("removed", 0),
    ]
    assert [event.is_local for event in heard] == [False, True, False, False, False, False]


async def test_items_are_in_the_order_of_their_indexes(tasks: List) -> None:
    async with tasks.batch() as batch:
        for n in range(12):
            batch.append({"n": n})
    async with tasks.batch() as batch:
        batch.set(11, {"n": 0})
        batch.remove(3)
    assert [key async for key, _ in tasks.items(page_size=5)] == [0, 1, 2, *range(4, 12)]
    assert [key async for key, _ in tasks.items(9, order="asc")] == [9, 10, 11]
    assert [item.data["n"] async for _, item in tasks.items(after=9, order="desc")][0] == 8


async def test_an_index_must_be_given(tasks: List) -> None:
    for index in (None, "0", True, 0.0):
        with pytest.raises(InvalidRequest):
            await tasks.remove(index)  # type: ignore[arg-type]


async def test_a_part_by_indexes(client: Client, tasks: List) -> None:
    await tasks.close()
    part = await client.list(tasks.sid, indexes=[1, 2])
    events = EventReader(part)
    for n in range(4):
        await part.append({"n": n})
    assert [(await events.next()).key for _ in range(2)] == [1, 2]
    assert [key async for key, _ in part.items()] == [1, 2]
    await part.remove_list()
    assert (await events.next()).name == "removed"
