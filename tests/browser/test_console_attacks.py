"""The console in Chromium, attacked: by data, by pages of other origins, by sessions that stay."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from playwright.async_api import expect

from support.api import unique
from support.browser import Browsing
from support.console import HOSTILE, Console, new_service, rest
from support.server import RunningServer
from support.socket import native_socket

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_login_stays_in_the_page_and_nowhere_else(
    server: RunningServer, browsing: Browsing
) -> None:
    console = Console(await browsing.open(f"{server.url}/console#/keys"))
    account, secret = server.basic
    await console.log_in(account, "wrong")
    await expect(console.page.get_by_role("alert")).to_contain_text("secret is wrong")
    await console.log_in(account, secret)
    await expect(console.heading("API keys")).to_be_visible()

    kept = await console.page.evaluate(
        "() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])"
    )
    assert kept == '[{},{},""]'
    assert await browsing.context.cookies() == []
    await console.page.reload()
    await expect(console.heading("Log in")).to_be_visible()
    await console.log_in(account, secret)
    await console.press("Log out")
    await expect(console.heading("Log in")).to_be_visible()
    await browsing.forget_errors()  # the refused login


async def test_keys_and_what_a_key_may_not(server: RunningServer, browsing: Browsing) -> None:
    name = unique("key")
    console = await Console.open(browsing, server, address="#/keys")
    await console.press("New key")
    await console.dialog.get_by_label("Name").fill(name)
    await console.dialog.get_by_role("button", name="Create").click()
    shown = console.page.get_by_role("dialog", name="The new key")
    secret = await shown.get_by_label("Secret").input_value()
    key = await shown.get_by_label("SID").input_value()
    await shown.get_by_role("button", name="Done").click()
    await expect(console.page.locator("dialog")).to_have_count(0)
    assert secret not in await console.page.content()

    other = await Console.open(browsing, server, (key, secret), "#/keys")
    await expect(other.page.get_by_text("Only the account itself manages keys")).to_be_visible()
    await other.go("#/services", "Services")
    await expect(other.page.get_by_role("link", name="default")).to_be_visible()

    await console.press(f"Revoke {name}")
    await console.dialog.get_by_role("textbox").fill(name)
    await console.dialog.get_by_role("button", name="Revoke").click()
    await console.expect_notice("The key was revoked.")
    await other.go("#/health")
    await expect(other.heading("Log in")).to_be_visible()
    await browsing.forget_errors()  # the request with the revoked key


async def test_names_identities_and_data_are_text(
    server: RunningServer, browsing: Browsing
) -> None:
    sid = await new_service(server, HOSTILE)
    document = await rest(
        server,
        f"Services/{sid}/Documents",
        {"UniqueName": HOSTILE, "Data": {HOSTILE: [HOSTILE], "__proto__": {"a": 1}}},
    )
    map_ = (await rest(server, f"Services/{sid}/Maps", {"UniqueName": HOSTILE}))["sid"]
    await rest(
        server, f"Services/{sid}/Maps/{map_}/Items", {"Key": HOSTILE, "Data": {"a": HOSTILE}}
    )
    stream = (await rest(server, f"Services/{sid}/Streams", {"UniqueName": HOSTILE}))["sid"]
    permission = f"Services/{sid}/Maps/{map_}/Permissions/{quote(HOSTILE, safe='')}"
    await rest(server, permission, {"Read": True})
    await rest(server, "Keys", {"FriendlyName": HOSTILE})
    console = await Console.open(browsing, server)
    main = console.page.locator("main")
    await console.page.evaluate("() => { window.alert = () => { throw new Error('ran'); } }")
    async with native_socket(server, server.token(HOSTILE)):
        for address, heading in (
            ("#/connections", "Connections"),
            (f"#/services/{sid}/documents", HOSTILE),
            (f"#/services/{sid}/documents/{document['sid']}", HOSTILE),
            (f"#/services/{sid}/maps/{map_}", HOSTILE),
            (f"#/services/{sid}/settings", HOSTILE),
            ("#/services", "Services"),
            ("#/keys", "API keys"),
        ):
            await console.go(address, heading)
            await expect(main).to_contain_text("onerror=alert(1)")
            assert await main.locator("img").count() == 0
    message = f"Services/{sid}/Streams/{stream}/Messages"
    for address, heading in (
        (f"#/services/{sid}/streams/{stream}", HOSTILE),
        ("#/events", "Events"),
    ):
        await console.go(address, heading)
        await expect(main.get_by_text("Live", exact=True)).to_be_visible()
        await rest(server, message, {"Data": {HOSTILE: f"</script>{HOSTILE}"}})
        if heading == "Events":
            await main.locator("summary").first.click()
        await expect(main.locator(".json").first).to_contain_text("</script>")
        assert await main.locator("img, script").count() == 0
    for address in ("#/%E0%A4%A", "#/__proto__", "#/constructor/x", "#/services/x/__proto__/y"):
        await console.go(address)
        await expect(console.page.locator("main")).not_to_be_empty()
    await browsing.forget_errors()  # objects that do not exist


async def test_a_name_cannot_look_like_another(server: RunningServer, browsing: Browsing) -> None:
    sid = await new_service(server, "main\u202e\u200b\nx")
    where = f"Services/{sid}/Documents"
    document = await rest(server, where, {"UniqueName": "a\u2066b", "Data": {"c\u202e": "\u200b"}})
    address = f"#/services/{sid}/documents"
    console = await Console.open(browsing, server, address=address)
    main = console.page.locator("main")
    await expect(main.get_by_role("heading", level=1)).to_contain_text("main\\u202e\\u200b")
    await expect(main.get_by_role("link", name="a\\u2066b")).to_be_visible()
    await console.go(f"{address}/{document['sid']}", "a\\u2066b")
    await expect(main.locator(".json")).to_contain_text('"c\\u202e": "\\u200b"')
    # A name that nobody can type does not keep its service.
    await console.go(f"#/services/{sid}/settings")
    await console.press("Delete…")
    await console.dialog.get_by_role("textbox").fill(sid)
    await console.dialog.get_by_role("button", name="Delete the service").click()
    await console.expect_notice("The service was deleted.")


async def test_an_edit_says_that_it_would_round(server: RunningServer, browsing: Browsing) -> None:
    sid = await new_service(server)
    for name, number in (("small", 2**53 - 1), ("large", 2**53 + 2)):
        document = await rest(
            server, f"Services/{sid}/Documents", {"UniqueName": name, "Data": {"a": [number]}}
        )
        address = f"#/services/{sid}/documents/{document['sid']}"
        if name == "small":
            console = await Console.open(browsing, server, address=address)
        await console.go(address, name)
        await console.press("Edit")
        warnings = console.dialog.get_by_text("integers beyond 2^53")
        await expect(warnings).to_have_count(int(name == "large"))
        await console.dialog.get_by_role("button", name="Cancel").click()


async def test_a_session_ends(server: RunningServer, browsing: Browsing) -> None:
    sid = await new_service(server)
    address = f"#/services/{sid}/documents"
    page = await browsing.context.new_page()
    await page.clock.install()
    await page.goto(f"{server.url}/console{address}")
    console = Console(page)
    await console.log_in(*server.basic)
    # 1. After twelve hours, with what is open.
    await console.press("New document")
    await expect(console.dialog).to_be_visible()
    await page.clock.fast_forward("11:59:00")
    await expect(console.dialog).to_be_visible()
    await page.clock.fast_forward("01:10")
    await expect(console.heading("Log in")).to_be_visible()
    await expect(console.dialog).to_have_count(0)
    await console.log_in(*server.basic)
    await expect(console.heading("tried")).to_be_visible()
    # 2. With the page: the browser may show it again as it was.
    await page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
    await expect(console.heading("Log in")).to_be_visible()
    await page.close()


async def test_a_page_of_another_origin_gets_nothing(
    server: RunningServer, browsing: Browsing
) -> None:
    """Neither by a frame, nor by a form or a script that a logged-in window would help."""
    console = await Console.open(browsing, server)
    foreign = await browsing.context.new_page()
    await foreign.goto(server.url.replace("127.0.0.1", "localhost") + "/healthz")
    status = await foreign.evaluate(
        """async (url) => {
          const send = (method) => fetch(`${url}/v1/Services`, { method, credentials: "include" });
          const replies = await Promise.allSettled([send("GET"), send("POST")]);
          return replies.map((each) => each.status === "fulfilled" ? each.value.status : 0);
        }""",
        server.url,
    )
    assert all(each in (0, 401) for each in status)
    before = len((await rest(server, "Services?PageSize=100", method="GET"))["services"])
    await foreign.set_content(
        f'<iframe src="{server.url}/console"></iframe>'
        f'<form method="post" action="{server.url}/v1/Services"><button>Go</button></form>'
    )
    await foreign.get_by_role("button", name="Go").click()
    await expect(foreign.locator("body")).to_contain_text("20003")
    after = len((await rest(server, "Services?PageSize=100", method="GET"))["services"])
    assert after == before
    await console.page.close()
    await browsing.forget_errors()
