"""The API page in a browser: nothing comes from elsewhere, and an operation can be tried."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from support.browser import Browsing
from support.server import RunningServer

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_an_operation_can_be_tried(server: RunningServer, browsing: Browsing) -> None:
    page = await browsing.context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(f"{server.url}/docs")
    await page.get_by_role("button", name="Authorize").click()
    account, secret = server.basic
    await page.get_by_label("auth-basic-username").fill(account)
    await page.get_by_label("auth-basic-password").fill(secret)
    await page.get_by_label("Apply credentials").first.click()
    await page.get_by_role("button", name="Close").first.click()

    await page.locator("#operations-tag-Health").click()
    operation = page.locator("#operations-Health-Readyz")
    await operation.get_by_label("get /readyz").click()
    await operation.get_by_role("button", name="Try it out").click()
    await operation.get_by_role("button", name="Execute").click()

    await expect(operation.get_by_text('"status"').first).to_be_visible()
    assert {url for url in asked if not url.startswith((server.url, "data:"))} == set()


async def test_the_filter_uses_the_width_of_a_phone(
    server: RunningServer, browsing: Browsing
) -> None:
    page = await browsing.context.new_page()
    await page.set_viewport_size({"width": 360, "height": 740})
    await page.goto(f"{server.url}/docs")
    field = page.get_by_placeholder("Filter by tag")
    await expect(field).to_be_visible()
    box = await field.bounding_box()
    assert box is not None and box["width"] > 300
    assert box["x"] >= 0 and box["x"] + box["width"] <= 360
