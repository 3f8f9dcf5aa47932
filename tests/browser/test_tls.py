"""Pages over TLS, and what they never reveal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Request, WebSocket, expect

from support.api import unique
from support.browser import Browsing
from support.demo import DemoPane, open_panes
from support.server import RunningServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

SDK = Path(__file__).parents[2] / "node_modules/twilio-sync/builds/twilio-sync.min.js"


@pytest_asyncio.fixture(loop_scope="session")
async def browsing(chromium: Browser) -> AsyncIterator[Browsing]:
    """As everywhere, but with no question of who vouches for the server."""
    context = await chromium.new_context(ignore_https_errors=True)
    browsing = Browsing(context)
    yield browsing
    await context.close()
    assert browsing.errors == []


async def test_demo_runs_under_its_policy(secure_server: RunningServer, browsing: Browsing) -> None:
    first, second = await open_panes(browsing, secure_server)
    await expect(first.connection).to_have_text("Connected · WebSocket")
    await first.colour("accent").fill("#123456")
    await expect(second.colour("accent")).to_have_value("#123456")
    assert await first.page.evaluate("isSecureContext")


@pytest.mark.parametrize("script", ["", "delete globalThis.WebSocket;"])
async def test_no_token_stands_in_any_url(
    secure_server: RunningServer, browsing: Browsing, script: str
) -> None:
    urls: list[str] = []
    tokens: list[str] = []

    def note_request(request: Request) -> None:
        urls.append(request.url)

    def note_socket(socket: WebSocket) -> None:
        urls.append(socket.url)

    await browsing.context.add_init_script(script)
    page = await browsing.context.new_page()
    page.on("request", note_request)
    page.on("websocket", note_socket)
    async with page.expect_response("**/demo/token*") as answering:
        await page.goto(f"{secure_server.url}/demo")
    tokens.append((await (await answering.value).json())["token"])
    await DemoPane(page).expect_open()
    assert any("/Events" in url or url.startswith("wss:") for url in urls), urls
    assert [url for url in urls for token in tokens if token.rpartition(".")[2] in url] == []


async def test_client_module_is_loaded_by_pages_of_other_origins(
    server: RunningServer, secure_server: RunningServer, browsing: Browsing
) -> None:
    page = await browsing.open_blank(server)
    name = unique()
    data = await page.evaluate(
        """async ([url, token, name]) => {
          const { SyncClient } = await import(`${url}/syncline.js`);
          const client = new SyncClient(token, { url });
          const document = await client.document({ id: name, data: { n: 1 } });
          await document.increment("/n");
          return document.data;
        }""",
        [secure_server.url, secure_server.token(), name],
    )
    assert data == {"n": 2}


async def test_sdk_of_the_vendor_connects(secure_server: RunningServer, browsing: Browsing) -> None:
    page = await browsing.open_blank(secure_server)
    await page.add_script_tag(path=SDK)
    data = await page.evaluate(
        """async ([url, token, name]) => {
          const twilsock = { uri: `${url.replace("http", "ws")}/v3/wsconnect` };
          const client = new Twilio.Sync.Client(token, { cdsUri: url, twilsock });
          const document = await client.document(name);
          await document.set({ n: 1 });
          return document.data;
        }""",
        [secure_server.url, secure_server.token(), unique()],
    )
    assert data == {"n": 1}
