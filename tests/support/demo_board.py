"""Page object of the demo's board, and the map that it shows."""

from __future__ import annotations

from collections.abc import Mapping

from playwright.async_api import Locator, Page, expect

from .browser import Browsing
from .collections import CollectionsApi
from .demo import DemoWindow
from .proxy import Proxy
from .server import RunningServer

__all__ = ["BOARD", "DemoBoard", "read_board", "write_board"]

BOARD = "demo_board"


def write_board(server: RunningServer, cards: Mapping[str, str]) -> None:
    """Replace the whole board by new cards: column by text."""
    with CollectionsApi(server, "Maps") as maps:
        maps.call("DELETE", BOARD)
        maps.create(UniqueName=BOARD)
        # The page adds its samples to a board that was never written.
        maps.add(BOARD, key="elsewhere")
        data = [{"text": text, "column": column} for text, column in cards.items()]
        maps.fill(
            BOARD,
            [
                {"op": "add", "key": f"card-{place:02}", "data": {**each, "place": place}}
                for place, each in enumerate(data)
            ],
        )


def read_board(server: RunningServer) -> dict[str, list[str]]:
    """The texts of the cards by column, in their order, as the server has them."""
    columns: dict[str, list[str]] = {"todo": [], "doing": [], "done": []}
    with CollectionsApi(server, "Maps") as maps:
        items = maps.ok("GET", BOARD, "Items", params={"PageSize": 100})["items"]
    cards = [(item["data"]["place"], item["key"], item["data"]) for item in items if item["data"]]
    for _, _, data in sorted(cards, key=lambda card: card[:2]):
        columns[data["column"]].append(data["text"])
    return columns


class DemoBoard:
    """The board in one window with the demo.

    Attributes:
        page: the page of Playwright.
    """

    def __init__(self, page: Page) -> None:
        self.page = page

    @classmethod
    async def open(cls, browsing: Browsing, server: RunningServer | Proxy, name: str) -> DemoBoard:
        """Open a window and wait for its board."""
        window = await DemoWindow.open(browsing, server, name)
        await expect(window.page.locator("#board")).to_have_attribute("data-state", "open")
        return cls(window.page)

    @property
    def connection(self) -> Locator:
        """The text that shows the state of the connection."""
        return self.page.locator("#connection")

    @property
    def dialog(self) -> Locator:
        """The dialog in which a card is edited."""
        return self.page.get_by_role("dialog")

    @property
    def problem(self) -> Locator:
        """The reason why a card was not saved."""
        return self.dialog.get_by_role("alert")

    def column(self, name: str) -> Locator:
        """A column: `todo`, `doing` or `done`."""
        return self.page.locator(f"[data-column={name}]")

    def card(self, text: str) -> Locator:
        """The card with a text."""
        shown = self.page.locator(".task-text").get_by_text(text, exact=True)
        return self.page.locator(".task").filter(has=shown)

    async def press(self, text: str, button: str) -> None:
        """Press a button of a card."""
        await self.card(text).get_by_role("button", name=f"{button}: {text}", exact=True).click()

    async def add(self, text: str) -> None:
        """Add a card."""
        await self.page.get_by_label("New card").fill(text)
        await self.page.get_by_role("button", name="Add", exact=True).click()

    async def edit(self, text: str, other: str) -> None:
        """Open a card in the dialog, and save another text."""
        await self.press(text, "Edit")
        await self.save(other)

    async def save(self, text: str) -> None:
        """Save a text in the open dialog."""
        await self.dialog.get_by_label("Text of the card").fill(text)
        await self.dialog.get_by_role("button", name="Save").click()

    async def expect_cards(self, **columns: list[str]) -> None:
        """Wait until these columns have these cards, in this order, and all writes are settled."""
        for name, texts in columns.items():
            await expect(self.column(name).locator(".task-text")).to_have_text(texts)
        await expect(self.page.locator(".task.pending")).to_have_count(0)
