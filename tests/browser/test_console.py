"""The console in Chromium: every view, by mouse and by keyboard, and what is seen."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx2
import pytest
from playwright.async_api import Browser, Route, expect

from support.api import unique
from support.browser import Browsing
from support.console import HOSTILE, Console, new_service, rest, violations
from support.limits import WAIT_LIMIT
from support.server import RunningServer, StartSharedServer
from support.socket import native_socket

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_services_are_created_changed_and_deleted(
    server: RunningServer, browsing: Browsing
) -> None:
    console = await Console.open(browsing, server)
    await console.press("New service")
    await console.dialog.get_by_label("Name").fill("Board")
    await console.dialog.get_by_role("button", name="Create").click()
    await expect(console.heading("Board")).to_be_visible()

    sid = (await console.page.locator("code").first.inner_text()).strip()
    await console.page.get_by_role("link", name="Settings").click()
    await console.page.get_by_label("Check permissions").check()
    await console.page.get_by_label("Webhook URL").fill("https://example.com/hook")
    await console.press("Save")
    await console.expect_notice("Settings saved.")
    service = await rest(server, f"Services/{sid}", method="GET")
    assert service["acl_enabled"] is True
    assert service["webhook_url"] == "https://example.com/hook"
    await console.page.get_by_label("Webhook URL").fill("https://user:secret@example.com")
    await console.press("Save")
    await console.expect_notice("must not contain a user or a password")

    await console.press("Delete…")
    delete = console.dialog.get_by_role("button", name="Delete the service")
    await expect(delete).to_be_disabled()
    await console.dialog.get_by_role("textbox").fill("board")
    await expect(delete).to_be_disabled()
    await console.dialog.get_by_role("textbox").fill("Board")
    await delete.click()
    await console.expect_notice("The service was deleted.")
    await expect(console.heading("Services")).to_be_visible()
    log = server.log.read_text()
    for action in ("service created", "service updated", "service deleted"):
        assert action in log
    await browsing.forget_errors()  # the refused webhook


async def test_a_document_is_live_and_no_change_is_lost(
    server: RunningServer, browsing: Browsing
) -> None:
    sid = await new_service(server)
    console = await Console.open(browsing, server, address=f"#/services/{sid}/documents")
    await console.press("New document")
    await console.dialog.get_by_label("Unique name").fill("lobby")
    await console.dialog.get_by_label("Data").fill("{")
    await console.dialog.get_by_role("button", name="Create").click()
    await expect(console.dialog.get_by_role("alert")).to_contain_text("No JSON")
    await console.dialog.get_by_label("Data").fill('{"players": 1, "map": "north"}')
    await console.dialog.get_by_role("button", name="Create").click()
    await expect(console.heading("lobby")).to_be_visible()
    await expect(console.page.get_by_text("Live", exact=True)).to_be_visible()
    where = f"Services/{sid}/Documents/lobby"

    # 1. What somebody else changes lights up, and only that.
    await rest(server, where, {"Data": {"players": 2, "map": "north"}})
    await expect(console.page.locator(".json .changed")).to_have_text(re.compile('"players": 2,'))

    # 2. An edit.
    await console.press("Edit")
    await console.dialog.get_by_label("Mine").fill('{"players": 3}')
    await console.dialog.get_by_role("button", name="Save").click()
    await console.expect_notice("Saved.")
    assert (await rest(server, where, method="GET"))["data"] == {"players": 3}
    await expect(console.page.locator(".json")).to_contain_text('"players": 3')

    # 3. An edit that comes too late shows both.
    await console.press("Edit")
    await console.dialog.get_by_label("Mine").fill('{"mine": true}')
    await rest(server, where, {"Data": {"theirs": True}})
    await console.dialog.get_by_role("button", name="Save").click()
    await expect(console.dialog.get_by_label("Theirs", exact=True)).to_contain_text(
        '"theirs": true'
    )
    assert await console.dialog.get_by_label("Mine").input_value() == '{"mine": true}'
    assert (await rest(server, where, method="GET"))["data"] == {"theirs": True}
    await console.dialog.get_by_role("button", name="Save mine over theirs").click()
    await console.expect_notice("Saved.")
    assert (await rest(server, where, method="GET"))["data"] == {"mine": True}

    # 4. Its expiry.
    await console.press("Change…")
    await console.dialog.get_by_label("Expires after").fill("5000")
    await console.dialog.get_by_role("button", name="Change").click()
    await expect(console.page.locator(".countdown")).to_contain_text(re.compile(r"01:23:\d\d"))
    assert (await rest(server, where, method="GET"))["date_expires"] is not None

    # 5. Its permissions.
    await console.page.get_by_label("Identity").fill(HOSTILE)
    await console.press("Add")
    await console.page.get_by_label(f"{HOSTILE}: write").check()
    await console.expect_notice("Permission saved.")
    [permission] = (await rest(server, f"{where}/Permissions", method="GET"))["permissions"]
    assert (permission["identity"], permission["write"]) == (HOSTILE, True)
    await console.press(f"Remove {HOSTILE}")
    await console.expect_notice("Permission removed.")

    # 6. Its end, by somebody else.
    await rest(server, where, method="DELETE")
    await expect(console.page.get_by_text("The document is gone.")).to_be_visible()
    await browsing.forget_errors()  # the refused edit


async def test_items_and_messages_are_live(server: RunningServer, browsing: Browsing) -> None:
    sid = await new_service(server)
    map_ = (await rest(server, f"Services/{sid}/Maps", {"UniqueName": "board"}))["sid"]
    stream = (await rest(server, f"Services/{sid}/Streams", {"UniqueName": "cursors"}))["sid"]
    items = f"Services/{sid}/Maps/{map_}/Items"
    await rest(server, items, {"Key": "b", "Data": {"x": 1}})
    console = await Console.open(browsing, server, address=f"#/services/{sid}/maps/{map_}")
    keys = console.page.locator(".items h3")
    await expect(keys).to_have_text(["b"])
    await rest(server, items, {"Key": "c", "Data": {"x": 1}})
    await rest(server, items, {"Key": "a", "Data": {"x": 1}})
    await expect(keys).to_have_text(["a", "b", "c"])
    await rest(server, f"{items}/b", {"Data": {"x": 2}})
    await expect(console.page.locator(".json .changed")).to_have_text(re.compile('"x": 2'))
    await console.press("Edit b")
    await console.dialog.get_by_label("Mine").fill('{"x": 3}')
    await console.dialog.get_by_role("button", name="Save").click()
    await expect(console.page.get_by_label("Data of b")).to_contain_text('"x": 3')
    await console.press("Delete b")
    await console.dialog.get_by_role("button", name="Delete").click()
    await expect(keys).to_have_text(["a", "c"])
    # However many come, a page of them is shown.
    await asyncio.gather(
        *(rest(server, items, {"Key": f"d{n:03}", "Data": {"n": n}}) for n in range(103))
    )
    await expect(keys).to_have_count(100)
    await expect(keys.last).to_have_text("d097")
    await console.press("Show more")
    await expect(keys).to_have_count(105)

    await console.go(f"#/services/{sid}/streams/{stream}", "cursors")
    await expect(console.page.get_by_text("Live", exact=True)).to_be_visible()
    await console.page.get_by_label("New message").fill('{"from": "console"}')
    await console.press("Publish")
    await expect(console.page.locator(".items .json")).to_contain_text('"from": "console"')


async def test_a_list_of_many_is_searched_by_prefix(
    server: RunningServer, browsing: Browsing
) -> None:
    sid = await new_service(server)
    for number in range(60):
        await rest(server, f"Services/{sid}/Documents", {"UniqueName": f"room-{number:02}"})
    console = await Console.open(browsing, server, address=f"#/services/{sid}")
    rows = console.page.locator("tbody tr")
    await expect(rows).to_have_count(50)
    await console.press("Show more")
    await expect(rows).to_have_count(60)
    await console.page.get_by_label("Search").fill("room-3")
    await expect(rows).to_have_count(10)
    await console.page.get_by_label("Search").fill("nothing")
    await expect(console.page.get_by_text("Nothing has such a name")).to_be_visible()


async def test_who_is_connected_and_what_happens(server: RunningServer, browsing: Browsing) -> None:
    identity, name = unique("<b>ada"), unique()
    console = await Console.open(browsing, server, address="#/connections")
    async with native_socket(server, server.token(identity)) as socket:
        await socket.ok("open", document=name, mode="open_or_create")
        await console.page.get_by_label("Search").fill(identity)
        row = console.page.get_by_role("row").filter(has_text=identity)
        await expect(row).to_contain_text("native")
        await expect(row).to_contain_text("1 open")
        await expect(row).to_contain_text("keeps up")
        await console.go("#/events", "Events")
        await expect(console.page.get_by_text("Live", exact=True)).to_be_visible()
        await console.page.get_by_label("Filter").fill(name)
        shown = console.page.locator(".tail li:visible")
        await socket.ok("set", document=name, data={"n": 1})
        await expect(shown).to_have_count(1)
        await expect(shown).to_contain_text(identity)
        await console.press("Pause")
        await socket.ok("set", document=name, data={"n": 2})
        await expect(console.button("Go on (1)")).to_be_visible()
        await expect(shown).to_have_count(1)
        await console.press("Go on (1)")
        await expect(shown).to_have_count(2)
        await shown.first.locator("summary").click()
        await expect(shown.first).to_contain_text('"n": 2')

        await console.go("#/connections", "Connections")
        await console.page.get_by_label("Search").fill(identity)
        await console.press(f"Disconnect {identity}, native")
        await console.dialog.get_by_role("button", name="Disconnect").click()
        await console.expect_notice("Disconnected.")
        assert (await socket.closed())[1] == "closed by an operator"
    assert "connection closed" in server.log.read_text()


async def test_parked_webhooks_are_replayed_and_dropped(
    shared_server: StartSharedServer, browsing: Browsing
) -> None:
    server = await asyncio.to_thread(shared_server, "--webhook-retry-time=0")
    sid = await new_service(server)
    # Nobody may send webhooks to this machine, so they are parked.
    hook = {"WebhookUrl": "http://127.0.0.1:9/", "WebhooksFromRestEnabled": True}
    await rest(server, f"Services/{sid}", hook)
    for name in (HOSTILE, "second"):
        await rest(server, f"Services/{sid}/Documents", {"UniqueName": name})
    async with asyncio.timeout(WAIT_LIMIT):
        while True:
            parked = await rest(server, f"Services/{sid}/ParkedWebhooks", method="GET")
            if len(parked["parked_webhooks"]) == 2:
                break
    await rest(server, f"Services/{sid}", {"WebhookUrl": ""})
    console = await Console.open(browsing, server, address=f"#/services/{sid}/webhooks")
    entries = console.page.locator(".items > li")
    await expect(entries).to_have_count(2)
    await expect(entries.first).to_contain_text("document_created")
    await entries.first.get_by_text("What it says").click()
    await expect(entries.first).to_contain_text("onerror=alert(1)")
    await entries.first.get_by_role("button", name="Drop").click()
    await console.dialog.get_by_role("button", name="Drop").click()
    await console.expect_notice("The webhook was dropped.")
    await expect(entries).to_have_count(1)
    await rest(server, f"Services/{sid}", {"WebhookUrl": "http://127.0.0.1:9/"})
    await entries.first.get_by_role("button", name="Replay").click()
    await console.expect_notice("It is sent again.")
    await expect(console.page.get_by_text("No webhook is parked.")).to_be_visible()


async def test_health_shows_figures(server: RunningServer, browsing: Browsing) -> None:
    console = await Console.open(browsing, server, address="#/health")
    await expect(console.page.get_by_text("Ready: all parts work.")).to_be_visible()
    async with native_socket(server):
        connections = console.page.get_by_role("img", name=re.compile(r"^Connections: [1-9]"))
        await expect(connections).to_be_visible()
        requests = console.page.get_by_role("img", name=re.compile(r"^Requests: [\d.]+ per second"))
        await expect(requests).to_be_visible()


async def test_everything_can_be_done_by_keyboard(
    server: RunningServer, browsing: Browsing
) -> None:
    sid = await new_service(server)
    page = await browsing.open(f"{server.url}/console#/services/{sid}")
    console = Console(page)
    user, secret = server.basic

    async def tab_to(name: str) -> None:
        """Press Tab until the element with this text or label has the focus."""
        for _ in range(40):
            await page.keyboard.press("Tab")
            focused = await page.evaluate(
                "() => document.activeElement.matches('main, body') ? '' :"
                " [document.activeElement.ariaLabel, document.activeElement.textContent,"
                " document.activeElement.closest('label')?.textContent].join('|')"
            )
            if name in focused:
                outline = await page.evaluate(
                    "() => getComputedStyle(document.activeElement).outlineStyle"
                )
                assert outline == "solid", name
                return
        raise AssertionError(f"{name} cannot be reached")

    await tab_to("Account or key SID")
    await page.keyboard.type(user)
    await tab_to("Auth token")
    await page.keyboard.type(secret)
    await page.keyboard.press("Enter")
    await tab_to("New document")
    await page.keyboard.press("Enter")
    await expect(console.dialog.get_by_label("Unique name")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(console.button("New document")).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.type("typed")
    await page.keyboard.press("Enter")
    await expect(console.heading("typed")).to_be_visible()
    await tab_to("Edit")
    await page.keyboard.press("Enter")
    await page.keyboard.press("Escape")
    await expect(console.button("Edit")).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_wrong(
    server: RunningServer, chromium: Browser, scheme: Any
) -> None:
    sid = await new_service(server)
    document = (await rest(server, f"Services/{sid}/Documents", {"Data": {"a": ["b", 1]}}))["sid"]
    map_ = (await rest(server, f"Services/{sid}/Maps", {"UniqueName": "board"}))["sid"]
    await rest(server, f"Services/{sid}/Maps/{map_}/Items", {"Key": "k", "Data": {"a": 1}})
    await rest(server, f"Services/{sid}/Maps/{map_}/Permissions/ada", {"Read": True})
    context = await chromium.new_context(color_scheme=scheme, reduced_motion="reduce")
    try:
        page = await context.new_page()
        await page.goto(f"{server.url}/console")
        console = Console(page)
        found = await violations(page)
        await console.log_in(*server.basic)
        async with native_socket(server, server.token("ada")):
            for width in (1280, 390):
                await page.set_viewport_size({"width": width, "height": 844})
                for address, heading in (
                    ("#/services", "Services"),
                    ("#/connections", "Connections"),
                    ("#/events", "Events"),
                    ("#/keys", "API keys"),
                    ("#/health", "Health"),
                    (f"#/services/{sid}/documents", "tried"),
                    (f"#/services/{sid}/webhooks", "tried"),
                    (f"#/services/{sid}/settings", "tried"),
                    (f"#/services/{sid}/documents/{document}", "A document without a name"),
                    (f"#/services/{sid}/maps/{map_}", "board"),
                ):
                    await console.go(address, heading)
                    found += [f"{address} at {width}: {each}" for each in await violations(page)]
                    overflow = await page.evaluate("() => document.documentElement.scrollWidth")
                    assert overflow <= width, address
            await console.press("Edit k")
            found += await violations(page)
        assert found == []
    finally:
        await context.close()


async def test_a_tail_and_a_stream_end_with_the_view(
    server: RunningServer, browsing: Browsing
) -> None:
    console = await Console.open(browsing, server, address="#/events")
    await expect(console.page.get_by_text("Live", exact=True)).to_be_visible()
    listed = f"{server.url}/v1/Connections"
    await console.go("#/health", "Health")
    async with asyncio.timeout(WAIT_LIMIT), httpx2.AsyncClient(auth=server.basic) as http:
        while True:
            wires = [each["wire"] for each in (await http.get(listed)).json()["connections"]]
            if "tail" not in wires:
                break


async def test_servers_whose_connections_are_missing_are_named(
    server: RunningServer, browsing: Browsing
) -> None:
    async def leave_out(route: Route) -> None:
        listing = await (await route.fetch()).json()
        await route.fulfill(json=listing | {"silent_workers": [1], "silent_servers": [HOSTILE]})

    console = await Console.open(browsing, server)
    await console.page.route("**/v1/Connections?*", leave_out)
    await console.go("#/connections", "Connections")
    text = f"these did not answer: worker 1 of this server, {HOSTILE}."
    await expect(console.page.get_by_text(text)).to_be_visible()
