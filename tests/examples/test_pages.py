"""The examples with a page, each in two windows of a real browser."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from support.browser import Browsing
from support.examples import EXAMPLES, NODE_MODULES, ROOT, Program, run
from support.server import RunningServer
from support.snippets import collect
from syncline import NotFound, Service

pytestmark = pytest.mark.asyncio(loop_scope="session")

WIDTH, HEIGHT = 1280, 800
"""Size of a window."""

VENDOR_SDK = NODE_MODULES / "twilio-sync/builds/twilio-sync.min.js"


def serve(folder: Path, environ: dict[str, str], tmp_path: Path) -> Program:
    """Serve a folder as the READMEs say."""
    command = sys.executable, EXAMPLES / "serve.py", folder, "--port", "0"
    return Program(*command, environ=environ, log=tmp_path / "serve.log")


async def take_picture(page: Page, name: str) -> None:
    """Keep a picture if `EXAMPLE_PICTURES` names a directory."""
    if directory := os.environ.get("EXAMPLE_PICTURES"):
        await page.screenshot(path=Path(directory) / f"{name}.png")


def expire_soon(service: Service, name: str) -> None:
    """Let the items of a map expire in a second, if they have not expired yet."""
    items = service.maps[name]
    for key in items:
        with suppress(NotFound):
            items.set_item_ttl(key, 1)


async def shows(window: Page, places: list[tuple[int, int]]) -> bool:
    """True if the window shows a cursor at each of these places, in percent."""
    cursors = [f".cursor[style*='left: {x}vw; top: {y}vh']" for x, y in places]
    return [await window.locator(each).count() for each in cursors] == [1] * len(places)


async def test_the_page_of_the_readme_is_the_same_in_two_windows(
    server: RunningServer, environ: dict[str, str], browsing: Browsing, tmp_path: Path
) -> None:
    (code,) = (snippet.code for snippet in collect() if snippet.file == "page/index.html")
    (tmp_path / "index.html").write_text(code.replace("http://127.0.0.1:8040", server.url))
    with serve(tmp_path, environ, tmp_path) as program:
        first = await browsing.open(program.url)
        second = await browsing.open(program.url)
        await expect(second.locator("output")).to_have_text("0")
        await first.get_by_role("button", name="Join").click()
        for window in first, second:
            await expect(window.locator("output")).to_have_text("1")


async def test_cursors_are_shared_and_vanish(
    service: Service, environ: dict[str, str], browsing: Browsing, tmp_path: Path
) -> None:
    page_file = EXAMPLES / "cursors/index.html"
    assert len(page_file.read_text().splitlines()) <= 40
    with serve(page_file.parent, environ, tmp_path) as program:
        first = await browsing.open(program.url)
        second = await browsing.open(program.url)
        windows, places = [first, second], [(50, 50), (25, 75)]
        # A window that is not ready yet misses its pointer, and a cursor that rests expires.
        while not (await shows(first, places) and await shows(second, places)):
            for window, (x, y) in zip(windows, places, strict=True):
                await window.mouse.move(WIDTH * x / 100 - 1, HEIGHT * y / 100)
                await window.mouse.move(WIDTH * x / 100, HEIGHT * y / 100)
        await take_picture(second, "cursors")
        expire_soon(service, "cursors")
        await expect(second.locator(".cursor")).to_have_count(0)


async def test_the_dashboard_follows_its_feed(
    service: Service, environ: dict[str, str], browsing: Browsing, tmp_path: Path
) -> None:
    folder = EXAMPLES / "live-dashboard"
    with serve(folder, environ, tmp_path) as program:
        page = await browsing.open(program.url)
        state = page.locator("#state")
        await expect(state).to_have_text("waiting for feed.py")
        feed = subprocess.Popen(
            [sys.executable, folder / "feed.py", "--interval", "0.02"], env=environ
        )
        try:
            await expect(state).to_have_text("current")
            titles = ["Load of a core", "Disk in use", "Time of a write"]
            await expect(page.locator("h2")).to_have_text(titles)
            write = page.locator("[id='3-write']")
            await expect(write.locator("output")).to_have_text(re.compile(r"^[\d.]+ ms$"))
            curve = write.locator("polyline")
            await expect(curve).to_have_attribute("points", re.compile(r"^(\S+ ){19}"))
            await take_picture(page, "live-dashboard")
        finally:
            feed.terminate()
            feed.wait()
        expire_soon(service, "dashboard")
        await expect(state).to_have_text("waiting for feed.py")
        await expect(page.locator("h2")).to_have_count(0)


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
