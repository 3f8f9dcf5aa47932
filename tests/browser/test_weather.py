"""The browser client through what only browsers have: pages, their network, and where code is."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.async_api import Page

from support.browser import Browsing
from support.proxy import Proxy
from support.server import RunningServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

BUNDLE = Path(__file__).parents[1] / "js/bundle.js"

OPEN = """async ([module, token, name, options]) => {
  const { SyncClient } = await import(module);
  globalThis.client = new SyncClient(token, options);
  globalThis.doc = await client.document(name);
}"""

INCREMENT = "doc.increment('/n').then(({ n }) => n)"

DEAF = {"pingInterval": 1_000_000, "probeAfter": 1_000_000, "probeTimeout": 200}
"""Options with which only the page's events find a dead connection soon."""


async def open_through(
    gateway: Proxy, server: RunningServer, browsing: Browsing, **options: object
) -> Page:
    """A page of the gateway's, with a new document open as `doc`."""
    page = await browsing.context.new_page()
    await page.route("**/favicon.ico", lambda route: route.fulfill(body=""))
    await page.goto(f"{gateway.url}/healthz")
    module = f"{gateway.url}/syncline.js"
    await page.evaluate(OPEN, [module, server.token("ada"), f"weather {uuid4()}", options])
    browsing.errors.clear()  # REST looks for the document first: Chromium logs the 404
    return page


@pytest.mark.parametrize("transport", ["websocket", "rest"])
async def test_a_path_prefix_is_part_of_the_default_url(
    server: RunningServer, browsing: Browsing, transport: str
) -> None:
    async with Proxy(server, "/some/prefix", keeps_alive=False) as gateway:
        page = await open_through(gateway, server, browsing, transport=transport)
        assert await page.evaluate(INCREMENT) == 1
        assert await page.evaluate("client.transport") == transport
        await page.evaluate("client.shutdown()")


async def test_a_bundle_that_is_no_module_uses_the_page_or_asks_for_the_url(
    server: RunningServer, browsing: Browsing
) -> None:
    program = await asyncio.create_subprocess_exec("node", BUNDLE, stdout=asyncio.subprocess.PIPE)
    script, _ = await program.communicate()
    page = await browsing.open_blank(server)
    await page.add_script_tag(content=script.decode())
    opened = """async ([token, options]) => {
      const client = new Syncline.Client(token, options);
      const { data } = await client.document();
      await client.shutdown();
      return data;
    }"""
    for options in ({}, {"url": server.url}):
        assert await page.evaluate(opened, [server.token("ada"), options]) == {}
    nowhere = await browsing.context.new_page()
    await nowhere.goto("data:text/html,<title>nowhere</title>")
    await nowhere.add_script_tag(content=script.decode())
    refused = (
        "() => { try { new Syncline.Client('a.b.c'); } catch (error) { return String(error); } }"
    )
    assert "pass the option `url`" in await nowhere.evaluate(refused)


@pytest.mark.parametrize("transport", ["websocket", "rest"])
@pytest.mark.parametrize(
    "event",
    [
        "window.dispatchEvent(new Event('online'))",
        "window.dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))",
        "document.dispatchEvent(new Event('visibilitychange'))",
    ],
)
async def test_events_of_the_page_find_a_dead_connection(
    server: RunningServer, browsing: Browsing, transport: str, event: str
) -> None:
    async with Proxy(server, keeps_alive=False) as gateway:
        page = await open_through(gateway, server, browsing, transport=transport, **DEAF)
        gateway.freeze()
        written = asyncio.create_task(page.evaluate(INCREMENT))
        await page.evaluate(event)
        assert await written == 1
        await page.evaluate("client.shutdown()")
    await browsing.forget_errors()  # Chromium logs each request that the client gives up


async def test_a_write_over_a_half_open_connection_is_done_once(
    server: RunningServer, browsing: Browsing
) -> None:
    async with Proxy(server, keeps_alive=False) as gateway:
        page = await open_through(gateway, server, browsing, probeAfter=200, probeTimeout=200)
        gateway.freeze()
        assert await page.evaluate(INCREMENT) == 1
        assert await page.evaluate(INCREMENT) == 2
        await page.evaluate("client.shutdown()")


async def test_a_pause_ends_when_the_network_is_back(
    server: RunningServer, browsing: Browsing
) -> None:
    page = await browsing.open_blank(server)
    token, name = server.token("ada"), f"weather {uuid4()}"
    options = {"backoffInitial": 1_000_000, "backoffLimit": 1_000_000}
    await page.evaluate(OPEN, ["/syncline.js", token, name, options])
    broken = asyncio.create_task(
        page.evaluate("new Promise((resolve) => client.once('connectionError', resolve))")
    )
    await page.evaluate("0")  # the listener is there
    await browsing.context.set_offline(True)
    # Chromium leaves a socket open that has nothing to say; the page's events make it look.
    await page.evaluate("window.dispatchEvent(new Event('online'))")
    await broken
    written = asyncio.create_task(page.evaluate(INCREMENT))
    await browsing.context.set_offline(False)
    assert await written == 1
    await browsing.forget_errors()  # Chromium itself logs each attempt to connect that fails
