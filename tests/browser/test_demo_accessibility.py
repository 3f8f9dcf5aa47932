"""The demo page by the rules of axe, among them the contrast of all text."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from support.axe import find_violations
from support.browser import Browsing
from support.demo_board import DemoBoard, write_board
from support.server import RunningServer

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_axe_finds_nothing_in_any_state_of_the_page(
    server: RunningServer, browsing: Browsing
) -> None:
    write_board(server, {"One": "todo", "Two": "doing"})
    left, right = await DemoBoard.open_two(browsing, server)
    page = left.page
    # Without transitions no colour is on its way to another.
    await page.emulate_media(reduced_motion="reduce")
    found: list[str] = []

    async def check(state: str) -> None:
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            found.extend(f"{state}, {scheme}: {each}" for each in await find_violations(page))

    for name in ("Lagoon", "Meadow", "Sand", "Dusk"):
        await left.pane.press(name)
    await expect(right.pane.colour("accent")).to_have_value("#b18cff")
    await right.pane.find("json").locator("..").locator("summary").click()
    await check("online")
    await left.pane.switch_network()
    await left.pane.press("Meadow")
    await left.press("One", "Move to Doing")
    await expect(left.pane.waiting).to_have_text("2")
    await check("offline")
    await page.set_viewport_size({"width": 390, "height": 844})
    await check("phone")
    await page.set_viewport_size({"width": 1280, "height": 800})
    await left.pane.switch_network()
    await expect(left.pane.settlement).to_contain_text("In sync again.")
    await right.press("Two", "Edit")
    await expect(right.dialog).to_be_visible()
    await check("dialog")
    assert "\n".join(found) == ""
