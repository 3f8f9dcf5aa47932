"""Pages of items, forwards and backwards, on a real server and over both transports."""

from __future__ import annotations

from typing import Any

import pytest

from support.api import unique
from support.metrics import scrape
from support.server import RunningServer
from syncline import Client, Map, connect

KEYS = [f"k{n}" for n in range(7)]


@pytest.fixture
async def players(client: Client) -> Map:
    """A map with seven items."""
    map = await client.map(unique())
    async with map.batch() as batch:
        for key in KEYS:
            batch.set(key, {})
    return map


def keys_of(page: Any) -> list[str]:
    return [item.key for item in page.items]


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_from_the_first_page_to_the_last_and_back(players: Map, order: Any) -> None:
    expected = KEYS if order == "asc" else KEYS[::-1]
    page = await players.page(order=order, page_size=3)
    assert not page.has_prev_page
    with pytest.raises(ValueError, match="first page"):
        await page.prev_page()
    forwards = [keys_of(page)]
    while page.has_next_page:
        page = await page.next_page()
        assert page.has_prev_page
        forwards.append(keys_of(page))
    with pytest.raises(ValueError, match="last page"):
        await page.next_page()
    assert forwards == [expected[:3], expected[3:6], expected[6:]]
    backwards = []
    while page.has_prev_page:
        page = await page.prev_page()
        assert page.has_next_page
        backwards.append(keys_of(page))
    assert backwards == forwards[-2::-1]


async def test_a_page_that_begins_in_the_middle(players: Map) -> None:
    for bounds in ({"start": "k3"}, {"after": "k2"}, {"start": "k2~"}):
        page = await players.page(**bounds, page_size=2)  # type: ignore[arg-type]
        assert keys_of(page) == ["k3", "k4"] and page.has_prev_page
        earlier = await page.prev_page()
        assert keys_of(earlier) == ["k1", "k2"]
        assert keys_of(await earlier.next_page()) == ["k3", "k4"]
        first = await earlier.prev_page()
        assert keys_of(first) == ["k0"] and not first.has_prev_page


async def test_a_page_at_an_end(players: Map) -> None:
    assert not (await players.page("k0", page_size=2)).has_prev_page
    assert not (await players.page("a", page_size=2)).has_prev_page
    for bounds in ({"start": "z"}, {"after": "k6"}):
        behind = await players.page(**bounds, page_size=2)  # type: ignore[arg-type]
        assert behind.items == [] and behind.has_prev_page
        assert keys_of(await behind.prev_page()) == ["k5", "k6"]


async def test_items_that_are_removed_meanwhile(players: Map) -> None:
    first = await players.page(page_size=4)
    for key in KEYS[4:]:
        await players.remove(key)
    empty = await first.next_page()
    assert empty.items == [] and not empty.has_next_page
    assert keys_of(await empty.prev_page()) == ["k0", "k1", "k2", "k3"]
    for key in KEYS[:4]:
        await players.remove(key)
    nothing = await empty.prev_page()
    assert nothing.items == [] and not nothing.has_prev_page
    gone = await first.next_page()
    assert gone.items == [] and gone.has_prev_page and not gone.has_next_page
    async with players.batch() as batch:
        for key in KEYS:
            batch.set(key, {})
    assert keys_of(await gone.prev_page()) == ["k0", "k1", "k2", "k3"]
    assert keys_of(await nothing.next_page()) == ["k4", "k5", "k6"]


async def test_a_walk_needs_one_request_for_each_page(server: RunningServer, players: Map) -> None:
    def requests() -> float:
        return scrape(server).value("syncline_requests_total", wire="native")

    async with connect(server.url, token=server.token(), transport="websocket") as client:
        same = await client.map(players.sid)
        before = requests()
        assert [key async for key, _ in same.items("k1", page_size=2)] == KEYS[1:]
        assert requests() - before == 3
