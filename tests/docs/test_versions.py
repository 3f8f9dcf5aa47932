"""The list of the site's versions, and the switch that offers them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.async_api import Route, expect

from support.browser import Browsing
from support.browser_fixtures import browsing, chromium, chromium_path
from support.snippets import ROOT

__all__ = ["browsing", "chromium", "chromium_path"]

SITE = "https://docs.example.com/syncline"
SWITCH = (ROOT / "docs/templates/sidebar/versions.html").read_text()
SCRIPT = (ROOT / "docs/static/versions.js").read_text()


def test_versions_are_listed_newest_first(tmp_path: Path) -> None:
    for name in ("0.9.0", "0.10.0", "1.0.0rc1", "0.10.1", "latest"):
        (tmp_path / name).mkdir()
    script = ROOT / "scripts/list-docs-versions"
    subprocess.run([sys.executable, script, tmp_path], check=True)

    listed = json.loads((tmp_path / "versions.json").read_text())
    assert listed == ["1.0.0rc1", "0.10.1", "0.10.0", "0.9.0"]
    # A candidate is not what the site shows first.
    assert 'url=0.10.1/"' in (tmp_path / "index.html").read_text()


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize(
    ("shown", "leads_to"),
    [("guide/maps.html#items", "guide/maps.html#items"), ("guide/new.html", "")],
)
async def test_the_switch_leads_to_the_same_page_of_another_version(
    shown: str, leads_to: str, browsing: Browsing
) -> None:
    page_file = (
        f'<!doctype html><html data-content_root="../"><link rel="icon" href="data:,">'
        f'{SWITCH.replace("{{ version }}", "0.2.0")}<script type="module">{SCRIPT}</script></html>'
    )

    async def answer(route: Route) -> None:
        path = route.request.url.removeprefix(SITE)
        if path == "/versions.json":
            await route.fulfill(json=["0.2.0", "0.1.0"])
        elif path == "/0.1.0/guide/new.html":
            await route.fulfill(status=404)
        else:
            await route.fulfill(body=page_file, content_type="text/html")

    await browsing.context.route(f"{SITE}/**", answer)
    page = await browsing.open(f"{SITE}/0.2.0/{shown}")
    switch = page.get_by_label("Version")
    await expect(switch.locator("option")).to_have_text(["0.2.0", "0.1.0"])
    await expect(switch).to_have_value("0.2.0")
    await switch.select_option("0.1.0")
    await page.wait_for_url(f"{SITE}/0.1.0/{leads_to}")
    await browsing.forget_errors()  # of the page that the other version does not have
