"""Maps, lists and streams of the browser client in real pages, over a WebSocket and over REST."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from playwright.async_api import Page

from support.browser import Browsing
from support.server import RunningServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

OPEN = """async ([token, name, transport]) => {
  const { Client } = await import("/syncline.js");
  globalThis.client = new Client(token, { transport });
  globalThis.map = await client.map(name);
  globalThis.replica = map.replica();
  await replica.ready;
  globalThis.events = [];
  for (const type of ["itemAdded", "itemUpdated", "itemRemoved"]) {
    map.on(type, ({ item, key, isLocal }) => events.push([type, item?.key ?? key, isLocal]));
  }
}"""

CREATE = """async (name) => {
  await client.list(name);
  await client.stream(name);
}"""

WRITE = """async () => {
  await map.set("a/ä 💡", { n: 1 });
  await map.increment("a/ä 💡", "/n");
  await map.batch((batch) => batch.add("b", { n: 1 }).add("c", { n: 1 }));
  await map.mutate("b", (data) => ({ n: data.n + 1 }));
  await map.remove("c");
}"""

WAIT = """async (count) => {
  while (events.length < count) await new Promise((resolve) => setTimeout(resolve, 10));
  return { events, items: replica.items().map(({ key, data }) => [key, data]) };
}"""

LIST_AND_STREAM = """async (name) => {
  const list = await client.list(name);
  const { index } = await list.push({ n: 1 });
  const { items } = await list.getItems({ order: "desc" });
  const stream = await client.stream(name);
  const received = new Promise((resolve) => stream.on("messagePublished", resolve));
  await stream.publishMessage({ x: 1 });
  const { message, isLocal } = await received;
  return [index, items[0].data, message.data, isLocal];
}"""

WRITES = [
    ["itemAdded", "a/ä 💡"],
    ["itemUpdated", "a/ä 💡"],
    ["itemAdded", "b"],
    ["itemAdded", "c"],
    ["itemUpdated", "b"],
    ["itemRemoved", "c"],
]


async def open_page(browsing: Browsing, server: RunningServer, *given: str) -> Page:
    """A blank page that has the map open, with a replica."""
    page = await browsing.open_blank(server)
    await page.evaluate(OPEN, list(given))
    return page


@pytest.mark.parametrize("transport", ["websocket", "rest"])
async def test_pages_share_a_map(server: RunningServer, browsing: Browsing, transport: str) -> None:
    name = f"browser {uuid4()}"
    reader = await open_page(browsing, server, server.token("bob"), name, "websocket")
    # Chromium logs each 404, and the REST transport asks for an object before it creates one.
    await reader.evaluate(CREATE, name)
    writer = await open_page(browsing, server, server.token("alice"), name, transport)
    await writer.evaluate(WRITE)
    for page, is_local in ((writer, True), (reader, False)):
        shown: dict[str, Any] = await page.evaluate(WAIT, len(WRITES))
        assert shown["events"] == [[*write, is_local] for write in WRITES]
        assert shown["items"] == [["a/ä 💡", {"n": 2}], ["b", {"n": 2}]]
    assert await writer.evaluate(LIST_AND_STREAM, name) == [0, {"n": 1}, {"x": 1}, True]
