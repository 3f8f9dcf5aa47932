"""Page object of the demo."""

from __future__ import annotations

import json
import re
from typing import Self

from playwright.async_api import Locator, Page, expect

from .browser import Browsing
from .proxy import Proxy
from .server import RunningServer

__all__ = ["DemoPane", "open_panes"]


async def open_panes(
    browsing: Browsing,
    server: RunningServer | Proxy,
    names: tuple[str, str] = ("Ada", "Ben"),
) -> tuple[DemoPane, DemoPane]:
    """Open a window, and wait for the documents of its two panes."""
    left = await DemoPane.open(browsing, server, *names)
    right = DemoPane(left.page, "right")
    await right.expect_open()
    return left, right


class DemoPane:
    """One of the two panes of a window with the demo.

    Attributes:
        page: the page of Playwright.
        root: the element of the pane.
    """

    def __init__(self, page: Page, side: str = "left") -> None:
        self.page = page
        self.root = page.locator(f"#{side}")
        self._side = side

    @classmethod
    async def open(
        cls,
        browsing: Browsing,
        server: RunningServer | Proxy,
        name: str | None = None,
        other: str | None = None,
    ) -> Self:
        """Open a window, wait for the documents of its left pane.

        `name` and `other` are the names of the panes; None keeps the generated name.
        """
        names = {side: each for side, each in (("left", name), ("right", other)) if each}
        script = "".join(
            f"sessionStorage.setItem('syncline-demo-{side}', {json.dumps(each)});"
            for side, each in names.items()
        )
        pane = cls(await browsing.open(f"{server.url}/demo", script or None))
        await pane.expect_open()
        return pane

    def find(self, name: str) -> Locator:
        """The element with this id in the template of a pane."""
        return self.page.locator(f"#{self._side}-{name}")

    @property
    def connection(self) -> Locator:
        """The text that shows the state of the connection."""
        return self.find("connection")

    @property
    def settlement(self) -> Locator:
        """The text that reports what became of the changes made offline."""
        return self.find("settlement")

    @property
    def waiting(self) -> Locator:
        """The number of changes that the server does not have yet."""
        return self.find("waiting")

    @property
    def newest_event(self) -> Locator:
        """The newest entry of the list of events."""
        return self.find("events").locator("li").first

    @property
    def count(self) -> Locator:
        """The shared number."""
        return self.find("count")

    @property
    def removed(self) -> Locator:
        """The text that reports the removal of `user_prefs`; empty while the document exists."""
        return self.find("removed")

    @property
    def name(self) -> Locator:
        """The input for the name of the writer."""
        return self.root.get_by_label("You are")

    @property
    def writer(self) -> Locator:
        """The name of the last writer."""
        return self.find("writer")

    def colour(self, key: str) -> Locator:
        """The input for a colour: `background`, `surface`, `text` or `accent`."""
        return self.find(key)

    async def press(self, label: str) -> None:
        """Press the button with this label."""
        await self.root.get_by_role("button", name=label, exact=True).click()

    async def switch_network(self) -> None:
        """Cut the network of the pane, or restore it."""
        await self.root.get_by_role("switch", name="Go offline").click()

    async def expect_open(self) -> None:
        """Wait until the pane is connected and shows its two documents."""
        await expect(self.connection).to_have_attribute("data-state", "connected")
        await expect(self.find("stage")).to_have_attribute("data-state", "open")
        await expect(self.count).to_have_text(re.compile(r"\d+"))

    async def revision(self) -> str:
        """The revision of `user_prefs` that the pane shows."""
        return await self.find("revision").inner_text()

    async def painted(self, key: str) -> str:
        """The colour of a key in the preview of the app."""
        script = "(stage, key) => stage.style.getPropertyValue(`--${key}`)"
        return str(await self.find("stage").evaluate(script, key))
