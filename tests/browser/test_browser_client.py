"""The browser client in real pages; each page has one document open, as `doc` of `client`."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import pytest
from playwright.async_api import Page

import syncline
from support.browser import Browsing
from support.server import RunningServer, StartServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

CLIENTS = 20
TABS = 5
TIMES = 20

OPEN = """async ([token, name]) => {
  const events = [];
  const waiting = [];
  const collect = (type) => (detail) => {
    const index = waiting.findIndex((each) => each.type === type);
    if (index < 0) events.push({ type, detail });
    else waiting.splice(index, 1)[0].resolve(detail);
  };
  globalThis.next = (type) => {
    const index = events.findIndex((each) => each.type === type);
    if (index >= 0) return events.splice(index, 1)[0].detail;
    return new Promise((resolve) => waiting.push({ type, resolve }));
  };
  const { SyncClient } = await import("/syncline.js");
  globalThis.client = new SyncClient(token);
  for (const type of ["connectionStateChanged", "connectionError", "tokenExpired"]) {
    client.on(type, collect(type));
  }
  globalThis.doc = await client.document(name);
  for (const type of ["updated", "removed"]) doc.on(type, collect(type));
}"""
"""From then on `next(type)` is the next event of that type; none is lost."""

STATE = """({
  data: doc.data,
  revision: doc.revision,
  updatedBy: doc.updatedBy,
  dateUpdated: doc.dateUpdated,
  dateExpires: doc.dateExpires,
})"""
"""What an `updated` event and the document have in common."""

COUNTED = """(total) => new Promise((resolve) => {
  doc.on("updated", ({ data, revision }) => data.count === total && resolve(revision));
})"""
"""The revision at which the subscriber receives the complete counter."""

HAMMER = """async (times) => {
  for (let time = 0; time < times; time += 1) {
    await doc.mutate((data) => ({ count: (data.count ?? 0) + 1 }));
  }
}"""

BLOCKED = {
    "missing": "delete globalThis.WebSocket;",
    "refused": """
      globalThis.WebSocket = class extends EventTarget {
        constructor() {
          super();
          const close = () => this.dispatchEvent(new CloseEvent("close", { code: 1006 }));
          setTimeout(close, 20);
        }
        close() {}
      };""",
}
"""Ways in which a network takes WebSockets from a page."""


def fresh_name() -> str:
    """A unique name that no other test uses."""
    return f"browser {uuid4()}"


async def open_page(browsing: Browsing, server: RunningServer, token: str, name: str) -> Page:
    """A blank page that has the document open."""
    page = await browsing.open_blank(server)
    await page.evaluate(OPEN, [token, name])
    return page


async def test_python_clients_and_tabs_count_exactly(
    server: RunningServer, browsing: Browsing
) -> None:
    name = fresh_name()
    total = (CLIENTS + TABS) * TIMES
    tabs = [
        await open_page(browsing, server, server.token(f"tab{number}"), name)
        for number in range(TABS)
    ]
    async with AsyncExitStack() as clients:
        documents = [
            await open_document(clients, server, f"python{number}", name)
            for number in range(CLIENTS)
        ]
        counted = [
            *(asyncio.create_task(tab.evaluate(COUNTED, total)) for tab in tabs),
            *(asyncio.create_task(wait_for_count(document, total)) for document in documents),
        ]
        await asyncio.gather(
            *(tab.evaluate(HAMMER, TIMES) for tab in tabs),
            *(hammer(document) for document in documents),
        )
        revisions = await asyncio.gather(*counted)
        assert set(revisions) == {documents[0].revision}
        assert [document.data for document in documents] == [{"count": total}] * CLIENTS
    assert [await tab.evaluate("doc.data") for tab in tabs] == [{"count": total}] * TABS
    assert [await tab.evaluate("doc.revision") for tab in tabs] == revisions[:TABS]


async def open_document(
    clients: AsyncExitStack, server: RunningServer, identity: str, name: str
) -> syncline.Document:
    """The document, open in a Python client of its own that ends with `clients`."""
    connecting = syncline.connect(server.url, token=server.token(identity))
    client = await clients.enter_async_context(connecting)
    return await client.document(name)


async def wait_for_count(document: syncline.Document, total: int) -> str:
    """The revision at which the subscriber receives the complete counter."""
    async for event in document.events():
        if isinstance(event, syncline.Updated) and event.data["count"] == total:
            return event.revision
    raise AssertionError("the events ended before")


async def hammer(document: syncline.Document) -> None:
    for _ in range(TIMES):
        await document.mutate(lambda data: {"count": data.get("count", 0) + 1})


@pytest.mark.parametrize("way", BLOCKED)
async def test_falls_back_to_rest_where_websockets_are_blocked(
    server: RunningServer, browsing: Browsing, way: str
) -> None:
    await browsing.context.add_init_script(BLOCKED[way])
    name = fresh_name()
    async with syncline.connect(server.url, token=server.token("python")) as client:
        document = await client.document(name)
        page = await open_page(browsing, server, server.token("tab"), name)
        assert await page.evaluate("client.transport") == "rest"
        events = document.events()
        await page.evaluate("doc.set({ from: 'page' })")
        assert (await anext(events)).previous_data == {}
        assert document.data == {"from": "page"}
        own = await page.evaluate("next('updated')")
        assert (own["data"], own["isLocal"], own["updatedBy"]) == ({"from": "page"}, True, "tab")
        await document.set({"from": "python"})
        other = await page.evaluate("next('updated')")
        assert (other["data"], other["isLocal"]) == ({"from": "python"}, False)
        assert other["revision"] == document.revision


async def test_updated_event_of_an_own_write(server: RunningServer, browsing: Browsing) -> None:
    page = await open_page(browsing, server, server.token("ada"), fresh_name())
    await page.evaluate("doc.set({ n: 1 }, { ttl: 60 })")
    event = await page.evaluate("next('updated')")
    state = await page.evaluate(STATE)
    assert event == {"type": "updated", "previousData": {}, "isLocal": True, **state}
    assert isinstance(event["revision"], str)
    assert event["data"] == {"n": 1}
    assert event["updatedBy"] == "ada"
    assert event["dateUpdated"].tzinfo is not None
    assert event["dateExpires"].endswith("Z")


async def test_updated_event_of_another_writer(server: RunningServer, browsing: Browsing) -> None:
    name = fresh_name()
    page = await open_page(browsing, server, server.token("ada"), name)
    async with syncline.connect(server.url, token=server.token("ben")) as client:
        document = await client.document(name)
        await document.set({"n": 2})
        event = await page.evaluate("next('updated')")
        assert event == {
            "type": "updated",
            "data": {"n": 2},
            "previousData": {},
            "isLocal": False,
            "revision": document.revision,
            "updatedBy": "ben",
            "dateUpdated": document.date_updated,
            "dateExpires": None,
        }


async def test_removed_event_of_a_removal(server: RunningServer, browsing: Browsing) -> None:
    page = await open_page(browsing, server, server.token("ada"), fresh_name())
    await page.evaluate("doc.set({ n: 3 })")
    await page.evaluate("doc.removeDocument()")
    event = await page.evaluate("next('removed')")
    assert await page.evaluate("doc.removed")
    assert event["previousData"] == {"n": 3}
    assert (event["isLocal"], event["removedBy"], event["expired"]) == (True, "ada", False)
    assert isinstance(event["revision"], str)
    assert event["dateRemoved"].tzinfo is not None


async def test_removed_event_of_an_expiry(server: RunningServer, browsing: Browsing) -> None:
    page = await open_page(browsing, server, server.token("ada"), fresh_name())
    await page.evaluate("doc.setTtl(1)")
    event = await page.evaluate("next('removed')")
    assert (event["isLocal"], event["removedBy"], event["expired"]) == (False, "system", True)


async def test_connection_events(fresh_server: StartServer, browsing: Browsing) -> None:
    server = fresh_server()
    page = await open_page(browsing, server, server.token(), fresh_name())
    assert await page.evaluate("next('connectionStateChanged')") == "connected"
    await asyncio.to_thread(server.stop)
    error = await page.evaluate("next('connectionError')")
    assert error["terminal"] is False
    assert isinstance(error["message"], str)
    assert await page.evaluate("next('connectionStateChanged')") == "connecting"
    await asyncio.to_thread(server.restart)
    assert await page.evaluate("next('connectionStateChanged')") == "connected"
    await page.evaluate("client.shutdown()")
    assert await page.evaluate("next('connectionStateChanged')") == "disconnecting"
    assert await page.evaluate("next('connectionStateChanged')") == "disconnected"
    await browsing.forget_errors()  # Chromium itself logs each attempt to connect that fails


async def test_token_that_expires(fresh_server: StartServer, browsing: Browsing) -> None:
    server = fresh_server("--token-leeway=0")
    page = await open_page(browsing, server, server.token("ada", ttl=6), fresh_name())
    error: dict[str, Any] = await page.evaluate("next('connectionError')")
    assert (error["httpStatusCode"], error["errorCode"]) == (401, 20104)
    await page.evaluate("next('tokenExpired')")
    await page.evaluate("(token) => client.updateToken(token)", server.token("ada"))
    await page.evaluate("doc.set({ n: 4 })")
    assert await page.evaluate("client.connectionState") == "connected"
