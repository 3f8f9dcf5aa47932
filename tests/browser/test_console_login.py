"""Logins to the console by an OpenID provider, in Chromium."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest
from playwright.async_api import expect

from support.browser import Browsing
from support.console import Console, violations
from support.provider_login import LoginProvider
from support.server import RunningServer

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture(scope="module")
def provider() -> Iterator[LoginProvider]:
    with LoginProvider() as provider:
        yield provider


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, provider: LoginProvider
) -> Iterator[RunningServer]:
    """One whose operators log in by the provider."""
    data_dir = tmp_path_factory.mktemp("console") / "data"
    with RunningServer(data_dir, *provider.console_options) as running:
        provider.redirect_uris = [f"{running.url}/console"]
        yield running


def button(provider: LoginProvider) -> str:
    """The name of the button that leads to the provider."""
    return f"Log in with {provider.issuer.removeprefix('http://')}"


async def test_an_administrator_logs_in_and_out(
    server: RunningServer, provider: LoginProvider, browsing: Browsing
) -> None:
    provider.person = {"sub": "u-1", "groups": ["operators"], "name": "<img src=x>"}
    console = Console(await browsing.open(f"{server.url}/console#/keys"))
    page = console.page
    await expect(console.button(button(provider))).to_be_visible()
    assert await violations(page) == []
    await console.press(button(provider))
    # It comes back to the view that was asked for; the code is in no address.
    await expect(console.heading("API keys")).to_be_visible()
    assert page.url == f"{server.url}/console#/keys"
    await expect(page.locator("#session .who")).to_have_text("u-1")
    await expect(console.button("New key")).to_be_visible()
    kept = await page.evaluate("() => [localStorage.length, sessionStorage.length]")
    assert kept == [0, 0]
    assert [each["name"] for each in await browsing.context.cookies()] == []

    await console.go("#/services", "Services")
    await console.press("New service")
    await console.dialog.get_by_role("button", name="Create").click()
    await console.expect_notice("Service created.")
    log = server.log.read_text()
    [line] = [each for each in log.splitlines() if "audit: service created" in each]
    assert "via=console person=u-1" in line

    # The end of the session, which its requests show.
    async with page.expect_response(
        lambda reply: reply.request.method == "DELETE" and reply.url.endswith("/console/login")
    ) as ended:
        await console.press("Log out")
    reply = await ended.value
    assert reply.status == 204
    await expect(console.heading("Log in")).to_be_visible()
    used = (await reply.request.all_headers())["authorization"]
    services = f"{server.url}/v1/Services"
    assert httpx2.get(services, headers={"Authorization": used}).status_code == 401


async def test_who_is_refused_sees_why(
    server: RunningServer, provider: LoginProvider, browsing: Browsing
) -> None:
    provider.person = {"sub": "u-2"}
    console = Console(await browsing.open(f"{server.url}/console"))
    alert = console.page.get_by_role("alert")
    await console.press(button(provider))
    await expect(alert).to_contain_text("u-2 is no administrator of this server")
    provider.refuses = "access_denied"
    await console.press(button(provider))
    await expect(alert).to_contain_text("refused the login: access_denied")
    provider.refuses = None
    # The other login still works.
    await console.log_in(*server.basic)
    await expect(console.heading("Services")).to_be_visible()
    await browsing.forget_errors()  # the refused login


async def test_a_login_that_somebody_else_began_is_refused(
    server: RunningServer, provider: LoginProvider, browsing: Browsing
) -> None:
    """A link of an attacker must not log its reader in as the attacker."""
    provider.person = {"sub": "attacker", "groups": ["operators"]}
    query = {"nonce": "n" * 32, "code_challenge": "c", "redirect_uri": f"{server.url}/console"}
    code = provider.code(query)
    page = await browsing.open(f"{server.url}/console?code={code}&state=x&iss={provider.issuer}")
    await expect(page.get_by_role("alert")).to_contain_text("not begun in this window")
    assert page.url == f"{server.url}/console"
    # Nor with a login that waits here, and another state.
    pending = {"state": "mine", "nonce": "n", "verifier": "v", "at": 0, "issuer": provider.issuer}
    for state, at in (("theirs", "Date.now()"), ("mine", "0")):
        await page.evaluate(
            f"(it) => sessionStorage.setItem('syncline.login', "
            f"JSON.stringify({{ ...it, at: {at} }}))",
            pending,
        )
        await page.goto(f"{server.url}/console?code={code}&state={state}")
        await expect(page.get_by_role("alert")).to_contain_text("not begun in this window")
    assert "attacker" not in server.log.read_text()
