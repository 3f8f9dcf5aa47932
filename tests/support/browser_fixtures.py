"""Fixtures that start a browser, for the `conftest.py` of tests with pages.

Starting one takes a second: tests share it, and therefore one event loop.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from .browser import FLAGS, Browsing, find_chromium
from .limits import WAIT_LIMIT

__all__ = ["EXPECT_TIMEOUT", "browsing", "chromium", "chromium_path"]

EXPECT_TIMEOUT = WAIT_LIMIT * 1000
"""Milliseconds until a page that does not show what it should has failed."""


@pytest.fixture(scope="session")
def chromium_path() -> str:
    try:
        return find_chromium()
    except LookupError as error:
        pytest.fail(str(error), pytrace=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium(chromium_path: str) -> AsyncIterator[Browser]:
    expect.set_options(timeout=EXPECT_TIMEOUT)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path, args=FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def browsing(chromium: Browser) -> AsyncIterator[Browsing]:
    """A browser profile of the test's own, whose pages must log no error."""
    context = await chromium.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(EXPECT_TIMEOUT)
    browsing = Browsing(context)
    yield browsing
    await context.close()
    assert browsing.errors == [], browsing.errors  # pytest shows no values of a helper module
