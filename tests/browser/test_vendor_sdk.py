"""The vendor's SDK as it ships for pages, `twilio-sync.min.js`, unmodified."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

import syncline
from support.account import Account
from support.api import unique
from support.browser import Browsing
from support.server import RunningServer, StartServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

SDK = Path(__file__).parents[2] / "node_modules/twilio-sync/builds/twilio-sync.min.js"

OPEN = """
    async ([token, url, name]) => {
      window.client = new Twilio.Sync.Client(token, {
        cdsUri: url,
        twilsock: { uri: `${url.replace("http", "ws")}/v3/wsconnect` },
      });
      window.document_ = await client.document(name);
      window.events = [];
      for (const kind of ["updated", "removed"]) {
        document_.on(kind, ({ isLocal, data, previousData }) =>
          events.push([kind, isLocal, data ?? null, previousData]));
      }
      return document_.data;
    }
"""


async def open_document(browsing: Browsing, server: RunningServer, name: str, who: str) -> Page:
    """A window in which the SDK has opened a document."""
    page = await browsing.open_blank(server)
    await page.add_script_tag(path=SDK)
    await page.evaluate(OPEN, [server.token(who), server.url, name])
    return page


async def events(page: Page, count: int) -> Any:
    """The events of the document, once there are so many."""
    await page.wait_for_function("(count) => events.length >= count", arg=count)
    return await page.evaluate("events")


async def test_two_windows_and_a_python_client_share_a_document(
    server: RunningServer, browsing: Browsing
) -> None:
    name = unique()
    ada = await open_document(browsing, server, name, "ada")
    bob = await open_document(browsing, server, name, "bob")
    async with syncline.connect(server.url, token=server.token("carol")) as client:
        document = await client.document(name)
        assert await ada.evaluate("document_.set({ by: 'ada', grüße: '\U0001f642' })")
        assert (await events(bob, 1))[0][:2] == ["updated", False]
        assert await bob.evaluate("document_.mutate((data) => ({ ...data, by: 'bob' }))")
        await document.mutate(lambda data: {**data, "by": "carol"})
        updates = [
            [{"by": "ada", "grüße": "\U0001f642"}, {}],
            [{"by": "bob", "grüße": "\U0001f642"}, {"by": "ada", "grüße": "\U0001f642"}],
            [{"by": "carol", "grüße": "\U0001f642"}, {"by": "bob", "grüße": "\U0001f642"}],
        ]
        for page, own in [(ada, 0), (bob, 1)]:
            assert await events(page, 3) == [
                ["updated", number == own, data, before]
                for number, (data, before) in enumerate(updates)
            ]
        await bob.evaluate("document_.removeDocument()")
        assert (await events(ada, 4))[3] == ["removed", False, None, updates[2][0]]
        assert (await events(bob, 4))[3] == ["removed", True, None, updates[2][0]]


async def test_page_that_is_loaded_again_shows_what_changed_meanwhile(
    server: RunningServer, browsing: Browsing
) -> None:
    """The SDK keeps documents in the window's session storage, and opens them from there."""
    name = unique()
    page = await open_document(browsing, server, name, "ada")
    await page.evaluate("document_.set({ n: 1 })")
    kept = await page.evaluate("Object.keys(sessionStorage).filter((key) => key.includes('::'))")
    assert [key.split("::", 1)[1] for key in kept] == [f"document::{name}"]
    # Elsewhere meanwhile, so that no event of it arrives.
    address = page.url
    await page.goto("about:blank")
    async with syncline.connect(server.url, token=server.token("bob")) as client:
        await (await client.document(name)).set({"n": 2})
    await page.goto(address)
    await page.add_script_tag(path=SDK)
    stale = await page.evaluate(OPEN, [server.token("ada"), server.url, name])
    assert stale == {"n": 1}
    assert await events(page, 1) == [["updated", False, {"n": 2}, {"n": 1}]]


async def test_what_another_identity_kept_is_not_shown(
    server: RunningServer, browsing: Browsing
) -> None:
    name = unique()
    page = await open_document(browsing, server, name, "ada")
    await page.evaluate("document_.set({ n: 1 })")
    await page.reload()
    await page.add_script_tag(path=SDK)
    async with syncline.connect(server.url, token=server.token("carol")) as client:
        await (await client.document(name)).set({"n": 2})
    assert await page.evaluate(OPEN, [server.token("bob"), server.url, name]) == {"n": 2}


async def test_window_that_goes_offline_comes_back(
    server: RunningServer, browsing: Browsing
) -> None:
    name = unique()
    page = await open_document(browsing, server, name, "ada")
    await page.evaluate("document_.set({ n: 1 })")
    await browsing.context.set_offline(True)
    await page.wait_for_function("client.connectionState === 'connecting'")
    async with syncline.connect(server.url, token=server.token("bob")) as client:
        await (await client.document(name)).set({"n": 2})
    await browsing.context.set_offline(False)
    assert (await events(page, 2))[1] == ["updated", False, {"n": 2}, {"n": 1}]
    # Chromium itself logs each attempt to connect that fails.
    assert all("ERR_INTERNET_DISCONNECTED" in error for error in browsing.errors), browsing.errors
    await browsing.forget_errors()


async def test_document_whose_right_is_lost_is_removed_from_a_page_that_kept_it(
    server: RunningServer, browsing: Browsing
) -> None:
    name = unique()
    with Account(server) as account:
        service = account.service(AclEnabled="true")
        sid = account.document(service, name, '{"n":1}')
        account.permit(service, sid, "ada", "r")
        token = server.token("ada", service=service)
        page = await browsing.open_blank(server)
        await page.add_script_tag(path=SDK)
        assert await page.evaluate(OPEN, [token, server.url, name]) == {"n": 1}
        address = page.url
        await page.goto("about:blank")
        account.revoke(service, sid, "ada")
        await page.goto(address)
        await page.add_script_tag(path=SDK)
        # From the session storage, before the server is asked.
        assert await page.evaluate(OPEN, [token, server.url, name]) == {"n": 1}
        assert await events(page, 1) == [["removed", False, None, {"n": 1}]]
        again = "client.document({ id: document_.uniqueName }).catch(({ status }) => status)"
        assert await page.evaluate(again) == 403


@pytest.mark.parametrize("options", [(), ("--deflate",)])
async def test_large_request_is_refused_and_the_page_stays_connected(
    fresh_server: StartServer, browsing: Browsing, options: tuple[str, ...]
) -> None:
    server = fresh_server(*options)
    page = await open_document(browsing, server, unique(), "ada")
    refused = """
        Promise.all([3e5, 3e6].map((size) =>
          document_.set({ s: Array.from({ length: size / 10 }, Math.random).join("") })
            .catch(({ status, code }) => [status, code])))
    """
    assert await page.evaluate(refused) == [[413, 54006]] * 2
    assert await page.evaluate("document_.set({ n: 1 })") == {"n": 1}
    assert await page.evaluate("client.connectionState") == "connected"
