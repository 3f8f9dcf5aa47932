"""The examples with a page, each in two windows of a real browser."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from support.browser import Browsing
from support.examples import EXAMPLES, NODE_MODULES, ROOT, Program, run
from syncline import Service

pytestmark = pytest.mark.asyncio(loop_scope="session")

VENDOR_SDK = NODE_MODULES / "twilio-sync/builds/twilio-sync.min.js"


def serve(folder: Path, environ: dict[str, str], tmp_path: Path) -> Program:
    """Serve a folder as the READMEs say."""
    command = sys.executable, EXAMPLES / "serve.py", folder, "--port", "0"
    return Program(*command, environ=environ, log=tmp_path / "serve.log")


async def take_picture(page: Page, name: str) -> None:
    """Keep a picture where `EXAMPLE_PICTURES` names a directory."""
    if directory := os.environ.get("EXAMPLE_PICTURES"):
        await page.screenshot(path=Path(directory) / f"{name}.png")


async def move_until_seen(mover: Page, watcher: Page, count: int) -> None:
    """Move the pointer of a window, which may not be ready, until the other one shows cursors."""
    while await watcher.locator(".cursor").count() < count:
        await mover.mouse.move(320, 200)
        await mover.mouse.move(640, 400, steps=5)


async def test_cursors_are_shared_and_vanish(
    service: Service, environ: dict[str, str], browsing: Browsing, tmp_path: Path
) -> None:
    page_file = EXAMPLES / "cursors/index.html"
    assert len(page_file.read_text().splitlines()) <= 40
    with serve(page_file.parent, environ, tmp_path) as program:
        first = await browsing.open(program.url)
        second = await browsing.open(program.url)
        await move_until_seen(first, second, 1)
        cursors = second.locator(".cursor")
        await expect(cursors).to_have_attribute("style", re.compile("left: 50vw; top: 50vh"))
        await move_until_seen(second, first, 2)
        await expect(cursors).to_have_count(2)
        await take_picture(second, "cursors")
        for key, item in service.maps["cursors"].items():
            assert item.date_expires is not None
            service.maps["cursors"].set_item_ttl(key, 1)
        await expect(cursors).to_have_count(0)


async def test_the_dashboard_follows_its_feed(
    service: Service, environ: dict[str, str], browsing: Browsing, tmp_path: Path
) -> None:
    folder = EXAMPLES / "live-dashboard"
    with serve(folder, environ, tmp_path) as program:
        page = await browsing.open(program.url)
        state = page.locator("#state")
        await expect(state).to_have_text("waiting for feed.py")
        feed = sys.executable, folder / "feed.py"
        run(*feed, "--interval", "0.01", "--count", "40", environ=environ)
        await expect(state).to_have_text("current")
        titles = ["Load of a core", "Disk in use", "Time of a write"]
        await expect(page.locator("h2")).to_have_text(titles)
        write = page.locator("[id='3-write']")
        await expect(write.locator("output")).to_have_text(re.compile(r"^[\d.]+ ms$"))
        points = await write.locator("polyline").get_attribute("points")
        assert len((points or "").split()) == 39
        await take_picture(page, "live-dashboard")
        service.maps.remove("dashboard")


async def test_a_page_of_the_vendors_sdk_runs_on_syncline(
    service: Service, environ: dict[str, str], browsing: Browsing, tmp_path: Path
) -> None:
    await browsing.context.route(
        "https://sdk.twilio.com/**", lambda route: route.fulfill(path=VENDOR_SDK)
    )
    with serve(EXAMPLES / "vendor-document-page", environ, tmp_path) as program:
        first = await browsing.open(program.url)
        second = await browsing.open(program.url)
        for page in first, second:
            await expect(page.locator("#status")).to_have_text("connected")
            await expect(page.get_by_role("button", name="Like")).to_be_enabled()
        await first.get_by_label("Note").press_sequentially("Milk, bread")
        await expect(second.get_by_label("Note")).to_have_value("Milk, bread")
        for page in first, second, first:
            await page.get_by_role("button", name="Like").click()
        await expect(first.locator("#likes")).to_have_text("3")
        await expect(second.locator("#likes")).to_have_text("3")
        await take_picture(second, "vendor-document-page")
        assert service.documents["note"].data == {"text": "Milk, bread", "likes": 3}
        service.documents.remove("note")
        await expect(second.locator("#status")).to_have_text("the note was removed")
        await expect(second.get_by_label("Note")).to_be_disabled()


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The React example as Vite builds it, with the packages that it names."""
    copy = tmp_path_factory.mktemp("react") / "board"
    left = shutil.ignore_patterns("node_modules", "dist")
    shutil.copytree(EXAMPLES / "react-board", copy, ignore=left)
    (copy / "node_modules").mkdir()
    for name in "react", "react-dom", "scheduler", "vite", "@vitejs":
        (copy / "node_modules" / name).symlink_to(NODE_MODULES / name)
    for name, client in {"syncline": "js", "syncline-react": "react"}.items():
        (copy / "node_modules" / name).symlink_to(ROOT / "clients" / client)
    vite = NODE_MODULES / "vite/bin/vite.js"
    run("node", vite, "build", copy, "--logLevel", "warn", environ=os.environ)
    return copy / "dist"


async def test_tasks_are_shared(
    board: Path, service: Service, environ: dict[str, str], browsing: Browsing, tmp_path: Path
) -> None:
    with serve(board, environ, tmp_path) as program:
        first = await browsing.open(program.url)
        second = await browsing.open(program.url)
        for title in "Write the guide", "Cut the release", "Rest":
            await first.get_by_label("New task").fill(title)
            await first.get_by_role("button", name="Add", exact=True).click()
        tasks = second.get_by_role("region", name="To do").locator("strong")
        await expect(tasks).to_have_text(["Write the guide", "Cut the release", "Rest"])
        await second.get_by_role("button", name="Move Write the guide on").click()
        await second.get_by_role("button", name="Remove Rest").click()
        doing = first.get_by_role("region", name="Doing").locator("strong")
        await expect(doing).to_have_text(["Write the guide"])
        left = first.get_by_role("region", name="To do").locator("strong")
        await expect(left).to_have_text(["Cut the release"])
        await take_picture(first, "react-board")
        board_items = service.maps["board"].items()
        assert [item.data["column"] for _, item in board_items] == [1, 0]
        service.maps.remove("board")
        await expect(second.get_by_text("was removed")).to_be_visible()
        await second.get_by_role("button", name="Open it again").click()
        await expect(tasks).to_have_count(0)
        await expect(second.get_by_role("heading", name="Tasks")).to_be_visible()
