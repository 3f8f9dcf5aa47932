"""The console in a window of a browser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Self

import httpx2
from playwright.async_api import Locator, Page, expect

from .browser import Browsing
from .server import RunningServer

__all__ = ["HOSTILE", "Console", "new_service", "rest", "violations"]

HOSTILE = "<img src=x onerror=alert(1)>\"'&${x}"
"""A name that would run code where a page took it for markup."""

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"


class Console:
    """One window.

    Attributes:
        page: its page, which is logged in after `open`.
    """

    def __init__(self, page: Page) -> None:
        self.page = page

    @classmethod
    async def open(
        cls,
        browsing: Browsing,
        server: RunningServer,
        login: tuple[str, str] | None = None,
        address: str = "",
    ) -> Self:
        """Open a window and log in, as the account if `login` is None."""
        self = cls(await browsing.open(f"{server.url}/console{address}"))
        await self.log_in(*(login or server.basic))
        await expect(self.page.get_by_role("navigation", name="Console")).to_be_visible()
        return self

    async def log_in(self, user: str, secret: str) -> None:
        """Fill the form in, and send it."""
        await self.page.get_by_label("Account or key SID").fill(user)
        await self.page.get_by_label("Auth token or secret").fill(secret)
        await self.press("Log in")

    async def go(self, address: str, heading: str | None = None) -> None:
        """Show the view with this address after `#`, and wait for its heading."""
        await self.page.evaluate("address => { location.hash = address }", address)
        if heading is not None:
            await expect(self.heading(heading)).to_be_visible()

    def heading(self, text: str) -> Locator:
        """The main heading with this text."""
        return self.page.get_by_role("heading", level=1, name=text, exact=True)

    def button(self, name: str) -> Locator:
        """A button."""
        return self.page.get_by_role("button", name=name, exact=True)

    async def press(self, name: str) -> None:
        """Press a button."""
        await self.button(name).click()

    async def expect_notice(self, text: str) -> None:
        """Wait for a message at the edge of the page."""
        await expect(self.page.locator("#notices").get_by_text(text).last).to_be_visible()

    @property
    def dialog(self) -> Locator:
        """The open dialog."""
        return self.page.get_by_role("dialog")


async def violations(page: Page) -> list[str]:
    """What axe finds wrong with the page as it is, a line for each rule and element."""
    if not await page.evaluate("() => 'axe' in window"):
        await page.evaluate(AXE.read_text())
    # Colours that are about to change would be measured on the way.
    await page.evaluate("() => Promise.all(document.getAnimations().map((each) => each.finished))")
    found: Any = await page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{each['id']}: {json.dumps(node['target'])} {node['failureSummary']}"
        for each in found["violations"]
        for node in each["nodes"]
    ]


async def rest(server: RunningServer, path: str, body: Any = None, method: str = "POST") -> Any:
    """The JSON of the reply to a request as the account; None without a body."""
    async with httpx2.AsyncClient(auth=server.basic) as http:
        reply = await http.request(method, f"{server.url}/v1/{path}", json=body)
    assert reply.status_code < 300, reply.text
    return reply.json() if reply.content else None


async def new_service(server: RunningServer, name: str = "tried") -> str:
    """The SID of a new service with this friendly name."""
    sid: str = (await rest(server, "Services", {"FriendlyName": name}))["sid"]
    return sid
