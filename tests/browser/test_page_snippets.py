"""The pages and modules of the documentation that a browser loads run in Chromium."""

from __future__ import annotations

import asyncio
import re
import subprocess
from pathlib import Path

import pytest
from playwright.async_api import Route, WebSocket

from support.browser import Browsing
from support.limits import WAIT_LIMIT
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
        code = f'<script type="module">{code}</script>'
    if "fetchToken() {" not in code:
        code = f"<script>const fetchToken = async () => '{server.token()}';</script>{code}"
    answers = {"/token": server.token(), f"/{SCRIPT}": script.read_text()}

    async def answer(route: Route) -> None:
        path = route.request.url.removeprefix(server.url)
        await route.fulfill(body=answers[path], content_type="text/javascript")

    for path in answers:
        await browsing.context.route(server.url + path, answer)
    connected = asyncio.Event()

    def on_frame(_: bytes | str) -> None:
        connected.set()

    def on_socket(socket: WebSocket) -> None:
        socket.on("framereceived", on_frame)

    browsing.context.on("page", lambda page: page.on("websocket", on_socket))
    await browsing.open_blank(server, f"<!doctype html><meta charset=utf-8><body>{code}")
    await asyncio.wait_for(connected.wait(), WAIT_LIMIT)
