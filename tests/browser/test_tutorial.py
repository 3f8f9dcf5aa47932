"""The task board of docs/tutorial.md works in two windows."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from support.browser import Browsing
from support.cluster import free_ports
from support.server import RunningServer, StartServer, await_listening
from support.snippets import select

pytestmark = pytest.mark.asyncio(loop_scope="session")

FILES = {each.file: each.code for each in select("file") if each.page == "tutorial.md"}


@pytest.fixture
def syncline_server(fresh_server: StartServer) -> RunningServer:
    return fresh_server()


@pytest.fixture
def board(syncline_server: RunningServer, tmp_path: Path) -> Iterator[str]:
    """URL of the back end of the tutorial, with its page."""
    (tmp_path / "syncline-data").symlink_to(syncline_server.data_dir)
    (port,) = free_ports(1)
    for name, code in FILES.items():
        text = code.replace("http://127.0.0.1:8040", syncline_server.url)
        (tmp_path / name).write_text(text.replace("8000", str(port)))
    with subprocess.Popen(
        [sys.executable, "board.py"], cwd=tmp_path, stderr=subprocess.DEVNULL
    ) as process:
        await_listening(port)
        yield f"http://127.0.0.1:{port}"
        process.terminate()


async def open_board(browsing: Browsing, url: str) -> Page:
    page = await browsing.context.new_page()
    await page.goto(url)
    await expect(page.get_by_role("status")).to_have_text("connected")
    return page


# `board` first, so that the windows are closed before their back end ends.
async def test_two_windows_show_the_same_tasks(board: str, browsing: Browsing) -> None:
    one, other = await open_board(browsing, board), await open_board(browsing, board)

    await one.get_by_label("New task").fill("Buy <b>milk</b>")
    await one.get_by_role("button", name="Add").click()
    task = other.get_by_label("Buy <b>milk</b>")
    await expect(task).not_to_be_checked()

    await task.check()
    await expect(one.get_by_label("Buy <b>milk</b>")).to_be_checked()

    await one.get_by_role("button", name="Remove").click()
    await expect(other.get_by_role("listitem")).to_have_count(0)
