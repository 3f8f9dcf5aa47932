"""The demo's board of cards, in several real windows."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import expect

from support.browser import Browsing
from support.collections import CollectionsApi
from support.demo_board import BOARD, DemoBoard, read_board, write_board
from support.proxy import Proxy
from support.server import RunningServer, StartServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEEP_EVENTS_BACK = """
  globalThis.isKeeping = false;
  globalThis.kept = [];
  globalThis.firstKept = new Promise((resolve) => (globalThis.announce = resolve));
  const listen = WebSocket.prototype.addEventListener;
  WebSocket.prototype.addEventListener = function (name, listener, ...rest) {
    const receive = (event) => {
      const isKept = isKeeping && name === "message" && event.data.includes('"event":"items"');
      if (!isKept) return listener(event);
      kept.push(() => listener(event));
      announce();
    };
    listen.call(this, name, receive, ...rest);
  };
"""
"""Lets a page have the events of items only once the functions in `kept` are called."""


async def test_new_board_has_the_samples_once(
    fresh_server: StartServer, browsing: Browsing
) -> None:
    first, second = await DemoBoard.open_two(browsing, fresh_server("--demo"))
    for board in (first, second):
        await expect(board.tasks).to_have_count(4)
    for text in await first.pane.root.locator(".task-text").all_inner_texts():
        await first.press(text, "Remove")
    await expect(second.tasks).to_have_count(0)
    await first.page.reload()
    await expect(first.pane.find("board")).to_have_attribute("data-state", "open")
    await first.add("Pen")
    await second.expect_cards(todo=["Pen"], doing=[], done=[])


async def test_card_added_edited_and_removed_in_one_window_follows_in_the_other(
    server: RunningServer, browsing: Browsing
) -> None:
    write_board(server, {})
    first, second = await DemoBoard.open_two(browsing, server)
    await first.add("  Buy milk ")
    await second.expect_cards(todo=["Buy milk"])
    await expect(second.card("Buy milk").locator(".person")).to_have_text("Ada")
    await second.edit("Buy milk", "Buy two bottles of milk")
    await first.expect_cards(todo=["Buy two bottles of milk"])
    await expect(first.pane.newest_event).to_contain_text("Ben wrote “Buy two bottles of milk”")
    await first.press("Buy two bottles of milk", "Remove")
    await second.expect_cards(todo=[])
    await expect(second.pane.newest_event).to_contain_text("Ada removed “Buy two")


async def test_card_is_dragged_to_its_place_in_a_column(
    server: RunningServer, browsing: Browsing
) -> None:
    write_board(server, {"One": "todo", "Two": "doing", "Three": "doing"})
    first, second = await DemoBoard.open_two(browsing, server)
    await first.card("One").drag_to(first.card("Three"), target_position={"x": 60, "y": 8})
    for board in (first, second):
        await board.expect_cards(todo=[], doing=["Two", "One", "Three"])
    await second.card("Two").drag_to(second.column("done").locator("ol"))
    for board in (first, second):
        await board.expect_cards(doing=["One", "Three"], done=["Two"])
    await expect(first.card("Two").locator(".person")).to_have_text("Ben")
    hue = "(each) => getComputedStyle(each).getPropertyValue('--hue')"
    shown = await first.card("Two").evaluate(hue)
    assert shown == await first.card("Two").locator(".person").evaluate(hue)
    assert shown != await first.card("One").evaluate(hue)


async def test_card_is_moved_by_the_keyboard_and_keeps_the_focus(
    server: RunningServer, browsing: Browsing
) -> None:
    write_board(server, {"One": "todo", "Two": "todo", "Three": "doing"})
    first, second = await DemoBoard.open_two(browsing, server)
    keyboard = first.page.keyboard
    await first.card("Two").focus()
    await keyboard.press("Shift+ArrowUp")
    await second.expect_cards(todo=["Two", "One"])
    await keyboard.press("Shift+ArrowRight")
    await second.expect_cards(todo=["One"], doing=["Three", "Two"])
    status = first.pane.find("board-status")
    await expect(status).to_have_text("“Two” is number 2 in Doing.")
    await keyboard.press("Shift+ArrowUp")
    await keyboard.press("Shift+ArrowUp")
    await keyboard.press("Shift+ArrowDown")
    await second.expect_cards(doing=["Three", "Two"])
    await expect(first.card("Two")).to_be_focused()


async def test_button_of_a_moved_card_keeps_the_focus(
    server: RunningServer, browsing: Browsing
) -> None:
    write_board(server, {"One": "todo", "Two": "todo"})
    board = await DemoBoard.open(browsing, server, "Ada")
    await board.card("One").get_by_role("button", name="Move to Doing: One").focus()
    await board.page.keyboard.press("Enter")
    await board.page.keyboard.press("Enter")
    await board.expect_cards(todo=["Two"], done=["One"])
    # No column is on that side any more.
    await expect(board.card("One")).to_be_focused()
    await board.card("Two").get_by_role("button", name="Remove: Two").focus()
    await board.page.keyboard.press("Enter")
    await board.expect_cards(todo=[])
    await expect(board.pane.root.get_by_label("New card")).to_be_focused()


async def test_moved_card_stays_where_it_was_put_between_the_reply_and_the_event(
    server: RunningServer, browsing: Browsing
) -> None:
    write_board(server, {"One": "todo"})
    await browsing.context.add_init_script(KEEP_EVENTS_BACK)
    board = await DemoBoard.open(browsing, server, "Ada")
    await board.page.evaluate("isKeeping = true")
    await board.press("One", "Move to Doing")
    # The event comes after the reply.
    await board.page.evaluate("firstKept")
    assert await board.column("doing").locator(".task-text").all_inner_texts() == ["One"]
    await board.page.evaluate("isKeeping = false; for (const pass of kept) pass()")
    await board.expect_cards(doing=["One"])


async def test_move_and_edit_of_one_card_at_the_same_time_both_count(
    server: RunningServer, browsing: Browsing
) -> None:
    write_board(server, {"Plan": "todo"})
    # In two windows: the pointer of one can press one button at a time.
    first, second = [await DemoBoard.open(browsing, server, name) for name in ("Ada", "Ben")]
    await first.press("Plan", "Edit")
    await asyncio.gather(first.save("A better plan"), second.press("Plan", "Move to Doing"))
    for board in (first, second):
        await board.expect_cards(todo=[], doing=["A better plan"])


async def test_windows_that_move_the_same_cards_at_the_same_time_agree_and_lose_none(
    server: RunningServer, browsing: Browsing
) -> None:
    texts = [f"Card {number}" for number in range(12)]
    write_board(server, dict.fromkeys(texts, "todo"))
    boards = [await DemoBoard.open(browsing, server, name) for name in ("Ada", "Ben")]
    move = """(times) => {
      const tasks = [...document.querySelectorAll("#left .task")];
      const right = (task) => task.querySelectorAll(".task-button")[1];
      for (const task of tasks) for (let time = 0; time < times; time += 1) right(task).click();
    }"""
    # All at once: no window waits for a reply, or shows what the other does.
    await asyncio.gather(*(board.page.evaluate(move, at) for at, board in enumerate(boards, 1)))
    await asyncio.gather(*(board.add(f"New {at}") for at, board in enumerate(boards)))
    for board in boards:
        await expect(board.tasks).to_have_count(len(texts) + 2)
        await board.expect_cards()
    # No window has a write under way any more: what the server has is final.
    written = read_board(server)
    assert sorted(written["doing"] + written["done"]) == sorted(texts)
    for board in boards:
        await board.expect_cards(**written)


async def test_text_that_another_window_changed_is_not_overwritten_unseen(
    server: RunningServer, browsing: Browsing
) -> None:
    write_board(server, {"Draft": "todo"})
    first, second = await DemoBoard.open_two(browsing, server)
    await first.press("Draft", "Edit")
    await second.edit("Draft", "Text of Ben")
    await expect(first.pane.root.locator(".task-text")).to_have_text("Text of Ben")
    await first.save("Text of Ada")
    await expect(first.problem).to_have_text(
        "Ben wrote meanwhile: “Text of Ben”. Save again to replace it."
    )
    await second.expect_cards(todo=["Text of Ben"])
    await first.dialog.get_by_role("button", name="Save").click()
    await second.expect_cards(todo=["Text of Ada"])
    await expect(first.dialog).to_be_hidden()


async def test_card_removed_while_it_is_edited_comes_back_only_if_saved_again(
    server: RunningServer, browsing: Browsing
) -> None:
    write_board(server, {"Draft": "doing"})
    first, second = await DemoBoard.open_two(browsing, server)
    await first.press("Draft", "Edit")
    await second.press("Draft", "Remove")
    await first.expect_cards(doing=[])
    await first.save("Final")
    await expect(first.problem).to_contain_text("removed meanwhile")
    await second.expect_cards(todo=[], doing=[], done=[])
    await first.dialog.get_by_role("button", name="Save").click()
    await second.expect_cards(todo=["Final"])


async def test_window_that_was_offline_catches_up_and_its_writes_count(
    server: RunningServer, browsing: Browsing
) -> None:
    write_board(server, {"Both": "todo", "Hers": "todo", "His": "todo", "Gone": "doing"})
    async with Proxy(server) as gateway:
        away = await DemoBoard.open(browsing, gateway, "Ada")
        here = await DemoBoard.open(browsing, server, "Ben")
        gateway.reachable = False
        gateway.cut()
        await expect(away.connection).to_have_attribute("data-state", "connecting")
        await away.press("Both", "Move to Doing")
        await away.press("Hers", "Remove")
        await away.press("Gone", "Move to Done")
        await away.add("Written offline")
        await expect(away.card("Both").locator(".task-writer")).to_have_text("not saved yet")
        await here.edit("Both", "Both, edited")
        await here.press("His", "Move to Doing")
        await here.press("Gone", "Remove")
        await here.expect_cards(todo=["Both, edited", "Hers"], doing=["His"])
        gateway.reachable = True
        for board in (away, here):
            await board.expect_cards(todo=["Written offline"], done=[])
            doing = board.column("doing").locator(".task-text")
            await expect(doing).to_have_count(2)
            assert set(await doing.all_inner_texts()) == {"Both, edited", "His"}
        await expect(away.page.locator("#problem")).to_be_hidden()
    await browsing.forget_errors()  # Chromium itself logs each attempt to connect that fails


async def test_board_that_is_removed_comes_back(server: RunningServer, browsing: Browsing) -> None:
    write_board(server, {"One": "todo"})
    first, second = await DemoBoard.open_two(browsing, server)
    with CollectionsApi(server, "Maps") as maps:
        maps.ok("DELETE", BOARD)
    for board in (first, second):
        await expect(board.tasks).to_have_count(4)
    await first.add("Two")
    await expect(second.card("Two")).to_be_visible()


async def test_board_shows_what_others_wrote_as_text_and_within_its_bounds(
    server: RunningServer, browsing: Browsing
) -> None:
    markup = "\"'><img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>"
    write_board(server, {markup: "todo"})
    board = await DemoBoard.open(browsing, server, "Ada")
    with CollectionsApi(server, "Maps", server.token(markup)) as maps:
        maps.add(
            BOARD, key="card-20", data={"text": "x" * 5_000, "column": markup, "place": markup}
        )
        maps.add(BOARD, key="card-21", data={"column": "__proto__", "text": {"a": markup}})
        maps.add(BOARD, key="card-22", data={})
        maps.add(BOARD, key=markup, data={"text": "not a card of this page"})
    await expect(board.tasks).to_have_count(4)
    await expect(board.column("todo").locator(".task-text").first).to_have_text(markup)
    await expect(board.card("x" * 120)).to_be_visible()
    await expect(board.pane.root.locator(".task-writer", has_text=markup)).to_have_count(3)
    assert await board.page.locator("img[src=x], body script").count() == 0
    assert await board.page.title() != "run"
    await board.press("x" * 120, "Move to Doing")
    await board.press("(no text)", "Move to Doing")
    await board.edit("(no text)", "Named")
    await board.expect_cards(doing=["x" * 120, "Named"])
    write_board(server, {})


async def test_cards_without_room_between_them_are_moved_too(
    server: RunningServer, browsing: Browsing
) -> None:
    write_board(server, {})
    with CollectionsApi(server, "Maps") as maps:
        for number in range(4):
            maps.add(BOARD, key=f"card-0{number}", data={"text": f"Card {number}"})
    first, second = await DemoBoard.open_two(browsing, server)
    await first.card("Card 3").focus()
    await first.page.keyboard.press("Shift+ArrowUp")
    for board in (first, second):
        await board.expect_cards(todo=["Card 0", "Card 1", "Card 3", "Card 2"])


async def test_full_board_refuses_a_card_and_keeps_its_text(
    server: RunningServer, browsing: Browsing
) -> None:
    write_board(server, {f"Card {number}": "done" for number in range(48)})
    board = await DemoBoard.open(browsing, server, "Ada")
    await board.add("One too many")
    await expect(board.page.locator("#problem")).to_have_text(
        "The board is full: it has room for 48 cards."
    )
    await expect(board.pane.root.get_by_label("New card")).to_have_value("One too many")
    await board.press("Card 7", "Remove")
    await board.pane.press("Add")
    await board.expect_cards(todo=["One too many"])
    write_board(server, {})


async def test_board_fits_a_phone_and_every_control_has_a_name(
    server: RunningServer, browsing: Browsing
) -> None:
    write_board(server, {"w" * 120: "todo", "Two": "doing"})
    board = await DemoBoard.open(browsing, server, "Ada")
    await board.page.set_viewport_size({"width": 360, "height": 740})
    assert await board.page.evaluate("document.documentElement.scrollWidth") == 360
    outline = await board.pane.root.locator(".cards").aria_snapshot()
    for line in outline.splitlines():
        control = line.strip().removeprefix("- ").split(":")[0]
        if control.split(" ")[0] in ("button", "textbox", "listitem"):
            assert '"' in control, line
    await board.press("Two", "Edit")
    await expect(board.dialog).to_be_in_viewport(ratio=1)
    await board.page.keyboard.press("Escape")
    await expect(board.dialog).to_be_hidden()
    write_board(server, {})
