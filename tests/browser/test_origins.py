"""Pages from elsewhere, on a server for the pages of one application."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.async_api import Browser

from support.account import Account
from support.browser import Browsing
from support.metrics import hits
from support.server import RunningServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

SOCKET = """
    (url) => new Promise((resolve) => {
      const socket = new WebSocket(url);
      socket.onopen = () => resolve("open");
      socket.onerror = () => resolve("refused");
    })
"""
FETCH = """
    async ([url, token]) => {
      const headers = { Authorization: `Bearer ${token}` };
      return (await fetch(url, { headers }).catch(() => ({ status: "refused" }))).status;
    }
"""


FORM = """
    (url) => {
      const form = document.createElement("form");
      const input = document.createElement("input");
      [form.method, form.action] = ["post", url];
      [input.name, input.value] = ["WebhookUrl", "https://evil.example/"];
      form.append(input);
      document.body.append(form);
      form.submit();
    }
"""


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server for pages of an origin that no page here has."""
    directory = tmp_path_factory.mktemp("narrow") / "data"
    with RunningServer(directory, "--cors-origins=https://app.example.com") as running:
        yield running


@pytest.mark.parametrize("path", ["/v1/ws", "/v3/wsconnect"])
async def test_a_page_from_elsewhere_opens_no_socket(
    server: RunningServer, narrow: RunningServer, browsing: Browsing, path: str
) -> None:
    url, before = narrow.url.replace("http", "ws", 1) + path, hits(narrow, "ws_origins")
    stranger = await browsing.open_blank(server)
    assert await stranger.evaluate(SOCKET, url) == "refused"
    assert hits(narrow, "ws_origins") == before + 1
    own = await browsing.open_blank(narrow)
    assert await own.evaluate(SOCKET, url) == "open"
    assert all("403" in error for error in browsing.errors), browsing.errors
    await browsing.forget_errors()


async def test_a_page_from_elsewhere_reads_nothing_even_with_a_token(
    server: RunningServer, narrow: RunningServer, browsing: Browsing
) -> None:
    call = [f"{narrow.url}/v1/Services/default/Documents", narrow.token()]
    stranger = await browsing.open_blank(server)
    assert await stranger.evaluate(FETCH, call) == "refused"
    own = await browsing.open_blank(narrow)
    assert await own.evaluate(FETCH, call) == 200
    assert browsing.errors and all(
        narrow.url in error or "ERR_FAILED" in error for error in browsing.errors
    )
    await browsing.forget_errors()


async def test_a_form_from_elsewhere_changes_nothing_with_a_login_that_was_typed(
    server: RunningServer, narrow: RunningServer, chromium: Browser
) -> None:
    for target, stranger in ((narrow, server), (server, narrow)):
        user, password = target.basic
        url = f"{target.url}/v1/Services/default"
        context = await chromium.new_context(
            http_credentials={"username": user, "password": password}
        )
        page = await context.new_page()
        typed = await page.goto(url)
        assert typed is not None and typed.status == 200
        await page.goto(f"{stranger.url}/healthz")
        async with page.expect_response(lambda reply: reply.request.method == "POST") as answering:
            await page.evaluate(FORM, url)
        reply = await answering.value
        assert "authorization" in await reply.request.all_headers()
        assert reply.status == 403
        await context.close()
        with Account(target) as account:
            assert account.ok("GET", "default")["webhook_url"] is None


async def test_what_is_for_this_machine_is_not_for_pages_that_it_shows(
    server: RunningServer, narrow: RunningServer, browsing: Browsing
) -> None:
    script = "(url) => fetch(url).then(({ status }) => status)"
    stranger, own = await browsing.open_blank(narrow), await browsing.open_blank(server)
    for path, status in (("/demo/token?identity=a", 403), ("/metrics", 401)):
        assert await stranger.evaluate(script, server.url + path) == status
        assert await own.evaluate(script, server.url + path) == 200
    assert all("403" in error or "401" in error for error in browsing.errors), browsing.errors
    await browsing.forget_errors()
