"""Maps, lists and streams in the vendor's SDK as it ships for pages, unmodified."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from support.api import unique
from support.browser import Browsing
from support.collections import CollectionsApi
from support.server import RunningServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

SDK = Path(__file__).parents[2] / "node_modules/twilio-sync/builds/twilio-sync.min.js"

OPEN = """
    async ([token, url, kind, name]) => {
      window.client ??= new Twilio.Sync.Client(token, {
        cdsUri: url,
        twilsock: { uri: `${url.replace("http", "ws")}/v3/wsconnect` },
      });
      window.object = await client[kind](name);
      window.events = [];
      window.replica = new Map();
      const idOf = (item) => item.key ?? item.index;
      for (const name of ["itemAdded", "itemUpdated"]) {
        object.on(name, ({ item, isLocal }) => {
          events.push([name, isLocal, idOf(item), structuredClone(item.data)]);
          replica.set(idOf(item), item.data);
        });
      }
      object.on("itemRemoved", (event) => {
        const id = event.key ?? event.index;
        events.push(["itemRemoved", event.isLocal, id, event.previousItemData]);
        replica.delete(id);
      });
      object.on("messagePublished", ({ message, isLocal }) =>
        events.push(["messagePublished", isLocal, message.data]));
      object.on("removed", ({ isLocal }) => events.push(["removed", isLocal]));
      return object.sid;
    }
"""

LOAD = """
    async (pageSize) => {
      const found = [];
      let page = await object.getItems({ pageSize });
      for (;;) {
        for (const item of page.items) {
          found.push(item.key ?? item.index);
          replica.set(item.key ?? item.index, item.data);
        }
        if (!page.hasNextPage) return found;
        page = await page.nextPage();
      }
    }
"""


async def open_object(
    browsing: Browsing, server: RunningServer, kind: str, name: str, who: str
) -> Page:
    """A window in which the SDK has opened an object."""
    page = await browsing.open_blank(server)
    await page.add_script_tag(path=SDK)
    await page.evaluate(OPEN, [server.token(who), server.url, kind, name])
    return page


async def events(page: Page, count: int) -> Any:
    """The events of the object, once there are so many."""
    await page.wait_for_function("(count) => events.length >= count", arg=count)
    return await page.evaluate("events")


async def subscribed(page: Page, kind: str) -> None:
    """Until the server has confirmed the subscription."""
    await page.wait_for_function(
        "(impl) => object[impl].subscriptionState === 'established'",
        arg=f"sync{kind.capitalize()}Impl",
    )


def stored(api: CollectionsApi, sid: str, id_name: str) -> dict[Any, Any]:
    """All items on the server."""
    found: dict[Any, Any] = {}
    page = api.ok("GET", sid, "Items", params={"PageSize": "100"})
    while True:
        found |= {item[id_name]: item["data"] for item in page["items"]}
        if page["meta"]["next_page_url"] is None:
            return found
        page = api.http.get(page["meta"]["next_page_url"]).json()


@pytest.mark.parametrize("kind", ["map", "list"])
async def test_two_windows_share_items(
    server: RunningServer, browsing: Browsing, kind: str
) -> None:
    name = unique()
    ada = await open_object(browsing, server, kind, name, "ada")
    bob = await open_object(browsing, server, kind, name, "bob")
    for page in (ada, bob):
        await subscribed(page, kind)
    a = "a" if kind == "map" else 0
    add = "object.set('a', { n: 1 })" if kind == "map" else "object.push({ n: 1 })"
    await ada.evaluate(f"{add}.then(() => null)")
    await events(bob, 1)
    # Known to bob from the event alone.
    await bob.evaluate("(id) => object.mutate(id, ({ n }) => ({ n: n + 1 })).then(() => null)", a)
    await events(ada, 2)
    await bob.evaluate("(id) => object.setItemTtl(id, 600)", a)
    await events(ada, 3)
    await bob.evaluate("(id) => object.remove(id)", a)
    shared: list[list[Any]] = [
        ["itemAdded", a, {"n": 1}],
        ["itemUpdated", a, {"n": 2}],
        ["itemUpdated", a, {"n": 2}],
        ["itemRemoved", a, {"n": 2}],
    ]
    own: dict[Page, list[bool | None]] = {
        ada: [True, False, False, False],
        bob: [False, True, None, True],
    }
    for page, count in ((ada, 4), (bob, 3)):
        expected = [
            [each[0], is_local, *each[1:]]
            for each, is_local in zip(shared, own[page], strict=True)
            if is_local is not None
        ]
        assert await events(page, count) == expected
    remove = "object.removeMap()" if kind == "map" else "object.removeList()"
    await ada.evaluate(remove)
    assert (await events(bob, 4))[3] == ["removed", False]
    assert (await events(ada, 5))[4] == ["removed", True]


@pytest.mark.parametrize("kind", ["map", "list"])
async def test_window_that_misses_a_thousand_changes_comes_back(
    server: RunningServer, browsing: Browsing, kind: str
) -> None:
    id_name, plural = {"map": ("key", "Maps"), "list": ("index", "Lists")}[kind]

    def add(n: int) -> dict[str, Any]:
        named = {"key": f"k{n:04}"} if kind == "map" else {}
        return {"op": "add", "data": {"n": n}, **named}

    def of(n: int) -> dict[str, Any]:
        return {id_name: f"k{n:04}" if kind == "map" else n}

    with CollectionsApi(server, plural) as api:
        name = unique()
        sid = api.ok("POST", data={"UniqueName": name})["sid"]
        api.fill(sid, [add(n) for n in range(150)])
        ada = await open_object(browsing, server, kind, name, "ada")
        bob = await open_object(browsing, server, kind, name, "bob")
        for page in (ada, bob):
            await subscribed(page, kind)
            loaded = await page.evaluate(LOAD, 40)
            assert loaded == [of(n)[id_name] for n in range(150)]
        await browsing.context.set_offline(True)
        for page in (ada, bob):
            await page.wait_for_function("client.connectionState === 'connecting'")
        api.fill(sid, [add(n) for n in range(150, 550)])
        api.fill(sid, [{"op": "update", "data": {"u": n}, **of(n)} for n in range(50, 350)])
        api.fill(sid, [{"op": "remove", **of(n)} for n in range(100, 400)])
        await browsing.context.set_offline(False)
        expected = stored(api, sid, id_name)
        for page in (ada, bob):
            await page.wait_for_function("(n) => replica.size === n", arg=len(expected))
            await subscribed(page, kind)
            found = await page.evaluate("[...replica]")
            assert {item_id: data for item_id, data in found} == expected
            # Each item at most once, and none that came and went.
            seen = [item for _, _, item, _ in await page.evaluate("events")]
            assert len(seen) == len(set(seen)) == 50 + 50 + 150
        await bob.evaluate(
            "(id) => object.update(id, { last: true }).then(() => null)", of(0)[id_name]
        )
        assert (await events(ada, 251))[250][3] == {"n": 0, "last": True}
    # Chromium itself logs each attempt to connect that fails.
    assert all("ERR_INTERNET_DISCONNECTED" in error for error in browsing.errors), browsing.errors
    await browsing.forget_errors()


async def test_page_that_is_loaded_again_misses_nothing(
    server: RunningServer, browsing: Browsing
) -> None:
    """The SDK opens the map from its window's storage, and subscribes without an event's id."""
    name = unique()
    page = await open_object(browsing, server, "map", name, "ada")
    await page.evaluate("object.set('a', { n: 1 }).then(() => null)")
    await page.reload()
    await page.add_script_tag(path=SDK)
    sid = await page.evaluate(OPEN, [server.token("ada"), server.url, "map", name])
    await subscribed(page, "map")
    with CollectionsApi(server, "Maps") as maps:
        maps.ok("POST", sid, "Items", "a", data={"Data": '{"n":2}'})
    assert await events(page, 1) == [["itemUpdated", False, "a", {"n": 2}]]
    assert await page.evaluate(LOAD, 10) == ["a"]


async def test_two_windows_share_a_stream(server: RunningServer, browsing: Browsing) -> None:
    name = unique()
    ada = await open_object(browsing, server, "stream", name, "ada")
    bob = await open_object(browsing, server, "stream", name, "bob")
    for page in (ada, bob):
        await subscribed(page, "stream")
    await ada.evaluate("object.publishMessage({ n: 1 }).then(() => null)")
    await events(bob, 1)
    await bob.evaluate("object.publishMessage({ n: 2 }).then(() => null)")
    for page, is_ada in ((ada, True), (bob, False)):
        assert await events(page, 2) == [
            ["messagePublished", is_ada, {"n": 1}],
            ["messagePublished", not is_ada, {"n": 2}],
        ]
