"""The bindings for React, Vue and Svelte: the same page in each framework, built by Vite.

React runs in StrictMode, which mounts each component twice.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from support.account import Account
from support.bindings import BindingPage, Place, build_pages, check_programs, render
from support.browser_fixtures import EXPECT_TIMEOUT
from support.proxy import Proxy
from support.server import RunningServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

FRAMEWORKS = ["react", "vue", "svelte"]

CLIENTS = Path(__file__).parents[2] / "clients"

OFFLINE = "WebSocket connection to"
"""How what Chromium itself logs begins while it cannot reach the server."""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages, packed and installed, and the pages that Vite made with them."""
    directory = tmp_path_factory.mktemp("bindings")
    build_pages(directory)
    return directory


@pytest.fixture(scope="module")
def account(server: RunningServer) -> Iterator[Account]:
    with Account(server) as account:
        yield account


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=FRAMEWORKS)
async def app(
    request: pytest.FixtureRequest, pages: Path, server: RunningServer, chromium: Browser
) -> AsyncIterator[BindingPage]:
    """One page of a framework for all tests; nothing may log an error or a warning."""
    context = await chromium.new_context(viewport={"width": 1000, "height": 700})
    context.set_default_timeout(EXPECT_TIMEOUT)
    async with Proxy(server) as gateway:
        page = BindingPage(await context.new_page(), request.param, gateway, server)
        await page.load(pages)
        await page.start()
        yield page
        warnings = await page.read("warnings")
        await page.read("stop()")
        await context.close()
    assert page.errors == []
    assert warnings == []


def document(place: str, name: str | None, **options: Any) -> Place:
    return {"place": place, "kind": "document", "name": name, "options": options}


async def test_components_share_a_document_and_show_its_changes(app: BindingPage) -> None:
    name = app.fresh_name()
    data = {"n": 1, "part": {"deep": [1, 2]}}
    await app.show(document("one", name, data=data), document("two", name))
    for place in ("one", "two"):
        await app.expect_data(place, '{"n":1,"part":{"deep":[1,2]}}')
    assert await app.opened(name) == 1
    assert await app.read("statuses.one") == ["loading", "ready"]
    rendered = await app.read("renders['part:two']")
    await app.press("one", "Increment")
    for place in ("one", "two"):
        await app.expect_data(place, '{"n":2,"part":{"deep":[1,2]}}')
    # A part of the data that did not change is the same object, so nothing renders it again.
    assert await app.read("renders['part:two']") == rendered
    await expect(app.page.get_by_test_id("connection")).to_have_text("connected")


async def test_a_component_that_unmounts_while_it_opens_leaves_nothing_open(
    app: BindingPage,
) -> None:
    await app.show()
    names = [app.fresh_name() for _ in range(4)]
    await app.read("unsubscribed.count = 0")
    for name in names:
        await app.show(document("brief", name))
        await app.show()
    await app.show(document("last", names[-1]))
    await app.expect_status("last", "ready")
    await app.show()
    opened = sum([await app.opened(name) for name in names])
    await app.page.wait_for_function("(count) => unsubscribed.count >= count", arg=opened - 1)


async def test_a_component_that_mounts_again_soon_has_its_data_at_once(app: BindingPage) -> None:
    name = app.fresh_name()
    await app.start(document("again", name, data={"n": 1}), grace=60_000)
    await app.expect_status("again", "ready")
    await app.read("statuses.again = []")
    await app.show()
    await app.show(document("again", name))
    await app.expect_data("again", '{"n":1}')
    assert await app.read("statuses.again") == ["ready"]
    assert await app.opened(name) == 1
    await app.start()


async def test_the_name_may_change_and_be_none(app: BindingPage) -> None:
    one, two = app.fresh_name(), app.fresh_name()
    await app.show(document("a", one, data={"n": 1}), document("b", two, data={"n": 2}))
    await app.expect_data("a", '{"n":1}')
    await app.expect_data("b", '{"n":2}')
    await app.show(document("a", two))
    await app.expect_data("a", '{"n":2}')
    await app.press("a", "Increment")
    await app.expect_data("a", '{"n":3}')
    await app.show(document("a", None))
    await app.expect_status("a", "idle")
    await app.show(document("a", one))
    await app.expect_data("a", '{"n":1}')


async def test_an_error_and_a_removal_are_shown_and_end(app: BindingPage, account: Account) -> None:
    name = app.fresh_name()
    await app.show(document("late", name, mode="open_existing"))
    await app.expect_status("late", "error")
    await expect(app.at("late").locator(".error")).to_contain_text("404")
    sid = account.document("default", name, '{"n": 5}')
    await app.press("late", "Open again")
    await app.expect_data("late", '{"n":5}')
    account.ok("DELETE", "default", "Documents", sid)
    await app.expect_status("late", "removed")
    account.document("default", name, '{"n": 6}')
    await app.press("late", "Open again")
    await app.expect_data("late", '{"n":6}')


async def test_one_change_of_a_long_list_renders_one_row(app: BindingPage) -> None:
    await app.show({"place": "list", "kind": "list", "name": app.fresh_name()})
    await app.expect_status("list", "ready")
    await app.read(
        """Promise.all(Array.from({ length: 10 }, () => items.batch((batch) => {
          for (let n = 0; n < 100; n += 1) batch.push({ n });
        })))"""
    )
    rows = app.at("list").locator("li")
    await expect(rows).to_have_count(1000)
    await app.read("before = { ...renders }")
    await app.read("items.increment(700, '/n', 1000)")
    await expect(rows.nth(700)).to_have_text("700: 1000")
    rendered = "Object.keys(renders).filter((part) => renders[part] !== before[part])"
    assert await app.read(rendered) == ["row:700"]
    await app.read("items.remove(3)")
    await expect(rows).to_have_count(999)
    assert await app.read(rendered) == ["row:700"]


async def test_one_item_of_a_map_is_rendered_alone(app: BindingPage) -> None:
    name = app.fresh_name()
    await app.show(
        {"place": "cells", "kind": "cells", "name": name},
        {"place": "map", "kind": "map", "name": name},
    )
    await app.expect_status("map", "ready")
    await app.read("items.batch((batch) => batch.set('a', { n: 1 }).set('b', { n: 1 }))")
    cells = app.at("cells").locator("span")
    await expect(cells).to_have_text(["a: 1", "b: 1"])
    await app.read("before = { ...renders }")
    await app.press("cells", "Add to a")
    await expect(cells).to_have_text(["a: 2", "b: 1"])
    await expect(app.at("map").locator("li")).to_have_text(["a: 2", "b: 1"])
    rendered = "Object.keys(renders).filter((part) => renders[part] !== before[part]).sort()"
    assert await app.read(rendered) == ["cell:a", "row:a"]
    await app.read("items.remove('b')")
    await expect(cells).to_have_text(["a: 2"])
    assert await app.opened(name) == 1


async def test_a_stream_keeps_messages_and_calls_back(app: BindingPage) -> None:
    await app.show({"place": "stream", "kind": "stream", "name": app.fresh_name()})
    await app.expect_status("stream", "ready")
    for newest in ("[0]", "[0,1]", "[1,2]"):
        await app.press("stream", "Publish")
        await app.expect_data("stream", newest)
    assert await app.read("messages") == [0, 1, 2]


async def test_what_changed_while_the_page_was_offline_is_shown_when_it_is_back(
    app: BindingPage, account: Account
) -> None:
    name, late = app.fresh_name(), app.fresh_name()
    await app.show(document("kept", name, data={"n": 1}))
    await app.expect_status("kept", "ready")
    app.gateway.reachable = False
    app.gateway.cut()
    await expect(app.page.get_by_test_id("connection")).to_have_text("connecting")
    await app.show(document("kept", name), document("late", late, data={"n": 2}))
    await app.expect_data("kept", '{"n":1}')
    await app.expect_status("late", "loading")
    account.ok("POST", "default", "Documents", name, data={"Data": '{"n": 9}'})
    app.gateway.reachable = True
    await app.expect_data("kept", '{"n":9}')
    await app.expect_data("late", '{"n":2}')
    await expect(app.page.get_by_test_id("connection")).to_have_text("connected")
    app.errors[:] = [error for error in app.errors if not error.startswith(OFFLINE)]


async def test_who_loses_the_right_to_read_sees_a_removal_and_then_the_refusal(
    app: BindingPage, account: Account
) -> None:
    service = account.service(AclEnabled="true")
    sid = account.document(service, "secret", '{"n": 1}')
    account.permit(service, sid, "alice", "r")
    await app.start(document("secret", "secret"), token=app.server.token("alice", service=service))
    await app.expect_data("secret", '{"n":1}')
    account.permit(service, sid, "alice", "")
    await app.expect_status("secret", "removed")
    await app.press("secret", "Open again")
    await app.expect_status("secret", "error")
    await expect(app.at("secret").locator(".error")).to_contain_text("403")
    account.permit(service, sid, "alice", "rw")
    await app.press("secret", "Open again")
    await app.expect_data("secret", '{"n":1}')
    await app.start()


async def test_an_application_that_stops_closes_its_connection(app: BindingPage) -> None:
    await expect(app.page.get_by_test_id("connection")).to_have_text("connected")
    await app.read("sockets.length = 0")
    await app.start(document("one", app.fresh_name()))
    await app.expect_status("one", "ready")
    assert await app.read("sockets.length") == 1
    await app.read("stop()")
    await app.page.wait_for_function("sockets.every(({ readyState }) => readyState === 3)")
    await app.start()


async def test_a_page_that_a_server_rendered_becomes_alive(app: BindingPage, pages: Path) -> None:
    name = app.fresh_name()
    places = [
        document("first", name, initial={"n": 0}),
        {"place": "cells", "kind": "cells", "name": name},
        {"place": "list", "kind": "list", "name": name},
        {"place": "stream", "kind": "stream", "name": name},
    ]
    given = app.given(places=places)
    html = await asyncio.to_thread(render, pages, app.framework, **given)
    assert 'data-status="loading"' in html
    assert '"n":0' in html.replace("&quot;", '"')
    fresh = BindingPage(await app.page.context.new_page(), app.framework, app.gateway, app.server)
    await fresh.load(pages, html)
    await expect(fresh.at("first")).to_have_attribute("data-status", "loading")
    await fresh.page.evaluate("root.querySelector('section').isKept = true")
    await fresh.page.evaluate("(given) => start(given)", {**given, "isRendered": True})
    for place in ("first", "cells", "list", "stream"):
        await fresh.expect_status(place, "ready")
    assert await fresh.read("root.querySelector('section').isKept")
    await fresh.press("first", "Increment")
    await fresh.expect_data("first", '{"n":1}')
    assert await fresh.read("warnings") == []
    assert fresh.errors == []
    await fresh.read("stop()")
    await fresh.page.close()


async def test_the_programs_of_the_readme_run(
    app: BindingPage, pages: Path, account: Account
) -> None:
    token = app.server.token(service=account.service())
    readme = BindingPage(await app.page.context.new_page(), app.framework, app.gateway, app.server)
    page = readme.page
    await page.route("**/token", lambda route: route.fulfill(body=token))
    await readme.load(pages)
    await page.evaluate(
        "() => { root.innerHTML = '<div id=app></div>'; startReadme(root.firstChild); }"
    )
    lobby = page.get_by_role("checkbox")
    await lobby.click()
    await expect(lobby).to_be_checked()
    await expect(page.get_by_text("The lobby is open (connected)")).to_be_visible()
    cards = page.get_by_role("listitem")
    await page.get_by_role("button", name="Add").click()
    await expect(cards).to_have_text(["A card 0"])
    await cards.get_by_role("button").click()
    await expect(cards).to_have_text(["A card 1"])
    assert readme.errors == []
    assert await readme.read("warnings") == []
    await page.close()


@pytest.mark.parametrize("app", ["react"], indirect=True)
async def test_a_provider_may_get_another_client(app: BindingPage, account: Account) -> None:
    name = app.fresh_name()
    await app.show(document("one", name, data={"n": 1}))
    await app.press("one", "Increment")
    await app.expect_data("one", '{"n":2}')
    other = app.given(token=app.server.token(service=account.service()))
    await app.page.evaluate(
        "(given) => provide({ client: globalThis.own = connect(given) })", other
    )
    await app.expect_data("one", '{"n":1}')
    # Its own client has nothing left to do, but a client that is given stays the application's.
    await app.page.wait_for_function(
        "sockets.filter(({ readyState }) => readyState < 2).length === 1"
    )
    await app.start()
    await expect(app.page.get_by_test_id("connection")).to_have_text("connected")
    assert await app.read("own.connectionState") == "connected"
    await app.read("own.shutdown()")


@pytest.mark.parametrize("app", ["react"], indirect=True)
async def test_a_provider_keeps_its_client_when_it_gets_another_token(app: BindingPage) -> None:
    settings = app.given(isText=True)
    await app.start(document("one", app.fresh_name()), **settings)
    await app.expect_status("one", "ready")
    await app.read("sockets.length = tokens.length = 0")
    await app.page.evaluate("(settings) => provide(given(settings))", settings)
    renewed = settings | {"token": app.server.token(ttl=600)}
    await app.page.evaluate("(settings) => provide(given(settings))", renewed)
    await app.page.wait_for_function("tokens.length === 1")
    assert await app.read("tokens") == [renewed["token"]]
    function = settings | {"isText": False}
    for _ in range(2):
        await app.page.evaluate("(settings) => provide(given(settings))", function)
    await app.press("one", "Increment")
    await app.expect_data("one", '{"n":1}')
    assert await app.read("[sockets.length, tokens.length]") == [0, 1]
    await app.start()


async def test_the_types_of_the_packages_accept_right_programs_and_refuse_wrong_ones(
    pages: Path,
) -> None:
    assert await asyncio.to_thread(check_programs, pages) == ""


async def test_the_packages_hold_their_modules_and_types_and_nothing_else(pages: Path) -> None:
    for framework in FRAMEWORKS:
        root = pages / f"app/node_modules/syncline-{framework}"
        modules = {path.stem for path in (CLIENTS / framework / "src").iterdir()}
        assert {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()} == {
            *(f"src/{module}.js" for module in modules),
            *(f"types/{module}.d.ts" for module in modules),
            "LICENSE",
            "README.md",
            "package.json",
        }


async def test_the_versions_of_the_packages_agree() -> None:
    client = json.loads((CLIENTS / "js/package.json").read_text())
    for framework in FRAMEWORKS:
        package = json.loads((CLIENTS / framework / "package.json").read_text())
        assert package["version"] == client["version"]
        assert package["peerDependencies"]["syncline"] == client["version"]
