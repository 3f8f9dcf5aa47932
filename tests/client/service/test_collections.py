"""Lists, maps and streams by the clients of back ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from support.back_end import begun, collect, now
from support.server import RunningServer
from syncline import (
    Conflict,
    InvalidRequest,
    NotFound,
    RevisionMismatch,
    UsageError,
    connect,
)

Calls = tuple[Callable[[], Any], ...]


async def test_items_of_a_map_are_written_in_each_way(service: Any) -> None:
    players = await now(service.maps.create("players", ttl=3600))
    alice = await now(players.set("al/ice ü", {"score": 1}))
    assert (alice.key, alice.data, alice.updated_by) == ("al/ice ü", {"score": 1}, "system")

    key = alice.key
    assert (await now(players.update(key, {"level": 2}))).data == {"score": 1, "level": 2}
    assert (await now(players.increment(key, "/score", 4))).data["score"] == 5
    assert (await now(players.patch(key, merge={"level": None}))).data == {"score": 5}
    changed = await now(players.mutate(key, lambda data: data | {"score": data["score"] * 2}))
    assert changed.data == {"score": 10}
    assert (await now(players.mutate(key, lambda data: None))).revision == changed.revision
    await now(players.set_item_ttl(key, 60))
    assert (await now(players[key])).date_expires is not None
    await now(players.remove(key))
    assert await now(players.get(key)) is None
    assert await now(players.get(key, 7)) == 7
    with pytest.raises(NotFound) as absent:
        await now(players[key])
    assert absent.value.code == 54201


async def test_mutate_creates_an_item_of_a_map_and_none_of_a_list(service: Any) -> None:
    players, news = await now(service.maps.create()), await now(service.lists.create())

    def count(data: dict[str, int] | None) -> dict[str, int]:
        return {"n": 1 if data is None else data["n"] + 1}

    assert (await now(players.mutate("a", count))).data == {"n": 1}
    assert (await now(players.mutate("a", count))).data == {"n": 2}
    with pytest.raises(NotFound):
        await now(players.mutate("b", lambda data: None))
    with pytest.raises(NotFound):
        await now(news.mutate(0, count))


async def test_conditions_on_items(service: Any) -> None:
    players = await now(service.maps.create())
    first = await now(players.add("a", {"n": 1}))

    with pytest.raises(Conflict) as taken:
        await now(players.add("a", {"n": 2}))
    assert taken.value.item is not None and taken.value.item.data == {"n": 1}
    second = await now(players.set("a", {"n": 2}, if_match=first.revision))
    calls: Calls = (
        lambda: players.set("a", {"n": 3}, if_match=first.revision),
        lambda: players.set("a", {"n": 3}, if_match="-1"),
        lambda: players.patch("a", merge={}, if_match=first.revision),
        lambda: players.remove("a", if_match=first.revision),
    )
    for call in calls:
        with pytest.raises(RevisionMismatch):
            await now(call())
    with pytest.raises(RevisionMismatch) as refused:
        await now(players.set("a", {"n": 3}, if_match=first.revision))
    assert refused.value.item is not None
    assert refused.value.item.revision == second.revision
    assert (await now(players.set("b", {"n": 1}, if_match="-1"))).data == {"n": 1}


async def test_a_list_gives_the_indexes(kind: str, service: Any) -> None:
    news = await now(service.lists.get_or_create("news"))
    made = [await now(news.append({"n": n})) for n in range(3)]

    assert [each.key for each in made] == [0, 1, 2]
    await now(news.set(1, {"n": 10}))
    await now(news.remove(0))
    assert [each.data["n"] for each in await collect(news)] == [10, 2]
    with pytest.raises(NotFound):
        await now(news.set(0, {}))
    if kind == "blocking":
        news[2] = {"n": 20}
        assert (2 in news, 0 in news, news[2].data) == (True, False, {"n": 20})
        del news[2]
        assert 2 not in news


async def test_a_map_is_accessed_like_a_dictionary(kind: str, service: Any) -> None:
    players = await now(service.maps.create())
    if kind == "blocking":
        players["a"] = {"n": 1}
        players["b"] = {"n": 2}
        assert players["a"].data == {"n": 1}
        assert ("a" in players, "c" in players, list(players)) == (True, False, ["a", "b"])
        del players["a"]
        assert list(players.keys()) == ["b"]
        with pytest.raises(TypeError):
            len(players)  # the server does not count
        assert players
    else:
        with pytest.raises(UsageError, match="set"):
            players["a"] = {"n": 1}
        with pytest.raises(UsageError, match="has"):
            "a" in players  # noqa: B015
        with pytest.raises(UsageError, match="remove"):
            del players["a"]


async def test_items_are_read_in_pages(service: Any) -> None:
    players = await now(service.maps.create())
    async with begun(players.batch()) as batch:
        for number in range(25):
            batch.set(f"k{number:02}", {"n": number})

    pages = await collect(players.pages(page_size=10))
    assert [len(page) for page in pages] == [10, 10, 5]
    numbers = [item.data["n"] for _, item in await collect(players.items(page_size=7))]
    assert numbers == list(range(25))
    down = await collect(players.items("k10", order="desc", limit=3))
    assert [key for key, _ in down] == ["k10", "k09", "k08"]
    after = await collect(players.items(after="k22"))
    assert [key for key, _ in after] == ["k23", "k24"]
    assert [len(page) for page in await collect(players.pages(limit=12, page_size=10))] == [10, 2]
    assert await collect(players.items(limit=0)) == []
    with pytest.raises(ValueError):
        players.items(page_size=101)


async def test_a_batch_is_applied_as_a_whole_and_once(service: Any) -> None:
    players = await now(service.maps.create())
    for _ in range(2):
        async with begun(players.batch(operation_id="once")) as batch:
            batch.add("a", {"n": 1})
            batch.set("b", {"n": 2}, ttl=60)
    assert len(batch.revisions) == 2

    with pytest.raises(NotFound):
        async with begun(players.batch()) as batch:
            batch.set("a", {"n": 5})
            batch.remove("none")
    assert (await now(players["a"])).data == {"n": 1}
    with pytest.raises(ZeroDivisionError):
        async with begun(players.batch()) as batch:
            batch.remove("a")
            raise ZeroDivisionError
    assert await now(players.has("a"))


async def test_an_operation_id_makes_a_second_item_the_first(service: Any) -> None:
    news = await now(service.lists.create("news"))
    first = await now(news.append({"n": 1}, operation_id="x"))
    await now(news.update(first.key, {"n": 2}))

    again = await now(news.append({"n": 1}, operation_id="x"))
    assert (again.key, again.data) == (first.key, {"n": 1})
    await now(news.increment(0, "/n", operation_id="y"))
    await now(news.set(0, {"n": 7}))
    assert (await now(news.increment(0, "/n", operation_id="y"))).data == {"n": 7}
    assert len(await collect(news)) == 1


async def test_keys_that_no_item_can_have_are_refused(service: Any) -> None:
    players, news = await now(service.maps.create()), await now(service.lists.create())
    await now(players.set("a", {}))

    calls: Calls = (
        lambda: players.remove(""),
        lambda: players.remove(None),
        lambda: players.set(1, {}),
        lambda: players["x" * 400],
        lambda: players.set("..", {}),
        lambda: news.remove("0"),
        lambda: news.remove(True),
        lambda: news.set(-1, {}),
        lambda: players.set("a", "text"),
    )
    for call in calls:
        with pytest.raises(InvalidRequest):
            await now(call())
    assert await now(players.has("a"))


async def test_collections_are_read_listed_and_removed(service: Any) -> None:
    for objects in (service.lists, service.maps, service.streams):
        made = await now(objects.create("one", ttl=3600))
        assert (await now(objects.get("one"))).sid == made.sid
        assert made.date_expires is not None
        await now(made.set_ttl(0))
        await now(made.refresh())
        assert (made.date_expires, made.unique_name, made.created_by) == (None, "one", "system")
        assert [each.sid for each in await collect(objects)] == [made.sid]
        assert (await now(objects.get_or_create("one"))).sid == made.sid
        await now(objects.remove("one"))
        assert not await now(objects.has("one"))
    for name in ("remove_list", "remove_map", "remove"):
        objects = {"list": service.lists, "map": service.maps}.get(name[7:], service.streams)
        made = await now(objects.create("one"))
        await now(getattr(made, name)())
        assert not await now(objects.has("one"))
    assert (await now(service.maps.create())).permissions is not None
    with pytest.raises(UsageError):
        (await now(service.streams.create())).permissions  # noqa: B018


async def test_a_message_reaches_those_who_have_the_stream_open_once(
    service: Any, server: RunningServer
) -> None:
    stream = await now(service.streams.create("cursors"))
    token = service.mint_token("alice")
    async with connect(server.url, token=token) as client:
        opened = await client.stream("cursors")
        events = opened.events()
        first = await now(stream.publish({"x": 1}, operation_id="m"))
        assert await now(stream.publish({"x": 1}, operation_id="m")) == first
        await now(stream.publish({"x": 2}))
        received = [await anext(events), await anext(events)]

    assert [each.data for each in received] == [{"x": 1}, {"x": 2}]  # type: ignore[union-attr]
    with pytest.raises(InvalidRequest):
        await now(stream.publish(7))
