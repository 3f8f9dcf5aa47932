"""Chromium for tests, driven by Playwright."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable

from playwright.async_api import BrowserContext, ConsoleMessage, Page, WebError

from .server import RunningServer

__all__ = ["FLAGS", "MISSING", "Browsing", "find_chromium"]

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""Let root start Chromium, and keep it from contacting any host but the server."""

MISSING = "Chromium is missing; as root: apt-get install chromium"

_NAMES = (
    # First, because the same engine without a user interface needs a third less CPU time.
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)

_BLANK = '<!doctype html><title>blank</title><link rel="icon" href="data:,">'


def find_chromium() -> str:
    """The path of an installed Chromium or Chrome.

    Raises:
        LookupError: none is installed; its text is `MISSING`.
    """
    for name in _NAMES:
        path = shutil.which(name)
        # Run it: Ubuntu's chromium-browser may be a stub that only asks to install a snap.
        if path and subprocess.run([path, "--version"], capture_output=True).returncode == 0:
            return path
    raise LookupError(MISSING)


class Browsing:
    """The pages of one browser profile.

    Attributes:
        context: the browser context of Playwright.
        errors: errors that pages logged or did not catch; a test that expects some checks them, and
            ends with `forget_errors`.
    """

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.errors: list[str] = []
        context.on("console", self._on_console)
        context.on("weberror", self._on_error)

    async def open(self, url: str, script: str | None = None) -> Page:
        """Open a window at `url`; `script` runs before the scripts of the page."""
        page = await self.context.new_page()
        if script is not None:
            await page.add_init_script(script)
        await page.goto(url)
        return page

    async def open_blank(
        self, server: RunningServer, html: str = _BLANK, **functions: Callable[..., object]
    ) -> Page:
        """Open a window whose origin is the server.

        Args:
            html: content of the page; empty by default.
            functions: functions that the page can call, by name.
        """
        # Load a page of the server first: Chromium treats a page that Playwright makes up as
        # public, and public pages may not connect to this machine.
        page = await self.context.new_page()
        await page.route("**/favicon.ico", lambda route: route.fulfill(body=""))
        await page.goto(f"{server.url}/healthz")
        for name, function in functions.items():
            await page.expose_function(name, function)
        await page.set_content(html)
        return page

    async def forget_errors(self) -> None:
        """Close all windows, and expect their errors: an open one may log a further error."""
        await self.context.close()
        self.errors.clear()

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def _on_error(self, error: WebError) -> None:
        self.errors.append(str(error.error))
