"""The demo page, as a test uses it."""

from __future__ import annotations

import re
from typing import Self

from playwright.async_api import Locator, Page, expect

from .browser import Browsing
from .server import RunningServer

__all__ = ["DemoWindow"]


class DemoWindow:
    """One window with the demo.

    Attributes:
        page: Playwright's.
    """

    def __init__(self, page: Page) -> None:
        self.page = page

    @classmethod
    async def open(cls, browsing: Browsing, server: RunningServer, name: str | None = None) -> Self:
        """A new window, once its documents are open; `name` None leaves it the one it made up."""
        script = name and f"sessionStorage.setItem('syncline-demo-identity', '{name}');"
        window = cls(await browsing.open(f"{server.url}/demo", script))
        await window.expect_open()
        return window

    @property
    def connection(self) -> Locator:
        """The text that tells the state of the connection."""
        return self.page.locator("#connection")

    @property
    def count(self) -> Locator:
        """The number that is shared."""
        return self.page.locator("#count")

    @property
    def removed(self) -> Locator:
        """The text that tells that `user_prefs` is gone; empty while it is there."""
        return self.page.locator("#removed")

    @property
    def name(self) -> Locator:
        """The input of the name under which it writes."""
        return self.page.get_by_label("You are")

    @property
    def writer(self) -> Locator:
        """Who wrote last."""
        return self.page.locator("#writer")

    def colour(self, key: str) -> Locator:
        """The input of a colour: `background`, `surface`, `text` or `accent`."""
        return self.page.locator(f"input[name={key}]")

    async def press(self, label: str) -> None:
        """Press the button that is labelled so."""
        await self.page.get_by_role("button", name=label, exact=True).click()

    async def expect_open(self) -> None:
        """Wait until it is connected and shows the two documents."""
        await expect(self.connection).to_have_attribute("data-state", "connected")
        await expect(self.page.locator("#stage")).to_have_attribute("data-state", "open")
        await expect(self.count).to_have_text(re.compile(r"\d+"))

    async def revision(self) -> str:
        """Of `user_prefs`, as it is shown."""
        return await self.page.locator("#revision").inner_text()

    async def painted(self, key: str) -> str:
        """The colour that the picture of the app has for a key."""
        script = "(stage, key) => stage.style.getPropertyValue(`--${key}`)"
        return str(await self.page.locator("#stage").evaluate(script, key))
