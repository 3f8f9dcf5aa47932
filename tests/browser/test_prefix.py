"""All pages in Chromium behind a proxy that serves the server under a path, which it removes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import expect

from support.browser import Browsing
from support.console import Console, new_service, rest
from support.demo import open_panes
from support.provider_login import LoginProvider
from support.proxy import Proxy
from support.server import RunningServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

PREFIX = "/apps/sync"


@dataclass
class Site:
    """A server, and the proxy through which browsers reach it."""

    server: RunningServer
    proxy: Proxy

    @property
    def url(self) -> str:
        return self.proxy.url

    def paths(self) -> list[str]:
        """The paths of all requests so far."""
        return [head.split(" ", 2)[1] for head in self.proxy.heads]


@pytest.fixture(scope="module")
def provider() -> Iterator[LoginProvider]:
    with LoginProvider() as provider:
        yield provider


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def site(
    tmp_path_factory: pytest.TempPathFactory, provider: LoginProvider
) -> AsyncIterator[Site]:
    data_dir = tmp_path_factory.mktemp("prefix") / "data"
    async with Proxy(None, PREFIX, keeps_alive=False) as proxy:
        options = ("--demo", f"--public-url={proxy.url}/", *provider.console_options)
        server = await asyncio.to_thread(RunningServer, data_dir, *options)
        with server:
            proxy.aim(server.port)
            provider.redirect_uris = [f"{proxy.url}/console"]
            yield Site(server, proxy)


@pytest.fixture(autouse=True)
def all_requests_are_under_the_prefix(site: Site) -> Iterator[None]:
    yield
    paths = site.paths()
    assert [each for each in paths if not each.startswith(f"{PREFIX}/")] == []


async def test_the_start_page_leads_to_every_other_page(site: Site, browsing: Browsing) -> None:
    page = await browsing.open(f"{site.url}/")
    links = await page.get_by_role("link").evaluate_all("(all) => all.map((each) => each.href)")
    assert {urlsplit(each).path for each in links} == {
        f"{PREFIX}/{each}"
        for each in ("console", "demo", "docs", "openapi.json", "syncline.js", "readyz")
    }
    await page.get_by_role("link", name="Console").click()
    await expect(page.get_by_label("Account or key SID")).to_be_visible()
    await page.locator(".brand").click()
    assert page.url == f"{site.url}/"


@pytest.mark.parametrize("path", ["/none", "/deep/er/none", "/a//b/", "/a%2Fb"])
async def test_a_page_for_what_does_not_exist_leads_back(
    site: Site, browsing: Browsing, path: str
) -> None:
    page = await browsing.open(f"{site.url}{path}")
    brand = page.locator(".brand img")
    assert await brand.evaluate("(image) => image.complete && image.naturalWidth > 0")
    await page.get_by_role("link", name="What this server offers").click()
    assert page.url == f"{site.url}/"
    await expect(page.get_by_text("Ready", exact=True)).to_be_visible()
    await browsing.forget_errors()  # the status 404


async def test_the_api_page_tries_an_operation(site: Site, browsing: Browsing) -> None:
    page = await browsing.open(f"{site.url}/docs")
    await page.locator("#operations-tag-Health").click()
    operation = page.locator("#operations-Health-Readyz")
    await operation.get_by_label("get /readyz").click()
    await operation.get_by_role("button", name="Try it out").click()
    await operation.get_by_role("button", name="Execute").click()
    await expect(operation.get_by_text('"status"').first).to_be_visible()
    assert f"{PREFIX}/readyz" in site.paths()


@pytest.mark.parametrize("slash", ["", "/"])
async def test_the_console_is_used_from_login_to_logout(
    site: Site, browsing: Browsing, slash: str
) -> None:
    server = site.server
    sid = await new_service(server)
    for number in range(51):
        await rest(server, f"Services/{sid}/Maps", {"UniqueName": f"map {number}"})
    where = f"Services/{sid}/Documents"
    document = (await rest(server, where, {"UniqueName": "lobby", "Data": {"n": 1}}))["sid"]

    console = Console(await browsing.open(f"{site.url}/console{slash}"))
    await console.log_in(*server.basic)
    await console.go(f"#/services/{sid}/documents/{document}", "lobby")
    await expect(console.page.get_by_text("Live", exact=True)).to_be_visible()
    await rest(server, f"{where}/lobby", {"Data": {"n": 2}})
    await expect(console.page.locator(".json .changed")).to_have_text(re.compile('"n": 2'))

    # The next page, whose address a reply gives.
    await console.go(f"#/services/{sid}/maps")
    rows = console.page.get_by_role("row")
    shown = await rows.count()
    await console.press("Show more")
    await expect(rows).not_to_have_count(shown)
    for address, heading in (("#/connections", "Connections"), ("#/keys", "API keys")):
        await console.go(address, heading)
    await console.press("Log out")
    await expect(console.heading("Log in")).to_be_visible()


async def test_an_administrator_comes_back_from_the_provider(
    site: Site, provider: LoginProvider, browsing: Browsing
) -> None:
    console = Console(await browsing.open(f"{site.url}/console#/keys"))
    await console.press(f"Log in with {provider.issuer.removeprefix('http://')}")
    await expect(console.heading("API keys")).to_be_visible()
    assert console.page.url == f"{site.url}/console#/keys"
    assert await browsing.context.cookies() == []
    async with console.page.expect_response(
        lambda reply: reply.request.method == "DELETE" and reply.status == 204
    ):
        await console.press("Log out")
    await expect(console.heading("Log in")).to_be_visible()


async def test_the_demo_is_in_sync_and_shows_its_own_address(
    site: Site, browsing: Browsing
) -> None:
    left, right = await open_panes(browsing, site.proxy)
    await left.colour("accent").fill("#123456")
    await expect(right.colour("accent")).to_have_value("#123456")
    assert f"{PREFIX}/v1/ws" in {each.split("?")[0] for each in site.paths()}
    await expect(left.page.locator("#command-doc")).to_contain_text(f"--url {site.url}")
    await expect(left.page.locator("#token-address")).to_contain_text(f"{site.url}/demo/token")
    await expect(left.page.locator("#module")).to_have_text(f"{PREFIX}/syncline.js")
    async with browsing.context.expect_page() as opened:
        await left.page.locator("#another").click()
    another = await opened.value
    await another.wait_for_load_state()
    assert another.url == f"{site.url}/demo"
