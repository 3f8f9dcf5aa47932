"""The two panes of the demo: offline and back, latency, a terminal, a phone, other machines."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.async_api import expect

from support.addresses import own_address
from support.browser import Browsing
from support.collections import CollectionsApi
from support.demo import DemoPane, open_panes
from support.demo_board import BOARD, DemoBoard, write_board
from support.server import RunningServer, StartServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

NO_WEBSOCKET = "delete globalThis.WebSocket;"

COMMAND = Path(sys.executable).with_name("syncline")

OPENER_POLICY = "Cross-Origin-Opener-Policy"

DURATION = re.compile(r"\d+(\.\d)? ms")


@pytest.mark.parametrize("script", ["", NO_WEBSOCKET])
async def test_changes_made_offline_wait_and_are_written_when_the_pane_is_back(
    server: RunningServer, browsing: Browsing, script: str
) -> None:
    write_board(server, {"One": "todo", "Two": "todo"})
    await browsing.context.add_init_script(script)
    left, right = await DemoBoard.open_two(browsing, server)
    await left.pane.press("Reset")
    await left.pane.press("Sand")
    await expect(right.pane.count).to_have_text("0")
    await expect(right.pane.colour("accent")).to_have_value("#d9541e")
    await expect(left.pane.waiting).to_have_text("0")

    await left.pane.switch_network()
    await expect(left.connection).to_have_text("Offline")
    await left.pane.colour("accent").fill("#a1b2c3")
    await left.pane.press("+1")
    await left.press("One", "Move to Doing")
    await expect(left.pane.waiting).to_have_text("3")
    await expect(left.pane.settlement).to_have_text("Offline. 3 changes to be written later.")
    await expect(left.card("One").locator(".task-writer")).to_have_text("not saved yet")
    await expect(left.pane.find("count-waiting")).to_have_text("+1 to come")

    # What the other pane writes shows that it has no change of this one, and misses this one.
    await right.pane.colour("text").fill("#0d0e0f")
    await right.press("Two", "Move to Doing")
    await right.expect_cards(todo=["One"], doing=["Two"])
    await expect(right.pane.waiting).to_have_text("0")
    await expect(right.pane.count).to_have_text("0")
    await expect(right.pane.colour("accent")).to_have_value("#d9541e")
    await expect(left.pane.colour("text")).to_have_value("#3a2a1a")
    await left.expect_shown(todo=["Two"], doing=["One"])

    await left.pane.switch_network()
    # By REST, the change of the other pane can come with the answer to an own write.
    await expect(left.pane.settlement).to_have_text(
        re.compile("In sync again. Written: 3 changes. Caught up: (1 document or|2 documents and)")
    )
    for board in (left, right):
        await expect(board.pane.colour("accent")).to_have_value("#a1b2c3")
        await expect(board.pane.colour("text")).to_have_value("#0d0e0f")
        await expect(board.pane.count).to_have_text("1")
        await expect(board.column("doing").locator(".task")).to_have_count(2)
    await expect(left.pane.waiting).to_have_text("0")
    if script:
        # Chromium logs each refusal over HTTP, such as that of a write that another one preceded.
        assert all("status of 4" in error for error in browsing.errors), browsing.errors
        await browsing.forget_errors()


async def test_pane_that_is_offline_keeps_no_connection(
    server: RunningServer, browsing: Browsing
) -> None:
    left, right = await open_panes(browsing, server)
    await right.switch_network()
    await left.colour("accent").fill("#0badca")
    await expect(left.find("waiting")).to_have_text("0")
    await expect(right.connection).to_have_text("Offline")
    requests: list[str] = []
    left.page.on("request", lambda request: requests.append(request.url))
    left.page.on("websocket", lambda socket: requests.append(socket.url))
    await right.colour("surface").fill("#fedcba")
    await expect(right.waiting).to_have_text("1")
    # The other client would ask too if it were cut: it writes, and everything else is silent.
    await left.colour("surface").fill("#abcdef")
    await expect(left.waiting).to_have_text("0")
    assert requests == []
    assert await right.colour("accent").input_value() != "#0badca"
    await right.switch_network()
    await expect(right.colour("accent")).to_have_value("#0badca")
    await expect(left.colour("surface")).to_have_value("#fedcba")


async def test_latency_of_own_events_and_of_the_other_pane_is_shown(
    server: RunningServer, browsing: Browsing
) -> None:
    left, right = await open_panes(browsing, server)
    await expect(left.find("latency-own")).to_have_text("–")
    await left.press("+50")
    await expect(left.find("latency-own")).to_have_text(DURATION)
    await expect(right.find("latency-other")).to_have_text(DURATION)
    await expect(right.find("latency-own")).to_have_text("–")
    await expect(left.find("latency-other")).to_have_text("–")


async def test_commands_of_the_page_do_the_same_in_a_terminal(
    server: RunningServer, browsing: Browsing
) -> None:
    write_board(server, {})
    left, right = await DemoBoard.open_two(browsing, server)
    environ = {**os.environ, "SYNCLINE_DATA_DIR": str(server.data_dir)}
    for id in ("command-doc", "command-map"):
        command = await left.page.locator(f"#{id}").inner_text()
        assert command.endswith(f"--url {server.url}")
        words = command.replace("syncline ", f"{COMMAND} ", 1)
        subprocess.run(words, shell=True, check=True, env=environ, capture_output=True)
    for board in (left, right):
        await expect(board.pane.colour("accent")).to_have_value("#e0218a")
        await board.expect_cards(todo=["From a terminal"])
    await browsing.context.grant_permissions(["clipboard-read", "clipboard-write"])
    button = left.page.locator("#command-map-copy")
    await button.click()
    await expect(button).to_have_text("Copied")
    assert await left.page.evaluate("navigator.clipboard.readText()") == command


async def test_narrow_window_shows_one_pane_and_what_both_have(
    server: RunningServer, browsing: Browsing
) -> None:
    left, right = await open_panes(browsing, server)
    page = left.page
    await page.set_viewport_size({"width": 390, "height": 844})
    await expect(right.root).to_be_hidden()
    await left.press("Reset")
    for tab in ("#show-left", "#show-right"):
        await expect(page.locator(tab)).to_contain_text("Count 0")
    await page.locator("#show-right").click()
    await expect(left.root).to_be_hidden()
    await right.press("+1")
    for tab, name in (("#show-left", "Ada"), ("#show-right", "Ben")):
        await expect(page.locator(tab)).to_contain_text("Count 1")
        await expect(page.locator(tab)).to_contain_text(name)
    assert await page.evaluate("document.documentElement.scrollWidth") == 390


async def test_card_is_dragged_by_a_finger(server: RunningServer, browsing: Browsing) -> None:
    write_board(server, {"One": "todo", "Two": "doing"})
    left, right = await DemoBoard.open_two(browsing, server)
    await left.card("One").scroll_into_view_if_needed()
    start = await left.card("One").locator(".task-handle").bounding_box()
    end = await left.card("Two").bounding_box()
    assert start is not None
    assert end is not None
    finger = await left.page.context.new_cdp_session(left.page)
    places = [
        {"x": start["x"] + start["width"] / 2, "y": start["y"] + start["height"] / 2},
        {"x": end["x"] + 20, "y": end["y"] + 40},
        {"x": end["x"] + 20, "y": end["y"] + 4},
    ]
    await finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": places[:1]})
    for place in places[1:]:
        moved = {"type": "touchMove", "touchPoints": [place]}
        await finger.send("Input.dispatchTouchEvent", moved)
    await finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    for board in (left, right):
        await board.expect_cards(todo=[], doing=["One", "Two"])


async def test_nothing_moves_for_those_who_prefer_less_motion(
    server: RunningServer, browsing: Browsing
) -> None:
    write_board(server, {"One": "todo"})
    left, right = await DemoBoard.open_two(browsing, server)
    await left.page.emulate_media(reduced_motion="reduce")
    await left.page.evaluate("""() => {
        globalThis.longest = 0;
        const animate = Element.prototype.animate;
        Element.prototype.animate = function (frames, options) {
          longest = Math.max(longest, options.duration);
          return animate.call(this, frames, options);
        };
    }""")
    await left.press("One", "Move to Doing")
    await right.expect_cards(doing=["One"])
    assert await left.page.evaluate("longest") == 0
    running = "document.getAnimations().filter((each) => each.playState === 'running').length"
    assert await left.page.evaluate(running) == 0


async def test_card_moves_in_the_other_pane_while_it_is_edited(
    server: RunningServer, browsing: Browsing
) -> None:
    write_board(server, {"Draft": "todo"})
    left, right = await DemoBoard.open_two(browsing, server)
    await left.press("Draft", "Edit")
    await expect(left.dialog.get_by_label("Text of the card")).to_be_focused()
    await right.press("Draft", "Move to Doing")
    await left.expect_cards(doing=["Draft"])
    await left.save("Final")
    for board in (left, right):
        await board.expect_cards(doing=["Final"])
    with CollectionsApi(server, "Maps") as maps:
        items = maps.ok("GET", BOARD, "Items")["items"]
    assert [item["data"]["text"] for item in items if item["data"]] == ["Final"]


@pytest.mark.skipif(own_address() is None, reason="this machine has loopback alone")
async def test_another_machine_sees_the_demo_if_its_network_is_named(
    fresh_server: StartServer, browsing: Browsing
) -> None:
    address = own_address()
    server = fresh_server("--demo", "--host=0.0.0.0", f"--demo-networks={address}")
    page = await browsing.open(f"http://{address}:{server.port}/demo")
    for side in ("left", "right"):
        await DemoPane(page, side).expect_open()
    await DemoPane(page, "left").colour("accent").fill("#0c0d0e")
    await expect(DemoPane(page, "right").colour("accent")).to_have_value("#0c0d0e")
    # There is no clipboard without HTTPS.
    await page.locator("#command-doc-copy").click()
    await expect(page.locator("#command-doc-copy")).to_have_text("Selected")
    # Chromium reports that this header needs HTTPS.
    assert all(OPENER_POLICY in error for error in browsing.errors), browsing.errors
    await browsing.forget_errors()


@pytest.mark.skipif(own_address() is None, reason="this machine has loopback alone")
async def test_another_machine_is_shown_what_to_set(
    fresh_server: StartServer, browsing: Browsing
) -> None:
    address = own_address()
    server = fresh_server("--demo", "--host=0.0.0.0")
    page = await browsing.open(f"http://{address}:{server.port}/demo")
    problem = page.locator("#problem")
    await expect(problem).to_contain_text("--demo-networks (SYNCLINE_DEMO_NETWORKS)")
    await expect(problem).to_contain_text(f"This client's address is {address}.")
    errors = [error for error in browsing.errors if OPENER_POLICY not in error]
    assert all("403" in error for error in errors), errors
    await browsing.forget_errors()
