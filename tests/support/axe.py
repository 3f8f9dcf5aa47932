"""Accessibility checks of a page, by axe."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from playwright.async_api import Page

__all__ = ["find_violations"]

SOURCE = Path(__file__).parents[2] / "node_modules/axe-core/axe.min.js"

RUN = """
    async () => {
      const { violations } = await axe.run();
      return violations.flatMap(({ id, nodes }) =>
        nodes.map(({ target, failureSummary }) => `${id}: ${target}: ${failureSummary}`));
    }
"""


async def find_violations(page: Page) -> list[str]:
    """What axe finds on a page: the rule, the element, and what is wrong."""
    # Evaluated by the debugger: the policy of the page allows no script from elsewhere.
    await page.evaluate(_source())
    return list(await page.evaluate(RUN))


@cache
def _source() -> str:
    return SOURCE.read_text()
