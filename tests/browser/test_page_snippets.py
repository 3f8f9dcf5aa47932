"""The pages and modules of the documentation that a browser loads run in Chromium."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from playwright.async_api import Route

from support.browser import Browsing
from support.server import RunningServer
from support.snippets import ROOT, Snippet, select

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOSTS = re.compile(r"http://127\.0\.0\.1:8040|https://sync\.example\.com")
APPLICATION = "https://app.example.com"
SCRIPT = "static/syncline.global.js"


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole client in one file, as `make build-npm` makes it."""
    built = tmp_path_factory.mktemp("built")
    subprocess.run(["node", ROOT / "clients/js/build.js", built], check=True, capture_output=True)
    return built / "dist/syncline.global.js"


@pytest.mark.parametrize("snippet", select("browser"), ids=str)
async def test_a_page_connects_without_an_error(
    snippet: Snippet, browsing: Browsing, server: RunningServer, script: Path
) -> None:
    code = HOSTS.sub(server.url, snippet.code).replace(APPLICATION, server.url)
    if snippet.language == "js":
        code = f'<script type="module">{code}\nwindow.client = client;</script>'
    code = f"<!doctype html><meta charset=utf-8><body>{code}"
    # The application's own pages and replies, from the origin of the server.
    answers = {"/": code, "/token": server.token(), f"/{SCRIPT}": script.read_text()}

    async def answer(route: Route) -> None:
        path = route.request.url.removeprefix(server.url)
        await route.fulfill(body=answers[path], content_type=_type_of(path))

    for path in answers:
        await browsing.context.route(server.url + path, answer)
    await browsing.context.route("**/favicon.ico", lambda route: route.fulfill(body=""))
    page = await browsing.context.new_page()
    async with page.expect_websocket() as connecting:
        await page.goto(server.url)
        await page.evaluate("window.client ??= typeof client === 'undefined' ? null : client")
    await (await connecting.value).wait_for_event("framereceived")


def _type_of(path: str) -> str:
    return {"/": "text/html", "/token": "text/plain"}.get(path, "text/javascript")
