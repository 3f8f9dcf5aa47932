"""The demo page in real windows."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import expect

import syncline
from support.browser import Browsing
from support.demo import DemoPane, open_panes
from support.server import RunningServer, StartServer

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_colour_changed_in_one_window_appears_in_the_other(
    server: RunningServer, browsing: Browsing
) -> None:
    first, second = await open_panes(browsing, server)
    await first.colour("accent").fill("#123456")
    await expect(second.colour("accent")).to_have_value("#123456")
    await expect(second.writer).to_have_text("Ada")
    assert await second.painted("accent") == "#123456"
    await expect(second.find("json")).to_contain_text('"accent": "#123456"')
    assert await first.revision() == await second.revision()


async def test_palette_is_one_write_of_all_colours(
    server: RunningServer, browsing: Browsing
) -> None:
    first, second = await open_panes(browsing, server)
    await first.press("Dusk")
    await first.press("Meadow")
    await expect(second.colour("background")).to_have_value("#dcebd5")
    await expect(second.colour("surface")).to_have_value("#f8fcf5")
    await expect(second.colour("text")).to_have_value("#1d3320")
    await expect(second.colour("accent")).to_have_value("#3b8d42")
    newest = second.newest_event
    await expect(newest).to_contain_text("Ada background surface text accent")


async def test_picker_that_is_dragged_writes_its_last_colour(
    server: RunningServer, browsing: Browsing
) -> None:
    first, second = await open_panes(browsing, server)
    await first.colour("text").evaluate(
        """(input) => {
          for (let step = 0; step < 60; step += 1) {
            input.value = `#0000${(step + 16).toString(16)}`;
            input.dispatchEvent(new Event("input", { bubbles: true }));
          }
        }"""
    )
    await expect(second.colour("text")).to_have_value("#00004b")
    await expect(first.colour("text")).to_have_value("#00004b")


async def test_colours_of_other_writers_are_understood(
    server: RunningServer, browsing: Browsing
) -> None:
    window = await DemoPane.open(browsing, server)
    async with syncline.connect(server.url, token=server.token("script")) as client:
        prefs = await client.document("user_prefs")
        await prefs.update({"accent": "tomato", "text": 5})
    await expect(window.writer).to_have_text("script")
    await expect(window.colour("accent")).to_have_value("#ff6347")
    await expect(window.colour("text")).to_have_value("#3a2a1a")


async def test_counter_hammered_in_two_windows_stays_exact(
    server: RunningServer, browsing: Browsing
) -> None:
    windows = [await DemoPane.open(browsing, server) for _ in range(2)]
    await windows[0].press("Reset")
    await expect(windows[1].count).to_have_text("0")
    await asyncio.gather(*(window.press("+50") for window in windows))
    await windows[0].press("+1")
    for window in windows:
        await expect(window.count).to_have_text("101")
    for window, added in zip(windows, (51, 50), strict=True):
        await expect(window.find("added")).to_have_text(str(added))
        attempts = int(await window.find("attempts").inner_text())
        conflicts = int(await window.find("conflicts").inner_text())
        assert attempts - conflicts == added


async def test_reload_keeps_the_state(server: RunningServer, browsing: Browsing) -> None:
    window = await DemoPane.open(browsing, server, "Ada")
    await window.colour("background").fill("#abcdef")
    await window.press("Reset")
    await window.press("+1")
    await expect(window.count).to_have_text("1")
    revision = await window.revision()
    await window.page.reload()
    await window.expect_open()
    await expect(window.colour("background")).to_have_value("#abcdef")
    await expect(window.count).to_have_text("1")
    await expect(window.name).to_have_value("Ada")
    assert await window.revision() == revision


async def test_another_window_has_a_name_of_its_own(
    server: RunningServer, browsing: Browsing
) -> None:
    first = await DemoPane.open(browsing, server, "Ada")
    async with browsing.context.expect_page() as opening:
        await first.page.get_by_role("link", name="Open another window").click()
    second = DemoPane(await opening.value)
    await second.expect_open()
    await expect(second.name).to_have_value(re.compile(r"[A-Z][a-z]+ [A-Z][a-z]+"))
    await second.colour("accent").fill("#654321")
    await expect(first.writer).to_have_text(await second.name.input_value())


async def test_name_can_be_changed(server: RunningServer, browsing: Browsing) -> None:
    first, second = await open_panes(browsing, server)
    await first.name.fill("Zoë & Co")
    await first.name.press("Enter")
    await first.colour("accent").fill("#111213")
    await expect(second.writer).to_have_text("Zoë & Co")
    await expect(second.colour("accent")).to_have_value("#111213")


async def test_removed_document_comes_back_in_every_window(
    server: RunningServer, browsing: Browsing
) -> None:
    first, second = await open_panes(browsing, server)
    await first.colour("accent").fill("#010203")
    await first.press("Remove")
    for window in (first, second):
        await expect(window.removed).to_contain_text("Removed by Ada.")
    for window in (first, second):
        await expect(window.removed).to_be_empty()
        await expect(window.colour("accent")).to_have_value("#d9541e")
    await second.colour("accent").fill("#030201")
    await expect(first.colour("accent")).to_have_value("#030201")


async def test_document_that_expires_comes_back(server: RunningServer, browsing: Browsing) -> None:
    window = await DemoPane.open(browsing, server)
    async with syncline.connect(server.url, token=server.token()) as client:
        prefs = await client.document("user_prefs")
        await prefs.set_ttl(1)
    await expect(window.removed).to_contain_text("Expired.")
    await expect(window.removed).to_be_empty()
    await expect(window.find("expires")).to_have_text("never")


async def test_expiry_shows_in_every_window_until_one_keeps_the_document(
    server: RunningServer, browsing: Browsing
) -> None:
    first, second = await open_panes(browsing, server)
    await first.press("Expire in 5 s")
    await expect(second.find("expires")).to_have_text(re.compile(r"in \d sec\."))
    await second.press("Keep it")
    await expect(first.find("expires")).to_have_text("never")
    await expect(first.root.get_by_role("button", name="Keep it")).to_be_hidden()


async def test_connection_state_while_the_server_is_away(
    fresh_server: StartServer, browsing: Browsing
) -> None:
    server = fresh_server("--demo")
    first, second = await open_panes(browsing, server)
    await expect(first.connection).to_have_text("Connected · WebSocket")
    await asyncio.to_thread(server.stop)
    await expect(first.connection).to_have_text("Reconnecting…")
    await first.colour("accent").fill("#0a0b0c")
    await asyncio.to_thread(server.restart)
    await expect(first.connection).to_contain_text("Connected")
    await expect(second.connection).to_contain_text("Connected")
    await expect(second.colour("accent")).to_have_value("#0a0b0c")
    # Chromium itself logs each attempt to connect that fails.
    assert all("ERR_CONNECTION_REFUSED" in error for error in browsing.errors), browsing.errors
    await browsing.forget_errors()


async def test_windows_stay_in_sync_without_websockets(
    server: RunningServer, browsing: Browsing
) -> None:
    await browsing.context.add_init_script("delete globalThis.WebSocket;")
    first, second = await open_panes(browsing, server)
    await expect(first.connection).to_have_text("Connected · HTTP")
    await first.colour("accent").fill("#0f0e0d")
    await expect(second.colour("accent")).to_have_value("#0f0e0d")


async def test_refused_token_is_explained(server: RunningServer, browsing: Browsing) -> None:
    page = await browsing.context.new_page()
    await page.route(
        "**/demo/token*",
        lambda route: route.fulfill(status=403, json={"message": "For this machine only."}),
    )
    await page.goto(f"{server.url}/demo")
    pane = DemoPane(page)
    await expect(page.locator("#problem")).to_have_text("For this machine only.")
    await expect(pane.connection).to_have_text("Connecting…")
    await page.unroute_all()
    await expect(pane.connection).to_contain_text("Connected")
    await expect(page.locator("#problem")).to_be_hidden()
    assert all("403" in error for error in browsing.errors), browsing.errors
    await browsing.forget_errors()


async def test_markup_in_names_and_data_is_text(server: RunningServer, browsing: Browsing) -> None:
    markup = "\"'><img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>"
    window = await DemoPane.open(browsing, server)
    async with syncline.connect(server.url, token=server.token(markup)) as client:
        prefs = await client.document("user_prefs")
        count = await client.document("demo_counter")
        await prefs.update({"accent": markup, markup: {"__proto__": markup, "n": "javascript:run"}})
        await count.update({"count": markup})
        await expect(window.writer).to_have_text(markup)
        await expect(window.find("json")).to_contain_text("<img src=x onerror=")
        await expect(window.count).to_have_text(markup)
        assert await window.page.locator("img[src=x], body script").count() == 0
        assert await window.page.title() != "run"
        await prefs.set({})
        await count.set({"count": 0})


async def test_every_control_has_a_name(server: RunningServer, browsing: Browsing) -> None:
    window = await DemoPane.open(browsing, server)
    outline = await window.page.locator("body").aria_snapshot()
    assert re.findall(r'- (?:button|link|textbox) "', outline)
    assert re.findall(r'- (?:button|link|textbox)(?! ")', outline) == []
    for name in ("Background", "Surface", "Text", "Accent"):
        await expect(window.root.get_by_label(name, exact=True)).to_have_count(1)


async def test_page_fits_a_phone(server: RunningServer, browsing: Browsing) -> None:
    window = await DemoPane.open(browsing, server)
    await window.page.set_viewport_size({"width": 360, "height": 740})
    assert await window.page.evaluate("document.documentElement.scrollWidth") == 360
