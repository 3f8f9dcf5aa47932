"""Page object of the demo."""

from __future__ import annotations

import re
from typing import Self

from playwright.async_api import Locator, Page, expect

from .browser import Browsing
from .proxy import Proxy
from .server import RunningServer

__all__ = ["DemoWindow"]


class DemoWindow:
    """One window with the demo.

    Attributes:
        page: the page of Playwright.
    """

    def __init__(self, page: Page) -> None:
        self.page = page

    @classmethod
    async def open(
        cls, browsing: Browsing, server: RunningServer | Proxy, name: str | None = None
    ) -> Self:
        """Open a window, wait for its documents; `name` None keeps the generated name."""
        script = name and f"sessionStorage.setItem('syncline-demo-identity', '{name}');"
        window = cls(await browsing.open(f"{server.url}/demo", script))
        await window.expect_open()
        return window

    @property
    def connection(self) -> Locator:
        """The text that shows the state of the connection."""
        return self.page.locator("#connection")

    @property
    def count(self) -> Locator:
        """The shared number."""
        return self.page.locator("#count")

    @property
    def removed(self) -> Locator:
        """The text that reports the removal of `user_prefs`; empty while the document exists."""
        return self.page.locator("#removed")

    @property
    def name(self) -> Locator:
        """The input for the name of the writer."""
        return self.page.get_by_label("You are")

    @property
    def writer(self) -> Locator:
        """The name of the last writer."""
        return self.page.locator("#writer")

    def colour(self, key: str) -> Locator:
        """The input for a colour: `background`, `surface`, `text` or `accent`."""
        return self.page.locator(f"input[name={key}]")

    async def press(self, label: str) -> None:
        """Press the button with this label."""
        await self.page.get_by_role("button", name=label, exact=True).click()

    async def expect_open(self) -> None:
        """Wait until the page is connected and shows its two documents."""
        await expect(self.connection).to_have_attribute("data-state", "connected")
        await expect(self.page.locator("#stage")).to_have_attribute("data-state", "open")
        await expect(self.count).to_have_text(re.compile(r"\d+"))

    async def revision(self) -> str:
        """The revision of `user_prefs` that the page shows."""
        return await self.page.locator("#revision").inner_text()

    async def painted(self, key: str) -> str:
        """The colour of a key in the preview of the app."""
        script = "(stage, key) => stage.style.getPropertyValue(`--${key}`)"
        return str(await self.page.locator("#stage").evaluate(script, key))
